//! What was told, as far as it counts: the service makes it of the bus's events.

use dafei_kernel::{act::Act, owner::Post, region::RegionPath, sector::Sector, subject::Subject, time::Instant};
use uuid::Uuid;

/// Where a case comes from (clause C16). Figures count whatever the source; it is kept for the split by source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// 网格上报.
    GridReport,
    /// 群众举报.
    PublicTip,
    /// 上级督办.
    SuperiorSupervision,
    /// 日常检查.
    DailyCheck,
    /// 事故.
    Accident,
}

impl Source {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::GridReport => "grid-report",
            Self::PublicTip => "public-tip",
            Self::SuperiorSupervision => "superior-supervision",
            Self::DailyCheck => "daily-check",
            Self::Accident => "accident",
        }
    }
}

/// A happening in a case that the table may count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// The case.
    pub case_id: Uuid,
    /// The event that told it.
    pub event_id: Uuid,
    /// Its sequence in the case. Of two events that tell the same thing the first one counts.
    pub sequence: i64,
    /// Regions from the city down to where the case lies, as administered when it was told.
    pub path: RegionPath,
    /// Who did it: the filing unit is theirs.
    pub by: Post,
    /// When it happened, which decides the month.
    pub at: Instant,
    /// Sector of the case.
    pub sector: Option<Sector>,
    /// Act it is about.
    pub act: Option<Act>,
    /// Where the case comes from.
    pub source: Option<Source>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// 查出非法行为: the act is confirmed, once per case and act.
    ActConfirmed {
        /// The act.
        act: Act,
    },
    /// A measure was taken (clause F3).
    Measure {
        /// Unique within the case.
        measure_id: String,
        /// Which measure.
        measure: Measure,
        /// Enterprise or den.
        subject: Subject,
    },
}

/// A measure, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// 关闭取缔: counts where a den was closed.
    CloseDown,
    /// 行政处罚.
    Fine {
        /// In fen, over 0.
        fen: i64,
    },
    /// 停产整顿: counts where an enterprise was stopped.
    StopProduction,
    /// 采取刑事措施.
    CriminalMeasure {
        /// How many persons.
        persons: u32,
    },
}
