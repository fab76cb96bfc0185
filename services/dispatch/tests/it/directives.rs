//! Directives of a command (clause C20) over gRPC: given, answered, ended, listed, told; and who may not.

use dafei_contracts::{Event, Stream, chain, dispatch::v1 as api, events::v1 as ev, types::v1 as types};
use dafei_kernel::{agency::Agency, role::Role};
use jiff::SignedDuration;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    access::reason,
    suite::{CITY, COUNTY, Caller, OTHER_COUNTY, OTHER_TOWNSHIP, Suite, TOWNSHIP, VILLAGE, new_id, wire_region},
    turns, watching,
};

fn post(role: Role, place: &str, agency: Option<Agency>) -> types::Post {
    types::Post {
        role: role.code().to_owned(),
        region: Some(wire_region(place)),
        agency: agency.map(|agency| agency.code().to_owned()).unwrap_or_default(),
    }
}

fn commander(suite: &Suite) -> Caller {
    suite.caller(Role::CountyCommander, COUNTY, None)
}

/// To the county's energy department and a township's centre, within two days.
pub(crate) fn draft(suite: &Suite, cases: &[Uuid]) -> api::IssueDirectiveRequest {
    api::IssueDirectiveRequest {
        request_id: new_id(),
        text: "三日内联合排查".to_owned(),
        addressees: vec![
            post(Role::CountyDepartment, COUNTY, Some(Agency::Energy)),
            post(Role::TownshipCentre, TOWNSHIP, None),
        ],
        due_at: Some((suite.app.clock.now() + SignedDuration::from_hours(48)).into()),
        case_ids: cases.iter().map(ToString::to_string).collect(),
    }
}

pub(crate) async fn issue(caller: &Caller, request: api::IssueDirectiveRequest) -> Result<api::Directive, Status> {
    Ok(caller.directives().issue_directive(request).await?.into_inner().directive.expect("as kept"))
}

async fn answer(caller: &Caller, id: &str, done: bool) -> Result<api::Directive, Status> {
    let (request_id, text) = (new_id(), "已排查三处".to_owned());
    let request = api::AnswerDirectiveRequest { request_id, directive_id: id.to_owned(), text, done };
    Ok(caller.directives().answer_directive(request).await?.into_inner().directive.expect("as seen"))
}

async fn close(caller: &Caller, id: &str) -> Result<api::Directive, Status> {
    let (request_id, reason) = (new_id(), "均已办结".to_owned());
    let request = api::CloseDirectiveRequest { request_id, directive_id: id.to_owned(), reason };
    Ok(caller.directives().close_directive(request).await?.into_inner().directive.expect("as kept"))
}

async fn withdraw(caller: &Caller, id: &str) -> Result<api::Directive, Status> {
    let (request_id, reason) = (new_id(), "情况有变".to_owned());
    let request = api::WithdrawDirectiveRequest { request_id, directive_id: id.to_owned(), reason };
    Ok(caller.directives().withdraw_directive(request).await?.into_inner().directive.expect("as kept"))
}

async fn get(caller: &Caller, id: &str) -> Result<api::Directive, Status> {
    let request = api::GetDirectiveRequest { directive_id: id.to_owned() };
    Ok(caller.directives().get_directive(request).await?.into_inner().directive.expect("as seen"))
}

