//! Whom the leaflets have reached (clause D7).

use dafei_intake_core::coverage::{Coverage, EnterpriseTotal, Reached, VillageTotal, quarter, year};
use proptest::prelude::*;

use crate::fixture::at;

fn reached(households: &[(&str, u64)], employees: &[(&str, u64)]) -> Reached {
    let map = |entries: &[(&str, u64)]| entries.iter().map(|(code, number)| ((*code).to_owned(), *number)).collect();
    Reached { households: map(households), employees: map(employees) }
}

#[test]
fn the_round_of_a_distribution_that_names_none_is_its_quarter_in_shanghai() {
    assert_eq!(quarter(at("2026-03-31T23:59:59+08:00")), "2026年第1季度");
    assert_eq!(quarter(at("2026-03-31T16:00:00Z")), "2026年第2季度");
    assert_eq!(quarter(at("2026-12-31T23:59:59+08:00")), "2026年第4季度");
    assert_eq!(year(at("2026-12-31T16:00:00Z")), 2027);
}

#[test]
fn nothing_is_covered_beyond_what_the_roster_has() {
    let reached = reached(&[("a", 250), ("b", 30), ("c", 7)], &[("x", 12), ("y", 3)]);
    let mut coverage = Coverage::default();
    coverage.village(VillageTotal { code: "a", households: Some(200) }, &reached);
    coverage.village(VillageTotal { code: "b", households: Some(100) }, &reached);
    coverage.village(VillageTotal { code: "c", households: None }, &reached);
    for (credit_code, employees) in [("x", 10), ("y", 5), ("z", 8)] {
        coverage.enterprise(EnterpriseTotal { credit_code, employees }, &reached);
    }
    let expected = Coverage {
        households_covered: 237,
        households_total: 300,
        villages_without_households: 1,
        enterprises_covered: 2,
        enterprises_complete: 1,
        enterprises_total: 3,
        employees_covered: 13,
        employees_total: 23,
    };
    assert_eq!(coverage, expected);
}

proptest! {
    #[test]
    fn more_leaflets_never_cover_fewer_and_never_more_than_there_are(
        total in 0..5_000_u32, told in 0..10_000_u64, more in 0..10_000_u64
    ) {
        let count = |told: u64| {
            let reached = reached(&[("v", told)], &[("e", told)]);
            let mut coverage = Coverage::default();
            coverage.village(VillageTotal { code: "v", households: Some(total) }, &reached);
            coverage.enterprise(EnterpriseTotal { credit_code: "e", employees: total }, &reached);
            coverage
        };
        let (one, other) = (count(told), count(told + more));
        prop_assert!(one.households_covered <= other.households_covered && other.households_covered <= u64::from(total));
        prop_assert!(one.employees_covered <= other.employees_covered && other.employees_covered <= u64::from(total));
        prop_assert!(other.enterprises_complete <= other.enterprises_covered);
    }
}
