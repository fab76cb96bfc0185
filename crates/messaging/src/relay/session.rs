//! A session of the relay: from taking the lock until the database connection is lost.

use std::{sync::atomic::Ordering, time::Duration};

use dafei_kernel::time::Instant;
use futures::future::join_all;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{
    Relay, RelayError, age,
    reconcile::{Short, Standing, reconcile, settle},
    regain::{self, Regained},
    sent,
    store::{self, Padding},
    watermark::Watermark,
};
use crate::{
    backoff::Backoff,
    crash,
    log::LoggedEvent,
    publish::{self, MAX_BATCH, Outgoing, PublishFailure},
    silence,
    streams::StreamSpec,
};

/// How long to wait for transactions that hold the watermark back.
const WATERMARK_PAUSE: Duration = Duration::from_millis(5);
/// Why nothing is published to a stream that has what the log does not have.
const FOREIGN: &str = "it holds events that the database does not have any more";
/// How often a wiped stream is looked at.
const WIPED_PAUSE: Duration = Duration::from_secs(1);

/// How long a turn may still take when the process is to end: longer than any takes while both servers answer.
const LAST_TURN: Duration = Duration::from_secs(1);

/// Returns some time after `shutdown`.
async fn late(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_TURN).await;
}

/// A stream of this service and its fence; none while it may not be published to.
pub(super) struct Cursor<'a> {
    pub(super) spec: &'a StreamSpec,
    pub(super) fence: Option<u64>,
    /// When the stream was made.
    created: Instant,
    /// What was thought of it when it was found too short.
    doubt: Option<Doubt>,
}

/// A stream that was found too short, always at the same length.
#[derive(Clone, Copy)]
struct Doubt {
    short: Short,
    since: std::time::Instant,
    /// That it cannot be given back what it lost, and why.
    hopeless: Option<&'static str>,
}

/// What a look at a stream has found.
enum Found {
    Open(u64),
    /// Nothing may be published to it, for this reason.
    Closed(&'static str),
    /// It is too short, and looked at again before that is believed.
    Doubted,
}

pub(super) struct Session<'a> {
    relay: &'a Relay,
    connection: PgConnection,
    cursors: Vec<Cursor<'a>>,
    watermark: Watermark<'a>,
    /// The fences have to be read from the streams before the next batch.
    reconcile: bool,
    reconciled_at: std::time::Instant,
}

impl<'a> Session<'a> {
    pub(super) fn new(relay: &'a Relay, connection: PgConnection) -> Self {
        let cursors = relay
            .config
            .streams
            .iter()
            .map(|spec| Cursor { spec, fence: None, created: Instant::UNIX_EPOCH, doubt: None })
            .collect();
        let reconciled_at = std::time::Instant::now();
        Self { relay, connection, cursors, watermark: Watermark::new(relay), reconcile: true, reconciled_at }
    }

