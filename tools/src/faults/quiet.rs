//! Waiting until the suite has got over a fault.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    client::{Keys, Suite},
    databases::Databases,
    exercise, health, refill,
};

/// Pause between two looks at a suite that is not yet back.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns when all four serve, have nothing to publish and nothing to take.
pub(super) async fn run(suite: &Suite, keys: &Keys, within: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + within;
    let mut last = None;
    loop {
        match timeout_at(end, look(suite, keys)).await {
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

async fn look(suite: &Suite, keys: &Keys) -> anyhow::Result<()> {
    health::run(suite, Duration::ZERO).await?;
    exercise::settle(suite, keys).await?;
    // A consumer that was interrupted does not know how far behind it is: databases and streams do.
    let mut databases = Databases::connect().await?;
    let js = jetstream::new(refill::connect_bus().await?);
    let before = logged(&mut databases).await?;
    for (service, connection) in databases.all() {
        taken(&js, connection).await.with_context(|| service.name())?;
    }
    ensure!(logged(&mut databases).await? == before, "events still follow from events");
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
