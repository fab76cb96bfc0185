//! Waiting until the suite has got over a fault.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use dafei_kernel::clock::{Clock as _, SystemClock};
use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{client::Suite, databases::Databases, health, refill};

/// Pause between two looks at a suite that is not yet back.
const PAUSE: Duration = Duration::from_millis(100);
/// Whose watermarks sla-monitor goes by.
const PUBLISHERS: i64 = 3;

/// Returns when all four serve, have nothing to publish, to take or to tell, and the lights have come past the moment of asking. Services are
/// not believed: one replica does not know how far another is.
pub(super) async fn run(suite: &Suite, within: Duration) -> anyhow::Result<()> {
    let asked = SystemClock.now().to_string();
    let end = Instant::now() + within;
    let mut last = None;
    loop {
        match timeout_at(end, look(suite, &asked)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
        if Instant::now() >= end {
            let why = last.unwrap_or_else(|| anyhow::anyhow!("it does not answer"));
            return Err(why).with_context(|| format!("not quiet after {within:?}"));
        }
        sleep(PAUSE).await;
    }
}

async fn look(suite: &Suite, asked: &str) -> anyhow::Result<()> {
    health::run(suite, Duration::ZERO).await?;
    let mut databases = Databases::connect().await?;
    let js = jetstream::new(refill::connect_bus().await?);
    let before = logged(&mut databases).await?;
    for (service, connection) in databases.all() {
        taken(&js, connection).await.with_context(|| service.name())?;
    }
    told(&mut databases.sla, asked).await?;
    ensure!(logged(&mut databases).await? == before, "events still follow from events");
    Ok(())
}

/// Whether all publishers have said that they are complete up to the moment of asking, and all is told that was due then.
async fn told(sla: &mut PgConnection, asked: &str) -> anyhow::Result<()> {
    let (level, due): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM watermark WHERE through >= $1::text::timestamptz),
                (SELECT count(*) FROM obligation WHERE next_fire_at <= $1::text::timestamptz)",
    )
    .bind(asked)
    .fetch_one(sla)
    .await?;
    ensure!(level >= PUBLISHERS, "sla-monitor: {level} of {PUBLISHERS} publishers have a watermark of now");
    ensure!(due == 0, "sla-monitor: {due} obligations have something to tell");
    Ok(())
}

/// How many events there are; an error while some of them are not published.
async fn logged(databases: &mut Databases) -> anyhow::Result<i64> {
    let mut sum = 0;
    for (service, connection) in databases.all() {
        let (logged, waiting): (i64, i64) =
            sqlx::query_as("SELECT (SELECT count(*) FROM event_log), (SELECT count(*) FROM outbox)")
                .fetch_one(connection)
                .await?;
        ensure!(waiting == 0, "{}: {waiting} events to publish", service.name());
        sum += logged;
    }
    Ok(sum)
}

/// Whether the consumers of a database have taken all that their streams have.
async fn taken(js: &jetstream::Context, connection: &mut PgConnection) -> anyhow::Result<()> {
    let positions: Vec<(String, String)> =
        sqlx::query_as("SELECT consumer, stream FROM consumer_position").fetch_all(&mut *connection).await?;
    for (consumer, stream) in positions {
        let last = js.get_stream(&stream).await?.cached_info().state.last_sequence;
        // Watermarks go on meanwhile: what is there now is to be taken soon.
        for left in (0..20).rev() {
            let (taken,): (i64,) = sqlx::query_as("SELECT last_sequence FROM consumer_position WHERE consumer = $1")
                .bind(&consumer)
                .fetch_one(&mut *connection)
                .await?;
            if taken.cast_unsigned() >= last {
                break;
            }
            ensure!(left > 0, "{consumer} has taken {taken} of {last} messages");
            sleep(PAUSE).await;
        }
    }
    Ok(())
}
