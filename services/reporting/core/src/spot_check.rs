//! Spot checks (抽查, clause E2): a sample that anyone can draw again from the published seed and list. The method is told exactly, for any language, in
//! docs/spot-checks.md; everything in it is whole numbers.

use dafei_kernel::time::Instant;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

/// Days before a draw within which a case that was closed can still be drawn.
pub const CLOSED_WITHIN_DAYS: i64 = 90;
/// The most that are drawn at once.
pub const MAX_SIZE: u32 = 500;
/// Length of a seed, in characters.
pub const SEED: std::ops::RangeInclusive<usize> = 6..=100;

/// Something that can be drawn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weighted {
    /// Code of a village, or the id of a case.
    pub id: String,
    /// 1, and one for each open breach.
    pub weight: u32,
}

/// What is drawn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Villages.
    Village,
    /// Cases.
    Case,
}

impl Kind {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Village => "village",
            Self::Case => "case",
        }
    }

    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Village, Self::Case].into_iter().find(|kind| kind.code() == code)
    }
}

impl Weighted {
    /// The order of a list: that of the ids, as bytes.
    #[must_use]
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.id.as_bytes().cmp(other.id.as_bytes())
    }
}

/// SHA-256 of a list in lower-case hexadecimal: of the lines "id weight" in the order of ids, each ended by a line feed.
#[must_use]
pub fn digest(population: &[Weighted]) -> String {
    let mut hash = Sha256::new();
    for Weighted { id, weight } in population {
        hash.update(format!("{id} {weight}\n").as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Draws without replacement; the list is in the order of its ids. Answers with places in the list, in the order of drawing: all of it where `size` is not
/// below its length. What weighs nothing is never drawn.
///
/// Of draw k, from 1: the first 16 bytes of SHA-256 of "seed:k" are a number, big end first; its remainder by the weight that is left is a point on the
/// weights laid end to end, and the one that the point falls in is drawn. The remainder favours no one by more than 2^-64, since the weights of a city
/// are far below 2^64.
#[must_use]
pub fn draw(population: &[Weighted], seed: &str, size: u32) -> Vec<usize> {
    let mut left: Vec<(usize, u128)> =
        population.iter().enumerate().map(|(place, one)| (place, u128::from(one.weight))).collect();
    let mut total: u128 = left.iter().map(|(_, weight)| weight).sum();
    let mut drawn = Vec::new();
    for number in 1..=size {
        if total == 0 {
            break;
        }
        let hash = Sha256::digest(format!("{seed}:{number}").as_bytes());
        let first = hash.iter().take(16).fold(0_u128, |value, byte| (value << 8) | u128::from(*byte));
        let mut point = first % total;
        let falls_in = left.iter().position(|(_, weight)| {
            let inside = point < *weight;
            if !inside {
                point -= weight;
            }
            inside
        });
        let Some(at) = falls_in else { break };
        let (place, weight) = left.remove(at);
        total -= weight;
        drawn.push(place);
    }
    drawn
}

/// How a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Means {
    /// 电话抽查.
    Phone,
    /// 明查暗访.
    Visit,
}

impl Means {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Visit => "visit",
        }
    }
}

/// What a check comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 情况属实、工作到位.
    InOrder,
    /// 发现问题.
    Problem,
    /// 未能联系上: counts neither way.
    Unreachable,
}

impl Outcome {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InOrder => "in-order",
            Self::Problem => "problem",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Why nothing is drawn or recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is nothing to draw from.
    #[error("there is nothing to draw from")]
    Nothing,
    /// A check before the draw.
    #[error("the check was made before the sample was drawn")]
    BeforeDraw,
    /// A check that is still to come.
    #[error("the check lies in the future")]
    InFuture,
    /// A problem of which nothing is said.
    #[error("a problem needs a note")]
    NoteMissing,
}

/// Whether a check may be recorded.
///
/// # Errors
/// As [`Rejection`] says.
pub fn check(
    outcome: Outcome,
    note: &str,
    checked_at: Instant,
    drawn_at: Instant,
    now: Instant,
) -> Result<(), Rejection> {
    if checked_at < drawn_at {
        return Err(Rejection::BeforeDraw);
    }
    if checked_at > now {
        return Err(Rejection::InFuture);
    }
    if outcome == Outcome::Problem && note.trim().is_empty() {
        return Err(Rejection::NoteMissing);
    }
    Ok(())
}

/// The instant since which a case may have been closed to be drawn.
#[must_use]
pub fn closed_since(now: Instant) -> Instant {
    now.checked_sub(SignedDuration::from_hours(24 * CLOSED_WITHIN_DAYS)).unwrap_or(Instant::MIN)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Outcome, Rejection, Weighted, check, digest, draw};

    fn list() -> Vec<Weighted> {
        let of = |(number, weight)| Weighted { id: format!("37130200100{number}"), weight };
        let mut list: Vec<Weighted> = [(7, 1), (1, 1), (3, 4), (2, 2), (5, 1), (4, 1), (6, 3), (8, 1)].map(of).into();
        list.sort_by(Weighted::order);
        list
    }

    /// Made with the script of docs/spot-checks.md, which shares nothing with this implementation.
    #[test]
    fn the_sample_is_the_one_that_another_implementation_draws() {
        let ids =
            |seed, size| draw(&list(), seed, size).iter().map(|at| list()[*at].id[11..].to_owned()).collect::<String>();
        assert_eq!(digest(&list()), "1165769df2ce4c63cab9ff4f91591a9e2572ae4c43756bde1f05d55325e4f7de");
        assert_eq!(ids("福彩3D 2026320 8-1-9", 8), "18436257");
        assert_eq!(ids("lottery-2026-11-29", 3), "351");
        assert_eq!(ids("000000", 5), "23615");
    }

    #[test]
    fn nothing_is_drawn_of_nothing_and_no_more_than_there_is() {
        assert!(draw(&[], "seed12", 5).is_empty());
        assert!(draw(&[Weighted { id: "1".to_owned(), weight: 0 }], "seed12", 5).is_empty());
        assert_eq!(draw(&list(), "seed12", 500).len(), 8);
    }

    #[test]
    fn a_check_is_of_after_the_draw_and_of_a_problem_something_is_said() {
        let at = |text: &str| text.parse().expect("an instant");
        let (drawn, now) = (at("2026-11-29T09:00:00+08:00"), at("2026-11-30T09:00:00+08:00"));
        let one = |outcome, note, when| check(outcome, note, at(when), drawn, now);
        assert_eq!(one(Outcome::InOrder, "", "2026-11-29T09:00:00+08:00"), Ok(()));
        assert_eq!(one(Outcome::Unreachable, "", "2026-11-30T09:00:00+08:00"), Ok(()));
        assert_eq!(one(Outcome::Problem, "门口无公告", "2026-11-30T08:00:00+08:00"), Ok(()));
        assert_eq!(one(Outcome::Problem, " ", "2026-11-30T08:00:00+08:00"), Err(Rejection::NoteMissing));
        assert_eq!(one(Outcome::InOrder, "", "2026-11-29T08:59:59+08:00"), Err(Rejection::BeforeDraw));
        assert_eq!(one(Outcome::InOrder, "", "2026-11-30T09:00:01+08:00"), Err(Rejection::InFuture));
        assert_eq!(Kind::from_code("case"), Some(Kind::Case));
    }
}
