//! Measures (clause F3): what was done to an illegal act, typed so that the monthly table can count it. A case's result brings them, and an
//! inspection that settles an act itself.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{money::Fen, time::Instant};

/// The largest fine, in fen: 100 亿元.
pub const MAX_FINE: i64 = 1_000_000_000_000;

/// How far ahead of the suite a decision may lie.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Which measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MeasureKind {
    /// 关闭取缔. Column 7 counts dens; of an enterprise's illegal part it is kept and not counted.
    CloseDown {
        /// How it was closed.
        note: String,
    },
    /// 行政处罚.
    Fine {
        /// Over zero.
        amount: Fen,
        /// Number of the decision.
        decision_number: String,
        /// Why it is not the maximum (从轻、减轻); empty when it is.
        mitigation: String,
    },
    /// 停产整顿.
    StopProduction {
        /// Number of the order.
        order_number: String,
    },
    /// 采取刑事措施.
    CriminalMeasure {
        /// How many persons; over zero.
        persons: u32,
    },
    /// 移送公安机关 (行刑衔接). Counted in no column: the criminal measures that follow are.
    CriminalTransfer {
        /// Number of the document.
        document_number: String,
        /// How many suspects it names.
        persons: u32,
    },
    /// 停水、停电: an order to a supplier. What became of it is its compliance.
    CutOff {
        /// Water or power.
        utility: Utility,
        /// The supplier that has to obey.
        addressee: String,
        /// Number of the order.
        order_number: String,
    },
    /// 强制执行 of a decision that was not obeyed.
    Enforcement {
        /// The agency itself or the court.
        by: EnforcedBy,
        /// Number of the decision.
        decision_number: String,
    },
}

/// What is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Utility {
    /// 停水.
    Water,
    /// 停电.
    Power,
}

/// Who enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnforcedBy {
    /// 依法强制执行: the agency itself.
    Agency,
    /// 申请人民法院强制执行.
    Court,
}

/// One of the four that are to be taken without exception (四个一律, 四(三) of the notice; clause F3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutException {
    /// 一律依法关闭取缔.
    CloseDown,
    /// 一律按自由裁量最高幅度予以处罚: a fine; one below the maximum names its legal ground.
    MaximumFine,
    /// 一律依法责令停产整顿.
    StopProduction,
    /// 一律严肃追究法律责任: a criminal measure or a transfer.
    LegalLiability,
}

impl WithoutException {
    /// All four, as the notice names them.
    pub const ALL: [Self; 4] = [Self::CloseDown, Self::MaximumFine, Self::StopProduction, Self::LegalLiability];

    /// Name of its field on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CloseDown => "close_down",
            Self::MaximumFine => "maximum_fine",
            Self::StopProduction => "stop_production",
            Self::LegalLiability => "legal_liability",
        }
    }
}

impl MeasureKind {
    /// Which of the four it is.
    #[must_use]
    pub const fn without_exception(&self) -> Option<WithoutException> {
        match self {
            Self::CloseDown { .. } => Some(WithoutException::CloseDown),
            Self::Fine { .. } => Some(WithoutException::MaximumFine),
            Self::StopProduction { .. } => Some(WithoutException::StopProduction),
            Self::CriminalMeasure { .. } | Self::CriminalTransfer { .. } => Some(WithoutException::LegalLiability),
            Self::CutOff { .. } | Self::Enforcement { .. } => None,
        }
    }
}

/// What became of a decision by its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComplianceOutcome {
    /// 已履行.
    Complied,
    /// 拒不履行.
    Refused,
    /// 敷衍应付.
    Perfunctory,
}

/// What became of a decision, and when that was established.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compliance {
    /// What became of it.
    pub outcome: ComplianceOutcome,
    /// When it was established.
    pub established_at: Instant,
    /// What was found.
    pub note: String,
}

/// A measure taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Chosen by the decider, unique within the case or the inspection: a measure sent twice is one.
    pub id: String,
    /// When it was decided or carried out: the month in which it counts.
    pub decided_at: Instant,
    /// By when it is to be complied with; at once (立即) when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comply_by: Option<Instant>,
    /// Which.
    #[serde(flatten)]
    pub kind: MeasureKind,
}

/// What is wrong with a measure, whatever it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{}", self.code())]
pub enum MeasureFlaw {
    /// It has no id.
    IdMissing,
    /// It was decided more than five minutes ahead of the suite's clock.
    InFuture,
    /// A fine must be over zero.
    FineNotPositive,
    /// A fine is at most [`MAX_FINE`].
    FineTooLarge,
    /// Persons must be over zero.
    PersonsNotPositive,
    /// Whoever is handed over is somebody.
    NobodyTransferred,
    /// Nothing can be complied with before it was decided.
    ComplyBeforeDecision,
}

