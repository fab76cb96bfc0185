//! A township that another county administers from now on: what it did before is still its own (clauses B1, C9, E1, E3), and what it files is
//! where its facts were (F1).

use dafei_contracts::{
    events::v1 as events,
    reporting::v1::{FilingUnit, TableBody},
};
use dafei_kernel::role::Role;

use crate::{
    assessment::figure,
    briefing::WEEK,
    evaluation::{OTHER_CENTRE, QUARTER, opening},
    events::{By, Case, Told, at, fine, meta, moved_township, region, told},
    filing::{COUNTY_OFFICE, correction},
    world::{CITY_OFFICE, Caller, World, unit},
};

const MOVED: &str = "township:371302002";
const NEW_OFFICE: Caller<'static> = (Role::CountyOffice, "county:371311", None);
const OLD_PATH: &str = "city:371300/county:371302/township:371302002";
const STATION: By = By("township-agency", MOVED, "public-security");

fn moved() -> Told {
    moved_township(2, MOVED, "county:371311")
}

fn township() -> FilingUnit {
    unit("township", MOVED, "")
}

fn office(county: &str) -> FilingUnit {
    unit("county-office", county, "")
}

fn fines(body: Option<&TableBody>) -> i64 {
    body.and_then(|body| body.total.as_ref()).expect("a total").values[3]
}

impl World {
    /// What the township did since it has moved.
    async fn deed_since(&self, what: &str, times: i64) {
        sqlx::query("INSERT INTO deed VALUES ($1, '2026-11-20', '371311', '371302002', 'any', '', $2)")
            .bind(what)
            .bind(times)
            .execute(&self.db.pool)
            .await
            .expect("a deed");
    }
}

#[tokio::test]
async fn a_township_s_assessment_has_what_it_did_in_either_county_and_each_county_s_what_was_in_it() {
    let world = World::start().await;
    world.deed("2026-10-08", "371302002", ("any", ""), "clock:V1:in-time", 3).await;
    world.case(1, "371302002", "2026-10-08T08:00:00+08:00", Some("2026-10-09T08:00:00+08:00")).await;
    world.tell(&[moved()]).await;
    world.deed_since("clock:V1:breached", 1).await;
    let one = world.assessment(CITY_OFFICE, MOVED, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&one, "on-time-village"), (3, 4, 1_125));
    assert_eq!(figure(&one, "closure"), (1, 1, 1_000));
    let listed = world.assessments_of(NEW_OFFICE, "county:371311").await.expect("a list");
    let [listed] = listed.as_slice() else { panic!("one township: {listed:?}") };
    assert_eq!((&listed.figures, &listed.score), (&one.figures, &one.score));
    for (county, expected) in [("county:371302", (3, 3, 1_500)), ("county:371311", (0, 1, 0))] {
        let of_county = world.assessment(CITY_OFFICE, county, QUARTER).await.expect("an assessment");
        assert_eq!(figure(&of_county, "on-time-village"), expected, "{county}");
    }
}

#[tokio::test]
async fn a_township_s_briefing_tells_of_the_week_in_which_it_was_in_the_other_county() {
    let world = World::start().await;
    world.tell(&Case::open_in(1, "MI-1", OLD_PATH).told).await;
    world.tell(&[moved()]).await;
    let content = world.briefing(OTHER_CENTRE, MOVED, WEEK).await.expect("a draft").content.expect("a content");
    let opened = content.figures.iter().find(|figure| figure.code == "cases-opened").expect("the figure");
    assert_eq!((opened.value, content.open_count), (1, 1));
}

#[tokio::test]
async fn what_is_measured_of_a_township_in_a_round_goes_on_when_it_moves() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.deed("2026-11-05", "371302002", ("any", ""), "case:opened", 9).await;
    world.tell(&[moved()]).await;
    world.deed_since("case:opened", 2).await;
    let round = world.evaluation(COUNTY_OFFICE).await.expect("a round");
    let post = |one: &dafei_contracts::reporting::v1::Evaluated| one.post.as_ref().and_then(|post| post.region.clone());
    let scored = round.townships.iter().find(|one| post(one) == Some(region(MOVED))).expect("it is scored");
    let opened = scored.measured.iter().find(|one| one.code == "cases-opened").expect("the figure");
    assert_eq!(opened.numerator, 11);
}

