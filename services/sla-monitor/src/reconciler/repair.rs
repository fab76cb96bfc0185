//! Repairing a hole: the obligations are made again from the facts, and where the facts leave it open, a fact is added that says what was found.

use dafei_contracts::events::v1 as pb;
use dafei_kernel::{
    ids,
    owner::Post,
    region::{Region, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::{log, tx};
use dafei_shell::publish::{self, Outgoing};
use dafei_sla_core::{
    CaseFacts, Source,
    reconcile::{Difference, Side, is_settled_by, mendings, publisher},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ReconcileError, Reconciler, restore::restore};
use crate::{
    SERVICE,
    facts::CaseFact,
    store::{
        facts, obligations,
        reconcile::{self as store, Counted, Run},
    },
};

/// A difference that is seen for the second time.
#[derive(Debug)]
pub(super) struct Sighting<'a> {
    pub(super) difference: &'a Difference,
    /// Number of its record.
    pub(super) number: i64,
    pub(super) first_seen: Instant,
    /// It counted before, and could not be repaired.
    pub(super) counted: bool,
}

/// What a repair came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    Recomputed,
    StepFound,
    StepGone,
    None,
}

impl Repair {
    const fn code(self) -> &'static str {
        match self {
            Self::Recomputed => "recomputed",
            Self::StepFound => "step-found",
            Self::StepGone => "step-gone",
            Self::None => "none",
        }
    }

    const fn wire(self) -> pb::HoleRepair {
        match self {
            Self::Recomputed => pb::HoleRepair::Recomputed,
            Self::StepFound => pb::HoleRepair::StepFound,
            Self::StepGone => pb::HoleRepair::StepGone,
            Self::None => pb::HoleRepair::None,
        }
    }
}

/// The side of a hole as events and lists carry it.
pub(crate) const fn side(side: Side) -> pb::HoleSide {
    match side {
        Side::Missing => pb::HoleSide::Missing,
        Side::Extra => pb::HoleSide::Extra,
    }
}

/// How a hole was repaired, by the code that is stored.
pub(crate) fn repair(code: Option<&str>) -> pb::HoleRepair {
    let all = [Repair::Recomputed, Repair::StepFound, Repair::StepGone, Repair::None];
    let found = all.into_iter().find(|one| Some(one.code()) == code);
    found.map_or(pb::HoleRepair::Unspecified, Repair::wire)
}

impl Reconciler {
    /// Counts a hole and repairs it, with its record and its event, in one transaction. A case that has moved on since it was looked at is
    /// left for the next run.
    pub(super) async fn hole(
        &self,
        run: &mut Run,
        source: Source,
        sighting: &Sighting<'_>,
    ) -> Result<(), ReconcileError> {
        let difference = sighting.difference;
        let case = difference.key.case;
        let mut tx = tx::begin_write(&self.pool).await?;
        let now = self.clock.now();
        // As the consumers do: from here on nothing of the case changes.
        facts::lock(&mut tx).await?;
        let mark = store::marks(&mut tx, source, &[case]).await?.get(&case).copied().unwrap_or(0);
        if mark != difference.version {
            run.in_flight += 1;
            store::see(&mut tx, run.number, &[sighting.number]).await?;
            tx::commit(tx).await?;
            return Ok(());
        }
        let roster = self.roster.current();
        let before = store::armed_of(&mut tx, &difference.key).await?;
        let repair = self.mend(&mut tx, &roster, difference, now).await?;
        let after = store::armed_of(&mut tx, &difference.key).await?;
        let obligation = match difference.side {
            Side::Missing => after.first().copied(),
            Side::Extra => before.iter().find(|id| !after.contains(id)).copied(),
        };
        let mended = repair != Repair::None && after.len() == usize::from(difference.listed.is_some());
        let repair = if mended { repair } else { Repair::None };
        let counted = Counted { number: sighting.number, run: run.number, at: now, repair: repair.code(), obligation };
        store::count(&mut tx, &counted).await?;
        if mended {
            store::close(&mut tx, sighting.number, now).await?;
        }
        if mended || !sighting.counted {
            self.tell(&mut tx, &roster, sighting, (repair, obligation), now).await?;
        }
        obligations::wake(&mut tx).await?;
        tx::commit(tx).await?;
        run.holes += 1;
        run.repaired += i64::from(mended);
        tracing::warn!(
            %case, clock = difference.key.clock.code(), side = difference.side.code(), repair = repair.code(),
            "an open step and its obligation did not fit"
        );
        Ok(())
    }

