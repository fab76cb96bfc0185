//! The turns of a case that move clocks: more time, work done again, what an agency found itself, the city's cases, a case taken up again.

use dafei_kernel::time::Instant;
use dafei_sla_core::{
    Clock, EndKind, Obligation, What,
    fact::{Assignment, Tier},
};

use crate::support::{Story, department, instant, minutes, of, post, station};

const CITY: &str = "city:371300";
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

fn lead(number: u128, leg: u32) -> Assignment {
    department(number, "emergency-management", true, leg)
}

/// A department has the case since the first minute of a Monday.
fn with_department() -> Story {
    Story::default().opened(0).tell(1, What::Escalated).tell(2, What::DepartmentInstructed).delivered(3, lead(1, 1))
}

fn granted(working_days: u32, requested_at: Instant) -> What {
    What::ExtensionGranted { assignment: lead(1, 1), working_days, requested_at }
}

fn ends(ledger: &[Obligation], clock: Clock) -> Vec<Option<EndKind>> {
    of(ledger, clock).iter().map(|one| one.end.map(|end| end.kind)).collect()
}

fn dues(ledger: &[Obligation], clock: Clock) -> Vec<Instant> {
    of(ledger, clock).iter().map(|one| one.deadline.timing().due).collect()
}

#[test]
fn more_time_that_was_asked_before_the_limit_moves_the_department_s_result_and_nothing_else() {
    let story = with_department().tell(3 * DAY, granted(3, minutes(2 * DAY)));
    let ledger = story.ledger();
    let expected = [instant("2026-12-01T00:00:00+08:00"), instant("2026-12-04T00:00:00+08:00")];
    assert_eq!(dues(&ledger, Clock::K3), expected, "three working days later");
    assert_eq!(ends(&ledger, Clock::K3), [Some(EndKind::Cancelled), None], "the first running fell away at the asking");
    assert_eq!(of(&ledger, Clock::K3)[0].end.map(|end| end.at), Some(minutes(2 * DAY)));
    let warn = of(&ledger, Clock::K3)[1].deadline.timing().warn_at;
    assert_eq!(warn, instant("2026-12-03T00:00:00+08:00"), "the yellow light goes with the limit");
    assert_eq!(ends(&ledger, Clock::K2), [None], "the response is owed as before");
    let done = story.result(9 * DAY, lead(1, 1)).ledger();
    assert_eq!(ends(&done, Clock::K3), [Some(EndKind::Cancelled), Some(EndKind::Settled)]);
}

#[test]
fn what_was_asked_after_the_limit_moves_nothing_however_it_was_decided() {
    let late = instant("2026-12-01T00:00:00+08:00");
    let ledger = with_department().tell(9 * DAY, granted(3, late)).ledger();
    assert_eq!(ends(&ledger, Clock::K3), [None], "24:00 is no longer in time");
}

#[test]
fn a_second_extension_counts_from_the_first_ones_limit() {
    let within_first = instant("2026-12-03T10:00:00+08:00");
    let ledger =
        with_department().tell(3 * DAY, granted(3, minutes(2 * DAY))).tell(11 * DAY, granted(5, within_first)).ledger();
    assert_eq!(ends(&ledger, Clock::K3), [Some(EndKind::Cancelled), Some(EndKind::Cancelled), None]);
    assert_eq!(dues(&ledger, Clock::K3).last(), Some(&instant("2026-12-08T00:00:00+08:00")));
}

#[test]
fn work_that_is_done_again_has_its_own_five_days_and_owes_no_response() {
    let again = What::InstructionDelivered {
        tier: Tier::County,
        assignment: lead(2, 2),
        own: false,
        rework: true,
        assumed: false,
    };
    let ledger = with_department()
        .tell(4, What::DepartmentResponded { assignment: lead(1, 1) })
        .result(DAY, lead(1, 1))
        .tell(DAY + 30, What::ReworkOrdered { assignment: lead(1, 1) })
        .tell(DAY + 40, again)
        .ledger();
    assert_eq!(ends(&ledger, Clock::K4), [Some(EndKind::Cancelled)], "the office has nothing to tell yet");
    assert_eq!(ends(&ledger, Clock::K3), [Some(EndKind::Settled), None]);
    assert_eq!(ends(&ledger, Clock::K2), [Some(EndKind::Settled)]);
}

#[test]
fn what_an_agency_found_itself_is_its_own_to_settle_and_nobody_else_is_blamed() {
    let own = |tier, assignment: Assignment| What::InstructionDelivered {
        tier,
        assignment,
        own: true,
        rework: false,
        assumed: false,
    };
    let opened = |tier| What::CaseOpened { tier, sector: None, own: true };
    let township =
        Story::default().tell(0, opened(Tier::Township)).tell(0, own(Tier::Township, station(1, 1))).ledger();
    let [result] = township.as_slice() else { panic!("one clock alone: {township:?}") };
    assert_eq!(
        (result.clock, &result.direct, &result.loop_owner),
        (Clock::T2, &station(1, 1).post, &station(1, 1).post)
    );
    let county = Story::default().tell(0, opened(Tier::County)).tell(0, own(Tier::County, lead(1, 1))).ledger();
    let [result] = county.as_slice() else { panic!("one clock alone: {county:?}") };
    assert_eq!((result.clock, &result.loop_owner), (Clock::K3, &lead(1, 1).post));
    let reported = Story::default()
        .tell(0, opened(Tier::County))
        .tell(0, own(Tier::County, lead(1, 1)))
        .result(HOUR, lead(1, 1))
        .ledger();
    assert_eq!(ends(&reported, Clock::K4), [], "nobody waits for word of it, of an interim result neither");
}

