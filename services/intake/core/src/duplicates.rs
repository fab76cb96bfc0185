//! Which reports are likely about one matter (疑似重复线索): a suggestion to those who handle them, who may merge them. Nothing is merged by
//! itself.

use dafei_kernel::{act::Act, credit_code::CreditCode, geo, subject::Position, subject::Subject, time::Instant};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::suspicion::Facts;

/// When two reports are likely about one matter (local defaults).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Likeness {
    /// How far apart two dens may lie, metres.
    pub radius_m: u32,
    /// How many days may lie between two findings.
    pub window_days: u32,
}

impl Default for Likeness {
    fn default() -> Self {
        Self { radius_m: 200, window_days: 30 }
    }
}

impl Likeness {
    /// The first and the last instant of a finding that is near in time to another.
    #[must_use]
    pub fn window(self, found_at: Instant) -> (Instant, Instant) {
        let days = SignedDuration::from_hours(24 * i64::from(self.window_days));
        (found_at.checked_sub(days).unwrap_or(Instant::MIN), found_at.checked_add(days).unwrap_or(Instant::MAX))
    }
}

/// Another report, with what likeness is seen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The case.
    pub id: Uuid,
    /// Its act.
    pub act: Act,
    /// Enterprise or den.
    pub subject: Subject,
    /// The finding.
    pub found_at: Instant,
}

/// Why two reports are likely about one matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The same enterprise and the same act, wherever it was found.
    SameEnterprise,
    /// The same act at dens that lie near each other.
    NearbyDen {
        /// How far apart, whole metres.
        distance_m: u32,
    },
}

/// The likely duplicates among the candidates, the likeliest first: the enterprise's own, then by distance.
#[must_use]
pub fn likely(of: &Facts, candidates: &[Candidate], likeness: Likeness) -> Vec<(Uuid, Why)> {
    let (from, until) = likeness.window(of.found_at);
    let mut found: Vec<(Uuid, Why)> = candidates
        .iter()
        .filter(|other| other.id != of.id && other.act == of.act && (from..=until).contains(&other.found_at))
        .filter_map(|other| Some((other.id, why(&of.subject, &other.subject, likeness)?)))
        .collect();
    found.sort_by_key(|(id, why)| (*why, *id));
    found.dedup();
    found
}

fn why(one: &Subject, other: &Subject, likeness: Likeness) -> Option<Why> {
    if let (Some(one), Some(other)) = (credit_code(one), credit_code(other)) {
        return (one == other).then_some(Why::SameEnterprise);
    }
    let distance = geo::distance_m(position(one)?, position(other)?);
    (distance <= f64::from(likeness.radius_m)).then_some(Why::NearbyDen { distance_m: distance.round() as u32 })
}

/// The credit code of an enterprise.
#[must_use]
pub const fn credit_code(subject: &Subject) -> Option<&CreditCode> {
    match subject {
        Subject::Enterprise { credit_code, .. } => Some(credit_code),
        Subject::Den { .. } => None,
    }
}

/// Where a den is, when the report says.
#[must_use]
pub const fn position(subject: &Subject) -> Option<Position> {
    match subject {
        Subject::Den { position, .. } => *position,
        Subject::Enterprise { .. } => None,
    }
}
