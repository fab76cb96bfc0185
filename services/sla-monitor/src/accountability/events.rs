//! From what happens to entries to the events of the catalogue. What anybody said or wrote stays in the database.

use dafei_contracts::{Event, catalogue::EventError, chain, events::v1 as pb};
use dafei_kernel::{ids, owner::Post, sector::Sector, time::Instant};
use dafei_messaging::event::NewEvent;
use dafei_shell::publish::{self, Outgoing};
use dafei_sla_core::accountability::{self as core, Basis, Decision, Entry, Part, Verdict, Who};

use crate::{SERVICE, store::accountability::entries::Kept};

/// Who is charged with what.
pub(crate) fn charge(entry: &Entry) -> pb::AccountabilityCharge {
    let owner = |part| entry.party(part).and_then(|party| owner(&party.who));
    let outside = entry.party(Part::Direct).and_then(|party| match &party.who {
        Who::Outside { name } => Some(name.clone()),
        Who::Post(_) => None,
    });
    let (obligation, clock, conduct) = match &entry.basis {
        Basis::Breach { obligation, clock, .. } => (obligation.to_string(), clock.code(), ""),
        Basis::Conduct { kind, .. } => (String::new(), "", kind.code()),
        Basis::Accident { .. } | Basis::Evaluation { .. } => (String::new(), "", ""),
    };
    pb::AccountabilityCharge {
        entry_id: entry.id.to_string(),
        source: entry.basis.code().to_owned(),
        obligation_id: obligation,
        clock: clock.to_owned(),
        conduct: conduct.to_owned(),
        case_id: entry.case_id.map(|case| case.to_string()).unwrap_or_default(),
        direct: owner(Part::Direct),
        loop_owner: owner(Part::Loop),
        outside: outside.unwrap_or_default(),
        sector: entry.sector.map_or("", Sector::code).to_owned(),
        decider: entry.decider.office().map(Into::into),
    }
}

fn owner(who: &Who) -> Option<dafei_contracts::types::v1::Owner> {
    match who {
        Who::Post(owner) => Some(owner.into()),
        Who::Outside { .. } => None,
    }
}

/// The row of the event log for what happened to an entry, which it has become by it; moves its chain on.
///
/// # Errors
/// When the entry does not carry what the catalogue needs for the subject.
pub(crate) fn encode(
    kept: &mut Kept,
    event: &core::Event,
    actor: Option<&Post>,
    now: Instant,
) -> Result<NewEvent, EventError> {
    let entry = &kept.entry;
    let mut public = public(entry, event);
    public.set_meta(pb::EventMeta {
        aggregate_id: entry.id.to_string(),
        sequence: entry.sequence,
        region_path: entry.path.to_string(),
        actor: actor.map(Into::into),
        received_at: Some(now.into()),
        claimed_at: None,
        chain_head: kept.chain_head.clone(),
        person: String::new(),
    });
    let outgoing = Outgoing {
        event: public,
        aggregate_id: entry.id,
        sequence: entry.sequence,
        event_id: ids::derived(&["accountability-event", &entry.id.to_string(), &entry.sequence.to_string()]),
        recorded_at: now,
    };
    let row = publish::encode(SERVICE, &outgoing)?;
    kept.chain_head = chain::next_head(&kept.chain_head, &row.payload);
    Ok(row)
}

fn public(entry: &Entry, event: &core::Event) -> Event {
    let (meta, charge) = (None, Some(charge(entry)));
    let counted_at = entry.counted_at().map(Into::into);
    match event {
        core::Event::Opened(_) => {
            let statement_until = Some(entry.statement_until.into());
            pb::AccountabilityOpened { meta, charge, statement_until }.into()
        }
        core::Event::Stated { part, .. } => {
            pb::AccountabilityStated { meta, charge, responsibility: part.code().to_owned() }.into()
        }
        core::Event::Decided(decision) => pb::AccountabilityDecided {
            meta,
            charge,
            persons: outcomes(entry, decision),
            decided_by: Some((&decision.by).into()),
            decided_at: Some(decision.at.into()),
            counted_at,
            appeal_until: Some(decision.appeal_until.into()),
        }
        .into(),
        core::Event::Appealed(appeal) => {
            pb::AccountabilityAppealed { meta, charge, responsibility: appeal.part.code().to_owned() }.into()
        }
        core::Event::AppealDecided { decision, .. } => pb::AccountabilityAppealDecided {
            meta,
            charge,
            changed: decision.changed,
            persons: entry.decisions.last().map(|last| outcomes(entry, last)).unwrap_or_default(),
            decided_by: Some((&decision.by).into()),
            decided_at: Some(decision.at.into()),
            counted_by: entry.decider.office().map(Into::into),
            counted_at,
        }
        .into(),
        core::Event::Withdrawn { .. } => pb::AccountabilityWithdrawn { meta, charge }.into(),
        core::Event::Reopened { .. } => pb::AccountabilityReopened { meta, charge }.into(),
    }
}

/// What becomes of each person of a decision, appeals included.
fn outcomes(entry: &Entry, decision: &Decision) -> Vec<pb::AccountabilityOutcome> {
    let post = |verdict: &Verdict| entry.party(verdict.part).and_then(|party| party.who.post());
    let outcome = |verdict: &Verdict| pb::AccountabilityOutcome {
        responsibility: verdict.part.code().to_owned(),
        post: post(verdict).map(Into::into),
        person: verdict.person.clone(),
        outcome: verdict.outcome.code().to_owned(),
        leading_cadre: verdict.leading,
    };
    decision.persons.iter().map(outcome).collect()
}
