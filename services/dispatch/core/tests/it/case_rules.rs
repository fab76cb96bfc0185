//! The turns of a case, one by one.

use dafei_dispatch_core::case::{
    Cause, Choice, Command, Delivery, Event, Ground, InstructionState, Means, Measure, MeasureKind, Obstacle, Reason,
    Rejection, ResultKind, Stage, StageKind, Step, Tier,
};
use dafei_kernel::{agency::Agency, owner::Post, region::Level, role::Role};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::fixture::{Run, act, assign, den, enterprise, facts, fine, found_facts, instruct, region, result, start};

fn reason<T: std::fmt::Debug>(result: Result<T, Rejection>) -> Reason {
    result.expect_err("refused").reason
}

fn accept_result() -> Command {
    Command::AcceptResult { public_text: "已取缔".to_owned() }
}

fn feed_back() -> Command {
    Command::FeedBack { text: "已办结".to_owned(), public_text: "已取缔".to_owned() }
}

fn decline(basis: &str) -> Step {
    Step::Decline { reason: "不属本部门职责".to_owned(), legal_basis: basis.to_owned() }
}

fn kinds(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| format!("{event:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_township_case_goes_from_the_centre_to_its_agency_to_the_village() {
    let mut run = Run::opened(den(), true);
    assert_eq!(run.case().stage, Stage::AtCentre);
    run.must(instruct(Agency::PublicSecurity));
    let id = run.lead();
    assert_eq!(run.case().stage_owner().and_then(|post| post.agency), Some(Agency::PublicSecurity));
    run.step(id, Step::Deliver(Means::Consumer)).expect("delivered");
    let events = run.step(id, Step::SubmitResult(result(ResultKind::Interim))).expect("a result");
    assert_eq!(kinds(&events), ["ResultSubmitted", "ActConfirmed", "MeasureRecorded"]);
    assert_eq!(run.case().stage, Stage::TownshipResult { instruction: id });
    run.must(accept_result());
    let secretary = Post { role: Role::VillageSecretary, region: region(Level::Village, "371302001001"), agency: None };
    assert_eq!(run.case().stage_owner(), Some(secretary));
    run.must(Command::Publish);
    let closed = Stage::Closed { tier: Tier::Township, public_text: "已取缔".to_owned(), cause: Cause::Published };
    assert_eq!(run.case().stage, closed);
    assert_eq!(run.go(&Command::Publish), Ok(Vec::new()), "published twice is published");
}

#[test]
fn a_county_case_goes_through_the_office_and_the_lead_moves_it() {
    let mut run = Run::assigned();
    let names: Vec<_> = run.case().instructions.iter().filter_map(|one| one.post.agency).collect();
    assert_eq!(names, [Agency::EmergencyManagement, Agency::MarketRegulation, Agency::PublicSecurity]);
    let (lead, co_handler) = (run.lead(), run.co_handler());
    let mut own = result(ResultKind::Final);
    own.measures = vec![fine("协办1", 100)];
    run.step(co_handler, Step::SubmitResult(own)).expect("a co-handler's result");
    assert_eq!(run.case().stage.kind(), StageKind::WithDepartment, "a co-handler does not move the case");
    assert_eq!(reason(run.go(&feed_back())), Reason::NoResultYet);
    run.step(lead, Step::Respond { plan: "今日到场".to_owned() }).expect("a response");
    run.step(lead, Step::SubmitResult(result(ResultKind::Interim))).expect("a result");
    let events = run.must(feed_back());
    assert_eq!(kinds(&events), ["FedBack", "OutcomeAvailable"]);
    run.must(Command::Publish);
    assert!(matches!(run.case().stage, Stage::Closed { tier: Tier::County, cause: Cause::Published, .. }));
}

#[test]
fn a_step_before_the_delivery_delivers_at_the_same_instant() {
    let mut run = Run::assigned();
    let lead = run.lead();
    let events = run.step(lead, Step::Respond { plan: "今日到场".to_owned() }).expect("a response");
    assert_eq!(kinds(&events), ["Delivered", "Responded"]);
    assert_eq!(events[0].at(), events[1].at());
    assert_eq!(run.step(lead, Step::Deliver(Means::Assumed)), Ok(Vec::new()), "delivered once");
}

#[test]
fn nothing_counts_before_the_instruction_was_issued_or_delivered() {
    let mut run = Run::assigned();
    let lead = run.lead();
    let issued = run.case().instruction(lead).expect("the lead's").issued_at;
    let early = issued - SignedDuration::from_secs(3);
    let deliver = Command::Instruction { id: lead, step: Step::Deliver(Means::Consumer) };
    let events = run.go_at(&deliver, early).expect("delivered");
    assert_eq!(events[0].at(), issued, "a server whose clock is behind");
    let respond = Command::Instruction { id: lead, step: Step::Respond { plan: "到场".to_owned() } };
    assert_eq!(run.go_at(&respond, early).expect("a response")[0].at(), issued);
}

#[test]
fn what_comes_after_the_half_hour_finds_the_delivery_at_it_whether_or_not_that_was_written_before() {
    let respond = Step::Respond { plan: "到场".to_owned() };
    let half_an_hour = SignedDuration::from_mins(30);
    for timer_first in [true, false] {
        let mut run = Run::assigned();
        let lead = run.lead();
        let latest = run.case().instruction(lead).expect("the lead's").issued_at + half_an_hour;
        let late = latest + SignedDuration::from_mins(80);
        if timer_first {
            let assume = Command::Instruction { id: lead, step: Step::Deliver(Means::Assumed) };
            assert_eq!(run.go_at(&assume, latest).expect("assumed")[0].at(), latest);
        }
        let answer = Command::Instruction { id: lead, step: respond.clone() };
        let events = run.go_at(&answer, late).expect("a response");
        let before: &[&str] = if timer_first { &[] } else { &["Delivered"] };
        assert_eq!(kinds(&events), [before, &["Reached", "Responded"]].concat());
        let kept = run.case().instruction(lead).expect("the lead's");
        assert_eq!(kept.delivery, Some(Delivery { at: latest, means: Means::Assumed }), "timer first: {timer_first}");
        assert_eq!(kept.reached, Some(Delivery { at: late, means: Means::Rpc }));
        assert_eq!(kept.response.as_ref().map(|response| response.at), Some(late));
    }
}

#[test]
fn at_the_half_hour_itself_an_arrival_is_the_delivery_and_an_assumption_that_is_late_counts_from_it() {
    for (means, minutes, counts) in [(Means::Consumer, 30, 30), (Means::Assumed, 30, 30), (Means::Assumed, 45, 30)] {
        let mut run = Run::assigned();
        let lead = run.lead();
        let issued = run.case().instruction(lead).expect("the lead's").issued_at;
        let deliver = Command::Instruction { id: lead, step: Step::Deliver(means) };
        let events = run.go_at(&deliver, issued + SignedDuration::from_mins(minutes)).expect("delivered");
        let delivery = Delivery { at: issued + SignedDuration::from_mins(counts), means };
        assert_eq!(events, [Event::Delivered { instruction: lead, delivery }]);
    }
}

#[test]
fn an_agency_without_authority_hands_the_case_back_to_the_centre() {
    let mut run = Run::opened(den(), true);
    run.must(instruct(Agency::PublicSecurity));
    let first = run.lead();
    let events = run.step(first, decline("")).expect("declined");
    assert_eq!(kinds(&events), ["Delivered", "AuthorityDeclined"]);
    assert_eq!(run.case().stage, Stage::Declined { instruction: first });
    run.must(instruct(Agency::MarketRegulation));
    assert_eq!(run.case().legs, 2);
    assert_eq!(reason(run.step(first, Step::Accept)), Reason::InstructionDeclined);
    let second = run.lead();
    run.step(second, decline("")).expect("declined again");
    run.must(Command::Escalate { reason: "超出职权".to_owned() });
    assert_eq!(run.case().stage, Stage::AtOffice);
}

#[test]
fn the_leads_return_starts_a_new_leg_and_a_co_handlers_ends_only_its_own() {
    let mut run = Run::assigned();
    let (lead, co_handler) = (run.lead(), run.co_handler());
    assert_eq!(reason(run.step(lead, decline(""))), Reason::LegalBasisRequired);
    run.step(co_handler, decline("职责分工规定第3条")).expect("returned");
    assert_eq!(run.case().stage, Stage::WithDepartment { lead });
    run.step(lead, decline("职责分工规定第3条")).expect("returned");
    assert_eq!(run.case().stage, Stage::AtOffice);
    let states: Vec<_> = run.case().instructions.iter().map(|one| one.state()).collect();
    assert_eq!(states, [InstructionState::Declined, InstructionState::Declined, InstructionState::Cancelled]);
    let cancelled = run.case().instructions[2].id;
    assert_eq!(
        reason(run.step(cancelled, Step::SubmitResult(result(ResultKind::Final)))),
        Reason::InstructionCancelled
    );
    run.must(assign());
    assert_eq!(run.case().legs, 2);
}

fn lead_of(run: &Run, id: Uuid) -> Option<Uuid> {
    let case = run.case();
    case.instruction(id).and_then(|one| case.lead_of(one)).map(|one| one.id)
}

#[test]
fn the_lead_is_that_of_the_assignment_and_where_it_returned_it_the_next_one() {
    let mut run = Run::assigned();
    let (lead, co_handler) = (run.lead(), run.co_handler());
    assert_eq!([lead, co_handler].map(|id| lead_of(&run, id)), [Some(lead), Some(lead)]);
    run.step(co_handler, Step::SubmitResult(result(ResultKind::Interim))).expect("a co-handler's result");
    run.step(lead, decline("职责分工规定第3条")).expect("returned");
    assert_eq!(lead_of(&run, co_handler), None, "nobody leads it");
    run.must(assign());
    assert_ne!(run.lead(), lead);
    assert_eq!(lead_of(&run, co_handler), Some(run.lead()));
}

#[test]
fn a_township_s_agency_leads_what_it_was_instructed_and_an_agency_what_it_found_itself() {
    let mut run = Run::opened(den(), true);
    run.must(instruct(Agency::PublicSecurity));
    let agency = run.lead();
    run.step(agency, Step::SubmitResult(result(ResultKind::Interim))).expect("a result");
    assert_eq!(lead_of(&run, agency), Some(agency));
    let mut found = Run::new();
    found.must(Command::Open(Box::new(found_facts(Tier::County))));
    assert_eq!(lead_of(&found, found.lead()), Some(found.lead()));
}

#[test]
fn another_lead_than_proposed_needs_a_reason_and_brings_its_own_co_handlers() {
    let mut run = Run::opened(den(), true);
    run.must(Command::Escalate { reason: "超出职权".to_owned() });
    let choose = |lead, co_handlers: &[Agency], why: &str| Command::AssignDepartment {
        choice: Choice { lead, co_handlers: co_handlers.to_vec(), deviation_reason: why.to_owned() },
        text: "依法查处".to_owned(),
    };
    assert_eq!(reason(run.go(&choose(Some(Agency::Transport), &[], ""))), Reason::DeviationReasonRequired);
    let twice = run.go(&choose(None, &[Agency::Energy, Agency::Energy], "")).expect_err("twice");
    assert_eq!(twice.obstacle, Obstacle::Field("co_handlers[1]".to_owned()));
    let itself = choose(None, &[Agency::EmergencyManagement], "");
    assert_eq!(reason(run.go(&itself)), Reason::DuplicateAssignee);
    let events = run.must(choose(Some(Agency::Transport), &[], "案发地为货运站场"));
    assert_eq!(run.case().instructions.len(), 1);
    let Event::DepartmentInstructed { deviation_reason, route, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!((deviation_reason.as_str(), route.rule.as_str()), ("案发地为货运站场", "hc"));
}

#[test]
fn an_enterprises_case_goes_up_unless_the_township_has_the_authority() {
    let mut run = Run::opened(enterprise(Some(Agency::Transport)), true);
    let refused = run.go(&instruct(Agency::Transport)).expect_err("outside");
    assert_eq!((refused.reason, refused.obstacle), (Reason::OutsideAuthority, Obstacle::Stage(StageKind::AtCentre)));
    run.must(Command::Escalate { reason: "企业案件".to_owned() });
    run.must(assign());
    let lead = run.case().instruction(run.lead()).and_then(|one| one.post.agency);
    assert_eq!(lead, Some(Agency::Transport), "its own regulator");
}

#[test]
fn a_case_from_no_village_closes_with_its_outcome() {
    let mut run = Run::opened(den(), false);
    run.must(instruct(Agency::PublicSecurity));
    let id = run.lead();
    run.step(id, Step::SubmitResult(result(ResultKind::Final))).expect("a result");
    assert_eq!(kinds(&run.must(accept_result())), ["OutcomeAvailable", "Closed"]);
    assert!(matches!(run.case().stage, Stage::Closed { cause: Cause::NoVillage, .. }));
}

#[test]
fn a_final_result_may_follow_the_interim_one_even_after_the_closing_and_moves_nothing() {
    let mut run = Run::assigned();
    let (lead, co_handler) = (run.lead(), run.co_handler());
    run.step(lead, Step::SubmitResult(result(ResultKind::Interim))).expect("interim");
    run.must(feed_back());
    run.must(Command::Publish);
    let stage = run.case().stage.clone();
    let mut later = result(ResultKind::Final);
    later.measures.push(fine("罚2", 5_000_000));
    let events = run.step(lead, Step::SubmitResult(later.clone())).expect("final");
    assert_eq!(kinds(&events), ["ResultSubmitted", "MeasureRecorded"], "what is known counts once");
    assert_eq!(reason(run.step(lead, Step::SubmitResult(later.clone()))), Reason::ResultAlreadyFinal);
    assert_eq!(reason(run.step(lead, Step::SubmitResult(result(ResultKind::Interim)))), Reason::ResultAlreadyFinal);
    later.confirmed_acts.push(act("HC-14"));
    assert_eq!(
        kinds(&run.step(lead, Step::SubmitResult(later)).expect("a new act")),
        ["ResultSubmitted", "ActConfirmed"]
    );
    assert_eq!(run.case().instruction(co_handler).expect("its").state(), InstructionState::Cancelled);
    let mut own = result(ResultKind::Final);
    own.measures = vec![fine("协办1", 1)];
    let events = run.step(co_handler, Step::SubmitResult(own)).expect("a co-handler's later fact");
    assert_eq!(kinds(&events), ["ResultSubmitted", "MeasureRecorded"]);
    assert_eq!(run.case().stage, stage);
}

#[test]
fn a_measure_is_checked_field_by_field_and_its_id_is_its_own() {
    let mut run = Run::assigned();
    let lead = run.lead();
    let with = |measures: Vec<Measure>| {
        let mut report = result(ResultKind::Interim);
        report.measures = measures;
        Step::SubmitResult(report)
    };
    let refused = |run: &mut Run, measures| {
        let rejection = run.step(lead, with(measures)).expect_err("refused");
        (rejection.reason, rejection.obstacle.to_string())
    };
    let (ok, mut late) = (fine("1", 1), fine("2", 1));
    late.decided_at = run.now + SignedDuration::from_mins(9);
    let nobody = Measure { kind: MeasureKind::CriminalMeasure { persons: 0 }, ..fine("3", 1) };
    assert_eq!(
        refused(&mut run, vec![ok.clone(), fine("2", 0)]),
        (Reason::FineNotPositive, "field measures[1].fine.amount_fen".to_owned())
    );
    assert_eq!(refused(&mut run, vec![late]), (Reason::TimeInFuture, "field measures[0].decided_at".to_owned()));
    assert_eq!(refused(&mut run, vec![fine("1", 1_000_000_000_001)]).0, Reason::FineTooLarge);
    assert_eq!(refused(&mut run, vec![nobody]).0, Reason::PersonsNotPositive);
    let transfer = MeasureKind::CriminalTransfer { document_number: "移送1号".to_owned(), persons: 0 };
    assert_eq!(
        refused(&mut run, vec![Measure { kind: transfer, ..fine("4", 1) }]),
        (Reason::PersonsNotPositive, "field measures[0].criminal_transfer.persons".to_owned())
    );
    assert_eq!(refused(&mut run, vec![fine("", 1)]).0, Reason::MeasureIdRequired);
    assert_eq!(
        refused(&mut run, vec![ok.clone(), fine("1", 2)]),
        (Reason::MeasureIdReused, "field measures[1].measure_id".to_owned())
    );
    assert!(run.case().measures.is_empty(), "nothing changed");
    run.step(lead, with(vec![ok.clone(), ok.clone()])).expect("the same twice is one");
    assert_eq!(run.case().measures.len(), 1);
    let co_handler = run.co_handler();
    let rejection = run.step(co_handler, with(vec![ok])).expect_err("another's measure under the same id");
    assert_eq!(rejection.reason, Reason::MeasureIdReused);
    run.step(co_handler, with(vec![fine("协办1", 1)])).expect("its own id");
    assert_eq!(run.case().measures.len(), 2);
}

#[test]
fn a_withdrawn_report_closes_the_case_wherever_it_stands() {
    let mut run = Run::assigned();
    let lead = run.lead();
    assert_eq!(kinds(&run.must(Command::Withdraw)), ["Closed"]);
    assert_eq!(reason(run.step(lead, Step::Accept)), Reason::InstructionCancelled);
    assert_eq!(run.go(&Command::Withdraw), Ok(Vec::new()));
    assert_eq!(Run::new().go(&Command::Withdraw), Ok(Vec::new()), "it had not gone up");
}

#[test]
fn opening_twice_opens_once() {
    let mut run = Run::opened(den(), true);
    assert_eq!(run.go(&Command::Open(Box::new(facts(den(), true)))), Ok(Vec::new()));
    assert_eq!(run.case().facts.reached_at, start());
    assert_eq!(reason(Run::new().go(&assign())), Reason::NoSuchCase);
    assert_eq!(reason(run.step(Uuid::nil(), Step::Accept)), Reason::NoSuchInstruction);
}

/// A case in each stage, by the shortest way.
fn in_stage(stage: StageKind) -> Run {
    let mut run = match stage {
        StageKind::AtOffice | StageKind::WithDepartment | StageKind::DepartmentResult => Run::assigned(),
        _ => Run::opened(den(), true),
    };
    match stage {
        StageKind::AtCentre | StageKind::WithDepartment => {}
        StageKind::AtOffice => {
            let lead = run.lead();
            run.step(lead, decline("职责分工规定")).expect("returned");
        }
        StageKind::DepartmentResult => {
            let lead = run.lead();
            run.step(lead, Step::SubmitResult(result(ResultKind::Final))).expect("a result");
        }
        StageKind::WithTownshipAgency
        | StageKind::Declined
        | StageKind::TownshipResult
        | StageKind::OutcomeAvailable
        | StageKind::Closed => {
            run.must(instruct(Agency::PublicSecurity));
            let id = run.lead();
            if stage == StageKind::Declined {
                run.step(id, decline("")).expect("declined");
            } else if stage != StageKind::WithTownshipAgency {
                run.step(id, Step::SubmitResult(result(ResultKind::Final))).expect("a result");
            }
            if matches!(stage, StageKind::OutcomeAvailable | StageKind::Closed) {
                run.must(accept_result());
            }
            if stage == StageKind::Closed {
                run.must(Command::Publish);
            }
        }
    }
    assert_eq!(run.case().stage.kind(), stage);
    run
}

#[test]
fn every_command_in_every_wrong_stage_has_its_reason() {
    use Reason::{
        AlreadyAssigned, AlreadyEscalated, AlreadyInstructed, CaseClosed, NoOutcomeYet, NoResultYet, NotEscalated,
        OutcomeAvailable, ResultWaiting,
    };
    let escalate = || Command::Escalate { reason: "超出职权".to_owned() };
    let centre = [
        None,
        Some(AlreadyInstructed),
        None,
        Some(ResultWaiting),
        Some(AlreadyEscalated),
        Some(AlreadyEscalated),
        Some(AlreadyEscalated),
        Some(OutcomeAvailable),
        Some(CaseClosed),
    ];
    let rows: [(Command, [Option<Reason>; 9]); 6] = [
        (instruct(Agency::PublicSecurity), centre),
        (escalate(), centre),
        (
            accept_result(),
            [
                Some(NoResultYet),
                Some(NoResultYet),
                Some(NoResultYet),
                None,
                Some(AlreadyEscalated),
                Some(AlreadyEscalated),
                Some(AlreadyEscalated),
                Some(OutcomeAvailable),
                Some(CaseClosed),
            ],
        ),
        (
            assign(),
            [
                Some(NotEscalated),
                Some(NotEscalated),
                Some(NotEscalated),
                Some(NotEscalated),
                None,
                Some(AlreadyAssigned),
                Some(ResultWaiting),
                Some(OutcomeAvailable),
                Some(CaseClosed),
            ],
        ),
        (
            feed_back(),
            [
                Some(NotEscalated),
                Some(NotEscalated),
                Some(NotEscalated),
                Some(NotEscalated),
                Some(NoResultYet),
                Some(NoResultYet),
                None,
                Some(OutcomeAvailable),
                Some(CaseClosed),
            ],
        ),
        (
            Command::Publish,
            [
                Some(NoOutcomeYet),
                Some(NoOutcomeYet),
                Some(NoOutcomeYet),
                Some(NoOutcomeYet),
                Some(NoOutcomeYet),
                Some(NoOutcomeYet),
                Some(NoOutcomeYet),
                None,
                None,
            ],
        ),
    ];
    for (command, reasons) in rows {
        for (stage, expected) in StageKind::ALL.into_iter().zip(reasons) {
            let mut run = in_stage(stage);
            let before = run.case().clone();
            let got = run.go(&command).err().map(|rejection| {
                assert_eq!(rejection.obstacle, Obstacle::Stage(stage), "{command:?}");
                rejection.reason
            });
            assert_eq!(got, expected, "{command:?} in {stage:?}");
            if expected.is_some() {
                assert_eq!(*run.case(), before, "a refused command changes nothing");
            }
        }
    }
}

#[test]
fn every_reason_has_a_code_of_its_own_and_words_for_clerks() {
    let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().all(|reason| !reason.zh().is_empty()));
}

#[test]
fn a_case_that_its_township_handles_itself_keeps_by_what() {
    let mut run = Run::opened(den(), true);
    assert_eq!(run.case().ground, None);
    let events = run.must(instruct(Agency::PublicSecurity));
    let ground = crate::fixture::authority().ground(&region(Level::County, "371302"), act("HC-3"), false);
    let kept = Ground { entry: ground.entry, version: ground.version };
    assert!(kept.entry.ends_with(']') && !kept.version.is_empty(), "{kept:?}");
    assert!(matches!(&events[..], [Event::AgencyInstructed { ground, .. }] if *ground == kept), "{events:?}");
    assert_eq!(run.case().ground, Some(kept));
}
