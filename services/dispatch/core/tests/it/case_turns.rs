//! The turns that a case can take beside the straight way: 退回重办, 延期, 督办, 催办, merging, reopening, own findings, the city's cases.

use dafei_dispatch_core::case::{
    Case, Cause, Choice, Command, Event, Means, NotYours, Obstacle, Reason, Rejection, ResultKind, Stage, StageKind,
    Step, Tier, may, may_merge,
};
use dafei_kernel::{agency::Agency, owner::Post, role::Role};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::fixture::{
    Run, agency_post, assign, den, facts, found_facts, instruct, office, opened_facts, result, start, tip, tip_facts,
};

fn reason<T: std::fmt::Debug>(result: Result<T, Rejection>) -> Reason {
    result.expect_err("refused").reason
}

fn feed_back() -> Command {
    Command::FeedBack { text: "已办结".to_owned(), public_text: "已取缔".to_owned() }
}

fn rework() -> Command {
    Command::OrderRework { reason: "取缔不彻底".to_owned() }
}

fn submit() -> Step {
    Step::SubmitResult(result(ResultKind::Final))
}

/// With its measure under an id of its own.
fn submit_as(id: &str) -> Step {
    let mut report = result(ResultKind::Final);
    id.clone_into(&mut report.measures[0].id);
    Step::SubmitResult(report)
}

fn ask(working_days: u32) -> Step {
    Step::RequestExtension { working_days, reason: "等待鉴定".to_owned(), overdue: false }
}

fn answer(instruction: Uuid, working_days: Option<u32>) -> Command {
    Command::DecideExtension { instruction, working_days, reason: "情况属实".to_owned() }
}

fn opened(facts: dafei_dispatch_core::case::Facts) -> Run {
    let mut run = Run::new();
    run.must(Command::Open(Box::new(facts)));
    run
}

fn ask_reopening() -> Command {
    Command::RequestReopening { by: office(Tier::County), reason: "死灰复燃".to_owned() }
}

#[test]
fn work_that_is_not_taken_is_done_again_by_the_same_post_under_a_new_instruction() {
    let mut run = Run::assigned();
    let first = run.lead();
    run.step(first, submit()).expect("a result");
    run.must(rework());
    let again = run.lead();
    let instruction = run.case().instruction(again).expect("a new one").clone();
    assert_ne!(again, first);
    assert_eq!((instruction.rework_of, instruction.leg, instruction.text.as_str()), (Some(first), 2, "取缔不彻底"));
    assert_eq!(instruction.post, run.case().instruction(first).expect("kept").post);
    assert_eq!(reason(run.step(first, submit())), Reason::InstructionSuperseded, "the old one is settled");
    assert_eq!(reason(run.go(&feed_back())), Reason::NoResultYet);
    run.step(again, Step::Deliver(Means::Consumer)).expect("delivered");
    let mut later = result(ResultKind::Final);
    later.measures.clear();
    run.step(again, Step::SubmitResult(later)).expect("a result of its own");
    run.must(feed_back());
    assert_eq!(run.case().stage.kind(), StageKind::OutcomeAvailable);
}

#[test]
fn the_centre_orders_work_again_of_its_own_agency() {
    let mut run = Run::opened(den(), true);
    assert_eq!(reason(run.go(&rework())), Reason::NoResultYet);
    run.must(instruct(Agency::PublicSecurity));
    run.step(run.lead(), submit()).expect("a result");
    run.must(rework());
    assert_eq!(run.case().stage, Stage::WithTownshipAgency { instruction: run.lead() });
}

#[test]
fn a_department_asks_for_more_time_once_and_the_office_answers() {
    let mut run = Run::assigned();
    let lead = run.lead();
    assert_eq!(reason(run.step(lead, ask(0))), Reason::ExtensionOutOfRange);
    assert_eq!(reason(run.step(lead, ask(11))), Reason::ExtensionOutOfRange);
    let late = Step::RequestExtension { working_days: 3, reason: "迟了".to_owned(), overdue: true };
    assert_eq!(reason(run.step(lead, late)), Reason::ExtensionTooLate);
    assert_eq!(reason(run.go(&answer(lead, None))), Reason::NoExtensionAsked);
    run.step(lead, ask(5)).expect("asked");
    assert_eq!(reason(run.step(lead, ask(5))), Reason::ExtensionPending);
    assert_eq!(reason(run.go(&answer(lead, Some(6)))), Reason::ExtensionOutOfRange, "more than was asked for");
    let events = run.must(answer(lead, Some(3)));
    let asked_at = run.case().instruction(lead).expect("kept").extensions[0].asked_at;
    assert!(
        matches!(&events[..], [Event::ExtensionDecided { working_days: Some(3), asked_at: at, .. }] if *at == asked_at)
    );
    assert_eq!(run.case().instruction(lead).expect("kept").granted_extensions(), (1, 3));
    assert_eq!(reason(run.step(lead, ask(2))), Reason::ExtensionsUsedUp);
    let co_handler = run.co_handler();
    run.step(co_handler, ask(2)).expect("each has its own");
    run.must(answer(co_handler, None));
    run.step(co_handler, ask(1)).expect("a refusal uses nothing up");
    assert_eq!(run.case().instruction(co_handler).expect("kept").notices, 1);
}

