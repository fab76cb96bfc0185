//! Reporting with the facts of years: how long a table takes, how fresh it is while a thousand events come each second, and how fast the tables are
//! made again from the raw log.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use async_nats::{HeaderMap, jetstream};
use clap::Subcommand;
use dafei_contracts::{
    Event, Stream, convert,
    events::v1 as events,
    reporting::v1::{
        self as pb, monthly_table_service_client::MonthlyTableServiceClient,
        rebuild_service_client::RebuildServiceClient,
    },
    types::v1 as types,
};
use dafei_kernel::{
    clock::{Clock as _, SystemClock},
    ids::{IdSource as _, SystemIds},
    region::{Level, Region},
    role::Role,
};
use sqlx::PgPool;

use super::{figures, table_fill};
use crate::{
    client::{self, Authed, Caller, Keys, Service, Suite},
    exercise, refill,
};

/// Tables that are asked for, one after the other; each fourth is the city's.
const TABLES: usize = 1_000;
/// Events per second while freshness is measured, and for how long.
const PER_SECOND: u32 = 1_000;
const SECONDS: u32 = 20;
/// Events are put on the bus in ticks of this length.
const TICK: Duration = Duration::from_millis(10);
/// How long the last event's figure, and a rebuild, are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const REBUILD_PATIENCE: Duration = Duration::from_secs(1_800);

/// The steps of `./dev bench table`.
#[derive(Debug, Clone, Subcommand)]
pub enum Step {
    /// Waits until the roster has come to reporting: its townships are the units that get facts.
    Settle,
    /// Fills the database of the stopped service with the facts of a year.
    Fill {
        /// How many.
        #[arg(long)]
        facts: u64,
    },
    /// Measures the running service; dispatch, in whose place events are told, is stopped.
    Measure,
}

pub(super) async fn run(suite: &Suite, keys: &Keys, step: Step) -> anyhow::Result<()> {
    match step {
        Step::Settle => exercise::settle_system(suite, keys).await,
        Step::Fill { facts } => table_fill::run(facts).await,
        Step::Measure => measure(suite, keys).await,
    }
}

async fn measure(suite: &Suite, keys: &Keys) -> anyhow::Result<()> {
    let city = Region::new(Level::City, &client::setting("DAFEI_CITY")?)?;
    let bearer = keys.bearer(&Caller::new(Role::CityOffice, city.clone()))?;
    let channel = suite.with(Service::Reporting, &bearer);
    let pool = PgPool::connect(&client::setting("DAFEI_REPORTING_DATABASE_URL")?).await?;
    tables(&channel, &pool, &city).await?;
    rebuild(&channel).await?;
    freshness(&channel, &pool).await
}

/// Any unit's table in any month, and the city's in between.
async fn tables(channel: &Authed, pool: &PgPool, city: &Region) -> anyhow::Result<()> {
    let units: Vec<(String, String, String, String)> = sqlx::query_as(
        "(SELECT kind, region_level, region_code, agency FROM unit)
         UNION ALL (SELECT DISTINCT 'county-office', 'county', county, '' FROM unit) ORDER BY 1, 3, 4",
    )
    .fetch_all(pool)
    .await?;
    let mut client = MonthlyTableServiceClient::new(channel.clone());
    let (mut all, mut of_city) = (Vec::new(), Vec::new());
    for number in 0..TABLES {
        let (kind, level, code, agency) = &units[number * 7 % units.len()];
        let region = Some(types::Region { level: level.clone(), code: code.clone() });
        let unit = pb::FilingUnit { kind: kind.clone(), region, agency: agency.clone() };
        let whole = number % 4 == 0;
        let unit = if whole { city_office(city) } else { unit };
        let month = format!("2026-{:02}", 1 + number % 11);
        let begun = Instant::now();
        client.get_monthly_table(pb::GetMonthlyTableRequest { unit: Some(unit), month }).await?;
        all.push(begun.elapsed());
        if whole {
            of_city.push(begun.elapsed());
        }
    }
    figures::print("table_p50_ms", figures::percentile_ms(&mut all, 50), "ms", Some(("aim for p99", 30.0)));
    figures::print("table_p99_ms", figures::percentile_ms(&mut all, 99), "ms", Some(("aim", 30.0)));
    figures::print("city_table_p99_ms", figures::percentile_ms(&mut of_city, 99), "ms", Some(("aim", 30.0)));
    let mut splits = Vec::new();
    for column in 1..=12 {
        let month = "2026-06".to_owned();
        let request = pb::SplitColumnRequest { unit: Some(city_office(city)), month, column, sector: String::new() };
        let begun = Instant::now();
        client.split_column(request).await?;
        splits.push(begun.elapsed());
    }
    figures::print("city_split_max_ms", figures::percentile_ms(&mut splits, 100), "ms", None);
    Ok(())
}

