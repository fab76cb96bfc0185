//! Cases that public tips open, at the centre or at the office, and what becomes of the tips.

use dafei_dispatch_core::case::{
    Case, Cause, Command, Event, Facts, InstructionState, Link, Reason, ResultKind, Stage, StageKind, Step, Tier,
    Verdict, link, may_tell,
};
use dafei_kernel::{agency::Agency, owner::Post, region::Level, role::Role};
use uuid::Uuid;

use crate::fixture::{Run, agency_post, assign, den, facts, instruct, office, region, result, tip};

const NOTHING: Vec<Event> = Vec::new();

fn accept_result() -> Command {
    Command::AcceptResult { public_text: "已取缔".to_owned() }
}

fn feed_back() -> Command {
    Command::FeedBack { text: "已办结".to_owned(), public_text: "已取缔".to_owned() }
}

/// A lead's result, with or without a confirmed act.
fn submit(run: &mut Run, kind: ResultKind, confirms: bool) {
    let mut report = result(kind);
    if !confirms {
        report.confirmed_acts.clear();
        report.measures.clear();
    }
    let lead = run.lead();
    run.step(lead, Step::SubmitResult(report)).expect("a result");
}

/// The verdicts among these events, with the instruction that each rests on.
fn verdicts(events: &[Event]) -> Vec<(Uuid, Verdict, Uuid)> {
    let verdict = |event: &Event| match event {
        Event::TipVerified { tip, verdict, instruction, .. } => Some((*tip, *verdict, *instruction)),
        _ => None,
    };
    events.iter().filter_map(verdict).collect()
}

/// As far as the township agency's result waits at the centre.
fn township_result(number: u128, confirms: bool) -> Run {
    let mut run = Run::of_tip(number, Tier::Township);
    run.must(instruct(Agency::PublicSecurity));
    submit(&mut run, ResultKind::Interim, confirms);
    run
}

#[test]
fn a_tips_words_are_for_the_posts_that_handle_it() {
    let mut run = Run::of_tip(1, Tier::Township);
    for post in [Tier::Township, Tier::County, Tier::City].map(office) {
        assert!(run.case().shows_words(&post), "{post:?}");
    }
    let station = agency_post(Tier::Township, Agency::PublicSecurity);
    let department = agency_post(Tier::County, Agency::PublicSecurity);
    let other_centre = Post { region: region(Level::Township, "371302002"), ..office(Tier::Township) };
    let commander = Post { role: Role::CountyCommander, ..office(Tier::County) };
    let auditor = Post { role: Role::Auditor, ..office(Tier::City) };
    for post in [&station, &department, &other_centre, &commander, &auditor] {
        assert!(!run.case().shows_words(post), "{post:?}");
    }
    run.must(instruct(Agency::PublicSecurity));
    assert!(run.case().shows_words(&station), "it must know what it looks for");
    assert!(!run.case().shows_words(&department), "another level");
    let at_county = Run::of_tip(2, Tier::County);
    assert!(!at_county.case().shows_words(&office(Tier::Township)), "it may be accused");
    assert!(Run::opened(den(), true).case().shows_words(&auditor), "no tip's");
}

#[test]
fn where_a_case_ended_is_told_only_where_all_who_see_it_see_the_other() {
    let report = Run::opened(den(), true);
    let (at_centre, at_county) = (Run::of_tip(1, Tier::Township), Run::of_tip(2, Tier::County));
    let path = "city:371300/county:371302/township:371302001/village:371302001002".parse().expect("a path");
    let village = Some(region(Level::Village, "371302001002"));
    let mut neighbour = Run::new();
    neighbour.must(Command::Open(Box::new(Facts { path, village, ..facts(den(), true) })));
    for (case, into) in [(&report, &report), (&at_centre, &report), (&at_county, &at_centre)] {
        assert!(may_tell(case.case(), into.case()));
    }
    assert!(!may_tell(report.case(), at_centre.case()), "the village would know a tip's case");
    assert!(!may_tell(report.case(), neighbour.case()), "silence alone says nothing of a tip");
    assert!(!may_tell(at_centre.case(), at_county.case()), "the township may be accused there");
}

#[test]
fn a_tip_is_verified_by_the_townships_result_when_the_centre_accepts_it() {
    for (confirms, verdict) in [(true, Verdict::True), (false, Verdict::False)] {
        let mut run = township_result(1, confirms);
        assert_eq!(verdicts(&run.events), [], "not before the centre has accepted the result");
        let by = run.lead();
        assert_eq!(verdicts(&run.must(accept_result())), [(tip(1), verdict, by)]);
        assert!(matches!(run.case().stage, Stage::Closed { cause: Cause::NoVillage, .. }));
    }
}

