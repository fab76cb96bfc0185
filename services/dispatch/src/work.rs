//! One transaction's work on cases: load under lock, decide and evolve in memory, write everything at the end.
//!
//! The gRPC writer, the consumers and the delivery timer all go through here, so a rule and a row are written in one place.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use dafei_contracts::{Event as Public, catalogue::EventError, chain};
use dafei_dispatch_core::case::{
    Case, Command, Context, Event, Means, NotYours, Reason, Rejection, decide, evolve, may, may_merge, may_tell,
};
use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::{batch::BatchFailure, event::NewEvent, log};
use dafei_shell::publish::{self, Outgoing};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::{App, Rules},
    publisher::{self, Aggregate, Meta},
    store::{
        cases::{self, CaseRow},
        inbox,
        instructions::{self, Shown},
    },
};

/// A command on its way to a case.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The case; none where the command names an instruction.
    pub(crate) case: Option<Uuid>,
    /// What is asked.
    pub(crate) command: Command,
    /// Who asks: named in the events. None for the system.
    pub(crate) actor: Option<Post>,
    /// Whether the actor must be the post whose step it is.
    pub(crate) guarded: bool,
    /// Sequence of the case that the actor has seen; not checked when none.
    pub(crate) expected_version: Option<i64>,
    /// What follows on it in the same case, and was checked to be possible: both are done, or neither.
    pub(crate) then: Option<Box<Order>>,
    /// The instant that counts; that of the transaction when none.
    pub(crate) at: Option<Instant>,
    /// How the instruction arrived, where the step shows that it did.
    pub(crate) means: Means,
    /// W3C trace context of the cause.
    pub(crate) traceparent: Option<String>,
}

impl Order {
    /// Of which case, or by which instruction.
    pub(crate) fn keys<'a>(orders: impl Iterator<Item = &'a Self>) -> (Vec<Uuid>, Vec<Uuid>) {
        let (mut cases, mut instructions) = (Vec::new(), Vec::new());
        for order in orders {
            cases.extend(order.case);
            if let Command::Merge { into, .. } = &order.command {
                cases.push(*into);
            }
            if let (None, Command::Instruction { id, .. }) = (order.case, &order.command) {
                instructions.push(*id);
            }
        }
        (cases, instructions)
    }
}

/// Why an order was not carried out; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The rules stand against it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It is another post's step.
    #[error("it is another post's step: {0}")]
    NotYours(#[from] NotYours),
    /// The case has moved on since the caller saw it: its sequence now.
    #[error("the case is at version {0}")]
    OtherVersion(i64),
    /// The request id stands for another payload.
    #[error("the request id was used with another payload")]
    RequestIdReused,
    /// An event could not be made: a bug.
    #[error(transparent)]
    Event(#[from] EventError),
}

/// A case in the hands of this transaction.
struct Held {
    case: Case,
    chain_head: String,
    /// How its instructions stood when they were loaded.
    shown: HashMap<Uuid, Shown>,
    new: bool,
    changed: bool,
}

/// The work of one transaction.
pub(crate) struct Work<'a> {
    app: &'a App,
    /// The rules in force when the transaction began its work.
    rules: Arc<Rules>,
    /// The transaction's instant: every event is recorded at it.
    pub(crate) now: Instant,
    held: BTreeMap<Uuid, Held>,
    by_instruction: HashMap<Uuid, Uuid>,
    outgoing: Vec<NewEvent>,
}

impl<'a> Work<'a> {
    /// Loads and locks the cases that the orders concern; waits for those that another transaction has.
    pub(crate) async fn load(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        orders: impl Iterator<Item = &Order>,
    ) -> sqlx::Result<Self> {
        let (ids, by_instruction) = Order::keys(orders);
        let rules = app.rules.refresh(conn).await?;
        let rows = cases::lock(conn, &ids, &by_instruction).await?;
        Ok(Self::holding(app, rules, now, rows))
    }

