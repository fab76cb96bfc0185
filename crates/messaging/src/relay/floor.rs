//! What the watermark waits for: messages of outsiders that are in a stream and have not taken effect. What follows from them is an event of
//! this service, so nothing is complete past them.
//!
//! The streams and the database are asked, not the consumers of this process: each consumer has a lock of its own, and the replica that relays
//! need not be the one that consumes. A look goes on beside the relay's turns: a stream of outsiders that does not answer must not keep the
//! service's own events back.

use std::sync::Arc;

use dafei_kernel::time::Instant;
use tokio::task::JoinSet;

use super::Relay;
use crate::consumer::{Extent, TakenThrough, untaken};

/// A stream that outsiders write to, and who takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// The key of the consumer ([`crate::consumer::key`]).
    pub consumer: String,
    /// The stream.
    pub stream: String,
}

/// What one look has found, stream by stream, and the instant at which it began.
type Look = (Instant, Vec<Result<Extent, String>>);

pub(super) struct Floor<'a> {
    relay: &'a Relay,
    /// Of each stream.
    taken: Vec<TakenThrough>,
    look: JoinSet<Look>,
    /// The clock was moved while a look was under way: its instant is an old one.
    again: bool,
    reported: Option<String>,
}

impl<'a> Floor<'a> {
    /// None where no outsiders write.
    pub(super) fn of(relay: &'a Relay) -> Option<Self> {
        let streams = relay.config.outside.len();
        let floor = || Self {
            relay,
            taken: vec![TakenThrough::default(); streams],
            look: JoinSet::new(),
            again: false,
            reported: None,
        };
        (streams > 0).then(floor)
    }

    /// Begins a look; the relay is woken when it has ended. One that is under way will do, unless the clock was `moved` since it began.
    pub(super) fn ask(&mut self, moved: bool) {
        if self.look.is_empty() {
            self.begin();
        } else {
            self.again |= moved;
        }
    }

    fn begin(&mut self) {
        let (pool, js, clock) = (self.relay.pool.clone(), self.relay.js.clone(), self.relay.clock.clone());
        let (outside, prod) = (self.relay.config.outside.clone(), Arc::clone(&self.relay.prod));
        let within = self.relay.config.answer;
        self.look.spawn(async move {
            // The clock first: what comes after it is later than what is promised.
            let now = clock.now();
            let mut found = Vec::with_capacity(outside.len());
            for Outside { consumer, stream } in &outside {
                let extent = untaken(&js, &pool, within, consumer, stream).await;
                found.push(extent.map_err(|error| format!("{stream}: {error}")));
            }
            prod.work.notify_one();
            (now, found)
        });
    }

    /// What the watermark must not pass by the last look, once for each; none while that is unknown of one of the streams.
    pub(super) fn told(&mut self) -> Option<Instant> {
        let (now, found) = self.look.try_join_next()?.ok()?;
        if std::mem::take(&mut self.again) {
            self.begin();
        }
        let mut unknown = None;
        for (taken, found) in self.taken.iter_mut().zip(found) {
            match found {
                Ok(extent) => {
                    taken.heard(now, extent);
                }
                Err(error) => unknown = Some(error),
            }
        }
        if let Some(error) = unknown.as_ref().filter(|error| self.reported.as_ref() != Some(*error)) {
            tracing::warn!(error, "the watermark waits: what outsiders have sent cannot be looked at");
        }
        self.reported = unknown;
        // None is less than any instant.
        self.taken.iter().map(TakenThrough::through).min().flatten()
    }
}
