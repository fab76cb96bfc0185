//! Inspections (执法检查、日常检查; clauses A3, C17, C19): what must fit together in a record of one.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{
    act::Act,
    claimed::{self, Untimely},
    measure::{Measure, MeasureFlaw},
    sector::Sector,
    subject::Subject,
    time::Instant,
};

/// Most acts of one inspection.
pub const ACTS: usize = 20;
/// Most measures of one inspection.
pub const MEASURES: usize = 50;

/// An act that was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ActFound {
    /// Which.
    pub act: Act,
    /// What it is, of an act xx-99; else empty.
    pub text: String,
    /// The case that it became: it is counted there.
    pub case: Option<Uuid>,
}

/// What an inspector recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Enterprise or den.
    pub subject: Subject,
    /// Whether the roster has the enterprise.
    pub in_roster: bool,
    /// What was looked at.
    pub sector: Sector,
    /// When.
    pub inspected_at: Instant,
    /// What was found.
    pub acts: Vec<ActFound>,
    /// What the inspector did about it.
    pub measures: Vec<Measure>,
    /// Whether the enterprise acts outside its registered or licensed scope (clause C17).
    pub outside_scope: bool,
}

/// Why a record is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The inspection lies ahead of the suite's clock, or too far back.
    Untimely(Untimely),
    /// The check character of a credit code does not fit, and the roster does not vouch for the code either.
    CreditCodeMistyped,
    /// More than [`ACTS`].
    TooManyActs,
    /// The act is of another sector than was looked at.
    ActOfOtherSector,
    /// An act xx-99 needs its text.
    ActTextRequired,
    /// Only an act xx-99 has a text.
    ActTextNotAllowed,
    /// The act is there already.
    ActRepeated,
    /// More than [`MEASURES`].
    TooManyMeasures,
    /// The measure itself is wrong.
    Measure(MeasureFlaw),
    /// The measure's id stands for another one of the inspection.
    MeasureIdReused,
    /// The measure was decided before the inspection.
    MeasureBeforeInspection,
    /// No act was found that is not a case's: the measures belong to the case, or to nothing.
    MeasureWithoutAct,
    /// A den has no registered scope.
    DenHasNoScope,
}

impl Reason {
    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Untimely(untimely) => untimely.code(),
            Self::CreditCodeMistyped => "CREDIT_CODE_MISTYPED",
            Self::TooManyActs | Self::TooManyMeasures => "TOO_MANY",
            Self::ActOfOtherSector => "ACT_OF_OTHER_SECTOR",
            Self::ActTextRequired => "ACT_TEXT_REQUIRED",
            Self::ActTextNotAllowed => "ACT_TEXT_NOT_ALLOWED",
            Self::ActRepeated => "ACT_REPEATED",
            Self::Measure(flaw) => flaw.code(),
            Self::MeasureIdReused => "MEASURE_ID_REUSED",
            Self::MeasureBeforeInspection => "MEASURE_BEFORE_INSPECTION",
            Self::MeasureWithoutAct => "MEASURE_WITHOUT_ACT",
            Self::DenHasNoScope => "DEN_HAS_NO_SCOPE",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Untimely(untimely) => untimely.zh(),
            Self::CreditCodeMistyped => "统一社会信用代码的校验位不符，台账中也没有这家企业，请核对",
            Self::TooManyActs => "一次检查最多填写20项非法行为",
            Self::ActOfOtherSector => "该非法行为不属于所检查的领域",
            Self::ActTextRequired => "选择“其他”须写明是什么行为",
            Self::ActTextNotAllowed => "只有选择“其他”才填写行为说明",
            Self::ActRepeated => "同一项非法行为重复填写",
            Self::TooManyMeasures => "一次检查最多填写50项措施",
            Self::Measure(flaw) => flaw.zh(),
            Self::MeasureIdReused => "措施编号已用于另一项措施",
            Self::MeasureBeforeInspection => "措施时间早于检查时间",
            Self::MeasureWithoutAct => "没有当场处理的非法行为，不能填写措施；已立案的在案件中填写",
            Self::DenHasNoScope => "只有生产经营单位才有登记或许可的经营范围",
        }
    }
}

/// A record that is refused, and the field that is at fault, as the wire names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {}", .reason.code())]
pub struct Flaw {
    /// For example `acts[0].act`.
    pub field: String,
    /// Why.
    pub reason: Reason,
}

impl Flaw {
    fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self { field: field.into(), reason }
    }
}

/// Whether the parts of a record fit together, at this instant of the suite.
///
/// # Errors
/// The first field that does not, and why.
pub fn check(record: &Record, now: Instant) -> Result<(), Flaw> {
    claimed::check(record.inspected_at, now).map_err(|why| Flaw::new("inspected_at", Reason::Untimely(why)))?;
    if let Subject::Enterprise { credit_code, .. } = &record.subject
        && !record.in_roster
        && !credit_code.checksum_ok()
    {
        return Err(Flaw::new("subject.enterprise.credit_code", Reason::CreditCodeMistyped));
    }
    if record.outside_scope && !record.subject.is_enterprise() {
        return Err(Flaw::new("outside_scope", Reason::DenHasNoScope));
    }
    check_acts(record)?;
    check_measures(record, now)
}

fn check_acts(record: &Record) -> Result<(), Flaw> {
    if record.acts.len() > ACTS {
        return Err(Flaw::new("acts", Reason::TooManyActs));
    }
    let mut seen = BTreeSet::new();
    for (place, found) in record.acts.iter().enumerate() {
        let (part, reason) = if found.act.sector() != record.sector {
            ("act", Reason::ActOfOtherSector)
        } else if found.act.needs_text() && found.text.is_empty() {
            ("act_text", Reason::ActTextRequired)
        } else if !found.act.needs_text() && !found.text.is_empty() {
            ("act_text", Reason::ActTextNotAllowed)
        } else if !seen.insert((found.act, found.text.as_str())) {
            ("act", Reason::ActRepeated)
        } else {
            continue;
        };
        return Err(Flaw::new(format!("acts[{place}].{part}"), reason));
    }
    Ok(())
}

fn check_measures(record: &Record, now: Instant) -> Result<(), Flaw> {
    if record.measures.len() > MEASURES {
        return Err(Flaw::new("measures", Reason::TooManyMeasures));
    }
    if !record.measures.is_empty() && record.acts.iter().all(|found| found.case.is_some()) {
        return Err(Flaw::new("measures", Reason::MeasureWithoutAct));
    }
    let mut seen = BTreeSet::new();
    for (place, measure) in record.measures.iter().enumerate() {
        let flaw = |part: &str, reason| Flaw::new(format!("measures[{place}].{part}"), reason);
        measure.check(now).map_err(|why| flaw(why.field(), Reason::Measure(why)))?;
        if measure.decided_at < record.inspected_at {
            return Err(flaw("decided_at", Reason::MeasureBeforeInspection));
        }
        if !seen.insert(measure.id.as_str()) {
            return Err(flaw("measure_id", Reason::MeasureIdReused));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