#[test]
fn a_case_that_no_tip_opened_verifies_none() {
    let mut run = Run::opened(crate::fixture::den(), true);
    run.must(instruct(Agency::PublicSecurity));
    submit(&mut run, ResultKind::Final, true);
    run.must(accept_result());
    assert_eq!(verdicts(&run.events), []);
}

#[test]
fn a_verdict_is_given_once_whatever_the_final_result_adds() {
    let mut run = township_result(1, false);
    run.must(accept_result());
    submit(&mut run, ResultKind::Final, true);
    assert_eq!(run.case().confirmed.len(), 1);
    assert_eq!(verdicts(&run.events).len(), 1);
    assert_eq!(run.case().tips[0].verdict, Some(Verdict::False));
    let late = run.must(Command::AttachTips(vec![tip(2)]));
    assert_eq!(verdicts(&late)[0].1, Verdict::False, "one matter, one verdict");
}

#[test]
fn a_case_that_starts_at_the_office_ends_there_and_no_centre_has_a_part_in_it() {
    let mut run = Run::of_tip(1, Tier::County);
    assert_eq!(run.case().stage, Stage::AtOffice);
    let office = Post { role: Role::CountyOffice, region: region(Level::County, "371302"), agency: None };
    assert_eq!(run.case().stage_owner(), Some(office));
    for command in [instruct(Agency::PublicSecurity), Command::Escalate { reason: "超出职权".to_owned() }] {
        assert_eq!(run.go(&command).expect_err("no centre").reason, Reason::AlreadyEscalated);
    }
    run.must(assign());
    submit(&mut run, ResultKind::Final, true);
    let by = run.lead();
    let events = run.must(feed_back());
    assert!(matches!(events[0], Event::FedBack { leg: 1, .. }), "K4 stops");
    assert_eq!(verdicts(&events), [(tip(1), Verdict::True, by)]);
    let told: Vec<_> = events.iter().filter(|event| run.case().publishes(event)).collect();
    assert!(!told.iter().any(|event| matches!(event, Event::OutcomeAvailable { .. })), "no township is told");
    let closed = Stage::Closed { tier: Tier::County, public_text: "已取缔".to_owned(), cause: Cause::NoVillage };
    assert_eq!(run.case().stage, closed);
}

#[test]
fn a_departments_return_sends_a_county_case_back_to_the_office() {
    let mut run = Run::of_tip(1, Tier::County);
    run.must(assign());
    let lead = run.lead();
    let back = Step::Decline { reason: "不属职责".to_owned(), legal_basis: "职责分工规定第3条".to_owned() };
    run.step(lead, back).expect("returned");
    assert_eq!(run.case().stage, Stage::AtOffice);
}

#[test]
fn a_withdrawn_case_verifies_nothing() {
    let mut run = township_result(1, true);
    run.must(Command::Withdraw);
    assert_eq!(verdicts(&run.events), []);
    assert_eq!(verdicts(&run.must(Command::AttachTips(vec![tip(2)]))), [], "it never concluded");
}

#[test]
fn the_later_tips_case_ends_in_the_first_ones_and_every_tip_is_verified_there() {
    let (mut first, mut later) = (Run::of_tip(1, Tier::Township), Run::of_tip(2, Tier::Township));
    later.must(instruct(Agency::PublicSecurity));
    later.must(Command::AttachTips(vec![tip(3)]));
    let joined = link(later.case.as_ref(), first.case(), tip(2));
    assert_eq!(joined, Ok(Link::Join(vec![tip(2), tip(3)])), "all of its tips");
    let into = first.case().facts.id;
    later.must(Command::HandOver { into });
    assert!(matches!(later.case().stage, Stage::Closed { cause: Cause::Merged { into: at, .. }, .. } if at == into));
    assert_eq!(later.case().instructions[0].state(), InstructionState::Cancelled, "as when it is withdrawn");
    assert!(later.case().tips.is_empty());
    let lead = later.lead();
    let late = later.step(lead, Step::SubmitResult(result(ResultKind::Final))).expect_err("it counts in the other");
    assert_eq!(late.reason, Reason::InstructionCancelled);
    first.must(Command::AttachTips(vec![tip(2), tip(3), tip(2)]));
    assert_eq!(first.go(&Command::AttachTips(vec![tip(3)])), Ok(NOTHING), "attached once");
    first.must(instruct(Agency::PublicSecurity));
    submit(&mut first, ResultKind::Final, true);
    let verified: Vec<_> = verdicts(&first.must(accept_result())).iter().map(|(tip, ..)| *tip).collect();
    assert_eq!(verified, [tip(1), tip(2), tip(3)]);
    assert_eq!(link(later.case.as_ref(), first.case(), tip(2)), Ok(Link::Apart), "linked once");
    assert_eq!(later.go(&Command::HandOver { into }), Ok(NOTHING));
    let gone = later.go(&Command::AttachTips(vec![tip(4)])).expect_err("it has ended in another");
    assert_eq!(gone.reason, Reason::CaseClosed);
}

