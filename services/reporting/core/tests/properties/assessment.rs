//! Clause E3: whatever was counted, scores are of 100 points and places are in order.

use dafei_reporting_core::{
    assessment::{Catalogue, Grain, Share, assess, places},
    briefing::weeks_ended,
};
use proptest::prelude::*;

fn shares() -> impl Strategy<Value = Vec<Share>> {
    let share = (0_i64..2_000, 0_i64..1_000).prop_map(|(numerator, denominator)| Share::new(numerator, denominator));
    proptest::collection::vec(share, 9)
}

proptest! {
    #[test]
    fn a_score_is_between_the_least_and_the_best_share_of_what_counted(shares in shares()) {
        let catalogue = Catalogue::shipped();
        let of = |code: &str| {
            let at = catalogue.figures.iter().position(|figure| figure.code == code).expect("a figure");
            shares[at]
        };
        for grain in Grain::ALL {
            let result = assess(catalogue, grain, |figure| of(&figure.code));
            let counted: Vec<f64> = result
                .figures
                .iter()
                .filter(|one| one.share.denominator > 0)
                .map(|one| 10_000.0 * one.share.numerator as f64 / one.share.denominator as f64)
                .collect();
            prop_assert_eq!(result.score.is_some(), !counted.is_empty());
            if let Some(score) = result.score {
                let (least, best) = counted.iter().fold((f64::MAX, 0.0_f64), |(least, best), one| (least.min(*one), best.max(*one)));
                // Each figure's points are rounded to hundredths: at most half a hundredth of ten points each, and once more.
                let slack = 6.0;
                prop_assert!(f64::from(score) >= least - slack && f64::from(score) <= best + slack && score <= 10_000);
            }
            for one in &result.figures {
                prop_assert!(one.points <= one.figure.weight * 100);
                prop_assert!(one.share.denominator > 0 || one.points == 0, "what does not count earns nothing");
            }
        }
    }

    #[test]
    fn a_place_is_one_more_than_those_with_a_better_score(scores in proptest::collection::vec(proptest::option::of(0_u32..20), 0..30)) {
        let placed = places(&scores);
        prop_assert_eq!(placed.len(), scores.len());
        for (at, place) in &placed {
            let better = scores.iter().filter(|other| **other > scores[*at]).count();
            prop_assert_eq!(*place as usize, if scores[*at].is_none() { 0 } else { better + 1 });
        }
        let order: Vec<u32> = placed.iter().map(|(_, place)| if *place == 0 { u32::MAX } else { *place }).collect();
        prop_assert!(order.is_sorted());
    }

    #[test]
    fn every_week_ends_in_one_quarter(year in 2020_i16..2040) {
        let quarters = (1..=4).map(|number| format!("{year}-Q{number}").parse().expect("a quarter"));
        let later = "2100-01-01T00:00:00Z".parse().expect("an instant");
        let weeks: i64 = quarters.map(|quarter| weeks_ended(quarter, later)).sum();
        prop_assert!(weeks == 52 || weeks == 53, "{weeks}");
    }
}
