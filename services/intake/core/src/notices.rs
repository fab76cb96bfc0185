//! 有奖举报公告 and 工作通告 (clause D5): a village's valid places, the pairs that are too close, and whether a notice can be the village's at all.
//!
//! A place is valid where a reward notice hangs that is not too close to a valid one recorded before it. The order is that of recording, so that what
//! is entered later never takes a place away that counted already; the outcome does not depend on the order in which notices are given to it.

use dafei_kernel::{geo::distance_m, subject::Position};
use uuid::Uuid;

/// Most notices that hang in one village at a time.
pub const HANGING: usize = 200;

/// What is asked of a village's notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How far apart places must be, in metres.
    pub distance_m: u32,
    /// How much closer they may be measured, in metres: what a phone's position errs.
    pub tolerance_m: u32,
    /// How many valid places a village needs.
    pub required: u32,
    /// How far a notice may hang from the middle of the village's other ones, in metres.
    pub reach_m: u32,
}

impl Default for Rules {
    /// The document's 10 places 50 m apart; tolerance and reach are local defaults.
    fn default() -> Self {
        Self { distance_m: 50, tolerance_m: 5, required: 10, reach_m: 10_000 }
    }
}

/// A notice that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hanging {
    /// Its id.
    pub id: Uuid,
    /// Its place in the order in which the village's notices were recorded: no two have the same.
    pub order: i64,
    /// True for a reward notice; work notices never count.
    pub reward: bool,
    /// Where.
    pub position: Position,
}

/// Two reward notices under the distance that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosePair {
    /// The one that was recorded first.
    pub first: Uuid,
    /// The other one.
    pub second: Uuid,
    /// Great-circle distance, in metres.
    pub distance_m: f64,
    /// Whether the tolerance covers the gap: then the pair is shown, and is not too close.
    pub tolerated: bool,
}

/// How a village stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// The notices at valid places, in the order of their recording.
    pub valid: Vec<Uuid>,
    /// Every pair under the distance that is asked for, in the order of recording.
    pub pairs: Vec<ClosePair>,
}

impl Standing {
    /// How many places are valid.
    #[must_use]
    pub fn valid_places(&self) -> u32 {
        u32::try_from(self.valid.len()).unwrap_or(u32::MAX)
    }

    /// How many pairs are too close, also with the tolerance.
    #[must_use]
    pub fn close_pairs(&self) -> u32 {
        u32::try_from(self.pairs.iter().filter(|pair| !pair.tolerated).count()).unwrap_or(u32::MAX)
    }
}

/// Whether a village with these numbers is behind: too few places, or a pair too close.
#[must_use]
pub const fn lacking(valid_places: u32, close_pairs: u32, required: u32) -> bool {
    valid_places < required || close_pairs > 0
}

/// How a village stands with the notices that hang in it.
#[must_use]
pub fn standing(hanging: &[Hanging], rules: &Rules) -> Standing {
    let mut places: Vec<&Hanging> = hanging.iter().filter(|notice| notice.reward).collect();
    places.sort_unstable_by_key(|notice| notice.order);
    let mut standing = Standing::default();
    for (index, notice) in places.iter().enumerate() {
        let mut valid = true;
        for before in &places[..index] {
            // Always measured from the earlier one, so that a pair has one distance to the last bit.
            let distance = distance_m(before.position, notice.position);
            if distance >= f64::from(rules.distance_m) {
                continue;
            }
            let tolerated = distance >= f64::from(rules.distance_m.saturating_sub(rules.tolerance_m));
            let (first, second) = (before.id, notice.id);
            standing.pairs.push(ClosePair { first, second, distance_m: distance, tolerated });
            valid &= tolerated || !standing.valid.contains(&before.id);
        }
        if valid {
            standing.valid.push(notice.id);
        }
    }
    standing
}

/// Why a position cannot be one of a village's notice.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Outside {
    /// Not in China: a phone that knows no position sends zeros.
    #[error("lies outside of China")]
    OfChina,
    /// Too far from where the village's notices hang.
    #[error("lies {0:.0} m from the middle of the village's notices")]
    OfVillage(f64),
}

/// Whether a notice can hang in the village. The roster has no borders of villages: what is known of a village's area is where its other notices hang,
/// reward and work notices alike. A notice must lie within the rules' reach of their middle (mean direction from the earth's centre). The first one of a
/// village has nothing to be compared with but the country's extent.
///
/// # Errors
/// When it lies outside.
pub fn check_inside(position: Position, others: &[Hanging], rules: &Rules) -> Result<(), Outside> {
    const LATITUDES: std::ops::RangeInclusive<i32> = 30_000_000..=540_000_000;
    const LONGITUDES: std::ops::RangeInclusive<i32> = 730_000_000..=1_360_000_000;
    if !LATITUDES.contains(&position.lat_e7()) || !LONGITUDES.contains(&position.lon_e7()) {
        return Err(Outside::OfChina);
    }
    let Some(middle) = middle(others) else { return Ok(()) };
    let distance = distance_m(middle, position);
    if distance > f64::from(rules.reach_m) { Err(Outside::OfVillage(distance)) } else { Ok(()) }
}

/// The middle of notices; none without any, or where they lie around the whole earth.
fn middle(notices: &[Hanging]) -> Option<Position> {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for notice in notices {
        let (lat, lon) = (radians(notice.position.lat_e7()), radians(notice.position.lon_e7()));
        x += lat.cos() * lon.cos();
        y += lat.cos() * lon.sin();
        z += lat.sin();
    }
    if (x * x + y * y + z * z).sqrt() < 1e-9 {
        return None;
    }
    Position::new(e7(z.atan2(x.hypot(y))), e7(y.atan2(x))).ok()
}

fn radians(e7: i32) -> f64 {
    (f64::from(e7) / 1e7).to_radians()
}

/// An angle of at most half a turn, which an `i32` holds.
fn e7(radians: f64) -> i32 {
    (radians.to_degrees() * 1e7).round() as i32
}
