//! Directives of a command (clause C20): who may do what, what must fit, and that no sequence of commands breaks one.

use std::{collections::BTreeSet, sync::LazyLock};

use dafei_dispatch_core::directive::{
    ADDRESSEES, ANSWERS, CASES, Command, Context, Directive, Draft, End, Event, LONGEST, NamedCase, Obstacle, Reason,
    Rejection, State, decide, evolve,
};
use dafei_kernel::{
    agency::Agency,
    owner::Post,
    region::Region,
    role::Role,
    roster::{RegionEntry, RosterIndex},
    time::Instant,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

const CITY: &str = "city:371300";
const COUNTY: &str = "county:371302";
const OTHER_COUNTY: &str = "county:371311";
const TOWNSHIP: &str = "township:371302001";
const OTHER_TOWNSHIP: &str = "township:371302002";
const VILLAGE: &str = "village:371302001001";

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

static ROSTER: LazyLock<RosterIndex> = LazyLock::new(roster);

fn roster() -> RosterIndex {
    let mut roster = RosterIndex::new();
    let rows = [
        (CITY, None),
        (COUNTY, Some(CITY)),
        (OTHER_COUNTY, Some(CITY)),
        (TOWNSHIP, Some(COUNTY)),
        (OTHER_TOWNSHIP, Some(COUNTY)),
        (VILLAGE, Some(TOWNSHIP)),
    ];
    for (text, parent) in rows {
        let entry = RegionEntry {
            region: region(text),
            name: text.to_owned(),
            parent: parent.map(region),
            work_area: None,
            households: 0,
        };
        roster.upsert_region(entry).expect("a region with its parent");
    }
    roster
}

fn now() -> Instant {
    "2026-03-02T01:00:00Z".parse().expect("an instant")
}

fn post(role: Role, place: &str, agency: Option<Agency>) -> Post {
    Post { role, region: region(place), agency }
}

fn commander() -> Post {
    post(Role::CountyCommander, COUNTY, None)
}

fn department() -> Post {
    post(Role::CountyDepartment, COUNTY, Some(Agency::Energy))
}

fn centre() -> Post {
    post(Role::TownshipCentre, TOWNSHIP, None)
}

fn named(id: u128, place: &str) -> NamedCase {
    NamedCase { id: Uuid::from_u128(id), place: Some(region(place)) }
}

fn draft() -> Draft {
    Draft {
        id: Uuid::from_u128(1),
        commander: commander(),
        path: format!("{CITY}/{COUNTY}").parse().expect("a path"),
        text: "联合排查".to_owned(),
        addressees: vec![department(), centre()],
        due_at: now() + SignedDuration::from_hours(48),
        cases: vec![named(7, VILLAGE), named(8, TOWNSHIP)],
    }
}

fn ask(directive: Option<&Directive>, command: &Command, at: Instant) -> Result<Event, Rejection> {
    decide(directive, command, &Context { now: at, roster: &ROSTER })
}

fn issue(draft: Draft) -> Result<Event, Rejection> {
    ask(None, &Command::Issue(Box::new(draft)), now())
}

fn issued() -> Directive {
    evolve(None, &issue(draft()).expect("given")).expect("a directive")
}

/// Why it is refused, and at which field.
fn refused(result: Result<Event, Rejection>) -> (Reason, String) {
    let rejection = result.expect_err("refused");
    let field = match &rejection.obstacle {
        Obstacle::Field(field) => field.clone(),
        other => other.to_string(),
    };
    (rejection.reason, field)
}

fn answer(by: Post) -> Command {
    Command::Answer { by, text: "已排查".to_owned(), done: true }
}

fn close(by: Post) -> Command {
    Command::Close { by, reason: "已办结".to_owned() }
}

fn withdraw(by: Post) -> Command {
    Command::Withdraw { by, reason: "情况有变".to_owned() }
}

fn after(directive: &Directive, command: &Command) -> Directive {
    let event = ask(Some(directive), command, now()).expect("taken");
    evolve(Some(directive.clone()), &event).expect("a directive")
}

/// What each command is answered: without a directive, of an open one, by another post, of a closed and of a withdrawn one.
pub(crate) fn answers() -> Vec<(&'static str, Vec<String>)> {
    let cell = |answer: Result<Event, Rejection>| match answer {
        Ok(_) => "✓".to_owned(),
        Err(rejection) => format!("`{}`", rejection.reason.code()),
    };
    let city = || post(Role::CityOffice, CITY, None);
    let given = |commander| Command::Issue(Box::new(Draft { commander, ..draft() }));
    let commands = [
        ("IssueDirective", given(commander()), given(department())),
        ("AnswerDirective", answer(department()), answer(city())),
        ("CloseDirective", close(commander()), close(city())),
        ("WithdrawDirective", withdraw(commander()), withdraw(city())),
    ];
    let open = issued();
    let (closed, withdrawn) = (after(&open, &close(commander())), after(&open, &withdraw(commander())));
    let row = |(name, own, others): (_, Command, Command)| {
        // To give one is asked where there is none.
        let by_another = if matches!(others, Command::Issue(_)) { None } else { Some(&open) };
        let answers = [
            ask(None, &own, now()),
            ask(Some(&open), &own, now()),
            ask(by_another, &others, now()),
            ask(Some(&closed), &own, now()),
            ask(Some(&withdrawn), &own, now()),
        ];
        (name, answers.map(cell).to_vec())
    };
    commands.map(row).to_vec()
}

#[test]
fn a_directive_is_given_answered_added_to_and_closed() {
    let directive = issued();
    assert_eq!((directive.sequence, directive.cases.len(), directive.addressees.len()), (1, 2, 2));
    assert!(directive.is_open());
    let late = directive.due_at + SignedDuration::from_secs(1);
    let [first, second] = &directive.addressees[..] else { panic!("two") };
    assert!(!directive.is_overdue(first, directive.due_at) && directive.is_overdue(first, late));
    let answered = after(&after(&directive, &answer(department())), &answer(department()));
    assert_eq!(answered.addressee(&department()).expect("an addressee").answers.len(), 2);
    assert!(!answered.is_overdue(&answered.addressees[0], late));
    assert!(answered.is_overdue(second, late), "the other has not answered");
    let closed = after(&answered, &close(commander()));
    assert_eq!(closed.state, State::Closed(End { reason: "已办结".to_owned(), at: now() }));
    assert!(!closed.is_overdue(second, late), "what is closed waits for nobody");
    assert_eq!(closed.sequence, 4);
    let city = post(Role::CityOffice, CITY, None);
    let of_city = Draft {
        commander: city.clone(),
        path: CITY.parse().expect("a path"),
        addressees: vec![commander(), post(Role::CountyOffice, OTHER_COUNTY, None)],
        cases: Vec::new(),
        ..draft()
    };
    assert!(issue(of_city).is_ok(), "the city's office commands all counties");
}

#[test]
fn who_is_not_the_command_or_an_addressee_is_refused() {
    for other in [department(), centre(), post(Role::CountyOffice, COUNTY, None), post(Role::Admin, CITY, None)] {
        assert_eq!(refused(issue(Draft { commander: other, ..draft() })).0, Reason::NotCommander);
    }
    let directive = issued();
    let foreign = post(Role::CountyCommander, OTHER_COUNTY, None);
    for other in [foreign.clone(), department(), post(Role::CityOffice, CITY, None)] {
        assert_eq!(refused(ask(Some(&directive), &close(other.clone()), now())).0, Reason::NotIssuer);
        assert_eq!(refused(ask(Some(&directive), &withdraw(other), now())).0, Reason::NotIssuer);
    }
    let same_agency = post(Role::TownshipAgency, TOWNSHIP, Some(Agency::Energy));
    for other in [commander(), foreign, same_agency, post(Role::TownshipCentre, OTHER_TOWNSHIP, None)] {
        assert_eq!(refused(ask(Some(&directive), &answer(other), now())).0, Reason::NotAddressee);
    }
}

#[test]
fn what_has_ended_or_is_not_there_is_refused_with_its_state() {
    for (end, reason, state) in [
        (close(commander()), Reason::Closed, "the directive is CLOSED"),
        (withdraw(commander()), Reason::Withdrawn, "the directive is WITHDRAWN"),
    ] {
        let ended = after(&issued(), &end);
        for command in [answer(centre()), close(commander()), withdraw(commander())] {
            assert_eq!(refused(ask(Some(&ended), &command, now())), (reason, state.to_owned()));
        }
    }
    let again = Command::Issue(Box::new(draft()));
    assert_eq!(refused(ask(Some(&issued()), &again, now())).0, Reason::AlreadyIssued);
    for command in [answer(centre()), close(commander()), withdraw(commander())] {
        assert_eq!(refused(ask(None, &command, now())).0, Reason::NoSuchDirective);
    }
    let mut directive = issued();
    for _ in 0..ANSWERS {
        directive = after(&directive, &answer(centre()));
    }
    assert_eq!(refused(ask(Some(&directive), &answer(centre()), now())).0, Reason::TooManyAnswers);
    after(&directive, &answer(department()));
}

#[test]
fn the_addressees_are_other_posts_of_the_commands_region_each_once() {
    let to = |addressees: Vec<Post>| refused(issue(Draft { addressees, cases: Vec::new(), ..draft() }));
    let at = |reason, field: &str| (reason, field.to_owned());
    assert_eq!(to(Vec::new()), at(Reason::NoAddressee, "addressees"));
    assert_eq!(to(vec![centre(); ADDRESSEES + 1]), at(Reason::TooManyAddressees, "addressees"));
    assert_eq!(to(vec![centre(), department(), centre()]), at(Reason::AddresseeTwice, "addressees[2]"));
    assert_eq!(to(vec![centre(), commander()]), at(Reason::OwnPost, "addressees[1]"));
    for role in [Role::GridMember, Role::Bank, Role::HotlineClerk, Role::Auditor, Role::Service, Role::Admin] {
        assert_eq!(to(vec![post(role, VILLAGE, None)]), at(Reason::NotAddressable, "addressees[0].role"));
    }
    let cases = [
        (post(Role::TownshipCentre, COUNTY, None), Reason::WrongLevel, "addressees[0].region"),
        (post(Role::CountyDepartment, COUNTY, None), Reason::AgencyMissing, "addressees[0].agency"),
        (post(Role::TownshipCentre, TOWNSHIP, Some(Agency::Energy)), Reason::AgencyNotAllowed, "addressees[0].agency"),
        (post(Role::TownshipCentre, "township:371302009", None), Reason::UnknownRegion, "addressees[0].region"),
        (post(Role::CountyOffice, OTHER_COUNTY, None), Reason::AddresseeElsewhere, "addressees[0].region"),
        (post(Role::CityDepartment, CITY, Some(Agency::Energy)), Reason::AddresseeElsewhere, "addressees[0].region"),
    ];
    for (addressee, reason, field) in cases {
        assert_eq!(to(vec![addressee.clone()]), at(reason, field), "{addressee}");
    }
}

#[test]
fn the_due_instant_lies_ahead_and_not_beyond_a_year() {
    let due = |due_at| issue(Draft { due_at, ..draft() });
    assert_eq!(refused(due(now())), (Reason::DueNotAhead, "due_at".to_owned()));
    assert_eq!(refused(due(now() - SignedDuration::from_secs(1))).0, Reason::DueNotAhead);
    assert!(due(now() + SignedDuration::from_secs(1)).is_ok());
    assert!(due(now() + LONGEST).is_ok());
    assert_eq!(refused(due(now() + LONGEST + SignedDuration::from_secs(1))).0, Reason::DueTooFar);
}

#[test]
fn a_directive_names_cases_of_its_region_that_every_addressee_may_see() {
    let naming = |cases: Vec<NamedCase>| refused(issue(Draft { cases, ..draft() }));
    let at = |reason, place: usize| (reason, format!("case_ids[{place}]"));
    let none = NamedCase { id: Uuid::from_u128(9), place: None };
    assert_eq!(naming(vec![named(7, VILLAGE), none]), at(Reason::NoSuchCase, 1));
    assert_eq!(naming(vec![named(7, OTHER_COUNTY)]), at(Reason::CaseElsewhere, 0));
    assert_eq!(naming(vec![named(7, CITY)]), at(Reason::CaseElsewhere, 0));
    assert_eq!(naming(vec![named(7, VILLAGE), named(7, VILLAGE)]), at(Reason::CaseTwice, 1));
    assert_eq!(naming(vec![named(7, OTHER_TOWNSHIP)]), at(Reason::CaseHidden, 0), "another township's");
    assert_eq!(naming(vec![named(7, COUNTY)]), at(Reason::CaseHidden, 0), "one that may accuse the township");
    let many = (0..=CASES).map(|id| named(u128::try_from(id).expect("small"), VILLAGE)).collect();
    assert_eq!(naming(many), (Reason::TooManyCases, "case_ids".to_owned()));
    let above = Draft { cases: vec![named(7, COUNTY)], addressees: vec![department()], ..draft() };
    assert!(issue(above).is_ok(), "the county's department sees all of its county");
}

#[test]
fn every_reason_has_a_code_and_words() {
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len() - 1, "only TOO_MANY stands for two, told apart by the field");
    assert!(Reason::ALL.iter().all(|reason| !reason.zh().is_empty()));
}