#[test]
fn a_city_department_has_its_five_days_and_the_city_office_no_clock() {
    let assignment = Assignment { post: post("city-department@city:371300/energy"), ..lead(1, 1) };
    let delivered = What::InstructionDelivered {
        tier: Tier::City,
        assignment: assignment.clone(),
        own: false,
        rework: false,
        assumed: false,
    };
    let story = Story::at(CITY)
        .tell(0, What::CaseOpened { tier: Tier::City, sector: None, own: false })
        .tell(1, What::DepartmentInstructed)
        .tell(2, delivered);
    let ledger = story.ledger();
    let [result] = ledger.as_slice() else { panic!("one clock alone: {ledger:?}") };
    assert_eq!((result.clock, &result.loop_owner), (Clock::K3, &post("city-office@city:371300")));
    let returned = What::AssignmentReturned { assignment: assignment.clone() };
    let back = story.clone().tell(DAY, returned).ledger();
    assert_eq!((back.len(), ends(&back, Clock::K3)), (1, vec![Some(EndKind::Cancelled)]));
    let done = story.tell(DAY, What::ResultSubmitted { tier: Tier::City, assignment }).ledger();
    assert_eq!((done.len(), ends(&done, Clock::K3)), (1, vec![Some(EndKind::Settled)]));
}

#[test]
fn a_case_that_is_taken_up_again_has_new_legs_and_its_old_ones_stay_as_they_were() {
    let closed = with_department()
        .result(DAY, lead(1, 1))
        .tell(DAY + 30, What::FedBack { leg: 1 })
        .tell(2 * DAY, What::CaseClosed);
    let before = closed.ledger();
    let story = closed.tell(5 * DAY, What::CaseReopened { tier: Tier::County });
    let after = story.ledger();
    assert_eq!(ends(&after, Clock::K1), [Some(EndKind::Settled), None]);
    assert!(before.iter().all(|one| after.contains(one)), "nothing of before is touched");
    let again = story.tell(5 * DAY + HOUR, What::DepartmentInstructed).tell(6 * DAY, What::CaseClosed).ledger();
    assert_eq!(ends(&again, Clock::K1), [Some(EndKind::Settled), Some(EndKind::Settled)]);
    let township =
        Story::default().opened(0).tell(1, What::CaseClosed).tell(DAY, What::CaseReopened { tier: Tier::Township });
    assert_eq!(ends(&township.ledger(), Clock::T1), [Some(EndKind::Cancelled), None]);
}

#[test]
fn a_result_that_comes_after_the_closing_starts_no_clock_of_the_office() {
    let closed = with_department().tell(DAY, What::CaseClosed);
    let late = closed.clone().result(2 * DAY, lead(1, 1)).ledger();
    assert_eq!(ends(&late, Clock::K4), [], "a further fact, for which nobody owes anything");
    let again = closed
        .tell(2 * DAY, What::CaseReopened { tier: Tier::County })
        .tell(2 * DAY + 1, What::DepartmentInstructed)
        .delivered(2 * DAY + 2, lead(2, 2))
        .result(3 * DAY, lead(2, 2))
        .ledger();
    assert_eq!(ends(&again, Clock::K4), [None], "taken up again, it has its clock");
}

#[test]
fn a_lead_that_returns_work_done_again_takes_the_co_handlers_of_before_with_it() {
    let co_handler = department(9, "energy", false, 1);
    let ledger = with_department()
        .delivered(4, co_handler)
        .result(DAY, lead(1, 1))
        .tell(DAY + 1, What::ReworkOrdered { assignment: lead(1, 1) })
        .delivered(DAY + 2, lead(2, 2))
        .tell(2 * DAY, What::AssignmentReturned { assignment: lead(2, 2) })
        .ledger();
    let open: Vec<_> = ledger.iter().filter(|one| one.end.is_none()).map(|one| one.clock).collect();
    assert_eq!(open, [Clock::K1], "only the office owes something");
}

#[test]
fn of_two_returns_the_one_that_came_first_ends_a_co_handlers_work_whichever_was_heard_of_first() {
    let co_handler = department(9, "energy", false, 1);
    let ledger = with_department()
        .delivered(4, co_handler.clone())
        .tell(2 * DAY, What::AssignmentReturned { assignment: co_handler })
        .tell(DAY, What::AssignmentReturned { assignment: lead(1, 1) })
        .ledger();
    let ends: Vec<_> = of(&ledger, Clock::K3).iter().map(|one| one.end.map(|end| end.at)).collect();
    assert_eq!(ends, [Some(minutes(DAY)), Some(minutes(DAY))], "nothing was owed any more when it gave it back itself");
}

#[test]
fn a_result_that_is_published_long_after_it_was_no_longer_asked_makes_nobody_late() {
    let merged = Story::default()
        .opened(0)
        .tell(DAY, What::OutcomeAvailable { village: true })
        .tell(2 * DAY, What::CaseClosed)
        .tell(20 * DAY, What::ResultPublished)
        .ledger();
    assert_eq!(ends(&merged, Clock::P1), [Some(EndKind::Cancelled)]);
    let late = Story::default()
        .opened(0)
        .tell(DAY, What::OutcomeAvailable { village: true })
        .tell(19 * DAY, What::CaseClosed)
        .tell(20 * DAY, What::ResultPublished)
        .ledger();
    assert_eq!(ends(&late, Clock::P1), [Some(EndKind::Settled)], "it was late before it fell away");
}
