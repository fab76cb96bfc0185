//! How far a service has published, as every replica of it can tell: the streams and the database are asked, not the relay of this process, which
//! may stand by.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    stream::{LastRawMessageErrorKind, Stream},
};
use dafei_kernel::time::Instant;
use futures::future::join_all;
use sqlx::PgPool;
use tokio::time::timeout;

use super::{
    RelayConfig, SUBJECT_PREFIX, WatermarkMessage,
    reconcile::{created, event_of, is_lacking},
    store::{self, StreamState},
};
use crate::{
    silence::{self, Loan},
    streams::{StreamSpec, is_missing},
};

/// What a look at a service's streams has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// By the last watermark in the stream: every commit recorded strictly before it is in the stream before it. None when there is none, when its
    /// stream waits to be refilled, or when that is not known.
    pub through: Option<Instant>,
    /// Streams that were wiped, or hold what the log does not have, and wait to be refilled; for some seconds also one that lost its end.
    pub wiped: Vec<String>,
    /// Streams of which the bus or the database has not said in time how they are.
    pub unknown: Vec<String>,
}

/// What is known of one stream.
#[derive(Debug, Default)]
struct Found {
    wiped: bool,
    through: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("NATS: {0}")]
    Nats(String),
}

/// What a look asks; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) pool: PgPool,
    pub(super) js: Context,
    pub(super) config: RelayConfig,
}

impl Asked {
    /// Asks of all streams at once: each is answered for `within` that time, or is unknown. A few short calls for each.
    pub(super) async fn look(&self, within: Duration) -> Published {
        let streams = &self.config.streams;
        let looks = join_all(streams.iter().map(|spec| timeout(within, self.of_stream(spec, within)))).await;
        let mut published = Published::default();
        for (spec, look) in streams.iter().zip(looks) {
            match look.unwrap_or_else(|_| Err(LookError::Nats(format!("no answer within {within:?}")))) {
                Ok(Found { wiped: true, .. }) => published.wiped.push(spec.name.to_owned()),
                Ok(Found { through, .. }) => published.through = published.through.or(through),
                Err(error) => {
                    tracing::debug!(stream = spec.name, %error, "it cannot be said how far is published");
                    published.unknown.push(spec.name.to_owned());
                }
            }
        }
        published
    }

    async fn of_stream(&self, spec: &StreamSpec, within: Duration) -> Result<Found, LookError> {
        // The database first: what is published meanwhile makes the stream longer than it knows, and never shorter.
        let known = self.state(spec.name, within).await?;
        let stream = match self.js.get_stream(spec.name).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error) => {
                return Ok(Found { wiped: is_lacking(known.as_ref(), None), through: None });
            }
            Err(error) => return Err(nats(error)),
        };
        let made = created(&stream).map_err(LookError::Nats)?;
        let last = stream.cached_info().state.last_sequence;
        let filled = known.as_ref().map_or(0, |state| state.last_sequence);
        let wiped = is_lacking(known.as_ref(), Some((made, last)))
            || (last > filled && self.is_foreign(spec, &stream, filled, within).await?);
        let through = if wiped || self.config.watermark_stream != Some(spec.name) {
            None
        } else {
            watermark(&stream, &self.config.service).await?
        };
        Ok(Found { wiped, through })
    }

    async fn state(&self, stream: &str, within: Duration) -> sqlx::Result<Option<StreamState>> {
        let mut connection = Loan::of(&self.pool).await?;
        let state = silence::answer(within, store::state(&mut connection, stream)).await?;
        connection.give_back();
        Ok(state)
    }

    /// Whether the log does not have what the stream ends with. What is lost of a log is its end, so the last event of each subject tells; what was
    /// published just now was committed before.
    async fn is_foreign(
        &self,
        spec: &StreamSpec,
        stream: &Stream,
        filled: u64,
        within: Duration,
    ) -> Result<bool, LookError> {
        let subjects = spec.subjects.iter().filter(|subject| !subject.starts_with(SUBJECT_PREFIX));
        let mut events = Vec::new();
        for found in join_all(subjects.map(|subject| stream.get_last_raw_message_by_subject(subject))).await {
            match found {
                Ok(message) if message.sequence > filled => events.extend(event_of(&message.headers)),
                Ok(_) => {}
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
                Err(error) => return Err(nats(error)),
            }
        }
        if events.is_empty() {
            return Ok(false);
        }
        let mut connection = Loan::of(&self.pool).await?;
        let positions = silence::answer(within, store::positions(&mut connection, spec.name, &events)).await?;
        connection.give_back();
        Ok(positions.iter().any(Option::is_none))
    }
}

/// The last watermark of a service in its stream, by the stream's leader: another replica of it may be behind.
async fn watermark(stream: &Stream, service: &str) -> Result<Option<Instant>, LookError> {
    match stream.get_last_raw_message_by_subject(&super::watermark::subject(service)).await {
        Ok(message) => {
            let said: WatermarkMessage = serde_json::from_slice(&message.payload).map_err(nats)?;
            // Filling says nothing.
            Ok(Some(said.through).filter(|through| *through > Instant::UNIX_EPOCH))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(nats(error)),
    }
}

fn nats(error: impl std::fmt::Display) -> LookError {
    LookError::Nats(error.to_string())
}
