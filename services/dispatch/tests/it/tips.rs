//! Public tips over a real bus: a case at the centre or at the county office, seen by those who handle it and by nobody they may accuse.

use std::sync::Arc;

use dafei_contracts::{
    Event, Stream,
    dispatch::v1::{self as api, CaseState},
    events::v1 as ev,
    types::v1::{self as types, ResultKind},
};
use dafei_dispatch::app::LastVerdicts;
use dafei_kernel::{
    agency::Agency,
    clock::Clock,
    ids::{IdSource, SystemIds},
    role::Role,
    time::Instant,
};
use dafei_shell::timer::Due;
use dafei_testkit::eventually;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::{
    access::reason,
    caller::Caller,
    lists::list,
    suite::{
        CITY, COUNTY, OTHER_COUNTY, OTHER_TOWNSHIP, PATIENCE, Suite, TOWNSHIP, VILLAGE, WORK_AREA, den, enterprise,
        lead, wire_region,
    },
};

/// What an informant says: it stands in no event but the instruction to the agency.
pub(crate) const TEXT: &str = "夜里往河边的仓库运桶装油，镇上有人打招呼";

/// A tip with its case, whom it goes to, and how many events intake has told of it.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    pub(crate) id: Uuid,
    pub(crate) case: Uuid,
    path: String,
    recipient: types::Post,
    subject: types::Subject,
}

impl Tip {
    fn to(role: Role, path: &str) -> Self {
        let region = path.rsplit('/').next().expect("a region");
        let recipient =
            types::Post { role: role.code().to_owned(), region: Some(wire_region(region)), agency: String::new() };
        Self { id: SystemIds.random(), case: SystemIds.random(), path: path.to_owned(), recipient, subject: den() }
    }

    pub(crate) fn to_centre() -> Self {
        Self::to(Role::TownshipCentre, &format!("{CITY}/{COUNTY}/{TOWNSHIP}"))
    }

    pub(crate) fn to_office() -> Self {
        Self::to(Role::CountyOffice, &format!("{CITY}/{COUNTY}"))
    }

    /// Intake tells it; all of its own times are the full hour.
    pub(crate) async fn told(&self, suite: &Suite, hour: Instant) {
        let event = ev::TipReceived {
            meta: None,
            tip_id: self.id.to_string(),
            case_id: self.case.to_string(),
            recipient: Some(self.recipient.clone()),
            act: "HC-3".to_owned(),
            act_text: String::new(),
            subject: Some(self.subject.clone()),
            text: TEXT.to_owned(),
            received_hour: Some(hour.into()),
            evidence_ids: Vec::new(),
        };
        suite.intake_with(self.meta(1, hour), event).await;
    }

    /// Told now, and taken; answers its case.
    pub(crate) async fn opened(self, suite: &Suite) -> Self {
        self.told(suite, suite.clock.now()).await;
        let state = if self.path.contains("township") { CaseState::AtCentre } else { CaseState::AtOffice };
        suite.state(self.case, state).await;
        self
    }

    /// Intake tells that it is of the same matter as an earlier one.
    pub(crate) async fn linked_to(&self, suite: &Suite, first: &Self) {
        self.link(suite, first, 2).await;
    }

    /// As the event of this sequence of the tip.
    pub(crate) async fn link(&self, suite: &Suite, first: &Self, sequence: i64) {
        let event = ev::TipLinked {
            meta: None,
            tip_id: self.id.to_string(),
            case_id: self.case.to_string(),
            first_tip_id: first.id.to_string(),
            into_case_id: first.case.to_string(),
            adds: true,
        };
        suite.intake_with(self.meta(sequence, suite.clock.now()), event).await;
    }

    fn meta(&self, sequence: i64, at: Instant) -> ev::EventMeta {
        ev::EventMeta {
            aggregate_id: self.id.to_string(),
            sequence,
            region_path: self.path.clone(),
            received_at: Some(at.into()),
            ..Default::default()
        }
    }
}