/// Posts that may have a part in the directive, and one that has none.
fn anyone() -> impl Strategy<Value = Post> {
    prop_oneof![
        3 => Just(commander()),
        3 => Just(department()),
        3 => Just(centre()),
        1 => Just(post(Role::CountyCommander, OTHER_COUNTY, None)),
        1 => Just(post(Role::TownshipCentre, OTHER_TOWNSHIP, None)),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let drawn = || {
        (anyone(), anyone(), 1_i64..400).prop_map(|(commander, addressee, days)| {
            let due_at = now() + SignedDuration::from_hours(24 * days);
            let addressees = vec![addressee, centre()];
            Command::Issue(Box::new(Draft { commander, addressees, due_at, ..draft() }))
        })
    };
    prop_oneof![
        2 => Just(Command::Issue(Box::new(draft()))),
        1 => drawn(),
        8 => (anyone(), any::<bool>()).prop_map(|(by, done)| Command::Answer { by, text: "答".to_owned(), done }),
        1 => anyone().prop_map(close),
        1 => anyone().prop_map(withdraw),
    ]
}

fn by(command: &Command) -> &Post {
    match command {
        Command::Issue(draft) => &draft.commander,
        Command::Answer { by, .. } | Command::Close { by, .. } | Command::Withdraw { by, .. } => by,
    }
}

/// What holds of every directive, whatever was asked of it.
fn sound(directive: &Directive, events: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(usize::try_from(directive.sequence), Ok(events), "one event, one sequence");
    prop_assert!(!directive.addressees.is_empty() && directive.addressees.len() <= ADDRESSEES);
    prop_assert!(directive.addressee(&directive.commander).is_none(), "nobody commands himself");
    let posts: BTreeSet<_> = directive.addressees.iter().map(|one| &one.post).collect();
    prop_assert_eq!(posts.len(), directive.addressees.len());
    prop_assert!(directive.addressees.iter().all(|one| one.answers.len() <= ANSWERS));
    let answers: usize = directive.addressees.iter().map(|one| one.answers.len()).sum();
    prop_assert_eq!(answers + 1 + usize::from(!directive.is_open()), events, "no answer is lost");
    prop_assert!(directive.issued_at < directive.due_at && directive.due_at <= directive.issued_at + LONGEST);
    Ok(())
}

proptest! {
    #[test]
    fn no_sequence_of_commands_breaks_a_directive(commands in proptest::collection::vec((command(), 0_i64..40), 1..120)) {
        let mut directive: Option<Directive> = None;
        let (mut events, mut at) = (0, now());
        for (command, hours) in commands {
            at += SignedDuration::from_hours(hours);
            let decided = ask(directive.as_ref(), &command, at);
            prop_assert_eq!(&ask(directive.as_ref(), &command, at), &decided, "the same question has the same answer");
            match (&directive, decided) {
                (_, Err(_)) => {}
                (None, Ok(event)) => {
                    prop_assert!(matches!(event, Event::Issued(_)));
                    directive = evolve(None, &event);
                    events = 1;
                }
                (Some(before), Ok(event)) => {
                    prop_assert!(before.is_open(), "what has ended takes nothing");
                    let own = matches!(command, Command::Answer { .. });
                    prop_assert_eq!(before.addressee(by(&command)).is_some(), own);
                    prop_assert_eq!(before.commander == *by(&command), !own);
                    directive = evolve(Some(before.clone()), &event);
                    events += 1;
                }
            }
            if let Some(directive) = &directive {
                sound(directive, events)?;
            }
        }
        // No dead end: whoever gave an open directive can always end it.
        if let Some(open) = directive.filter(Directive::is_open) {
            prop_assert!(ask(Some(&open), &close(open.commander.clone()), at).is_ok());
            prop_assert!(ask(Some(&open), &withdraw(open.commander.clone()), at).is_ok());
        }
    }
}
