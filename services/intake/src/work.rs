//! One transaction's work on suspicions and patrols: load under lock, decide and evolve in memory, write everything at the end.
//!
//! The gRPC writer and the consumer both go through here, so a rule and a row are written in one place.

mod patrols;

use std::collections::{BTreeMap, HashMap};

use dafei_contracts::{Event as Public, catalogue::EventError, chain};
use dafei_intake_core::suspicion::{Command, Context, Event, Rejection, StateKind, Suspicion, decide, evolve};
use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::{batch::BatchFailure, event::NewEvent, log};
use dafei_shell::publish::{self, Outgoing};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    publisher::{self, Meta},
    store::{evidence, heads::Head, patrols as patrol_store, suspicions},
};
use patrols::Patrols;
pub(crate) use patrols::{NewPatrol, Recorded};

/// A command on its way to a suspicion.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The case.
    pub(crate) case: Uuid,
    /// What is asked.
    pub(crate) command: Command,
    /// Who asks, of that village; none for the system.
    pub(crate) actor: Option<Post>,
    /// W3C trace context of the cause.
    pub(crate) traceparent: Option<String>,
}

impl Order {
    /// Photos that the command names.
    fn evidence(&self) -> &[Uuid] {
        match &self.command {
            Command::Record(finding) => &finding.evidence,
            Command::Revisit { evidence, .. } | Command::Publish { evidence, .. } => evidence,
            Command::Notify
            | Command::Persuade { .. }
            | Command::ReportUp(_)
            | Command::Withdraw { .. }
            | Command::LearnOutcome { .. } => &[],
        }
    }
}

/// Why an order was not carried out; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The rules stand against it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It is another village's.
    #[error("it is another village's")]
    OutOfScope,
    /// A photo is not there, or another village's.
    #[error("evidence_ids[{0}] is no photo of this village")]
    NoEvidence(usize),
    /// The request id stands for another payload.
    #[error("the request id was used with another payload")]
    RequestIdReused,
    /// An event could not be made: a bug.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A stored answer could not be read: a bug.
    #[error(transparent)]
    Answer(#[from] prost::DecodeError),
}

/// A suspicion in the hands of this transaction.
struct Held {
    suspicion: Suspicion,
    head: Head,
    new: bool,
    changed: bool,
}

/// The work of one transaction.
pub(crate) struct Work<'a> {
    app: &'a App,
    /// The transaction's instant: every event is recorded at it.
    pub(crate) now: Instant,
    held: BTreeMap<Uuid, Held>,
    /// Where the photos that are named belong.
    photos: HashMap<Uuid, Region>,
    patrols: Patrols,
    outgoing: Vec<NewEvent>,
}

impl<'a> Work<'a> {
    /// Loads and locks what the orders and patrols concern.
    pub(crate) async fn load(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        orders: &[&Order],
        patrols: &[&NewPatrol],
    ) -> sqlx::Result<Self> {
        let mut ids: Vec<Uuid> = orders
            .iter()
            .filter(|order| !matches!(order.command, Command::Record(_)))
            .map(|order| order.case)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = suspicions::lock(conn, &ids).await?;
        let held = |row: suspicions::Row| {
            (row.suspicion.facts.id, Held { suspicion: row.suspicion, head: row.head, new: false, changed: false })
        };
        let named: Vec<Uuid> = orders
            .iter()
            .flat_map(|order| order.evidence())
            .chain(patrols.iter().flat_map(|patrol| &patrol.evidence))
            .copied()
            .collect();
        Ok(Self {
            app,
            now,
            held: rows.into_iter().map(held).collect(),
            photos: evidence::regions(conn, &named).await?,
            patrols: Patrols::load(conn, now, patrols).await?,
            outgoing: Vec::new(),
        })
    }

    /// A suspicion as it stands now.
    pub(crate) fn suspicion(&self, id: Uuid) -> Option<&Suspicion> {
        self.held.get(&id).map(|held| &held.suspicion)
    }

    /// Decides, evolves, and keeps the events for [`Work::save`].
    pub(crate) fn carry_out(&mut self, order: &Order) -> Result<(), Refusal> {
        let held = self.held.get(&order.case).map(|held| &held.suspicion);
        if let (Some(suspicion), Some(actor)) = (held, &order.actor)
            && actor.region != *suspicion.facts.village()
        {
            return Err(Refusal::OutOfScope);
        }
        let context = Context { now: self.now, rules: &self.app.rules };
        let events = decide(held, &order.command, &context)?;
        let village = match (&order.command, held) {
            (Command::Record(finding), _) => Some(finding.path.leaf()),
            (_, held) => held.map(|suspicion| suspicion.facts.village()),
        };
        if let Some(village) = village {
            self.check_photos(order.evidence(), village)?;
        }
        if events.is_empty() { Ok(()) } else { self.take(&events, order) }
    }