/// The events of a case that is closed, from the stream.
pub(crate) async fn events_of(suite: &Suite, case: Uuid) -> Vec<Event> {
    let mut events = Vec::new();
    for item in suite.admin().history(case).await {
        events.extend(Event::from_json(&item.r#type, item.payload_json.as_bytes()).expect("JSON of its type"));
    }
    events
}

/// The verdicts among events: which tip, what, and by whom.
pub(crate) fn verdicts(events: &[Event]) -> Vec<(String, ev::TipVerdict, types::Post)> {
    let verdict = |event: &Event| match event {
        Event::TipVerified(event) => Some((event.tip_id.clone(), event.verdict(), event.by.clone().expect("by whom"))),
        _ => None,
    };
    events.iter().filter_map(verdict).collect()
}

fn subjects(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.subject().expect("a subject").to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_runs_from_the_centre_to_its_verdict() {
    let suite = Suite::start().await;
    let hour = suite.clock.now();
    let reached = suite.advance(SignedDuration::from_mins(52));
    let tip = Tip::to_centre();
    tip.told(&suite, hour).await;
    let case = suite.state(tip.case, CaseState::AtCentre).await;
    assert_eq!(case.source(), ev::CaseSource::PublicTip);
    assert_eq!((case.reached_at, case.found_at), (Some(reached.into()), Some(hour.into())), "no clock from the hour");
    let read = suite.centre().case(tip.case).await.expect("read");
    assert_eq!((read.description.as_str(), read.village), (TEXT, None));
    suite.centre().instruct(tip.case, Agency::PublicSecurity).await.expect("instructed");
    let station = suite.station(Agency::PublicSecurity);
    let id = station.inbox().await[0].instruction_id.clone();
    assert_eq!(station.read(&id).await.expect("read").case.expect("its case").description, TEXT);
    station.submit(&id, ResultKind::Interim, Vec::new()).await.expect("a result");
    assert_eq!(verdicts(&events_of(&suite, tip.case).await), [], "the centre has not accepted it");
    let closed = suite.centre().accept_result(tip.case).await.expect("accepted");
    assert_eq!(closed.state(), CaseState::Closed, "no village waits for it");
    let events = events_of(&suite, tip.case).await;
    assert!(subjects(&events).iter().all(|subject| subject.starts_with("dafei.v1.township.371302.371302001.")));
    let Event::CaseOpened(opened) = &events[0] else { panic!("{:?}", events[0]) };
    assert_eq!((opened.source(), opened.tier()), (ev::CaseSource::PublicTip, ev::Tier::Township));
    assert_eq!(opened.reached_at, Some(reached.into()), "T1 starts here");
    assert_eq!(opened.meta.as_ref().expect("meta").actor, None);
    let [(verified, verdict, by)] = &verdicts(&events)[..] else { panic!("one verdict: {events:?}") };
    assert_eq!((verified, *verdict), (&tip.id.to_string(), ev::TipVerdict::True));
    assert_eq!((by.role.as_str(), by.agency.as_str()), ("township-agency", "public-security"));
    assert!(!events.iter().any(|event| String::from_utf8_lossy(&event.to_json().expect("JSON")).contains(TEXT)));
    // The redelivered tip is the same case, closed as it is.
    tip.told(&suite, hour).await;
    Tip::to_centre().opened(&suite).await;
    assert_eq!(suite.admin().case(tip.case).await.expect("the case").version, closed.version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_at_the_county_office_is_settled_there_and_no_township_is_told() {
    let suite = Suite::start().await;
    let tip = Tip { subject: enterprise(Agency::Transport), ..Tip::to_office() }.opened(&suite).await;
    let request = api::ProposeDepartmentRequest { case_id: tip.case.to_string() };
    let proposal = suite.office().county().propose_department(request).await.expect("a proposal").into_inner();
    assert_eq!(proposal.lead, "transport", "its own regulator");
    let assigned = suite.office().assign(tip.case).await.expect("assigned");
    assert_eq!((assigned.township.clone(), assigned.county.clone()), (None, Some(wire_region(COUNTY))));
    let department = suite.department(Agency::Transport);
    let id = lead(&assigned).instruction_id.clone();
    assert_eq!(department.read(&id).await.expect("read").case.expect("its case").description, TEXT);
    let nothing = api::SubmitResultRequest {
        request_id: crate::suite::new_id(),
        instruction_id: id,
        kind: ResultKind::Final.into(),
        text: "现场核查，未发现违法行为".to_owned(),
        ..Default::default()
    };
    department.agency().submit_result(nothing).await.expect("a result");
    let closed = suite.office().feed_back(tip.case).await.expect("settled");
    assert_eq!((closed.state(), closed.public_text.as_str()), (CaseState::Closed, "已依法取缔"));
    let events = events_of(&suite, tip.case).await;
    assert!(subjects(&events).iter().all(|subject| subject.starts_with("dafei.v1.county.371302.")), "{events:?}");
    let facts: Vec<_> = events.iter().map(|event| event.kind().fact).collect();
    let end = ["result-submitted", "fed-back", "tip-verified", "closed"];
    assert_eq!(facts[facts.len() - 4..], end, "K4 stops, and no outcome goes to a township");
    let Event::CaseOpened(opened) = &events[0] else { panic!("{:?}", events[0]) };
    assert_eq!((opened.tier(), opened.township.clone()), (ev::Tier::County, None));
    let [(_, verdict, by)] = &verdicts(&events)[..] else { panic!("one verdict: {events:?}") };
    assert_eq!((*verdict, by.agency.as_str()), (ev::TipVerdict::False, "transport"));
    let orders = suite.published(Stream::Agency, 1).await;
    let Event::Instruction(order) = &orders[0] else { panic!("{:?}", orders[0]) };
    assert_eq!(order.description, TEXT, "the department must know what it looks for");
}

/// A department's result with these acts confirmed.
async fn report(department: &Caller, instruction: &str, kind: ResultKind, acts: &[&str]) {
    let request = api::SubmitResultRequest {
        request_id: crate::suite::new_id(),
        instruction_id: instruction.to_owned(),
        kind: kind.into(),
        text: "已查封，样品送检".to_owned(),
        confirmed_acts: acts.iter().map(|act| (*act).to_owned()).collect(),
        exemptions: if acts.is_empty() { Vec::new() } else { crate::suite::exemptions() },
        ..Default::default()
    };
    department.agency().submit_result(request).await.expect("a result");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interim_result_without_an_act_a_tip_waits_for_the_final_one_and_not_for_ever() {
    let suite = Suite::start().await;
    let (found, forgotten) = (Tip::to_office().opened(&suite).await, Tip::to_office().opened(&suite).await);
    let department = suite.department(Agency::EmergencyManagement);
    let mut orders = Vec::new();
    for tip in [&found, &forgotten] {
        let assigned = suite.office().assign(tip.case).await.expect("assigned");
        let order = lead(&assigned).instruction_id.clone();
        report(&department, &order, ResultKind::Interim, &[]).await;
        let closed = suite.office().feed_back(tip.case).await.expect("settled");
        assert_eq!(closed.state(), CaseState::Closed);
        assert_eq!(verdicts(&events_of(&suite, tip.case).await), [], "nothing is verified yet");
        orders.push(order);
    }
    report(&department, &orders[0], ResultKind::Final, &["HC-3"]).await;
    let [(verified, verdict, by)] = &verdicts(&events_of(&suite, found.case).await)[..] else { panic!("one verdict") };
    assert_eq!((verified, *verdict), (&found.id.to_string(), ev::TipVerdict::True));
    assert_eq!(by.agency, Agency::EmergencyManagement.code());
    let timer = LastVerdicts::new(Arc::clone(&suite.app));
    let within = suite.app.limits.reopen_within;
    assert_eq!(timer.next_due().await.expect("PostgreSQL"), Some(suite.clock.now() + within), "of the other");
    timer.round(suite.clock.now()).await.expect("a round");
    assert_eq!(verdicts(&events_of(&suite, forgotten.case).await), []);
    let end = suite.advance(within);
    timer.round(end).await.expect("a round");
    let [(_, verdict, _)] = &verdicts(&events_of(&suite, forgotten.case).await)[..] else { panic!("one verdict") };
    assert_eq!(*verdict, ev::TipVerdict::False, "no act is known");
    assert_eq!(timer.next_due().await.expect("PostgreSQL"), None);
    report(&department, &orders[1], ResultKind::Final, &["HC-3"]).await;
    let told = verdicts(&events_of(&suite, forgotten.case).await);
    let told: Vec<_> = told.into_iter().map(|(_, verdict, _)| verdict).collect();
    assert_eq!(told, [ev::TipVerdict::False, ev::TipVerdict::True], "it came after all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_is_seen_above_the_villages_alone_and_never_by_a_township_that_it_may_accuse() {
    let suite = Suite::start().await;
    let (at_centre, at_office) = (Tip::to_centre().opened(&suite).await, Tip::to_office().opened(&suite).await);
    let village = [
        (Role::GridMember, VILLAGE, None),
        (Role::VillageSecretary, VILLAGE, None),
        (Role::WorkAreaSecretary, WORK_AREA, None),
        (Role::TownshipCentre, OTHER_TOWNSHIP, None),
        (Role::CountyOffice, OTHER_COUNTY, None),
    ];
    let township = [
        (Role::TownshipCentre, TOWNSHIP, None),
        (Role::TownshipPrincipal, TOWNSHIP, None),
        (Role::TownshipAgency, TOWNSHIP, Some(Agency::PublicSecurity)),
    ];
    let county =
        [(Role::CountyOffice, COUNTY, None), (Role::CountyCommander, COUNTY, None), (Role::CityOffice, CITY, None)];
    for (tip, see, blind) in [
        (&at_centre, [&township[..], &county].concat(), village.to_vec()),
        (&at_office, county.to_vec(), [&village[..], &township].concat()),
    ] {
        let id = tip.case.to_string();
        for (role, region, agency) in see {
            let caller = suite.caller(role, region, agency);
            caller.case(tip.case).await.unwrap_or_else(|status| panic!("{role}: {status}"));
            assert!(list(&caller, region, &[], 50).await.concat().contains(&id), "{role}");
            assert_eq!(caller.history(tip.case).await.len(), 1, "{role}");
        }
        for (role, region, agency) in blind {
            let caller = suite.caller(role, region, agency);
            let status = caller.case(tip.case).await.expect_err("out of scope");
            assert_eq!(reason(&status), "OUT_OF_SCOPE", "{role}");
            assert!(!list(&caller, region, &[], 50).await.concat().contains(&id), "{role}");
            let history = api::ListCaseHistoryRequest { case_id: id.clone(), ..Default::default() };
            let status = caller.cases().list_case_history(history).await.expect_err("out of scope");
            assert_eq!(reason(&status), "OUT_OF_SCOPE", "{role}");
        }
    }
    let centre = suite.centre();
    for step in [
        centre.instruct(at_office.case, Agency::PublicSecurity).await,
        centre.escalate(at_office.case).await,
        centre.accept_result(at_office.case).await,
    ] {
        assert_eq!(reason(&step.expect_err("not the centre's")), "OUT_OF_SCOPE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tips_words_are_shown_to_those_who_handle_it_and_to_no_other_reader() {
    let suite = Suite::start().await;
    let tip = Tip::to_centre().opened(&suite).await;
    let words = async |caller: &Caller, region: &str| {
        let request = api::ListCasesRequest { region: Some(wire_region(region)), ..Default::default() };
        let listed = caller.cases().list_cases(request).await.expect("a page").into_inner().cases.remove(0);
        let read = caller.case(tip.case).await.expect("read");
        assert_eq!(listed.description, read.description);
        read.description
    };
    for (role, region) in [(Role::TownshipCentre, TOWNSHIP), (Role::CountyOffice, COUNTY), (Role::CityOffice, CITY)] {
        assert_eq!(words(&suite.caller(role, region, None), region).await, TEXT, "{role}");
    }
    for (role, region, agency) in [
        (Role::TownshipPrincipal, TOWNSHIP, None),
        (Role::TownshipAgency, TOWNSHIP, Some(Agency::PublicSecurity)),
        (Role::CountyDepartment, COUNTY, Some(Agency::PublicSecurity)),
        (Role::CityDepartment, CITY, Some(Agency::PublicSecurity)),
        (Role::CountyCommander, COUNTY, None),
        (Role::Auditor, CITY, None),
        (Role::Service, CITY, None),
        (Role::Admin, CITY, None),
    ] {
        assert_eq!(words(&suite.caller(role, region, agency), region).await, "", "{role}");
    }
    let supervise = api::SuperviseCaseRequest {
        request_id: crate::suite::new_id(),
        case_id: tip.case.to_string(),
        text: "限期办结".to_owned(),
        expected_version: 0,
    };
    let commander = suite.caller(Role::CountyCommander, COUNTY, None);
    let supervised = commander.turns().supervise_case(supervise).await.expect("supervised").into_inner();
    assert_eq!(supervised.case.expect("a case").description, "", "nor by what he does");
    let instructed = suite.centre().instruct(tip.case, Agency::PublicSecurity).await.expect("instructed");
    assert_eq!(instructed.description, TEXT);
    assert_eq!(words(&suite.station(Agency::PublicSecurity), TOWNSHIP).await, TEXT, "it handles it now");
    assert_eq!(words(&suite.station(Agency::Energy), TOWNSHIP).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_to_the_city_is_no_case_here_and_a_malformed_one_is_a_dead_letter_that_holds_up_nobody() {
    let suite = Suite::start().await;
    let hour = suite.clock.now();
    let city = Tip::to(Role::CityOffice, CITY);
    city.told(&suite, hour).await;
    let mut elsewhere = Tip::to_centre();
    elsewhere.path = format!("{CITY}/{COUNTY}");
    elsewhere.told(&suite, hour).await;
    let secretary = Tip::to(Role::VillageSecretary, &format!("{CITY}/{COUNTY}/{TOWNSHIP}/{VILLAGE}"));
    secretary.told(&suite, hour).await;
    let good = Tip::to_office().opened(&suite).await;
    let reasons = eventually(PATIENCE, "two dead letters", || async {
        let reasons: Vec<String> =
            sqlx::query_scalar("SELECT reason FROM dead_letter").fetch_all(&suite.db.pool).await.ok()?;
        (reasons.len() == 2).then_some(reasons)
    })
    .await;
    assert!(reasons.iter().any(|reason| reason.contains("meta.region_path")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("recipient.role")), "{reasons:?}");
    for none in [city, elsewhere, secretary] {
        assert_eq!(suite.admin().case(none.case).await.expect_err("no case").code(), tonic::Code::NotFound);
    }
    assert!(suite.admin().case(good.case).await.is_ok());
}
