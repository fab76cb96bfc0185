//! Patrols acknowledged per second by upload: a platform hands on the weeks of its villages, three patrols a village and message, each
//! with the answers to a checklist; next to a bare insert of the same rows by one connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use dafei_contracts::{
    intake::v1::{
        self as api, checklist_service_client::ChecklistServiceClient, patrol_service_client::PatrolServiceClient,
    },
    types::v1::Region,
};
use dafei_kernel::{
    clock::{Clock as _, SystemClock},
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use sqlx::PgPool;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

use super::{figures, intake::caught_up};
use crate::client::{self, Bearer, Caller, Keys, Service, Suite};

/// Uploads at the same time.
const STREAMS: usize = 4;
/// Messages of an upload that wait for their answer.
const UNANSWERED: usize = 2;
/// Villages of a message; each has its week's three patrols in it.
const VILLAGES: usize = 166;
const PATROLS_A_WEEK: usize = 3;
const ROUNDS: usize = 3;
/// How often the memory of intake is looked at.
const SAMPLE: Duration = Duration::from_millis(100);

/// What came of a load.
struct Outcome {
    acknowledged: u64,
    time: Duration,
    /// Most resident memory of intake meanwhile, in MB.
    rss_mb: f64,
}

pub(super) async fn run(suite: &Suite, keys: &Keys, scale: f64) -> anyhow::Result<()> {
    let time = Duration::from_secs_f64(10.0 * scale);
    let pool = PgPool::connect(&client::setting("DAFEI_INTAKE_DATABASE_URL")?).await?;
    let villages: Vec<String> =
        sqlx::query_scalar("SELECT code FROM roster_region WHERE level = 'village' ORDER BY code")
            .fetch_all(&pool)
            .await?;
    if villages.len() < STREAMS * VILLAGES {
        bail!("the roster has only {} villages", villages.len());
    }
    let platform = keys.bearer(&Caller::new(Role::Service, client::city()?))?;
    let maker = Arc::new(Maker { villages, checklist: checklist(suite, &platform).await? });
    let (mut rates, mut references, mut rss, mut slowest) = (Vec::new(), Vec::new(), 0.0_f64, Duration::ZERO);
    for round in 0..ROUNDS {
        let reference = bare_inserts(&pool, &maker, time / 3).await?;
        let outcome = uploads(&platform, &maker, time).await?;
        let rate = outcome.acknowledged as f64 / outcome.time.as_secs_f64();
        let behind = caught_up(suite, keys).await?;
        eprintln!(
            "    round {round}: {rate:.0} patrols/s acknowledged, bare insert {reference:.0}/s, intake {:.0} MB, {behind:.1?} to catch up",
            outcome.rss_mb
        );
        rates.push(rate);
        references.push(reference);
        rss = rss.max(outcome.rss_mb);
        slowest = slowest.max(behind);
    }
    let reference = figures::median(&mut references);
    figures::print("patrols_per_s", figures::median(&mut rates), "1/s", Some(("bare UNNEST insert", reference)));
    figures::print("patrols_catch_up", slowest.as_secs_f64(), "s", Some(("limit", 1.0)));
    figures::print("intake_rss_mb", rss, "MB", Some(("aim", 256.0)));
    Ok(())
}

async fn checklist(suite: &Suite, platform: &Bearer) -> anyhow::Result<api::Checklist> {
    let mut client = ChecklistServiceClient::new(suite.with(Service::Intake, platform));
    let asked = api::GetChecklistRequest { checklist_id: "fireworks".to_owned(), version: 0 };
    client.get_checklist(asked).await?.into_inner().checklist.context("the checklist of fireworks")
}

/// Makes messages.
struct Maker {
    villages: Vec<String>,
    checklist: api::Checklist,
}

impl Maker {
    /// The weeks of the villages from the `part`-th on.
    fn message(&self, part: usize) -> api::UploadPatrolsRequest {
        let villages = self.villages.iter().cycle().skip(part * VILLAGES % self.villages.len()).take(VILLAGES);
        let patrols = villages.flat_map(|code| (0..PATROLS_A_WEEK).map(move |_| code)).map(|code| self.patrol(code));
        api::UploadPatrolsRequest { patrols: patrols.collect() }
    }

    fn patrol(&self, village: &str) -> api::RecordPatrolRequest {
        let kind = &self.checklist.object_kinds[0].id;
        let of_kind = |step: &&api::Step| step.object_kinds.is_empty() || step.object_kinds.contains(kind);
        let answer = |step: &api::Step| api::StepAnswer {
            step_id: step.id.clone(),
            result: api::StepResult::Ok.into(),
            ..Default::default()
        };
        let now = SystemClock.now();
        api::RecordPatrolRequest {
            village: Some(Region { level: "village".to_owned(), code: village.to_owned() }),
            object: "村东头烟花爆竹零售店".to_owned(),
            situation: "证照齐全，货品未超量，灭火器有效，已发放明白纸".to_owned(),
            device_time: Some(now.into()),
            device_sent_at: Some(now.into()),
            patrol_key: SystemIds.random().to_string(),
            checklist_id: self.checklist.checklist_id.clone(),
            checklist_version: self.checklist.version,
            object_kind: kind.clone(),
            answers: self.checklist.steps.iter().filter(of_kind).map(answer).collect(),
            inspector: "张网格".to_owned(),
            ..Default::default()
        }
    }
}

/// Uploads for a time, several at once; what was sent is awaited.
async fn uploads(platform: &Bearer, maker: &Arc<Maker>, time: Duration) -> anyhow::Result<Outcome> {
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let part = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let address = client::setting("DAFEI_INTAKE_ADDR")?;
        let client = PatrolServiceClient::with_interceptor(client::connect(&address)?, platform.clone());
        let (maker, stop, acknowledged, part) = (maker.clone(), stop.clone(), acknowledged.clone(), part.clone());
        streams.spawn(async move { upload(client, &maker, &stop, &acknowledged, &part).await });
    }
    let mut rss_mb = 0.0_f64;
    while begun.elapsed() < time && !streams.is_empty() {
        tokio::time::sleep(SAMPLE).await;
        rss_mb = rss_mb.max(figures::resident_mb("intake")?);
        while let Some(ended) = streams.try_join_next() {
            ended??;
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = streams.join_next().await {
        ended??;
    }
    Ok(Outcome { acknowledged: acknowledged.load(Ordering::Relaxed), time: begun.elapsed(), rss_mb })
}

async fn upload(
    mut client: PatrolServiceClient<client::Authed>,
    maker: &Maker,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
    part: &AtomicU64,
) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::channel(UNANSWERED);
    let mut answers = client.upload_patrols(ReceiverStream::new(receiver)).await?.into_inner();
    let next = || maker.message(usize::try_from(part.fetch_add(1, Ordering::Relaxed)).unwrap_or(0));
    for _ in 0..UNANSWERED {
        sender.send(next()).await?;
    }
    let mut sender = Some(sender);
    while let Some(answer) = answers.message().await? {
        let recorded = |result: &&api::PatrolResult| result.outcome() == api::PatrolOutcome::Recorded;
        let count = answer.results.iter().filter(recorded).count();
        if count != answer.results.len() {
            bail!("refused: {:?}", answer.results.iter().find(|result| !recorded(result)));
        }
        acknowledged.fetch_add(u64::try_from(count)?, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            sender = None;
        } else if let Some(sender) = &sender {
            sender.send(next()).await?;
        }
    }
    Ok(())
}

/// The same rows into a table with a primary key and no other index, a transaction a message, by one connection; rows per second.
async fn bare_inserts(pool: &PgPool, maker: &Maker, time: Duration) -> anyhow::Result<f64> {
    sqlx::query("DROP TABLE IF EXISTS bench_patrol").execute(pool).await?;
    sqlx::query(
        "CREATE TABLE bench_patrol (id uuid PRIMARY KEY, village bigint NOT NULL, patrolled_at timestamptz NOT NULL,
                                    inspector text NOT NULL, body bytea NOT NULL)",
    )
    .execute(pool)
    .await?;
    let mut conn = pool.acquire().await?;
    let (begun, mut rows, mut part) = (Instant::now(), 0_u64, 0);
    while begun.elapsed() < time {
        let patrols = maker.message(part).patrols;
        let ids: Vec<uuid::Uuid> = patrols.iter().map(|_| SystemIds.ordered(SystemClock.now())).collect();
        let code =
            |patrol: &api::RecordPatrolRequest| patrol.village.as_ref().and_then(|place| place.code.parse().ok());
        let villages: Vec<i64> = patrols.iter().filter_map(code).collect();
        let inspectors: Vec<&str> = patrols.iter().map(|patrol| patrol.inspector.as_str()).collect();
        let bodies: Vec<Vec<u8>> = patrols.iter().map(prost::Message::encode_to_vec).collect();
        sqlx::query(
            "INSERT INTO bench_patrol (id, village, patrolled_at, inspector, body)
             SELECT id, village, now(), inspector, body
             FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::bytea[]) AS u (id, village, inspector, body)",
        )
        .bind(&ids)
        .bind(&villages)
        .bind(&inspectors)
        .bind(&bodies)
        .execute(&mut *conn)
        .await?;
        rows += u64::try_from(patrols.len())?;
        part += 1;
    }
    sqlx::query("DROP TABLE bench_patrol").execute(&mut *conn).await?;
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}
