//! Measures (clause F3): what was done to the illegal act, typed so that the monthly table can count it.

use dafei_kernel::{money::Fen, time::Instant};
use serde::{Deserialize, Serialize};

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
}

/// A measure taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Chosen by the decider, unique within the case: a measure sent twice is one.
    pub id: String,
    /// When it was decided or carried out: the month in which it counts.
    pub decided_at: Instant,
    /// Which.
    #[serde(flatten)]
    pub kind: MeasureKind,
}
