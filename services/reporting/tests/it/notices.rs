//! Which villages have fulfilled their duty of reward notices (clause D5), in briefings and assessments.

use dafei_contracts::reporting::v1::BriefingContent;

use crate::{
    activity::{EAST, WEST, notices, notices_with, township_with_villages},
    assessment::{figure, villages},
    briefing::{UNIT, WEEK},
    evaluation::QUARTER,
    filing::{CENTRE, COUNTY_OFFICE},
    world::World,
};

/// Villages that have fulfilled it, those that owe it, and who lags.
fn told(content: &BriefingContent) -> (i64, i64, String) {
    let n1 = content.coverage.iter().find(|one| one.clock == "N1").expect("the duty");
    (n1.fulfilled, n1.owed, n1.lagging.join("、"))
}

#[tokio::test]
async fn a_village_with_notices_that_hang_too_close_has_not_fulfilled_its_duty() {
    let world = World::start().await;
    world.tell(&[township_with_villages(), notices(WEST, 10), notices_with(EAST, 11, 1)]).await;
    let content = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").content.expect("a content");
    assert_eq!(told(&content), (1, 2, "东关村".to_owned()));
    let assessment = world.assessment(CENTRE, UNIT, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&assessment, "notices"), (1, 2, 500));
}

#[tokio::test]
async fn notices_count_for_the_villages_of_the_roster_wherever_they_lay_when_they_told_of_them() {
    let world = World::start().await;
    world.tell(&[villages(4)]).await;
    // The second has come from elsewhere; two are gone from the roster.
    world
        .sql(
            "INSERT INTO village_notices VALUES ('371302001001', '371302', '371302001', 10, 10), ('371302001002', '371311', '371311004', 10, 10),
                 ('371302001003', '371302', '371302001', 9, 10), ('371302001008', '371302', '371302001', 10, 10),
                 ('371302001009', '371302', '371302001', 10, 10)",
        )
        .await;
    for (caller, of) in [(CENTRE, UNIT), (COUNTY_OFFICE, "county:371302")] {
        let assessment = world.assessment(caller, of, QUARTER).await.expect("an assessment");
        assert_eq!(figure(&assessment, "notices"), (2, 4, 500), "{of}");
    }
    let content = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").content.expect("a content");
    assert_eq!(told(&content), (2, 4, "3村、4村".to_owned()));
}
