//! Cases that public tips open, at the centre or at the office, and what becomes of the tips.

use dafei_dispatch_core::case::{
    Case, Cause, Command, Event, Facts, InstructionState, Limits, Link, Reason, ResultKind, Stage, StageKind, Step,
    Tier, Verdict, check_at_rest, evolve, link, may_tell,
};
use dafei_kernel::{agency::Agency, owner::Post, region::Level, role::Role};
use uuid::Uuid;

use crate::fixture::{Run, act, agency_post, assign, den, facts, fine, instruct, office, region, result, tip};

const NOTHING: Vec<Event> = Vec::new();

fn accept_result() -> Command {
    Command::AcceptResult { public_text: "已取缔".to_owned() }
}

fn feed_back() -> Command {
    Command::FeedBack { text: "已办结".to_owned(), public_text: "已取缔".to_owned() }
}

/// A lead's result, with or without a confirmed act.
fn submit(run: &mut Run, kind: ResultKind, confirms: bool) -> Vec<Event> {
    let mut report = result(kind);
    if !confirms {
        report.confirmed_acts.clear();
        report.measures.clear();
    }
    let lead = run.lead();
    run.step(lead, Step::SubmitResult(report)).expect("a result")
}

/// The verdicts among these events, with the instruction that each rests on.
fn verdicts(events: &[Event]) -> Vec<(Uuid, Verdict, Uuid)> {
    let verdict = |event: &Event| match event {
        Event::TipVerified { tip, verdict, instruction, .. } => Some((*tip, *verdict, *instruction)),
        _ => None,
    };
    events.iter().filter_map(verdict).collect()
}

/// As far as the township agency's result waits at the centre: an interim one with an act, or a final one without.
fn township_result(number: u128, confirms: bool) -> Run {
    let mut run = Run::of_tip(number, Tier::Township);
    run.must(instruct(Agency::PublicSecurity));
    submit(&mut run, if confirms { ResultKind::Interim } else { ResultKind::Final }, confirms);
    run
}

/// Closed at the office on an interim result without an act: sealed, and the samples are with the laboratory.
fn sealed(number: u128) -> Run {
    let mut run = Run::of_tip(number, Tier::County);
    run.must(assign());
    submit(&mut run, ResultKind::Interim, false);
    assert_eq!(verdicts(&run.must(feed_back())), [], "what was done first says nothing of the tip");
    assert_eq!(run.case().stage.kind(), StageKind::Closed);
    run
}

fn ask_reopening() -> Command {
    Command::RequestReopening { by: office(Tier::County), reason: "又有举报".to_owned() }
}

