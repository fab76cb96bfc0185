//! Clause E1: whatever the sheets say, results are what they come to, and places are in order.

use dafei_kernel::{owner::Post, role::Role};
use dafei_reporting_core::evaluation::{Criteria, Direction, Points, Rejection, Scored, results::mean, standings};
use proptest::prelude::*;

/// Townships with up to 14 sheets each, of up to 100 points.
fn sheets() -> impl Strategy<Value = Vec<Vec<u32>>> {
    proptest::collection::vec(proptest::collection::vec(0_u32..=100, 0..14), 1..20)
}

fn scored(sheets: &[Vec<u32>]) -> Vec<Scored> {
    let one = |(number, totals): (u32, &Vec<u32>)| Scored {
        evaluated: Post {
            role: Role::TownshipCentre,
            region: format!("township:371302{number:03}").parse().expect("a region"),
            agency: None,
        },
        sum: totals.iter().map(|total| u64::from(*total)).sum(),
        sheets: u32::try_from(totals.len()).expect("few"),
        expected: 14,
    };
    (1..).zip(sheets).map(one).collect()
}

proptest! {
    #[test]
    fn a_mean_is_within_half_a_hundredth_and_between_the_least_and_the_most(totals in proptest::collection::vec(0_u32..=100, 1..40)) {
        let count = u32::try_from(totals.len()).expect("few");
        let sum: u32 = totals.iter().sum();
        let mean = mean(u64::from(sum), count);
        // |mean - 100 sum / count| <= 1/2, and a half goes up.
        let twice = 2 * i64::from(mean) * i64::from(count) - 200 * i64::from(sum);
        prop_assert!(-i64::from(count) < twice && twice <= i64::from(count), "{twice} of {count}");
        prop_assert!(totals.iter().min().expect("some") * 100 <= mean);
        prop_assert!(mean <= totals.iter().max().expect("some") * 100);
    }

    #[test]
    fn a_place_is_one_more_than_those_who_did_better(sheets in sheets(), mark in 0_u32..=10_000) {
        let scored = scored(&sheets);
        let all = standings(Direction::OfTownships, &scored, mark);
        prop_assert_eq!(all.len(), scored.len());
        for one in &all {
            let better = all.iter().filter(|other| other.sheets > 0 && other.score > one.score).count();
            let expected = if one.sheets == 0 { 0 } else { better + 1 };
            prop_assert_eq!(one.place as usize, expected);
            prop_assert_eq!(one.below_mark, one.sheets > 0 && one.score < mark);
        }
        // By place, those without sheets last.
        let order: Vec<u32> = all.iter().map(|one| if one.place == 0 { u32::MAX } else { one.place }).collect();
        prop_assert!(order.is_sorted());
    }

    #[test]
    fn results_do_not_depend_on_the_order_of_what_is_scored(sheets in sheets().prop_shuffle()) {
        let mut scored = scored(&sheets);
        let all = standings(Direction::OfTownships, &scored, 6_000);
        scored.reverse();
        prop_assert_eq!(standings(Direction::OfTownships, &scored, 6_000), all);
    }

    #[test]
    fn a_sheet_within_the_points_is_taken_in_any_order_and_one_beyond_is_not(
        shares in proptest::collection::vec(0_u32..=100, 6),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        beyond in 0_usize..6,
    ) {
        for direction in Direction::ALL {
            let criteria = Criteria::shipped().of(direction);
            let points: Vec<Points> = order
                .iter()
                .map(|at| (&criteria[*at], shares[*at]))
                .map(|(one, share)| Points { criterion: one.code.clone(), points: one.max_points * share / 100 })
                .collect();
            let sum: u32 = points.iter().map(|one| one.points).sum();
            let checked = Criteria::shipped().check(direction, &points, "理由").map(|(total, _)| total);
            prop_assert_eq!(checked, Ok(sum));
            let silent = Criteria::shipped().check(direction, &points, "");
            prop_assert_eq!(silent == Err(Rejection::RemarkMissing), sum < 60);
            let mut over = points.clone();
            over[beyond].points = criteria[order[beyond]].max_points + 1;
            let refused = matches!(Criteria::shipped().check(direction, &over, "理由"), Err(Rejection::TooManyPoints(at, _)) if at == beyond);
            prop_assert!(refused);
        }
    }
}