    /// Publishes until `shutdown` or until the database fails; NATS is waited for here.
    pub(super) async fn run(mut self, shutdown: &CancellationToken, backoff: &mut Backoff) -> Result<(), RelayError> {
        while !shutdown.is_cancelled() {
            // A turn that is dropped is a turn in which the process was killed: what it has published and not settled, the next session
            // finds in the stream behind the stored fence; of a batch without its last message the server keeps nothing.
            let turned = tokio::select! {
                biased;
                turned = self.turn() => turned,
                () = late(shutdown) => return Ok(()),
            };
            let pause = match turned {
                Ok(pause) => {
                    backoff.reset();
                    pause
                }
                Err(RelayError::Sql(error)) => return Err(error.into()),
                Err(error @ RelayError::Nats(_)) => {
                    self.reconcile = true;
                    self.relay.failed(&error, shutdown).await;
                    let pause = backoff.next_pause();
                    tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    continue;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.relay.prod.work.notified(), if !pause.is_zero() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    /// One look at the outbox; says how long to wait for the next.
    async fn turn(&mut self) -> Result<Duration, RelayError> {
        let wiped = self.cursors.iter().any(|cursor| cursor.fence.is_none());
        let pause =
            if wiped { WIPED_PAUSE.min(self.relay.config.check_interval) } else { self.relay.config.check_interval };
        if self.reconcile || self.reconciled_at.elapsed() >= pause {
            self.reconcile().await?;
        }
        if self.relay.prod.watermark.swap(false, Ordering::AcqRel) {
            self.watermark.hurry();
        }
        self.watermark.advance(&mut self.connection).await?;
        let drained = self.drain().await?;
        if drained {
            self.publish_watermark().await?;
        }
        Ok(if !drained {
            Duration::ZERO
        } else if self.watermark.is_waiting() {
            WATERMARK_PAUSE
        } else {
            self.watermark.due_in().min(self.relay.config.poll_interval)
        })
    }

    async fn reconcile(&mut self) -> Result<(), RelayError> {
        let known = self.relay.status.borrow().wiped.clone();
        let mut wiped = Vec::new();
        for index in 0..self.cursors.len() {
            let found = self.look_at(index).await?;
            let cursor = &mut self.cursors[index];
            let fence = if let Found::Open(fence) = found { Some(fence) } else { None };
            let stream = cursor.spec.name;
            if fence != cursor.fence {
                cursor.fence = fence;
                // At once: should the next stream not answer, this one says what it did before it was filled up.
                self.watermark.restart();
            }
            if let Found::Closed(why) = found
                && !known.iter().any(|name| name == stream)
            {
                tracing::error!(
                    stream,
                    why,
                    "nothing is published to the stream until it is refilled from the event log"
                );
            }
            if let Found::Closed(_) = found {
                wiped.push(stream.to_owned());
            }
        }
        self.relay.status.send_modify(|status| status.wiped = wiped);
        self.reconcile = false;
        self.reconciled_at = std::time::Instant::now();
        Ok(())
    }

    /// How a stream stands; what it lacks is seen to.
    async fn look_at(&mut self, index: usize) -> Result<Found, RelayError> {
        let within = self.relay.config.answer;
        loop {
            let (relay, cursor) = (self.relay, &mut self.cursors[index]);
            let standing = reconcile(&mut self.connection, &relay.js, cursor.spec, within).await?;
            let doubt = cursor.doubt.take();
            match standing {
                Standing::Open { fence, created } => {
                    cursor.created = created;
                    if self.try_open(index, fence).await? {
                        return Ok(Found::Open(fence));
                    }
                }
                Standing::Wiped => return Ok(Found::Closed("it was wiped")),
                Standing::Foreign => return Ok(Found::Closed(FOREIGN)),
                Standing::Unpadded { created, last, padding } => {
                    let Padding { from, to, .. } = padding;
                    tracing::warn!(
                        stream = cursor.spec.name,
                        last,
                        from,
                        to,
                        "the stream is filled up before anything is published to it"
                    );
                    if !regain::pad(&mut self.connection, relay, cursor.spec, (created, last), padding).await? {
                        return Ok(Found::Closed(FOREIGN));
                    }
                }
                Standing::Short(short) => {
                    let fresh = Doubt { short, since: std::time::Instant::now(), hopeless: None };
                    let doubt = doubt.filter(|doubt| doubt.short == short).unwrap_or(fresh);
                    cursor.doubt = Some(doubt);
                    if let Some(found) = self.regain(index, doubt).await? {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Whether a stream that ends at `fence` may be published to at once. Where a batch was published and nothing was heard of it, it may have been
    /// read, and lost since: what is published now must not take its numbers, for it need not be the same. Then it is kept that they are to be
    /// filled up first.
    async fn try_open(&mut self, index: usize, fence: u64) -> Result<bool, RelayError> {
        let Cursor { spec, created, .. } = self.cursors[index];
        // Of another stream of this name, or of a loss that was seen to already, it says nothing.
        let unheard = self.relay.unheard.of(spec.name, created);
        let Some(to) = unheard.filter(|end| (fence + 1..=fence + regain::UNSETTLED).contains(end)) else {
            self.relay.unheard.clear(spec.name);
            return Ok(true);
        };
        let padded = sent::to_be_padded(&mut self.connection, spec.name, created, fence, to);
        if silence::answer(self.relay.config.answer, padded).await? { Ok(false) } else { Err(regain::moved()) }
    }

    /// Gives a stream that lost its end what it lost, when it was found so twice: what answers first after a failure may not have heard yet of all that
    /// it has. None when it is to be looked at anew.
    async fn regain(&mut self, index: usize, doubt: Doubt) -> Result<Option<Found>, RelayError> {
        let (relay, cursor) = (self.relay, &mut self.cursors[index]);
        let Doubt { short, since, hopeless } = doubt;
        if let Some(why) = hopeless {
            return Ok(Some(Found::Closed(why)));
        }
        if since.elapsed() < relay.config.check_interval.min(WIPED_PAUSE) {
            return Ok(Some(Found::Doubted));
        }
        let Short { last, filled, .. } = short;
        let why = match regain::regain(&mut self.connection, relay, cursor.spec, short).await? {
            Regained::Boxed { events, agreed } => {
                tracing::error!(
                    stream = cursor.spec.name,
                    last,
                    filled,
                    agreed,
                    events,
                    "NATS lost the end of the stream, which it had acknowledged; the events are published again from the log"
                );
                relay.status.send_modify(|status| {
                    status.regained += events;
                    status.lost += filled - agreed;
                    status.lost_at = Some(std::time::Instant::now());
                });
                return Ok(None);
            }
            Regained::Unknown(why) => why,
            Regained::Foreign => FOREIGN,
        };
        tracing::error!(stream = cursor.spec.name, last, filled, why, "what the stream lost is not published again");
        cursor.doubt = Some(Doubt { hopeless: Some(why), ..doubt });
        Ok(Some(Found::Closed(why)))
    }

    /// Publishes what waits, at most a batch per stream; true when no open stream has more.
    async fn drain(&mut self) -> Result<bool, RelayError> {
        let batch = i64::try_from(MAX_BATCH).unwrap_or(i64::MAX);
        let names: Vec<&str> = self.cursors.iter().map(|cursor| cursor.spec.name).collect();
        // Of a wiped stream one event is enough to know the outbox's age.
        let limits: Vec<i64> =
            self.cursors.iter().map(|cursor| if cursor.fence.is_some() { batch } else { 1 }).collect();
        let within = self.relay.config.answer;
        let waiting = silence::answer(within, store::pending(&mut self.connection, &names, &limits)).await?;
        let (count, oldest) = (waiting.len() as u64, waiting.iter().map(|event| event.recorded_at).min());
        let mut by_stream: Vec<Vec<LoggedEvent>> = names.iter().map(|_| Vec::new()).collect();
        for event in waiting {
            if let Some(index) = names.iter().position(|name| *name == event.stream) {
                by_stream[index].push(event);
            }
        }
        let (js, begin) = (&self.relay.js, self.relay.config.span);
        let sends = self.cursors.iter().zip(&by_stream).map(|(cursor, events)| async move {
            let first = publish::chunks(events).into_iter().next();
            let (Some(fence), Some(chunk)) = (cursor.fence, first) else { return None };
            let spans: Vec<Span> = begin.map(|begin| chunk.iter().filter_map(begin).collect()).unwrap_or_default();
            let sent = publish::publish(js, fence, chunk.iter().map(Outgoing::from).collect()).await;
            if sent.is_err() {
                for span in &spans {
                    span.record("otel.status_code", "ERROR");
                }
            }
            Some((fence, chunk, sent))
        });
        if count > 0 {
            crash::here("relay.before-publish");
        }
        let sent = join_all(sends).await;
        if count > 0 {
            crash::here("relay.after-publish");
        }
        for (cursor, sent) in self.cursors.iter().zip(&sent) {
            if let Some((from, chunk, Ok(_) | Err(PublishFailure::Unheard(_)))) = sent {
                self.relay.unheard.set(cursor.spec.name, cursor.created, from + chunk.len() as u64);
            }
        }
        let mut drained = true;
        let mut published = 0;
        for (index, outcome) in sent.into_iter().enumerate() {
            let Some((from, chunk, outcome)) = outcome else { continue };
            let to = outcome.map_err(|failure| RelayError::Nats(failure.to_string()))?;
            let positions: Vec<i64> = chunk.iter().map(|event| event.position).collect();
            self.settle(index, &positions, from, to).await?;
            published += chunk.len() as u64;
            drained &= chunk.len() == by_stream[index].len() && by_stream[index].len() < MAX_BATCH;
        }
        if count > 0 {
            crash::here("relay.after-settlement");
        }
        self.watermark.published(published);
        self.report(published, count - published, oldest);
        Ok(drained)
    }

    /// What stands at `positions` was published to a stream, which ended at `from` before and at `to` after it.
    async fn settle(&mut self, index: usize, positions: &[i64], from: u64, to: u64) -> Result<(), RelayError> {
        let cursor = &mut self.cursors[index];
        settle(&mut self.connection, cursor.spec.name, positions, (from, to), self.relay.config.answer).await?;
        cursor.fence = Some(to);
        self.relay.unheard.clear(cursor.spec.name);
        Ok(())
    }

    fn report(&self, published: u64, pending: u64, oldest: Option<Instant>) {
        let waiting_since = oldest.filter(|_| pending > 0);
        let outbox_age = waiting_since.map_or(Duration::ZERO, |oldest| age(self.relay.clock.now(), oldest));
        self.relay.status.send_if_modified(|status| {
            let changed = published > 0
                || status.pending != pending
                || status.outbox_age != outbox_age
                || status.last_error.is_some();
            status.published += published;
            status.pending = pending;
            status.outbox_age = outbox_age;
            status.last_error = None;
            changed
        });
    }

    async fn publish_watermark(&mut self) -> Result<(), RelayError> {
        let Some(index) =
            self.watermark.stream().and_then(|name| self.cursors.iter().position(|c| c.spec.name == name))
        else {
            return Ok(());
        };
        let Some(fence) = self.cursors[index].fence else { return Ok(()) };
        let Some((through, message)) = self.watermark.ready() else { return Ok(()) };
        let sent = publish::publish(&self.relay.js, fence, vec![message]).await;
        if let Ok(_) | Err(PublishFailure::Unheard(_)) = sent {
            let cursor = &self.cursors[index];
            self.relay.unheard.set(cursor.spec.name, cursor.created, fence + 1);
        }
        let to = sent.map_err(|failure| RelayError::Nats(failure.to_string()))?;
        self.settle(index, &[], fence, to).await?;
        self.watermark.done(through);
        self.relay.status.send_modify(|status| status.through = Some(through));
        Ok(())
    }
}
