//! Calendars that offices load: open deadlines move with an event, what is breached stays, and a moving that was interrupted goes on.

use dafei_contracts::{
    Event,
    sla::v1::{
        DeadlineMove, ExplainDeadlineRequest, GetCalendarRequest, ListCalendarsRequest, ListMovesRequest,
        LoadCalendarRequest, LoadCalendarResponse,
    },
};
use dafei_kernel::{
    clock::Clock as _,
    ids::{IdSource as _, SystemIds},
    role::Role,
    time::Instant,
};
use dafei_shell::timer::Round;
use dafei_sla_monitor::terms::TermsView;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    events::{CITY, Case, at, department},
    world::{START, World, obligation},
};

const SHIPPED: &str = include_str!("../../../../data/calendar/cn-2020-2026.csv");

/// The shipped calendar under another label, with further days.
fn text(version: &str, days: &str) -> String {
    format!("{}{days}", SHIPPED.replacen("cn-2026.1", version, 1))
}

/// The Friday of the first week is a holiday now.
fn friday_off(version: &str) -> String {
    text(version, "2026-11-27,off,调休\n")
}

/// The calendar with the next year.
fn next_year(version: &str) -> String {
    let days = "2027-01-01,off,元旦\n2027-01-02,off,元旦\n2027-01-03,off,元旦\n";
    text(version, days).replacen("covered_through: 2026-12-31", "covered_through: 2027-12-31", 1)
}

/// A case whose department has it.
fn with_department(number: u128, when: &str) -> Case {
    let lead = || department(number, "emergency-management", true);
    let case = Case::new(number).opened(when).escalated(when);
    case.assigned(when, &[lead()]).delivered(when, lead()).responded(when, lead())
}

fn load(text: String) -> LoadCalendarRequest {
    LoadCalendarRequest { request_id: SystemIds.random().to_string(), text, dry_run: false }
}

impl World {
    async fn load(&self, message: LoadCalendarRequest) -> Result<LoadCalendarResponse, Status> {
        let request = self.request(Role::CityOffice, CITY, message);
        Ok(self.calendar().load_calendar(request).await?.into_inner())
    }

    /// As by a process that ends after the commit, before it has moved anything: the second calendar, at [`START`].
    async fn load_and_end(&self, text: String) {
        for statement in [
            "INSERT INTO calendar_text (revision, version, text, loaded_at, role, level, region, account)
             VALUES (2, 'cn-2026.2', $1, $2::timestamptz, 'city-office', 'city', '371300', 'somebody')",
            "INSERT INTO calendar_load (revision, loaded_at, state, after_due, after_id)
             SELECT 2, $2::timestamptz, 'moving', $2::timestamptz, 'ffffffff-ffff-ffff-ffff-ffffffffffff' WHERE $1 <> ''",
        ] {
            sqlx::query(statement).bind(&text).bind(START).execute(&self.db.pool).await.unwrap();
        }
    }

    /// Limit, calendar and id of a case's K3.
    async fn result_of(&self, case: &Case) -> (Instant, String, String) {
        let all = self.obligations(case.id).await.into_iter().filter_map(|item| item.obligation);
        let one = all.into_iter().find(|one| one.clock == "K3").unwrap();
        (one.due.unwrap().try_into().unwrap(), one.calendar_version, one.obligation_id)
    }

    async fn calendar_version(&self) -> String {
        let request = self.request(Role::Auditor, CITY, GetCalendarRequest::default());
        self.calendar().get_calendar(request).await.unwrap().into_inner().calendar.unwrap().version
    }
}

fn reasons(status: &Status) -> Vec<(String, String)> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|one| (one.field.clone(), one.reason.clone())).collect()
}

