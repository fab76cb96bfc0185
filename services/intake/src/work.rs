//! One transaction's work on suspicions and patrols: load under lock, decide and evolve in memory, write everything at the end.
//!
//! The gRPC writer and the consumer both go through here, so a rule and a row are written in one place.

mod patrols;

use std::collections::{BTreeMap, HashMap, HashSet};

use dafei_contracts::{Event as Public, catalogue::EventError, chain};
use dafei_intake_core::suspicion::{Command, Context, Event, Others, Rejection, StateKind, Suspicion, decide, evolve};
use dafei_kernel::{
    owner::Post,
    region::{Region, RegionPath},
    time::Instant,
};
use dafei_messaging::{batch::BatchFailure, event::NewEvent, log};
use dafei_shell::publish::{self, Outgoing};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    acting::Acting,
    app::App,
    publisher::{self, Meta},
    store::{
        evidence,
        heads::Head,
        helps::{self, Given},
        suspicions,
    },
};
use patrols::Patrols;
pub use patrols::Recorded;
pub(crate) use patrols::{NewPatrol, Photo};

/// A command on its way to a suspicion.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The case.
    pub(crate) case: Uuid,
    /// What is asked.
    pub(crate) command: Command,
    /// Who asks, of that village; none for the system.
    pub(crate) actor: Option<Acting>,
    /// The version that the caller has seen; none when any will do.
    pub(crate) expected_version: Option<i64>,
    /// W3C trace context of the cause.
    pub(crate) traceparent: Option<String>,
}

impl Order {
    /// Photos that the command names.
    fn evidence(&self) -> &[Uuid] {
        match &self.command {
            Command::Record(finding) => &finding.evidence,
            Command::Revisit { evidence, .. }
            | Command::Publish { evidence, .. }
            | Command::Reopen { evidence, .. } => evidence,
            Command::Help(help) => &help.evidence,
            Command::Notify
            | Command::Persuade { .. }
            | Command::SuspectCrime { .. }
            | Command::ReportUp(_)
            | Command::Withdraw { .. }
            | Command::Merge { .. }
            | Command::LearnOutcome { .. }
            | Command::LearnMerging { .. }
            | Command::LearnWithdrawal { .. }
            | Command::LearnReopening => &[],
        }
    }

    /// The suspicions that must be there, under lock.
    fn concerns(&self) -> impl Iterator<Item = Uuid> {
        let own = (!matches!(self.command, Command::Record(_))).then_some(self.case);
        own.into_iter().chain(self.target())
    }

    /// The report that a merge goes on in.
    const fn target(&self) -> Option<Uuid> {
        if let Command::Merge { into, .. } = &self.command { Some(*into) } else { None }
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
    /// The suspicion has another version than the caller has seen: this one.
    #[error("the suspicion has version {0}")]
    OtherVersion(i64),
    /// A photo of an answer is not there, or another village's.
    #[error("answers[{0}].evidence_ids[{1}] is no photo of this village")]
    NoAnswerEvidence(usize, usize),
    /// The patrol's key stands for another patrol of the village.
    #[error("the patrol key was used for another patrol")]
    PatrolKeyReused,
    /// What a patrol found could not be recorded: a bug, and its transaction is undone.
    #[error("the patrol's problems cannot be recorded")]
    Unfinished,
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
    /// Suspicions of these that others were merged into.
    absorbing: HashSet<Uuid>,
    helps: Vec<Given>,
    patrols: Patrols<'a>,
    /// A patrol that was taken and could not be finished: nothing of the transaction may be committed.
    unfinished: Option<Refusal>,
    outgoing: Vec<NewEvent>,
}

impl<'a> Work<'a> {
    /// Loads and locks the suspicions that the orders concern; waits for those that another transaction has.
    pub(crate) async fn lock(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        orders: &[&Order],
    ) -> sqlx::Result<Self> {
        let mut ids: Vec<Uuid> = orders.iter().flat_map(|order| order.concerns()).collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = suspicions::lock(conn, &ids).await?;
        let held = |row: suspicions::Row| {
            (row.suspicion.facts.id, Held { suspicion: row.suspicion, head: row.head, new: false, changed: false })
        };
        Ok(Self {
            app,
            now,
            held: rows.into_iter().map(held).collect(),
            photos: HashMap::new(),
            absorbing: HashSet::new(),
            helps: Vec::new(),
            patrols: Patrols::default(),
            unfinished: None,
            outgoing: Vec::new(),
        })
    }