#[test]
fn a_township_agency_has_its_four_hours_and_no_more() {
    let mut run = Run::opened(den(), true);
    run.must(instruct(Agency::PublicSecurity));
    assert_eq!(reason(run.step(run.lead(), ask(1))), Reason::NoExtensionForTownship);
}

#[test]
fn after_the_second_return_the_office_assigns_bindingly_and_the_lead_must_do_it() {
    let mut run = Run::assigned();
    let back = || Step::Decline { reason: "不属职责".to_owned(), legal_basis: "责任办法".to_owned() };
    for returned in 1..=2 {
        assert!(!run.case().instruction(run.lead()).expect("a lead").binding);
        run.step(run.lead(), back()).expect("returned");
        assert_eq!((run.case().returns, run.case().stage.kind()), (returned, StageKind::AtOffice));
        run.must(assign());
    }
    assert!(run.case().instruction(run.lead()).expect("a lead").binding);
    let refused = run.step(run.lead(), back()).expect_err("binding");
    assert!(matches!(refused, Rejection { reason: Reason::AssignmentBinding, obstacle: Obstacle::Instruction(_) }));
    assert_eq!(reason(run.step(run.co_handler(), back())), Reason::AssignmentBinding);
    run.step(run.lead(), submit()).expect("done");
    run.must(rework());
    assert!(run.case().instruction(run.lead()).expect("a lead").binding, "done again it is as binding");
}

#[test]
fn those_who_work_on_a_case_are_told_when_it_is_urged_supervised_or_falls_away() {
    let mut run = Run::assigned();
    let notices = |run: &Run| run.case().instructions.iter().map(|one| one.notices).collect::<Vec<_>>();
    run.must(Command::Urge { by: office(Tier::County), instruction: None, text: "请抓紧".to_owned() });
    assert_eq!(notices(&run), [1, 0, 0], "who owes the step is urged");
    assert_eq!(run.case().urgings[0].to, run.case().instruction(run.lead()).expect("a lead").post);
    run.must(Command::Supervise { by: office(Tier::City), text: "限期办结".to_owned() });
    assert_eq!(notices(&run), [2, 1, 1], "all who work on it are told of a supervision");
    run.step(run.lead(), submit()).expect("a result");
    run.must(feed_back());
    run.must(Command::Publish);
    assert_eq!(notices(&run), [2, 2, 2], "the co-handlers' instructions fell away");
    let again = Command::Urge { by: office(Tier::City), instruction: None, text: "请抓紧".to_owned() };
    assert_eq!(reason(run.go(&again)), Reason::CaseClosed);
}

#[test]
fn nobody_urges_or_supervises_himself() {
    let mut run = Run::opened(den(), true);
    let urge = Command::Urge { by: office(Tier::Township), instruction: None, text: "快".to_owned() };
    assert_eq!(reason(run.go(&urge)), Reason::OwnStep);
    run.must(Command::Escalate { reason: "超出职权".to_owned() });
    let supervise = Command::Supervise { by: office(Tier::County), text: "快".to_owned() };
    assert_eq!(reason(run.go(&supervise)), Reason::OwnStep);
    run.must(urge);
    assert_eq!(run.case().urgings[0].to, office(Tier::County), "the centre may urge the office");
}

#[test]
fn a_duplicate_ends_in_the_other_case_and_gives_its_tips() {
    let mut run = Run::of_tip(1, Tier::Township);
    let other = opened(opened_facts(Tier::Township));
    assert_eq!(may_merge(run.case(), other.case()), Ok(()));
    let into = other.case().facts.id;
    let events = run.must(Command::Merge { into, told: true, reason: "同一窝点".to_owned() });
    assert!(matches!(&events[..], [Event::TipsHandedOver { .. }, Event::Closed { cause: Cause::Merged { .. }, .. }]));
    assert_eq!((run.case().merged_into(), run.case().tips.len()), (Some(into), 0));
    let mut other = other;
    let absorb = Command::Absorb { case: run.case().facts.id, tips: vec![tip(1)] };
    other.must(absorb.clone());
    assert_eq!((other.case().duplicates.len(), other.case().tips.len()), (1, 1));
    assert_eq!(other.go(&absorb), Ok(Vec::new()), "once");
}

