//! What a case is opened with that comes from no village and no tip: by an office, or by the agency that found it, however it is told.

use dafei_contracts::{
    convert::{self, ConvertError},
    timestamp::Timestamp,
    types::v1 as types,
};
use dafei_dispatch_core::case::{Facts, Source};
use dafei_kernel::{
    act::Act,
    owner::Post,
    region::{Level, Region, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use jiff::SignedDuration;
use uuid::Uuid;

/// Longest text of an act xx-99, in characters.
const ACT_TEXT: usize = 200;
/// Longest description, in characters.
const DESCRIPTION: usize = 4_000;
/// How far ahead of the suite a finding may be dated.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What is said of the act.
pub(crate) struct Said<'a> {
    pub(crate) act: &'a str,
    pub(crate) act_text: &'a str,
    pub(crate) subject: Option<&'a types::Subject>,
    pub(crate) place: Option<&'a types::Region>,
    pub(crate) description: &'a str,
    pub(crate) found_at: Option<Timestamp>,
}

/// Who opens it, and where.
pub(crate) struct Opening<'a> {
    pub(crate) id: Uuid,
    pub(crate) source: Source,
    pub(crate) office: &'a Region,
    pub(crate) by: Post,
    /// When it reached the suite.
    pub(crate) at: Instant,
}

/// The facts of a case without a finder.
///
/// # Errors
/// The field that is missing or malformed; `UNKNOWN_REGION`, `OUT_OF_REGION`, `TIME_IN_FUTURE`.
pub(crate) fn facts(roster: &RosterIndex, opening: Opening<'_>, said: &Said<'_>) -> Result<Facts, ConvertError> {
    let Opening { id, source, office, by, at } = opening;
    let path = roster.path(office).ok_or_else(|| unknown("office"))?;
    let (act, act_text) = act(said.act, said.act_text)?;
    let found_at = convert::optional_instant("found_at", said.found_at)?.unwrap_or(at);
    if found_at.duration_since(at) > TOLERANCE {
        return Err(error("found_at", "TIME_IN_FUTURE", "lies ahead", "时间晚于当前时间"));
    }
    Ok(Facts {
        id,
        source,
        act,
        act_text,
        subject: convert::known_subject(roster, "subject", said.subject)?,
        village: None,
        township: path.at(Level::Township).cloned(),
        county: path.at(Level::County).cloned(),
        place: place(roster, office, &path, said.place)?,
        path,
        description: convert::bounded("description", said.description, DESCRIPTION)?,
        found_at: found_at.min(at),
        reached_at: at,
        tip: None,
        opened_by: Some(by),
        finder: None,
    })
}

/// Where the matter lies: in the region of whoever gets it.
fn place(
    roster: &RosterIndex,
    office: &Region,
    path: &RegionPath,
    wire: Option<&types::Region>,
) -> Result<Option<Region>, ConvertError> {
    let Some(wire) = wire else { return Ok(None) };
    let place = convert::region("place", Some(wire))?;
    if roster.get(&place).is_none() {
        return Err(unknown("place"));
    }
    if place != *office && !roster.contains(office, &place) && !path.regions().contains(&place) {
        return Err(error("place", "OUT_OF_REGION", "lies outside the office's region", "不在受理单位辖区内"));
    }
    Ok(Some(place))
}

fn act(code: &str, text: &str) -> Result<(Act, String), ConvertError> {
    let act = convert::act("act", code)?;
    let read = if act.is_other() {
        convert::bounded("act_text", text, ACT_TEXT)
    } else {
        convert::optional_text("act_text", text, ACT_TEXT)
    };
    Ok((act, read?))
}

fn unknown(field: &str) -> ConvertError {
    error(field, "UNKNOWN_REGION", "is not in the roster", "名册中没有该区划")
}

fn error(field: &str, reason: &'static str, description: &str, zh: &str) -> ConvertError {
    ConvertError { field: field.to_owned(), reason, description: description.to_owned(), description_zh: zh.to_owned() }
}
