//! What is looked at once more before the first light of an obligation: who answers for it, and of a standing duty whether it is one still.

use std::collections::HashMap;

use dafei_kernel::{owner::Owner, roster::RosterIndex};
use dafei_sla_core::{Clock, End, EndKind, obligations};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    ledger::narrowed,
    store::{
        duties, facts,
        obligations::{self as rows, Named},
        record::Record,
    },
    terms::InForce,
};

/// Brings owners in line with the roster and takes out what nobody owes any more.
///
/// An obligation is recorded when its first fact comes in, from whichever stream: the roster may not have been told yet that somebody else had taken the
/// post by then, and his predecessor would be charged. Before anything is told of it, intake's stream is complete up to a later instant, and so is
/// `roster`, which was read after the horizon. From then on the owners stay.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub(super) async fn look_again(
    conn: &mut PgConnection,
    roster: &RosterIndex,
    in_force: &InForce,
    mut claimed: Vec<Record>,
) -> sqlx::Result<Vec<Record>> {
    if !claimed.iter().any(is_dark) {
        return Ok(claimed);
    }
    let persons = persons(conn, in_force, &claimed).await?;
    let mut named = Vec::new();
    for record in claimed.iter_mut().filter(|record| is_dark(record)) {
        let direct = match (record.case_id, persons.get(&record.id)) {
            // No fact tells of it, as during a rebuild: who is meant of several holders is known by what is stored alone.
            (Some(_), None) => record.direct.0.clone(),
            (_, person) => held(&record.direct, person.and_then(Option::as_ref), roster, record),
        };
        let loop_owner = held(&record.loop_owner, None, roster, record);
        if direct != record.direct.0 || loop_owner != record.loop_owner.0 {
            (record.direct, record.loop_owner) = (Json(direct.clone()), Json(loop_owner.clone()));
            named.push(Named { id: record.id, direct, loop_owner });
        }
    }
    if !named.is_empty() {
        rows::name(conn, &named).await?;
    }
    let gone: Vec<duties::Change> =
        claimed.iter().filter(|record| is_dark(record) && is_owed_no_more(record, in_force)).map(fallen_away).collect();
    if !gone.is_empty() {
        duties::update(conn, &gone).await?;
        claimed.retain(|record| gone.iter().all(|change| change.id != record.id));
    }
    Ok(claimed)
}

/// Whether no light and no end was told yet.
fn is_dark(record: &Record) -> bool {
    let announced = record.announced();
    !announced.warned && !announced.breached && announced.ended.is_none()
}

/// Of the obligations that follow from the facts of these cases, who alone is meant of the post's holders, where one is.
async fn persons(
    conn: &mut PgConnection,
    in_force: &InForce,
    claimed: &[Record],
) -> sqlx::Result<HashMap<Uuid, Option<String>>> {
    let mut cases: Vec<Uuid> =
        claimed.iter().filter(|record| is_dark(record)).filter_map(|record| record.case_id).collect();
    cases.sort_unstable();
    cases.dedup();
    if cases.is_empty() {
        return Ok(HashMap::new());
    }
    let sets = facts::of_cases(conn, &cases).await?;
    let told = sets.iter().flat_map(|set| obligations(set, &in_force.rules, &in_force.calendar));
    Ok(told.map(|obligation| (obligation.id, obligation.person)).collect())
}

/// The owner as the roster has him by now; as he was where it does not have the region any more.
fn held(known: &Owner, person: Option<&String>, roster: &RosterIndex, record: &Record) -> Owner {
    if roster.path(&known.post.region).is_none() {
        return known.clone();
    }
    narrowed(roster.owner_at(&known.post, record.started_at.0), person)
}

/// Whether it is a standing duty that the rules do not have any more: those in force when its yellow light comes, or when it ended before. Duties
/// about a period are recorded only when theirs comes.
fn is_owed_no_more(record: &Record, in_force: &InForce) -> bool {
    let stays = || {
        let at = record.end().map_or(record.warn_at.0, |end| end.at.min(record.warn_at.0));
        in_force.rules.at(None, at).duty(Clock::N1).is_some_and(|rule| rule.covers(record.started_at.0))
    };
    record.clock == Clock::N1.code() && !stays()
}

/// It ends in silence: nobody was told of it.
fn fallen_away(record: &Record) -> duties::Change {
    let end = record.end().unwrap_or(End { kind: EndKind::Cancelled, at: record.warn_at.0 });
    duties::Change { id: record.id, end: Some(end), next_fire_at: None }
}
