//! What reporting tells the bus: each aggregate's events in order, chained, in the transaction of the state that they are of.

use dafei_contracts::{Event, chain, events::v1 as events};
use dafei_kernel::{ids, owner::Post, region::RegionPath, time::Instant};
use dafei_messaging::log;
use dafei_runtime::status::Fault;
use dafei_shell::{faults, once, publish};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{SERVICE, store};

/// Who told what, where and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The aggregate.
    pub(crate) aggregate: Uuid,
    /// Its region.
    pub(crate) path: &'a RegionPath,
    /// The post that acted; none for the service itself.
    pub(crate) actor: Option<&'a Post>,
    /// When.
    pub(crate) at: Instant,
}

/// Adds an event to its aggregate's chain and to the event log. Whoever tells of the same aggregate at the same time waits for this transaction.
/// Answers with its sequence.
///
/// # Errors
/// When the event does not carry what the catalogue needs, or PostgreSQL is away.
pub(crate) async fn tell(conn: &mut PgConnection, told: Told<'_>, event: impl Into<Event>) -> Result<i64, Fault> {
    let (before, head) = store::chain::lock(&mut *conn, told.aggregate).await.map_err(faults::database)?;
    let sequence = before + 1;
    let mut event = event.into();
    event.set_meta(events::EventMeta {
        aggregate_id: told.aggregate.to_string(),
        sequence,
        region_path: told.path.to_string(),
        actor: told.actor.map(Into::into),
        received_at: Some(told.at.into()),
        claimed_at: None,
        chain_head: head.clone(),
        person: String::new(),
    });
    let outgoing = publish::Outgoing {
        event,
        aggregate_id: told.aggregate,
        sequence,
        event_id: ids::derived(&["reporting-event", &told.aggregate.to_string(), &sequence.to_string()]),
        recorded_at: told.at,
    };
    let event = publish::encode(SERVICE, &outgoing).map_err(Fault::internal)?;
    let next = chain::next_head(&head, &event.payload);
    store::chain::advance(&mut *conn, told.aggregate, sequence, &next).await.map_err(faults::database)?;
    log::append(conn, &[event]).await.map_err(|error| once::failed(error.into()))?;
    Ok(sequence)
}