#[test]
fn what_may_not_be_merged_is_not() {
    let refused = |case: &Case, into: &Case| may_merge(case, into).expect_err("refused").reason;
    let township = Run::of_tip(1, Tier::Township);
    let county = Run::of_tip(2, Tier::County);
    let city = opened(opened_facts(Tier::City));
    assert_eq!(refused(township.case(), township.case()), Reason::SameCase);
    assert_eq!(refused(county.case(), township.case()), Reason::MergeDownwards, "the accused would decide on it");
    assert_eq!(may_merge(township.case(), county.case()), Ok(()));
    assert_eq!(refused(township.case(), city.case()), Reason::OtherCounty);
    let mut ended = Run::of_tip(3, Tier::Township);
    ended.must(Command::Withdraw);
    assert_eq!(refused(township.case(), ended.case()), Reason::MergeIntoClosed, "the fresh report would be lost");
    assert_eq!(refused(ended.case(), township.case()), Reason::CaseClosed);
    let mut done = Run::assigned();
    done.step(done.lead(), submit()).expect("a result");
    assert_eq!(refused(done.case(), county.case()), Reason::HasResult);
}

#[test]
fn a_closed_case_is_taken_up_again_on_request_within_the_window() {
    let mut run = Run::assigned();
    assert_eq!(reason(run.go(&ask_reopening())), Reason::NotClosed);
    run.step(run.lead(), submit()).expect("a result");
    run.must(feed_back());
    run.must(Command::Publish);
    let decide = |granted| Command::DecideReopening { granted, reason: "查实".to_owned() };
    assert_eq!(reason(run.go(&decide(true))), Reason::NoReopeningAsked);
    run.must(ask_reopening());
    assert_eq!(reason(run.go(&ask_reopening())), Reason::ReopeningPending);
    run.must(decide(false));
    assert_eq!((run.case().stage.kind(), run.case().reopening.is_none()), (StageKind::Closed, true));
    run.must(ask_reopening());
    run.must(decide(true));
    assert_eq!((run.case().stage.kind(), run.case().reopened), (StageKind::AtOffice, 1));
    run.must(assign());
    let mut later = result(ResultKind::Final);
    later.measures.clear();
    run.step(run.lead(), Step::SubmitResult(later)).expect("a result");
    run.must(feed_back());
    run.must(Command::Publish);
    run.now += SignedDuration::from_hours(24 * 31);
    assert_eq!(reason(run.go(&ask_reopening())), Reason::ReopeningTooLate);
}

#[test]
fn what_was_withdrawn_or_merged_is_never_taken_up_again() {
    let mut withdrawn = Run::opened(den(), true);
    withdrawn.must(Command::Withdraw);
    assert_eq!(reason(withdrawn.go(&ask_reopening())), Reason::NotReopenable);
    let mut merged = Run::opened(den(), true);
    merged.must(Command::Merge { into: Uuid::from_u128(9), told: true, reason: "同一窝点".to_owned() });
    assert_eq!(reason(merged.go(&ask_reopening())), Reason::NotReopenable);
}

#[test]
fn what_an_agency_found_itself_is_with_it_at_once_and_ends_with_its_result() {
    for tier in [Tier::Township, Tier::County, Tier::City] {
        let mut run = opened(found_facts(tier));
        let own = run.lead();
        assert_eq!(run.case().stage_owner(), Some(agency_post(tier, Agency::EmergencyManagement)));
        let delivery = run.case().instruction(own).and_then(|one| one.delivery).expect("its clock runs");
        assert_eq!((delivery.means, delivery.at), (Means::OwnFinding, start()));
        run.step(own, submit()).expect("a result");
        let Stage::Closed { cause, tier: by, .. } = &run.case().stage else { panic!("not closed") };
        assert_eq!((*cause, *by), (Cause::OwnFinding, tier));
        run.must(ask_reopening());
    }
}

