//! The rule of clause F1: which facts an event is, and in which one leaf unit each of them is counted.

use dafei_kernel::{
    act::Act,
    ids,
    sector::Sector,
    subject::Subject,
    time::{Instant, Month},
};
use uuid::Uuid;

use crate::{
    column::Column,
    happening::{Happening, Measure, Source, What},
    unit::{LeafUnit, Unit},
};

/// The largest amount one fact may have (10 billion yuan in fen): sums of them never overflow.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// One counted thing, in exactly one leaf unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Derived from what it is about (case, act or measure, column): told again, in whatever order, it is the same fact.
    pub fact_id: Uuid,
    /// Who files it.
    pub leaf: LeafUnit,
    /// Civil month of `at`.
    pub month: Month,
    /// Row of the table; none goes to 未分领域.
    pub sector: Option<Sector>,
    /// Act it is about.
    pub act: Option<Act>,
    /// Where its case comes from.
    pub source: Option<Source>,
    /// Column.
    pub column: Column,
    /// Count, or fen in money columns; over 0, at most [`MAX_AMOUNT`].
    pub amount: i64,
    /// What is counted once within leaf unit, sector and month in a distinct column: an enterprise's credit code, or a den's case.
    pub distinct_key: Option<String>,
    /// When it happened.
    pub at: Instant,
    /// The case.
    pub case_id: Option<Uuid>,
    /// The event that told it.
    pub event_id: Uuid,
    /// That event's sequence in the case.
    pub sequence: i64,
}

/// A happening that cannot be counted anywhere: a fault of the event, never dropped silently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    /// The post files nothing, or the case does not lie in its region.
    #[error("no filing unit for {role} {region} in {path}")]
    NoUnit {
        /// Role of the doer.
        role: &'static str,
        /// Region of the doer.
        region: String,
        /// Where the case lies.
        path: String,
    },
    /// Zero, negative, or beyond what one fact can be.
    #[error("{0} is no amount of a fact")]
    Amount(i64),
}

/// The facts that a happening is; none when the table has no column for it.
///
/// # Errors
/// When it should count, but in no unit or amount.
pub fn facts_of(happening: &Happening) -> Result<Vec<Fact>, Uncountable> {
    let Some(counted) = counted(happening) else {
        return Ok(Vec::new());
    };
    if !(1..=MAX_AMOUNT).contains(&counted.amount) {
        return Err(Uncountable::Amount(counted.amount));
    }
    let leaf = Unit::of_post(&happening.by, &happening.path)
        .and_then(|unit| LeafUnit::within(unit, &happening.path))
        .ok_or_else(|| Uncountable::NoUnit {
        role: happening.by.role.code(),
        region: happening.by.region.to_string(),
        path: happening.path.to_string(),
    })?;
    let (case, column) = (happening.case_id.to_string(), counted.column.number().to_string());
    Ok(vec![Fact {
        fact_id: ids::derived(&["fact", &case, &column, counted.kind, &counted.about]),
        leaf,
        month: Month::of(happening.at),
        sector: happening.sector,
        act: happening.act,
        source: happening.source,
        column: counted.column,
        amount: counted.amount,
        distinct_key: counted.distinct_key,
        at: happening.at,
        case_id: Some(happening.case_id),
        event_id: happening.event_id,
        sequence: happening.sequence,
    }])
}

/// Which column a happening counts in, and how much.
struct Counted {
    column: Column,
    amount: i64,
    /// What within the case, told again it is the same fact: an act or a measure, and which.
    kind: &'static str,
    about: String,
    distinct_key: Option<String>,
}

fn counted(happening: &Happening) -> Option<Counted> {
    match &happening.what {
        What::ActConfirmed { act } => Some(Counted {
            column: Column::IllegalActs,
            amount: 1,
            kind: "act",
            about: act.code().to_owned(),
            distinct_key: None,
        }),
        What::Measure { measure_id, measure, subject } => {
            let (column, amount) = match (measure, subject) {
                (Measure::Fine { fen }, _) => (Column::Fines, *fen),
                (Measure::CriminalMeasure { persons }, _) => (Column::CriminalMeasures, i64::from(*persons)),
                (Measure::StopProduction, Subject::Enterprise { .. }) => (Column::StoppedEnterprises, 1),
                (Measure::CloseDown, Subject::Den { .. }) => (Column::ClosedDens, 1),
                // The form counts stopped enterprises (停产整顿企业) and closed dens (取缔窝点), not the other way about.
                (Measure::StopProduction, Subject::Den { .. }) | (Measure::CloseDown, Subject::Enterprise { .. }) => {
                    return None;
                }
            };
            let distinct_key = column.is_distinct().then(|| match subject {
                Subject::Enterprise { credit_code, .. } => credit_code.to_string(),
                // A den has no number of its own: its case stands for it.
                Subject::Den { .. } => happening.case_id.to_string(),
            });
            Some(Counted { column, amount, kind: "measure", about: measure_id.clone(), distinct_key })
        }
    }
}
