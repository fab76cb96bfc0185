//! What this machine does without the suite, measured in the same run: rows in commits, publishes that are on disk, and one of each by itself.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::{
    HeaderMap,
    header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE},
    jetstream::{self, message::PublishMessage, stream},
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{client, refill};

/// An event of the loop has about so many bytes.
const PAYLOAD: usize = 700;
/// Rows of a commit and messages of a batch, and how many connections commit at the same time: as the four services do.
const ROWS: usize = 64;
const CONNECTIONS: u32 = 4;
const STREAM: &str = "BENCH_BARE";
const SUBJECT: &str = "bench.bare";
/// How often one commit, and one publish, is timed by itself.
const SINGLY: usize = 200;

/// The machine's own limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bare {
    pub(super) rows_per_s: f64,
    pub(super) publishes_per_s: f64,
    /// Of one row by itself.
    pub(super) commit: Duration,
    /// Of one message by itself, until it is acknowledged.
    pub(super) publish: Duration,
}

impl Bare {
    /// Lifecycles per second if each of their events were a row at its publisher and at the three other services, and a publish, and nothing
    /// else was done.
    pub(super) fn lifecycles_per_s(&self, events: f64) -> f64 {
        1.0 / (events * (4.0 / self.rows_per_s + 1.0 / self.publishes_per_s))
    }

    /// From a write to what another service has made of it: a commit, a publish, a commit.
    pub(super) fn hop_ms(&self) -> f64 {
        (2 * self.commit + self.publish).as_secs_f64() * 1_000.0
    }
}

/// Measures each for `time`.
pub(super) async fn measure(time: Duration) -> anyhow::Result<Bare> {
    let url = client::setting("DAFEI_INTAKE_DATABASE_URL")?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS bench_bare (id bigserial PRIMARY KEY, payload bytea NOT NULL)")
        .execute(&pool)
        .await?;
    let js = jetstream::new(refill::connect_bus().await?);
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        allow_atomic_publish: true,
        ..stream::Config::default()
    };
    js.get_or_create_stream(config).await?;
    let commit = singly(|| insert(&pool, 1)).await?;
    let publish = singly(|| publish(&js)).await?;
    let rows_per_s = rows(&pool, time).await?;
    let publishes_per_s = publishes(&js, time).await?;
    js.delete_stream(STREAM).await?;
    sqlx::query("DROP TABLE bench_bare").execute(&pool).await?;
    eprintln!(
        "    bare: {rows_per_s:.0} rows/s, {publishes_per_s:.0} publishes/s, a commit {commit:.1?}, a publish {publish:.1?}"
    );
    Ok(Bare { rows_per_s, publishes_per_s, commit, publish })
}

async fn insert(pool: &PgPool, rows: usize) -> anyhow::Result<()> {
    let payloads = vec![vec![7_u8; PAYLOAD]; rows];
    sqlx::query("INSERT INTO bench_bare (payload) SELECT * FROM UNNEST($1::bytea[])")
        .bind(payloads)
        .execute(pool)
        .await?;
    Ok(())
}

async fn publish(js: &jetstream::Context) -> anyhow::Result<()> {
    js.publish(SUBJECT, vec![7_u8; PAYLOAD].into()).await?.await?;
    Ok(())
}

/// The median time of one by itself.
async fn singly<F: Future<Output = anyhow::Result<()>>>(one: impl Fn() -> F) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(SINGLY);
    for _ in 0..SINGLY {
        let begun = Instant::now();
        one().await?;
        times.push(begun.elapsed());
    }
    times.sort();
    times.get(SINGLY / 2).copied().context("nothing was timed")
}

async fn rows(pool: &PgPool, time: Duration) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let lanes = (0..CONNECTIONS).map(|_| async {
        let mut done = 0;
        while begun.elapsed() < time {
            insert(pool, ROWS).await?;
            done += ROWS;
        }
        anyhow::Ok(done)
    });
    let done: usize = futures::future::try_join_all(lanes).await?.into_iter().sum();
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

/// In atomic batches, one after the other, as a relay publishes.
async fn publishes(js: &jetstream::Context, time: Duration) -> anyhow::Result<f64> {
    let (begun, mut done, mut batch) = (Instant::now(), 0_usize, 0_usize);
    while begun.elapsed() < time {
        batch += 1;
        for number in 1..ROWS {
            js.client().publish_with_headers(SUBJECT, place(batch, number), vec![7_u8; PAYLOAD].into()).await?;
        }
        let mut last = place(batch, ROWS);
        last.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        let message = PublishMessage::build().headers(last).payload(vec![7_u8; PAYLOAD].into());
        js.send_publish(SUBJECT, message).await?.await?;
        done += ROWS;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

fn place(batch: usize, number: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_BATCH_ID, format!("bare-{batch}"));
    headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
    headers
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Bare;

    #[test]
    fn a_lifecycle_costs_four_rows_and_a_publish_for_each_of_its_events() {
        let bare = Bare {
            rows_per_s: 40_000.0,
            publishes_per_s: 10_000.0,
            commit: Duration::from_millis(2),
            publish: Duration::from_millis(1),
        };
        assert!((bare.lifecycles_per_s(10.0) - 500.0).abs() < 1e-6);
        assert!((bare.hop_ms() - 5.0).abs() < 1e-9);
    }
}