fn ends(moves: &[DeadlineMove]) -> Vec<(String, Instant, Instant)> {
    let instant = |at: Option<dafei_contracts::timestamp::Timestamp>| at.unwrap().try_into().unwrap();
    moves.iter().map(|one| (one.case_id.clone(), instant(one.previous_due), instant(one.due))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_is_issued_again_moves_the_open_and_leaves_what_is_breached() {
    let world = World::start().await;
    let old = with_department(1, "2026-11-16T09:00:00+08:00");
    let open = with_department(2, "2026-11-23T08:00:00+08:00");
    world.tell(&old.told).await;
    world.tell(&open.told).await;
    world.go("2026-11-24T10:00:00+08:00").await;
    let breached = world.result_of(&old).await;
    assert_eq!((breached.0, breached.1.as_str()), (at("2026-11-24T00:00:00+08:00"), "cn-2026.1"));

    let dry = world.load(LoadCalendarRequest { dry_run: true, ..load(friday_off("cn-2026.2")) }).await.unwrap();
    let (before, after) = (at("2026-12-01T00:00:00+08:00"), at("2026-12-02T00:00:00+08:00"));
    assert_eq!(ends(&dry.moves), [(open.id.to_string(), before, after)]);
    assert_eq!((dry.moved, dry.complete), (1, true));
    assert_eq!(world.calendar_version().await, "cn-2026.1", "a dry run changes nothing");
    assert_eq!(world.result_of(&open).await.0, before);

    let message = load(friday_off("cn-2026.2"));
    let answer = world.load(message.clone()).await.unwrap();
    assert_eq!(ends(&answer.moves), ends(&dry.moves));
    assert_eq!((answer.moved, answer.complete), (1, true));
    assert_eq!(
        world.load(message).await.unwrap(),
        answer,
        "the same request is answered the same and moves nothing twice"
    );
    let moved = world.result_of(&open).await;
    assert_eq!((moved.0, moved.1.as_str()), (after, "cn-2026.2"));
    assert_eq!(world.result_of(&old).await, breached, "a verdict of the past stands");

    let log = world.log().await;
    let extended: Vec<_> = log
        .iter()
        .filter_map(|(event, _)| if let Event::Extended(event) = event { Some(event) } else { None })
        .collect();
    let [event] = extended.as_slice() else { panic!("one event: {extended:?}") };
    assert_eq!(event.previous_due, Some(before.into()));
    assert_eq!(event.previous_calendar_version, "cn-2026.1");
    assert_eq!(event.obligation.as_ref().unwrap().due, Some(after.into()));
    assert_eq!(event.meta.as_ref().unwrap().received_at, Some(world.clock.now().into()));

    // Told line by line from what is kept; and the lights go by it.
    let request = world.request(Role::Auditor, CITY, ExplainDeadlineRequest { obligation_id: moved.2 });
    let lines = world.deadlines().explain_deadline(request).await.unwrap().into_inner().lines;
    assert!(lines.iter().any(|line| line.text.contains("2026-11-27 周五（调休）")), "{lines:?}");
    world.go("2026-12-02T08:00:00+08:00").await;
    let told = world.announced(&open, &["K3"]).await;
    let facts: Vec<_> = told.iter().map(|said| (said.fact.as_str(), said.at)).collect();
    assert_eq!(
        facts,
        [
            ("extended", at("2026-11-24T10:00:00+08:00")),
            ("warned", at("2026-12-01T00:00:00+08:00")),
            ("breached", after),
        ]
    );
    let request =
        world.request(Role::Admin, CITY, ListMovesRequest { version: "cn-2026.2".to_owned(), ..Default::default() });
    let listed = world.calendar().list_moves(request).await.unwrap().into_inner();
    assert_eq!((listed.moves, listed.next_page_token.as_str()), (answer.moves, ""));
    for (version, fault) in [("", "REQUIRED"), ("a\0", "INVALID"), (&*"x".repeat(41), "TOO_LONG")] {
        let message = ListMovesRequest { version: version.to_owned(), ..Default::default() };
        let refused = world.calendar().list_moves(world.request(Role::Admin, CITY, message)).await.unwrap_err();
        let details = refused.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!((violation.field.as_str(), violation.reason.as_str()), ("version", fault));
    }
    let later = with_department(3, "2026-12-02T08:00:00+08:00");
    world.tell(&later.told).await;
    assert_eq!(world.result_of(&later).await.1, "cn-2026.2", "what comes later goes by the newest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_has_passed_is_no_longer_moved_though_nobody_was_told_yet() {
    let world = World::without_firing("2026-11-24T00:00:00.5+08:00").await;
    let old = with_department(1, "2026-11-16T09:00:00+08:00");
    world.tell(&old.told).await;
    let answer = world.load(load(text("cn-2026.2", "2026-11-24,off,调休\n"))).await.unwrap();
    assert_eq!(answer.moved, 0);
    assert_eq!(world.result_of(&old).await.0, at("2026-11-24T00:00:00+08:00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moving_that_was_interrupted_goes_on_and_nothing_is_told_before_it_is_through() {
    let world = World::without_firing(START).await;
    let cases: Vec<Case> = (1..=5).map(|number| with_department(number, "2026-11-23T08:00:00+08:00")).collect();
    for case in &cases {
        world.tell(&case.told).await;
    }
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    // The office's process ends after the commit, before it has moved anything; the next ends in the middle.
    world.load_and_end(friday_off("cn-2026.2")).await;
    assert_eq!(world.calendars.batch_of(2).await.unwrap(), Some(Round::More));
    let moved = |results: &[(Instant, String, String)]| results.iter().filter(|one| one.1 == "cn-2026.2").count();
    let mut results = Vec::new();
    for case in &cases {
        results.push(world.result_of(case).await);
    }
    assert_eq!(moved(&results), 2);
    // The limit before: what is not moved yet must not be told to have passed.
    world.clock.set(at("2026-12-01T09:00:00+08:00"));
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    let breached = |log: &[(Event, Instant)]| {
        let all = log.iter().filter(|(event, _)| matches!(event, Event::Breached(_)));
        all.filter(|(event, _)| obligation(event).clock == "K3").count()
    };
    assert_eq!(breached(&world.log().await), 0);
    while world.calendars.batch_of(2).await.unwrap() == Some(Round::More) {}
    assert_eq!(world.calendars.batch_of(2).await.unwrap(), None);
    while world.firing.pass().await.unwrap() > 0 {}
    let log = world.log().await;
    assert_eq!(breached(&log), 0, "they have until the day after");
    let mut extended: Vec<String> = log
        .iter()
        .filter(|(event, _)| matches!(event, Event::Extended(_)))
        .map(|(event, _)| obligation(event).case_id.clone())
        .collect();
    extended.sort();
    assert_eq!(extended, cases.iter().map(|case| case.id.to_string()).collect::<Vec<_>>(), "each once");
    world.clock.set(at("2026-12-02T00:00:00+08:00"));
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    assert_eq!(breached(&world.log().await), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_one_calendar_has_moved_away_is_moved_by_the_next_though_it_passed_between_the_two() {
    let world = World::without_firing(START).await;
    let case = with_department(1, "2026-11-23T08:00:00+08:00");
    world.tell(&case.told).await;
    assert_eq!(world.result_of(&case).await.0, at("2026-12-01T00:00:00+08:00"));
    world.load_and_end(friday_off("cn-2026.2")).await;
    world.clock.set(at("2026-12-01T09:00:00+08:00"));
    world.load(load(friday_off("cn-2026.3"))).await.unwrap();
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    let (due, version, _) = world.result_of(&case).await;
    assert_eq!((due, version.as_str()), (at("2026-12-02T00:00:00+08:00"), "cn-2026.3"));
    let told = world.announced(&case, &["K3"]).await;
    assert!(!told.iter().any(|said| said.fact == "breached"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_beyond_the_calendar_is_alarmed_once_and_firm_with_the_next() {
    let world = World::without_firing("2026-12-28T08:00:00+08:00").await;
    let case = with_department(1, "2026-12-28T08:00:00+08:00");
    world.tell(&case.told).await;
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    world.clock.set(at("2026-12-28T09:00:00+08:00"));
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    let provisional =
        |log: &[(Event, Instant)]| log.iter().filter(|(event, _)| matches!(event, Event::Provisional(_))).count();
    assert_eq!(provisional(&world.log().await), 1);
    assert_eq!(
        world.announced(&case, &["K3"]).await.first().map(|said| said.at),
        Some(at("2026-12-28T08:00:00+08:00"))
    );
    assert_eq!(world.calendars.figures().await.unwrap(), (1, 3));
    assert_eq!(
        world.result_of(&case).await.0,
        at("2027-01-05T00:00:00+08:00"),
        "the first of January might be a workday"
    );
    let covered = text("cn-2027.0", "").replacen("covered_through: 2026-12-31", "covered_through: 2027-12-31", 1);
    assert_eq!(world.load(load(covered)).await.unwrap().moved, 0);
    assert_eq!(world.calendars.figures().await.unwrap().0, 0, "firm");
    assert_eq!(world.result_of(&case).await.1, "cn-2027.0", "the same limit by the newer calendar, without an event");
    let answer = world.load(load(next_year("cn-2027.1"))).await.unwrap();
    let (before, after) = (at("2027-01-05T00:00:00+08:00"), at("2027-01-06T00:00:00+08:00"));
    assert_eq!(
        ends(&answer.moves),
        [(case.id.to_string(), before, after)],
        "the first of January is a holiday after all"
    );
    let extended = world.log().await.iter().filter(|(event, _)| matches!(event, Event::Extended(_))).count();
    assert_eq!((extended, answer.moves[0].previous_calendar_version.as_str()), (1, "cn-2027.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_coverage_has_run_out_the_next_calendar_is_loaded_and_moves_what_is_open() {
    let world = World::without_firing("2026-12-28T08:00:00+08:00").await;
    let late = with_department(1, "2026-12-25T09:00:00+08:00");
    let open = with_department(2, "2026-12-28T08:00:00+08:00");
    world.tell(&late.told).await;
    world.tell(&open.told).await;
    world.clock.set(at("2027-01-04T09:00:00+08:00"));
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    let breached = world.result_of(&late).await;
    assert_eq!(breached.0, at("2027-01-02T00:00:00+08:00"), "by a first of January that was no workday");
    let answer = world.load(load(next_year("cn-2027.1"))).await.unwrap();
    let (before, after) = (at("2027-01-05T00:00:00+08:00"), at("2027-01-06T00:00:00+08:00"));
    assert_eq!(ends(&answer.moves), [(open.id.to_string(), before, after)]);
    assert_eq!(world.result_of(&late).await, breached, "a verdict of the past stands");
    // From now on these days are covered, and stand; and those that were covered before stood all the time.
    for text in [
        next_year("cn-2027.2").replacen("2027-01-01,off,元旦\n", "", 1),
        next_year("cn-2027.2").replacen("2027-01-01", "2026-12-31,off,元旦\n2027-01-01", 1),
    ] {
        let refused = reasons(&world.load(load(text)).await.unwrap_err());
        assert_eq!(refused.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>(), ["PAST_CHANGED"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_may_not_follow_is_refused_whole_and_the_old_one_stays() {
    let world = World::without_firing(START).await;
    let last_line = SHIPPED.lines().count() + 1;
    let short = |through: &str| SHIPPED.replacen("cn-2026.1", "x", 1).replacen("2026-12-31", through, 1);
    let table = [
        (text("x", "2026-13-01,off,元旦\n"), vec![(last_line, "MALFORMED")]),
        (text("x", "2026-11-23,work,调休\n"), vec![(last_line, "MALFORMED")]),
        (text("x", "2026-11-20,off,调休\n"), vec![(last_line, "PAST_CHANGED")]),
        (short("2026-11-30"), vec![(2, "COVERS_LESS")]),
        (short("2026-11-22"), vec![(2, "COVERAGE_IN_THE_PAST"), (2, "COVERS_LESS")]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> =
            expected.into_iter().map(|(line, reason)| (format!("text/{line}"), reason.to_owned())).collect();
        assert_eq!(reasons(&world.load(load(text)).await.unwrap_err()), expected);
    }
    let used = world.load(load(format!("{SHIPPED}2026-12-04,off,调休\n"))).await.unwrap_err();
    assert_eq!(reasons(&used), [("text/version".to_owned(), "VERSION_USED".to_owned())]);
    let nobody = world.request(Role::CountyOffice, "county:371302", load(friday_off("cn-2026.2")));
    assert_eq!(world.calendar().load_calendar(nobody).await.unwrap_err().code(), Code::PermissionDenied);
    let request = world.request(Role::Auditor, CITY, ListCalendarsRequest::default());
    let calendars = world.calendar().list_calendars(request).await.unwrap().into_inner().calendars;
    let told: Vec<_> =
        calendars.iter().map(|one| (one.version.as_str(), one.covered_through.as_str(), one.moving)).collect();
    assert_eq!(told, [("cn-2026.1", "2026-12-31", false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_while_a_calendar_is_loaded_is_not_left_behind() {
    let world = World::without_firing(START).await;
    let cases: Vec<Case> = (1..=40).map(|number| with_department(number, "2026-11-23T08:00:00+08:00")).collect();
    let telling = async {
        for case in &cases {
            for told in &case.told {
                world.publish(told).await;
            }
        }
        world.caught_up().await;
    };
    let loading = async {
        for number in 2..6 {
            world.load(load(friday_off(&format!("cn-2026.{number}")))).await.unwrap();
        }
    };
    tokio::join!(telling, loading);
    for case in &cases {
        let (due, version, _) = world.result_of(case).await;
        assert_eq!((due, version.as_str()), (at("2026-12-02T00:00:00+08:00"), "cn-2026.5"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_comes_with_a_new_release_moves_what_it_changes_and_one_that_may_not_follow_is_left() {
    let world = World::without_firing(START).await;
    let case = with_department(1, "2026-11-23T08:00:00+08:00");
    world.tell(&case.told).await;
    let (pool, rules) = (&world.db.pool, dafei_sla_core::Rules::builtin_text());
    let open = |text: String| async move { TermsView::open_with(pool, at(START), rules, &text).await };
    open(friday_off("release-2")).await.unwrap();
    while world.calendars.batch().await.unwrap() == Some(Round::More) {}
    assert_eq!(world.result_of(&case).await.0, at("2026-12-02T00:00:00+08:00"));
    world.load(load(next_year("office"))).await.unwrap();
    open(text("release-3", "")).await.unwrap();
    assert_eq!(world.calendar_version().await, "office", "it covers more");
}
