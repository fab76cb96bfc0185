//! N1 (clause D5): how villages stand with their reward notices. A running is recorded when it begins, since each has a start of its own.

use std::collections::HashMap;

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field as _},
    events::v1 as pb,
};
use dafei_kernel::{
    region::{Level, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::consumer::{Delivered, HandlerError};
use dafei_sla_core::{
    Clock, End, EndKind, Inputs, Terms,
    duty::{
        self,
        member::Member,
        standing::{Standing, Turn},
        unit::{Unit, UnitKind},
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Running, begin, insert, notices_rule, update, with_acts};
use crate::store::{duties as rows, duty_units as units, obligations};

const POSTED: &str = "dafei.events.v1.NoticePosted";
const REMOVED: &str = "dafei.events.v1.NoticeRemoved";

/// A village's notices changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    unit: Unit,
    at: Instant,
    valid: u32,
    required: u32,
    close_pairs: u32,
}

/// What events tell of notices.
pub(super) fn of_events(events: &[Delivered]) -> Result<Vec<Told>, HandlerError> {
    let mut told = Vec::new();
    let ours = |event: &&Delivered| event.event_type == POSTED || event.event_type == REMOVED;
    for (index, delivered) in events.iter().enumerate().filter(|(_, event)| ours(event)) {
        let reject = |reason: String| HandlerError::Reject { index, reason };
        let event = Event::from_json(&delivered.event_type, &delivered.payload);
        let one = match event.map_err(|error| reject(error.to_string()))? {
            Some(Event::NoticePosted(event)) => {
                read(event.village.as_ref(), "posted_at", event.posted_at, event.standing)
            }
            Some(Event::NoticeRemoved(event)) => {
                read(event.village.as_ref(), "removed_at", event.removed_at, event.standing)
            }
            _ => continue,
        };
        told.push(one.map_err(|error| reject(error.to_string()))?);
    }
    Ok(told)
}

fn read(
    village: Option<&dafei_contracts::types::v1::Region>,
    field: &str,
    at: Option<dafei_contracts::timestamp::Timestamp>,
    standing: Option<pb::NoticeStanding>,
) -> Result<Told, ConvertError> {
    let region = convert::region("village", village)?;
    let unit = Unit::new(region, None).filter(|unit| unit.region().level() == Level::Village);
    let standing = standing.as_ref().required("standing")?;
    Ok(Told {
        unit: unit.ok_or_else(|| ConvertError::invalid("village", "is no village"))?,
        at: convert::instant(field, at)?,
        valid: standing.valid_places,
        required: standing.required,
        close_pairs: standing.close_pairs,
    })
}

/// What became of a village's runnings.
struct Turned<'a> {
    unit: &'a Unit,
    path: Option<&'a RegionPath>,
    turn: Turn,
}

/// Takes changes in their order.
pub(super) async fn take(
    conn: &mut PgConnection,
    terms: &Terms,
    roster: &RosterIndex,
    told: &[Told],
) -> sqlx::Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    rows::lock(conn).await?;
    let mut villages: Vec<Unit> = told.iter().map(|one| one.unit.clone()).collect();
    villages.sort_unstable();
    villages.dedup();
    let names: Vec<String> = villages.iter().map(ToString::to_string).collect();
    let paths: HashMap<Unit, RegionPath> =
        units::present(conn, &[], &villages).await?.into_iter().map(|member| (member.unit, member.path)).collect();
    let mut standings = rows::standings(conn, &names).await?;
    let mut turns = Vec::new();
    for one in told {
        let standing = standings.entry(one.unit.to_string()).or_default();
        let count = notices_rule(terms, one.at, one.at).map_or(0, |(rule, _)| rule.count);
        let fulfilled = one.valid >= one.required.max(count) && one.close_pairs == 0;
        let path = paths.get(&one.unit);
        let turn = standing.told(fulfilled, one.at, path.is_some());
        turns.extend(turn.map(|turn| Turned { unit: &one.unit, path, turn }));
    }
    rows::keep_standings(conn, &standings).await?;
    apply(conn, terms, roster, &turns).await
}

/// Villages enter the roster.
pub(super) async fn enter(
    conn: &mut PgConnection,
    terms: &Terms,
    roster: &RosterIndex,
    entering: &[(Member, Instant)],
) -> sqlx::Result<()> {
    let villages = || entering.iter().filter(|(member, _)| member.unit.kind() == UnitKind::Village);
    let names: Vec<String> = villages().map(|(member, _)| member.unit.to_string()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut standings: HashMap<String, Standing> = rows::standings(conn, &names).await?;
    let mut turns = Vec::new();
    for (member, at) in villages() {
        let standing = standings.entry(member.unit.to_string()).or_default();
        turns.extend(standing.enters(*at).map(|turn| Turned { unit: &member.unit, path: Some(&member.path), turn }));
    }
    rows::keep_standings(conn, &standings).await?;
    apply(conn, terms, roster, &turns).await
}

/// Records what begins, and ends what is settled.
async fn apply(conn: &mut PgConnection, terms: &Terms, roster: &RosterIndex, turns: &[Turned<'_>]) -> sqlx::Result<()> {
    let mut settled: HashMap<Uuid, Instant> = HashMap::new();
    let mut deadlines: HashMap<(Instant, bool), Inputs> = HashMap::new();
    for Turned { unit, turn, .. } in turns {
        match turn {
            Turn::Settled { start, at } => drop(settled.insert(id(unit, *start), *at)),
            Turn::Starts { at, again, .. } => {
                let rule = notices_rule(terms, *at, *at);
                let inputs = rule
                    .and_then(|(rule, version)| duty::standing_deadline(rule, version, UnitKind::Village, *at, *again));
                deadlines.extend(inputs.map(|inputs| ((*at, *again), inputs)));
            }
        }
    }
    let mut new = Vec::new();
    for Turned { unit, path, turn } in turns {
        let Turn::Starts { number, at, again } = turn else { continue };
        let (Some(path), Some(inputs)) = (path, deadlines.get(&(*at, *again))) else { continue };
        let Some((rule, _)) = notices_rule(terms, *at, *at) else { continue };
        let end = settled.remove(&id(unit, *at)).map(|at| End { kind: EndKind::Settled, at });
        let period = duty::standing_period(*at);
        new.extend(begin(Running { rule, inputs, unit, period: &period, leg: *number, path, end }, roster));
    }
    insert(conn, &new).await?;
    let ids: Vec<Uuid> = settled.keys().copied().collect();
    let recorded = if ids.is_empty() { Vec::new() } else { obligations::locked(conn, &ids).await? };
    let changes: Vec<_> =
        recorded.iter().filter_map(|record| with_acts(record, 1, &[settled.get(&record.id).copied()?])).collect();
    update(conn, &changes).await
}

fn id(unit: &Unit, start: Instant) -> Uuid {
    duty::id(Clock::N1, unit, &duty::standing_period(start))
}
