//! Assessments of counties and townships: figures, weights, places (clause E3).

use dafei_contracts::{
    events::v1 as events,
    reporting::v1::{Assessment, GetAssessmentRequest, ListAssessmentsRequest, ListFiguresRequest},
};
use dafei_kernel::role::Role;
use tonic::{Code, Status};

use crate::{
    evaluation::{QUARTER, closing, opening},
    events::{Told, meta, region, told},
    filing::{CENTRE, COUNTY_OFFICE, township},
    filing_refused::is,
    world::{CITY_OFFICE, Caller, World},
};

const TOWNSHIP: &str = "township:371302001";
const COUNTY: &str = "county:371302";

/// The snapshot of 兰山街道 with villages.
pub(crate) fn villages(count: u32) -> Told {
    let path = "city:371300/county:371302/township:371302001";
    let aggregate = dafei_kernel::ids::derived(&["roster", TOWNSHIP]);
    let entry = |code: &str, name: String, parent: &str| events::RosterRegion {
        region: Some(region(code)),
        name,
        parent: Some(region(parent)),
        ..events::RosterRegion::default()
    };
    let village = |number| entry(&format!("village:371302001{number:03}"), format!("{number}村"), TOWNSHIP);
    let event = events::RosterSnapshot {
        meta: Some(meta(aggregate, 2, path)),
        region: Some(region(TOWNSHIP)),
        regions: std::iter::once(entry(TOWNSHIP, "兰山街道".to_owned(), COUNTY))
            .chain((1..=count).map(village))
            .collect(),
        holders: Vec::new(),
        enterprises: Vec::new(),
    };
    told("intake", aggregate, 2, event.into())
}

impl World {
    pub(crate) async fn assessment(&self, caller: Caller<'_>, of: &str, quarter: &str) -> Result<Assessment, Status> {
        let request = GetAssessmentRequest { region: Some(region(of)), quarter: quarter.to_owned() };
        let answer = self.assessments().get_assessment(self.request(caller, request)).await?.into_inner();
        Ok(answer.assessment.expect("an assessment"))
    }

    pub(crate) async fn assessments_of(&self, caller: Caller<'_>, of: &str) -> Result<Vec<Assessment>, Status> {
        let request = ListAssessmentsRequest { region: Some(region(of)), quarter: QUARTER.to_owned() };
        Ok(self.assessments().list_assessments(self.request(caller, request)).await?.into_inner().assessments)
    }

    pub(crate) async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.db.pool).await.expect(statement);
    }

    pub(crate) async fn case(&self, number: i64, township: &str, opened: &str, ended: Option<&str>) {
        sqlx::query(
            "INSERT INTO case_line VALUES (gen_random_uuid(), '371302', $1, '', '', '', '', '', $2::timestamptz, $3::timestamptz, '', '', $4)",
        )
        .bind(township)
        .bind(opened)
        .bind(ended)
        .bind(number)
        .execute(&self.db.pool)
        .await
        .expect("a case");
    }

    async fn missed_week(&self, clock: &str, due: &str, how_ended: &str) {
        sqlx::query(
            "INSERT INTO breach_line (obligation_id, clock, county, township, village, role, region, agency, persons, due, day, period, how_ended)
             SELECT gen_random_uuid(), $1, '371302', '371302001', '371302001001', 'village-secretary', '', '', '{}', due,
                    ((due AT TIME ZONE 'Asia/Shanghai') - interval '1 microsecond')::date, '', $3
             FROM (SELECT $2::timestamptz AS due) AS given",
        )
        .bind(clock)
        .bind(due)
        .bind(how_ended)
        .execute(&self.db.pool)
        .await
        .expect("a breach");
    }
}

/// Numerator, denominator and points of a figure.
pub(crate) fn figure(assessment: &Assessment, code: &str) -> (i64, i64, u32) {
    let found = assessment.figures.iter().find(|one| one.code == code).expect("a figure of the grain");
    (found.numerator, found.denominator, found.points)
}

