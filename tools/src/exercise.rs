//! Moving the exercise clock (演练) from due instant to due instant, so that a jump of five days gives the lights that five days would
//! have given: outboxes and consumers run dry, the clock of all four services is set to the next instant at which one of them has
//! something to do, and so on until the target.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant as Monotonic},
};

use anyhow::{Context as _, Result, bail};
use dafei_contracts::{
    ops::v1::{GetStatusRequest, GetStatusResponse, SetClockRequest, ops_service_client::OpsServiceClient},
    sla::v1::{WatchBreachesRequest, WatchBreachesResponse, breach_service_client::BreachServiceClient},
};
use dafei_kernel::{
    role::Role,
    time::{Instant, format_local},
};
use dafei_runtime::client::retried;
use futures::future::try_join_all;
use tonic::{Code, Streaming};

use crate::{
    client::{self, Authed, Caller, Keys, Service, Suite},
    refusal,
};

/// Pause between two looks at the services.
const PAUSE: Duration = Duration::from_millis(5);
/// How long they may take to run dry.
const DRY: Duration = Duration::from_secs(600);
/// Looks in a row that must find all services dry: between two looks a message can be on its way from one to the other.
const CALM: u32 = 3;
/// How long after the last light no further one is waited for.
const QUIET: Duration = Duration::from_millis(500);

/// How often the lights are asked for before it is given up, and the pause between two times.
const WATCH_TRIES: u32 = 120;
const WATCH_PAUSE: Duration = Duration::from_millis(500);

/// Where the clock shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// On by this much.
    By(Duration),
    /// To this instant.
    At(Instant),
}

/// Reads `+5d`, `+3h`, `+30m`, or `set INSTANT`.
///
/// # Errors
/// When it is neither.
pub fn target(words: &[String]) -> Result<Target> {
    match words {
        [by] if by.starts_with('+') => Ok(Target::By(crate::duration::parse(by).map_err(anyhow::Error::msg)?)),
        [set, at] if set == "set" => {
            Ok(Target::At(at.parse().with_context(|| format!("{at:?} is no instant like 2026-11-23T08:00:00+08:00"))?))
        }
        _ => bail!("say how far (+5d, +3h, +30m) or `set INSTANT`"),
    }
}

/// Moves the clock of all four services and prints every light that goes on meanwhile.
///
/// # Errors
/// When a service is away, does not run dry, or has the system clock.
pub async fn run(suite: &Suite, keys: &Keys, target: Target) -> Result<Instant> {
    let mut lights = Lights::open(suite, keys).await?;
    let mover = Mover::new(suite, keys)?;
    let mut now = mover.start().await?;
    let target = match target {
        Target::By(by) => now.checked_add(by).context("the target")?,
        Target::At(at) => at,
    };
    if target < now {
        bail!("the clock is at {} and never goes back", format_local(now));
    }
    while now < target {
        let due = mover.dry(now).await?;
        now = due.filter(|due| *due < target).unwrap_or(target);
        mover.set(now).await?;
    }
    mover.dry(now).await?;
    lights.print_all().await?;
    println!("演练时钟：{}", format_local(now));
    Ok(now)
}

/// The suite's clock.
///
/// # Errors
/// When intake does not answer.
pub async fn now(suite: &Suite, keys: &Keys) -> Result<Instant> {
    let mut client = OpsServiceClient::new(suite.with(Service::Intake, &keys.admin()?));
    let status = client.get_status(GetStatusRequest {}).await.map_err(refusal)?.into_inner();
    instant(Service::Intake, status.now)
}

/// Whether the suite is in exercise mode.
///
/// # Errors
/// When intake does not answer.
pub async fn is_on(suite: &Suite, keys: &Keys) -> Result<bool> {
    let mut client = OpsServiceClient::new(suite.with(Service::Intake, &keys.admin()?));
    Ok(client.get_status(GetStatusRequest {}).await.map_err(refusal)?.into_inner().exercise)
}

/// Waits until all four services have taken into effect what has happened so far.
///
/// # Errors
/// When a service is away or does not run dry.
pub async fn settle(suite: &Suite, keys: &Keys) -> Result<()> {
    let now = now(suite, keys).await?;
    Mover::new(suite, keys)?.dry(now).await?;
    Ok(())
}

/// As [`settle`], with the system clock, which does not stand still: until nothing is left to publish or to take.
///
/// # Errors
/// When a service is away or does not run dry.
pub async fn settle_system(suite: &Suite, keys: &Keys) -> Result<()> {
    Mover::new(suite, keys)?.dry(Instant::MIN).await?;
    Ok(())
}

/// The clocks of the four services.
struct Mover {
    services: Vec<(Service, OpsServiceClient<Authed>)>,
}

