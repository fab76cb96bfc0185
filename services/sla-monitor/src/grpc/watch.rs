//! Streams of what is announced. Each reads the event log behind its own position, page by page, as fast as its client takes it: a slow client
//! costs a page of memory and nobody else's time. One listener wakes them all.

use std::time::Duration;

use dafei_contracts::{Event, Stream, events::v1 as ev, sla::v1 as pb};
use dafei_kernel::region::{Region, RegionPath};
use dafei_messaging::log::LoggedEvent;
use dafei_runtime::status::Fault;
use dafei_shell::{faults, paging, roster::RosterView};
use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::lies_in;
use crate::store::{self, read};

/// Announcements read at once.
const PAGE: i64 = 100;
/// Messages that wait for a client.
const WAITING: usize = 16;
/// Pause before the listener is opened again.
const PAUSE: Duration = Duration::from_millis(500);

/// Says that something was announced.
#[derive(Debug, Clone)]
pub struct Ticks(watch::Sender<()>);

impl Ticks {
    /// Ticks that nobody has told yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Does something each time that something was announced, for ever.
    pub(crate) async fn each(self, act: impl Fn()) {
        let mut ticks = self.0.subscribe();
        while ticks.changed().await.is_ok() {
            act();
        }
    }

    /// Follows the announcements of this database, whichever replica makes them, until `ending`.
    pub async fn follow(self, pool: PgPool, ending: CancellationToken) {
        while !ending.is_cancelled() {
            tokio::select! {
                () = ending.cancelled() => return,
                ended = self.listen(&pool) => {
                    if let Err(error) = ended {
                        tracing::warn!(%error, "announcements cannot be followed, trying again");
                    }
                }
            }
            let _ = tokio::time::timeout(PAUSE, ending.cancelled()).await;
        }
    }

    async fn listen(&self, pool: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(store::ANNOUNCED).await?;
        loop {
            // What was announced before the listener was open counts, too.
            self.0.send_replace(());
            listener.recv().await?;
            while listener.next_buffered().is_some() {}
        }
    }
}

impl Default for Ticks {
    fn default() -> Self {
        Self::new()
    }
}

/// One stream.
pub(super) struct Watcher {
    pub(super) pool: PgPool,
    pub(super) roster: RosterView,
    pub(super) region: Region,
    /// The request that its tokens are bound to.
    pub(super) filter: pb::WatchBreachesRequest,
    /// Position of the last announcement seen.
    pub(super) after: i64,
}

type Message = Result<pb::WatchBreachesResponse, Status>;

impl Watcher {
    pub(super) fn start(self, ticks: &Ticks, ending: CancellationToken) -> ReceiverStream<Message> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let ticks = ticks.0.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = ending.cancelled() => {}
                () = sender.closed() => {}
                () = self.run(&sender, ticks) => {}
            }
        });
        ReceiverStream::new(receiver)
    }

    async fn run(mut self, sender: &mpsc::Sender<Message>, mut ticks: watch::Receiver<()>) {
        loop {
            ticks.borrow_and_update();
            loop {
                let page = match read::announced(&self.pool, Stream::Sla.name(), self.after, PAGE).await {
                    Ok(page) => page,
                    Err(error) => {
                        // The client resumes with its last token.
                        let _ = sender.send(Err(faults::database(error).into())).await;
                        return;
                    }
                };
                let full = i64::try_from(page.len()) == Ok(PAGE);
                for logged in page {
                    self.after = logged.position;
                    let message = match self.message(&logged) {
                        Ok(None) => continue,
                        Ok(Some(message)) => Ok(message),
                        Err(fault) => Err(fault.into()),
                    };
                    let last = message.is_err();
                    if sender.send(message).await.is_err() || last {
                        return;
                    }
                }
                if !full {
                    break;
                }
            }
            if ticks.changed().await.is_err() {
                return;
            }
        }
    }

    /// The announcement as its client sees it; none when it is of another region.
    fn message(&self, logged: &LoggedEvent) -> Result<Option<pb::WatchBreachesResponse>, Fault> {
        let event = Event::from_json(&logged.event_type, &logged.payload).map_err(Fault::internal)?;
        let Some(event) = event else { return Ok(None) };
        let path: RegionPath = event.region_path().map_err(Fault::internal)?;
        if !lies_in(&self.region, &path, &self.roster.current()) {
            return Ok(None);
        }
        let at = event.meta().and_then(|meta| meta.received_at);
        let fact = event.kind().fact;
        Ok(obligation(event).map(|obligation| pb::WatchBreachesResponse {
            fact: fact.to_owned(),
            obligation: Some(obligation),
            at,
            resume_token: paging::encode(&logged.position, &self.filter),
        }))
    }
}

fn obligation(event: Event) -> Option<ev::Obligation> {
    match event {
        Event::Warned(event) => event.obligation,
        Event::Breached(event) => event.obligation,
        Event::Reminded(event) => event.obligation,
        Event::Settled(event) => event.obligation,
        Event::Cancelled(event) => event.obligation,
        Event::Annulled(event) => event.obligation,
        _ => None,
    }
}
