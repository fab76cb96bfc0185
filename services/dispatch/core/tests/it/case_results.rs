//! Results: the four that are to be taken without exception, 不实, compliance with decisions, and what is put on record of helpers and harm.

use dafei_dispatch_core::case::{
    Command, Event, Means, Measure, MeasureKind, Obstacle, Reason, Rejection, ResultKind, ResultReport, Step, Verdict,
};
use dafei_kernel::{
    conduct::{Accessory, AccessoryKind, Accident},
    measure::{Compliance, ComplianceOutcome, Utility, WithoutException},
};
use jiff::SignedDuration;

use crate::fixture::{Run, act, exemptions, fine, result, start};

fn refused<T: std::fmt::Debug>(result: Result<T, Rejection>) -> (Reason, String) {
    let rejection = result.expect_err("refused");
    match rejection.obstacle {
        Obstacle::Field(field) => (rejection.reason, field),
        other => (rejection.reason, other.to_string()),
    }
}

fn field(reason: Reason, field: &str) -> (Reason, String) {
    (reason, field.to_owned())
}

fn report(kind: ResultKind) -> ResultReport {
    ResultReport { exemptions: Vec::new(), measures: Vec::new(), ..result(kind) }
}

fn measure(id: &str, kind: MeasureKind) -> Measure {
    Measure { id: id.to_owned(), decided_at: start(), comply_by: Some(start() + SignedDuration::from_hours(24)), kind }
}

#[test]
fn the_leads_final_result_answers_each_of_the_four_by_itself() {
    let mut run = Run::assigned();
    let lead = run.lead();
    let mut submit = |report: &ResultReport| run.step(lead, Step::SubmitResult(report.clone()));
    let mut given = report(ResultKind::Final);
    let kinds = [
        ("close_down", MeasureKind::CloseDown { note: String::new() }),
        ("maximum_fine", fine("罚", 5_000_000).kind),
        ("stop_production", MeasureKind::StopProduction { order_number: String::new() }),
        ("legal_liability", MeasureKind::CriminalTransfer { document_number: "移送1号".to_owned(), persons: 1 }),
    ];
    for (which, kind) in kinds {
        let missing = field(Reason::MeasureOrExemptionRequired, &format!("exemptions.{which}"));
        assert_eq!(refused(submit(&given)), missing, "{which} is asked for by itself");
        given.measures.push(measure(which, kind));
    }
    submit(&given).expect("all four are answered by measures");
}

#[test]
fn one_of_the_four_that_does_not_apply_needs_its_reason_once() {
    let mut run = Run::assigned();
    let lead = run.lead();
    let mut twice = report(ResultKind::Final);
    twice.exemptions = vec![exemptions()[0].clone(), exemptions()[0].clone()];
    assert_eq!(refused(run.step(lead, Step::SubmitResult(twice))), field(Reason::ExemptionTwice, "exemptions[1]"));
    let mut given = report(ResultKind::Final);
    given.exemptions = exemptions();
    given.exemptions.push((WithoutException::MaximumFine, "另案处罚".to_owned()));
    run.step(lead, Step::SubmitResult(given)).expect("four reasons");
    assert_eq!(run.case().exemptions.len(), 4);
}

#[test]
fn an_interim_result_and_a_co_handlers_do_not_answer_the_four() {
    let mut run = Run::assigned();
    run.step(run.co_handler(), Step::SubmitResult(report(ResultKind::Final))).expect("a co-handler's");
    run.step(run.lead(), Step::SubmitResult(report(ResultKind::Interim))).expect("an interim one");
    assert_eq!(
        refused(run.step(run.lead(), Step::SubmitResult(report(ResultKind::Final)))).0,
        Reason::MeasureOrExemptionRequired
    );
}

/// A final result of the lead that names neither a measure nor a reason.
fn answers_nothing(run: &mut Run) -> (Reason, String) {
    let lead = run.lead();
    refused(run.step(lead, Step::SubmitResult(report(ResultKind::Final))))
}