#[tokio::test]
async fn the_catalogue_weighs_100_points_for_counties_and_for_townships() {
    let world = World::start().await;
    let request = world.request(CENTRE, ListFiguresRequest {});
    let catalogue = world.assessments().list_figures(request).await.expect("a catalogue").into_inner();
    for grain in ["county", "township"] {
        let of_grain = catalogue.figures.iter().filter(|figure| figure.grains.iter().any(|one| one == grain));
        assert_eq!(of_grain.map(|figure| figure.weight).sum::<u32>(), 100, "{grain}");
    }
    assert_eq!(catalogue.version, "linyi-2020-17.1");
    assert!(catalogue.figures.iter().all(|one| !one.numerator.is_empty() && !one.denominator.is_empty()));
}

#[tokio::test]
async fn on_time_rates_are_of_the_quarter_s_days_and_of_the_clocks_of_each_tier() {
    let world = World::start().await;
    for (day, township, what, times) in [
        ("2026-10-01", "371302001", "clock:V1:in-time", 2),
        ("2026-12-31", "371302001", "clock:P1:in-time", 1),
        ("2026-11-01", "371302001", "clock:V3:breached", 1),
        ("2026-11-01", "371302002", "clock:V3:in-time", 5),
        ("2026-11-01", "371302001", "clock:T1:in-time", 9),
        ("2026-11-01", "371302001", "clock:K2:breached", 2),
        ("2026-11-01", "", "clock:K1:in-time", 2),
        ("2026-09-30", "371302001", "clock:V1:breached", 90),
        ("2027-01-01", "371302001", "clock:V1:breached", 90),
    ] {
        world.deed(day, township, ("any", ""), what, times).await;
    }
    let of_township = world.assessment(CENTRE, TOWNSHIP, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&of_township, "on-time-village"), (3, 4, 1_125));
    assert_eq!(figure(&of_township, "on-time-township"), (9, 9, 1_500));
    assert!(of_township.figures.iter().all(|one| one.code != "on-time-county"), "the county's clocks are not its own");
    let of_county = world.assessment(COUNTY_OFFICE, COUNTY, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&of_county, "on-time-village"), (8, 9, 1_333));
    assert_eq!(figure(&of_county, "on-time-county"), (2, 4, 750));
    assert_eq!((of_township.name.as_str(), of_county.name.as_str()), ("兰山区兰山街道", "兰山区"));
}

#[tokio::test]
async fn patrols_are_owed_for_every_village_and_week_that_ended_in_the_quarter() {
    let world = World::start().await;
    world.tell(&[villages(3)]).await;
    // Monday 30 November: of the quarter nine weeks have ended.
    for (due, how) in [
        ("2026-10-05T00:00:00+08:00", ""),
        ("2026-11-30T00:00:00+08:00", "settled"),
        ("2026-11-23T00:00:00+08:00", "annulled"),
        ("2026-09-28T00:00:00+08:00", ""),
    ] {
        world.missed_week("W1", due, how).await;
    }
    world.missed_week("W2", "2026-10-05T00:00:00+08:00", "").await;
    let of_township = world.assessment(CENTRE, TOWNSHIP, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&of_township, "patrols"), (25, 27, 1_389));
    let of_county = world.assessment(COUNTY_OFFICE, COUNTY, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&of_county, "patrols"), (25, 27, 1_389));
    let other = world.assessment(COUNTY_OFFICE, "township:371302002", QUARTER).await.expect("an assessment");
    assert_eq!(figure(&other, "patrols"), (0, 0, 0), "no village in the roster");
}

