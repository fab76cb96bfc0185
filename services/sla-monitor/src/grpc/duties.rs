//! The duties of a unit: also those of which nothing had to be recorded.

use std::collections::BTreeMap;

use dafei_contracts::{
    convert,
    sla::v1::{self as pb},
};
use dafei_kernel::{roster::RosterIndex, time::Instant};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use dafei_sla_core::{
    Clock, Deadline, Rules, Terms,
    duty::{
        self,
        owed::{Owed, owed_from},
        period::Period,
        rules::DutyRule,
        unit::{Unit, UnitKind},
    },
};
use sqlx::PgPool;

use super::{deadlines::Deadlines, item};
use crate::store::{
    duties::{self as rows, Key},
    duty_units::{self as units, Stay},
    record::Record,
};

/// Cursor of a page: microseconds of the last limit, clock and period.
type PageCursor = (i64, String, String);

/// The deadline of a periodic clock in whose period `start` lies.
///
/// # Errors
/// When several kinds of unit owe it and none, or another, is named.
pub(super) fn preview(rules: &Rules, rule: &DutyRule, start: Instant, kind: &str) -> Result<Deadline, Fault> {
    let unknown =
        || faults::convert(convert::ConvertError::unknown("unit_kind", "UNKNOWN_UNIT_KIND", kind, "责任单位类别"));
    let kind = match (kind, rule.units.as_slice()) {
        ("", [only]) => only.kind,
        ("", _) => return Err(faults::convert(convert::ConvertError::required("unit_kind"))),
        (code, _) => UnitKind::from_code(code).ok_or_else(unknown)?,
    };
    let version = rules.version();
    let inputs = match duty::period_at(rule, start) {
        Some(period) => duty::deadline(rule, version, kind, period),
        None => duty::standing_deadline(rule, version, kind, start, false),
    };
    inputs.map(|inputs| Deadline { inputs }).ok_or_else(unknown)
}

/// A page of a unit's duties.
///
/// # Errors
/// When the request is malformed or the unit outside of the caller's scope.
pub(super) async fn list(
    service: &Deadlines,
    principal: &Principal,
    request: &pb::ListDutiesRequest,
) -> Result<pb::ListDutiesResponse, Fault> {
    scope::require(principal, &scope::CASE_READERS)?;
    let region = convert::region("region", request.region.as_ref()).map_err(faults::convert)?;
    let agency = convert::optional_agency("agency", &request.agency).map_err(faults::convert)?;
    scope::require_region(principal, &service.roster.current(), "region", &region)?;
    let unit = Unit::new(region, agency)
        .ok_or_else(|| Fault::field("region", "NO_UNIT", "owes no duties", "该单位没有定期责任"))?;
    let period: Option<Period> = match request.period.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            Fault::field("period", "INVALID", "is no period of the form 2026-W48, 2026-11 or 2026-Q4", "周期填写有误")
        })?),
    };
    let size = usize::try_from(paging::page_size(request.page_size, 50, 500)?).unwrap_or(usize::MAX);
    let filter = pb::ListDutiesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let after = paging::decode::<PageCursor>(&request.page_token, &filter)?;
    let now = service.clock.now();
    let in_force = {
        let mut conn = service.pool.acquire().await.map_err(faults::database)?;
        service.terms.refresh(&mut conn).await.map_err(faults::database)?
    };
    let roster = service.roster.current();
    let all = duties(&service.pool, &in_force.rules, &roster, &unit, period, now).await.map_err(faults::database)?;
    let mut left = all.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let page: Vec<(PageCursor, pb::DutyItem)> = left.by_ref().take(size).collect();
    let next_page_token = match page.last() {
        Some((last, _)) if left.next().is_some() => paging::encode(last, &filter),
        Some(_) | None => String::new(),
    };
    Ok(pb::ListDutiesResponse { duties: page.into_iter().map(|(_, item)| item).collect(), next_page_token })
}

/// What is computed of a unit's duties, before its records are looked at.
struct Computed<'a> {
    owed: Owed<'a>,
    left: Option<Instant>,
    acts: Vec<Instant>,
}