#[test]
fn the_reasons_of_a_result_that_was_not_taken_answer_nothing_in_the_next() {
    let mut run = Run::assigned();
    run.step(run.lead(), Step::SubmitResult(result(ResultKind::Final))).expect("reasons and a fine");
    assert_eq!(run.case().exemptions.len(), 3);
    run.must(Command::OrderRework { reason: "理由不成立".to_owned() });
    assert!(run.case().exemptions.is_empty());
    let missing = field(Reason::MeasureOrExemptionRequired, "exemptions.close_down");
    assert_eq!(answers_nothing(&mut run), missing);
    let reasons = ResultReport { exemptions: exemptions(), ..report(ResultKind::Final) };
    run.step(run.lead(), Step::SubmitResult(reasons)).expect("the fine was taken; the reasons are given anew");
}

#[test]
fn the_reasons_of_before_a_reopening_answer_nothing_after_it() {
    let mut run = Run::assigned();
    let before = run.lead();
    run.step(before, Step::SubmitResult(result(ResultKind::Final))).expect("reasons and a fine");
    run.must(Command::FeedBack { text: "已办".to_owned(), public_text: "已取缔".to_owned() });
    run.must(Command::Publish);
    let by = crate::fixture::office(dafei_dispatch_core::case::Tier::County);
    run.must(Command::RequestReopening { by, reason: "死灰复燃".to_owned() });
    run.must(Command::DecideReopening { granted: true, reason: "属实".to_owned() });
    assert!(run.case().exemptions.is_empty());
    run.must(crate::fixture::assign());
    let further =
        ResultReport { measures: vec![fine("罚2", 200)], exemptions: exemptions(), ..report(ResultKind::Final) };
    run.step(before, Step::SubmitResult(further)).expect("a further fact of what was done before");
    assert_eq!(answers_nothing(&mut run), field(Reason::MeasureOrExemptionRequired, "exemptions.close_down"));
}

#[test]
fn a_co_handlers_reasons_are_not_the_leads() {
    let mut run = Run::assigned();
    run.step(run.co_handler(), Step::SubmitResult(result(ResultKind::Final))).expect("a co-handler's");
    assert_eq!(answers_nothing(&mut run), field(Reason::MeasureOrExemptionRequired, "exemptions.close_down"));
}

#[test]
fn what_is_unfounded_names_nothing_and_makes_the_tip_untrue() {
    let mut run = Run::of_tip(1, dafei_dispatch_core::case::Tier::County);
    run.must(crate::fixture::assign());
    let lead = run.lead();
    let unfounded = || result(ResultKind::Unfounded);
    let with_act = ResultReport { confirmed_acts: vec![act("HC-3")], ..unfounded() };
    assert_eq!(
        refused(run.step(lead, Step::SubmitResult(with_act))),
        field(Reason::UnfoundedWithFacts, "confirmed_acts")
    );
    let with_measure = ResultReport { measures: vec![fine("罚", 1)], ..unfounded() };
    assert_eq!(
        refused(run.step(lead, Step::SubmitResult(with_measure))),
        field(Reason::UnfoundedWithFacts, "measures")
    );
    run.step(lead, Step::SubmitResult(unfounded())).expect("a result");
    assert_eq!(refused(run.step(lead, Step::SubmitResult(result(ResultKind::Final)))).0, Reason::ResultAlreadyFinal);
    let events = run.must(Command::FeedBack { text: "不实".to_owned(), public_text: "不实".to_owned() });
    assert!(events.iter().any(|event| matches!(event, Event::TipVerified { verdict: Verdict::False, .. })));
}

#[test]
fn what_was_confirmed_cannot_be_unfounded() {
    let mut run = Run::assigned();
    run.step(run.co_handler(), Step::SubmitResult(report(ResultKind::Interim))).expect("an act is confirmed");
    let submitted = run.step(run.lead(), Step::SubmitResult(result(ResultKind::Unfounded)));
    assert_eq!(refused(submitted), field(Reason::ActsAreConfirmed, "kind"));
}

