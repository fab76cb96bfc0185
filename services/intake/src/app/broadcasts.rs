//! Recording a broadcast (clause D6).

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_intake_core::week;
use dafei_kernel::{claimed, region::RegionPath, time::Instant};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};

use super::book::Book;
use crate::{
    acting::Acting,
    app::{App, untimely},
    store::broadcasts::{self, Broadcast},
    wire::publicity as wire,
};

/// A broadcast on its way; the path leads to its village.
pub(crate) struct NewBroadcast {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) actor: Acting,
    pub(crate) path: RegionPath,
    pub(crate) made_at: Instant,
    pub(crate) seconds: u32,
    pub(crate) text: String,
}

/// Records a broadcast; says with it how many its week has.
///
/// # Errors
/// When its time cannot be, or the database is away.
pub(crate) async fn record(app: &App, new: NewBroadcast) -> Result<api::RecordBroadcastResponse, Fault> {
    let (key, hash) = new.request;
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    claimed::check(new.made_at, now).map_err(|why| untimely("made_at", why))?;
    let mut book = Book::open(app, &mut once, &new.path, &new.actor).await?;
    let broadcast = Broadcast {
        id: app.ids.ordered(now),
        village: new.path.leaf().clone(),
        made_at: new.made_at,
        seconds: new.seconds,
        text: new.text,
    };
    broadcasts::insert(once.conn(), &broadcast, &new.path, now).await.map_err(faults::database)?;
    let (start, end) = (week::start(broadcast.made_at), week::end(broadcast.made_at));
    let this_week = broadcasts::count(once.conn(), &broadcast.village, start, end).await.map_err(faults::database)?;
    let event = ev::BroadcastMade {
        meta: None,
        broadcast_id: broadcast.id.to_string(),
        village: Some((&broadcast.village).into()),
        made_at: Some(broadcast.made_at.into()),
        seconds: broadcast.seconds,
    };
    book.tell(event, broadcast.made_at)?;
    book.close(once.conn()).await?;
    once.finish(api::RecordBroadcastResponse {
        broadcast: Some(wire::broadcast(&broadcast)),
        broadcasts_this_week: this_week,
    })
    .await
}
