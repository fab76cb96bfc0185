//! How far the stream is complete.
//!
//! A candidate instant is read from the clock (and capped by the floor) first; then the ids of the transactions in progress. A writer reads
//! the clock after it has its transaction id ([`crate::tx::begin_write`]), so a commit recorded before the candidate is either visible
//! already or belongs to one of these transactions. Once they all have ended and the outbox was seen empty after that, every such commit is
//! in the stream. "Before" is strict: in an exercise the clock stands still, and commits at exactly that instant may follow.

use std::{
    collections::HashSet,
    time::{Duration, Instant as Monotonic},
};

use async_nats::HeaderMap;
use bytes::Bytes;
use dafei_kernel::time::Instant;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{Relay, RelayError, floor::Floor, store};
use crate::{publish::Outgoing, silence};

/// What the subjects of watermarks begin with; the service's name follows.
pub(crate) const SUBJECT_PREFIX: &str = "dafei.v1.watermark.";

/// The payload of a watermark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatermarkMessage {
    /// Every commit of the service recorded strictly before it is in the stream before this message.
    pub(crate) through: Instant,
}

/// The subject of a service's watermarks.
pub(super) fn subject(service: &str) -> String {
    format!("{SUBJECT_PREFIX}{service}")
}

/// The watermark of a service.
pub(super) fn message(service: &str, through: Instant) -> Outgoing {
    // An instant is always JSON.
    let payload = serde_json::to_vec(&WatermarkMessage { through }).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json");
    Outgoing { subject: subject(service), headers, payload: Bytes::from(payload) }
}

/// An instant that may become the watermark.
struct Candidate {
    through: Instant,
    /// Transactions that may still commit something earlier.
    open: HashSet<String>,
}

pub(super) struct Watermark<'a> {
    relay: &'a Relay,
    floor: Option<Floor<'a>>,
    candidate: Option<Candidate>,
    last: Option<Instant>,
    last_at: Monotonic,
    published_since: bool,
    hurry: bool,
}

impl<'a> Watermark<'a> {
    pub(super) fn new(relay: &'a Relay) -> Self {
        let floor = Floor::of(relay);
        Self {
            relay,
            floor,
            candidate: None,
            last: None,
            last_at: Monotonic::now(),
            published_since: false,
            hurry: true,
        }
    }

    /// The stream that carries it.
    pub(super) fn stream(&self) -> Option<&'static str> {
        self.relay.config.watermark_stream
    }

    /// The clock was moved: do not wait for the interval.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    /// The stream may be another than before: say it anew.
    pub(super) fn restart(&mut self) {
        self.candidate = None;
        self.last = None;
        self.hurry = true;
    }

    /// Events were published: the next watermark is due earlier.
    pub(super) fn published(&mut self, count: u64) {
        self.published_since |= count > 0;
    }

    /// A candidate waits for transactions to end.
    pub(super) fn is_waiting(&self) -> bool {
        self.candidate.is_some()
    }

    /// How long until the next is due.
    pub(super) fn due_in(&self) -> Duration {
        if self.stream().is_none() {
            return Duration::MAX;
        }
        let config = &self.relay.config;
        let interval = if self.published_since { config.watermark_interval } else { config.idle_watermark_interval };
        interval.saturating_sub(self.last_at.elapsed())
    }

    /// Begins a candidate when one is due, or looks which of its transactions have ended. To be called before the outbox is read.
    pub(super) async fn advance(&mut self, connection: &mut PgConnection) -> Result<(), RelayError> {
        if let Some(candidate) = &mut self.candidate {
            if !candidate.open.is_empty() {
                let now = silence::answer(self.relay.config.answer, store::in_progress(connection)).await?;
                candidate.open.retain(|xid| now.contains(xid));
            }
            return Ok(());
        }
        if self.stream().is_none() {
            return Ok(());
        }
        let moved = std::mem::take(&mut self.hurry);
        let due = moved || self.due_in().is_zero();
        if due {
            self.last_at = Monotonic::now();
            self.published_since = false;
        }
        let now = self.relay.clock.now();
        // The floor first: what it promises has been committed by then, so the reading of the outbox below sees what followed from it.
        let through = match &mut self.floor {
            None => due.then_some(now),
            Some(floor) => {
                if due {
                    floor.ask(moved);
                }
                floor.told().map(|floor| floor.min(now))
            }
        };
        let Some(through) = through else { return Ok(()) };
        if self.last.is_none_or(|last| through > last) {
            let open = silence::answer(self.relay.config.answer, store::in_progress(connection)).await?;
            self.candidate = Some(Candidate { through, open });
        }
        Ok(())
    }

    /// The watermark to publish, after the outbox was seen empty.
    pub(super) fn ready(&self) -> Option<(Instant, Outgoing)> {
        let candidate = self.candidate.as_ref().filter(|candidate| candidate.open.is_empty())?;
        Some((candidate.through, message(&self.relay.config.service, candidate.through)))
    }

    /// It was published.
    pub(super) fn done(&mut self, through: Instant) {
        self.candidate = None;
        self.last = Some(through);
    }
}
