//! What must fit together in the record of an inspection (clauses A3, C17, C19).

use jiff::SignedDuration;
use uuid::Uuid;

use super::{ActFound, Reason, Record, check};
use crate::{
    act::Act,
    claimed::Untimely,
    credit_code::CreditCode,
    industry::Industry,
    measure::{Measure, MeasureFlaw, MeasureKind},
    money::Fen,
    sector::Sector,
    subject::Subject,
    time::Instant,
};

fn now() -> Instant {
    "2026-11-23T02:00:00Z".parse().expect("an instant")
}

fn den() -> Subject {
    Subject::Den { place: "村东头仓库".to_owned(), position: None, industry: crate::industry::Industry::General }
}

fn enterprise() -> Subject {
    Subject::Enterprise {
        credit_code: CreditCode::parse("91350100M000100Y43").expect("a code"),
        name: "某公司".to_owned(),
        regulator: None,
        industry: Industry::General,
    }
}

fn record() -> Record {
    Record {
        subject: enterprise(),
        in_roster: false,
        sector: Sector::HazardousChemicals,
        inspected_at: hours_ago(2),
        acts: Vec::new(),
        measures: Vec::new(),
        outside_scope: false,
    }
}

fn hours_ago(hours: i64) -> Instant {
    now() - SignedDuration::from_hours(hours)
}

fn act(code: &str, text: &str, case: Option<Uuid>) -> ActFound {
    ActFound { act: Act::parse(code).expect("an act"), text: text.to_owned(), case }
}

fn fine(id: &str, fen: i64, decided_at: Instant) -> Measure {
    let amount = Fen::new(fen).expect("not below zero");
    let kind = MeasureKind::Fine { amount, decision_number: String::new(), mitigation: String::new() };
    Measure { id: id.to_owned(), decided_at, comply_by: None, kind }
}

/// The field and the reason of a refusal; none when it is taken.
fn refused(record: &Record) -> Option<(String, Reason)> {
    check(record, now()).err().map(|flaw| {
        assert!(!flaw.reason.code().is_empty() && !flaw.reason.zh().is_empty());
        (flaw.field, flaw.reason)
    })
}

fn named(field: &str, reason: Reason) -> Option<(String, Reason)> {
    Some((field.to_owned(), reason))
}

#[test]
fn an_inspection_that_found_nothing_or_settled_what_it_found_is_taken() {
    assert_eq!(refused(&record()), None);
    let acts = vec![act("HC-1", "", None), act("HC-99", "甲", None), act("HC-99", "乙", None)];
    let measures = vec![fine("a", 1, hours_ago(1)), fine("b", 1, now())];
    assert_eq!(refused(&Record { acts, measures, outside_scope: true, ..record() }), None);
    assert_eq!(refused(&Record { subject: den(), ..record() }), None);
}

#[test]
fn an_inspection_ahead_of_the_clock_or_too_far_back_is_refused() {
    let when = |inspected_at| refused(&Record { inspected_at, ..record() });
    assert_eq!(when(now() + SignedDuration::from_mins(5)), None);
    let ahead = now() + SignedDuration::from_mins(6);
    assert_eq!(when(ahead), named("inspected_at", Reason::Untimely(Untimely::InFuture)));
    assert_eq!(when(hours_ago(400 * 24)), None);
    assert_eq!(when(hours_ago(400 * 24 + 1)), named("inspected_at", Reason::Untimely(Untimely::TooLongAgo)));
}

#[test]
fn a_mistyped_credit_code_is_refused_unless_the_roster_vouches_for_it() {
    let subject = Subject::Enterprise {
        credit_code: CreditCode::parse("91350100M000100Y44").expect("of the form"),
        name: "某公司".to_owned(),
        regulator: None,
        industry: Industry::General,
    };
    let with = |in_roster| refused(&Record { subject: subject.clone(), in_roster, ..record() });
    assert_eq!(with(false), named("subject.enterprise.credit_code", Reason::CreditCodeMistyped));
    assert_eq!(with(true), None);
}

#[test]
fn acts_are_of_the_sector_named_once_and_only_other_ones_have_a_text() {
    let with = |acts: Vec<ActFound>| refused(&Record { acts, ..record() });
    assert_eq!(with(vec![act("FW-1", "", None)]), named("acts[0].act", Reason::ActOfOtherSector));
    assert_eq!(with(vec![act("HC-99", "", None)]), named("acts[0].act_text", Reason::ActTextRequired));
    assert_eq!(with(vec![act("HC-1", "说明", None)]), named("acts[0].act_text", Reason::ActTextNotAllowed));
    let twice = vec![act("HC-1", "", None), act("HC-1", "", Some(Uuid::from_u128(1)))];
    assert_eq!(with(twice), named("acts[1].act", Reason::ActRepeated));
    assert_eq!(with(vec![act("HC-1", "", None); 21]), named("acts", Reason::TooManyActs));
}

#[test]
fn measures_need_an_act_that_is_no_case_s_and_follow_the_inspection() {
    let with = |acts: Vec<ActFound>, measures: Vec<Measure>| refused(&Record { acts, measures, ..record() });
    let found = || vec![act("HC-1", "", None)];
    let case = || vec![act("HC-1", "", Some(Uuid::from_u128(1)))];
    let one = || fine("a", 1, now());
    assert_eq!(with(Vec::new(), vec![one()]), named("measures", Reason::MeasureWithoutAct));
    assert_eq!(with(case(), vec![one()]), named("measures", Reason::MeasureWithoutAct));
    assert_eq!(with(found(), vec![one(), one()]), named("measures[1].measure_id", Reason::MeasureIdReused));
    let early = fine("a", 1, hours_ago(3));
    assert_eq!(with(found(), vec![early]), named("measures[0].decided_at", Reason::MeasureBeforeInspection));
    let nothing = Reason::Measure(MeasureFlaw::FineNotPositive);
    assert_eq!(with(found(), vec![fine("a", 0, now())]), named("measures[0].fine.amount_fen", nothing));
    assert_eq!(with(found(), vec![one(); 51]), named("measures", Reason::TooManyMeasures));
}

#[test]
fn only_an_enterprise_has_a_registered_scope() {
    let record = Record { subject: den(), outside_scope: true, ..record() };
    assert_eq!(refused(&record), named("outside_scope", Reason::DenHasNoScope));
}
