//! The turns of a case over gRPC and NATS: what is answered, published, and told to the agencies.

use dafei_contracts::{
    Event,
    dispatch::v1::{self as api, CaseState},
    events::v1 as ev,
    types::v1 as types,
};
use dafei_kernel::{agency::Agency, role::Role};
use jiff::SignedDuration;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    access::reason,
    agency_systems::System,
    caller::{Caller, lead},
    suite::{
        CITY, COUNTY, KNOWN_ENTERPRISE, OTHER_COUNTY, OTHER_TOWNSHIP, Suite, TOWNSHIP, VILLAGE, den, exemptions,
        new_id, wire_region,
    },
    tips::events_of,
};

fn facts(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind().fact).collect()
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("refused");
    (status.code(), reason(&status))
}

fn pair(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

fn id_of(case: &api::Case) -> Uuid {
    case.case_id.parse().expect("an id")
}

pub(crate) fn opening(source: ev::CaseSource) -> api::OpenCaseRequest {
    api::OpenCaseRequest {
        request_id: new_id(),
        source: source.into(),
        act: "HC-3".to_owned(),
        subject: Some(den()),
        description: "上级督办：某废弃厂房".to_owned(),
        ..Default::default()
    }
}

pub(crate) async fn open(caller: &Caller, request: api::OpenCaseRequest) -> Result<api::Case, Status> {
    Ok(caller.turns().open_case(request).await?.into_inner().case.expect("a case"))
}

pub(crate) async fn rework(caller: &Caller, case: Uuid) -> Result<api::Case, Status> {
    let request = api::OrderReworkRequest {
        request_id: new_id(),
        case_id: case.to_string(),
        reason: "取缔不彻底".to_owned(),
        expected_version: 0,
    };
    Ok(caller.turns().order_rework(request).await?.into_inner().case.expect("a case"))
}

pub(crate) async fn merge(caller: &Caller, case: Uuid, into: Uuid) -> Result<api::Case, Status> {
    let request = api::MergeCaseRequest {
        request_id: new_id(),
        case_id: case.to_string(),
        into_case_id: into.to_string(),
        reason: "同一窝点".to_owned(),
        expected_version: 0,
    };
    Ok(caller.turns().merge_case(request).await?.into_inner().case.expect("a case"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_on_nats_asks_for_time_is_told_the_answer_and_does_its_work_again() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let id = id_of(&case);
    let (_, instruction) = system.next().await;
    let number = instruction["instructionId"].as_str().expect("an id").to_owned();
    system.send("E-1", &number, "extension", json!({"workingDays": 4, "reason": "等待鉴定结论"})).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let decision = api::DecideExtensionRequest {
        request_id: new_id(),
        case_id: case.case_id.clone(),
        instruction_id: number.clone(),
        working_days: 3,
        reason: "情况属实".to_owned(),
        expected_version: 0,
    };
    suite.office().county().decide_extension(decision).await.expect("granted");
    let (kind, notice) = system.next().await;
    assert_eq!(kind, "dafei.events.v1.InstructionNotice");
    assert_eq!(notice["kind"], json!("INSTRUCTION_NOTICE_KIND_EXTENSION_GRANTED"));
    assert_eq!((&notice["workingDays"], &notice["instructionId"]), (&json!(3), &json!(number)));
    let result = json!({"kind": "RESULT_KIND_INTERIM", "text": "已查封", "confirmedActs": ["HC-3"]});
    system.send("E-2", &number, "result", result).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    suite.state(id, CaseState::DepartmentResult).await;
    rework(&suite.office(), id).await.expect("ordered again");
    let (kind, again) = system.next().await;
    assert_eq!((kind.as_str(), &again["rework"]), ("dafei.events.v1.Instruction", &json!(true)));
    assert_eq!((&again["leg"], &again["text"]), (&json!(2), &json!("取缔不彻底")));
    system.send("E-3", &number, "result", json!({"kind": "RESULT_KIND_INTERIM", "text": "旧"})).await;
    let receipt = system.receipt().await;
    assert_eq!(
        (&receipt["status"], &receipt["reason"]),
        (&json!("RECEIPT_STATUS_REJECTED"), &json!("INSTRUCTION_SUPERSEDED"))
    );
    let told = facts(&events_of(&suite, id).await);
    let turns: Vec<_> =
        told.into_iter().filter(|fact| fact.starts_with("extension") || fact.starts_with("rework")).collect();
    assert_eq!(turns, ["extension-requested", "extension-decided", "rework-ordered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_measure_is_told_by_nats_and_a_stray_field_is_named() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let number = instruction["instructionId"].as_str().expect("an id").to_owned();
    let at = instruction["issuedAt"].clone();
    let cut_off = json!({"utility": "UTILITY_POWER", "addressee": "某供电所", "orderNumber": "停电1号"});
    let result = json!({"kind": "RESULT_KIND_INTERIM", "text": "责令停电", "confirmedActs": ["HC-3"],
                        "measures": [{"measureId": "停电", "decidedAt": at, "complyBy": at, "cutOff": cut_off}]});
    system.send("C-1", &number, "result", result).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let became = |stray: bool| {
        let mut body = json!({"measureId": "停电", "outcome": "COMPLIANCE_OUTCOME_REFUSED", "establishedAt": at});
        if stray {
            body["wer"] = json!(1);
        }
        json!({"compliance": body})
    };
    system.send("C-2", &number, "compliance", became(true)).await;
    let receipt = system.receipt().await;
    assert_eq!((&receipt["reason"], &receipt["field"]), (&json!("UNKNOWN_FIELD"), &json!("compliance.compliance.wer")));
    system.send("C-3", &number, "compliance", became(false)).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let shown = suite.admin().case(id_of(&case)).await.expect("the case");
    let taken = shown.measures.first().expect("a measure");
    assert_eq!(taken.compliance.as_ref().expect("established").outcome(), types::ComplianceOutcome::Refused);
    let last = events_of(&suite, id_of(&case)).await.pop().expect("an event");
    assert!(matches!(last, Event::ComplianceRecorded(event) if event.measure.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_act_on_what_they_have_seen_one_wins_and_the_other_is_told_the_state() {
    let suite = Suite::start().await;
    let case = suite.escalated().await;
    let seen = suite.admin().case(case).await.expect("the case").version;
    let assign = || api::AssignDepartmentRequest {
        request_id: new_id(),
        case_id: case.to_string(),
        text: "依法查处".to_owned(),
        expected_version: seen,
        ..Default::default()
    };
    let (office, deputy) = (suite.office(), suite.named("deputy", Role::CountyOffice, COUNTY, None));
    let (mut one, mut other) = (office.county(), deputy.county());
    let (first, second) = tokio::join!(one.assign_department(assign()), other.assign_department(assign()));
    let lost = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    let [lost] = lost.as_slice() else { panic!("one wins and one loses: {lost:?}") };
    assert_eq!((lost.code(), reason(lost)), pair(Code::Aborted, "VERSION_CONFLICT"));
    let unseen = api::AssignDepartmentRequest { expected_version: 0, ..assign() };
    assert_eq!(refused(one.assign_department(unseen).await), pair(Code::FailedPrecondition, "ALREADY_ASSIGNED"));
    let below = api::AssignDepartmentRequest { expected_version: -1, ..assign() };
    assert_eq!(refused(one.assign_department(below).await), pair(Code::InvalidArgument, "INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_ends_in_the_other_and_both_or_neither_is_written() {
    let suite = Suite::start().await;
    let (case, into) = (suite.report().await, suite.report().await);
    let elsewhere = suite.caller(Role::TownshipCentre, OTHER_TOWNSHIP, None);
    assert_eq!(refused(merge(&elsewhere, case, into).await), pair(Code::PermissionDenied, "OUT_OF_SCOPE"));
    assert_eq!(refused(merge(&suite.centre(), case, case).await), pair(Code::InvalidArgument, "SAME_CASE"));
    assert_eq!(refused(merge(&suite.centre(), case, Uuid::nil()).await), pair(Code::InvalidArgument, "NO_SUCH_CASE"));
    let ended = merge(&suite.centre(), case, into).await.expect("merged");
    assert_eq!((ended.state(), ended.merged_into.clone()), (CaseState::Closed, into.to_string()));
    let goes_on = suite.admin().case(into).await.expect("the other");
    assert_eq!((goes_on.state(), goes_on.duplicates.clone()), (CaseState::AtCentre, vec![case.to_string()]));
    let last = events_of(&suite, case).await.pop().expect("an event");
    assert!(matches!(last, Event::CaseMerged(event) if event.into_case_id == into.to_string()));
    assert_eq!(refused(merge(&suite.centre(), into, case).await), pair(Code::InvalidArgument, "MERGE_INTO_CLOSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_township_is_not_told_that_its_case_ended_in_one_it_may_be_accused_in() {
    let suite = Suite::start().await;
    let case = suite.escalated().await;
    let into = open(&suite.office(), opening(ev::CaseSource::DailyCheck)).await.expect("the office's own");
    let ended = merge(&suite.office(), case, id_of(&into)).await.expect("merged");
    assert_eq!((ended.state(), ended.merged_into.as_str()), (CaseState::Closed, ""));
    let last = events_of(&suite, case).await.pop().expect("an event");
    assert!(matches!(last, Event::CaseMerged(event) if event.into_case_id.is_empty()));
    let goes_on = suite.admin().case(id_of(&into)).await.expect("the other");
    assert_eq!(goes_on.duplicates, [case.to_string()], "the office knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_city_opens_a_supervised_case_at_a_county_and_has_cases_of_its_own() {
    let suite = Suite::start().await;
    let city = suite.caller(Role::CityOffice, CITY, None);
    let at_county =
        api::OpenCaseRequest { office: Some(wire_region(COUNTY)), ..opening(ev::CaseSource::SuperiorSupervision) };
    let case = open(&city, at_county.clone()).await.expect("opened at the county");
    assert_eq!((case.state(), case.tier(), case.township.clone()), (CaseState::AtOffice, ev::Tier::County, None));
    assert_eq!(id_of(&open(&city, at_county).await.expect("the first answer")), id_of(&case));
    suite.office().assign(id_of(&case)).await.expect("the county assigns it");
    let own = open(&city, opening(ev::CaseSource::DailyCheck)).await.expect("the city's own");
    assert_eq!((own.tier(), own.county.clone()), (ev::Tier::City, None));
    let own = city.assign(id_of(&own)).await.expect("a city department");
    let department = suite.caller(Role::CityDepartment, CITY, Some(Agency::EmergencyManagement));
    department.respond(&lead(&own).instruction_id).await.expect("responded");
    department.submit(&lead(&own).instruction_id, types::ResultKind::Interim, Vec::new()).await.expect("a result");
    let closed = city.feed_back(id_of(&own)).await.expect("settled");
    assert_eq!(closed.state(), CaseState::Closed);
    let events = events_of(&suite, id_of(&own)).await;
    let city_s = |event: &Event| event.subject().expect("a subject").to_string().starts_with("dafei.v1.city.371300.");
    assert!(events.iter().all(city_s), "{:?}", facts(&events));
    let shown = suite.office().case(id_of(&own)).await;
    assert_eq!(refused(shown), pair(Code::PermissionDenied, "OUT_OF_SCOPE"), "a county does not see the city's");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_enterprise_of_the_roster_the_code_is_enough_and_its_regulator_leads() {
    let suite = Suite::start().await;
    let known = types::Enterprise { credit_code: KNOWN_ENTERPRISE.to_owned(), ..Default::default() };
    let subject = Some(types::Subject { kind: Some(types::subject::Kind::Enterprise(known)) });
    let request = api::OpenCaseRequest { subject, ..opening(ev::CaseSource::SuperiorSupervision) };
    let case = open(&suite.office(), request).await.expect("opened");
    let Some(types::subject::Kind::Enterprise(told)) = case.subject.clone().and_then(|subject| subject.kind) else {
        panic!("{:?}", case.subject)
    };
    assert_eq!((told.name.as_str(), told.regulator.as_str()), ("某运输有限公司", "transport"));
    let assigned = suite.office().assign(id_of(&case)).await.expect("assigned");
    assert_eq!(lead(&assigned).post.clone().expect("a post").agency, "transport");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_does_not_fit_is_refused_at_its_field() {
    let suite = Suite::start().await;
    let (office, city) = (suite.office(), suite.caller(Role::CityOffice, CITY, None));
    let elsewhere =
        api::OpenCaseRequest { office: Some(wire_region(OTHER_COUNTY)), ..opening(ev::CaseSource::DailyCheck) };
    assert_eq!(refused(open(&office, elsewhere).await), pair(Code::InvalidArgument, "NOT_YOURS"));
    let below = api::OpenCaseRequest { office: Some(wire_region(TOWNSHIP)), ..opening(ev::CaseSource::DailyCheck) };
    assert_eq!(refused(open(&city, below).await), pair(Code::InvalidArgument, "NOT_YOURS"), "no tier is left out");
    let tip = opening(ev::CaseSource::PublicTip);
    assert_eq!(refused(open(&office, tip).await), pair(Code::InvalidArgument, "NOT_ALLOWED"));
    let bare = opening(ev::CaseSource::Accident);
    assert_eq!(refused(open(&office, bare).await), pair(Code::InvalidArgument, "REQUIRED"));
    let outside =
        api::OpenCaseRequest { place: Some(wire_region(OTHER_COUNTY)), ..opening(ev::CaseSource::DailyCheck) };
    assert_eq!(refused(open(&office, outside).await), pair(Code::InvalidArgument, "OUT_OF_REGION"));
    let unnamed = api::OpenCaseRequest { act: "HC-99".to_owned(), ..opening(ev::CaseSource::DailyCheck) };
    assert_eq!(refused(open(&office, unnamed).await), pair(Code::InvalidArgument, "REQUIRED"));
    let ahead = suite.app.clock.now() + SignedDuration::from_hours(1);
    let tomorrow = api::OpenCaseRequest { found_at: Some(ahead.into()), ..opening(ev::CaseSource::DailyCheck) };
    assert_eq!(refused(open(&office, tomorrow).await), pair(Code::InvalidArgument, "TIME_IN_FUTURE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accident_opens_a_case_with_its_harm_on_record() {
    let suite = Suite::start().await;
    let accident = types::Accident {
        happened_at: Some(suite.app.clock.now().into()),
        deaths: 1,
        injured: 3,
        major_impact: true,
        description: "非法充装点燃爆".to_owned(),
    };
    let ahead = (suite.app.clock.now() + SignedDuration::from_hours(1)).into();
    let tomorrow = types::Accident { happened_at: Some(ahead), ..accident.clone() };
    let request = api::OpenCaseRequest { accident: Some(tomorrow), ..opening(ev::CaseSource::Accident) };
    assert_eq!(refused(open(&suite.office(), request).await), pair(Code::InvalidArgument, "TIME_IN_FUTURE"));
    let list = api::ListCasesRequest { region: Some(wire_region(COUNTY)), ..Default::default() };
    let cases = suite.office().cases().list_cases(list).await.expect("a list").into_inner().cases;
    assert!(cases.is_empty(), "nothing is left of it: {cases:?}");
    let request = api::OpenCaseRequest { accident: Some(accident), ..opening(ev::CaseSource::Accident) };
    let case = open(&suite.office(), request).await.expect("opened");
    assert_eq!(case.accident.as_ref().map(|accident| accident.deaths), Some(1));
    assert_eq!(facts(&events_of(&suite, id_of(&case)).await), ["case-opened", "accident-recorded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accident_is_told_with_the_place_of_its_case_wherever_it_was_opened() {
    let suite = Suite::start().await;
    let city = suite.caller(Role::CityOffice, CITY, None);
    let accident = types::Accident {
        happened_at: Some(suite.app.clock.now().into()),
        deaths: 1,
        description: "非法充装点燃爆".to_owned(),
        ..Default::default()
    };
    let told = async |case: Uuid| {
        let last = events_of(&suite, case).await.pop().expect("an event");
        let subject = last.subject().expect("a subject").to_string();
        let Event::AccidentRecorded(event) = last else { panic!("{last:?}") };
        (subject, event.place)
    };
    let opened = api::OpenCaseRequest {
        place: Some(wire_region(TOWNSHIP)),
        accident: Some(accident.clone()),
        ..opening(ev::CaseSource::Accident)
    };
    let at_county = open(&suite.office(), opened.clone()).await.expect("opened at the county");
    let (subject, place) = told(id_of(&at_county)).await;
    assert_eq!((subject.as_str(), place), ("dafei.v1.county.371302.accident-recorded", Some(wire_region(TOWNSHIP))));
    let opened = api::OpenCaseRequest { request_id: new_id(), ..opened };
    let at_city = open(&city, opened).await.expect("opened at the city");
    let (subject, place) = told(id_of(&at_city)).await;
    assert_eq!((subject.as_str(), place), ("dafei.v1.city.371300.accident-recorded", Some(wire_region(TOWNSHIP))));
    let record = |case: Uuid| api::RecordAccidentRequest {
        request_id: new_id(),
        case_id: case.to_string(),
        accident: Some(accident.clone()),
        expected_version: 0,
    };
    let supervised =
        api::OpenCaseRequest { place: Some(wire_region(VILLAGE)), ..opening(ev::CaseSource::SuperiorSupervision) };
    let supervised = id_of(&open(&suite.office(), supervised).await.expect("opened"));
    suite.office().turns().record_accident(record(supervised)).await.expect("recorded");
    assert_eq!(told(supervised).await.1, Some(wire_region(VILLAGE)));
    let village_s = suite.report().await;
    suite.centre().turns().record_accident(record(village_s)).await.expect("recorded");
    assert_eq!(told(village_s).await.1, None, "its path leads to the village");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agencys_own_finding_needs_no_instruction_and_ends_with_its_result() {
    let suite = Suite::start().await;
    let station = suite.station(Agency::MarketRegulation);
    let request = api::ReportFindingRequest {
        request_id: new_id(),
        act: "SE-3".to_owned(),
        subject: Some(den()),
        place: Some(wire_region(VILLAGE)),
        description: "巡查发现非法充装".to_owned(),
        ..Default::default()
    };
    let found = station.agency().report_finding(request).await.expect("found").into_inner();
    let case = found.case.expect("a case");
    assert_eq!((case.state(), case.tier()), (CaseState::WithTownshipAgency, ev::Tier::Township));
    let submit = api::SubmitResultRequest {
        request_id: new_id(),
        instruction_id: found.instruction_id.clone(),
        kind: types::ResultKind::Final.into(),
        text: "已取缔".to_owned(),
        confirmed_acts: vec!["SE-3".to_owned()],
        exemptions: exemptions(),
        ..Default::default()
    };
    station.agency().submit_result(submit).await.expect("a result");
    let events = events_of(&suite, id_of(&case)).await;
    assert_eq!(
        facts(&events),
        ["case-opened", "instruction-delivered", "result-submitted", "act-confirmed", "closed"],
        "no outcome for a notice board"
    );
    let Event::InstructionDelivered(delivered) = &events[1] else { panic!("not delivered") };
    assert_eq!(delivered.means(), ev::DeliveryMeans::OwnFinding);
    let another = suite.station(Agency::PublicSecurity);
    let step = another.respond(&found.instruction_id).await;
    assert_eq!(refused(step), pair(Code::PermissionDenied, "WRONG_AGENCY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_case_is_exposed_asked_for_again_and_taken_up() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let id = id_of(&case);
    let supervise = api::SuperviseCaseRequest {
        request_id: new_id(),
        case_id: id.to_string(),
        text: "限期办结".to_owned(),
        expected_version: 0,
    };
    let commander = suite.caller(Role::CountyCommander, COUNTY, None);
    let supervised = commander.turns().supervise_case(supervise).await.expect("supervised").into_inner();
    assert_eq!(supervised.case.expect("a case").demands.len(), 1);
    let department = suite.department(Agency::EmergencyManagement);
    department.submit(&lead(&case).instruction_id, types::ResultKind::Final, Vec::new()).await.expect("a result");
    suite.office().feed_back(id).await.expect("fed back");
    suite.intake(id, 2, ev::ResultPublished { case_id: id.to_string(), ..Default::default() }).await;
    suite.state(id, CaseState::Closed).await;
    let expose = |text: &str, retract| api::ExposeCaseRequest {
        request_id: new_id(),
        case_id: id.to_string(),
        public_text: text.to_owned(),
        retract,
        expected_version: 0,
    };
    let mut office = suite.office().turns();
    office.expose_case(expose("某窝点被取缔", false)).await.expect("exposed");
    assert_eq!(refused(office.expose_case(expose("某", true)).await), pair(Code::InvalidArgument, "NOT_ALLOWED"));
    office.expose_case(expose("", true)).await.expect("taken back");
    let ask = api::RequestReopeningRequest {
        request_id: new_id(),
        case_id: id.to_string(),
        reason: "死灰复燃".to_owned(),
        expected_version: 0,
    };
    let secretary = suite.caller(Role::VillageSecretary, VILLAGE, None);
    let asked = secretary.turns().request_reopening(ask).await.expect("asked").into_inner().case.expect("a case");
    assert!(asked.reopening.is_some());
    let decide = api::DecideReopeningRequest {
        request_id: new_id(),
        case_id: id.to_string(),
        granted: true,
        reason: "查实".to_owned(),
        expected_version: asked.version,
    };
    let reopened = office.decide_reopening(decide).await.expect("granted").into_inner().case.expect("a case");
    assert_eq!((reopened.state(), reopened.reopened), (CaseState::AtOffice, 1));
    suite.office().assign(id).await.expect("a new leg");
    let events = events_of(&suite, id).await;
    let told = facts(&events);
    let sectors = events.iter().filter_map(|event| match event {
        Event::CaseExposed(told) => Some(told.sector.as_str()),
        _ => None,
    });
    assert_eq!(sectors.collect::<Vec<_>>(), ["hazardous-chemicals"; 2]);
    let end = ["closed", "exposed", "exposed", "reopening-requested", "reopened", "department-instructed"];
    assert_eq!(told[told.len() - 6..], end);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_whose_work_falls_away_are_told_by_nats() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::MarketRegulation).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    assert_eq!(instruction["assignee"].get("lead"), None, "a co-handler");
    let urge = api::UrgeCaseRequest {
        request_id: new_id(),
        case_id: case.case_id.clone(),
        text: "请抓紧".to_owned(),
        ..Default::default()
    };
    suite.office().turns().urge_case(urge.clone()).await.expect("urged");
    let co_handler = instruction["instructionId"].as_str().expect("an id").to_owned();
    let urge = api::UrgeCaseRequest { request_id: new_id(), instruction_id: co_handler.clone(), ..urge };
    let urged = suite.office().turns().urge_case(urge.clone()).await.expect("urged").into_inner().case.expect("a case");
    let to = urged.demands.last().and_then(|demand| demand.to.clone()).expect("somebody");
    assert_eq!(to.agency, Agency::MarketRegulation.code());
    let (_, notice) = system.next().await;
    assert_eq!(notice["kind"], json!("INSTRUCTION_NOTICE_KIND_URGED"), "by the second: the first was for the lead");
    let nobody = api::UrgeCaseRequest { request_id: new_id(), instruction_id: new_id(), ..urge.clone() };
    let refused_at = suite.office().turns().urge_case(nobody).await;
    assert_eq!(refused(refused_at), pair(Code::InvalidArgument, "UNKNOWN_INSTRUCTION"));
    let broken = api::UrgeCaseRequest { request_id: new_id(), instruction_id: "7".to_owned(), ..urge };
    assert_eq!(refused(suite.office().turns().urge_case(broken).await), pair(Code::InvalidArgument, "INVALID"));
    let told = events_of(&suite, id_of(&case)).await;
    let urged = told.iter().filter_map(|event| match event {
        Event::CaseUrged(event) => Some(event.instruction_id.clone()),
        _ => None,
    });
    assert_eq!(urged.collect::<Vec<_>>(), [String::new(), co_handler]);
    let department = suite.department(Agency::EmergencyManagement);
    department.decline(&lead(&case).instruction_id, "责任办法第三条").await.expect("returned");
    let (kind, notice) = system.next().await;
    assert_eq!(kind, "dafei.events.v1.InstructionNotice", "{notice}");
    assert_eq!(notice["kind"], json!("INSTRUCTION_NOTICE_KIND_CANCELLED"));
    assert_eq!(notice["instructionId"], instruction["instructionId"]);
}
