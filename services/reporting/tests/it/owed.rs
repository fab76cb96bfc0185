//! What a unit owes: nothing of a period that had ended before it was in the roster (clauses C9, C14, C18, E3).

use dafei_contracts::reporting::v1::{FilingState, FilingUnit, ListBriefingsRequest, ListFilingsRequest};

use crate::{
    assessment::figure,
    evaluation::QUARTER,
    events::{gone_since, region, snapshot_since},
    filing::{NOVEMBER, county},
    world::{CITY_OFFICE, World, unit},
};

const OCTOBER: &str = "2026-10";
const NEW: &str = "township:371302003";
/// In the middle of a week, and of November.
const WEDNESDAY: &str = "2026-11-11T10:00:00+08:00";

impl World {
    /// Who of an office's units is missing of a month.
    async fn without_table(&self, office: FilingUnit, month: &str) -> Vec<String> {
        let request = ListFilingsRequest {
            unit: Some(office),
            month: month.to_owned(),
            states: vec![FilingState::Missing.into()],
            ..Default::default()
        };
        let listed =
            self.filings().list_filings(self.request(CITY_OFFICE, request)).await.expect("a list").into_inner();
        listed.filings.into_iter().map(|filing| filing.unit_name).collect()
    }

    /// Who is listed with a briefing of a period.
    async fn briefed(&self, period: &str) -> Vec<String> {
        let region = Some(region("city:371300"));
        let list = ListBriefingsRequest { region, period: period.to_owned(), ..Default::default() };
        let listed = self.try_list_briefings(CITY_OFFICE, list).await.expect("a list");
        listed.into_iter().map(|(name, _)| name).collect()
    }
}

fn new_township(sequence: i64, when: &str) -> crate::events::Told {
    snapshot_since(sequence, NEW, "柳青街道", "county:371302", when)
}

#[tokio::test]
async fn a_township_owes_the_table_of_the_month_in_which_it_came_and_none_from_before() {
    let world = World::start().await;
    world.tell(&[new_township(1, WEDNESDAY)]).await;
    world.december(4, "00:00:00");
    let others = ["兰山区兰山街道", "兰山区银雀山街道", "兰山区应急管理部门", "兰山区公安部门"];
    assert_eq!(world.without_table(county(), OCTOBER).await, others);
    let november = [others[0], others[1], "兰山区柳青街道", others[2], others[3]];
    assert_eq!(world.without_table(county(), NOVEMBER).await, november);
    let assessment = world.assessment(CITY_OFFICE, NEW, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&assessment, "filing"), (0, 1, 0), "October is not held against it");
}

#[tokio::test]
async fn a_county_owes_no_table_of_a_month_that_ended_before_it_was_in_the_roster() {
    let world = World::start().await;
    let city = || unit("city-office", "city:371300", "");
    world.december(6, "00:00:00");
    let before = world.without_table(city(), OCTOBER).await;
    world.tell(&[snapshot_since(1, "county:371312", "河东区", "city:371300", WEDNESDAY)]).await;
    assert_eq!(world.without_table(city(), OCTOBER).await, before);
    assert_eq!(world.without_table(city(), NOVEMBER).await.len(), before.len() + 1);
}

#[tokio::test]
async fn who_was_away_at_the_end_of_a_month_owes_what_he_was_there_for_and_nothing_of_that_month() {
    let world = World::start().await;
    let away = [
        new_township(1, "2026-10-05T10:00:00+08:00"),
        gone_since(2, NEW, "2026-11-20T10:00:00+08:00"),
        new_township(3, "2026-12-02T10:00:00+08:00"),
    ];
    // In one batch or in several.
    world.tell(&away).await;
    world.december(4, "00:00:00");
    let name = "兰山区柳青街道".to_owned();
    assert!(world.without_table(county(), OCTOBER).await.contains(&name));
    assert!(!world.without_table(county(), NOVEMBER).await.contains(&name));
}

#[tokio::test]
async fn a_township_is_listed_with_no_briefing_of_a_week_that_ended_before_it_was_in_the_roster() {
    let world = World::start().await;
    world.tell(&[new_township(1, WEDNESDAY)]).await;
    let name = "柳青街道".to_owned();
    assert!(!world.briefed("2026-W45").await.contains(&name));
    assert!(world.briefed("2026-W46").await.contains(&name), "that of the week in which it came");
}

#[tokio::test]
async fn what_was_kept_of_the_roster_is_made_again_from_the_streams() {
    let world = World::start().await;
    world.tell(&[new_township(1, WEDNESDAY)]).await;
    world.december(4, "00:00:00");
    dafei_reporting::consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    assert!(!world.without_table(county(), OCTOBER).await.contains(&"兰山区柳青街道".to_owned()));
}
