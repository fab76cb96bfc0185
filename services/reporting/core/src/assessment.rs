//! Assessment of counties and townships (考核, clause E3): figures of a quarter, their points, and places.

pub mod catalogue;

use std::cmp::Reverse;

use dafei_kernel::{
    period::Period,
    time::{Instant, Month},
};

pub use catalogue::{Catalogue, Figure, From, Grain};

/// A share: so many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many.
    pub numerator: i64,
    /// Of how many; 0 when nothing was to be done.
    pub denominator: i64,
}

impl Share {
    /// A share; what is left undone cannot be more than what was to be done, nor less than nothing.
    #[must_use]
    pub fn new(numerator: i64, denominator: i64) -> Self {
        let denominator = denominator.max(0);
        Self { numerator: numerator.clamp(0, denominator), denominator }
    }

    /// Points that it earns of a weight, in hundredths, rounded half up; none when nothing was to be done.
    #[must_use]
    pub fn points(self, weight: u32) -> Option<u32> {
        if self.denominator == 0 {
            return None;
        }
        let (numerator, denominator) = (i128::from(self.numerator), i128::from(self.denominator));
        let twice = 200 * i128::from(weight) * numerator + denominator;
        u32::try_from(twice / (2 * denominator)).ok()
    }
}

/// A figure as it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assessed<'a> {
    /// Which.
    pub figure: &'a Figure,
    /// What was counted.
    pub share: Share,
    /// Points earned, in hundredths; 0 when it does not count.
    pub points: u32,
}

/// An assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment<'a> {
    /// The figures of the grain, in the order of the catalogue.
    pub figures: Vec<Assessed<'a>>,
    /// Score, in hundredths of a point of 100: points earned over the weights that counted, rounded half up; none when none did.
    pub score: Option<u32>,
}

/// Assesses one unit from the shares of its figures.
#[must_use]
pub fn assess(catalogue: &Catalogue, grain: Grain, share: impl Fn(&Figure) -> Share) -> Assessment<'_> {
    let mut counted = (0_u64, 0_u64);
    let figures = catalogue.of(grain).map(|figure| {
        let share = share(figure);
        let points = share.points(figure.weight);
        if let Some(points) = points {
            counted = (counted.0 + u64::from(points), counted.1 + u64::from(figure.weight));
        }
        Assessed { figure, share, points: points.unwrap_or_default() }
    });
    let figures = figures.collect();
    let (points, weights) = counted;
    let score = (weights > 0).then(|| (200 * points + weights) / (2 * weights));
    Assessment { figures, score: score.and_then(|score| u32::try_from(score).ok()) }
}

/// The order of units and their places, from their scores: the best first, equal scores share a place and keep their order, and those without a score
/// come last and have place 0. Answers with the index of each unit and its place.
#[must_use]
pub fn places(scores: &[Option<u32>]) -> Vec<(usize, u32)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by_key(|at| (scores[*at].is_none(), Reverse(scores[*at])));
    let mut last = (0, None);
    let placed = (1..).zip(order).map(|(number, at)| {
        if scores[at].is_none() {
            return (at, 0);
        }
        if scores[at] != last.1 {
            last = (number, scores[at]);
        }
        (at, last.0)
    });
    placed.collect()
}

/// The months of a quarter.
#[must_use]
pub fn months(quarter: Period) -> [Month; 3] {
    let first = Month::of(quarter.start());
    [first, first.next(), first.next().next()]
}