fn decide_reopening(granted: bool) -> Command {
    Command::DecideReopening { granted, reason: "经研究".to_owned() }
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
fn after_an_interim_result_without_an_act_the_leads_last_word_verifies_the_tip() {
    for (kind, confirms, verdict) in [
        (ResultKind::Final, true, Verdict::True),
        (ResultKind::Final, false, Verdict::False),
        (ResultKind::Unfounded, false, Verdict::False),
    ] {
        let mut run = sealed(1);
        let by = run.lead();
        assert_eq!(verdicts(&submit(&mut run, ResultKind::Interim, false)), [], "still no act, {kind:?}");
        assert_eq!(verdicts(&submit(&mut run, kind, confirms)), [(tip(1), verdict, by)], "{kind:?}");
        let late = run.must(Command::AttachTips(vec![tip(2)]));
        assert_eq!(verdicts(&late), [(tip(2), verdict, by)], "one matter, one verdict");
    }
}

#[test]
fn an_interim_result_that_confirms_an_act_later_verifies_the_tip_as_well() {
    let mut run = sealed(1);
    let by = run.lead();
    assert_eq!(verdicts(&submit(&mut run, ResultKind::Interim, true)), [(tip(1), Verdict::True, by)]);
    assert_eq!(verdicts(&submit(&mut run, ResultKind::Final, false)), [], "it stays true");
}

#[test]
fn a_tip_that_no_final_result_comes_for_gets_its_verdict_when_its_case_can_no_longer_be_taken_up_again() {
    let mut run = sealed(1);
    let by = run.lead();
    assert_eq!(run.go(&Command::EndVerification), Ok(NOTHING), "the final result may come yet");
    assert_eq!(run.case().unverified_since(), run.case().closed_at);
    run.now += Limits::default().reopen_within;
    assert_eq!(verdicts(&run.must(Command::EndVerification)), [(tip(1), Verdict::False, by)]);
    assert_eq!(run.case().unverified_since(), None);
    assert_eq!(run.go(&Command::EndVerification), Ok(NOTHING));
    let further = submit(&mut run, ResultKind::Final, true);
    assert_eq!(verdicts(&further), [(tip(1), Verdict::True, by)], "it came after all");
}

#[test]
fn no_tip_gets_a_verdict_for_want_of_a_final_result_while_its_case_may_be_taken_up_again() {
    let mut run = sealed(1);
    run.must(ask_reopening());
    run.now += Limits::default().reopen_within;
    assert_eq!(run.go(&Command::EndVerification), Ok(NOTHING), "the request waits");
    let mut refused = sealed(2);
    refused.must(ask_reopening());
    refused.must(decide_reopening(false));
    refused.now += Limits::default().reopen_within;
    assert_eq!(verdicts(&refused.must(Command::EndVerification)).len(), 1);
    run.must(decide_reopening(true));
    assert_eq!(run.go(&Command::EndVerification), Ok(NOTHING), "it is worked on");
}

#[test]
fn an_untrue_tip_becomes_true_once_when_a_later_result_confirms_an_act_and_stays_true() {
    let mut run = township_result(1, false);
    let by = run.lead();
    assert_eq!(verdicts(&run.must(accept_result())), [(tip(1), Verdict::False, by)]);
    let late = run.must(Command::AttachTips(vec![tip(2)]));
    assert_eq!(verdicts(&late), [(tip(2), Verdict::False, by)], "one matter, one verdict");
    let further = submit(&mut run, ResultKind::Final, true);
    assert_eq!(verdicts(&further), [(tip(1), Verdict::True, by), (tip(2), Verdict::True, by)]);
    assert_eq!(verdicts(&run.must(Command::AttachTips(vec![tip(3)]))), [(tip(3), Verdict::True, by)]);
    let mut more = result(ResultKind::Final);
    more.confirmed_acts = vec![act("FW-1")];
    more.measures = vec![fine("罚2", 200)];
    assert_eq!(verdicts(&run.step(by, Step::SubmitResult(more)).expect("further facts")), [], "told once");
    run.must(ask_reopening());
    run.must(decide_reopening(true));
    assert_eq!(verdicts(&run.must(Command::AttachTips(vec![tip(4)]))), [(tip(4), Verdict::True, by)]);
    run.must(instruct(Agency::PublicSecurity));
    submit(&mut run, ResultKind::Final, false);
    assert_eq!(verdicts(&run.must(accept_result())), [], "a reward may have been announced");
}

#[test]
fn what_a_co_handler_confirms_after_the_closing_makes_the_tip_true_at_the_leads_post() {
    let mut run = Run::of_tip(1, Tier::County);
    run.must(assign());
    let (lead, co_handler) = (run.lead(), run.co_handler());
    submit(&mut run, ResultKind::Unfounded, false);
    assert_eq!(verdicts(&run.must(feed_back())), [(tip(1), Verdict::False, lead)]);
    let further = run.step(co_handler, Step::SubmitResult(result(ResultKind::Interim))).expect("a later fact");
    assert_eq!(verdicts(&further), [(tip(1), Verdict::True, lead)]);
}

#[test]
fn that_nothing_was_found_is_for_the_lead_to_say() {
    let mut run = sealed(1);
    let (lead, co_handler) = (run.lead(), run.co_handler());
    let unfounded = run.step(co_handler, Step::SubmitResult(result(ResultKind::Unfounded))).expect("a co-handler's");
    assert_eq!(verdicts(&unfounded), []);
    assert_eq!(verdicts(&submit(&mut run, ResultKind::Final, true)), [(tip(1), Verdict::True, lead)]);
}

#[test]
fn the_tips_of_a_villages_case_wait_for_the_final_result_also_before_it_is_published() {
    let mut run = Run::assigned();
    run.must(Command::Absorb { case: Uuid::from_u128(9), tips: vec![tip(1)] });
    submit(&mut run, ResultKind::Interim, false);
    assert_eq!(verdicts(&run.must(feed_back())), []);
    assert_eq!(run.case().stage.kind(), StageKind::OutcomeAvailable);
    assert_eq!(run.go(&Command::AttachTips(vec![tip(2)])).map(|events| verdicts(&events)), Ok(Vec::new()));
    let lead = run.lead();
    let last_word = submit(&mut run, ResultKind::Final, true);
    assert_eq!(verdicts(&last_word), [(tip(1), Verdict::True, lead), (tip(2), Verdict::True, lead)]);
    assert_eq!(verdicts(&run.must(Command::Publish)), []);
}

#[test]
fn a_tip_that_joins_a_case_taken_up_again_waits_for_its_new_result_which_sets_the_first_verdict_right() {
    for confirms in [true, false] {
        let mut first = township_result(1, false);
        first.must(accept_result());
        first.must(ask_reopening());
        first.must(decide_reopening(true));
        assert_eq!(first.case().conclusion, None);
        assert_eq!(first.case().tips[0].verdict, Some(Verdict::False), "as it was told");
        let linked = Run::of_tip(2, Tier::Township);
        assert_eq!(link(linked.case.as_ref(), first.case(), tip(2)), Ok(Link::Join(vec![tip(2)])));
        let joined = first.must(Command::AttachTips(vec![tip(2)]));
        let merged = first.must(Command::Absorb { case: Uuid::from_u128(3), tips: vec![tip(3)] });
        assert_eq!(verdicts(&[joined, merged].concat()), [], "the old result says nothing of them");
        first.must(instruct(Agency::PublicSecurity));
        submit(&mut first, ResultKind::Final, confirms);
        let (by, verdict) = (first.lead(), if confirms { Verdict::True } else { Verdict::False });
        let told: Vec<_> = if confirms { vec![tip(1), tip(2), tip(3)] } else { vec![tip(2), tip(3)] };
        let told: Vec<_> = told.into_iter().map(|tip| (tip, verdict, by)).collect();
        assert_eq!(verdicts(&first.must(accept_result())), told);
    }
}

#[test]
fn a_tip_does_not_join_a_closed_case_that_has_found_nothing() {
    let mut untrue = township_result(1, false);
    untrue.must(accept_result());
    let fresh = Run::of_tip(3, Tier::Township);
    for first in [&untrue, &sealed(2)] {
        assert_eq!(link(fresh.case.as_ref(), first.case(), tip(3)), Ok(Link::Apart), "nobody would look into it");
        assert_eq!(link(None, first.case(), tip(9)), Ok(Link::Apart));
    }
}

#[test]
fn a_history_from_when_an_interim_result_made_a_tip_untrue_reads_as_it_was_told() {
    let mut run = sealed(1);
    let told = Event::TipVerified { tip: tip(1), verdict: Verdict::False, instruction: run.lead(), at: run.now };
    run.events.insert(run.events.len() - 1, told);
    let case = run.events.iter().fold(None, evolve).expect("a case");
    assert_eq!(check_at_rest(&case), Ok(()));
    let concluded = case.conclusion.map(|conclusion| conclusion.verdict);
    assert_eq!((case.tips[0].verdict, concluded), (Some(Verdict::False), Some(Verdict::False)));
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
