//! Acts that fulfil a duty once they were done often enough: patrols, broadcasts, briefings, tables, evaluations.

use std::collections::{BTreeMap, HashMap};

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field as _},
};
use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::consumer::{Delivered, HandlerError};
use dafei_sla_core::Terms;
use dafei_sla_core::duty::{
    self,
    period::{Cycle, Period},
    rules::{Act, DutyRule},
    unit::Unit,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{update, with_acts};
use crate::store::{
    duties::{self as rows, Key},
    obligations,
};

/// Types of intake's events that tell such acts; others need not be parsed.
const MOVING_VILLAGE: [&str; 2] = ["dafei.events.v1.PatrolsRecorded", "dafei.events.v1.BroadcastMade"];
/// Types of reporting's events that tell such acts.
const MOVING_REPORTING: [&str; 3] =
    ["dafei.events.v1.BriefingReleased", "dafei.events.v1.TableFiled", "dafei.events.v1.EvaluationComplete"];

/// An act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    act: Act,
    unit: Unit,
    /// The period that it counts for.
    period: Period,
    at: Instant,
}

/// The acts that intake's events tell.
pub(super) fn of_villages(events: &[Delivered]) -> Result<Vec<Told>, HandlerError> {
    of_events(events, &MOVING_VILLAGE, |event, told| {
        match event {
            Event::PatrolsRecorded(event) => {
                let unit = unit(convert::region("village", event.village.as_ref())?, Level::Village, "village")?;
                for patrol in event.patrols.iter().filter(|patrol| patrol.counts) {
                    let at = convert::instant("patrols.patrolled_at", patrol.patrolled_at)?;
                    // A batch may span weeks: each patrol counts in its own.
                    told.push(Told { act: Act::Patrol, unit: unit.clone(), period: Cycle::Week.of(at), at });
                }
            }
            Event::BroadcastMade(event) => {
                let unit = unit(convert::region("village", event.village.as_ref())?, Level::Village, "village")?;
                let at = convert::instant("made_at", event.made_at)?;
                told.push(Told { act: Act::Broadcast, unit, period: Cycle::Week.of(at), at });
            }
            _ => {}
        }
        Ok(())
    })
}

/// The acts that reporting's events tell.
pub(super) fn of_reporting(events: &[Delivered]) -> Result<Vec<Told>, HandlerError> {
    of_events(events, &MOVING_REPORTING, |event, told| {
        let (act, unit, period, at) = match event {
            Event::BriefingReleased(event) => {
                let region = convert::region("unit", event.unit.as_ref())?;
                let unit = Unit::new(region, None).ok_or_else(|| ConvertError::invalid("unit", "briefs nobody"))?;
                let at = convert::instant("released_at", event.released_at)?;
                (Act::Briefing, unit, period("period", &event.period)?, at)
            }
            Event::TableFiled(event) => {
                let post =
                    Post::try_from(event.unit.as_ref().required("unit")?).map_err(|error| error.under("unit"))?;
                let unit = Unit::of_post(&post).ok_or_else(|| ConvertError::invalid("unit", "is no filing unit"))?;
                (Act::Filing, unit, period("month", &event.month)?, convert::instant("filed_at", event.filed_at)?)
            }
            Event::EvaluationComplete(event) => {
                let unit = unit(convert::region("county", event.county.as_ref())?, Level::County, "county")?;
                let at = convert::instant("completed_at", event.completed_at)?;
                (Act::Evaluation, unit, period("quarter", &event.quarter)?, at)
            }
            _ => return Ok(()),
        };
        told.push(Told { act, unit, period, at });
        Ok(())
    })
}

fn of_events(
    events: &[Delivered],
    types: &[&str],
    mut read: impl FnMut(Event, &mut Vec<Told>) -> Result<(), ConvertError>,
) -> Result<Vec<Told>, HandlerError> {
    let mut told = Vec::new();
    for (index, delivered) in events.iter().enumerate().filter(|(_, one)| types.contains(&one.event_type.as_str())) {
        let reject = |reason: String| HandlerError::Reject { index, reason };
        let event = Event::from_json(&delivered.event_type, &delivered.payload);
        if let Some(event) = event.map_err(|error| reject(error.to_string()))? {
            read(event, &mut told).map_err(|error| reject(error.to_string()))?;
        }
    }
    Ok(told)
}

fn unit(region: Region, level: Level, field: &str) -> Result<Unit, ConvertError> {
    let unit = Unit::new(region, None).filter(|unit| unit.region().level() == level);
    unit.ok_or_else(|| ConvertError::invalid(field, &format!("is no {level}")))
}

fn period(field: &str, text: &str) -> Result<Period, ConvertError> {
    text.parse().map_err(|_| ConvertError::invalid(field, "is no period"))
}

/// The duties that an act counts for, each by the rules in force when it starts: by those it is owed.
fn taking<'t>(terms: &'t Terms, one: &'t Told) -> impl Iterator<Item = &'t DutyRule> {
    let period = one.period;
    // A duty runs from the start of the period that it is about, or from its end.
    [period.start(), period.end()].into_iter().flat_map(move |start| {
        let rules = terms.at(None, start).duties().iter();
        rules.filter(move |rule| rule.start(period) == Some(start) && rule.takes(one.act, &one.unit, period.cycle()))
    })
}

/// Adds acts, and brings the recorded duties that they fulfil in line.
pub(super) async fn take(conn: &mut PgConnection, terms: &Terms, told: &[Told]) -> sqlx::Result<()> {
    let mut by_duty: BTreeMap<Key, (u32, Vec<Instant>)> = BTreeMap::new();
    for one in told {
        for rule in taking(terms, one) {
            let key = (rule.clock, one.period.to_string(), one.unit.clone());
            by_duty.entry(key).or_insert_with(|| (rule.count, Vec::new())).1.push(one.at);
        }
    }
    if by_duty.is_empty() {
        return Ok(());
    }
    rows::lock(conn).await?;
    let keys: Vec<Key> = by_duty.keys().cloned().collect();
    let mut kept: Vec<(Key, Vec<Instant>)> = Vec::with_capacity(keys.len());
    let mut touched: HashMap<Uuid, (u32, Vec<Instant>)> = HashMap::with_capacity(keys.len());
    for ((key, (count, told)), before) in by_duty.into_iter().zip(rows::acts(conn, &keys).await?) {
        let mut acts = before.clone();
        duty::merge(&mut acts, told, count);
        if acts != before {
            touched.insert(duty::id(key.0, &key.2, &key.1), (count, acts.clone()));
            kept.push((key, acts));
        }
    }
    if kept.is_empty() {
        return Ok(());
    }
    rows::keep(conn, &kept).await?;
    let ids: Vec<Uuid> = touched.keys().copied().collect();
    let recorded = obligations::locked(conn, &ids).await?;
    let changes: Vec<_> = recorded
        .iter()
        .filter_map(|record| touched.get(&record.id).and_then(|(count, acts)| with_acts(record, *count, acts)))
        .collect();
    update(conn, &changes).await
}
