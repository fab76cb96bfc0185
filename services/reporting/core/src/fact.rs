//! The rule of clause F1: which facts an event is, and in which one leaf unit each of them is counted.

use dafei_kernel::{
    act::Act,
    ids,
    owner::Post,
    region::RegionPath,
    sector::Sector,
    subject::Subject,
    time::{Instant, Month},
};
use uuid::Uuid;

use crate::{
    column::Column,
    happening::{Happening, Measure, Source, Verdict, What},
    unit::{LeafUnit, Unit},
};

/// The largest amount one fact may have (10 billion yuan in fen): sums of them never overflow.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// One counted thing, in exactly one leaf unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Derived from what it is about (case or another thing, act or measure, column): told again, in whatever order, it is the same fact.
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
    /// What is counted once within leaf unit, sector and month in a distinct column: an enterprise's credit code, or a den's case or inspection.
    pub distinct_key: Option<String>,
    /// When it happened.
    pub at: Instant,
    /// What became of a verified tip; none for every other fact.
    pub verdict: Option<Verdict>,
    /// The case; none where there is none.
    pub case_id: Option<Uuid>,
    /// The event that told it.
    pub event_id: Uuid,
    /// That event's sequence in its aggregate.
    pub sequence: i64,
}

impl Fact {
    /// Takes in the same fact, told again. It counts where and when it was first told; but a tip that was found untrue and then true is true, of the
    /// month in which it was verified (其中属实 is a part of column 6). A true one stays true.
    pub fn hear_again(&mut self, again: &Self) {
        if again.is_true_tip() {
            self.verdict = again.verdict;
        }
    }

    /// Whether it is a verified tip that was found true.
    #[must_use]
    pub fn is_true_tip(&self) -> bool {
        self.verdict == Some(Verdict::True)
    }
}

/// A happening that cannot be counted anywhere: a fault of the event, never dropped silently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    /// The post files nothing, or it did not happen in its region.
    #[error("no filing unit for {role} {region} in {path}")]
    NoUnit {
        /// Role of the doer.
        role: &'static str,
        /// Region of the doer.
        region: String,
        /// Where it happened.
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
    let leaf = leaf_of(filer(happening), &happening.path)?;
    let (about, column) = (happening.about.to_string(), counted.column.number().to_string());
    Ok(vec![Fact {
        fact_id: ids::derived(&["fact", &about, &column, counted.kind, &counted.which]),
        leaf,
        month: Month::of(happening.at),
        sector: happening.sector,
        act: happening.act,
        source: happening.source,
        column: counted.column,
        amount: counted.amount,
        distinct_key: counted.distinct_key,
        at: happening.at,
        verdict: match happening.what {
            What::TipVerified { verdict } => Some(verdict),
            _ => None,
        },
        case_id: happening.case_id,
        event_id: happening.event_id,
        sequence: happening.sequence,
    }])
}

/// Whose unit files a happening: who did it; persons under criminal measures of a case are its lead's (column 5).
const fn filer(happening: &Happening) -> &Post {
    match &happening.what {
        What::Measure { measure: Measure::CriminalMeasure { .. }, lead: Some(lead), .. } => lead,
        _ => &happening.by,
    }
}

/// The leaf unit of who did something, where it happened.
pub(crate) fn leaf_of(by: &Post, path: &RegionPath) -> Result<LeafUnit, Uncountable> {
    Unit::of_post(by, path).and_then(|unit| LeafUnit::within(unit, path)).ok_or_else(|| Uncountable::NoUnit {
        role: by.role.code(),
        region: by.region.to_string(),
        path: path.to_string(),
    })
}

/// Which column a happening counts in, and how much.
struct Counted {
    column: Column,
    amount: i64,
    /// What of the thing it is about, told again it is the same fact: an act or a measure, and which; else nothing more.
    kind: &'static str,
    which: String,
    distinct_key: Option<String>,
}

impl Counted {
    /// What happens to a thing once.
    const fn once(column: Column, kind: &'static str, amount: i64) -> Self {
        Self { column, amount, kind, which: String::new(), distinct_key: None }
    }

    fn act(which: String) -> Self {
        Self { which, ..Self::once(Column::IllegalActs, "act", 1) }
    }
}

fn counted(happening: &Happening) -> Option<Counted> {
    Some(match &happening.what {
        What::Inspected { enforcement: true, subject: subject @ Subject::Enterprise { .. } } => Counted {
            distinct_key: Some(key(happening, subject)),
            ..Counted::once(Column::InspectedEnterprises, "inspected", 1)
        },
        What::ActConfirmed { act } => Counted::act(act.code().to_owned()),
        What::ActFound { act, text, became_case: false } if text.is_empty() => Counted::act(act.code().to_owned()),
        What::ActFound { act, text, became_case: false } => Counted::act(format!("{} {text}", act.code())),
        What::Measure { measure_id, measure, subject, lead: _ } => {
            return measured(happening, measure_id, *measure, subject);
        }
        What::TipVerified { .. } => Counted::once(Column::VerifiedTips, "verified", 1),
        What::RewardPaid { fen } => Counted::once(Column::RewardsPaid, "paid", *fen),
        What::NoticePosted { reward: true, copies } => {
            Counted::once(Column::NoticesPosted, "posted", i64::from(*copies))
        }
        What::LeafletsDistributed { copies } => {
            Counted::once(Column::LeafletsHandedOut, "distributed", i64::from(*copies))
        }
        // The form counts enforcement inspections of enterprises and reward notices; an act that became a case counts there.
        What::Inspected { .. } | What::ActFound { .. } | What::NoticePosted { .. } => return None,
    })
}

fn measured(happening: &Happening, measure_id: &str, measure: Measure, subject: &Subject) -> Option<Counted> {
    let (column, amount) = match (measure, subject) {
        (Measure::Fine { fen }, _) => (Column::Fines, fen),
        (Measure::CriminalMeasure { persons }, _) => (Column::CriminalMeasures, i64::from(persons)),
        (Measure::StopProduction, Subject::Enterprise { .. }) => (Column::StoppedEnterprises, 1),
        (Measure::CloseDown, Subject::Den { .. }) => (Column::ClosedDens, 1),
        // The form counts stopped enterprises (停产整顿企业) and closed dens (取缔窝点), not the other way about.
        (Measure::StopProduction, Subject::Den { .. }) | (Measure::CloseDown, Subject::Enterprise { .. }) => {
            return None;
        }
    };
    let distinct_key = column.is_distinct().then(|| key(happening, subject));
    Some(Counted { column, amount, kind: "measure", which: measure_id.to_owned(), distinct_key })
}

/// What stands for a subject where it counts once.
fn key(happening: &Happening, subject: &Subject) -> String {
    match subject {
        Subject::Enterprise { credit_code, .. } => credit_code.to_string(),
        // A den has no number of its own: its case stands for it, or the inspection that closed it.
        Subject::Den { .. } => happening.about.to_string(),
    }
}