    fn check_photos(&self, photos: &[Uuid], village: &Region) -> Result<(), Refusal> {
        let of_village = |id: &Uuid| self.photos.get(id).is_some_and(|region| region == village);
        match photos.iter().position(|id| !of_village(id)) {
            Some(at) => Err(Refusal::NoEvidence(at)),
            None => Ok(()),
        }
    }

    /// Evolves the suspicion by the events and makes the public ones of them; all or nothing.
    fn take(&mut self, events: &[Event], order: &Order) -> Result<(), Refusal> {
        let before = self.held.get(&order.case);
        let mut head = before.map(|held| held.head.clone()).unwrap_or_default();
        let new = before.is_none_or(|held| held.new);
        let mut suspicion = before.map(|held| held.suspicion.clone());
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            suspicion = evolve(suspicion, event);
            let Some(suspicion) = &suspicion else { continue };
            let Some(public) = publisher::translate(suspicion, event) else { continue };
            let facts = &suspicion.facts;
            let meta = Meta {
                aggregate: facts.id,
                sequence: head.sequence + 1,
                path: &facts.path,
                actor: order.actor.as_ref(),
                received_at: self.now,
                claimed_at: if matches!(event, Event::Recorded(_)) { facts.claimed_at } else { None },
                chain: head.chain.clone(),
            };
            rows.push(row(self.app, self.now, public, meta, order.traceparent.clone(), &mut head)?);
        }
        if let Some(suspicion) = suspicion {
            self.held.insert(order.case, Held { suspicion, head, new, changed: true });
            self.outgoing.extend(rows);
        }
        Ok(())
    }

    /// Records a patrol; says its week's count with it.
    pub(crate) fn patrol(&mut self, patrol: &NewPatrol) -> Result<Recorded, Refusal> {
        self.check_photos(&patrol.evidence, &patrol.village)?;
        Ok(self.patrols.record(patrol, self.now))
    }

    /// Writes all that has changed, with its events: at most seven statements, whatever the number of orders.
    pub(crate) async fn save(mut self, conn: &mut PgConnection) -> Result<(), BatchFailure> {
        let rows = |new: bool| -> Vec<(&Suspicion, &Head)> {
            self.held
                .values()
                .filter(|held| held.changed && held.new == new)
                .map(|held| (&held.suspicion, &held.head))
                .collect()
        };
        suspicions::insert(conn, &rows(true)).await?;
        suspicions::update(conn, &rows(false)).await?;
        patrol_store::insert(conn, self.patrols.recorded()).await?;
        let books = self.patrols.publish(conn, self.app, self.now).await?;
        self.outgoing.extend(books);
        log::append(conn, &self.outgoing).await?;
        Ok(())
    }
}

/// The row of an event; moves its aggregate's head on.
pub(crate) fn row(
    app: &App,
    now: Instant,
    mut event: Public,
    meta: Meta<'_>,
    traceparent: Option<String>,
    head: &mut Head,
) -> Result<NewEvent, EventError> {
    let (aggregate_id, sequence) = (meta.aggregate, meta.sequence);
    event.set_meta(meta.wire());
    let outgoing = Outgoing { event, aggregate_id, sequence, event_id: app.ids.ordered(now), recorded_at: now };
    let row = publish::encode_traced(App::SERVICE, &outgoing, traceparent)?;
    head.sequence = sequence;
    head.chain = chain::next_head(&head.chain, &row.payload);
    Ok(row)
}

/// As clerks read a state.
pub(crate) const fn state_zh(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Recorded => "已发现，待告知支部书记",
        StateKind::Notified => "已告知支部书记，待劝导",
        StateKind::Heeded => "已听劝，待回访",
        StateKind::Refused => "不听劝，待上报乡镇",
        StateKind::ReportedUp => "已上报乡镇",
        StateKind::OutcomeAvailable => "已有处理结果，待公开",
        StateKind::Published => "结果已公开",
        StateKind::ClosedAtVillage => "已在村居办结",
        StateKind::Withdrawn => "已撤回",
    }
}