fn city_office(city: &Region) -> pb::FilingUnit {
    pb::FilingUnit { kind: "city-office".to_owned(), region: Some(city.into()), agency: String::new() }
}

async fn rebuild(channel: &Authed) -> anyhow::Result<()> {
    let mut client = RebuildServiceClient::new(channel.clone());
    let request_id = SystemIds.random().to_string();
    let begun = Instant::now();
    let answer = client.rebuild_tables(pb::RebuildTablesRequest { request_id }).await?.into_inner();
    let rebuild_id = answer.rebuild.context("a rebuild")?.rebuild_id;
    let mut most_mb: f64 = 0.0;
    let done = loop {
        most_mb = most_mb.max(figures::resident_mb("reporting")?);
        let request = pb::GetRebuildRequest { rebuild_id: rebuild_id.clone() };
        let rebuild = client.get_rebuild(request).await?.into_inner().rebuild.context("a rebuild")?;
        if rebuild.state() != pb::RebuildState::Running {
            break rebuild;
        }
        ensure!(begun.elapsed() < REBUILD_PATIENCE, "the rebuild takes too long: {} events", rebuild.events);
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    ensure!(done.state() == pb::RebuildState::Equal, "the rebuild: {done:?}");
    let instant = |at| convert::instant("at", at);
    let took = instant(done.finished_at)?.duration_since(instant(done.started_at)?);
    eprintln!("    {} events, {} facts made again and compared in {took}", done.events, done.facts);
    figures::print("rebuild_facts_per_s", done.facts as f64 / took.as_secs_f64(), "1/s", Some(("aim", 100_000.0)));
    figures::print("rebuild_memory_mb", most_mb, "MB", None);
    Ok(())
}

/// A county whose townships confirm acts, a thousand a second: when its table counts each.
async fn freshness(channel: &Authed, pool: &PgPool) -> anyhow::Result<()> {
    let places: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT region_code, county, city FROM unit WHERE kind = 'township' AND county = (SELECT min(county) FROM unit WHERE county <> '')
         ORDER BY region_code",
    )
    .fetch_all(pool)
    .await?;
    let (_, county, _) = places.first().context("a county with townships")?;
    let now = SystemClock.now();
    let request = pb::GetMonthlyTableRequest {
        unit: Some(pb::FilingUnit {
            kind: "county-office".to_owned(),
            region: Some(types::Region { level: "county".to_owned(), code: county.clone() }),
            agency: String::new(),
        }),
        month: dafei_kernel::time::Month::of(now).to_string(),
    };
    let mut client = MonthlyTableServiceClient::new(channel.clone());
    let before = acts(&mut client, &request).await?;
    let total = usize::try_from(PER_SECOND * SECONDS)?;
    // Instants at which events went onto the bus, in their order: the figure counts them in the same.
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let publishing = tokio::spawn(publish(places, total, sent.clone()));
    let mut lags: Vec<Duration> = Vec::with_capacity(total);
    let limit = Instant::now() + Duration::from_secs(u64::from(SECONDS)) + PATIENCE;
    while lags.len() < total {
        let counted = usize::try_from(acts(&mut client, &request).await? - before)?;
        let seen = Instant::now();
        let sent = sent.lock().map_err(|_| anyhow::anyhow!("publishing panicked"))?.clone();
        ensure!(counted <= sent.len(), "{counted} acts are counted, {} were told", sent.len());
        lags.extend(sent[lags.len()..counted].iter().map(|at| seen - *at));
        ensure!(seen < limit, "{} of {total} events are in the table", lags.len());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    publishing.await??;
    figures::print("freshness_p50_ms", figures::percentile_ms(&mut lags, 50), "ms", Some(("aim for p99", 1_000.0)));
    figures::print("freshness_p99_ms", figures::percentile_ms(&mut lags, 99), "ms", Some(("aim", 1_000.0)));
    Ok(())
}

async fn acts(
    client: &mut MonthlyTableServiceClient<Authed>,
    request: &pb::GetMonthlyTableRequest,
) -> anyhow::Result<i64> {
    let table = client.get_monthly_table(request.clone()).await?.into_inner();
    let total = table.total.context("a total")?;
    total.values.get(1).copied().context("column 2")
}

/// Tells confirmed acts in dispatch's place, each in a case of its own.
async fn publish(
    places: Vec<(String, String, String)>,
    total: usize,
    sent: Arc<Mutex<Vec<Instant>>>,
) -> anyhow::Result<()> {
    let js = jetstream::new(refill::connect_bus().await?);
    let per_tick =
        total / usize::try_from(SECONDS)? / usize::try_from(Duration::from_secs(1).as_millis() / TICK.as_millis())?;
    let mut ticks = tokio::time::interval(TICK);
    let mut number = 0;
    while number < total {
        ticks.tick().await;
        let mut stored = Vec::new();
        for (township, county, city) in places.iter().cycle().skip(number % places.len()).take(per_tick) {
            let event = confirmed(township, county, city);
            let at = Instant::now();
            let ack = js.publish_with_headers(event.subject()?.to_string(), headers(&event), event.to_json()?.into());
            stored.push((at, ack.await?));
        }
        for (at, ack) in stored {
            let ack = ack.await?;
            ensure!(ack.stream == Stream::Dispatch.name(), "it went to {}", ack.stream);
            sent.lock().map_err(|_| anyhow::anyhow!("measuring panicked"))?.push(at);
            number += 1;
        }
    }
    Ok(())
}

fn confirmed(township: &str, county: &str, city: &str) -> Event {
    let (case, now) = (SystemIds.random().to_string(), SystemClock.now());
    let post = types::Post {
        role: Role::TownshipCentre.code().to_owned(),
        region: Some(types::Region { level: "township".to_owned(), code: township.to_owned() }),
        agency: String::new(),
    };
    let meta = events::EventMeta {
        aggregate_id: case.clone(),
        sequence: 1,
        region_path: format!("city:{city}/county:{county}/township:{township}"),
        actor: Some(post.clone()),
        received_at: Some(now.into()),
        ..Default::default()
    };
    events::ActConfirmed {
        meta: Some(meta),
        case_id: case,
        act: "HC-2".to_owned(),
        sector: "hazardous-chemicals".to_owned(),
        by: Some(post),
        confirmed_at: Some(now.into()),
        source: events::CaseSource::GridReport.into(),
        ..Default::default()
    }
    .into()
}

fn headers(event: &Event) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", SystemIds.random().to_string());
    headers.insert("ce-type", event.kind().event_type);
    headers.insert("ce-source", "dafei/dispatch");
    headers.insert("ce-time", SystemClock.now().to_string());
    headers.insert("ce-subject", event.meta().map(|meta| meta.aggregate_id.clone()).unwrap_or_default());
    headers.insert("ce-sequence", "1");
    headers.insert("content-type", "application/json");
    headers
}
