//! The branches of the loop from the centre up, by gRPC.

use dafei_contracts::{
    Event, Stream, chain,
    dispatch::v1::CaseState,
    events::v1 as ev,
    types::v1::{CriminalMeasure, Measure, ResultKind, measure::Kind},
};
use dafei_kernel::{agency::Agency, clock::Clock, role::Role};
use jiff::SignedDuration;

use crate::suite::{COUNTY, OTHER_VILLAGE, Suite, TOWNSHIP, enterprise, fine, lead, region, wire_region};

fn published_result(case: uuid::Uuid) -> ev::ResultPublished {
    ev::ResultPublished {
        meta: None,
        case_id: case.to_string(),
        text: "已依法取缔".to_owned(),
        evidence_ids: vec![crate::suite::new_id()],
    }
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind().fact).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_township_case_runs_from_the_report_to_the_notice_board() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    suite.centre().instruct(case, Agency::PublicSecurity).await.expect("instructed");
    let station = suite.station(Agency::PublicSecurity);
    let inbox = station.inbox().await;
    let id = &inbox[0].instruction_id;
    suite.advance(SignedDuration::from_mins(5));
    let read = station.read(id).await.expect("read");
    assert_eq!(read.instruction.expect("it").delivered_at, Some(suite.clock.now().into()));
    assert_eq!(read.case.expect("its case").description, "夜间有罐车进出");
    station.accept(id).await.expect("seen");
    station.respond(id).await.expect("a plan");
    let measures = vec![fine("罚1", 50_000, suite.clock.now())];
    station.submit(id, ResultKind::Interim, measures).await.expect("a result");
    assert!(station.inbox().await.is_empty(), "nothing left to do");
    let accepted = suite.centre().accept_result(case).await.expect("accepted");
    assert_eq!(accepted.state(), CaseState::OutcomeAvailable);
    suite.intake(case, 2, published_result(case)).await;
    let closed = suite.state(case, CaseState::Closed).await;
    assert_eq!(closed.public_text, "已依法取缔");
    let events = suite.published(Stream::Dispatch, 8).await;
    let facts = [
        "case-opened",
        "agency-instructed",
        "instruction-delivered",
        "result-submitted",
        "act-confirmed",
        "measure-recorded",
        "outcome-available",
        "closed",
    ];
    assert_eq!(names(&events), facts);
    assert!(events.iter().all(|event| event.subject().expect("one").to_string().starts_with("dafei.v1.township.")));
    let Event::InstructionDelivered(delivered) = &events[2] else { panic!("{:?}", events[2]) };
    assert_eq!((delivered.means(), delivered.tier()), (ev::DeliveryMeans::Rpc, ev::Tier::Township));
    history_is_whole(&suite, case, closed.version).await;
}

