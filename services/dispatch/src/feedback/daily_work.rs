//! 日常工作 by NATS (clauses B5, C19): what an agency inspected is checked here as intake checks it and recorded there; what it found itself opens
//! a case.

use dafei_contracts::{
    convert::{self, ConvertError, Inspected},
    events::v1::{self as ev, feedback_daily_work::Work},
};
use dafei_dispatch_core::case::{Facts, Finder, Source};
use dafei_kernel::{ids, inspection as rules, owner::Post, roster::RosterIndex, time::Instant};
use uuid::Uuid;

use super::{Content, Letter, Wrong};
use crate::{
    opening::{self, Opening, Said},
    unit::Unit,
};

/// The case of a finding, and what the steps of its finder name in place of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) case: Uuid,
    pub(crate) instruction: Uuid,
}

/// Who told of daily work, under which id, and when the bus had it.
pub(crate) struct Told<'a> {
    pub(crate) unit: &'a Unit,
    pub(crate) post: Post,
    pub(crate) feedback_id: &'a str,
    pub(crate) at: Instant,
}

/// Daily work as it came; whether its parts fit together needs the roster.
pub(super) fn read(daily: &ev::FeedbackDailyWork, instruction_id: &str) -> Result<Content, Wrong> {
    if !instruction_id.is_empty() {
        return Err(Wrong::new("NOT_ALLOWED", "instruction_id", "日常工作不是对指令的反馈，不填指令编号"));
    }
    let work = daily.work.clone().ok_or_else(|| ConvertError::required("daily_work"))?;
    Ok(Content::DailyWork(work))
}

/// What the letter's finding opens, whether it was taken or not; none for other letters. It follows from the unit and the feedback's id, so that
/// the same finding never opens two cases.
pub(crate) fn opened(letter: &Letter) -> Option<Opened> {
    match (&letter.said.as_ref().ok()?.content, &letter.feedback_id) {
        (Content::DailyWork(Work::Finding(_)), Some(id)) => Some(Opened::of(&letter.unit, id)),
        _ => None,
    }
}

impl Opened {
    fn of(unit: &Unit, feedback_id: &str) -> Self {
        Self {
            case: derived("finding", unit, feedback_id),
            instruction: derived("finding-instruction", unit, feedback_id),
        }
    }
}

fn derived(what: &str, unit: &Unit, feedback_id: &str) -> Uuid {
    let (agency, level, region) = unit.key();
    ids::derived(&[what, &agency, &level, &region, feedback_id])
}

/// The inspection as intake is told of it: with what the roster knows of its subject.
///
/// # Errors
/// The field at fault, below the feedback's body.
pub(crate) fn inspection(
    roster: &RosterIndex,
    told: &Told<'_>,
    report: &ev::InspectionReport,
) -> Result<ev::DailyWorkReported, Wrong> {
    const BODY: &str = "daily_work.inspection";
    known(roster, told.unit)?;
    let read = convert::inspection(roster, report).map_err(|error| error.under(BODY))?;
    let region = format!("{BODY}.region");
    if roster.get(&read.region).is_none() {
        return Err(Wrong::new("UNKNOWN_REGION", region, "名册中没有该区划"));
    }
    if !roster.contains(&told.unit.region, &read.region) {
        return Err(Wrong::new("OUT_OF_REGION", region, "不在本单位辖区内"));
    }
    rules::check(&read.record, told.at)
        .map_err(|flaw| Wrong::new(flaw.reason.code(), format!("{BODY}.{}", flaw.field), flaw.reason.zh()))?;
    Ok(ev::DailyWorkReported {
        meta: None,
        inspection_id: derived("daily-inspection", told.unit, told.feedback_id).to_string(),
        by: Some((&told.post).into()),
        inspection: Some(as_read(&read, report)),
    })
}

/// The report as it was read, and not as it was written: what white space went from it has no bounds.
fn as_read(read: &Inspected, report: &ev::InspectionReport) -> ev::InspectionReport {
    let acts = read.record.acts.iter().map(|found| ev::InspectionAct {
        act: found.act.code().to_owned(),
        act_text: found.text.clone(),
        case_id: found.case.map(|case| case.to_string()).unwrap_or_default(),
    });
    ev::InspectionReport {
        subject: Some((&read.record.subject).into()),
        acts: acts.collect(),
        measures: read.record.measures.iter().map(Into::into).collect(),
        situation: read.situation.clone(),
        ..report.clone()
    }
}

/// The case that a finding opens.
///
/// # Errors
/// The field at fault, below the feedback's body.
pub(crate) fn finding(roster: &RosterIndex, told: &Told<'_>, finding: &ev::FeedbackFinding) -> Result<Facts, Wrong> {
    known(roster, told.unit)?;
    let opened = Opened::of(told.unit, told.feedback_id);
    let opening = Opening {
        id: opened.case,
        source: Source::DailyCheck,
        office: &told.unit.region,
        by: told.post.clone(),
        at: told.at,
    };
    let said = Said {
        act: &finding.act,
        act_text: &finding.act_text,
        subject: finding.subject.as_ref(),
        place: finding.place.as_ref(),
        description: &finding.description,
        found_at: finding.found_at,
    };
    let facts = opening::facts(roster, opening, &said).map_err(|error| error.under("daily_work.finding"))?;
    Ok(Facts { finder: Some(Finder { instruction: opened.instruction, post: told.post.clone() }), ..facts })
}

fn known(roster: &RosterIndex, unit: &Unit) -> Result<(), Wrong> {
    match roster.get(&unit.region) {
        Some(_) => Ok(()),
        None => Err(Wrong::new("UNKNOWN_REGION", "region", "名册中没有该区划")),
    }
}