#[tokio::test]
async fn notices_cases_and_tables_are_counted_of_what_there_was() {
    let world = World::start().await;
    world.tell(&[villages(4)]).await;
    world
        .sql(
            "INSERT INTO village_notices VALUES ('371302001001', '371302', '371302001', 10, 10), ('371302001002', '371302', '371302001', 9, 10),
                 ('371302001003', '371302', '371302001', 14, 12)",
        )
        .await;
    for (number, (opened, ended)) in (1..).zip([
        ("2026-09-01T00:00:00+08:00", Some("2026-09-30T23:00:00+08:00")),
        ("2026-09-01T00:00:00+08:00", Some("2026-10-01T00:00:00+08:00")),
        ("2026-09-01T00:00:00+08:00", None),
        ("2026-11-01T00:00:00+08:00", Some("2026-11-02T00:00:00+08:00")),
        ("2026-11-01T00:00:00+08:00", Some("2027-01-01T00:00:00+08:00")),
        ("2027-01-01T00:00:00+08:00", Some("2027-01-02T00:00:00+08:00")),
    ]) {
        world.case(number, "371302001", opened, ended).await;
    }
    world.case(9, "", "2026-11-01T00:00:00+08:00", None).await;
    // November's table in time; October's was due on 3 November and is missing, December's is not due.
    world.december(2, "09:00:00");
    world.file(CENTRE, township()).await;
    let of_township = world.assessment(CENTRE, TOWNSHIP, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&of_township, "notices"), (2, 4, 500));
    assert_eq!(figure(&of_township, "closure"), (2, 4, 500));
    assert_eq!(figure(&of_township, "filing"), (1, 2, 500));
    assert_eq!(figure(&of_township, "spot-checks"), (0, 0, 0));
    let of_county = world.assessment(COUNTY_OFFICE, COUNTY, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&of_county, "closure"), (2, 5, 400), "with what is open at its office");
    // Two townships, two departments and the office owed October's, one of them filed November's before it was due.
    assert_eq!(figure(&of_county, "filing"), (1, 6, 167));
}

#[tokio::test]
async fn a_case_that_was_merged_or_withdrawn_was_received_and_is_not_closed() {
    let world = World::start().await;
    for number in 1..=4 {
        let ended = (number < 4).then_some("2026-11-02T00:00:00+08:00");
        world.case(number, "371302001", "2026-11-01T00:00:00+08:00", ended).await;
    }
    world.sql("UPDATE case_line SET how_ended = (ARRAY['closed', 'merged', 'withdrawn', ''])[sequence]").await;
    for (caller, of) in [(CENTRE, TOWNSHIP), (COUNTY_OFFICE, COUNTY)] {
        let assessment = world.assessment(caller, of, QUARTER).await.expect("an assessment");
        assert_eq!(figure(&assessment, "closure"), (1, 4, 250), "{of}");
    }
}

#[tokio::test]
async fn a_case_taken_up_again_counts_as_it_stood_at_the_quarter_s_end() {
    let world = World::start().await;
    let later = "2027-02-01T00:00:00+08:00";
    for (number, opened, ended) in [
        (1, "2026-11-01T00:00:00+08:00", None),
        (2, "2026-08-01T00:00:00+08:00", None),
        (3, "2026-08-01T00:00:00+08:00", Some(later)),
        (4, "2026-11-01T00:00:00+08:00", None),
    ] {
        world.case(number, "371302001", opened, ended).await;
    }
    // The first was over at the quarter's end, the second before it and throughout; the others were under way again.
    world
        .sql(
            "INSERT INTO case_rest
             SELECT case_id, ended::timestamptz, 'closed', again::timestamptz
             FROM (VALUES (1, '2026-11-02T00:00:00+08:00', '2027-01-05T00:00:00+08:00'),
                          (2, '2026-09-15T00:00:00+08:00', '2027-01-05T00:00:00+08:00'),
                          (3, '2026-09-15T00:00:00+08:00', '2026-10-05T00:00:00+08:00'),
                          (4, '2026-11-02T00:00:00+08:00', '2026-11-10T00:00:00+08:00')) AS rest (number, ended, again)
             JOIN case_line ON sequence = number",
        )
        .await;
    for (caller, of) in [(CENTRE, TOWNSHIP), (COUNTY_OFFICE, COUNTY)] {
        let assessment = world.assessment(caller, of, QUARTER).await.expect("an assessment");
        assert_eq!(figure(&assessment, "closure"), (1, 3, 333), "{of}");
    }
}