#[test]
fn a_tip_that_joins_a_concluded_case_is_verified_at_once() {
    let mut first = township_result(1, true);
    let by = first.lead();
    first.must(accept_result());
    assert_eq!(verdicts(&first.must(Command::AttachTips(vec![tip(2)]))), [(tip(2), Verdict::True, by)]);
    assert_eq!(first.go(&Command::AttachTips(vec![tip(2), tip(1)])), Ok(NOTHING));
}

#[test]
fn a_case_with_a_result_keeps_its_tips_and_verifies_them_itself() {
    let first = Run::of_tip(1, Tier::Township);
    let mut later = township_result(2, true);
    assert_eq!(link(later.case.as_ref(), first.case(), tip(2)), Ok(Link::Apart));
    assert_eq!(later.go(&Command::HandOver { into: first.case().facts.id }), Ok(NOTHING));
    assert_eq!(later.case().stage.kind(), StageKind::TownshipResult);
    assert_eq!(verdicts(&later.must(accept_result())).len(), 1);
    assert_eq!(link(later.case.as_ref(), first.case(), tip(2)), Ok(Link::Apart));
}

#[test]
fn a_withdrawn_cases_tip_joins_the_case_that_goes_on() {
    let first = Run::of_tip(1, Tier::Township);
    let mut later = Run::of_tip(2, Tier::Township);
    later.must(Command::Withdraw);
    assert_eq!(link(later.case.as_ref(), first.case(), tip(2)), Ok(Link::Join(vec![tip(2)])));
    later.must(Command::HandOver { into: first.case().facts.id });
    assert!(matches!(later.case().stage, Stage::Closed { cause: Cause::Withdrawn, .. }), "it stays as it ended");
}

#[test]
fn a_tip_does_not_join_a_case_that_was_closed_without_a_verdict() {
    let (mut first, later) = (Run::of_tip(1, Tier::Township), Run::of_tip(2, Tier::Township));
    first.must(Command::Withdraw);
    assert_eq!(link(later.case.as_ref(), first.case(), tip(2)), Ok(Link::Apart), "the matter would be lost");
    assert_eq!(link(None, first.case(), tip(9)), Ok(Link::Apart));
}

#[test]
fn a_case_that_was_stored_before_there_were_tips_reads_back_without_any() {
    let run = Run::opened(crate::fixture::den(), true);
    let mut stored = serde_json::to_value(run.case()).expect("JSON");
    for (of, name) in [("", "tips"), ("", "conclusion"), ("/facts", "tip")] {
        let fields = stored.pointer_mut(of).and_then(serde_json::Value::as_object_mut).expect("an object");
        assert!(fields.remove(name).is_some(), "{name}");
    }
    let read: Case = serde_json::from_value(stored).expect("a case");
    assert_eq!(read, *run.case());
}

#[test]
fn what_may_accuse_a_township_never_ends_in_the_townships_case() {
    let (township, county) = (Run::of_tip(1, Tier::Township), Run::of_tip(2, Tier::County));
    assert_eq!(link(county.case.as_ref(), township.case(), tip(2)), Ok(Link::Apart));
    assert_eq!(link(township.case.as_ref(), county.case(), tip(1)), Ok(Link::Join(vec![tip(1)])), "upwards it may");
}

#[test]
fn a_link_is_about_the_tip_that_opened_the_case_and_about_two_cases() {
    let (first, later) = (Run::of_tip(1, Tier::Township), Run::of_tip(2, Tier::Township));
    assert_eq!(link(later.case.as_ref(), first.case(), tip(9)).expect_err("not its tip").reason, Reason::NoSuchTip);
    assert_eq!(link(first.case.as_ref(), first.case(), tip(1)), Ok(Link::Apart));
    assert_eq!(link(None, first.case(), tip(9)), Ok(Link::Join(vec![tip(9)])), "a tip whose case was never dispatch's");
    assert_eq!(link(None, first.case(), tip(1)), Ok(Link::Apart));
}
