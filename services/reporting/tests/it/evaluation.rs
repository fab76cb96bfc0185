//! Two-way evaluation: sheets come in, the last one completes the round, closing ranks and publishes (clause E1).

use dafei_contracts::{
    Event,
    reporting::v1::{
        CloseEvaluationRequest, Evaluated, Evaluation, EvaluationState, GetEvaluationRequest, ListCriteriaRequest,
        ListMissingSheetsRequest, ListSheetsRequest, OpenEvaluationRequest, Points, Sheet, SubmitSheetRequest,
        SubmitSheetResponse,
    },
    types::v1 as types,
};
use dafei_kernel::{agency::Agency, role::Role};
use dafei_reporting_core::evaluation::{Criteria, Criterion};
use tonic::Status;

use crate::{
    events::{at, moved_township, region},
    filing::{CENTRE, COUNTY_OFFICE, id},
    world::{CITY_OFFICE, Caller, World},
};

pub(crate) const QUARTER: &str = "2026-Q4";
pub(crate) const OTHER_CENTRE: Caller<'static> = (Role::TownshipCentre, "township:371302002", None);
pub(crate) const EMERGENCY: Caller<'static> =
    (Role::CountyDepartment, "county:371302", Some(Agency::EmergencyManagement));
pub(crate) const POLICE: Caller<'static> = (Role::CountyDepartment, "county:371302", Some(Agency::PublicSecurity));
pub(crate) fn wire((role, of, agency): Caller<'_>) -> types::Post {
    let agency = agency.map_or("", |agency| agency.code()).to_owned();
    types::Post { role: role.code().to_owned(), region: Some(region(of)), agency }
}

pub(crate) fn opening() -> OpenEvaluationRequest {
    OpenEvaluationRequest { request_id: id(), county: Some(region("county:371302")), quarter: QUARTER.to_owned() }
}

pub(crate) fn closing(without_missing: bool) -> CloseEvaluationRequest {
    let (county, quarter) = (Some(region("county:371302")), QUARTER.to_owned());
    CloseEvaluationRequest { request_id: id(), county, quarter, without_missing }
}

/// A sheet that comes to a total: criteria are filled from the first.
pub(crate) fn sheet(evaluated: Caller<'_>, total: u32, remark: &str) -> SubmitSheetRequest {
    let criteria: &[Criterion] = match evaluated.0 {
        Role::TownshipCentre => &Criteria::shipped().of_townships,
        _ => &Criteria::shipped().of_departments,
    };
    let mut left = total;
    let points = criteria.iter().map(|criterion| {
        let points = left.min(criterion.max_points);
        left -= points;
        Points { criterion: criterion.code.clone(), points }
    });
    SubmitSheetRequest {
        request_id: id(),
        county: Some(region("county:371302")),
        quarter: QUARTER.to_owned(),
        evaluated: Some(wire(evaluated)),
        points: points.collect(),
        remark: remark.to_owned(),
    }
}

impl World {
    pub(crate) fn at(&self, instant: &str) {
        self.clock.set(format!("{instant}+08:00").parse().expect("an instant"));
    }

    pub(crate) async fn open(&self, caller: Caller<'_>, request: OpenEvaluationRequest) -> Result<Evaluation, Status> {
        let answer = self.evaluations().open_evaluation(self.request(caller, request)).await?.into_inner();
        Ok(answer.evaluation.expect("a round"))
    }

    pub(crate) async fn submit(
        &self,
        caller: Caller<'_>,
        request: SubmitSheetRequest,
    ) -> Result<SubmitSheetResponse, Status> {
        Ok(self.evaluations().submit_sheet(self.request(caller, request)).await?.into_inner())
    }

    pub(crate) async fn close(
        &self,
        caller: Caller<'_>,
        request: CloseEvaluationRequest,
    ) -> Result<Evaluation, Status> {
        let answer = self.evaluations().close_evaluation(self.request(caller, request)).await?.into_inner();
        Ok(answer.evaluation.expect("a round"))
    }

    pub(crate) async fn evaluation(&self, caller: Caller<'_>) -> Result<Evaluation, Status> {
        let request = GetEvaluationRequest { county: Some(region("county:371302")), quarter: QUARTER.to_owned() };
        let answer = self.evaluations().get_evaluation(self.request(caller, request)).await?.into_inner();
        Ok(answer.evaluation.expect("a round"))
    }