    /// Loads and locks these cases; waits for those that another transaction has.
    pub(crate) async fn load_cases(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        ids: &[Uuid],
    ) -> sqlx::Result<Self> {
        let rules = app.rules.refresh(conn).await?;
        Ok(Self::holding(app, rules, now, cases::lock(conn, ids, &[]).await?))
    }

    /// Loads and locks these cases but those that another transaction has.
    pub(crate) async fn load_free(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        ids: &[Uuid],
    ) -> sqlx::Result<Self> {
        let rules = app.rules.refresh(conn).await?;
        Ok(Self::holding(app, rules, now, cases::lock_free(conn, ids).await?))
    }

    fn holding(app: &'a App, rules: Arc<Rules>, now: Instant, rows: Vec<CaseRow>) -> Self {
        let mut work =
            Self { app, rules, now, held: BTreeMap::new(), by_instruction: HashMap::new(), outgoing: Vec::new() };
        for CaseRow { case, chain_head } in rows {
            let shown = case.instructions.iter().map(|one| (one.id, Shown::of(one))).collect();
            work.by_instruction.extend(case.instructions.iter().map(|one| (one.id, case.facts.id)));
            work.held.insert(case.facts.id, Held { case, chain_head, shown, new: false, changed: false });
        }
        work
    }

    /// A case as it stands now.
    pub(crate) fn case(&self, id: Uuid) -> Option<&Case> {
        self.held.get(&id).map(|held| &held.case)
    }

    /// Decides, evolves, and keeps the events for [`Work::save`]. Answers whose case it was.
    pub(crate) fn carry_out(&mut self, order: &Order) -> Result<Uuid, Refusal> {
        let (case, reason) = match (&order.command, order.case) {
            (Command::Instruction { id, .. }, None) => {
                (self.by_instruction.get(id).copied(), Reason::NoSuchInstruction)
            }
            (_, case) => (case, Reason::NoSuchCase),
        };
        let id = case.ok_or_else(|| Rejection::absent(reason))?;
        let held = self.case(id);
        if let (true, Some(held), Some(actor)) = (order.guarded, held, &order.actor) {
            may(actor, held, &order.command)?;
        }
        if let (Some(held), Some(expected)) = (held, order.expected_version)
            && held.sequence != expected
        {
            return Err(Refusal::OtherVersion(held.sequence));
        }
        if let (Some(held), Command::Merge { into, reason, .. }) = (held, &order.command) {
            let (absorb, told) = self.absorbing(held, *into, order)?;
            self.apply(*into, &absorb, order)?;
            self.apply(id, &Command::Merge { into: *into, told, reason: reason.clone() }, order)?;
        } else {
            self.apply(id, &order.command, order)?;
        }
        Ok(id)
    }

    fn apply(&mut self, id: Uuid, command: &Command, order: &Order) -> Result<(), Refusal> {
        let context = Context {
            at: order.at.unwrap_or(self.now),
            now: self.now,
            means: order.means,
            routing: &self.rules.routing,
            authority: &self.rules.authority,
            limits: self.app.limits,
            ids: &*self.app.ids,
        };
        let events = decide(self.case(id), command, &context)?;
        if events.is_empty() { Ok(()) } else { self.take(id, &events, order) }
    }

    /// What the other case takes over when this one ends in it: after this both commands are accepted, or none is asked. The actor must have a
    /// part in the other case too. With it, whether those who see this case may be told which other it is.
    fn absorbing(&self, case: &Case, into: Uuid, order: &Order) -> Result<(Command, bool), Refusal> {
        let other = self.case(into).ok_or_else(|| Rejection::field(Reason::NoSuchCase, "into_case_id"))?;
        let (centre, office) = (other.facts.centre(), other.facts.office());
        if order.guarded && order.actor.is_some() && order.actor != centre && order.actor.as_ref() != Some(&office) {
            return Err(NotYours::Region.into());
        }
        may_merge(case, other)?;
        Ok((Command::Absorb { case: case.facts.id, tips: case.free_tips() }, may_tell(case, other)))
    }

