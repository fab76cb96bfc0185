//! Acknowledgements of the agencies' consumers: the server tells each as a sample, a small stream keeps them, and an instruction that
//! its agency acknowledged is delivered.

use std::sync::Arc;

use async_nats::jetstream::{
    self,
    stream::{DirectGetErrorKind, RawMessageErrorKind, Stream},
};
use dafei_dispatch_core::case::{Command, Means, Step};
use dafei_kernel::time::Instant;
use dafei_messaging::{
    consumer::{Delivered, Handler, HandlerError},
    streams::{self, StreamSpec},
};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use sqlx::PgConnection;
use std::time::Duration;
use uuid::Uuid;

use crate::{
    app::App,
    consumers::{NAME, retry},
    unit::STREAM,
    work::{Order, Refusal, Work},
};

/// Name of the stream that keeps the samples.
pub const ACKS_STREAM: &str = "DAFEI_DELIVERY";

/// How long a sample is kept: longer than an outage that is survived; after it the assumed delivery has long taken place.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How many messages are looked up at a time.
const CONCURRENT: usize = 32;

/// The stream that keeps the samples of the acknowledgements on DAFEI_AGENCY.
#[must_use]
pub fn acks_stream() -> StreamSpec {
    let subject = format!("$JS.EVENT.METRIC.CONSUMER.ACK.{STREAM}.>");
    // The server writes them, one subject for each queue.
    StreamSpec { max_age: MAX_AGE, max_messages_per_subject: -1, ..StreamSpec::untrusted(ACKS_STREAM, [subject]) }
}

/// Takes DAFEI_DELIVERY.
pub struct Acks {
    app: Arc<App>,
    js: jetstream::Context,
}

/// What a sample says, as far as it is of use.
#[derive(Debug, Deserialize)]
struct Sample {
    stream: String,
    stream_seq: u64,
}

/// The message that was acknowledged could not be looked up: the bus or its stream is away, and comes back.
#[derive(Debug, thiserror::Error)]
#[error("NATS: {0}")]
struct LookupError(String);

impl Acks {
    /// The service's handler.
    #[must_use]
    pub fn new(app: Arc<App>, js: jetstream::Context) -> Self {
        Self { app, js }
    }
}

impl Handler for Acks {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let samples = events.iter().enumerate().map(sample).collect::<Result<Vec<_>, _>>()?;
        let stored = events.iter().map(|event| event.stored_at);
        let instructions = self.instructions(samples.iter().zip(stored)).await?;
        let now = self.app.clock.now();
        let orders: Vec<Order> = events
            .iter()
            .zip(&instructions)
            .filter_map(|(event, instruction)| {
                Some(Order {
                    case: None,
                    command: Command::Instruction { id: (*instruction)?, step: Step::Deliver(Means::Consumer) },
                    actor: None,
                    guarded: false,
                    expected_version: None,
                    then: None,
                    at: Some(self.app.instant_of_bus(event.stored_at, now)),
                    means: Means::Consumer,
                    traceparent: None,
                })
            })
            .collect();
        let mut work = Work::load(&self.app, conn, now, orders.iter()).await?;
        for order in &orders {
            match work.carry_out(order) {
                // Of another life of this database: there is no such instruction.
                Ok(_) | Err(Refusal::Rejected(_)) => {}
                Err(refusal) => return Err(HandlerError::Retry(Box::new(refusal))),
            }
        }
        work.save(conn).await.map_err(retry)
    }
}

fn sample((index, event): (usize, &Delivered)) -> Result<Sample, HandlerError> {
    serde_json::from_slice(&event.payload)
        .map_err(|error| HandlerError::Reject { index, reason: format!("no acknowledgement sample: {error}") })
}

impl Acks {
    /// The instructions that were acknowledged; none for a receipt, for a message that is gone, and for one of a stream that is gone or was made
    /// anew since: its place may be another instruction's by now. What nobody knows to be delivered, the monitor assumes in time.
    async fn instructions(
        &self,
        samples: impl Iterator<Item = (&Sample, Instant)>,
    ) -> Result<Vec<Option<Uuid>>, HandlerError> {
        let (stream, created) = match streams::known(&self.js, STREAM).await {
            Ok(Some((stream, created))) => (Some(stream), created),
            Ok(None) => (None, Instant::MAX),
            Err(error) => return Err(lookup(error)),
        };
        let places: Vec<Option<u64>> = samples
            .map(|(sample, at)| (sample.stream == STREAM && at >= created).then_some(sample.stream_seq))
            .collect();
        let Some(stream) = stream else { return Ok(places.iter().map(|_| None).collect()) };
        futures::stream::iter(places)
            .map(|place| instruction(stream.clone(), place))
            .buffered(CONCURRENT)
            .try_collect()
            .await
    }
}

/// The instruction that the acknowledged message carries, by its headers.
async fn instruction(stream: Stream, place: Option<u64>) -> Result<Option<Uuid>, HandlerError> {
    let Some(place) = place else { return Ok(None) };
    let message = match stream.direct_get(place).await {
        Ok(message) => message,
        // Any replica answers, also one that lags and has not got it yet: only the leader knows that it is gone.
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => match stream.get_raw_message(place).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(lookup(error)),
        },
        Err(error) => return Err(lookup(error)),
    };
    if !message.subject.ends_with(".instruction") {
        return Ok(None);
    }
    let id = message.headers.get("ce-subject").and_then(|id| Uuid::parse_str(id.as_str()).ok());
    Ok(id)
}

fn lookup(error: impl std::fmt::Display) -> HandlerError {
    HandlerError::Away(Box::new(LookupError(error.to_string())))
}
