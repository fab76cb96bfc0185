//! Lists of suspicions: what is asked, as a filter.

use dafei_contracts::{convert, intake::v1 as api};
use dafei_intake_core::suspicion::StateKind;
use dafei_kernel::{
    act::Act,
    credit_code::CreditCode,
    region::{Level, Region},
    roster::RosterIndex,
    sector::Sector,
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};

use super::{Cursor, Grpc, before, wire};
use crate::store::{
    suspicion_lists::{self, Filter},
    suspicions::state_code,
};

/// Most codes in a filter's list.
const CODES: usize = 200;

impl Grpc {
    pub(super) async fn list(
        &self,
        caller: &Principal,
        body: &api::ListSuspicionsRequest,
    ) -> Result<api::ListSuspicionsResponse, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let roster = self.app.roster.current();
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &roster, "region", &region)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let asked = api::ListSuspicionsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let mut filter = filter(&roster, &region, body)?;
        filter.before = before(paging::decode(&body.page_token, &asked)?)?;
        filter.limit = size + 1;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = suspicion_lists::list(&mut conn, &filter).await.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor = rows.last().filter(|_| full).map(|last| -> Cursor {
            let facts = &last.facts;
            let at = if filter.by_finding() { facts.found_at } else { facts.received_at };
            (at.as_microsecond(), facts.id)
        });
        Ok(api::ListSuspicionsResponse {
            suspicions: rows.iter().map(wire::suspicion).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }
}

/// What is asked for, as the store looks for it; the page is still to be said.
fn filter<'a>(
    roster: &RosterIndex,
    region: &'a Region,
    body: &api::ListSuspicionsRequest,
) -> Result<Filter<'a>, Fault> {
    let states = states(&body.states)?;
    let ends: Vec<i16> = StateKind::ALL.into_iter().filter(|kind| kind.is_terminal()).map(state_code).collect();
    let found_from = convert::optional_instant("found_from", body.found_from).map_err(faults::convert)?;
    let found_until = convert::optional_instant("found_until", body.found_until).map_err(faults::convert)?;
    if let (Some(from), Some(until)) = (found_from, found_until)
        && from >= until
    {
        return Err(Fault::field("found_until", "INVALID", "is not after found_from", "结束时间须晚于开始时间"));
    }
    Ok(Filter {
        villages: villages_of(roster, region),
        region,
        open: !states.is_empty() && states.iter().all(|state| !ends.contains(state)),
        states,
        acts: acts(&body.acts, &body.sectors)?,
        found_from,
        found_until,
        enterprises: enterprises(body.subject_kind)?,
        credit_code: credit_code(&body.credit_code)?,
        skewed: body.skewed,
        suspected_crime: body.suspected_crime,
        before: None,
        limit: 0,
    })
}

/// Villages of a work area.
pub(in crate::grpc) fn villages_of(roster: &RosterIndex, region: &Region) -> Vec<String> {
    let township =
        roster.get(region).filter(|_| region.level() == Level::WorkArea).and_then(|area| area.parent.as_ref());
    let of_area = |village: &&Region| roster.get(village).is_some_and(|entry| entry.work_area.as_ref() == Some(region));
    township
        .map(|township| roster.children(township).filter(of_area).map(|village| village.code().to_string()).collect())
        .unwrap_or_default()
}

fn states(values: &[i32]) -> Result<Vec<i16>, Fault> {
    let state = |(at, value): (usize, &i32)| match api::SuspicionState::try_from(*value) {
        Ok(state) if state != api::SuspicionState::Unspecified => Ok(i16::try_from(*value).unwrap_or(0)),
        _ => Err(Fault::field(format!("states[{at}]"), "INVALID", "is no state", "没有这种状态")),
    };
    few("states", values.len())?;
    values.iter().enumerate().map(state).collect()
}

/// The acts that are named, and those of the sectors that are named.
fn acts(acts: &[String], sectors: &[String]) -> Result<Vec<String>, Fault> {
    few("acts", acts.len())?;
    few("sectors", sectors.len())?;
    let mut wanted = Vec::new();
    for (at, code) in acts.iter().enumerate() {
        let act = convert::act(&format!("acts[{at}]"), code).map_err(faults::convert)?;
        wanted.push(act.code().to_owned());
    }
    for (at, code) in sectors.iter().enumerate() {
        let sector: Sector = code.parse().map_err(|_| {
            faults::convert(convert::ConvertError::unknown(
                &format!("sectors[{at}]"),
                "UNKNOWN_SECTOR",
                code,
                "领域代码",
            ))
        })?;
        wanted.extend(Act::all().filter(|act| act.sector() == sector).map(|act| act.code().to_owned()));
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

fn few(field: &str, number: usize) -> Result<(), Fault> {
    if number <= CODES {
        return Ok(());
    }
    Err(Fault::field(field, "TOO_MANY", format!("has more than {CODES} values"), format!("筛选条件不得超过{CODES}项")))
}

fn enterprises(kind: i32) -> Result<Option<bool>, Fault> {
    match api::SubjectKind::try_from(kind) {
        Ok(api::SubjectKind::Unspecified) => Ok(None),
        Ok(api::SubjectKind::Enterprise) => Ok(Some(true)),
        Ok(api::SubjectKind::Den) => Ok(Some(false)),
        Err(_) => Err(Fault::field("subject_kind", "INVALID", "is no kind of subject", "没有这种对象类型")),
    }
}

fn credit_code(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Ok(String::new());
    }
    CreditCode::parse(text).map(|code| code.as_str().to_owned()).map_err(|_| {
        let (english, chinese) = ("is no unified social credit code", "统一社会信用代码有误");
        Fault::field("credit_code", "INVALID_CREDIT_CODE", english, chinese)
    })
}
