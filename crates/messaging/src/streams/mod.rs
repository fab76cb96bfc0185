//! The streams of the bus, made and compared with what the suite relies on.

mod copies;
mod server;

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::GetStreamErrorKind,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream},
};
use dafei_kernel::time::Instant;

use crate::relay::created;

pub use copies::{Copies, CopyBehind};
pub use server::{ServerError, check_server};

/// How a stream has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name on the server.
    pub name: &'static str,
    /// The subjects that it stores.
    pub subjects: Vec<String>,
    /// How long a message stays. What a consumer did not read by then it gets by a rebuild from the event log.
    pub max_age: Duration,
    /// The most bytes that are stored, -1 for no limit; a full stream refuses new messages.
    pub max_bytes: i64,
    /// The most messages that are kept of a subject, -1 for no limit; more are refused for that subject alone.
    pub max_messages_per_subject: i64,
    /// Replicas in a cluster.
    pub replicas: usize,
    /// Within which a message id is refused the second time. The relay does not rely on it: PostgreSQL and the fence decide.
    pub duplicate_window: Duration,
    /// Whether batches are taken: yes for what a relay fills, no for what others may write to.
    pub atomic_publish: bool,
    /// The most consumers.
    pub max_consumers: i32,
}

/// A durable for each of a city's units with a system of its own, and room: 14 agencies of a city, its 13 counties and 156 townships are 2,380. It
/// is said in so many words because a server takes -1, no limit, for its default of 1,000 (nats-server 2.15.1).
const MAX_CONSUMERS: i32 = 10_000;

/// Of what outsiders write, of one unit and kind within the 90 days that messages stay: more than 5,000 a day. A client that sends without end fills its
/// own share, and neither the store that all streams are in nor the way of another unit.
const OUTSIDERS_MESSAGES: i64 = 500_000;

impl StreamSpec {
    /// A relay's stream: 90 days, one replica, atomic batches.
    #[must_use]
    pub fn new<S: Into<String>>(name: &'static str, subjects: impl IntoIterator<Item = S>) -> Self {
        Self {
            name,
            subjects: subjects.into_iter().map(Into::into).collect(),
            max_age: Duration::from_secs(90 * 24 * 3_600),
            max_bytes: -1,
            max_messages_per_subject: -1,
            replicas: 1,
            duplicate_window: Duration::from_secs(2),
            atomic_publish: true,
            max_consumers: MAX_CONSUMERS,
        }
    }

    /// A stream that outsiders write to: no batches, bounds of what one of them can leave in it, and the smallest duplicate window, as a message id is
    /// stream-wide and one writer could swallow another's message with it.
    #[must_use]
    pub fn untrusted<S: Into<String>>(name: &'static str, subjects: impl IntoIterator<Item = S>) -> Self {
        Self {
            duplicate_window: Duration::from_millis(100),
            atomic_publish: false,
            max_messages_per_subject: OUTSIDERS_MESSAGES,
            ..Self::new(name, subjects)
        }
    }

    /// The same stream, kept on so many servers of a cluster.
    #[must_use]
    pub fn on(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    fn config(&self) -> Config {
        Config {
            name: self.name.to_owned(),
            subjects: self.subjects.clone(),
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            max_age: self.max_age,
            max_bytes: self.max_bytes,
            max_messages: -1,
            max_messages_per_subject: self.max_messages_per_subject,
            discard_new_per_subject: self.max_messages_per_subject > 0,
            max_consumers: self.max_consumers,
            max_message_size: -1,
            num_replicas: self.replicas,
            duplicate_window: self.duplicate_window,
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            allow_atomic_publish: self.atomic_publish,
            ..Config::default()
        }
    }
}

/// A stream that cannot be made or is not as it has to be.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The server did not answer or refused.
    #[error("stream {stream}: {reason}")]
    Server {
        /// Name of the stream.
        stream: &'static str,
        /// What the server said.
        reason: String,
    },
    /// It exists with a setting that cannot be changed.
    #[error("stream {stream} exists with another {setting}; remove it and refill it from the event log")]
    Differs {
        /// Name of the stream.
        stream: &'static str,
        /// The setting.
        setting: &'static str,
    },
}

/// Makes the streams that are missing, and brings the settings of the others in line.
///
/// # Errors
/// When the server refuses, or a stream differs in what cannot be changed.
pub async fn ensure_streams(js: &Context, specs: &[StreamSpec]) -> Result<(), StreamError> {
    for spec in specs {
        let server = |reason: String| StreamError::Server { stream: spec.name, reason };
        match js.get_stream(spec.name).await {
            Ok(stream) => bring_in_line(js, spec, &stream.cached_info().config).await?,
            Err(error) if is_missing(&error) => {
                js.create_stream(spec.config()).await.map_err(|error| server(error.to_string()))?;
            }
            Err(error) => return Err(server(error.to_string())),
        }
    }
    Ok(())
}

/// The stream with when it was made; none when there is none.
///
/// # Errors
/// When the server does not answer.
pub async fn known(js: &Context, name: &'static str) -> Result<Option<(Stream, Instant)>, StreamError> {
    let server = |reason: String| StreamError::Server { stream: name, reason };
    match js.get_stream(name).await {
        Ok(stream) => {
            let made = created(&stream).map_err(server)?;
            Ok(Some((stream, made)))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(server(error.to_string())),
    }
}

/// The server answered that there is no such stream.
pub(crate) fn is_missing(error: &async_nats::jetstream::context::GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404)
}

async fn bring_in_line(js: &Context, spec: &StreamSpec, found: &Config) -> Result<(), StreamError> {
    let wanted = spec.config();
    let fixed = [
        ("storage", found.storage == wanted.storage),
        ("retention", found.retention == wanted.retention),
        ("sealed", !found.sealed),
    ];
    if let Some((setting, _)) = fixed.into_iter().find(|(_, same)| !same) {
        return Err(StreamError::Differs { stream: spec.name, setting });
    }
    let same = found.subjects == wanted.subjects
        && found.discard == wanted.discard
        && found.max_age == wanted.max_age
        && found.max_bytes == wanted.max_bytes
        && found.max_messages_per_subject == wanted.max_messages_per_subject
        && found.discard_new_per_subject == wanted.discard_new_per_subject
        && found.max_consumers == wanted.max_consumers
        && found.num_replicas == wanted.num_replicas
        && found.duplicate_window == wanted.duplicate_window
        && found.deny_delete
        && found.deny_purge
        && found.allow_atomic_publish == wanted.allow_atomic_publish;
    if !same {
        tracing::info!(stream = spec.name, "bringing the stream's settings in line");
        let updated = js.update_stream(&wanted).await;
        updated.map_err(|error| StreamError::Server { stream: spec.name, reason: error.to_string() })?;
    }
    Ok(())
}
