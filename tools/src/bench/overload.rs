//! What the suite does above its capacity: how much it refuses, whether it keeps what it accepted, how much memory it takes meanwhile, and how
//! long it needs until calls and consumers are as before.
//!
//! First the capacity is measured: what is accepted of clients without a pause. The usual load is a fifth of that, by clients who report about
//! once a second; it goes on to the end. The spike is ten times as many of them, twice the capacity. Clients behave: who is refused comes back
//! when it was told to.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use dafei_contracts::{
    intake::v1::suspicion_service_client::SuspicionServiceClient,
    ops::v1::{GetStatusRequest, ops_service_client::OpsServiceClient},
};
use dafei_kernel::role::Role;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{
    figures,
    intake::{Client, VILLAGE, caught_up, report},
};
use crate::{
    client::{self, Bearer, Caller, Keys, Service, Suite},
    exercise,
};

/// How many times the usual clients there are during the spike.
const SPIKE: usize = 10;
/// The usual load, of the capacity.
const USUAL: f64 = 0.2;
/// How often a usual client reports, about.
const EVERY: Duration = Duration::from_secs(1);
/// Calls of a connection.
const PER_CONNECTION: usize = 256;
/// Over which latencies are compared.
const WINDOW: Duration = Duration::from_millis(500);
/// The longest that it may take until all is as before, or the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// As before is what is at most so much slower, or further behind: two windows of the same load differ by that.
const SLACK: f64 = 1.5;
const SLACK_MS: f64 = 20.0;
const SLACK_LAG: u64 = 500;
/// When a client comes back that was not told when.
const PAUSE: Duration = Duration::from_millis(500);

/// So many clients, each with one call under way at the most.
struct Load {
    /// Of a client between two calls, about.
    pause: Duration,
    stop: AtomicBool,
    shed: AtomicU64,
    failed: AtomicU64,
    done: Mutex<Vec<Done>>,
}

/// An acknowledged call.
#[derive(Clone, Copy)]
struct Done {
    id: Uuid,
    at: Instant,
    took: Duration,
}

impl Load {
    fn start(
        lanes: usize,
        pause: Duration,
        address: &str,
        bearer: &Bearer,
    ) -> anyhow::Result<(Arc<Self>, JoinSet<()>)> {
        let load = Self {
            pause,
            stop: AtomicBool::default(),
            shed: AtomicU64::default(),
            failed: AtomicU64::default(),
            done: Mutex::default(),
        };
        let (load, mut running) = (Arc::new(load), JoinSet::new());
        let clients: Vec<Client> = (0..lanes.div_ceil(PER_CONNECTION))
            .map(|_| anyhow::Ok(SuspicionServiceClient::with_interceptor(client::connect(address)?, bearer.clone())))
            .collect::<anyhow::Result<_>>()?;
        for lane in 0..lanes {
            let (load, client) = (Arc::clone(&load), clients[lane % clients.len()].clone());
            running.spawn(async move {
                // They do not begin together.
                load.rest(load.pause.mul_f64(fastrand::f64())).await;
                while !load.stop.load(Ordering::Relaxed) {
                    let rest = load.once(client.clone()).await;
                    load.rest(rest).await;
                }
            });
        }
        Ok((load, running))
    }

    /// A report; how long its client rests then.
    async fn once(&self, client: Client) -> Duration {
        let begun = Instant::now();
        let status = match report(client).await {
            Ok(id) => {
                let done = Done { id, at: Instant::now(), took: begun.elapsed() };
                self.done.lock().unwrap_or_else(PoisonError::into_inner).push(done);
                return self.pause.mul_f64(0.5 + fastrand::f64());
            }
            Err(status) => status,
        };
        let (count, word) = match status.code() {
            Code::ResourceExhausted => (&self.shed, "shed"),
            _ => (&self.failed, "failed"),
        };
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            eprintln!("    first that was {word}: {status}");
        }
        told(&status)
    }

    /// Not longer than the load goes on.
    async fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < end {
            tokio::time::sleep((end - Instant::now()).min(Duration::from_millis(100))).await;
        }
    }

    fn between(&self, from: Instant, until: Instant) -> Vec<Duration> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.iter().filter(|done| done.at >= from && done.at < until).map(|done| done.took).collect()
    }

    fn accepted(&self) -> Vec<Uuid> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|done| done.id).collect()
    }

    async fn end(&self, mut running: JoinSet<()>) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(lane) = running.join_next().await {
            lane.context("a lane of the load")?;
        }
        Ok(())
    }
}