    /// Makes the obligations fit, if that can be done.
    async fn mend(
        &self,
        conn: &mut PgConnection,
        roster: &RosterIndex,
        difference: &Difference,
        now: Instant,
    ) -> Result<Repair, ReconcileError> {
        let (case, of) = (difference.key.case, publisher(difference.key.clock));
        let in_force = self.terms.refresh(conn).await?;
        let (rules, calendar) = (&in_force.rules, &in_force.calendar);
        let Some(mut set) = facts::of_cases(conn, &[case]).await?.pop() else { return Ok(Repair::None) };
        let repair = match difference.side {
            _ if is_settled_by(&set, rules, calendar, difference) => Repair::Recomputed,
            Side::Missing => Repair::StepFound,
            Side::Extra => Repair::StepGone,
        };
        let stored = store::stored(conn, case).await?;
        let path = |owner: Option<&Region>| path(&set, roster, owner);
        let added = mendings(&set, rules, calendar, difference, &stored, path, now);
        let told: Vec<CaseFact> = added.iter().map(|fact| CaseFact { case_id: case, fact: fact.clone() }).collect();
        facts::add(conn, &told).await?;
        for fact in added {
            set.add(fact);
        }
        restore(conn, &in_force, roster, (&set, of), now).await?;
        Ok(repair)
    }

    /// Writes the event of a hole.
    async fn tell(
        &self,
        conn: &mut PgConnection,
        roster: &RosterIndex,
        sighting: &Sighting<'_>,
        (repair, obligation): (Repair, Option<Uuid>),
        now: Instant,
    ) -> Result<(), ReconcileError> {
        let difference = sighting.difference;
        let key = &difference.key;
        let records = obligations::of_cases(conn, &[key.case]).await?;
        let record = records.iter().find(|record| Some(record.id) == obligation);
        let record = record.or_else(|| records.iter().rev().find(|record| record.clock == key.clock.code()));
        let (owner, region_path): (Post, String) = match (record, &difference.listed) {
            (Some(record), _) => (record.loop_owner.post.clone(), record.region_path.clone()),
            (None, Some(step)) => {
                let path = roster.path(&step.owner.region).map(|path| path.to_string());
                (step.owner.clone(), path.unwrap_or_default())
            }
            (None, None) => return Ok(()),
        };
        let aggregate = ids::derived(&["reconciliation-hole", &key.case.to_string(), &sighting.number.to_string()]);
        // What could not be repaired at first may be later.
        let sequence = if sighting.counted { 2 } else { 1 };
        let event = pb::HoleFound {
            meta: Some(pb::EventMeta {
                aggregate_id: aggregate.to_string(),
                sequence,
                region_path,
                actor: None,
                received_at: Some(now.into()),
                claimed_at: None,
                chain_head: String::new(),
                person: String::new(),
            }),
            case_id: key.case.to_string(),
            clock: key.clock.code().to_owned(),
            instruction_id: key.instruction.map(|id| id.to_string()).unwrap_or_default(),
            side: side(difference.side).into(),
            loop_owner: Some((&owner).into()),
            obligation_id: obligation.map(|id| id.to_string()).unwrap_or_default(),
            repair: repair.wire().into(),
            first_seen: Some(sighting.first_seen.into()),
        };
        let outgoing = Outgoing {
            event: event.into(),
            aggregate_id: aggregate,
            sequence,
            event_id: ids::derived(&["reconciliation-event", &aggregate.to_string(), &sequence.to_string()]),
            recorded_at: now,
        };
        let row = publish::encode(SERVICE, &outgoing)?;
        log::append(conn, &[row]).await?;
        Ok(())
    }
}

/// The regions of a case, down to the owner of a step: as its facts tell them, or else as the roster does.
fn path(facts: &CaseFacts, roster: &RosterIndex, owner: Option<&Region>) -> Option<RegionPath> {
    let mut told: Vec<&RegionPath> = facts.iter().map(|fact| &fact.path).collect();
    told.sort_by_key(|path| path.regions().len());
    let Some(owner) = owner else { return told.last().map(|path| (*path).clone()) };
    let down = told.into_iter().rev().find(|path| path.regions().contains(owner)).cloned();
    down.or_else(|| roster.path(owner))
}
