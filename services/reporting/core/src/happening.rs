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

/// Something that happened and that the table may count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// What it happened to: a case, an inspection, a tip, a reward, a notice or a distribution of leaflets. Told again of the same thing, it is the
    /// same fact.
    pub about: Uuid,
    /// The case that it belongs to; none where there is none, or where it must not be known (a reward).
    pub case_id: Option<Uuid>,
    /// The event that told it.
    pub event_id: Uuid,
    /// Its sequence in its aggregate. Of two events that tell the same thing the first one counts.
    pub sequence: i64,
    /// Regions from the city down to where it happened, as administered when it was told.
    pub path: RegionPath,
    /// Who did it: the filing unit is theirs, but for criminal measures of a case, which name its lead.
    pub by: Post,
    /// When it happened, which decides the month.
    pub at: Instant,
    /// Sector; none for what has none (a notice, a leaflet).
    pub sector: Option<Sector>,
    /// Act it is about.
    pub act: Option<Act>,
    /// Where its case comes from.
    pub source: Option<Source>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// 检查: an inspection, once per inspection. Only enforcement inspections of enterprises have a column.
    Inspected {
        /// 执法检查, not 日常检查.
        enforcement: bool,
        /// Enterprise or den.
        subject: Subject,
    },
    /// 查出非法行为: the act is confirmed, once per case and act.
    ActConfirmed {
        /// The act.
        act: Act,
    },
    /// 查出非法行为: an inspection found the act, once per inspection, act and text. One that became a case counts there.
    ActFound {
        /// The act.
        act: Act,
        /// What an act xx-99 is; else empty.
        text: String,
        /// Whether it became a case.
        became_case: bool,
    },
    /// A measure was taken (clause F3).
    Measure {
        /// Unique within what it is about.
        measure_id: String,
        /// Which measure.
        measure: Measure,
        /// Enterprise or den.
        subject: Subject,
        /// The lead of the case's assignment; none for a measure of an inspection, and in events of before leads were told.
        lead: Option<Post>,
    },
    /// 核实举报线索: the verification of a tip is concluded, once per tip.
    TipVerified {
        /// What became of it.
        verdict: Verdict,
    },
    /// 兑现举报奖励: a reward was paid, once per announcement.
    RewardPaid {
        /// In fen, over 0.
        fen: i64,
    },
    /// 张贴: a notice was posted. Work notices have no column.
    NoticePosted {
        /// 有奖举报公告, not 工作通告.
        reward: bool,
        /// How many.
        copies: u32,
    },
    /// 发放明白纸: leaflets were handed out.
    LeafletsDistributed {
        /// How many.
        copies: u32,
    },
}

/// What the verification of a tip found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// 属实.
    True,
    /// 不实.
    False,
}

impl Verdict {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
        }
    }
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
