//! When two tips may be of one matter. It only suggests: the unit that handles them decides.

use std::collections::HashSet;

use dafei_kernel::{geo, subject::Subject};
use jiff::SignedDuration;

use super::Facts;

/// Tips further apart than this are not compared, in days.
pub const WINDOW_DAYS: i64 = 90;
/// Positions within this distance are one place, in metres.
const NEAR_M: f64 = 500.0;
/// Shared parts of two descriptions of a place from which on they are alike, of 100.
const ALIKE: u32 = 50;

/// How alike two tips are, 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness(pub u32);

/// How alike two tips are; none when they are not.
#[must_use]
pub fn likeness(one: &Facts, other: &Facts) -> Option<Likeness> {
    let apart = one.received_hour.duration_since(other.received_hour).abs();
    if one.id == other.id || apart > SignedDuration::from_hours(24 * WINDOW_DAYS) {
        return None;
    }
    let subject = same_subject(&one.subject, &other.subject)?;
    let act = if one.act == other.act { 30 } else { 0 };
    let place = if one.place == other.place { 10 } else { 0 };
    // A place that only sounds alike is of one matter when the act is the same, too.
    (act > 0 || subject >= ALIKE + 10).then_some(Likeness(subject + act + place))
}

/// How far the subjects are the same, to 60; none when they are not.
fn same_subject(one: &Subject, other: &Subject) -> Option<u32> {
    match (one, other) {
        (Subject::Enterprise { credit_code: one, .. }, Subject::Enterprise { credit_code: other, .. }) => {
            (one == other).then_some(60)
        }
        (Subject::Den { place: one, position: here, .. }, Subject::Den { place: other, position: there, .. }) => {
            let near = here.zip(*there).is_some_and(|(here, there)| geo::distance_m(here, there) <= NEAR_M);
            let shared = shared(one, other);
            if near { Some(60) } else { (shared >= ALIKE).then_some(shared * 6 / 10) }
        }
        _ => None,
    }
}

/// Pairs of neighbouring characters that two texts share, of 100.
fn shared(one: &str, other: &str) -> u32 {
    let pairs = |text: &str| -> HashSet<(char, char)> {
        let letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
        letters.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let (one, other) = (pairs(one), pairs(other));
    let all = one.len() + other.len();
    let both = 2 * one.intersection(&other).count();
    u32::try_from(100 * both / all.max(1)).unwrap_or(0)
}
