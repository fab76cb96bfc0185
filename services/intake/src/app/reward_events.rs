//! What is published of a reward: nothing that leads to a tip, an informant, a teller or a branch.

use dafei_contracts::{Event, events::v1 as ev};
use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::log;
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    publisher::Meta,
    store::{
        heads::{self, Head},
        rewards::Reward,
    },
    work,
};

/// An event of an announcement.
pub(super) struct Outgoing {
    pub(super) reward: Reward,
    pub(super) event: Event,
    pub(super) actor: Option<Post>,
    /// The instant that counts.
    pub(super) at: Instant,
}

/// The reward was announced.
pub(super) fn announced(reward: &Reward) -> Event {
    ev::RewardAnnounced {
        meta: None,
        announcement_id: reward.id.to_string(),
        number: reward.number.clone(),
        text: reward.text.clone(),
        amount_fen: reward.amount_fen,
        claim_until: Some(reward.claim_until.into()),
    }
    .into()
}

/// It was paid within an hour.
pub(super) fn paid(reward: &Reward, hour: Instant) -> Event {
    ev::RewardPaid {
        meta: None,
        announcement_id: reward.id.to_string(),
        number: reward.number.clone(),
        amount_fen: reward.amount_fen,
        paid_at: Some(hour.into()),
        unit: Some((&reward.unit).into()),
        sector: reward.act.sector().code().to_owned(),
        act: reward.act.code().to_owned(),
    }
    .into()
}

/// It was not claimed in time.
pub(super) fn expired(reward: &Reward) -> Event {
    ev::RewardExpired {
        meta: None,
        announcement_id: reward.id.to_string(),
        number: reward.number.clone(),
        amount_fen: reward.amount_fen,
    }
    .into()
}

/// Appends events to announcements whose heads are locked, without the trace of the call.
pub(super) async fn append(
    app: &App,
    conn: &mut PgConnection,
    now: Instant,
    events: Vec<(Outgoing, Head)>,
) -> Result<(), Fault> {
    let mut rows = Vec::with_capacity(events.len());
    let mut moved: Vec<(Uuid, Head)> = Vec::with_capacity(events.len());
    for (Outgoing { reward, event, actor, at }, mut head) in events {
        let meta = Meta {
            aggregate: reward.id,
            sequence: head.sequence + 1,
            path: &reward.path,
            actor: actor.as_ref(),
            person: "",
            received_at: at,
            claimed_at: None,
            chain: head.chain.clone(),
        };
        rows.push(work::row(app, now, event, meta, None, &mut head).map_err(Fault::internal)?);
        moved.push((reward.id, head));
    }
    log::append(conn, &rows).await.map_err(Fault::internal)?;
    heads::store(conn, &moved).await.map_err(faults::database)
}
