//! Lists of patrols, of the villages' weeks and of the months that were dropped.

use dafei_contracts::{convert, intake::v1 as api};
use dafei_intake_core::week;
use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
    time::{Instant, Month},
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{Cursor, Grpc, before, optional_text, suspicions::villages_of};
use crate::{
    store::{
        patrol_claims, patrol_months,
        patrols::{self, Filter, PROBLEM, Places, REUSED, SKEWED, number, village},
    },
    wire,
};

/// Most rows of a page.
const PAGE: i64 = 500;
/// Villages whose weeks are read by one statement.
const VILLAGES: usize = 1_000;
/// Longest inspector, in characters.
const INSPECTOR: usize = 100;

impl Grpc {
    pub(super) async fn patrol(&self, caller: &Principal, body: &api::GetPatrolRequest) -> Result<api::Patrol, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let id = convert::uuid("patrol_id", &body.patrol_id).map_err(faults::convert)?;
        let received = received(id);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        if let Some(patrol) = patrols::get(&mut conn, id, received).await.map_err(faults::database)? {
            let in_scope = |village: Region| scope::contains(caller, &self.app.roster.current(), &village);
            if !village(patrol.village).is_some_and(in_scope) {
                return Err(scope::out_of_scope());
            }
            return Ok(wire::patrols::patrol(&patrol));
        }
        let month = Month::of(received.0.max(Instant::UNIX_EPOCH));
        if patrol_months::is_dropped(&mut conn, month).await.map_err(faults::database)? {
            let (subject, zh) = (format!("patrols/{month}"), format!("{month}的巡查记录已超过保存期限，只保留汇总"));
            return Err(Fault::precondition("PATROL_DROPPED", subject, "the patrols of its month were dropped", zh));
        }
        Err(Fault::not_found("patrol", id.to_string(), "没有这条巡查记录"))
    }

    pub(super) async fn patrols(
        &self,
        caller: &Principal,
        body: &api::ListPatrolsRequest,
    ) -> Result<api::ListPatrolsResponse, Fault> {
        let region = self.listed_region(caller, body.region.as_ref())?;
        let size = paging::page_size(body.page_size, 50, PAGE)?;
        let asked = api::ListPatrolsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let (from, until) = range(body)?;
        let mark = |set: bool, mark: i16| if set { mark } else { 0 };
        let inspector = optional_text("inspector", &body.inspector, INSPECTOR)?;
        let filter = Filter {
            places: places(&self.app.roster.current(), &region),
            before: before(paging::decode(&body.page_token, &asked)?)?.unwrap_or((until, Uuid::nil())),
            from,
            marks: mark(body.only_skewed, SKEWED)
                | mark(body.only_problems, PROBLEM)
                | mark(body.only_reused_photos, REUSED),
            inspector: &inspector,
            limit: size + 1,
        };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = patrols::list(&mut conn, &filter).await.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor =
            rows.last().filter(|_| full).map(|last| -> Cursor { (last.patrolled_at.as_microsecond(), last.id) });
        let dropped_months = match cursor {
            Some(_) => Vec::new(),
            None => patrol_months::dropped(&mut conn, from, until).await.map_err(faults::database)?,
        };
        Ok(api::ListPatrolsResponse {
            patrols: rows.iter().map(wire::patrols::patrol).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
            dropped_months,
        })
    }

    pub(super) async fn patrol_weeks(
        &self,
        caller: &Principal,
        body: &api::ListPatrolWeeksRequest,
    ) -> Result<api::ListPatrolWeeksResponse, Fault> {
        let region = self.listed_region(caller, body.region.as_ref())?;
        let size = usize::try_from(paging::page_size(body.page_size, 50, PAGE)?).unwrap_or(1);
        let asked = api::ListPatrolWeeksRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: i64 = paging::decode(&body.page_token, &asked)?.unwrap_or(0);
        let at = convert::optional_instant("week", body.week).map_err(faults::convert)?;
        let week = week::start(at.unwrap_or_else(|| self.app.clock.now()));
        let roster = self.app.roster.current();
        let mut asked_for = villages(&roster, &region);
        asked_for.retain(|code| *code > after);
        asked_for.sort_unstable();
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut weeks: Vec<(i64, u32)> = Vec::new();
        for part in asked_for.chunks(VILLAGES) {
            let counts = patrol_claims::week(&mut conn, week, part).await.map_err(faults::database)?;
            let count = |code: &i64| counts.get(code).map_or(0, |count| u32::try_from(*count).unwrap_or(0));
            let of_interest = |(_, patrols): &(i64, u32)| !body.only_short || *patrols < week::OWED;
            weeks.extend(part.iter().map(|code| (*code, count(code))).filter(of_interest));
            if weeks.len() > size {
                break;
            }
        }
        let full = weeks.len() > size;
        weeks.truncate(size);
        let cursor = weeks.last().filter(|_| full).map(|(code, _)| *code);
        Ok(api::ListPatrolWeeksResponse {
            week: Some(week.into()),
            weeks: weeks.iter().map(|(code, patrols)| patrol_week(&roster, *code, *patrols)).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }

    pub(super) async fn patrol_tombstones(
        &self,
        caller: &Principal,
        body: &api::ListPatrolTombstonesRequest,
    ) -> Result<api::ListPatrolTombstonesResponse, Fault> {
        let region = self.listed_region(caller, body.region.as_ref())?;
        let size = paging::page_size(body.page_size, 50, PAGE)?;
        let asked = api::ListPatrolTombstonesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        // No month sorts after a letter.
        let before = paging::decode(&body.page_token, &asked)?.unwrap_or_else(|| "z".to_owned());
        let of_region = villages(&self.app.roster.current(), &region);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let found = patrol_months::tombstones(&mut conn, &of_region, &before, size + 1).await;
        let mut rows = found.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor = rows.last().filter(|_| full).map(|last| last.month.clone());
        Ok(api::ListPatrolTombstonesResponse {
            tombstones: rows.iter().map(wire::patrols::tombstone).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }

    /// A region that the caller may read of.
    fn listed_region(
        &self,
        caller: &Principal,
        region: Option<&dafei_contracts::types::v1::Region>,
    ) -> Result<Region, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let region = convert::region("region", region).map_err(faults::convert)?;
        scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
        Ok(region)
    }
}

/// Between which instants a patrol was received, by its id: a version 7 has the millisecond, and some time may pass until the commit.
fn received(id: Uuid) -> (Instant, Instant) {
    let millis = id
        .get_timestamp()
        .map(|at| at.to_unix())
        .and_then(|(seconds, nanos)| Instant::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok());
    let around = |at: Instant| {
        let hour = SignedDuration::from_hours(1);
        Some((at.checked_sub(SignedDuration::from_secs(1)).ok()?, at.checked_add(hour).ok()?))
    };
    millis.and_then(around).unwrap_or((Instant::UNIX_EPOCH, Instant::MAX))
}

/// When the patrols were made: at or after the first, before the second.
fn range(body: &api::ListPatrolsRequest) -> Result<(Instant, Instant), Fault> {
    let from = convert::optional_instant("from", body.from).map_err(faults::convert)?;
    let until = convert::optional_instant("until", body.until).map_err(faults::convert)?;
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(Fault::field("until", "INVALID", "is not after from", "结束时间应晚于开始时间"));
    }
    // Years that PostgreSQL knows; a device that lost its clock is at the epoch.
    Ok((from.unwrap_or(Instant::UNIX_EPOCH).max(Instant::UNIX_EPOCH), until.unwrap_or(Instant::MAX)))
}

/// Where a list of a region is looked for: a work area's by its villages, a city's by its counties.
fn places(roster: &RosterIndex, region: &Region) -> Places {
    match region.level() {
        Level::City => Places::Counties(roster.children(region).map(number).collect()),
        Level::County => Places::Counties(vec![number(region)]),
        Level::Township => Places::Townships(vec![number(region)]),
        Level::WorkArea | Level::Village => Places::Villages(villages(roster, region)),
    }
}

/// The villages of a region.
fn villages(roster: &RosterIndex, region: &Region) -> Vec<i64> {
    match region.level() {
        Level::Village => vec![number(region)],
        Level::WorkArea => villages_of(roster, region).iter().filter_map(|code| code.parse().ok()).collect(),
        Level::Township => {
            roster.children(region).filter(|child| child.level() == Level::Village).map(number).collect()
        }
        Level::City | Level::County => roster.children(region).flat_map(|child| villages(roster, child)).collect(),
    }
}

fn patrol_week(roster: &RosterIndex, code: i64, patrols: u32) -> api::PatrolWeek {
    let region = village(code);
    let name = region.as_ref().and_then(|region| roster.get(region)).map(|entry| entry.name.clone());
    api::PatrolWeek {
        village: region.as_ref().map(Into::into),
        name: name.unwrap_or_default(),
        patrols,
        enough: patrols >= week::OWED,
    }
}