#[tokio::test]
async fn a_township_s_evaluation_counts_once_it_is_published() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.score_all().await;
    let open = world.assessment(CITY_OFFICE, TOWNSHIP, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&open, "evaluation"), (0, 0, 0));
    world.at("2027-01-02T09:00:00");
    world.close(COUNTY_OFFICE, closing(false)).await.expect("closed");
    let closed = world.assessment(CENTRE, TOWNSHIP, QUARTER).await.expect("an assessment");
    assert_eq!(figure(&closed, "evaluation"), (9_000, 10_000, 1_350));
}

#[tokio::test]
async fn what_had_nothing_to_do_does_not_count_and_places_follow_the_scores() {
    let world = World::start().await;
    // Nothing is due yet in a quarter that began today.
    world.at("2026-10-01T08:00:00");
    let none = world.assessments_of(COUNTY_OFFICE, COUNTY).await.expect("a list");
    assert!(none.iter().all(|one| !one.assessed && one.place == 0 && one.score == 0));
    for (township, in_time, breached) in [("371302001", 1, 1), ("371302002", 3, 1)] {
        world.deed("2026-10-01", township, ("any", ""), "clock:V1:in-time", in_time).await;
        world.deed("2026-10-01", township, ("any", ""), "clock:V1:breached", breached).await;
    }
    let told = |all: Vec<Assessment>| -> Vec<(String, u32, u32, bool)> {
        all.into_iter().map(|one| (one.name, one.score, one.place, one.assessed)).collect()
    };
    let townships = told(world.assessments_of(COUNTY_OFFICE, COUNTY).await.expect("a list"));
    let expected = [("兰山区银雀山街道", 7_500, 1, true), ("兰山区兰山街道", 5_000, 2, true)];
    assert_eq!(townships, expected.map(|(name, score, place, done)| (name.to_owned(), score, place, done)));
    let counties = told(world.assessments_of(CITY_OFFICE, "city:371300").await.expect("a list"));
    let expected = [("兰山区", 6_667, 1, true), ("罗庄区", 0, 0, false), ("高新区", 0, 0, false)];
    assert_eq!(counties, expected.map(|(name, score, place, done)| (name.to_owned(), score, place, done)));
    let one = world.assessment(CITY_OFFICE, COUNTY, QUARTER).await.expect("an assessment");
    assert_eq!((one.score, one.place), (6_667, 0), "one alone has no place");
}

#[tokio::test]
async fn assessments_are_of_counties_and_townships_of_the_caller_s_own_region() {
    let world = World::start().await;
    let commander = (Role::CountyCommander, COUNTY, None);
    world.assessment(commander, TOWNSHIP, QUARTER).await.expect("below the caller");
    for (caller, of) in [(CENTRE, COUNTY), (CENTRE, "township:371302002"), (COUNTY_OFFICE, "county:371311")] {
        is(&world.assessment(caller, of, QUARTER).await.expect_err(of), Code::PermissionDenied, "", "OUT_OF_SCOPE");
    }
    let member = (Role::GridMember, "village:371302001001", None);
    let refused = world.assessment(member, TOWNSHIP, QUARTER).await.expect_err("no office");
    is(&refused, Code::PermissionDenied, "", "ROLE_NOT_ALLOWED");
    for (of, quarter, field, reason) in [
        ("city:371300", QUARTER, "region.level", "WRONG_LEVEL"),
        ("county:371399", QUARTER, "region", "UNKNOWN_REGION"),
        (COUNTY, "2027-Q1", "quarter", "QUARTER_IN_FUTURE"),
        (COUNTY, "2026-11", "quarter", "INVALID_QUARTER"),
    ] {
        let refused = world.assessment(CITY_OFFICE, of, quarter).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    let refused = world.assessments_of(CENTRE, TOWNSHIP).await.expect_err("it has none below it");
    is(&refused, Code::InvalidArgument, "region.level", "WRONG_LEVEL");
}