impl MeasureFlaw {
    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::IdMissing => "MEASURE_ID_REQUIRED",
            Self::InFuture => "TIME_IN_FUTURE",
            Self::FineNotPositive => "FINE_NOT_POSITIVE",
            Self::FineTooLarge => "FINE_TOO_LARGE",
            Self::PersonsNotPositive | Self::NobodyTransferred => "PERSONS_NOT_POSITIVE",
            Self::ComplyBeforeDecision => "COMPLY_BEFORE_DECISION",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::IdMissing => "措施缺少编号",
            Self::InFuture => "时间晚于当前时间",
            Self::FineNotPositive => "罚款金额必须大于零",
            Self::FineTooLarge => "罚款金额超过一百亿元，请核对单位（分）",
            Self::PersonsNotPositive | Self::NobodyTransferred => "人数必须大于零",
            Self::ComplyBeforeDecision => "履行期限早于决定时间",
        }
    }

    /// The part of the measure that is at fault, as the wire names it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::IdMissing => "measure_id",
            Self::InFuture => "decided_at",
            Self::FineNotPositive | Self::FineTooLarge => "fine.amount_fen",
            Self::PersonsNotPositive => "criminal_measure.persons",
            Self::NobodyTransferred => "criminal_transfer.persons",
            Self::ComplyBeforeDecision => "comply_by",
        }
    }
}

impl Measure {
    /// Whether it can be one, at this instant of the suite.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, now: Instant) -> Result<(), MeasureFlaw> {
        if self.id.is_empty() {
            return Err(MeasureFlaw::IdMissing);
        }
        if self.decided_at.duration_since(now) > TOLERANCE {
            return Err(MeasureFlaw::InFuture);
        }
        if self.comply_by.is_some_and(|by| by < self.decided_at) {
            return Err(MeasureFlaw::ComplyBeforeDecision);
        }
        match &self.kind {
            MeasureKind::Fine { amount, .. } if amount.get() == 0 => Err(MeasureFlaw::FineNotPositive),
            MeasureKind::Fine { amount, .. } if amount.get() > MAX_FINE => Err(MeasureFlaw::FineTooLarge),
            MeasureKind::CriminalMeasure { persons: 0 } => Err(MeasureFlaw::PersonsNotPositive),
            MeasureKind::CriminalTransfer { persons: 0, .. } => Err(MeasureFlaw::NobodyTransferred),
            MeasureKind::Fine { .. }
            | MeasureKind::CriminalMeasure { .. }
            | MeasureKind::CloseDown { .. }
            | MeasureKind::StopProduction { .. }
            | MeasureKind::CriminalTransfer { .. }
            | MeasureKind::CutOff { .. }
            | MeasureKind::Enforcement { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{MAX_FINE, Measure, MeasureFlaw, MeasureKind};
    use crate::{money::Fen, time::Instant};

    fn now() -> Instant {
        "2026-11-23T10:00:00+08:00".parse().expect("an instant")
    }

    fn measure(kind: MeasureKind) -> Measure {
        Measure { id: "m".to_owned(), decided_at: now(), comply_by: None, kind }
    }

    fn fine(fen: i64) -> Measure {
        let amount = Fen::new(fen).expect("not below zero");
        measure(MeasureKind::Fine { amount, decision_number: String::new(), mitigation: String::new() })
    }

    #[test]
    fn each_flaw_of_a_measure_is_found() {
        let late = |minutes| Measure { decided_at: now() + SignedDuration::from_mins(minutes), ..fine(1) };
        let nobody = measure(MeasureKind::CriminalMeasure { persons: 0 });
        assert_eq!(Measure { id: String::new(), ..fine(1) }.check(now()), Err(MeasureFlaw::IdMissing));
        assert_eq!(late(6).check(now()), Err(MeasureFlaw::InFuture));
        assert_eq!(late(5).check(now()), Ok(()));
        assert_eq!(fine(0).check(now()), Err(MeasureFlaw::FineNotPositive));
        assert_eq!(fine(MAX_FINE + 1).check(now()), Err(MeasureFlaw::FineTooLarge));
        assert_eq!(fine(MAX_FINE).check(now()), Ok(()));
        assert_eq!(nobody.check(now()), Err(MeasureFlaw::PersonsNotPositive));
        let transfer =
            |persons| measure(MeasureKind::CriminalTransfer { document_number: "移送1号".to_owned(), persons });
        assert_eq!(transfer(0).check(now()), Err(MeasureFlaw::NobodyTransferred));
        assert_eq!(transfer(1).check(now()), Ok(()));
        let by = |minutes| Measure { comply_by: Some(now() + SignedDuration::from_mins(minutes)), ..fine(1) };
        assert_eq!(by(-1).check(now()), Err(MeasureFlaw::ComplyBeforeDecision));
        assert_eq!(by(0).check(now()), Ok(()));
    }
}
