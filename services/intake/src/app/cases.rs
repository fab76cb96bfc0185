//! One transaction's work on suspicions: load under lock, decide and evolve in memory, write everything at the end.

use std::collections::{BTreeMap, HashSet};

use dafei_intake_core::suspicion::{Command, Context, Reason, Rejection, Suspicion, decide, evolve};
use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::event::NewEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{App, Refusal};
use crate::{
    publisher::{self, About, Cursor},
    store::suspicions::{self, SuspicionRow},
};

/// A command on its way to a suspicion.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The case.
    pub(crate) case: Uuid,
    /// What is asked.
    pub(crate) command: Command,
    /// Who asks.
    pub(crate) actor: Post,
    /// The asking token's subject.
    pub(crate) subject: String,
    /// W3C trace context of the call.
    pub(crate) traceparent: Option<String>,
}

impl Order {
    /// The photos it names.
    pub(crate) fn evidence(&self) -> &[Uuid] {
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

    /// Whether the case must be there before.
    pub(crate) const fn is_step(&self) -> bool {
        !matches!(self.command, Command::Record(_))
    }
}

/// A suspicion in the hands of this transaction.
struct Held {
    row: SuspicionRow,
    /// Who recorded it, when it is new.
    new_by: Option<String>,
    changed: bool,
}

/// The work of one transaction.
pub(crate) struct Cases<'a> {
    app: &'a App,
    now: Instant,
    held: BTreeMap<Uuid, Held>,
}

impl<'a> Cases<'a> {
    /// Loads and locks the suspicions that the orders are about.
    pub(crate) async fn load(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        orders: impl Iterator<Item = &Order>,
    ) -> sqlx::Result<Self> {
        let ids: Vec<Uuid> = orders.filter(|order| order.is_step()).map(|order| order.case).collect();
        let rows = suspicions::lock(conn, &ids).await?;
        let held = rows
            .into_iter()
            .map(|row| (row.suspicion.facts.id, Held { row, new_by: None, changed: false }))
            .collect();
        Ok(Self { app, now, held })
    }

    /// Decides and evolves; the events go to `log`. Answers the suspicion as it is then.
    pub(crate) fn carry_out(
        &mut self,
        order: &Order,
        photos: &HashSet<(Uuid, String)>,
        log: &mut Vec<NewEvent>,
    ) -> Result<&Suspicion, Refusal> {
        let held = self.held.get(&order.case);
        let refuse = |rejection| Refusal::Rejected { case: order.case, rejection };
        let village = match (&order.command, held) {
            (Command::Record(finding), _) => finding.path.leaf().clone(),
            (_, Some(held)) => held.row.suspicion.facts.village().clone(),
            (_, None) => return Err(refuse(Rejection { reason: Reason::NoSuchCase, state: None })),
        };
        // Steps are for posts of the village itself; who may record was checked against the roster.
        if order.is_step() && order.actor.region != village {
            return Err(Refusal::OutOfScope);
        }
        check_photos(order.evidence(), &village, photos)?;
        let context = Context { now: self.now, rules: &self.app.rules };
        let before = held.map(|held| held.row.suspicion.clone());
        let events = decide(before.as_ref(), &order.command, &context).map_err(refuse)?;
        let (mut sequence, mut chain_head) =
            held.map_or((0, String::new()), |held| (held.row.sequence, held.row.chain_head.clone()));
        let mut suspicion = before;
        let mut rows = Vec::with_capacity(events.len());
        for event in &events {
            suspicion = evolve(suspicion, event);
            let Some(now) = &suspicion else { continue };
            let Some(public) = publisher::translate(now, event) else { continue };
            let recorded = matches!(event, dafei_intake_core::suspicion::Event::Recorded(_));
            let about = About {
                aggregate: order.case,
                path: &now.facts.path,
                actor: Some(&order.actor),
                claimed_at: now.facts.claimed_at.filter(|_| recorded),
                traceparent: order.traceparent.as_deref(),
            };
            let cursor = Cursor { sequence: &mut sequence, chain_head: &mut chain_head };
            rows.push(publisher::next(self.app, self.now, public, &about, cursor)?);
        }
        let absent = || refuse(Rejection { reason: Reason::NoSuchCase, state: None });
        let row = SuspicionRow { suspicion: suspicion.ok_or_else(absent)?, sequence, chain_head };
        log.append(&mut rows);
        Ok(self.put(order, row, !events.is_empty()))
    }

    fn put(&mut self, order: &Order, row: SuspicionRow, changed: bool) -> &Suspicion {
        let new_by = || (!order.is_step()).then(|| order.subject.clone());
        let held = self
            .held
            .entry(order.case)
            .and_modify(|held| held.changed |= changed)
            .or_insert_with(|| Held { row: row.clone(), new_by: new_by(), changed });
        held.row = row;
        &held.row.suspicion
    }

    /// Writes what is new and what has changed: two statements at most.
    pub(crate) async fn save(&self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let new: Vec<(&SuspicionRow, &str)> =
            self.held.values().filter_map(|held| Some((&held.row, held.new_by.as_deref()?))).collect();
        let changed: Vec<&SuspicionRow> =
            self.held.values().filter(|held| held.changed && held.new_by.is_none()).map(|held| &held.row).collect();
        suspicions::insert(conn, &new).await?;
        suspicions::update(conn, &changed).await
    }
}

/// Every photo that a request names was sent in for the village.
pub(crate) fn check_photos(
    wanted: &[Uuid],
    village: &Region,
    photos: &HashSet<(Uuid, String)>,
) -> Result<(), Refusal> {
    let missing = |id: &Uuid| !photos.contains(&(*id, village.code().to_string()));
    match wanted.iter().position(missing) {
        Some(index) => Err(Refusal::EvidenceNotFound(index)),
        None => Ok(()),
    }
}

/// An outcome that dispatch tells (clause C5).
pub(crate) struct Learned {
    pub(crate) case: Uuid,
    pub(crate) public_text: String,
}

/// Takes outcomes into the suspicions, in the caller's transaction. Cases that intake does not have came from elsewhere: nothing is to be
/// done. Answers the outcomes, by their place, that came to a suspicion which never went up.
pub(crate) async fn learn(app: &App, conn: &mut PgConnection, outcomes: &[Learned]) -> sqlx::Result<Vec<(usize, Rejection)>> {
    let ids: Vec<Uuid> = outcomes.iter().map(|outcome| outcome.case).collect();
    let mut held: BTreeMap<Uuid, (SuspicionRow, bool)> = suspicions::lock(conn, &ids)
        .await?
        .into_iter()
        .map(|row| (row.suspicion.facts.id, (row, false)))
        .collect();
    let context = Context { now: app.clock.now(), rules: &app.rules };
    let mut rejected = Vec::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        let Some((row, changed)) = held.get_mut(&outcome.case) else { continue };
        let command = Command::LearnOutcome { public_text: outcome.public_text.clone() };
        match decide(Some(&row.suspicion), &command, &context) {
            Ok(events) => {
                for event in &events {
                    // An outcome is never the first event: there stays a suspicion.
                    if let Some(next) = evolve(Some(row.suspicion.clone()), event) {
                        row.suspicion = next;
                    }
                    *changed = true;
                }
            }
            Err(rejection) => rejected.push((index, rejection)),
        }
    }
    let changed: Vec<&SuspicionRow> = held.values().filter(|(_, changed)| *changed).map(|(row, _)| row).collect();
    suspicions::update(conn, &changed).await?;
    Ok(rejected)
}
