//! What a unit owes: nothing of a period that had ended before it was in the roster (clauses C9, C14, C18, E3).

use std::sync::Arc;

use dafei_contracts::reporting::v1::{
    BriefingState, FilingState, FilingUnit, ListBriefingsRequest, ListFilingsRequest,
};
use dafei_kernel::role::Role;
use dafei_messaging::consumer::Handler as _;
use dafei_reporting::consumer::{IntakeEvents, rebuild};
use dafei_shell::roster::RosterView;

use crate::{
    assessment::figure,
    evaluation::QUARTER,
    events::{gone_since, region, snapshot_since},
    filing::{NOVEMBER, county},
    world::{CITY_OFFICE, Caller, World, unit},
};

const OCTOBER: &str = "2026-10";
const NEW: &str = "township:371302003";
const NEW_CENTRE: Caller<'static> = (Role::TownshipCentre, NEW, None);
const NAME: &str = "兰山区柳青街道";
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

    /// Whether the new township is missing of a month.
    async fn is_missing(&self, month: &str) -> bool {
        self.without_table(county(), month).await.iter().any(|name| name == NAME)
    }

    /// Who is listed with a briefing of a period, and how it stands.
    async fn briefings_of(&self, period: &str) -> Vec<(String, BriefingState)> {
        let region = Some(region("city:371300"));
        let list = ListBriefingsRequest { region, period: period.to_owned(), ..Default::default() };
        self.try_list_briefings(CITY_OFFICE, list).await.expect("a list")
    }

    async fn briefed(&self, period: &str) -> Vec<String> {
        self.briefings_of(period).await.into_iter().map(|(name, _)| name).collect()
    }

    /// How the new township sees its own table of November.
    async fn own_view(&self) -> (FilingState, bool) {
        let draft = self.draft(NEW_CENTRE, unit("township", NEW, "")).await.expect("a draft");
        let filing = draft.filing.expect("how it stands");
        (filing.state(), filing.due.is_some())
    }

    /// A process begins to read intake's events, as after an upgrade.
    async fn another_process_reads(&self) {
        let roster = RosterView::load(&self.db.pool).await.expect("the roster");
        let mut tx = self.db.pool.begin().await.expect("a transaction");
        IntakeEvents::new(roster, Arc::new(self.clock.clone())).apply(&mut tx, &[]).await.expect("it begins");
        tx.commit().await.expect("it is kept");
    }

    /// All that is kept of who was in the roster when.
    async fn stays(&self) -> Vec<(String, String, String, Option<String>)> {
        let all = "SELECT region, agency, since::text, until::text FROM unit_stay ORDER BY region, agency, since";
        sqlx::query_as(all).fetch_all(&self.db.pool).await.expect("rows")
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
    assert!(world.is_missing(OCTOBER).await);
    assert!(!world.is_missing(NOVEMBER).await);
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
async fn who_leaves_between_the_end_of_a_period_and_its_limit_owes_nothing_of_it_though_he_comes_back() {
    let world = World::start().await;
    let away = [
        new_township(1, "2026-10-05T10:00:00+08:00"),
        gone_since(2, NEW, "2026-11-18T10:00:00+08:00"),
        new_township(3, "2026-11-19T10:00:00+08:00"),
        gone_since(4, NEW, "2026-12-02T10:00:00+08:00"),
        new_township(5, "2026-12-02T18:00:00+08:00"),
    ];
    world.tell(&away).await;
    world.december(4, "00:00:00");
    assert!(world.is_missing(OCTOBER).await, "it was there until the limit of that month");
    assert!(!world.is_missing(NOVEMBER).await);
    let name = "柳青街道".to_owned();
    assert!(world.briefed("2026-W45").await.contains(&name));
    assert!(!world.briefed("2026-W46").await.contains(&name), "it left before the limit of that week");
    assert!(world.briefed("2026-W47").await.contains(&name), "it came back within that week");
}

#[tokio::test]
async fn who_comes_back_at_the_instant_at_which_he_left_or_leaves_after_the_limit_was_there() {
    let world = World::start().await;
    let never_away = "2026-12-02T10:00:00+08:00";
    let away = [
        new_township(1, "2026-10-05T10:00:00+08:00"),
        gone_since(2, NEW, never_away),
        new_township(3, never_away),
        gone_since(4, NEW, "2026-12-04T00:00:00+08:00"),
        new_township(5, "2026-12-04T10:00:00+08:00"),
    ];
    world.tell(&away).await;
    world.december(5, "00:00:00");
    assert!(world.is_missing(NOVEMBER).await);
}

#[tokio::test]
async fn a_table_that_is_not_owed_is_never_missing_or_late_in_the_list_in_the_own_view_or_in_the_assessment() {
    let world = World::start().await;
    world.tell(&[new_township(1, "2026-12-02T10:00:00+08:00")]).await;
    world.december(4, "10:00:00");
    assert_eq!(world.own_view().await, (FilingState::Open, false));
    assert_eq!(assessed(&world).await, (0, 0));
    world.file(NEW_CENTRE, unit("township", NEW, "")).await;
    assert_eq!(world.own_view().await, (FilingState::Filed, false));
    assert_eq!(assessed(&world).await, (1, 1), "what it filed counts for it");
    let all = ListFilingsRequest { unit: Some(county()), month: NOVEMBER.to_owned(), ..Default::default() };
    let all = world.filings().list_filings(world.request(CITY_OFFICE, all)).await.expect("a list").into_inner();
    let listed = all.filings.iter().find(|filing| filing.unit_name == NAME).expect("it is listed with what it filed");
    assert_eq!(listed.state(), FilingState::Filed);
}

async fn assessed(world: &World) -> (i64, i64) {
    let assessment = world.assessment(CITY_OFFICE, NEW, QUARTER).await.expect("an assessment");
    let (numerator, denominator, _) = figure(&assessment, "filing");
    (numerator, denominator)
}

#[tokio::test]
async fn a_briefing_that_is_not_owed_is_never_missing_or_late_in_the_list_or_in_the_own_view() {
    let world = World::start().await;
    world.tell(&[new_township(1, WEDNESDAY)]).await;
    let week = "2026-W45";
    let standing = world.briefing(NEW_CENTRE, NEW, week).await.expect("a draft").standing.expect("how it stands");
    assert_eq!((standing.state(), standing.due), (BriefingState::Draft, None));
    assert_eq!(world.brief(NEW_CENTRE, NEW, week).await.state(), BriefingState::Released);
    let standing = world.briefing(NEW_CENTRE, NEW, week).await.expect("it").standing.expect("how it stands");
    assert_eq!(standing.state(), BriefingState::Released);
    assert!(world.briefings_of(week).await.contains(&("柳青街道".to_owned(), BriefingState::Released)));
}

#[tokio::test]
async fn one_of_whom_nothing_is_kept_owes_nothing_until_a_process_reads_that_finds_him_in_the_roster() {
    let world = World::start().await;
    world.tell(&[new_township(1, "2026-10-05T10:00:00+08:00")]).await;
    // As a replica of a release that kept nothing leaves it: one has come, and one has left.
    world.sql("DELETE FROM unit_stay WHERE region = 'township:371302003'").await;
    world
        .sql("INSERT INTO unit_stay (region, agency, since) VALUES ('township:371302009', '', '0001-01-01T00:00:00Z')")
        .await;
    world.december(4, "00:00:00");
    assert!(!world.is_missing(NOVEMBER).await);
    world.another_process_reads().await;
    assert!(!world.is_missing(NOVEMBER).await);
    let open = "SELECT count(*) FROM unit_stay WHERE region = 'township:371302009' AND until IS NULL";
    let open: i64 = sqlx::query_scalar(open).fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(open, 0, "who has left is known to have left");
    world.clock.set("2027-01-04T00:00:00+08:00".parse().expect("an instant"));
    assert!(world.is_missing("2026-12").await, "what ends from then on is owed");
}

#[tokio::test]
async fn what_was_kept_of_the_roster_is_made_again_from_the_streams() {
    let world = World::start().await;
    let away = [
        new_township(1, WEDNESDAY),
        gone_since(2, NEW, "2026-11-20T10:00:00+08:00"),
        new_township(3, "2026-12-02T10:00:00+08:00"),
    ];
    world.tell(&away).await;
    world.december(4, "00:00:00");
    let live = world.stays().await;
    rebuild(&world.db.pool).await.expect("forgotten");
    assert!(!world.is_missing(OCTOBER).await, "nothing is held against anybody meanwhile");
    // A process that begins then finds the roster, and nothing of who came when.
    world.another_process_reads().await;
    world.watermarks().await;
    world.read_again().await;
    assert_eq!(world.stays().await, live);
}
