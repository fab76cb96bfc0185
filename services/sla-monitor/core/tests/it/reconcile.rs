//! Open steps beside obligations: what does not fit is found, and mended by a fact that gives way to the true one when it comes.

use std::collections::HashMap;

use dafei_kernel::time::Instant;
use dafei_sla_core::{
    CaseFacts, Clock, EndKind, Fact, Obligation, Source, What, obligations,
    reconcile::{Difference, Key, Listed, Side, Stored, compare, is_ahead, is_settled_by, mending, mendings},
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    ledger::any_story,
    support::{PATH, Story, calendar, department, minutes, of, post, terms},
};

/// The case of every story.
const CASE: Uuid = Uuid::from_u128(7);

fn set(facts: &[Fact]) -> CaseFacts {
    let mut set = CaseFacts::new(CASE);
    for fact in facts {
        set.add(fact.clone());
    }
    set
}

fn ledger(set: &CaseFacts) -> Vec<Obligation> {
    obligations(set, terms(), calendar())
}

const fn key(clock: Clock, instruction: Option<Uuid>) -> Key {
    Key { case: CASE, clock, instruction }
}

fn listed(clock: Clock, instruction: Option<Uuid>, version: i64, started: i64) -> Listed {
    let owner = match instruction {
        Some(_) => department(1, "emergency-management", true, 1).post,
        None => post("village-secretary@village:371302001001"),
    };
    Listed { key: key(clock, instruction), version, owner, leg: 1, started_at: Some(minutes(started)) }
}

fn difference(side: Side, key: Key, version: i64, listed: Option<Listed>) -> Difference {
    let steps = listed.iter().cloned().collect();
    Difference { side, key, version, listed, steps }
}

fn mended(set: &CaseFacts, difference: &Difference, at: Instant) -> Option<CaseFacts> {
    let fact = mending(set, terms(), calendar(), difference, &[], &PATH.parse().unwrap(), at)?;
    let mut with = set.clone();
    assert!(with.add(fact));
    Some(with)
}

/// A story without some of its facts: their events were lost.
fn without(story: &Story, lost: impl Fn(&Fact) -> bool) -> Vec<Fact> {
    story.facts.iter().filter(|fact| !lost(fact)).cloned().collect()
}

#[test]
fn a_step_has_one_obligation_and_an_obligation_one_step() {
    let marks = HashMap::from([(CASE, 3)]);
    let steps = [listed(Clock::V2, None, 3, 0), listed(Clock::V3, None, 3, 0)];
    let fits = compare(&steps, &[key(Clock::V2, None), key(Clock::V3, None)], &marks);
    assert_eq!((fits.compared, fits.in_flight, fits.differences.len()), (2, 0, 0));
    let armed = [key(Clock::V1, None), key(Clock::V3, None), key(Clock::V3, None)];
    let found = compare(&steps, &armed, &marks).differences;
    let told: Vec<_> = found.iter().map(|one| (one.side, one.key.clock, one.listed.is_some())).collect();
    assert_eq!(
        told,
        [(Side::Extra, Clock::V1, false), (Side::Missing, Clock::V2, true), (Side::Extra, Clock::V3, true)]
    );
}

#[test]
fn a_case_whose_events_are_on_the_way_is_left_alone() {
    let steps = [listed(Clock::V2, None, 3, 0)];
    for mark in [2, 4] {
        let found = compare(&steps, &[key(Clock::V1, None)], &HashMap::from([(CASE, mark)]));
        assert_eq!((found.compared, found.in_flight, found.differences.len()), (0, 1, 0), "{mark}");
    }
}

