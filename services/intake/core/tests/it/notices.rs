//! A village's notices (clause D5).

use dafei_intake_core::notices::{Hanging, Outside, Rules, check_inside, lacking, standing};
use dafei_kernel::{geo::distance_m, subject::Position};
use proptest::prelude::*;
use uuid::Uuid;

/// A village in the district of Lanshan.
const LAT: i32 = 350_600_000;
const LON: i32 = 1_183_300_000;

/// Metres to the north and to the east of the village's first notice.
fn position(north: f64, east: f64) -> Position {
    let e7 = |metres: f64, per_degree: f64| (metres / per_degree * 1e7).round() as i32;
    Position::new(LAT + e7(north, 111_195.0), LON + e7(east, 91_010.0)).expect("on earth")
}

fn notice(order: u32, north: f64, east: f64) -> Hanging {
    // Ids that are in another order than the recording.
    let id = Uuid::from_u128(u128::from(u32::MAX - order));
    Hanging { id, order: order.into(), reward: true, position: position(north, east) }
}

/// Their places in the order of recording.
fn order(notice: Uuid) -> u32 {
    u32::MAX - u32::try_from(notice.as_u128()).expect("made by `notice`")
}

fn valid(notices: &[Hanging]) -> Vec<u32> {
    standing(notices, &Rules::default()).valid.into_iter().map(order).collect()
}

#[test]
fn ten_places_fifty_metres_apart_are_ten_valid_places() {
    let row: Vec<Hanging> = (0..10).map(|at| notice(at, 60.0 * f64::from(at), 0.0)).collect();
    let standing = standing(&row, &Rules::default());
    assert_eq!((standing.valid_places(), standing.close_pairs()), (10, 0));
    assert!(standing.pairs.is_empty() && !lacking(10, 0, 10));
    assert!(lacking(9, 0, 10) && lacking(10, 1, 10));
}

#[test]
fn a_place_that_is_too_close_to_an_earlier_one_does_not_count_and_the_pair_is_shown() {
    let notices = [notice(1, 0.0, 0.0), notice(2, 30.0, 0.0), notice(3, 60.0, 0.0)];
    let standing = standing(&notices, &Rules::default());
    // The second falls away, so nothing stands against the third.
    assert_eq!(valid(&notices), [1, 3]);
    let pairs: Vec<_> = standing.pairs.iter().map(|pair| (order(pair.first), order(pair.second))).collect();
    assert_eq!(pairs, [(1, 2), (2, 3)]);
    assert!(standing.pairs.iter().all(|pair| !pair.tolerated && (pair.distance_m - 30.0).abs() < 0.5));
    assert_eq!(standing.close_pairs(), 2);
}

#[test]
fn what_a_phone_errs_is_forgiven_and_shown_all_the_same() {
    let notices = [notice(1, 0.0, 0.0), notice(2, 47.0, 0.0)];
    let lenient = standing(&notices, &Rules::default());
    assert_eq!((lenient.valid_places(), lenient.close_pairs(), lenient.pairs.len()), (2, 0, 1));
    assert!(lenient.pairs[0].tolerated);
    let strict = standing(&notices, &Rules { tolerance_m: 0, ..Rules::default() });
    assert_eq!((strict.valid_places(), strict.close_pairs()), (1, 1));
}

#[test]
fn work_notices_never_count_and_never_stand_in_the_way() {
    let work = Hanging { reward: false, ..notice(1, 0.0, 0.0) };
    assert_eq!(valid(&[work, notice(2, 5.0, 0.0)]), [2]);
    assert_eq!(standing(&[work, notice(2, 5.0, 0.0)], &Rules::default()).pairs, []);
}

#[test]
fn a_notice_far_from_the_village_s_other_ones_or_abroad_is_outside() {
    let rules = Rules::default();
    let village = [notice(1, 0.0, 0.0), notice(2, 400.0, 0.0), Hanging { reward: false, ..notice(3, 0.0, 400.0) }];
    assert_eq!(check_inside(position(900.0, 900.0), &village, &rules), Ok(()));
    assert_eq!(check_inside(position(9_000.0, 0.0), &village, &rules), Ok(()));
    let far = check_inside(position(11_000.0, 0.0), &village, &rules);
    assert!(matches!(far, Err(Outside::OfVillage(metres)) if metres > 10_000.0), "{far:?}");
    // The first notice has nothing to be compared with; a phone without a position sends zeros.
    assert_eq!(check_inside(position(11_000.0, 0.0), &[], &rules), Ok(()));
    let nowhere = Position::new(0, 0).expect("on earth");
    assert_eq!(check_inside(nowhere, &[], &rules), Err(Outside::OfChina));
}

/// Notices within some two hundred metres, so that many are close.
fn notices() -> impl Strategy<Value = Vec<Hanging>> {
    proptest::collection::vec((0.0..200.0_f64, 0.0..200.0_f64, any::<bool>()), 0..25).prop_map(|places| {
        let notice = |(id, (north, east, reward)): (usize, (f64, f64, bool))| Hanging {
            reward,
            ..notice(u32::try_from(id).expect("small"), north, east)
        };
        places.into_iter().enumerate().map(notice).collect()
    })
}

proptest! {
    #[test]
    fn the_standing_does_not_depend_on_the_order_in_which_notices_are_read(
        (sorted, shuffled) in notices().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(standing(&sorted, &Rules::default()), standing(&shuffled, &Rules::default()));
    }

    #[test]
    fn the_pairs_are_all_pairs_of_reward_notices_under_the_distance_and_no_others(all in notices()) {
        let rules = Rules::default();
        let reward: Vec<&Hanging> = all.iter().filter(|notice| notice.reward).collect();
        let mut expected = Vec::new();
        for (index, one) in reward.iter().enumerate() {
            for other in &reward[index + 1..] {
                let (there, back) = (distance_m(one.position, other.position), distance_m(other.position, one.position));
                prop_assert!((there - back).abs() < 1e-6);
                if there < 50.0 {
                    expected.push((one.id, other.id, there < 45.0));
                }
            }
        }
        let mut found: Vec<_> =
            standing(&all, &rules).pairs.iter().map(|pair| (pair.first, pair.second, !pair.tolerated)).collect();
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_two_valid_places_are_too_close_and_every_other_one_is_too_close_to_a_valid_one(all in notices()) {
        let standing = standing(&all, &Rules::default());
        let close = |a: &Hanging, b: &Hanging| distance_m(a.position, b.position) < 45.0;
        let is_valid = |notice: &&Hanging| standing.valid.contains(&notice.id);
        for notice in all.iter().filter(|notice| notice.reward) {
            let against = all.iter().filter(is_valid).any(|other| other.id != notice.id && close(other, notice));
            prop_assert_eq!(against, !is_valid(&notice));
        }
    }

    #[test]
    fn another_notice_never_takes_a_place_away_and_a_far_one_adds_one(
        all in notices(), north in 0.0..200.0_f64, east in 0.0..200.0_f64
    ) {
        let before = standing(&all, &Rules::default()).valid_places();
        let with = |north, east| {
            let later = notice(1_000, north, east);
            standing(&all.iter().copied().chain([later]).collect::<Vec<_>>(), &Rules::default()).valid_places()
        };
        prop_assert!(with(north, east) >= before);
        prop_assert_eq!(with(2_000.0, 2_000.0), before + 1);
    }
}