    /// Evolves the case by the events and makes the public ones of them; all or nothing.
    fn take(&mut self, id: Uuid, events: &[Event], order: &Order) -> Result<(), Refusal> {
        let held = self.held.get(&id);
        let mut case = held.map(|held| held.case.clone());
        let mut head = held.map(|held| held.chain_head.clone()).unwrap_or_default();
        let mut rows = Vec::new();
        for event in events {
            // Instructions are only ever added, so their places tell them apart.
            let told: Vec<u32> =
                case.iter().flat_map(|case| &case.instructions).map(|instruction| instruction.notices).collect();
            case = evolve(case, event);
            if let Some(case) = &case {
                self.publish((&told, case), event, order, &mut head, &mut rows)?;
            }
        }
        let Some(case) = case else { return Ok(()) };
        self.by_instruction.extend(case.instructions.iter().map(|one| (one.id, id)));
        match self.held.get_mut(&id) {
            Some(held) => {
                held.case = case;
                held.chain_head = head;
                held.changed = true;
            }
            None => {
                let held = Held { case, chain_head: head, shown: HashMap::new(), new: true, changed: true };
                self.held.insert(id, held);
            }
        }
        self.outgoing.extend(rows);
        Ok(())
    }

    fn publish(
        &self,
        (told, case): (&[u32], &Case),
        event: &Event,
        order: &Order,
        head: &mut String,
        rows: &mut Vec<NewEvent>,
    ) -> Result<(), Refusal> {
        for translated in publisher::translate(told, case, event) {
            let (aggregate, sequence, chain_head) = match translated.of {
                Aggregate::Case => (case.facts.id, case.sequence, head.clone()),
                Aggregate::Instruction(id, sequence) => (id, sequence, String::new()),
            };
            let meta = Meta {
                aggregate,
                sequence,
                region_path: case.facts.path.to_string(),
                actor: order.actor.clone(),
                received_at: event.at(),
                chain_head,
            };
            let row = self.row(translated.event, meta, order.traceparent.clone())?;
            if translated.of == Aggregate::Case {
                *head = chain::next_head(head, &row.payload);
            }
            rows.push(row);
        }
        Ok(())
    }

    /// The row of an event that is not a case's, to be written with the rest; answers its bytes, for its chain.
    pub(crate) fn add(&mut self, event: Public, meta: Meta, traceparent: Option<String>) -> Result<Bytes, EventError> {
        let row = self.row(event, meta, traceparent)?;
        let payload = row.payload.clone();
        self.outgoing.push(row);
        Ok(payload)
    }

    fn row(&self, mut event: Public, meta: Meta, traceparent: Option<String>) -> Result<NewEvent, EventError> {
        let (aggregate_id, sequence) = (meta.aggregate, meta.sequence);
        event.set_meta(meta.wire());
        let event_id = self.app.ids.ordered(self.now);
        let outgoing = Outgoing { event, aggregate_id, sequence, event_id, recorded_at: self.now };
        publish::encode_traced(App::SERVICE, &outgoing, traceparent)
    }

    /// Writes all that has changed, with its events: at most seven statements, whatever the number of orders.
    pub(crate) async fn save(self, conn: &mut PgConnection) -> Result<(), BatchFailure> {
        let changed = || self.held.values().filter(|held| held.changed);
        let rows = |new: bool| -> Vec<(&Case, &str)> {
            changed().filter(|held| held.new == new).map(|held| (&held.case, held.chain_head.as_str())).collect()
        };
        cases::insert(conn, &rows(true)).await?;
        cases::update(conn, &rows(false)).await?;
        let (mut issued, mut moved) = (Vec::new(), Vec::new());
        for held in changed() {
            for one in &held.case.instructions {
                let shown = Shown::of(one);
                match held.shown.get(&one.id) {
                    None => issued.push((&held.case, one)),
                    Some(before) if *before != shown => moved.push((one.id, shown)),
                    Some(_) => {}
                }
            }
        }
        inbox::put(conn, &changed().map(|held| &held.case).collect::<Vec<_>>()).await?;
        instructions::insert(conn, &issued, self.app.limits.assumed_after).await?;
        instructions::update(conn, &moved).await?;
        log::append(conn, &self.outgoing).await?;
        Ok(())
    }
}