/// Whether a month's table has fallen due, and whether one that was filed first at an instant was in time. Who does not owe it has no limit: it counts only
/// when he filed it all the same, and then in time.
#[must_use]
pub fn filed(limit: Option<Instant>, first_filed_at: Option<Instant>, now: Instant) -> Share {
    let passed = |at: Instant| limit.is_some_and(|limit| at >= limit);
    let in_time = first_filed_at.is_some_and(|at| !passed(at));
    Share::new(i64::from(in_time), i64::from(in_time || passed(now)))
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{period::Period, time::Instant};

    use super::{Catalogue, From, Grain, Share, assess, filed, months, places};
    use crate::{briefing::weeks_ended, filing, unit::UnitKind};

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    fn quarter() -> Period {
        "2026-Q4".parse().expect("a quarter")
    }

    #[test]
    fn points_are_the_share_of_the_weight_rounded_half_up() {
        assert_eq!(Share::new(2, 3).points(15), Some(1_000));
        assert_eq!(Share::new(1, 3).points(10), Some(333));
        assert_eq!(Share::new(1, 16).points(10), Some(63), "62.5");
        assert_eq!(Share::new(0, 3).points(10), Some(0));
        assert_eq!(Share::new(0, 0).points(10), None);
        assert_eq!(Share::new(-2, 3), Share { numerator: 0, denominator: 3 });
        assert_eq!(Share::new(5, 3), Share { numerator: 3, denominator: 3 });
        assert_eq!(Share::new(i64::MAX, i64::MAX).points(100), Some(10_000));
    }

    #[test]
    fn the_weight_of_what_had_nothing_to_do_falls_on_the_others() {
        let catalogue = Catalogue::shipped();
        let half = |from: &From| matches!(from, From::Patrols | From::Notices);
        let result = assess(catalogue, Grain::County, |figure| match &figure.from {
            from if half(from) => Share::new(1, 2),
            From::Cases => Share::new(4, 4),
            _ => Share::default(),
        });
        // 15 and 10 points by half, 10 in full: 22.5 of 35.
        assert_eq!(result.score, Some(6_429));
        assert_eq!(result.figures.iter().map(|one| one.points).sum::<u32>(), 2_250);
        let nothing = assess(catalogue, Grain::Township, |_| Share::default());
        assert_eq!(nothing.score, None);
        assert_eq!(assess(catalogue, Grain::Township, |_| Share::new(7, 7)).score, Some(10_000));
    }

    #[test]
    fn equal_scores_share_a_place_and_those_without_one_come_last() {
        let told = places(&[Some(50), None, Some(90), Some(50), Some(10), Some(90)]);
        assert_eq!(told, [(2, 1), (5, 1), (0, 3), (3, 3), (4, 5), (1, 0)]);
        assert!(places(&[]).is_empty());
    }

    #[test]
    fn a_week_counts_in_the_quarter_in_which_it_ends() {
        // 1 October 2026 is a Thursday: the week of 28 September ends on the 4th.
        assert_eq!(weeks_ended(quarter(), at("2026-10-04T23:59:59+08:00")), 0);
        assert_eq!(weeks_ended(quarter(), at("2026-10-05T00:00:00+08:00")), 1);
        assert_eq!(weeks_ended(quarter(), at("2027-06-01T00:00:00+08:00")), 13);
        // The first quarter of 2024 begins on a Monday: the week before ended with the year, at the same instant.
        assert_eq!(weeks_ended("2024-Q1".parse().expect("a quarter"), at("2024-01-01T00:00:00+08:00")), 0);
        assert_eq!(weeks_ended("2023-Q4".parse().expect("a quarter"), at("2024-06-01T00:00:00+08:00")), 14);
    }

    #[test]
    fn a_table_counts_once_it_is_due_or_filed() {
        let [october, _, december] = months(quarter());
        assert_eq!((october.to_string(), december.to_string()), ("2026-10".to_owned(), "2026-12".to_owned()));
        let (before, due) = (at("2026-11-03T23:59:59+08:00"), at("2026-11-04T00:00:00+08:00"));
        let limit = Some(filing::due(UnitKind::Township, october));
        assert_eq!(filed(limit, None, before), Share::new(0, 0));
        assert_eq!(filed(limit, Some(before), before), Share::new(1, 1));
        assert_eq!(filed(limit, None, due), Share::new(0, 1));
        assert_eq!(filed(limit, Some(due), due), Share::new(0, 1));
    }

    #[test]
    fn a_table_that_is_not_owed_counts_only_when_it_is_filed() {
        let due = at("2026-11-04T00:00:00+08:00");
        assert_eq!(filed(None, None, due), Share::new(0, 0));
        assert_eq!(filed(None, Some(due), due), Share::new(1, 1));
    }
}
