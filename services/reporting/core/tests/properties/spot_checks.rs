//! Drawing spot checks (clause E2) as properties: nobody twice, the same seed the same sample, and a heavier one more often.

use std::collections::BTreeSet;

use dafei_reporting_core::spot_check::{Weighted, draw};
use proptest::prelude::*;

fn population() -> impl Strategy<Value = Vec<Weighted>> {
    proptest::collection::vec(1..20_u32, 1..60).prop_map(|weights| {
        let of = |(number, weight)| Weighted { id: format!("{number:012}"), weight };
        weights.into_iter().enumerate().map(of).collect()
    })
}

proptest! {
    #[test]
    fn nobody_is_drawn_twice_and_the_same_seed_gives_the_same(list in population(), seed in "[0-9]{6,20}", size in 1..80_u32) {
        let drawn = draw(&list, &seed, size);
        let distinct: BTreeSet<usize> = drawn.iter().copied().collect();
        prop_assert_eq!(distinct.len(), drawn.len());
        prop_assert_eq!(drawn.len(), list.len().min(usize::try_from(size).expect("small")));
        prop_assert_eq!(&draw(&list, &seed, size), &drawn);
        // A smaller sample is the beginning of a larger one.
        let fewer = draw(&list, &seed, size.div_ceil(2));
        prop_assert!(drawn.starts_with(&fewer));
    }
}

#[test]
fn who_weighs_five_times_as_much_is_drawn_first_five_times_as_often() {
    let list: Vec<Weighted> =
        [("a", 1), ("b", 5), ("c", 1), ("d", 3)].map(|(id, weight)| Weighted { id: id.to_owned(), weight }).into();
    let mut first = [0_u32; 4];
    for seed in 0..10_000 {
        first[draw(&list, &format!("seed-{seed}"), 1)[0]] += 1;
    }
    // Of 10 000: 1000, 5000, 1000, 3000, each within five standard deviations.
    for (found, expected) in first.into_iter().zip([1_000_u32, 5_000, 1_000, 3_000]) {
        assert!(found.abs_diff(expected) < 250, "{first:?}");
    }
}
