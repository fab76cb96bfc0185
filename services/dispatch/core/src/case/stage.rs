//! Where a case stands; each stage carries what only it has.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::Cause;

/// A tier of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Township centre and its agencies (乡镇吹哨).
    Township,
    /// County office and departments (部门报到).
    County,
    /// City office and departments (市直部门).
    City,
}

/// Where a case stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum Stage {
    /// At the centre, undecided (T1 runs).
    AtCentre,
    /// With a township agency (T2 runs).
    WithTownshipAgency {
        /// The instruction it has.
        instruction: Uuid,
    },
    /// The agency lacked the authority; the centre decides again (T3 runs).
    Declined {
        /// The instruction it declined.
        instruction: Uuid,
    },
    /// The agency's result is at the centre.
    TownshipResult {
        /// The instruction that has the result.
        instruction: Uuid,
    },
    /// At the county office, unassigned (K1 runs).
    AtOffice,
    /// With the departments (K2 and K3 run).
    WithDepartment {
        /// The lead's instruction.
        lead: Uuid,
    },
    /// The lead's result is at the office (K4 runs).
    DepartmentResult {
        /// The lead's instruction.
        lead: Uuid,
    },
    /// The outcome is with the village (P1 runs).
    OutcomeAvailable {
        /// The tier that handled it.
        tier: Tier,
        /// Text for the notice board.
        public_text: String,
    },
    /// Closed: only later facts are taken.
    Closed {
        /// The tier that handled it.
        tier: Tier,
        /// Text for the notice board; empty when it was withdrawn before there was one.
        public_text: String,
        /// Why it is closed.
        cause: Cause,
    },
}

/// A stage without its data: what a rejection names and a list filters by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageKind {
    /// [`Stage::AtCentre`].
    AtCentre,
    /// [`Stage::WithTownshipAgency`].
    WithTownshipAgency,
    /// [`Stage::Declined`].
    Declined,
    /// [`Stage::TownshipResult`].
    TownshipResult,
    /// [`Stage::AtOffice`].
    AtOffice,
    /// [`Stage::WithDepartment`].
    WithDepartment,
    /// [`Stage::DepartmentResult`].
    DepartmentResult,
    /// [`Stage::OutcomeAvailable`].
    OutcomeAvailable,
    /// [`Stage::Closed`].
    Closed,
}

impl Stage {
    /// The stage without its data.
    #[must_use]
    pub const fn kind(&self) -> StageKind {
        match self {
            Self::AtCentre => StageKind::AtCentre,
            Self::WithTownshipAgency { .. } => StageKind::WithTownshipAgency,
            Self::Declined { .. } => StageKind::Declined,
            Self::TownshipResult { .. } => StageKind::TownshipResult,
            Self::AtOffice => StageKind::AtOffice,
            Self::WithDepartment { .. } => StageKind::WithDepartment,
            Self::DepartmentResult { .. } => StageKind::DepartmentResult,
            Self::OutcomeAvailable { .. } => StageKind::OutcomeAvailable,
            Self::Closed { .. } => StageKind::Closed,
        }
    }

    /// The tier that has the case, or had it last; a case that no county has is the city's all the same: see [`super::Case::tier`].
    #[must_use]
    pub const fn tier(&self) -> Tier {
        match self {
            Self::AtCentre | Self::WithTownshipAgency { .. } | Self::Declined { .. } | Self::TownshipResult { .. } => {
                Tier::Township
            }
            Self::AtOffice | Self::WithDepartment { .. } | Self::DepartmentResult { .. } => Tier::County,
            Self::OutcomeAvailable { tier, .. } | Self::Closed { tier, .. } => *tier,
        }
    }

    /// Text for the notice board, once there is one.
    #[must_use]
    pub fn public_text(&self) -> &str {
        match self {
            Self::OutcomeAvailable { public_text, .. } | Self::Closed { public_text, .. } => public_text,
            Self::AtCentre
            | Self::WithTownshipAgency { .. }
            | Self::Declined { .. }
            | Self::TownshipResult { .. }
            | Self::AtOffice
            | Self::WithDepartment { .. }
            | Self::DepartmentResult { .. } => "",
        }
    }
}

impl StageKind {
    /// All stages in the order of the loop.
    pub const ALL: [Self; 9] = [
        Self::AtCentre,
        Self::WithTownshipAgency,
        Self::Declined,
        Self::TownshipResult,
        Self::AtOffice,
        Self::WithDepartment,
        Self::DepartmentResult,
        Self::OutcomeAvailable,
        Self::Closed,
    ];

    /// Stable code, as in the API's `CaseState` without its prefix.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AtCentre => "AT_CENTRE",
            Self::WithTownshipAgency => "WITH_TOWNSHIP_AGENCY",
            Self::Declined => "DECLINED",
            Self::TownshipResult => "TOWNSHIP_RESULT",
            Self::AtOffice => "AT_OFFICE",
            Self::WithDepartment => "WITH_DEPARTMENT",
            Self::DepartmentResult => "DEPARTMENT_RESULT",
            Self::OutcomeAvailable => "OUTCOME_AVAILABLE",
            Self::Closed => "CLOSED",
        }
    }

    /// What a clerk calls it.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::AtCentre => "乡镇中心待研判",
            Self::WithTownshipAgency => "乡镇站所处置中",
            Self::Declined => "站所已退回，乡镇中心待研判",
            Self::TownshipResult => "站所已报结果，乡镇中心待确认",
            Self::AtOffice => "县打非办待派单",
            Self::WithDepartment => "部门办理中",
            Self::DepartmentResult => "部门已报结果，县打非办待反馈",
            Self::OutcomeAvailable => "结果已反馈，村居待公开",
            Self::Closed => "已办结",
        }
    }
}
