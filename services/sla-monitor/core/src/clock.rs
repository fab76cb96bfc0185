//! The clocks of the loop, by the codes of the clock table.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A clock of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clock {
    /// 告知村支部书记 (clause C2).
    V1,
    /// 教育劝导 (clause C3).
    V2,
    /// 上报乡镇 (clause C4).
    V3,
    /// 听劝后回访 (clause C3).
    V4,
    /// 乡镇中心研判 (clause C6).
    T1,
    /// 乡镇机构反馈结果 (clause C7).
    T2,
    /// 退回后上报县区 (clause C8).
    T3,
    /// 县区办公室派单 (clause C10).
    K1,
    /// 部门响应 (clause C11).
    K2,
    /// 部门反馈结果 (clause C12).
    K3,
    /// 向乡镇反馈结果 (clause C13).
    K4,
    /// 村居公开结果 (clause C5).
    P1,
    /// 每周巡查 (clause C1).
    W1,
    /// 每周广播 (clause D6).
    W2,
    /// 每周通报 (clause C9).
    W3,
    /// 月度报表 (clause C18).
    M1,
    /// 每月通报 (clause C14).
    M2,
    /// 季度评议 (clause E1).
    Q1,
    /// 有奖举报公告 (clause D5).
    N1,
}

/// The text is no clock's code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no clock")]
pub struct ClockError(pub String);

impl Clock {
    /// The clocks of cases, in the order of the table.
    pub const CASES: [Self; 12] = [
        Self::V1,
        Self::V2,
        Self::V3,
        Self::V4,
        Self::T1,
        Self::T2,
        Self::T3,
        Self::K1,
        Self::K2,
        Self::K3,
        Self::K4,
        Self::P1,
    ];

    /// The clocks of periodic duties, in the order of the table.
    pub const DUTIES: [Self; 7] = [Self::W1, Self::W2, Self::W3, Self::M1, Self::M2, Self::Q1, Self::N1];

    /// All clocks.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::CASES.into_iter().chain(Self::DUTIES)
    }

    /// Whether it is the clock of a periodic duty, which no case starts.
    #[must_use]
    pub const fn is_duty(self) -> bool {
        matches!(self, Self::W1 | Self::W2 | Self::W3 | Self::M1 | Self::M2 | Self::Q1 | Self::N1)
    }

    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
            Self::V3 => "V3",
            Self::V4 => "V4",
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::T3 => "T3",
            Self::K1 => "K1",
            Self::K2 => "K2",
            Self::K3 => "K3",
            Self::K4 => "K4",
            Self::P1 => "P1",
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::M1 => "M1",
            Self::M2 => "M2",
            Self::Q1 => "Q1",
            Self::N1 => "N1",
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Clock {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<Self, ClockError> {
        Self::all().find(|clock| clock.code() == text).ok_or_else(|| ClockError(text.chars().take(20).collect()))
    }
}

impl Serialize for Clock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
