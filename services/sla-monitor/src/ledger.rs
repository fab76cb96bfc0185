//! Taking facts: all obligations of the cases concerned are computed anew from the whole set of their facts, and what differs is written.
//! Nothing is announced here; firing does that when the horizon reaches it.

use std::collections::HashMap;

use dafei_kernel::{owner::Owner, roster::RosterIndex, time::Instant};
use dafei_sla_core::{Announced, CaseFacts, Clock, Obligation, lights::next_fire, obligations};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    facts::CaseFact,
    store::{
        facts,
        obligations::{self as rows, Change, Known, New},
        record::Record,
    },
    terms::{InForce, TermsView},
};

/// Adds facts and brings the obligations of their cases in line, in the caller's transaction.
pub(crate) async fn take(
    conn: &mut PgConnection,
    terms: &TermsView,
    roster: &RosterIndex,
    told: &[CaseFact],
) -> sqlx::Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let mut cases: Vec<Uuid> = told.iter().map(|fact| fact.case_id).collect();
    cases.sort_unstable();
    cases.dedup();
    facts::lock(conn).await?;
    let in_force = terms.refresh(conn).await?;
    let sets = facts::add_and_read(conn, told, &cases).await?;
    bring_in_line(conn, &in_force, roster, &sets, |_| true).await
}

/// Writes what differs of the obligations of some clocks that follow from these cases' facts.
pub(crate) async fn bring_in_line(
    conn: &mut PgConnection,
    in_force: &InForce,
    roster: &RosterIndex,
    sets: &[CaseFacts],
    clocks: impl Fn(Clock) -> bool,
) -> sqlx::Result<()> {
    let cases: Vec<Uuid> = sets.iter().map(CaseFacts::case).collect();
    let known: HashMap<Uuid, Known> =
        rows::known_of(conn, &cases).await?.into_iter().map(|known| (known.id, known)).collect();
    let (mut new, mut differing) = (Vec::new(), HashMap::new());
    let told = sets.iter().flat_map(|set| obligations(set, &in_force.rules, &in_force.calendar));
    for obligation in told.filter(|one| clocks(one.clock)) {
        match known.get(&obligation.id) {
            None => new.push(begin(obligation, roster)),
            Some(known) if differs(known, &obligation, roster) => {
                differing.insert(obligation.id, obligation);
            }
            Some(_) => {}
        }
    }
    let changes = changes(conn, &differing, roster).await?;
    if !new.is_empty() {
        rows::insert(conn, &new).await?;
    }
    if !changes.is_empty() {
        rows::update(conn, &changes).await?;
    }
    if !(new.is_empty() && changes.is_empty()) {
        rows::wake(conn).await?;
    }
    Ok(())
}

/// A new obligation: its owners are the holders of the instant of its start, as far as the roster is known by now. Before its first light they are
/// looked up again.
fn begin(obligation: Obligation, roster: &RosterIndex) -> New {
    let timing = obligation.deadline.timing();
    New {
        direct: narrowed(roster.owner_at(&obligation.direct, timing.started_at), obligation.person.as_ref()),
        loop_owner: roster.owner_at(&obligation.loop_owner, timing.started_at),
        next_fire_at: next_fire(timing, obligation.end, &Announced::default()),
        obligation,
    }
}

/// Whether further facts change something of a known obligation: its end, its place among the runnings, the sector. Its deadline stays as it was
/// computed at first, under the rules and the calendar of then.
fn differs(known: &Known, obligation: &Obligation, roster: &RosterIndex) -> bool {
    let at = known.started_at.0;
    known.end() != obligation.end
        || u32::try_from(known.leg) != Ok(obligation.leg)
        || known.sector != sector(obligation)
        || is_named(known.unnamed_direct.as_ref(), obligation.person.as_ref(), roster, at)
        || is_named(known.unnamed_loop_owner.as_ref(), None, roster, at)
}

/// The changes of those that differ. They alone are locked: what firing has announced of them by then says what is announced next.
async fn changes(
    conn: &mut PgConnection,
    differing: &HashMap<Uuid, Obligation>,
    roster: &RosterIndex,
) -> sqlx::Result<Vec<Change>> {
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = differing.keys().copied().collect();
    let records = rows::locked(conn, &ids).await?;
    Ok(records.iter().filter_map(|record| Some(change(record, differing.get(&record.id)?, roster))).collect())
}

fn change(record: &Record, obligation: &Obligation, roster: &RosterIndex) -> Change {
    let at = record.started_at.0;
    Change {
        id: record.id,
        leg: obligation.leg,
        sector: sector(obligation).to_owned(),
        direct: named(&record.direct, obligation.person.as_ref(), roster, at),
        loop_owner: named(&record.loop_owner, None, roster, at),
        end: obligation.end,
        next_fire_at: next_fire(&record.timing(), obligation.end, &record.announced()),
    }
}

fn sector(obligation: &Obligation) -> &'static str {
    obligation.sector.map_or("", dafei_kernel::sector::Sector::code)
}

/// An owner whose persons the roster did not know yet when the obligation began gets them as soon as it does.
fn named(owner: &Owner, person: Option<&String>, roster: &RosterIndex, at: Instant) -> Owner {
    if owner.persons.is_empty() { narrowed(roster.owner_at(&owner.post, at), person) } else { owner.clone() }
}

/// Whether the roster now knows persons of an owner without any.
fn is_named(unnamed: Option<&Json<Owner>>, person: Option<&String>, roster: &RosterIndex, at: Instant) -> bool {
    unnamed.is_some_and(|owner| owner.0 != named(owner, person, roster, at))
}

/// Of several holders of a post the one who is meant. All of them where the roster knows none of that name: what an event says makes nobody
/// an owner.
pub(crate) fn narrowed(owner: Owner, person: Option<&String>) -> Owner {
    match person.filter(|person| owner.persons.contains(person)) {
        Some(person) => Owner { persons: vec![person.clone()], ..owner },
        None => owner,
    }
}
