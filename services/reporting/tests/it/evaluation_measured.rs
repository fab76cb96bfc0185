//! What the suite measured of the quarter, beside the scores (clause E1).

use dafei_contracts::reporting::v1::Evaluated;

use crate::{
    activity::{breached, obligation, settled},
    evaluation::{closing, opening},
    events::{Case, POLICE},
    filing::{CENTRE, COUNTY_OFFICE},
    world::World,
};

const TOWNSHIP: &str = "city:371300/county:371302/township:371302001";

/// Code, numerator and denominator of the figures that are not 0, of one who is scored.
fn figures(side: &[Evaluated], at: usize) -> Vec<(String, i64, i64)> {
    let all = side[at].measured.iter().map(|one| (one.code.clone(), one.numerator, one.denominator));
    all.filter(|(_, numerator, denominator)| (*numerator, *denominator) != (0, 0)).collect()
}

#[tokio::test]
async fn what_was_measured_in_the_quarter_stands_beside_the_scores() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    let police = ("county-department", "public-security");
    for (day, township, by, what, times) in [
        ("2026-10-01", "371302001", police, "clock:K2:in-time", 3),
        ("2026-12-31", "371302002", police, "clock:K2:in-time", 4),
        ("2026-12-31", "371302002", police, "clock:K2:breached", 1),
        ("2026-11-05", "371302001", police, "case:returned", 2),
        // Of other quarters, and of the police station.
        ("2026-09-30", "371302001", police, "clock:K2:in-time", 50),
        ("2027-01-01", "371302001", police, "clock:K2:in-time", 50),
        ("2026-11-05", "371302001", ("township-agency", "public-security"), "case:returned", 7),
        ("2026-11-05", "371302001", ("township-agency", "public-security"), "clock:T2:in-time", 5),
        ("2026-11-05", "371302001", ("township-agency", "fire-rescue"), "clock:T2:breached", 1),
        ("2026-11-05", "371302001", ("", ""), "case:opened", 9),
    ] {
        world.deed(day, township, by, what, times).await;
    }
    let round = world.evaluation(CENTRE).await.expect("a round");
    assert_eq!(round.departments[1].name, "兰山区公安部门");
    let of_police = [("on-time-K2".to_owned(), 7, 8), ("returned".to_owned(), 2, 0)];
    assert_eq!(figures(&round.departments, 1), of_police);
    assert!(figures(&round.departments, 0).is_empty());
    let of_township = [("on-time-T2".to_owned(), 5, 6), ("cases-opened".to_owned(), 9, 0)];
    assert_eq!(figures(&round.townships, 0), of_township);

    world.score_all().await;
    world.at("2027-01-02T09:00:00");
    world.close(COUNTY_OFFICE, closing(false)).await.expect("closed");
    world.deed("2026-12-30", "371302001", police, "case:returned", 40).await;
    let closed = world.evaluation(CENTRE).await.expect("a round");
    assert_eq!(figures(&closed.departments, 1), of_police, "as it was when it was closed");
}

#[tokio::test]
async fn limits_that_the_monitor_announced_become_rates_of_the_department_that_owed_them() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    let case = Case::open(1, "FS-2");
    world.tell(&case.told).await;
    let of = |name, due| obligation(name, "K2", Some(case.id), POLICE, due);
    let (kept, broken) = (of("kept", "2026-11-12T20:00:00+08:00"), of("broken", "2026-11-13T20:00:00+08:00"));
    world
        .tell(&[
            settled("kept", 1, TOWNSHIP, kept, "2026-11-12T12:00:00+08:00", 0),
            breached("broken", TOWNSHIP, broken.clone()),
            settled("broken", 2, TOWNSHIP, broken, "2026-11-14T12:00:00+08:00", 57_600),
        ])
        .await;
    let round = world.evaluation(CENTRE).await.expect("a round");
    assert_eq!(round.departments[1].name, "兰山区公安部门");
    assert_eq!(figures(&round.departments, 1), [("on-time-K2".to_owned(), 1, 2)]);
    assert_eq!(figures(&round.townships, 0), [("cases-opened".to_owned(), 1, 0)]);
}