impl Mover {
    fn new(suite: &Suite, keys: &Keys) -> Result<Self> {
        let admin = keys.admin()?;
        let services = Service::ALL.map(|service| (service, OpsServiceClient::new(suite.with(service, &admin))));
        Ok(Self { services: services.to_vec() })
    }

    async fn statuses(&self) -> Result<Vec<(Service, GetStatusResponse)>> {
        try_join_all(self.services.iter().map(|(service, client)| {
            let ask = || {
                let mut client = client.clone();
                async move { client.get_status(GetStatusRequest {}).await }
            };
            async move {
                let status = retried(ask).await.map_err(refusal);
                Ok((*service, status.with_context(|| service.name())?.into_inner()))
            }
        }))
        .await
    }

    /// The latest of the four clocks, set everywhere: a move that was broken off is taken up again.
    async fn start(&self) -> Result<Instant> {
        let mut latest = None;
        for (service, status) in self.statuses().await? {
            if !status.exercise {
                bail!("{} has the system clock; only an exercise clock is moved", service.name());
            }
            latest = latest.max(Some(instant(service, status.now)?));
        }
        let now = latest.context("no service")?;
        self.set(now).await?;
        Ok(now)
    }

    /// Sets all four; returns when all have confirmed.
    async fn set(&self, to: Instant) -> Result<()> {
        try_join_all(self.services.iter().map(|(service, client)| {
            let ask = move || {
                let mut client = client.clone();
                async move { client.set_clock(SetClockRequest { now: Some(to.into()) }).await }
            };
            async move {
                let answer = retried(ask).await.map_err(refusal);
                let shown = instant(*service, answer.with_context(|| service.name())?.into_inner().now)?;
                if shown == to { Ok(()) } else { bail!("{} shows {shown} instead of {to}", service.name()) }
            }
        }))
        .await?;
        Ok(())
    }

