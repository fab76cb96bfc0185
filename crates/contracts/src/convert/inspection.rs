//! Inspections as they are given, whether by gRPC or by an agency's system: what is told here is what [`dafei_kernel::inspection::check`] checks.

use dafei_kernel::{
    credit_code::CreditCode,
    inspection::{ACTS, ActFound, MEASURES, Record},
    region::{Level, Region},
    roster::RosterIndex,
    subject::Subject,
};

use super::{ConvertError, Field, act, instant, measure, optional_text, region, sector, subject, uuid};
use crate::{events::v1 as ev, types::v1 as pb};

/// Longest text of an act xx-99, in characters.
const ACT_TEXT: usize = 500;
/// Longest situation, in characters.
const SITUATION: usize = 4_000;

/// An inspection as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Where: a village or a township. Whether the roster has it is not looked at.
    pub region: Region,
    /// What has to fit together.
    pub record: Record,
    /// 执法检查, or else 日常检查.
    pub enforcement: bool,
    /// What was seen; may be empty.
    pub situation: String,
}

/// An inspection; of an enterprise in the roster what is not said comes from there (clause A4).
///
/// # Errors
/// The field that is missing or malformed; `WRONG_LEVEL` for a place that is neither a village nor a township, `TOO_MANY` acts or measures.
pub fn inspection(roster: &RosterIndex, wire: &ev::InspectionReport) -> Result<Inspected, ConvertError> {
    let place = place(wire.region.as_ref())?;
    let subject = known_subject(roster, "subject", wire.subject.as_ref())?;
    let in_roster = match &subject {
        Subject::Enterprise { credit_code, .. } => roster.enterprise(credit_code).is_some(),
        Subject::Den { .. } => false,
    };
    let record = Record {
        subject,
        in_roster,
        sector: sector("sector", &wire.sector)?,
        inspected_at: instant("inspected_at", wire.inspected_at)?,
        acts: each("acts", &wire.acts, ACTS, act_found)?,
        measures: each("measures", &wire.measures, MEASURES, measure)?,
        outside_scope: wire.outside_scope,
    };
    let situation = optional_text("situation", &wire.situation, SITUATION)?;
    Ok(Inspected { region: place, record, enforcement: wire.enforcement, situation })
}

fn place(wire: Option<&pb::Region>) -> Result<Region, ConvertError> {
    let region = region("region", wire)?;
    if matches!(region.level(), Level::Village | Level::Township) {
        return Ok(region);
    }
    Err(ConvertError {
        field: "region.level".to_owned(),
        reason: "WRONG_LEVEL",
        description: "is neither a village nor a township".to_owned(),
        description_zh: "应填写村居或乡镇".to_owned(),
    })
}

/// An act as given; whether it fits the inspection is the rules' to say.
fn act_found(wire: &ev::InspectionAct) -> Result<ActFound, ConvertError> {
    Ok(ActFound {
        act: act("act", &wire.act)?,
        text: optional_text("act_text", &wire.act_text, ACT_TEXT)?,
        case: if wire.case_id.is_empty() { None } else { Some(uuid("case_id", &wire.case_id)?) },
    })
}

/// Entries of a list, each error with its place. A list that is too long is not read entry by entry.
fn each<W, T>(
    field: &str,
    entries: &[W],
    max: usize,
    read: impl Fn(&W) -> Result<T, ConvertError>,
) -> Result<Vec<T>, ConvertError> {
    if entries.len() > max {
        return Err(ConvertError {
            field: field.to_owned(),
            reason: "TOO_MANY",
            description: format!("has more than {max} entries"),
            description_zh: format!("不得超过{max}项"),
        });
    }
    let read = |(place, entry)| read(entry).map_err(|error: ConvertError| error.under(&format!("{field}[{place}]")));
    entries.iter().enumerate().map(read).collect()
}

/// A subject; what is not said of an enterprise comes from the roster, when it is there (clause A4).
///
/// # Errors
/// When it is missing or a part is malformed.
pub fn known_subject(roster: &RosterIndex, field: &str, wire: Option<&pb::Subject>) -> Result<Subject, ConvertError> {
    let wire = wire.required(field)?;
    let Some(pb::subject::Kind::Enterprise(given)) = &wire.kind else {
        return subject(field, Some(wire));
    };
    let known = CreditCode::parse(&given.credit_code).ok().and_then(|code| roster.enterprise(&code));
    let Some(known) = known else {
        return subject(field, Some(wire));
    };
    let mut given = given.clone();
    if given.name.trim().is_empty() {
        given.name.clone_from(&known.name);
    }
    if given.industry.is_empty() {
        known.industry.code().clone_into(&mut given.industry);
    }
    if given.regulator.is_empty() {
        given.regulator = known.regulator.map(|agency| agency.code().to_owned()).unwrap_or_default();
    }
    subject(field, Some(&pb::Subject { kind: Some(pb::subject::Kind::Enterprise(given)) }))
}