#[test]
fn the_instructions_of_one_clock_are_told_apart() {
    let (one, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
    let found = compare(&[listed(Clock::K3, one, 1, 0)], &[key(Clock::K3, other)], &HashMap::from([(CASE, 1)]));
    let told: Vec<_> = found.differences.iter().map(|one| (one.side, one.key.instruction)).collect();
    assert_eq!(told, [(Side::Missing, one), (Side::Extra, other)]);
}

#[test]
fn a_step_whose_start_was_lost_runs_from_the_start_that_its_service_names_and_ends_with_its_stop() {
    let story = Story::default().found(0).tell(10, What::SecretaryNotified);
    let lost = set(&without(&story, |fact| fact.what == What::SecretaryNotified));
    let step = difference(Side::Missing, key(Clock::V3, None), 2, Some(listed(Clock::V3, None, 2, 10)));
    assert!(!is_settled_by(&lost, terms(), calendar(), &step));
    let with = mended(&lost, &step, minutes(300)).unwrap();
    let known = ledger(&with);
    let found = of(&known, Clock::V3);
    assert_eq!((found.len(), found[0].end), (1, None));
    assert_eq!(found[0].deadline.timing().started_at, minutes(10));
    assert_eq!(found[0].direct, post("village-secretary@village:371302001001"));
    // What happens next ends it.
    let story = story.tell(20, What::PersuasionRecorded { heeded: true });
    let mut later = with.clone();
    later.add(story.facts[2].clone());
    assert_eq!(
        of(&ledger(&later), Clock::V3)[0].end.map(|end| (end.kind, end.at)),
        Some((EndKind::Settled, minutes(20)))
    );
    // The event that was lost comes after all: its running is the one, and the other falls away.
    let mut whole = with;
    whole.add(story.facts[1].clone());
    let known = ledger(&whole);
    let ends: Vec<_> = of(&known, Clock::V3).iter().map(|one| one.end.map(|end| (end.kind, end.at))).collect();
    assert_eq!(ends, [None, Some((EndKind::Cancelled, minutes(10)))]);
}

#[test]
fn an_instruction_whose_delivery_was_lost_has_the_same_obligation_before_and_after_it_comes() {
    let lead = department(1, "emergency-management", true, 1);
    let story = Story::default()
        .opened(0)
        .tell(1, What::Escalated)
        .tell(2, What::DepartmentInstructed)
        .delivered(3, lead.clone());
    let whole = ledger(&set(&story.facts));
    let lost = set(&without(&story, |fact| matches!(fact.what, What::InstructionDelivered { .. })));
    let own = Some(lead.instruction);
    let step = difference(Side::Missing, key(Clock::K3, own), 4, Some(listed(Clock::K3, own, 4, 3)));
    let mut with = mended(&lost, &step, minutes(600)).unwrap();
    let known = ledger(&with);
    assert_eq!(of(&known, Clock::K3), of(&whole, Clock::K3), "the same obligation, with the same limit and owners");
    with.add(story.facts[3].clone());
    assert_eq!(ledger(&with), whole);
}

#[test]
fn a_running_whose_end_was_lost_falls_away_at_the_finding_until_the_end_is_known() {
    let story =
        Story::default().found(0).tell(10, What::SecretaryNotified).tell(20, What::PersuasionRecorded { heeded: true });
    let lost = set(&without(&story, |fact| matches!(fact.what, What::PersuasionRecorded { .. })));
    let extra = difference(Side::Extra, key(Clock::V2, None), 3, None);
    let mut with = mended(&lost, &extra, minutes(300)).unwrap();
    let ends = |set: &CaseFacts| of(&ledger(set), Clock::V2)[0].end.map(|end| (end.kind, end.at));
    assert_eq!(ends(&with), Some((EndKind::Cancelled, minutes(300))), "nobody knows when it was done");
    with.add(story.facts[2].clone());
    assert_eq!(ends(&with), Some((EndKind::Settled, minutes(20))));
}

#[test]
fn what_was_found_gone_and_is_open_after_all_goes_on_as_the_same_obligation() {
    let story = Story::default().found(0).tell(10, What::SecretaryNotified);
    let set = set(&story.facts);
    let before = ledger(&set);
    let gone = mended(&set, &difference(Side::Extra, key(Clock::V2, None), 2, None), minutes(300)).unwrap();
    let step = difference(Side::Missing, key(Clock::V2, None), 2, Some(listed(Clock::V2, None, 2, 10)));
    let again = mended(&gone, &step, minutes(400)).unwrap();
    assert_eq!(ledger(&again), before);
}

#[test]
fn what_is_stored_of_a_case_whose_facts_were_lost_stays_as_it_is() {
    let story = Story::default().found(0).tell(10, What::SecretaryNotified);
    let whole = ledger(&set(&story.facts));
    let lost = set(&without(&story, |fact| fact.what == What::SecretaryNotified));
    let steps = vec![listed(Clock::V2, None, 2, 10), listed(Clock::V3, None, 2, 10)];
    // V3's row went with the fact; V1's end and V2 are stored.
    let stored: Vec<Stored> = whole
        .iter()
        .filter(|one| one.clock != Clock::V3)
        .map(|one| Stored { obligation: one.id, key: key(one.clock, None), end: one.end })
        .collect();
    let missing =
        Difference { steps: steps.clone(), ..difference(Side::Missing, steps[1].key, 2, Some(steps[1].clone())) };
    let path = |_: Option<&dafei_kernel::region::Region>| PATH.parse().ok();
    let added = mendings(&lost, terms(), calendar(), &missing, &stored, path, minutes(300));
    assert_eq!(added.len(), 3);
    let mut with = lost;
    added.into_iter().for_each(|fact| assert!(with.add(fact)));
    let known = ledger(&with);
    assert_eq!(of(&known, Clock::V1)[0].end, of(&whole, Clock::V1)[0].end, "done when it was done");
    assert_eq!(of(&known, Clock::V2)[0].id, of(&whole, Clock::V2)[0].id, "the same obligation goes on");
    assert_eq!(of(&known, Clock::V3).len(), 1);
    with.add(story.facts[1].clone());
    let open: Vec<_> = ledger(&with).into_iter().filter(|one| one.end.is_none()).collect();
    assert_eq!(open, whole.into_iter().filter(|one| one.end.is_none()).collect::<Vec<_>>(), "the event came after all");
}

#[test]
fn of_two_obligations_for_one_step_the_one_that_did_not_start_with_it_falls_away() {
    let story = Story::default().found(0).tell(10, What::SecretaryNotified);
    let lost = set(&without(&story, |fact| fact.what == What::SecretaryNotified));
    let step = listed(Clock::V3, None, 2, 10);
    let twice = mended(&lost, &difference(Side::Missing, step.key, 2, Some(step.clone())), minutes(300)).unwrap();
    // A start of before that nothing ended, as far as the facts go.
    let mut twice = twice;
    twice.add(Fact { sequence: 9, at: minutes(12), what: What::SuspicionReopened, ..story.facts[0].clone() });
    let extra =
        difference(Side::Extra, step.key, 9, Some(Listed { version: 9, started_at: Some(minutes(12)), ..step }));
    let with = mended(&twice, &extra, minutes(400)).unwrap();
    let known = ledger(&with);
    let ends: Vec<_> = of(&known, Clock::V3).iter().map(|one| one.end.map(|end| end.kind)).collect();
    assert_eq!(ends, [None, Some(EndKind::Cancelled)]);
}

#[test]
fn what_the_village_has_published_is_no_hole_while_dispatch_has_not_heard_of_it() {
    let story =
        Story::default().opened(0).tell(5, What::OutcomeAvailable { village: true }).tell(50, What::ResultPublished);
    let owner = post("village-secretary@village:371302001001");
    let p1 = Listed { owner, ..listed(Clock::P1, None, 2, 5) };
    let step = difference(Side::Missing, p1.key, 2, Some(p1));
    assert!(is_ahead(&set(&story.facts), terms(), calendar(), &step));
    let lost = without(&story, |fact| fact.what == What::OutcomeAvailable { village: true });
    assert!(!is_ahead(&set(&lost), terms(), calendar(), &step), "its start is not known");
}

#[test]
fn a_row_that_was_lost_needs_no_fact() {
    let story = Story::default().found(0);
    let step = difference(Side::Missing, key(Clock::V1, None), 1, Some(listed(Clock::V1, None, 1, 0)));
    assert!(is_settled_by(&set(&story.facts), terms(), calendar(), &step));
}

/// The steps that are open as one publisher tells them, which knows no facts but its own.
fn told_by(publisher: Source, whole: &CaseFacts, version: i64) -> Vec<Obligation> {
    let own = whole.of_publisher(publisher, version);
    let clocks = ledger(&own).into_iter();
    clocks.filter(|one| one.end.is_none() && dafei_sla_core::reconcile::publisher(one.clock) == publisher).collect()
}

proptest! {
    /// Whatever single fact was lost: mended, the ledger has what is open, and when the fact comes it has nothing else open than without the loss.
    #[test]
    fn a_lost_fact_is_mended_and_its_coming_makes_the_ledger_whole(story in any_story(), pick in any::<proptest::sample::Index>()) {
        prop_assume!(!story.facts.is_empty());
        let lost = pick.get(&story.facts).clone();
        let whole = set(&story.facts);
        let mut with = set(&without(&story, |fact| *fact == lost));
        let version = story.facts.iter().filter(|fact| fact.source == lost.source).map(|fact| fact.sequence).max().unwrap();
        let path = PATH.parse().unwrap();
        let open = told_by(lost.source, &whole, version);
        let steps: Vec<Listed> = open.iter().map(|one| Listed {
            key: Key { case: CASE, clock: one.clock, instruction: one.instruction },
            version,
            owner: one.direct.clone(),
            leg: 1,
            started_at: Some(one.deadline.timing().started_at),
        }).collect();
        // No clock is listed twice by a service; a story at random may have it so.
        let unique: std::collections::HashSet<Key> = steps.iter().map(|step| step.key).collect();
        prop_assume!(unique.len() == steps.len());
        for _ in 0..8 {
            let armed: Vec<Key> = ledger(&with).iter()
                .filter(|one| one.end.is_none() && dafei_sla_core::reconcile::publisher(one.clock) == lost.source)
                .map(|one| Key { case: CASE, clock: one.clock, instruction: one.instruction })
                .collect();
            let found = compare(&steps, &armed, &HashMap::from([(CASE, version)]));
            let Some((_, fact)) = found.differences.iter().find_map(|difference| {
                let ahead = is_ahead(&with, terms(), calendar(), difference);
                let fact = mending(&with, terms(), calendar(), difference, &[], &path, minutes(3_000));
                fact.filter(|_| !ahead).map(|fact| (difference, fact))
            }) else { break };
            prop_assert!(with.add(fact));
        }
        with.add(lost);
        let real = |one: &Obligation| one.deadline.inputs.start <= minutes(3_000);
        let restored = ledger(&with);
        for one in ledger(&whole).iter().filter(|one| one.end.is_some() && real(one)) {
            let now = restored.iter().find(|other| other.id == one.id);
            prop_assert_eq!(now.and_then(|now| now.end), one.end, "what a fact ended is ended by it");
        }
    }
}