#[test]
fn what_became_of_an_order_to_cut_off_power_is_recorded_by_whoever_gave_it() {
    let mut run = Run::assigned();
    let (lead, co_handler) = (run.lead(), run.co_handler());
    let cut_off = MeasureKind::CutOff {
        utility: Utility::Power,
        addressee: "某供电所".to_owned(),
        order_number: "停电1号".to_owned(),
    };
    let mut given = result(ResultKind::Interim);
    given.measures = vec![measure("停电", cut_off)];
    run.step(lead, Step::Deliver(Means::Rpc)).expect("delivered");
    run.step(lead, Step::SubmitResult(given)).expect("a result");
    let refusing = |established_at| Step::RecordCompliance {
        measure: "停电".to_owned(),
        compliance: Compliance { outcome: ComplianceOutcome::Refused, established_at, note: "拒不停电".to_owned() },
    };
    let now = start() + SignedDuration::from_mins(1);
    assert_eq!(refused(run.step(co_handler, refusing(now))), field(Reason::NoSuchMeasure, "measure_id"));
    let before = start() - SignedDuration::from_mins(1);
    assert_eq!(refused(run.step(lead, refusing(before))), field(Reason::ComplyBeforeDecision, "established_at"));
    let ahead = run.now + SignedDuration::from_hours(1);
    assert_eq!(refused(run.step(lead, refusing(ahead))), field(Reason::TimeInFuture, "established_at"));
    let events = run.step(lead, refusing(now)).expect("recorded");
    assert!(matches!(&events[..], [Event::ComplianceRecorded { .. }]));
    assert_eq!(run.step(lead, refusing(now)), Ok(Vec::new()), "said twice is said once");
    assert_eq!(run.case().compliance["停电"].outcome, ComplianceOutcome::Refused);
}

#[test]
fn helpers_and_harm_are_put_on_record_also_after_the_closing() {
    let mut run = Run::assigned();
    run.step(run.lead(), Step::SubmitResult(result(ResultKind::Final))).expect("a result");
    run.must(Command::FeedBack { text: "已办".to_owned(), public_text: "已取缔".to_owned() });
    run.must(Command::Publish);
    let accessory =
        Accessory {
            name: "某村民".to_owned(), kind: AccessoryKind::Premises, note: "明知违法仍出租场地".to_owned()
        };
    run.must(Command::RecordAccessory(Box::new(accessory.clone())));
    assert_eq!(run.go(&Command::RecordAccessory(Box::new(accessory))), Ok(Vec::new()));
    let accident = |deaths, happened_at| {
        let description = "燃爆".to_owned();
        Command::RecordAccident(Box::new(Accident { happened_at, deaths, injured: 2, major_impact: true, description }))
    };
    let ahead = run.now + SignedDuration::from_hours(1);
    assert_eq!(refused(run.go(&accident(0, ahead))), field(Reason::TimeInFuture, "accident.happened_at"));
    run.must(accident(0, start()));
    run.must(accident(1, start()));
    assert_eq!(run.case().accident.as_ref().map(|known| known.deaths), Some(1), "as known last");
}

#[test]
fn a_closed_case_with_a_confirmed_act_is_exposed_and_that_is_taken_back() {
    let mut run = Run::assigned();
    let expose = || Command::Expose { text: "某窝点被取缔，责任人王某被移送公安机关".to_owned() };
    assert_eq!(refused(run.go(&expose())).0, Reason::NotClosed);
    run.step(run.lead(), Step::SubmitResult(result(ResultKind::Unfounded))).expect("a result");
    run.must(Command::FeedBack { text: "不实".to_owned(), public_text: "不实".to_owned() });
    run.must(Command::Publish);
    assert_eq!(refused(run.go(&expose())).0, Reason::NothingToExpose);
    assert_eq!(refused(run.go(&Command::RetractExposure)).0, Reason::NotExposed);
    let mut run = Run::assigned();
    run.step(run.lead(), Step::SubmitResult(result(ResultKind::Final))).expect("a result");
    run.must(Command::FeedBack { text: "已办".to_owned(), public_text: "已取缔".to_owned() });
    run.must(Command::Publish);
    run.must(expose());
    assert_eq!(run.go(&expose()), Ok(Vec::new()));
    run.must(Command::RetractExposure);
    assert_eq!(run.case().exposure, None);
}
