//! A village's publicity book: the aggregate of its notices, broadcasts and leaflets. Who opens it holds its lock until the transaction ends, so what is
//! read of the village meanwhile stays true.

use dafei_contracts::Event;
use dafei_kernel::{
    ids,
    region::{Region, RegionPath},
    time::Instant,
};
use dafei_messaging::{event::NewEvent, log};
use dafei_runtime::{status::Fault, telemetry};
use dafei_shell::{
    faults,
    once::{self, Once},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    acting::Acting,
    app::App,
    publisher::Meta,
    store::heads::{self, Head},
    work,
};

/// The book of a village in the hands of one transaction.
pub(super) struct Book<'a> {
    app: &'a App,
    id: Uuid,
    head: Head,
    path: &'a RegionPath,
    actor: &'a Acting,
    now: Instant,
    rows: Vec<NewEvent>,
}

impl<'a> Book<'a> {
    /// Opens and locks the book of the village that the path leads to.
    pub(super) async fn open(
        app: &'a App,
        once: &mut Once,
        path: &'a RegionPath,
        actor: &'a Acting,
    ) -> Result<Self, Fault> {
        let id = id(path.leaf());
        let mut heads = heads::lock(once.conn(), &[id]).await.map_err(faults::database)?;
        let head = heads.remove(&id).unwrap_or_default();
        Ok(Self { app, id, head, path, actor, now: once.now, rows: Vec::new() })
    }

    /// How many events it has.
    pub(super) const fn length(&self) -> i64 {
        self.head.sequence
    }

    /// Adds what happened at the claimed instant.
    pub(super) fn tell(&mut self, event: impl Into<Event>, claimed_at: Instant) -> Result<(), Fault> {
        let meta = Meta {
            aggregate: self.id,
            sequence: self.head.sequence + 1,
            path: self.path,
            actor: Some(&self.actor.post),
            person: &self.actor.person,
            received_at: self.now,
            claimed_at: Some(claimed_at),
            chain: self.head.chain.clone(),
        };
        let trace = telemetry::current_traceparent();
        let row = work::row(self.app, self.now, event.into(), meta, trace, &mut self.head).map_err(Fault::internal)?;
        self.rows.push(row);
        Ok(())
    }

    /// Writes what was told.
    pub(super) async fn close(self, conn: &mut PgConnection) -> Result<(), Fault> {
        heads::store(conn, &[(self.id, self.head)]).await.map_err(faults::database)?;
        log::append(conn, &self.rows).await.map_err(|error| once::failed(error.into()))
    }
}

/// The aggregate of a village's publicity.
fn id(village: &Region) -> Uuid {
    ids::derived(&["publicity-book", village.code().as_str()])
}