#[test]
fn what_an_agency_found_outside_its_authority_goes_the_way_of_all_cases() {
    let mut run = opened(found_facts(Tier::Township));
    let declined = Step::Decline { reason: "不属职权".to_owned(), legal_basis: String::new() };
    run.step(run.lead(), declined).expect("declined");
    assert_eq!(run.case().stage_owner(), Some(office(Tier::Township)));
    let mut run = opened(found_facts(Tier::County));
    let returned = Step::Decline { reason: "不属职权".to_owned(), legal_basis: "责任办法".to_owned() };
    run.step(run.lead(), returned).expect("returned");
    assert_eq!((run.case().stage.kind(), run.case().returns), (StageKind::AtOffice, 0), "nobody had assigned it");
}

#[test]
fn the_city_assigns_its_own_departments_and_settles_their_results() {
    let mut run = opened(opened_facts(Tier::City));
    assert_eq!(run.case().stage_owner(), Some(office(Tier::City)));
    run.must(assign());
    let lead = run.case().instruction(run.lead()).expect("a lead").clone();
    assert_eq!(lead.post, agency_post(Tier::City, Agency::EmergencyManagement));
    run.step(lead.id, Step::Respond { plan: "到场".to_owned() }).expect("responded");
    run.step(lead.id, submit()).expect("a result");
    let events = run.must(feed_back());
    assert!(matches!(events.last(), Some(Event::Closed { tier: Tier::City, cause: Cause::NoVillage, .. })));
}

#[test]
fn what_was_opened_in_error_is_taken_back_until_there_is_a_result() {
    let mut run = opened(opened_facts(Tier::County));
    let take_back = Command::TakeBack { reason: "重复录入".to_owned() };
    assert_eq!(may(&office(Tier::County), run.case(), &take_back), Ok(()));
    assert_eq!(may(&office(Tier::City), run.case(), &take_back), Err(NotYours::Role));
    let reported = Run::opened(den(), true);
    assert_eq!(may(&office(Tier::County), reported.case(), &take_back), Err(NotYours::Region), "opened by nobody here");
    run.must(assign());
    run.step(run.lead(), submit()).expect("a result");
    assert_eq!(reason(run.go(&take_back)), Reason::HasResult);
    let mut joined = opened(opened_facts(Tier::County));
    joined.must(Command::Absorb { case: Uuid::from_u128(77), tips: Vec::new() });
    assert_eq!(reason(joined.go(&take_back)), Reason::HasMergedCases, "what others reported would end with it");
    let mut early = opened(opened_facts(Tier::County));
    early.must(take_back);
    assert!(matches!(early.case().stage, Stage::Closed { cause: Cause::Withdrawn, .. }));
}

#[test]
fn who_is_not_the_steps_post_is_told_what_of_him_does_not_fit() {
    let run = Run::assigned();
    let again = Command::Instruction { id: run.lead(), step: Step::Resend { by: office(Tier::County) } };
    assert_eq!(may(&office(Tier::County), run.case(), &again), Ok(()));
    assert!(may(&office(Tier::Township), run.case(), &again).is_err(), "it was the county's order");
    let step = Command::Instruction { id: run.lead(), step: Step::Accept };
    let lead = agency_post(Tier::County, Agency::EmergencyManagement);
    let elsewhere = |post: &Post| {
        let region = post.region.to_string().replace("371302", "371311");
        Post { region: region.parse().expect("a region"), ..post.clone() }
    };
    assert_eq!(may(&lead, run.case(), &step), Ok(()));
    assert_eq!(may(&elsewhere(&lead), run.case(), &step), Err(NotYours::Region));
    assert_eq!(may(&agency_post(Tier::County, Agency::Postal), run.case(), &step), Err(NotYours::Agency));
    let below = agency_post(Tier::Township, Agency::EmergencyManagement);
    assert_eq!(may(&below, run.case(), &step), Err(NotYours::Level));
    assert_eq!(may(&office(Tier::County), run.case(), &step), Err(NotYours::Role));
    let commander = Post { role: Role::CountyCommander, ..office(Tier::County) };
    let supervise = Command::Supervise { by: commander.clone(), text: "限期".to_owned() };
    assert_eq!(may(&commander, run.case(), &supervise), Ok(()));
    assert_eq!(may(&elsewhere(&commander), run.case(), &supervise), Err(NotYours::Region));
}

#[test]
fn another_lead_than_proposed_needs_a_reason_and_the_case_keeps_rule_and_version() {
    let mut run = Run::opened(den(), true);
    run.must(Command::Escalate { reason: "超出职权".to_owned() });
    let choice = Choice { lead: Some(Agency::Energy), ..Choice::default() };
    let other = Command::AssignDepartment { choice: choice.clone(), text: "依法查处".to_owned() };
    assert_eq!(reason(run.go(&other)), Reason::DeviationReasonRequired);
    run.must(assign());
    let route = run.case().route.clone().expect("routed");
    assert_eq!((route.rule.as_str(), route.version.as_str()), ("hc", "2026.1"));
}