/// Sequences from 1 without a hole, and every event carries the head over those before it, as stored.
async fn history_is_whole(suite: &Suite, case: uuid::Uuid, version: i64) {
    let history = suite.admin().history(case).await;
    let sequences: Vec<i64> = history.iter().map(|item| item.sequence).collect();
    assert_eq!(sequences, (1..=version).collect::<Vec<_>>());
    let mut head = String::new();
    for item in &history {
        let event = Event::from_json(&item.r#type, item.payload_json.as_bytes()).expect("JSON").expect("known");
        let meta = event.meta().expect("meta");
        assert_eq!((meta.sequence, &meta.chain_head), (item.sequence, &head), "{}", item.r#type);
        head = chain::next_head(&head, item.payload_json.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_county_case_runs_by_grpc_with_a_declined_instruction_and_a_returned_assignment() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    suite.centre().instruct(case, Agency::MarketRegulation).await.expect("instructed");
    let station = suite.station(Agency::MarketRegulation);
    let id = station.inbox().await[0].instruction_id.clone();
    station.decline(&id, "").await.expect("declined");
    suite.state(case, CaseState::Declined).await;
    suite.centre().escalate(case).await.expect("escalated");
    let proposal = suite
        .office()
        .county()
        .propose_department(dafei_contracts::dispatch::v1::ProposeDepartmentRequest { case_id: case.to_string() })
        .await
        .expect("a proposal")
        .into_inner();
    assert_eq!(proposal.lead, "emergency-management");
    assert_eq!(proposal.co_handlers, ["market-regulation", "public-security"]);
    let first = suite.office().assign(case).await.expect("assigned");
    assert_eq!(first.instructions.len(), 4);
    let department = suite.department(Agency::EmergencyManagement);
    let refused = department.decline(&lead(&first).instruction_id, "").await.expect_err("no basis");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    department.decline(&lead(&first).instruction_id, "职责分工规定第3条").await.expect("returned");
    assert_eq!(suite.state(case, CaseState::AtOffice).await.instructions[2].state, 7, "the co-handlers' fell away");
    let second = suite.office().assign(case).await.expect("assigned again");
    let id = &lead(&second).instruction_id;
    assert_eq!(lead(&second).leg, 3);
    department.respond(id).await.expect("a plan");
    department.submit(id, ResultKind::Interim, Vec::new()).await.expect("a result");
    let co_handler = suite.department(Agency::PublicSecurity);
    let own = co_handler.inbox().await[0].instruction_id.clone();
    let kind = Some(Kind::CriminalMeasure(CriminalMeasure { persons: 2 }));
    let persons = vec![Measure { kind, ..fine("刑1", 1, suite.clock.now()) }];
    co_handler.submit(&own, ResultKind::Final, persons).await.expect("a co-handler's result");
    suite.office().feed_back(case).await.expect("fed back");
    suite.intake(case, 2, published_result(case)).await;
    suite.state(case, CaseState::Closed).await;
    let late = vec![fine("罚9", 2_000_000, suite.clock.now())];
    department.submit(id, ResultKind::Final, late).await.expect("a later fact");
    let closed = suite.admin().case(case).await.expect("the case");
    assert_eq!(closed.state(), CaseState::Closed);
    assert_eq!(lead(&closed).result_kind(), ResultKind::Final);
    let events = suite.published(Stream::Dispatch, u64::try_from(closed.version).expect("few")).await;
    let mut posts = Vec::new();
    for event in &events {
        let Event::MeasureRecorded(event) = event else { continue };
        let (by, lead) = (event.by.as_ref().expect("who decided"), event.lead.as_ref().expect("who leads"));
        for post in [by, lead] {
            assert_eq!((post.role.as_str(), &post.region), ("county-department", &Some(wire_region(COUNTY))));
        }
        posts.push((by.agency.as_str(), lead.agency.as_str()));
    }
    let expected = [("public-security", "emergency-management"), ("emergency-management", "emergency-management")];
    assert_eq!(posts, expected);
    history_is_whole(&suite, case, closed.version).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enterprises_case_ends_at_its_regulator() {
    let suite = Suite::start().await;
    let case = suite.report_on(enterprise(Agency::Transport)).await;
    let refused = suite.centre().instruct(case, Agency::Transport).await.expect_err("outside the authority");
    assert_eq!(crate::access::reason(&refused), "OUTSIDE_AUTHORITY");
    suite.centre().escalate(case).await.expect("escalated");
    let assigned = suite.office().assign(case).await.expect("assigned");
    let post = lead(&assigned).post.clone().expect("a post");
    assert_eq!(post.agency, "transport");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instruction_reaches_its_agency_as_an_event_of_its_own() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let events = suite.published(Stream::Agency, 3).await;
    for (event, instruction) in events.iter().zip(&case.instructions) {
        let Event::Instruction(event) = event else { panic!("{event:?}") };
        assert_eq!(event.instruction_id, instruction.instruction_id);
        assert_eq!((event.act.as_str(), event.act_name.is_empty()), ("HC-3", false));
        assert_eq!((event.description.as_str(), event.text.as_str()), ("夜间有罐车进出", "依法查处"));
        let meta = event.meta.as_ref().expect("meta");
        assert_eq!((meta.sequence, &meta.aggregate_id), (1, &instruction.instruction_id));
        let agency = &instruction.post.as_ref().expect("a post").agency;
        let subject = Event::from(event.clone()).subject().expect("a subject").to_string();
        assert_eq!(subject, format!("dafei.v1.agency.{agency}.county.371302.instruction"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn intakes_snapshots_renew_the_roster_and_a_withdrawn_report_closes() {
    let suite = Suite::start().await;
    let case = suite.escalated().await;
    let withdrawn = ev::ReportWithdrawn { meta: None, case_id: case.to_string(), reason: "误报".to_owned() };
    suite.intake(case, 2, withdrawn).await;
    suite.state(case, CaseState::Closed).await;
    let township = region(TOWNSHIP);
    let row = |text: &str, parent: &str| ev::RosterRegion {
        region: Some(wire_region(text)),
        name: "新名".to_owned(),
        parent: Some(wire_region(parent)),
        work_area: String::new(),
        households: 0,
    };
    let snapshot = |regions| ev::RosterSnapshot {
        meta: None,
        region: Some((&township).into()),
        regions,
        holders: Vec::new(),
        enterprises: Vec::new(),
    };
    // The suite's roster is in memory only: what administers the township comes first, as intake publishes it.
    for (number, text, parent) in [(3, "city:371300", None), (4, COUNTY, Some("city:371300"))] {
        let parent = parent.map(wire_region);
        let regions = vec![ev::RosterRegion { region: Some(wire_region(text)), parent, ..Default::default() }];
        let above = ev::RosterSnapshot { region: Some(wire_region(text)), regions, ..Default::default() };
        suite.intake(uuid::Uuid::from_u128(number), 1, above).await;
    }
    let aggregate = uuid::Uuid::from_u128(5);
    suite.intake(aggregate, 1, snapshot(vec![row(TOWNSHIP, COUNTY), row(OTHER_VILLAGE, TOWNSHIP)])).await;
    suite.intake(aggregate, 2, snapshot(vec![row(TOWNSHIP, COUNTY)])).await;
    dafei_testkit::eventually(crate::suite::PATIENCE, "the roster is renewed", || async {
        let roster = suite.app.roster.current();
        (roster.get(&township)?.name == "新名" && roster.get(&region(OTHER_VILLAGE)).is_none()).then_some(())
    })
    .await;
    let reader = suite.caller(Role::TownshipCentre, TOWNSHIP, None);
    assert!(reader.case(case).await.is_ok(), "a case stays with the regions that it was opened in");
}