    /// Waits until nothing is under way at `now`; the next instant at which a service has something to do.
    async fn dry(&self, now: Instant) -> Result<Option<Instant>> {
        let end = Monotonic::now() + DRY;
        let mut calm = 0;
        loop {
            let statuses = self.statuses().await?;
            let wet: Vec<String> = statuses.iter().filter_map(|(service, status)| wet(*service, status, now)).collect();
            if wet.is_empty() {
                calm += 1;
            } else {
                calm = 0;
            }
            if calm == CALM {
                let dues = statuses.iter().filter_map(|(_, status)| Instant::try_from(status.next_due?).ok());
                return Ok(dues.filter(|due| *due > now).min());
            }
            if Monotonic::now() >= end {
                bail!("not at rest within {} s:\n  {}", DRY.as_secs(), wet.join("\n  "));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a service has still to do at `now`.
fn wet(service: Service, status: &GetStatusResponse, now: Instant) -> Option<String> {
    let reached = |at: Option<dafei_contracts::timestamp::Timestamp>| at.and_then(|at| Instant::try_from(at).ok());
    let mut left = Vec::new();
    if status.outbox_pending > 0 {
        left.push(format!("{} events to publish", status.outbox_pending));
    }
    for consumer in &status.consumers {
        match consumer.lag {
            Some(0) => {}
            Some(lag) => left.push(format!("{lag} messages of {} to take", consumer.stream)),
            None => left.push(format!("not known what of {} is to take", consumer.stream)),
        }
    }
    if reached(status.published_through).is_none_or(|through| through < now) {
        left.push("published_through behind".to_owned());
    }
    if reached(status.done_through).is_some_and(|through| through < now) {
        left.push("done_through behind".to_owned());
    }
    if !status.wiped_streams.is_empty() {
        left.push(format!("{} wait for a refill", status.wiped_streams.join(", ")));
    }
    if !status.unknown_streams.is_empty() {
        left.push(format!("not known how {} are", status.unknown_streams.join(", ")));
    }
    (!left.is_empty()).then(|| format!("{}: {}", service.name(), left.join("; ")))
}

/// The events that a service has still to publish, and the messages that it has to take; what is not known counts as one.
pub(crate) fn under_way(status: &GetStatusResponse) -> u64 {
    let lags = status.consumers.iter().map(|consumer| consumer.lag.unwrap_or(1));
    status.outbox_pending + lags.sum::<u64>() + status.unknown_streams.len() as u64
}

fn instant(service: Service, at: Option<dafei_contracts::timestamp::Timestamp>) -> Result<Instant> {
    let at = at.with_context(|| format!("{} says no time", service.name()))?;
    Instant::try_from(at).with_context(|| service.name().to_owned())
}

/// The lights that go on while the clock is moved.
struct Lights {
    client: BreachServiceClient<Authed>,
    request: WatchBreachesRequest,
    stream: Streaming<WatchBreachesResponse>,
}

impl Lights {
    async fn open(suite: &Suite, keys: &Keys) -> Result<Self> {
        let city = client::city()?;
        let bearer = keys.bearer(&Caller::new(Role::CityOffice, city.clone()))?;
        let mut client = BreachServiceClient::new(suite.with(Service::SlaMonitor, &bearer));
        let request = WatchBreachesRequest { region: Some((&city).into()), watch_token: String::new() };
        let stream = Self::watch(&mut client, &request).await?;
        Ok(Self { client, request, stream })
    }

    async fn watch(
        client: &mut BreachServiceClient<Authed>,
        request: &WatchBreachesRequest,
    ) -> Result<Streaming<WatchBreachesResponse>> {
        let mut left = WATCH_TRIES;
        loop {
            match client.watch_breaches(request.clone()).await {
                Ok(stream) => return Ok(stream.into_inner()),
                // A bus that has just taken months of lights may not answer at once.
                Err(status) if status.code() == Code::Unavailable && left > 1 => left -= 1,
                Err(status) => return Err(refusal(status)),
            }
            tokio::time::sleep(WATCH_PAUSE).await;
        }
    }

    /// Prints what has come and is about to come, in the order of the lights. Those of periodic duties come from every village of the city: they
    /// are counted.
    async fn print_all(&mut self) -> Result<()> {
        let mut duties: BTreeMap<(String, String), u32> = BTreeMap::new();
        while let Ok(next) = tokio::time::timeout(QUIET, self.stream.message()).await {
            let light = match next {
                Ok(Some(light)) => light,
                Ok(None) => break,
                // The bus was not there for a moment: it goes on behind what was told.
                Err(status) if status.code() == Code::Unavailable => {
                    self.stream = Self::watch(&mut self.client, &self.request).await?;
                    continue;
                }
                Err(status) => return Err(refusal(status)),
            };
            self.request.watch_token.clone_from(&light.watch_token);
            match &light.obligation {
                None => {}
                Some(duty) if duty.case_id.is_empty() => {
                    *duties.entry((duty.clock.clone(), light.fact.clone())).or_default() += 1;
                }
                Some(_) => println!("{}", sentence(&light)),
            }
        }
        for ((clock, fact), count) in duties {
            println!("{} {clock}：{count} 项", fact_zh(&fact));
        }
        Ok(())
    }
}

/// What a light is called.
fn fact_zh(fact: &str) -> &str {
    match fact {
        "warned" => "黄灯",
        "breached" => "红灯",
        "reminded" => "催办提醒",
        "settled" => "已办结",
        "cancelled" => "已取消",
        "annulled" => "红灯撤销",
        "extended" => "期限变更",
        "provisional" => "暂定期限",
        other => other,
    }
}

/// A light as a clerk reads it.
fn sentence(light: &WatchBreachesResponse) -> String {
    let at = light.at.and_then(|at| Instant::try_from(at).ok()).map(format_local).unwrap_or_default();
    let what = fact_zh(&light.fact);
    let Some(obligation) = &light.obligation else {
        return format!("{at} {what}");
    };
    let owner = |owner: &Option<dafei_contracts::types::v1::Owner>| {
        let post = owner.as_ref().and_then(|owner| owner.post.as_ref());
        let Some(post) = post else {
            return "（无）".to_owned();
        };
        let role = post.role.parse::<Role>().map_or_else(|_| post.role.clone(), |role| role.name_zh().to_owned());
        let region = post.region.as_ref().map(|region| region.code.as_str()).unwrap_or_default();
        let persons = owner.as_ref().map(|owner| owner.persons.join("、")).unwrap_or_default();
        let agency =
            post.agency.parse::<dafei_kernel::agency::Agency>().map(|agency| agency.name_zh()).unwrap_or_default();
        format!("{region}{agency}{role}{}", if persons.is_empty() { String::new() } else { format!("（{persons}）") })
    };
    let due = obligation.due.and_then(|due| Instant::try_from(due).ok()).map(format_local).unwrap_or_default();
    format!(
        "{at} {what} {} 第{}轮，时限 {due}，直接责任：{}，闭环责任：{}，案件 {}",
        obligation.clock,
        obligation.leg,
        owner(&obligation.direct),
        owner(&obligation.loop_owner),
        obligation.case_id
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Target, target};

    fn read(words: &[&str]) -> Option<Target> {
        target(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).ok()
    }

    #[test]
    fn a_target_is_a_way_forward_or_an_instant() {
        assert_eq!(read(&["+3h"]), Some(Target::By(Duration::from_secs(10_800))));
        let at = "2026-11-23T00:00:00Z".parse().expect("an instant");
        assert_eq!(read(&["set", "2026-11-23T08:00:00+08:00"]), Some(Target::At(at)));
        for words in [&["3h"][..], &["-3h"], &["set"], &["set", "tomorrow"], &[]] {
            assert_eq!(read(words), None, "{words:?}");
        }
    }
}