/// When the server said that a client may come back.
fn told(status: &Status) -> Duration {
    status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap_or(PAUSE)
}

pub(super) async fn run(
    suite: &Suite,
    keys: &Keys,
    scale: f64,
    in_flight: usize,
    manifests: &Path,
) -> anyhow::Result<()> {
    let time = Duration::from_secs_f64((15.0 * scale).max(2.0));
    let bearer = keys.bearer(&Caller::new(Role::GridMember, VILLAGE.parse()?))?;
    let admin = keys.admin()?;
    let address = client::setting("DAFEI_INTAKE_ADDR")?;
    let (full, full_running) = Load::start(in_flight, Duration::ZERO, &address, &bearer)?;
    tokio::time::sleep(time / 4).await;
    let begun = Instant::now();
    tokio::time::sleep(time / 2).await;
    let capacity = full.between(begun, Instant::now()).len() as f64 / begun.elapsed().as_secs_f64();
    full.end(full_running).await?;
    let caught_up = caught_up(suite, keys).await?;
    eprintln!("    {in_flight} in flight: {capacity:.0}/s; caught up after {caught_up:.1?}");

    let clients = (capacity * USUAL * EVERY.as_secs_f64()) as usize;
    if clients == 0 {
        bail!("next to nothing was acknowledged");
    }
    let (base, base_running) = Load::start(clients, EVERY, &address, &bearer)?;
    tokio::time::sleep(EVERY + time / 4).await;
    let begun = Instant::now();
    let mut usual_lag = 0;
    while begun.elapsed() < time {
        tokio::time::sleep(WINDOW).await;
        usual_lag = usual_lag.max(behind(suite, &admin).await?);
    }
    let mut usual = base.between(begun, Instant::now());
    let usual_per_s = usual.len() as f64 / begun.elapsed().as_secs_f64();
    let usual_p99 = figures::percentile_ms(&mut usual, 99);
    eprintln!("    {clients} clients: {usual_per_s:.0}/s, p99 {usual_p99:.0} ms, at most {usual_lag} behind");

    let (spike, spike_running) = Load::start(clients * (SPIKE - 1), EVERY, &address, &bearer)?;
    let begun = Instant::now();
    let shed_before = base.shed.load(Ordering::Relaxed);
    tokio::time::sleep(time).await;
    let mut during = [base.between(begun, Instant::now()), spike.between(begun, Instant::now())].concat();
    let shed = base.shed.load(Ordering::Relaxed) - shed_before + spike.shed.load(Ordering::Relaxed);
    let accepted_per_s = during.len() as f64 / begun.elapsed().as_secs_f64();
    let shed_share = shed as f64 / (shed as f64 + during.len() as f64).max(1.0);
    let spike_p99 = figures::percentile_ms(&mut during, 99);
    let lag = behind(suite, &admin).await?;
    eprintln!(
        "    {SPIKE} times as many: {accepted_per_s:.0}/s, p99 {spike_p99:.0} ms, {shed} calls shed, {lag} behind"
    );

    // What the spike has under way is part of what has to be got over.
    spike.stop.store(true, Ordering::Relaxed);
    let back = back_to_normal(suite, &admin, &base, usual_p99, usual_lag).await?;
    spike.end(spike_running).await?;
    base.end(base_running).await?;

    let failed: u64 = [&full, &base, &spike].iter().map(|load| load.failed.load(Ordering::Relaxed)).sum();
    let kept = [full.accepted(), base.accepted(), spike.accepted()].concat();
    let lost = lost(&kept).await?;
    eprintln!("    {} accepted in all, {lost} of them lost; {failed} failed in another way", kept.len());
    figures::print("overload_capacity_per_s", capacity, "1/s", None);
    figures::print("overload_usual_per_s", usual_per_s, "1/s", Some(("capacity", capacity)));
    figures::print("overload_accepted_per_s", accepted_per_s, "1/s", Some(("capacity", capacity)));
    figures::print("overload_p99_ms", spike_p99, "ms", Some(("usual", usual_p99)));
    figures::print("overload_shed_share", shed_share, "1", None);
    figures::print("overload_failed", failed as f64, "call", None);
    figures::print("overload_accepted_lost", lost as f64, "case", None);
    figures::print("overload_back_to_normal_s", back.as_secs_f64(), "s", Some(("aim", 10.0)));
    for service in Service::ALL {
        let limit = limit_mb(manifests, service.name())?;
        let name = format!("overload_memory_mb_{}", service.name());
        figures::print(&name, figures::peak_mb(service.name())?, "MB", Some(("limit", limit)));
    }
    Ok(())
}

