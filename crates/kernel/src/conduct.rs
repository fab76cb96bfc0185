//! What people did beside the illegal act itself: who helped it (clause E4), and what harm it caused (clause E5).

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// How somebody helps an illegal operation knowingly (clause E4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessoryKind {
    /// 提供场地.
    Premises,
    /// 提供用水.
    Water,
    /// 提供用电.
    Power,
    /// 提供其它必要条件.
    Other,
    /// 知情不报.
    Concealed,
}

/// A party that helped an illegal operation (clause E4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accessory {
    /// Who.
    pub name: String,
    /// How.
    pub kind: AccessoryKind,
    /// What is known of it.
    pub note: String,
}

/// 生产安全事故或较大影响 caused by an illegal operation (clause E5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accident {
    /// When it happened.
    pub happened_at: Instant,
    /// 死亡人数.
    pub deaths: u32,
    /// 受伤人数.
    pub injured: u32,
    /// 较大影响, where no accident happened or beside it.
    pub major_impact: bool,
    /// What happened.
    pub description: String,
}
