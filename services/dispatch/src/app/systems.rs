//! The durable consumers of the registered agency systems: made at the registration, and made again when the stream was made anew.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, ReplayPolicy, pull},
    stream::Stream,
};
use dafei_messaging::silence;
use futures::TryStreamExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    store::systems,
    unit::{STREAM, Unit},
};

/// How often the consumers are compared with the registered systems.
const ROUND: Duration = Duration::from_secs(15);
/// The pause after NATS or the database was away.
const RETRY: Duration = Duration::from_secs(1);
/// How long a look may take, at which durables may have to be made: one that hears nothing more is begun again.
const LONGEST: Duration = Duration::from_secs(300);
/// Systems of one query.
const PAGE: i64 = 1_000;
/// After which an instruction that was not acknowledged comes again. Short, since one that was on its way to a system whose connection broke is lost till
/// then; long beside what it takes to store one.
const ACK_WAIT: Duration = Duration::from_secs(20);
/// Instructions that an agency may hold unacknowledged.
const MAX_ACK_PENDING: i64 = 1_000;

/// Why the consumers could not be brought in line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemsError {
    /// The database.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The bus.
    #[error("NATS: {0}")]
    Nats(String),
}

/// Keeps the durables of the registered systems there.
#[derive(Clone)]
pub struct AgencySystems {
    app: Arc<App>,
    js: jetstream::Context,
    wake: Arc<Notify>,
}

impl AgencySystems {
    /// The keeper of the service.
    #[must_use]
    pub fn new(app: Arc<App>, js: jetstream::Context) -> Self {
        Self { app, js, wake: Arc::default() }
    }

    /// Makes the durable of a unit that was just registered. When NATS is away, the next round makes it.
    pub(crate) async fn registered(&self, unit: &Unit) {
        if let Err(error) = self.make(unit).await {
            tracing::warn!(durable = unit.durable(), %error, "the durable is made later");
            self.wake.notify_one();
        }
    }

    async fn make(&self, unit: &Unit) -> Result<(), SystemsError> {
        let stream = self.js.get_stream(STREAM).await.map_err(nats)?;
        create(&stream, unit).await
    }

    /// Compares and makes until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = match silence::answer(LONGEST, self.round()).await {
                Ok(made) => {
                    if made > 0 {
                        tracing::info!(made, "durables of agency systems made");
                    }
                    ROUND
                }
                Err(error) => {
                    tracing::warn!(%error, "the agency systems' durables cannot be compared yet");
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Makes the durables that are missing; says how many.
    async fn round(&self) -> Result<usize, SystemsError> {
        let mut conn = self.app.pool.acquire().await?;
        let mut after = None;
        let mut missing = Vec::new();
        let mut there: Option<(Stream, HashSet<String>)> = None;
        loop {
            let page = systems::list(&mut conn, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key());
            // Asked only when there is a system at all.
            let (_, names) = match &there {
                Some(known) => known,
                None => there.insert(self.names().await?),
            };
            missing.extend(page.into_iter().filter(|unit| !names.contains(&unit.durable())));
        }
        drop(conn);
        if let Some((stream, _)) = &there {
            for unit in &missing {
                create(stream, unit).await?;
            }
        }
        Ok(missing.len())
    }

    async fn names(&self) -> Result<(Stream, HashSet<String>), SystemsError> {
        let stream = self.js.get_stream(STREAM).await.map_err(nats)?;
        let names = stream.consumer_names().try_collect().await.map_err(nats)?;
        Ok((stream, names))
    }
}

/// Makes a unit's durable; one that is there as it should be stays.
async fn create(stream: &Stream, unit: &Unit) -> Result<(), SystemsError> {
    let _: PullConsumer = stream.create_consumer(durable(unit)).await.map_err(nats)?;
    Ok(())
}

fn durable(unit: &Unit) -> pull::Config {
    pull::Config {
        durable_name: Some(unit.durable()),
        description: Some("instructions, receipts and notices of one agency system".to_owned()),
        filter_subject: unit.filter_subject(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        replay_policy: ReplayPolicy::Instant,
        // Every acknowledgement is told: by it the suite knows that an instruction was delivered.
        sample_frequency: 100,
        ..pull::Config::default()
    }
}

fn nats(error: impl std::fmt::Display) -> SystemsError {
    SystemsError::Nats(error.to_string())
}