/// How long until the base's calls are answered as quickly, and the consumers are as little behind, as before.
async fn back_to_normal(
    suite: &Suite,
    admin: &Bearer,
    base: &Load,
    usual_p99: f64,
    usual_lag: u64,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut window = begun;
    loop {
        tokio::time::sleep(WINDOW).await;
        let lag = behind(suite, admin).await?;
        let now = Instant::now();
        let mut took = base.between(window, now);
        let p99 = figures::percentile_ms(&mut took, 99);
        let quick = !took.is_empty() && p99 <= usual_p99 * SLACK + SLACK_MS;
        if quick && lag <= usual_lag + SLACK_LAG {
            return Ok(window.duration_since(begun));
        }
        eprintln!(
            "    {:.1} s after the spike: p99 {p99:.0} ms, {lag} behind",
            now.duration_since(begun).as_secs_f64()
        );
        if begun.elapsed() > PATIENCE {
            bail!("not as before after {PATIENCE:?}");
        }
        window = now;
    }
}

/// Events that are not published or not consumed, of all services.
async fn behind(suite: &Suite, admin: &Bearer) -> anyhow::Result<u64> {
    let mut behind = 0;
    for service in Service::ALL {
        let mut ops = OpsServiceClient::new(suite.with(service, admin));
        let status = ops.get_status(GetStatusRequest {}).await?.into_inner();
        behind += exercise::under_way(&status);
    }
    Ok(behind)
}

/// How many of the accepted reports are not in intake's database.
async fn lost(accepted: &[Uuid]) -> anyhow::Result<i64> {
    let mut conn = PgConnection::connect(&client::setting("DAFEI_INTAKE_DATABASE_URL")?).await?;
    let mut lost = 0;
    for part in accepted.chunks(10_000) {
        lost += sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM unnest($1::uuid[]) AS sent (id) WHERE NOT EXISTS (SELECT FROM suspicion s WHERE s.id = sent.id)",
        )
        .bind(part)
        .fetch_one(&mut conn)
        .await?;
    }
    conn.close().await?;
    Ok(lost)
}

/// The memory that the manifests allow a service, in MB.
fn limit_mb(manifests: &Path, service: &str) -> anyhow::Result<f64> {
    let file = manifests.join(format!("{service}.yaml"));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    limit_of(&text).with_context(|| format!("{}: no limit of memory", file.display()))
}

fn limit_of(manifest: &str) -> Option<f64> {
    let (_, rest) = manifest.split_once("limits: {memory: ")?;
    let (value, _) = rest.split_once('}')?;
    match (value.strip_suffix("Gi"), value.strip_suffix("Mi")) {
        (Some(gi), _) => gi.parse::<f64>().ok().map(|gi| gi * 1_024.0),
        (_, Some(mi)) => mi.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::limit_of;

    #[test]
    fn the_limit_of_memory_is_that_of_the_manifest() {
        assert_eq!(limit_of("            limits: {memory: 1Gi}\n"), Some(1_024.0));
        assert_eq!(limit_of("            limits: {memory: 512Mi}\n"), Some(512.0));
        assert_eq!(limit_of("            requests: {memory: 512Mi}\n"), None);
    }
}