    /// Loads what else the orders need, whose suspicions are locked, and the patrols, whose keys it takes. Only what is to be carried out: a key
    /// that was taken for a patrol that is not recorded would keep it out for good.
    pub(crate) async fn load(
        &mut self,
        conn: &mut PgConnection,
        orders: &[&Order],
        patrols: &[&'a NewPatrol],
    ) -> sqlx::Result<()> {
        let merging: Vec<Uuid> =
            orders.iter().filter(|order| order.target().is_some()).map(|order| order.case).collect();
        let named: Vec<Uuid> = orders
            .iter()
            .flat_map(|order| order.evidence())
            .copied()
            .chain(patrols.iter().flat_map(|patrol| patrol.photos.iter().map(|photo| photo.id)))
            .collect();
        self.photos = evidence::regions(conn, &named).await?;
        self.absorbing = suspicions::absorbing(conn, &merging).await?;
        self.patrols = Patrols::load(conn, self.app, self.now, &good(patrols, &self.photos)).await?;
        Ok(())
    }

    /// A suspicion as it stands now.
    pub(crate) fn suspicion(&self, id: Uuid) -> Option<&Suspicion> {
        self.held.get(&id).map(|held| &held.suspicion)
    }

    /// Decides, evolves, and keeps the events for [`Work::save`].
    pub(crate) fn carry_out(&mut self, order: &Order) -> Result<(), Refusal> {
        let held = self.held.get(&order.case).map(|held| &held.suspicion);
        let target = order.target().and_then(|id| self.suspicion(id));
        if let Some(actor) = &order.actor
            && ![held, target].into_iter().flatten().all(|one| self.reaches(&actor.post, one.facts.village()))
        {
            return Err(Refusal::OutOfScope);
        }
        if let (Some(suspicion), Some(expected)) = (held, order.expected_version)
            && suspicion.version != expected
        {
            return Err(Refusal::OtherVersion(suspicion.version));
        }
        let others = Others { target, absorbed: self.absorbing.contains(&order.case) };
        let context = Context { now: self.now, rules: &self.app.rules, others };
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

    /// Whether a village is the actor's own or lies in the actor's region.
    fn reaches(&self, actor: &Post, village: &Region) -> bool {
        actor.region == *village || self.app.roster.current().contains(&actor.region, village)
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
            let present = self.present_path(event, facts.village());
            let meta = Meta {
                aggregate: facts.id,
                sequence: head.sequence + 1,
                path: present.as_ref().unwrap_or(&facts.path),
                actor: order.actor.as_ref().map(|actor| &actor.post),
                person: order.actor.as_ref().map_or("", |actor| &actor.person),
                received_at: self.now,
                claimed_at: if matches!(event, Event::Recorded(_)) { facts.claimed_at } else { None },
                chain: head.chain.clone(),
            };
            rows.push(row(self.app, self.now, public, meta, order.traceparent.clone(), &mut head)?);
        }
        if let Some(suspicion) = suspicion {
            self.held.insert(order.case, Held { suspicion, head, new, changed: true });
            self.outgoing.extend(rows);
            events.iter().for_each(|event| self.note(event, order));
        }
        Ok(())
    }

    /// The path of the village by the roster of now, for every step after the finding: where a village has moved, what goes up goes to the centre of
    /// the township that it lies in, which alone may act on it. None where the finding's own path stands: for the finding itself, and for a
    /// village that is no longer in the roster.
    fn present_path(&self, event: &Event, village: &Region) -> Option<RegionPath> {
        if matches!(event, Event::Recorded(_)) { None } else { self.app.roster.current().path(village) }
    }

    /// Keeps what an event says beyond its suspicion.
    fn note(&mut self, event: &Event, order: &Order) {
        match event {
            Event::Helped(help) => self.helps.push(Given {
                case: order.case,
                help: (**help).clone(),
                role: order.actor.as_ref().map_or("", |actor| actor.post.role.code()),
                received_at: self.now,
            }),
            Event::Merged { into, .. } => {
                self.absorbing.insert(*into);
            }
            _ => {}
        }
    }

    /// Records a patrol, and in the same transaction the suspicions that its problems start (clause B2).
    pub(crate) fn patrol(&mut self, patrol: &'a NewPatrol) -> Result<Recorded, Refusal> {
        check_patrol_photos(patrol, &self.photos)?;
        let recorded = self.patrols.record(patrol, self.now)?;
        if recorded.known {
            return Ok(recorded);
        }
        for order in &patrol.problems {
            if let Err(refusal) = self.carry_out(order) {
                // Its key is taken and what it found was checked before: this is a fault of ours, and half of it must not stay.
                self.unfinished = Some(refusal);
                return Err(Refusal::Unfinished);
            }
        }
        Ok(recorded)
    }

    /// Writes all that has changed, with its events: at most eight statements, whatever the number of orders.
    pub(crate) async fn save(mut self, conn: &mut PgConnection) -> Result<(), BatchFailure> {
        if let Some(refusal) = self.unfinished {
            return Err(BatchFailure::Data(sqlx::Error::Encode(Box::new(refusal))));
        }
        let rows = |new: bool| -> Vec<(&Suspicion, &Head)> {
            self.held
                .values()
                .filter(|held| held.changed && held.new == new)
                .map(|held| (&held.suspicion, &held.head))
                .collect()
        };
        suspicions::insert(conn, &rows(true)).await?;
        suspicions::update(conn, &rows(false)).await?;
        helps::insert(conn, &self.helps).await?;
        self.patrols.insert(conn, self.now).await?;
        let books = self.patrols.publish(conn, self.app, self.now).await?;
        self.outgoing.extend(books);
        log::append(conn, &self.outgoing).await?;
        Ok(())
    }
}

/// The patrols whose photos are all their village's: the others are refused, and their keys stay free.
fn good<'a>(patrols: &[&'a NewPatrol], photos: &HashMap<Uuid, Region>) -> Vec<&'a NewPatrol> {
    patrols.iter().copied().filter(|patrol| check_patrol_photos(patrol, photos).is_ok()).collect()
}

fn check_patrol_photos(patrol: &NewPatrol, photos: &HashMap<Uuid, Region>) -> Result<(), Refusal> {
    let village = patrol.village();
    match patrol.photos.iter().find(|photo| photos.get(&photo.id).is_none_or(|region| region != village)) {
        None => Ok(()),
        Some(Photo { answer: None, at, .. }) => Err(Refusal::NoEvidence(*at)),
        Some(Photo { answer: Some(answer), at, .. }) => Err(Refusal::NoAnswerEvidence(*answer, *at)),
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
        StateKind::Merged => "已并入另一条线索",
    }
}
