//! What is looked at once more before the first light of an obligation: who answers for it, and of a standing duty whether it is one still.

use std::collections::HashMap;

use dafei_kernel::{owner::Owner, roster::RosterIndex};
use dafei_shell::roster::{RosterError, RosterView};
use dafei_sla_core::{Clock, End, EndKind, What};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    ledger::narrowed,
    store::{
        duties, facts,
        obligations::{self, Named},
        record::Record,
    },
    terms::InForce,
};

/// Brings owners in line with the roster and takes out what nobody owes any more.
///
/// An obligation is recorded when its first fact comes in, from whichever stream: the roster may not have been told yet that somebody else had taken the
/// post by then, and his predecessor would be charged. Before anything is told of it, intake's stream is complete up to a later instant. From then on
/// the owners stay.
///
/// # Errors
/// When the roster cannot be read or PostgreSQL refuses.
pub(super) async fn look_again(
    conn: &mut PgConnection,
    roster: &RosterView,
    in_force: &InForce,
    mut claimed: Vec<Record>,
) -> Result<Vec<Record>, RosterError> {
    if !claimed.iter().any(is_dark) {
        return Ok(claimed);
    }
    let (roster, _) = roster.refresh(conn).await?;
    let persons = finders(conn, &claimed).await?;
    let mut named = Vec::new();
    for record in claimed.iter_mut().filter(|record| is_dark(record)) {
        let person = record.case_id.and_then(|case| persons.get(&case));
        let direct = held(&record.direct, person, &roster, record);
        let loop_owner = held(&record.loop_owner, None, &roster, record);
        if direct != record.direct.0 || loop_owner != record.loop_owner.0 {
            (record.direct, record.loop_owner) = (Json(direct.clone()), Json(loop_owner.clone()));
            named.push(Named { id: record.id, direct, loop_owner });
        }
    }
    if !named.is_empty() {
        obligations::name(conn, &named).await?;
    }
    let gone: Vec<duties::Change> =
        claimed.iter().filter(|record| is_dark(record) && is_owed_no_more(record, in_force)).map(fallen_away).collect();
    if !gone.is_empty() {
        duties::update(conn, &gone).await?;
        claimed.retain(|record| gone.iter().all(|change| change.id != record.id));
    }
    Ok(claimed)
}

/// Whether nobody was told yet who owes it.
fn is_dark(record: &Record) -> bool {
    let announced = record.announced();
    !announced.warned && !announced.breached && announced.ended.is_none()
}

/// Who found the acts for which one person answers: of those clocks V1 alone (clause C2). None of a case whose finding is not known, as during a
/// rebuild.
async fn finders(conn: &mut PgConnection, claimed: &[Record]) -> sqlx::Result<HashMap<Uuid, String>> {
    let of_finders = claimed.iter().filter(|record| record.clock == Clock::V1.code() && is_dark(record));
    let cases: Vec<Uuid> = of_finders.filter_map(|record| record.case_id).collect();
    if cases.is_empty() {
        return Ok(HashMap::new());
    }
    let sets = facts::of_cases(conn, &cases).await?;
    let finder = |what: &What| match what {
        What::SuspicionRecorded { finder_person, .. } => finder_person.clone(),
        _ => None,
    };
    let found = sets.iter().filter_map(|set| Some((set.case(), set.iter().find_map(|fact| finder(&fact.what))?)));
    Ok(found.collect())
}

/// The owner as the roster has him by now; as he was where it does not have the region any more.
fn held(known: &Owner, person: Option<&String>, roster: &RosterIndex, record: &Record) -> Owner {
    if roster.path(&known.post.region).is_none() {
        return known.clone();
    }
    narrowed(roster.owner_at(&known.post, record.started_at.0), person)
}

/// Whether it is a standing duty that the rules in force when its yellow light comes do not have. Those of periods are recorded only then.
fn is_owed_no_more(record: &Record, in_force: &InForce) -> bool {
    let stays = || {
        let rules = in_force.rules.at(None, record.warn_at.0);
        rules.duty(Clock::N1).is_some_and(|rule| rule.covers(record.started_at.0))
    };
    record.clock == Clock::N1.code() && record.end().is_none() && !stays()
}

/// It ends in silence: nobody was told of it.
fn fallen_away(record: &Record) -> duties::Change {
    let end = End { kind: EndKind::Cancelled, at: record.warn_at.0 };
    duties::Change { id: record.id, end: Some(end), next_fire_at: None }
}
