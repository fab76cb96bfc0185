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
}

/// The text is no clock's code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no clock")]
pub struct ClockError(pub String);

impl Clock {
    /// All clocks, in the order of the table.
    pub const ALL: [Self; 12] = [
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
        Self::ALL
            .into_iter()
            .find(|clock| clock.code() == text)
            .ok_or_else(|| ClockError(text.chars().take(20).collect()))
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