    /// All sheets that a caller sees, page by page of two.
    pub(crate) async fn sheets(&self, caller: Caller<'_>, evaluated: Option<Caller<'_>>) -> Result<Vec<Sheet>, Status> {
        let mut request = ListSheetsRequest {
            county: Some(region("county:371302")),
            quarter: QUARTER.to_owned(),
            evaluated: evaluated.map(wire),
            page_size: 2,
            page_token: String::new(),
        };
        let mut all = Vec::new();
        loop {
            let page = self.evaluations().list_sheets(self.request(caller, request.clone())).await?.into_inner();
            assert!(page.sheets.len() <= 2, "a page has what was asked for");
            all.extend(page.sheets);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Evaluator and evaluated of all sheets that are missing, page by page of three.
    pub(crate) async fn missing(&self, caller: Caller<'_>) -> Result<Vec<(String, String)>, Status> {
        let mut request = ListMissingSheetsRequest {
            county: Some(region("county:371302")),
            quarter: QUARTER.to_owned(),
            page_size: 3,
            page_token: String::new(),
        };
        let mut all = Vec::new();
        loop {
            let page =
                self.evaluations().list_missing_sheets(self.request(caller, request.clone())).await?.into_inner();
            all.extend(page.missing.iter().map(|one| (short(one.evaluator.as_ref()), short(one.evaluated.as_ref()))));
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All sheets of both directions: townships give the emergency department 80 and 81 and the police 59 and 60; departments give everyone 90.
    pub(crate) async fn score_all(&self) -> u32 {
        let mut missing = 8;
        for (centre, emergency, police) in [(CENTRE, 80, 59), (OTHER_CENTRE, 81, 60)] {
            for (department, total) in [(EMERGENCY, emergency), (POLICE, police)] {
                self.submit(centre, sheet(department, total, "两次未按时到场")).await.expect("a sheet");
                missing = self.submit(department, sheet(centre, 90, "")).await.expect("a sheet").missing;
            }
        }
        missing
    }

    /// What the bus was told of evaluations: fact and sequence, with the events.
    pub(crate) async fn told(&self) -> Vec<(String, i64, Event)> {
        let rows: Vec<(String, i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT subject, sequence, event_type, payload FROM event_log WHERE stream = 'DAFEI_REPORTING' ORDER BY position",
        )
        .fetch_all(&self.db.pool)
        .await
        .expect("the log");
        let (mut head, mut all) = (String::new(), Vec::new());
        for (subject, sequence, event_type, payload) in rows {
            let event = Event::from_json(&event_type, &payload).expect("JSON").expect("an event of the catalogue");
            assert_eq!(event.meta().expect("meta").chain_head, head, "each carries the hash of the one before");
            head = dafei_contracts::chain::next_head(&head, &payload);
            let fact = subject.strip_prefix("dafei.v1.reporting.county.371302.").expect("the county's").to_owned();
            all.push((fact, sequence, event));
        }
        all
    }

    /// A deed as it is counted of events.
    pub(crate) async fn deed(&self, day: &str, township: &str, by: (&str, &str), what: &str, times: i64) {
        sqlx::query(
            "INSERT INTO deed (what, day, county, township, role, agency, times) VALUES ($1, $2::date, '371302', $3, $4, $5, $6)",
        )
        .bind(what)
        .bind(day)
        .bind(township)
        .bind(by.0)
        .bind(by.1)
        .bind(times)
        .execute(&self.db.pool)
        .await
        .expect("a row");
    }
}

/// Region and agency of a post.
fn short(post: Option<&types::Post>) -> String {
    let post = post.expect("a post");
    format!("{}{}", post.region.as_ref().expect("a region").code, post.agency)
}

/// Name, score, place and whether below the mark, in their order.
pub(crate) fn results(side: &[Evaluated]) -> Vec<(&str, u32, u32, bool)> {
    side.iter().map(|one| (one.name.as_str(), one.score, one.place, one.below_mark)).collect()
}

#[tokio::test]
async fn sheets_of_both_directions_complete_a_round_and_closing_ranks_and_publishes() {
    let world = World::start().await;
    let opened = world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    assert_eq!((opened.state(), opened.expected, opened.submitted), (EvaluationState::Open, 8, 0));
    assert_eq!((opened.mark, opened.criteria_version.as_str()), (6_000, "linyi-2020-17.1"));
    assert_eq!(opened.due, Some(at("2027-01-16T00:00:00+08:00").into()));
    assert_eq!(world.score_all().await, 0);
    let complete = world.evaluation(COUNTY_OFFICE).await.expect("a round");
    assert_eq!(complete.state(), EvaluationState::Complete);
    assert_eq!(complete.completed_at, Some(at("2026-11-30T12:00:00+08:00").into()));

    world.at("2027-01-02T09:00:00");
    let closed = world.close(COUNTY_OFFICE, closing(false)).await.expect("closed");
    assert_eq!(closed.state(), EvaluationState::Closed);
    let departments = [("兰山区应急管理部门", 8_050, 1, false), ("兰山区公安部门", 5_950, 2, true)];
    assert_eq!(results(&closed.departments), departments);
    let townships = [("兰山区兰山街道", 9_000, 1, false), ("兰山区银雀山街道", 9_000, 1, false)];
    assert_eq!(results(&closed.townships), townships);

    let told = world.told().await;
    let facts: Vec<&str> = told.iter().map(|(fact, _, _)| fact.as_str()).collect();
    assert_eq!(facts[..2], ["evaluation-opened", "sheet-submitted"]);
    assert_eq!(facts[9..], ["evaluation-complete", "evaluation-closed"]);
    assert_eq!(told.iter().map(|(_, sequence, _)| *sequence).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    let Some((_, _, Event::EvaluationClosed(event))) = told.last() else { panic!("the closing comes last") };
    let published: Vec<(&str, u32, u32, u32, bool)> = event
        .results
        .iter()
        .map(|one| {
            (one.evaluated.as_ref().expect("a post").role.as_str(), one.score, one.sheets, one.place, one.below_mark)
        })
        .collect();
    assert_eq!(
        published,
        [
            ("township-centre", 9_000, 2, 1, false),
            ("township-centre", 9_000, 2, 1, false),
            ("county-department", 8_050, 2, 1, false),
            ("county-department", 5_950, 2, 2, true)
        ]
    );
    assert_eq!((event.mark, event.missing_sheets, event.quarter.as_str()), (6_000, 0, QUARTER));
}

#[tokio::test]
async fn a_sheet_can_be_replaced_while_the_round_is_open_and_completion_is_told_once() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.score_all().await;
    let request = sheet(POLICE, 100, "");
    let again = world.submit(CENTRE, request.clone()).await.expect("replaced");
    assert_eq!(world.submit(CENTRE, request).await.expect("told again"), again);
    let replaced = again.sheet.expect("a sheet");
    assert_eq!((replaced.version, replaced.total, again.missing), (2, 100, 0));
    let complete = world.told().await.into_iter().filter(|(fact, _, _)| fact == "evaluation-complete").count();
    assert_eq!(complete, 1);
    let round = world.evaluation(COUNTY_OFFICE).await.expect("a round");
    assert_eq!(results(&round.departments)[1], ("兰山区公安部门", 8_000, 2, false));
}

#[tokio::test]
async fn sheets_that_come_at_the_same_time_complete_a_round_once() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    let pairs = [CENTRE, OTHER_CENTRE].into_iter().flat_map(|centre| {
        [EMERGENCY, POLICE].into_iter().flat_map(move |department| [(centre, department), (department, centre)])
    });
    let sheets = pairs.map(|(evaluator, evaluated)| world.submit(evaluator, sheet(evaluated, 75, "")));
    let mut missing: Vec<u32> =
        futures::future::try_join_all(sheets).await.expect("sheets").iter().map(|answer| answer.missing).collect();
    missing.sort_unstable();
    assert_eq!(missing, (0..8).collect::<Vec<_>>());
    let told = world.told().await;
    assert_eq!(told.last().map(|(fact, _, _)| fact.as_str()), Some("evaluation-complete"));
    assert_eq!(told.len(), 10);
}

#[tokio::test]
async fn scores_are_the_office_s_alone_until_the_round_is_closed() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.score_all().await;
    let commander = (Role::CountyCommander, "county:371302", None);
    let auditor = (Role::Auditor, "city:371300", None);
    for caller in [COUNTY_OFFICE, CITY_OFFICE, auditor] {
        assert_eq!(world.evaluation(caller).await.expect("a round").departments[0].score, 8_050);
        assert_eq!(world.sheets(caller, None).await.expect("sheets").len(), 8);
    }
    let hidden = [("兰山区应急管理部门", 0, 0, false), ("兰山区公安部门", 0, 0, false)];
    for caller in [CENTRE, POLICE, commander] {
        let round = world.evaluation(caller).await.expect("a round");
        assert_eq!(results(&round.departments), hidden);
        assert_eq!((round.submitted, round.departments[0].sheets), (8, 2), "how far it is may be known");
    }
    let own = world.sheets(CENTRE, None).await.expect("sheets");
    assert_eq!(own.len(), 2);
    assert!(own.iter().all(|sheet| sheet.evaluator == Some(wire(CENTRE))));
    assert!(world.sheets(CENTRE, Some(CENTRE)).await.expect("sheets").is_empty(), "not what is said of it");

    world.at("2027-01-02T09:00:00");
    let closed = world.close(COUNTY_OFFICE, closing(false)).await.expect("closed");
    for caller in [CENTRE, POLICE, commander, CITY_OFFICE] {
        assert_eq!(world.evaluation(caller).await.expect("a round"), closed);
    }
    let about = world.sheets(POLICE, Some(POLICE)).await.expect("sheets");
    let told: Vec<(Option<types::Post>, u32)> = about.into_iter().map(|sheet| (sheet.evaluator, sheet.total)).collect();
    assert_eq!(told, [(Some(wire(CENTRE)), 59), (Some(wire(OTHER_CENTRE)), 60)]);
    assert_eq!(world.sheets(POLICE, None).await.expect("sheets").len(), 4, "its own and those about it");
    assert!(world.sheets(POLICE, Some(EMERGENCY)).await.expect("sheets").is_empty());
}

#[tokio::test]
async fn after_the_limit_the_office_closes_without_what_is_missing() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.submit(CENTRE, sheet(EMERGENCY, 70, "")).await.expect("a sheet");
    let missing = world.missing(COUNTY_OFFICE).await.expect("a list");
    assert_eq!(missing.len(), 7);
    assert!(!missing.contains(&("371302001".to_owned(), "371302emergency-management".to_owned())));
    let own = [("371302001".to_owned(), "371302public-security".to_owned())];
    assert_eq!(world.missing(CENTRE).await.expect("a list"), own);

    // 24:00 of the 15th.
    world.at("2027-01-16T00:00:00");
    let closed = world.close(COUNTY_OFFICE, closing(true)).await.expect("closed");
    let departments = [("兰山区应急管理部门", 7_000, 1, false), ("兰山区公安部门", 0, 0, false)];
    assert_eq!(results(&closed.departments), departments);
    let told = world.told().await;
    assert!(!told.iter().any(|(fact, _, _)| fact == "evaluation-complete"), "it never was");
    let Some((_, _, Event::EvaluationClosed(event))) = told.last() else { panic!("the closing comes last") };
    assert_eq!(event.missing_sheets, 7);
    assert_eq!(world.missing(COUNTY_OFFICE).await.expect("a list").len(), 7, "who did not score stays known");
}

#[tokio::test]
async fn who_scores_whom_stays_as_it_was_at_the_opening() {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.tell(&[moved_township(2, "township:371302002", "county:371311")]).await;
    world.submit(OTHER_CENTRE, sheet(POLICE, 88, "")).await.expect("it scores all the same");
    world.submit(POLICE, sheet(OTHER_CENTRE, 77, "")).await.expect("and is scored");
    let round = world.evaluation(OTHER_CENTRE).await.expect("it has to do with the round");
    assert_eq!((round.expected, round.submitted), (8, 2));
}

#[tokio::test]
async fn everyone_who_reads_tables_reads_the_criteria() {
    let world = World::start().await;
    let request = world.request(CENTRE, ListCriteriaRequest {});
    let criteria = world.evaluations().list_criteria(request).await.expect("criteria").into_inner();
    for side in [&criteria.of_departments, &criteria.of_townships] {
        assert_eq!(side.iter().map(|one| one.max_points).sum::<u32>(), 100);
        assert!(side.iter().all(|one| !one.name.is_empty() && !one.standard.is_empty()));
    }
    assert_eq!((criteria.mark, criteria.version.as_str()), (6_000, "linyi-2020-17.1"));
}
