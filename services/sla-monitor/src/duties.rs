//! Periodic duties: acts and the roster come in, and what is not fulfilled when its yellow light comes is recorded as an obligation, which
//! firing announces like any other. Nothing is recorded of a duty that is fulfilled before.

mod acts;
mod members;
mod notices;
mod sweep;

use dafei_kernel::{region::RegionPath, roster::RosterIndex, time::Instant};
use dafei_messaging::consumer::{Delivered, HandlerError};
use dafei_sla_core::{
    Announced, Clock, End, EndKind, Inputs, Terms, Timing,
    duty::{self, rules::DutyRule, unit::Unit},
    lights::next_fire,
};
use sqlx::PgConnection;

use crate::store::{
    duties::{self as rows, Change, New},
    horizon::Needs,
    obligations,
    record::Record,
};

pub(crate) use members::take_roster;
pub use sweep::Sweeps;

/// Takes what villages did, from intake's events, in the caller's transaction.
pub(crate) async fn take_village(
    conn: &mut PgConnection,
    terms: &Terms,
    roster: &RosterIndex,
    events: &[Delivered],
) -> Result<(), HandlerError> {
    let acts = acts::of_villages(events)?;
    acts::take(conn, terms, &acts).await?;
    let notices = notices::of_events(events)?;
    Ok(notices::take(conn, terms, roster, &notices).await?)
}

/// Takes briefings, tables and evaluations, from reporting's events, in the caller's transaction.
pub(crate) async fn take_reporting(
    conn: &mut PgConnection,
    terms: &Terms,
    events: &[Delivered],
) -> Result<(), HandlerError> {
    let acts = acts::of_reporting(events)?;
    Ok(acts::take(conn, terms, &acts).await?)
}

/// Whose watermarks must have passed before something is said of a duty.
const fn needs(rule: &DutyRule) -> Needs {
    if rule.act.is_told_by_reporting() { Needs::Reporting } else { Needs::Village }
}

/// One running of a duty, about to be recorded.
struct Running<'i, 'a> {
    rule: &'a DutyRule,
    inputs: &'i Inputs,
    unit: &'a Unit,
    period: &'a str,
    leg: u32,
    path: &'a RegionPath,
    end: Option<End>,
}

/// Its row: the owners are the holders of the instant of its start, looked up again before its first light. None when the path names no office.
fn begin<'i>(running: Running<'i, '_>, roster: &RosterIndex) -> Option<New<'i>> {
    let (direct, loop_owner) = duty::owners(running.rule, running.unit, running.path)?;
    let timing = &running.inputs.timing;
    Some(New {
        id: duty::id(running.rule.clock, running.unit, running.period),
        basis: duty::basis_id(running.inputs),
        inputs: running.inputs,
        unit: running.unit.to_string(),
        period: running.period.to_owned(),
        leg: running.leg,
        needs: needs(running.rule),
        path: running.path.clone(),
        direct: roster.owner_at(&direct, timing.started_at),
        loop_owner: roster.owner_at(&loop_owner, timing.started_at),
        end: running.end,
        next_fire_at: next_fire(timing, running.end, &Announced::default()),
    })
}

/// What acts change of a recorded duty. What is known of its end is not forgotten when acts are missing, as during a rebuild.
fn with_acts(record: &Record, count: u32, acts: &[Instant]) -> Option<Change> {
    let known = record.end();
    let left = known.filter(|end| end.kind == EndKind::Cancelled).map(|end| end.at);
    let end = duty::end(&record.timing(), count, acts, left)?;
    (known != Some(end)).then(|| change(record, &record.timing(), Some(end)))
}

fn change(record: &Record, timing: &Timing, end: Option<End>) -> Change {
    Change { id: record.id, end, next_fire_at: next_fire(timing, end, &record.announced()) }
}

/// Writes changes, and wakes firing.
async fn update(conn: &mut PgConnection, changes: &[Change]) -> sqlx::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    rows::update(conn, changes).await?;
    obligations::wake(conn).await
}

/// Records duties, and wakes firing.
async fn insert(conn: &mut PgConnection, new: &[New<'_>]) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    rows::insert(conn, new).await?;
    obligations::wake(conn).await
}

/// The rule of the notices with its version, when it holds at an instant for what starts at `start`: it is in force, and that is not before the day
/// from which on it counts.
fn notices_rule(terms: &Terms, start: Instant, at: Instant) -> Option<(&DutyRule, &str)> {
    let rules = terms.at(None, at);
    rules.duty(Clock::N1).filter(|rule| rule.covers(start)).map(|rule| (rule, rules.version()))
}