/// The ids of a whole list, page by page.
async fn list(caller: &Caller, mut request: api::ListDirectivesRequest) -> Result<Vec<String>, Status> {
    let mut ids = Vec::new();
    loop {
        let page = caller.directives().list_directives(request.clone()).await?.into_inner();
        ids.extend(page.directives.into_iter().map(|directive| directive.directive_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(ids);
        }
    }
}

fn of_region(place: &str, filter: api::DirectiveFilter) -> api::ListDirectivesRequest {
    let region = Some(wire_region(place));
    api::ListDirectivesRequest { region, filter: filter.into(), page_size: 1, ..Default::default() }
}

fn own(filter: api::DirectiveFilter) -> api::ListDirectivesRequest {
    api::ListDirectivesRequest { filter: filter.into(), page_size: 1, ..Default::default() }
}

fn of_case(case: Uuid) -> api::ListDirectivesRequest {
    api::ListDirectivesRequest { case_id: case.to_string(), ..Default::default() }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("refused");
    (status.code(), reason(&status))
}

fn denied(reason: &str) -> (Code, String) {
    (Code::PermissionDenied, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directive_is_given_answered_and_closed_and_each_step_is_told_in_one_chain() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let (commander, department) = (commander(&suite), suite.department(Agency::Energy));
    let request = draft(&suite, &[case]);
    let given = issue(&commander, request.clone()).await.expect("given");
    assert_eq!((given.state(), given.version, given.addressees.len()), (api::DirectiveState::Open, 1, 2));
    assert_eq!(given.case_ids, [case.to_string()]);
    assert_eq!(issue(&commander, request.clone()).await.expect("replayed"), given);
    let other = api::IssueDirectiveRequest { text: "另一件".to_owned(), ..request };
    assert_eq!(refused(issue(&commander, other).await), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));

    let seen = answer(&department, &given.directive_id, false).await.expect("answered");
    assert_eq!(seen.addressees.len(), 1, "an addressee sees his own answers alone");
    answer(&department, &given.directive_id, true).await.expect("added to");
    let kept = get(&commander, &given.directive_id).await.expect("as kept");
    let answers: Vec<_> = kept.addressees[0].answers.iter().map(|answer| answer.done).collect();
    assert_eq!(answers, [false, true]);
    let closed = close(&commander, &given.directive_id).await.expect("closed");
    assert_eq!((closed.state(), closed.version), (api::DirectiveState::Closed, 4));
    assert_eq!(suite.admin().case(case).await.expect("the case").version, 1, "the case is left as it is");

    let messages = suite.messages(Stream::Dispatch.name(), 5).await;
    let mut head = String::new();
    let mut facts = Vec::new();
    for message in messages.iter().filter(|message| message.subject.contains(".directive-")) {
        let kind = message.headers.get("ce-type").expect("a type").as_str();
        let event = Event::from_json(kind, &message.payload).expect("JSON").expect("of the catalogue");
        let meta = event.meta().expect("a meta");
        assert_eq!(meta.aggregate_id, given.directive_id);
        assert_eq!(
            (meta.sequence, meta.chain_head.as_str()),
            (i64::try_from(facts.len() + 1).expect("few"), head.as_str())
        );
        head = chain::next_head(&head, &message.payload);
        facts.push(message.subject.to_string());
    }
    let at = |fact: &str| format!("dafei.v1.county.371302.{fact}");
    let told = ["directive-issued", "directive-answered", "directive-answered", "directive-closed"];
    assert_eq!(facts, told.map(at));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_post_and_state_is_refused_typed() {
    let suite = Suite::start().await;
    let (chief, department, centre) = (commander(&suite), suite.department(Agency::Energy), suite.centre());
    let foreign = suite.caller(Role::CountyCommander, OTHER_COUNTY, None);
    let city = suite.caller(Role::CityOffice, CITY, None);
    for other in [&department, &centre, &suite.office(), &suite.admin()] {
        assert_eq!(refused(issue(other, draft(&suite, &[])).await), denied("ROLE_NOT_ALLOWED"));
    }
    let id = issue(&chief, draft(&suite, &[])).await.expect("given").directive_id;
    for other in [&department, &suite.office()] {
        assert_eq!(refused(close(other, &id).await), denied("ROLE_NOT_ALLOWED"));
        assert_eq!(refused(withdraw(other, &id).await), denied("ROLE_NOT_ALLOWED"));
    }
    for other in [&foreign, &city] {
        assert_eq!(refused(close(other, &id).await), denied("NOT_ISSUER"));
        assert_eq!(refused(withdraw(other, &id).await), denied("NOT_ISSUER"));
    }
    let outsiders = [
        chief.clone(),
        suite.station(Agency::Energy),
        suite.department(Agency::Postal),
        suite.caller(Role::TownshipCentre, OTHER_TOWNSHIP, None),
    ];
    for other in &outsiders {
        assert_eq!(refused(answer(other, &id, true).await), denied("NOT_ADDRESSEE"));
    }
    for other in [&outsiders[1], &outsiders[2], &outsiders[3], &foreign] {
        assert_eq!(refused(get(other, &id).await), denied("OUT_OF_SCOPE"));
    }
    for reader in [&chief, &city, &suite.office(), &suite.admin(), &centre] {
        get(reader, &id).await.expect("may see it");
    }
    withdraw(&chief, &id).await.expect("withdrawn");
    let status = answer(&centre, &id, true).await.expect_err("withdrawn");
    let subject = status.get_error_details().precondition_failure().expect("a state").violations[0].subject.clone();
    assert_eq!((reason(&status).as_str(), subject.as_str()), ("DIRECTIVE_WITHDRAWN", "directive/WITHDRAWN"));
    let withdrawn = (Code::FailedPrecondition, "DIRECTIVE_WITHDRAWN".to_owned());
    assert_eq!(refused(close(&chief, &id).await), withdrawn);
    assert_eq!(refused(withdraw(&chief, &id).await), withdrawn);
    let missing = new_id();
    for refusal in [refused(answer(&centre, &missing, true).await), refused(get(&chief, &missing).await)] {
        assert_eq!(refusal.0, Code::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_of_a_directive_is_named_and_nothing_is_given() {
    let suite = Suite::start().await;
    let chief = commander(&suite);
    let case = suite.report().await;
    let city = suite.caller(Role::CityOffice, CITY, None);
    let of_city =
        turns::open(&city, turns::opening(ev::CaseSource::SuperiorSupervision)).await.expect("opened").case_id;
    type Change = Box<dyn Fn(&mut api::IssueDirectiveRequest)>;
    let change = |change: fn(&mut api::IssueDirectiveRequest)| Box::new(change) as Change;
    let past = suite.app.clock.now() - SignedDuration::from_secs(1);
    let far = suite.app.clock.now() + SignedDuration::from_hours(24 * 367);
    let to = |addressee: types::Post| -> Change { Box::new(move |r| r.addressees[1] = addressee.clone()) };
    let cases: Vec<(Change, &str, &str)> = vec![
        (change(|r| r.request_id.clear()), "request_id", "REQUIRED"),
        (change(|r| r.text = " ".to_owned()), "text", "REQUIRED"),
        (change(|r| r.text = "长".repeat(4_001)), "text", "TOO_LONG"),
        (change(|r| r.addressees.clear()), "addressees", "REQUIRED"),
        (change(|r| r.addressees = vec![r.addressees[0].clone(); 101]), "addressees", "TOO_MANY"),
        (change(|r| r.addressees.push(r.addressees[0].clone())), "addressees[2]", "DUPLICATE_ADDRESSEE"),
        (change(|r| r.addressees[1].role = "chief".to_owned()), "addressees[1].role", "UNKNOWN_ROLE"),
        (to(post(Role::CountyCommander, COUNTY, None)), "addressees[1]", "OWN_POST"),
        (to(post(Role::Bank, COUNTY, None)), "addressees[1].role", "ROLE_NOT_ADDRESSABLE"),
        (to(post(Role::CountyDepartment, COUNTY, None)), "addressees[1].agency", "AGENCY_REQUIRED"),
        (to(post(Role::TownshipCentre, COUNTY, None)), "addressees[1].region", "WRONG_LEVEL"),
        (to(post(Role::CountyOffice, OTHER_COUNTY, None)), "addressees[1].region", "OUT_OF_REGION"),
        (to(post(Role::TownshipCentre, "township:371302009", None)), "addressees[1].region", "UNKNOWN_REGION"),
        (change(|r| r.due_at = None), "due_at", "REQUIRED"),
        (Box::new(move |r| r.due_at = Some(past.into())), "due_at", "DUE_NOT_AHEAD"),
        (Box::new(move |r| r.due_at = Some(far.into())), "due_at", "DUE_TOO_FAR"),
        (change(|r| r.case_ids = vec!["7".to_owned()]), "case_ids[0]", "INVALID"),
        (change(|r| r.case_ids = vec![new_id()]), "case_ids[0]", "NO_SUCH_CASE"),
        (change(|r| r.case_ids = vec![new_id(); 51]), "case_ids", "TOO_MANY"),
        (Box::new(move |r| r.case_ids = vec![case.to_string(); 2]), "case_ids[1]", "DUPLICATE_CASE"),
        (Box::new(move |r| r.case_ids = vec![of_city.clone()]), "case_ids[0]", "CASE_OUT_OF_REGION"),
    ];
    for (change, field, expected) in cases {
        let mut request = draft(&suite, &[]);
        change(&mut request);
        let status = issue(&chief, request).await.expect_err(expected);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, expected), "{field}");
        let details = status.get_error_details();
        assert_eq!(details.bad_request().expect("a field").field_violations[0].field, field, "{expected}");
    }
    let above = suite.escalated().await;
    let elsewhere = post(Role::TownshipCentre, OTHER_TOWNSHIP, None);
    let request = api::IssueDirectiveRequest { addressees: vec![elsewhere], ..draft(&suite, &[above]) };
    assert_eq!(refused(issue(&chief, request).await).1, "CASE_HIDDEN_FROM_ADDRESSEE");
    let given = list(&chief, of_region(COUNTY, api::DirectiveFilter::Unspecified)).await.expect("a list");
    assert!(given.is_empty(), "nothing was given");
}

#[tokio::test(flavor = "multi_thread")]
async fn directives_are_listed_newest_first_by_command_by_addressee_and_by_case() {
    use api::DirectiveFilter::{Open, Overdue, Unspecified};
    let suite = Suite::start().await;
    let (chief, centre, department) = (commander(&suite), suite.centre(), suite.department(Agency::Energy));
    let case = suite.report().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.insert(0, issue(&chief, draft(&suite, &[case])).await.expect("given").directive_id);
        suite.advance(SignedDuration::from_mins(1));
    }
    let [fourth, third, second, first] = &ids[..] else { panic!("four") };
    let city = suite.caller(Role::CityOffice, CITY, None);
    let of_city = api::IssueDirectiveRequest {
        addressees: vec![post(Role::CountyCommander, COUNTY, None)],
        ..draft(&suite, &[case])
    };
    let above = issue(&city, of_city).await.expect("given").directive_id;
    withdraw(&chief, fourth).await.expect("withdrawn");
    answer(&centre, third, true).await.expect("answered");
    for caller in [&department, &centre] {
        answer(caller, second, true).await.expect("answered");
    }
    // The time of all is over: the third waits for the department, the first for both.
    suite.advance(SignedDuration::from_hours(49));
    let expected = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<Vec<_>>();
    for reader in [&chief, &suite.office(), &city] {
        let of = |filter| list(reader, of_region(COUNTY, filter));
        assert_eq!(of(Unspecified).await.expect("all"), ids);
        assert_eq!(of(Open).await.expect("open"), expected(&[third, second, first]));
        assert_eq!(of(Overdue).await.expect("overdue"), expected(&[third, first]));
    }
    assert_eq!(list(&centre, own(Unspecified)).await.expect("its own"), ids);
    assert_eq!(list(&centre, own(Open)).await.expect("open"), expected(&[third, second, first]));
    assert_eq!(list(&centre, own(Overdue)).await.expect("overdue"), expected(&[first]));
    assert_eq!(list(&department, own(Overdue)).await.expect("overdue"), expected(&[third, first]));
    assert_eq!(list(&chief, own(Unspecified)).await.expect("the city's"), expected(&[&above]));
    let overdue = get(&centre, first).await.expect("as seen");
    assert!(overdue.addressees[0].overdue);

    // The case shows them: to the city all, to the command its own and what is addressed to it, to others what is addressed to them.
    let with_above: Vec<String> = [std::slice::from_ref(&above), &ids].concat();
    assert_eq!(list(&city, of_case(case)).await.expect("all"), with_above);
    assert_eq!(list(&chief, of_case(case)).await.expect("its own"), with_above);
    assert_eq!(list(&suite.office(), of_case(case)).await.expect("the county's"), ids);
    assert_eq!(list(&centre, of_case(case)).await.expect("addressed to it"), ids);
    let late = api::ListDirectivesRequest { filter: Overdue.into(), ..of_case(case) };
    assert_eq!(list(&centre, late.clone()).await.expect("overdue"), expected(&[first]));
    assert_eq!(list(&suite.office(), late).await.expect("overdue"), expected(&[third, first]));
    let secretary = suite.caller(Role::VillageSecretary, VILLAGE, None);
    assert!(list(&secretary, of_case(case)).await.expect("none").is_empty());

    let foreign = suite.caller(Role::CountyCommander, OTHER_COUNTY, None);
    assert_eq!(refused(list(&foreign, of_region(COUNTY, Unspecified)).await), denied("OUT_OF_SCOPE"));
    assert_eq!(refused(list(&foreign, of_case(case)).await), denied("OUT_OF_SCOPE"));
    assert_eq!(refused(list(&centre, of_region(TOWNSHIP, Unspecified)).await), denied("ROLE_NOT_ALLOWED"));
    assert_eq!(refused(list(&chief, of_region(TOWNSHIP, Unspecified)).await).1, "WRONG_LEVEL");
    let both = api::ListDirectivesRequest { case_id: case.to_string(), ..of_region(COUNTY, Unspecified) };
    assert_eq!(refused(list(&chief, both).await).1, "NOT_ALLOWED");
    let page = chief.directives().list_directives(of_region(COUNTY, Unspecified)).await.expect("a page").into_inner();
    let other = api::ListDirectivesRequest { page_token: page.next_page_token, ..of_region(COUNTY, Open) };
    assert_eq!(refused(list(&chief, other).await).1, "INVALID_PAGE_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_follows_cases_is_told_of_no_directive() {
    let suite = Suite::start().await;
    let token = watching::listed_by(&suite.office()).await;
    let mut screen = watching::watch(&suite.office(), COUNTY, &token).await.expect("a screen");
    issue(&commander(&suite), draft(&suite, &[])).await.expect("given");
    suite.messages(Stream::Dispatch.name(), 1).await;
    let case = suite.report().await;
    assert_eq!(watching::next(&mut screen).await.0.case_id, case.to_string(), "and not the directive before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_end_a_directive_at_once_one_wins() {
    let suite = Suite::start().await;
    let chief = commander(&suite);
    let id = issue(&chief, draft(&suite, &[])).await.expect("given").directive_id;
    let (closed, withdrawn) = tokio::join!(close(&chief, &id), withdraw(&chief, &id));
    assert_ne!(closed.is_ok(), withdrawn.is_ok());
    let lost = closed.err().or(withdrawn.err()).expect("one lost");
    assert_eq!(lost.code(), Code::FailedPrecondition);
    assert_eq!(get(&chief, &id).await.expect("as kept").version, 2);
}