#[test]
fn the_regions_of_a_case_must_fit_together() {
    let mut foreign = facts(den(), true);
    foreign.county = None;
    let opening = Command::Open(Box::new(foreign));
    assert_eq!(reason(Run::new().go(&opening)), Reason::PathDoesNotFit);
    assert!(Run::new().go(&Command::Open(Box::new(tip_facts(1, Tier::County)))).is_ok());
}

/// The clocks of each stage, by the facts that start and stop them.
#[test]
fn at_every_stage_the_clocks_run_that_the_rules_start() {
    let clocks = |run: &Run| run.case().clocks().iter().map(|step| step.clock).collect::<Vec<_>>();
    let mut run = Run::opened(den(), true);
    assert_eq!(clocks(&run), ["T1"]);
    run.must(instruct(Agency::PublicSecurity));
    assert_eq!(clocks(&run), [""; 0], "not delivered yet");
    run.step(run.lead(), Step::Deliver(Means::Consumer)).expect("delivered");
    assert_eq!(clocks(&run), ["T2"]);
    run.step(run.lead(), Step::Decline { reason: "不属职权".to_owned(), legal_basis: String::new() })
        .expect("declined");
    assert_eq!(clocks(&run), ["T3"]);
    run.must(Command::Escalate { reason: "超出职权".to_owned() });
    assert_eq!(clocks(&run), ["K1"]);
    run.must(assign());
    for instruction in run.case().instructions.clone() {
        if instruction.is_open() {
            run.step(instruction.id, Step::Deliver(Means::Rpc)).expect("delivered");
        }
    }
    assert_eq!(clocks(&run), ["K2", "K3", "K2", "K3", "K2", "K3"], "the lead's and each co-handler's own");
    run.step(run.co_handler(), submit_as("协办1")).expect("a co-handler's result");
    run.step(run.lead(), Step::Respond { plan: "到场".to_owned() }).expect("responded");
    assert_eq!(clocks(&run), ["K3", "K2", "K3"]);
    run.step(run.lead(), submit()).expect("a result");
    assert_eq!(clocks(&run), ["K4", "K2", "K3"], "the other co-handler goes on");
    run.must(rework());
    run.step(run.lead(), Step::Deliver(Means::Rpc)).expect("delivered");
    assert_eq!(clocks(&run), ["K2", "K3", "K3"], "done again it owes no response");
    let mut again = result(ResultKind::Final);
    again.measures.clear();
    run.step(run.lead(), Step::SubmitResult(again)).expect("a result");
    run.must(feed_back());
    assert_eq!(clocks(&run), ["P1", "K2", "K3"]);
    run.must(Command::Publish);
    assert_eq!(clocks(&run), [""; 0]);
    assert_eq!(opened(found_facts(Tier::County)).case().clocks()[0].clock, "K3");
    assert_eq!(opened(found_facts(Tier::Township)).case().clocks()[0].clock, "T2");
    assert_eq!(opened(opened_facts(Tier::City)).case().clocks(), [], "the city's office has no clock");
}

#[test]
fn a_co_handler_is_urged_by_its_own_instruction_as_long_as_it_owes_its_result() {
    let mut run = Run::assigned();
    let (lead, co_handler) = (run.lead(), run.co_handler());
    let urge = |instruction| Command::Urge {
        by: office(Tier::County),
        instruction: Some(instruction),
        text: "请抓紧".to_owned(),
    };
    let unknown = run.go(&urge(Uuid::from_u128(1))).expect_err("no such instruction");
    assert_eq!(unknown.reason, Reason::NoSuchInstruction);
    run.must(urge(co_handler));
    let told = |run: &Run| [lead, co_handler].map(|id| run.case().instruction(id).expect("kept").notices);
    assert_eq!(told(&run), [0, 1], "it alone is told");
    let urging = run.case().urgings.last().expect("kept").clone();
    assert_eq!(urging.to, run.case().instruction(co_handler).expect("kept").post);
    run.step(co_handler, Step::SubmitResult(result(ResultKind::Interim))).expect("a result");
    assert_eq!(run.go(&urge(co_handler)).expect_err("it owes nothing").reason, Reason::InstructionDone);
    run.must(Command::Withdraw);
    assert_eq!(run.go(&urge(lead)).expect_err("ended").reason, Reason::CaseClosed);
}