#[tokio::test]
async fn a_table_that_was_filed_before_the_township_moved_is_filed() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    world.file(OTHER_CENTRE, township()).await;
    world.tell(&[moved()]).await;
    // October's was due on 3 November and is missing, December's is not due.
    let one = world.assessment(CITY_OFFICE, MOVED, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&one, "filing"), (1, 2, 500));
    let county = world.assessment(CITY_OFFICE, "county:371311", QUARTER).await.expect("an assessment");
    assert_eq!(figure(&county, "filing"), (1, 3, 333), "its office owes October's as well");
}

/// 兰山区 with a postal department since December.
fn department_since_december() -> Told {
    let (code, aggregate) = ("county:371302", dafei_kernel::ids::derived(&["roster", "county:371302"]));
    let holder = |agency: &'static str, since: &str| events::RosterHolder {
        post: Some(crate::events::post(By("county-department", code, agency))),
        person: "李科长".to_owned(),
        valid_from: Some(at(since).into()),
        valid_until: None,
    };
    let event = events::RosterSnapshot {
        meta: Some(meta(aggregate, 2, "city:371300/county:371302")),
        region: Some(region(code)),
        regions: vec![events::RosterRegion {
            region: Some(region(code)),
            name: "兰山区".to_owned(),
            parent: Some(region("city:371300")),
            ..events::RosterRegion::default()
        }],
        holders: vec![
            holder("emergency-management", "2020-06-20T00:00:00+08:00"),
            holder("postal", "2026-12-01T00:00:00+08:00"),
        ],
        enterprises: Vec::new(),
    };
    told("intake", aggregate, 2, event.into())
}

#[tokio::test]
async fn a_department_that_came_after_a_month_owes_no_table_of_it() {
    let world = World::start().await;
    world.tell(&[department_since_december()]).await;
    world.december(4, "00:00:00");
    let units = world.draft(COUNTY_OFFICE, office("county:371302")).await.expect("a draft").units;
    let names: Vec<&str> = units.iter().map(|one| one.unit_name.as_str()).collect();
    assert_eq!(names, ["兰山区兰山街道", "兰山区银雀山街道", "兰山区应急管理部门"]);
    let assessment = world.assessment(COUNTY_OFFICE, "county:371302", QUARTER).await.expect("an assessment");
    // Of October and November: two townships, a department and, for October alone, the office.
    assert_eq!(figure(&assessment, "filing"), (0, 7, 0));
    // When it files all the same, it is there.
    world.file((Role::CountyDepartment, "county:371302", Some(dafei_kernel::agency::Agency::Postal)), postal()).await;
    let units = world.draft(COUNTY_OFFICE, office("county:371302")).await.expect("a draft").units;
    assert_eq!(units.len(), 4);
}

fn postal() -> FilingUnit {
    unit("county-department", "county:371302", "postal")
}

#[tokio::test]
async fn a_correction_rolls_up_in_the_county_of_the_figure_that_it_corrects() {
    let world = World::start().await;
    let case = Case::open_in(1, "FS-2", OLD_PATH).measure(STATION, "m1", "2026-11-12T12:00:00+08:00", fine(500_000));
    world.tell(&case.told).await;
    world.tell(&[moved()]).await;
    world.december(2, "09:00:00");
    let wrong = correction(township(), "fire-safety", 4, -500_000, "处罚决定被撤销");
    world.correct(OTHER_CENTRE, wrong).await.expect("corrected");
    // Of what it had none of, the county of now.
    let forgotten = correction(township(), "fireworks", 4, 70_000, "漏录");
    world.correct(OTHER_CENTRE, forgotten).await.expect("corrected");
    world.file(OTHER_CENTRE, township()).await;
    for (caller, county, expected) in [(COUNTY_OFFICE, "county:371302", 0), (NEW_OFFICE, "county:371311", 70_000)] {
        let draft = world.draft(caller, office(county)).await.expect("a draft");
        assert_eq!(fines(draft.figures.as_ref()), expected, "{county}");
        world.file(caller, office(county)).await;
    }
}