async fn duties(
    pool: &PgPool,
    terms: &Terms,
    roster: &RosterIndex,
    unit: &Unit,
    period: Option<Period>,
    now: Instant,
) -> sqlx::Result<BTreeMap<PageCursor, pb::DutyItem>> {
    let name = unit.to_string();
    let stays = units::stays(pool, unit).await?;
    let mut computed: BTreeMap<Key, Computed<'_>> = BTreeMap::new();
    // The periods of a clock are the same in all versions of the rules.
    let clocks: BTreeMap<Clock, &DutyRule> = terms
        .city_since(Instant::MIN)
        .flat_map(|(_, _, rules)| rules.duties())
        .map(|rule| (rule.clock, rule))
        .collect();
    for (clock, rule) in clocks {
        let Some(period) = period.or_else(|| duty::period_at(rule, now)) else { continue };
        // As the sweep has it: by the rules of the period's start.
        let owed = owed_from(terms, clock, unit.kind(), period);
        let Some(owed) = owed.filter(|owed| owed.period == period && owed.stays(terms)) else { continue };
        let Some(stay) = at(&stays, owed.inputs.timing.started_at) else { continue };
        if owed.spares(unit, roster) {
            continue;
        }
        let left = stay.left_at;
        let key = (clock, period.to_string(), unit.clone());
        computed.insert(key, Computed { owed, left, acts: Vec::new() });
    }
    let keys: Vec<Key> = computed.keys().cloned().collect();
    let mut conn = pool.acquire().await?;
    for (one, acts) in computed.values_mut().zip(rows::acts(&mut conn, &keys).await?) {
        one.acts = acts;
    }
    drop(conn);
    let asked: Vec<String> = keys.iter().map(|(_, period, _)| period.clone()).collect();
    let mut found = BTreeMap::new();
    for record in rows::of_unit(pool, &name, &asked).await? {
        let (Ok(clock), Some(about)) = (record.clock.parse::<Clock>(), record.period.clone()) else { continue };
        let own = computed.remove(&(clock, about.clone(), unit.clone()));
        // What is open of other periods is shown when none is asked for.
        if own.is_none() && period.is_some() {
            continue;
        }
        if let Some(rule) = terms.at(None, record.started_at.0).duty(clock) {
            let acts = own.map(|own| own.acts).unwrap_or_default();
            found.insert(cursor(record.due.0, clock, &about), recorded(rule, &record, &acts));
        }
    }
    for ((clock, about, _), one) in computed {
        // Only what still runs is shown when no period is asked for.
        let due = one.owed.inputs.timing.due;
        if period.is_some() || due > now {
            found.insert(cursor(due, clock, &about), unrecorded(&one, about.clone()));
        }
    }
    Ok(found)
}

fn cursor(due: Instant, clock: Clock, period: &str) -> PageCursor {
    (due.as_microsecond(), clock.code().to_owned(), period.to_owned())
}

/// Where a unit was at an instant.
fn at(stays: &[Stay], at: Instant) -> Option<&Stay> {
    stays.iter().find(|stay| stay.since <= at && stay.until.is_none_or(|until| at < until))
}

fn recorded(rule: &DutyRule, record: &Record, acts: &[Instant]) -> pb::DutyItem {
    let end = record.end();
    let breached = record.breached && !record.annulled;
    let light = match (breached, record.warned_at, end) {
        (true, _, _) => pb::DutyLight::Red,
        (false, Some(_), None) => pb::DutyLight::Yellow,
        (false, _, _) => pb::DutyLight::Green,
    };
    pb::DutyItem {
        clock: record.clock.clone(),
        name: rule.name.clone(),
        period: record.period.clone().unwrap_or_default(),
        started_at: Some(record.started_at.0.into()),
        warn_at: Some(record.warn_at.0.into()),
        due: Some(record.due.0.into()),
        needed: rule.count,
        done: u32::try_from(acts.len()).unwrap_or(rule.count),
        state: item::state(end).into(),
        light: light.into(),
        fulfilled_at: fulfilled(end),
        obligation_id: record.id.to_string(),
    }
}

fn unrecorded(one: &Computed<'_>, period: String) -> pb::DutyItem {
    let (rule, timing) = (one.owed.rule, &one.owed.inputs.timing);
    let end = duty::end(timing, rule.count, &one.acts, one.left);
    pb::DutyItem {
        clock: rule.clock.code().to_owned(),
        name: rule.name.clone(),
        period,
        started_at: Some(timing.started_at.into()),
        warn_at: Some(timing.warn_at.into()),
        due: Some(timing.due.into()),
        needed: rule.count,
        done: u32::try_from(one.acts.len()).unwrap_or(rule.count),
        state: item::state(end).into(),
        light: pb::DutyLight::Green.into(),
        fulfilled_at: fulfilled(end),
        obligation_id: String::new(),
    }
}

fn fulfilled(end: Option<dafei_sla_core::End>) -> Option<dafei_contracts::timestamp::Timestamp> {
    end.filter(|end| end.kind == dafei_sla_core::EndKind::Settled).map(|end| end.at.into())
}
