//! The obligations of told stories, and of random ones in random order.

use dafei_sla_core::{Clock, End, EndKind, What};
use proptest::prelude::*;

use crate::support::{Story, department, ledger, minutes, of, post, station};

const fn settled(at: dafei_kernel::time::Instant) -> Option<End> {
    Some(End { kind: EndKind::Settled, at })
}

const fn cancelled(at: dafei_kernel::time::Instant) -> Option<End> {
    Some(End { kind: EndKind::Cancelled, at })
}

/// The county branch up to the office, with the centre's decision after 20 minutes.
fn at_the_office() -> Story {
    Story::default()
        .found(0)
        .tell(30, What::SecretaryNotified)
        .tell(60, What::PersuasionRecorded { heeded: false })
        .tell(70, What::ReportedUp)
        .opened(70)
        .tell(90, What::Escalated)
}

#[test]
fn the_villages_clocks_go_from_the_finding_to_the_report() {
    let ledger = at_the_office().ledger();
    let [v1] = of(&ledger, Clock::V1)[..] else { panic!("one V1") };
    assert_eq!((v1.deadline.timing().started_at, v1.end), (minutes(0), settled(minutes(30))));
    assert_eq!(v1.direct, post("grid-member@village:371302001001"));
    assert_eq!(v1.loop_owner, post("village-secretary@village:371302001001"));
    let [v2] = of(&ledger, Clock::V2)[..] else { panic!("one V2") };
    assert_eq!((v2.deadline.timing().started_at, v2.end), (minutes(30), settled(minutes(60))));
    let [v3] = of(&ledger, Clock::V3)[..] else { panic!("one V3") };
    assert_eq!((v3.deadline.timing().due, v3.end), (minutes(150), settled(minutes(70))));
    let [t1] = of(&ledger, Clock::T1)[..] else { panic!("one T1") };
    assert_eq!((t1.deadline.timing().started_at, t1.end), (minutes(70), settled(minutes(90))));
    assert_eq!(t1.direct, post("township-centre@township:371302001"));
    let [k1] = of(&ledger, Clock::K1)[..] else { panic!("one K1") };
    assert_eq!((k1.deadline.timing().started_at, k1.end), (minutes(90), None));
    assert_eq!(k1.loop_owner, post("county-office@county:371302"));
    assert_eq!(ledger.len(), 5);
    assert!(ledger.iter().all(|one| one.sector.is_some()));
}

#[test]
fn a_case_that_starts_at_the_county_office_owes_k1_from_there_and_names_no_township() {
    let path = "city:371300/county:371302";
    let story = Story::at(path).opened_at_county(5).tell(100, What::DepartmentInstructed);
    let lead = department(1, "emergency-management", true, 1);
    let story = story.delivered(110, lead.clone()).result(300, lead);
    let ledger = story.ledger();
    assert!(of(&ledger, Clock::T1).is_empty(), "no centre has it");
    let [k1] = of(&ledger, Clock::K1)[..] else { panic!("one K1") };
    assert_eq!((k1.deadline.timing().started_at, k1.end), (minutes(5), settled(minutes(100))));
    assert_eq!(k1.loop_owner, post("county-office@county:371302"));
    assert!(ledger.iter().all(|one| one.path.to_string() == path), "only the county's posts are told");
    let [k4] = of(&ledger, Clock::K4)[..] else { panic!("one K4") };
    assert_eq!(k4.end, None);
    let fed_back = story.tell(310, What::FedBack { leg: 1 }).tell(310, What::CaseClosed).ledger();
    assert_eq!(of(&fed_back, Clock::K4)[0].end, settled(minutes(310)));
}

#[test]
fn a_case_that_ended_in_another_owes_nothing_more() {
    let at_centre = Story::default().opened(0).tell(10, What::CaseClosed).ledger();
    assert_eq!(of(&at_centre, Clock::T1)[0].end, cancelled(minutes(10)));
    let at_office = Story::at("city:371300/county:371302").opened_at_county(0).tell(10, What::CaseClosed).ledger();
    assert_eq!(of(&at_office, Clock::K1)[0].end, cancelled(minutes(10)));
    let lead = department(1, "transport", true, 1);
    let with_departments = at_the_office().tell(95, What::DepartmentInstructed).delivered(100, lead);
    let ended = with_departments.tell(120, What::CaseClosed).ledger();
    for clock in [Clock::K2, Clock::K3] {
        assert_eq!(of(&ended, clock)[0].end, cancelled(minutes(120)), "{clock}");
    }
}

#[test]
fn a_case_at_the_centre_names_its_township_and_one_at_the_office_need_not() {
    let fact = |tier| dafei_sla_core::Fact {
        known_at: None,
        source: dafei_sla_core::Source::Dispatch,
        sequence: 1,
        at: minutes(0),
        path: "city:371300/county:371302".parse().unwrap(),
        what: What::CaseOpened { tier, sector: None, own: false },
    };
    assert!(fact(tier_of(false)).check().is_err());
    assert!(fact(tier_of(true)).check().is_ok());
}

#[test]
fn heeded_persuasion_settles_v2_and_v3_and_starts_the_re_visit() {
    let story =
        Story::default().found(0).tell(10, What::SecretaryNotified).tell(20, What::PersuasionRecorded { heeded: true });
    let open = story.ledger();
    assert_eq!(of(&open, Clock::V2)[0].end, settled(minutes(20)));
    assert_eq!(of(&open, Clock::V3)[0].end, settled(minutes(20)));
    assert_eq!(of(&open, Clock::V4)[0].end, None);
    let done = story.tell(500, What::RevisitRecorded { stopped: true }).ledger();
    assert_eq!(of(&done, Clock::V4)[0].end, settled(minutes(500)));
}

#[test]
fn a_secretary_who_finds_a_den_himself_is_told_with_the_finding_however_late_it_is_sent() {
    let finder = Some(post("village-secretary@village:371302001001"));
    let found = What::SuspicionRecorded { finder, finder_person: None, sector: None, skewed: false };
    // At 90 minutes his device has a signal again.
    let story = Story::default().tell(0, found).tell(90, What::SecretaryNotified);
    let ledger = story.ledger();
    let [v1] = of(&ledger, Clock::V1)[..] else { panic!("one V1") };
    assert_eq!(v1.end, settled(minutes(0)));
    let [v3] = of(&ledger, Clock::V3)[..] else { panic!("one V3") };
    assert_eq!(v3.deadline.timing().started_at, minutes(90), "his own hours run from the reception");
}

#[test]
fn an_enterprises_report_in_the_instant_of_the_finding_settles_v1() {
    let ledger = Story::default().found(0).tell(0, What::ReportedUp).opened(0).ledger();
    assert_eq!(of(&ledger, Clock::V1)[0].end, settled(minutes(0)));
    assert!(of(&ledger, Clock::V2).is_empty());
    assert_eq!(of(&ledger, Clock::T1)[0].end, None);
}

#[test]
fn a_direct_report_to_the_centre_settles_what_the_secretary_owes() {
    let ledger = Story::default().found(0).tell(10, What::SecretaryNotified).tell(30, What::ReportedUp).ledger();
    for clock in [Clock::V2, Clock::V3] {
        assert_eq!(of(&ledger, clock)[0].end, settled(minutes(30)), "{clock}");
    }
}

#[test]
fn a_withdrawn_report_cancels_what_is_open_and_leaves_what_was_settled() {
    let ledger = Story::default().found(0).tell(10, What::SecretaryNotified).tell(15, What::ReportWithdrawn).ledger();
    assert_eq!(of(&ledger, Clock::V1)[0].end, settled(minutes(10)));
    assert_eq!(of(&ledger, Clock::V2)[0].end, cancelled(minutes(15)));
    assert_eq!(of(&ledger, Clock::V3)[0].end, cancelled(minutes(15)));
}

/// A case that persuasion had settled, up to the reopening at minute 500.
fn reopened(revisited: bool) -> Story {
    let story =
        Story::default().found(0).tell(10, What::SecretaryNotified).tell(20, What::PersuasionRecorded { heeded: true });
    let story = if revisited { story.tell(400, What::RevisitRecorded { stopped: true }) } else { story };
    story.tell(500, What::SuspicionReopened)
}

#[test]
fn persuasion_that_proved_false_starts_v3_anew_and_cancels_the_re_visit_that_was_due() {
    let open = reopened(false).ledger();
    assert_eq!(of(&open, Clock::V4)[0].end, cancelled(minutes(500)));
    let [first, second] = of(&open, Clock::V3)[..] else { panic!("two runnings of V3") };
    assert_eq!((first.leg, first.end), (1, settled(minutes(20))), "what was in time stays so");
    assert_eq!((second.leg, second.end), (2, None));
    assert_eq!(second.deadline.timing().started_at, minutes(500));
    assert_eq!(second.deadline.timing().due, minutes(620), "two hours from the reopening");
    assert_eq!(second.direct, post("village-secretary@village:371302001001"));
    assert_eq!(of(&open, Clock::V2).len(), 1, "nobody is persuaded twice");
    let up = reopened(false).tell(560, What::ReportedUp).ledger();
    assert_eq!(of(&up, Clock::V3)[1].end, settled(minutes(560)));
}

#[test]
fn a_re_visit_that_was_made_stays_settled_when_the_case_is_reopened() {
    let ledger = reopened(true).ledger();
    assert_eq!(of(&ledger, Clock::V4)[0].end, settled(minutes(400)));
    assert_eq!(of(&ledger, Clock::V3)[1].end, None);
}

#[test]
fn a_reopening_that_arrives_before_what_it_follows_gives_the_same_ledger() {
    let told = reopened(false).tell(560, What::ReportedUp);
    let mut backwards = told.facts.clone();
    backwards.reverse();
    assert_eq!(ledger(&backwards), told.ledger());
}

#[test]
fn a_merged_report_cancels_what_is_open_and_leaves_what_was_settled() {
    let ledger = Story::default().found(0).tell(10, What::SecretaryNotified).tell(15, What::ReportMerged).ledger();
    assert_eq!(of(&ledger, Clock::V1)[0].end, settled(minutes(10)));
    assert_eq!(of(&ledger, Clock::V2)[0].end, cancelled(minutes(15)));
    assert_eq!(of(&ledger, Clock::V3)[0].end, cancelled(minutes(15)));
    let early = Story::default().found(0).tell(5, What::ReportMerged).ledger();
    assert_eq!(of(&early, Clock::V1)[0].end, cancelled(minutes(5)));
    let heeded = Story::default()
        .found(0)
        .tell(10, What::SecretaryNotified)
        .tell(20, What::PersuasionRecorded { heeded: true })
        .tell(30, What::ReportMerged)
        .ledger();
    assert_eq!(of(&heeded, Clock::V4)[0].end, cancelled(minutes(30)));
}

#[test]
fn an_agency_without_authority_cancels_t2_and_starts_t3() {
    let ledger = Story::default()
        .found(0)
        .tell(0, What::ReportedUp)
        .opened(0)
        .tell(5, What::AgencyInstructed)
        .delivered(6, station(1, 1))
        .tell(60, What::AuthorityDeclined { assignment: station(1, 1) })
        .tell(80, What::AgencyInstructed)
        .delivered(81, station(2, 2))
        .tell(100, What::AuthorityDeclined { assignment: station(2, 2) })
        .tell(110, What::Escalated)
        .ledger();
    let t2 = of(&ledger, Clock::T2);
    assert_eq!(t2.iter().map(|one| one.end).collect::<Vec<_>>(), [cancelled(minutes(60)), cancelled(minutes(100))]);
    let t3 = of(&ledger, Clock::T3);
    assert_eq!(
        t3.iter().map(|one| (one.leg, one.end)).collect::<Vec<_>>(),
        [(1, settled(minutes(80))), (2, settled(minutes(110)))]
    );
    assert_ne!(t3[0].id, t3[1].id);
    assert_eq!(of(&ledger, Clock::T1)[0].end, settled(minutes(5)));
    assert_eq!(of(&ledger, Clock::K1)[0].deadline.timing().started_at, minutes(110));
}

#[test]
fn lead_and_co_handlers_each_owe_a_response_and_a_result() {
    let (lead, helper) = (department(1, "emergency-management", true, 1), department(2, "fire-rescue", false, 1));
    let ledger = at_the_office()
        .tell(100, What::DepartmentInstructed)
        .delivered(101, lead.clone())
        .delivered(102, helper.clone())
        .tell(200, What::DepartmentResponded { assignment: lead.clone() })
        .result(300, helper)
        .result(400, lead.clone())
        .result(900, lead)
        .ledger();
    let k2 = of(&ledger, Clock::K2);
    assert_eq!(k2[0].end, settled(minutes(200)));
    assert_eq!(k2[1].end, settled(minutes(300)), "a result says more than a response");
    assert_eq!(k2[0].direct, post("county-department@county:371302/emergency-management"));
    assert_eq!(k2[1].direct, post("county-department@county:371302/fire-rescue"));
    let k3 = of(&ledger, Clock::K3);
    assert_eq!(k3[0].end, settled(minutes(400)), "the first result counts");
    assert_eq!(k3[1].end, settled(minutes(300)));
    let [k4] = of(&ledger, Clock::K4)[..] else { panic!("K4 starts once, by the lead") };
    assert_eq!((k4.deadline.timing().started_at, k4.end), (minutes(400), None));
}

#[test]
fn the_leads_return_cancels_its_assignment_and_starts_k1_again() {
    let (lead, helper) = (department(1, "emergency-management", true, 1), department(2, "fire-rescue", false, 1));
    let next = department(3, "transport", true, 2);
    let ledger = at_the_office()
        .tell(100, What::DepartmentInstructed)
        .delivered(101, lead.clone())
        .delivered(102, helper)
        .tell(150, What::AssignmentReturned { assignment: lead })
        .tell(160, What::DepartmentInstructed)
        .delivered(170, next)
        .ledger();
    let k1 = of(&ledger, Clock::K1);
    assert_eq!(
        k1.iter().map(|one| (one.leg, one.end)).collect::<Vec<_>>(),
        [(1, settled(minutes(100))), (2, settled(minutes(160)))]
    );
    assert_eq!(k1[1].deadline.timing().started_at, minutes(150));
    for clock in [Clock::K2, Clock::K3] {
        let ends: Vec<_> = of(&ledger, clock).iter().map(|one| one.end).collect();
        assert_eq!(ends, [cancelled(minutes(150)), cancelled(minutes(150)), None], "{clock}");
    }
}

#[test]
fn what_waited_on_the_bus_is_done_in_time_and_starts_nothing_before_its_office_could_see_it() {
    let (lead, agency) = (department(1, "emergency-management", true, 1), station(2, 1));
    let start = |ledger: &[dafei_sla_core::Obligation], clock, number: usize| {
        of(ledger, clock)[number].deadline.timing().started_at
    };
    let declined = Story::default()
        .opened(0)
        .tell(5, What::AgencyInstructed)
        .delivered(6, agency.clone())
        .tell(60, What::AuthorityDeclined { assignment: agency })
        .known(200)
        .tell(220, What::Escalated)
        .ledger();
    assert_eq!(of(&declined, Clock::T2)[0].end, cancelled(minutes(60)));
    assert_eq!(start(&declined, Clock::T3, 0), minutes(200));
    assert_eq!(of(&declined, Clock::T3)[0].end, settled(minutes(220)));
    let assigned = at_the_office().tell(100, What::DepartmentInstructed).delivered(101, lead.clone());
    let result = assigned.clone().result(300, lead.clone()).known(900).ledger();
    assert_eq!(of(&result, Clock::K3)[0].end, settled(minutes(300)));
    assert_eq!(start(&result, Clock::K4, 0), minutes(900));
    let returned = assigned.tell(150, What::AssignmentReturned { assignment: lead }).known(700).ledger();
    assert_eq!(of(&returned, Clock::K2)[0].end, cancelled(minutes(150)));
    assert_eq!(start(&returned, Clock::K1, 1), minutes(700));
}

#[test]
fn a_co_handlers_return_concerns_it_alone() {
    let (lead, helper) = (department(1, "emergency-management", true, 1), department(2, "fire-rescue", false, 1));
    let ledger = at_the_office()
        .tell(100, What::DepartmentInstructed)
        .delivered(101, lead)
        .delivered(102, helper.clone())
        .tell(150, What::AssignmentReturned { assignment: helper })
        .ledger();
    assert_eq!(of(&ledger, Clock::K1).len(), 1, "the office has nothing to assign again");
    assert_eq!(of(&ledger, Clock::K3)[0].end, None);
    assert_eq!(of(&ledger, Clock::K3)[1].end, cancelled(minutes(150)));
}

#[test]
fn a_revisit_that_finds_the_act_going_on_starts_the_report_up_again() {
    let heeded =
        Story::default().found(0).tell(10, What::SecretaryNotified).tell(30, What::PersuasionRecorded { heeded: true });
    let stopped = heeded.clone().tell(500, What::RevisitRecorded { stopped: true }).ledger();
    assert_eq!(of(&stopped, Clock::V3).len(), 1, "what has stopped need not go up");
    let goes_on = heeded.tell(500, What::RevisitRecorded { stopped: false });
    let ledger = goes_on.ledger();
    assert_eq!(of(&ledger, Clock::V4)[0].end, settled(minutes(500)), "the re-visit itself is done");
    assert_eq!(
        (of(&ledger, Clock::V3)[1].deadline.timing().started_at, of(&ledger, Clock::V3)[1].end),
        (minutes(500), None)
    );
    let up = goes_on.tell(560, What::ReportedUp).ledger();
    assert_eq!(of(&up, Clock::V3)[1].end, settled(minutes(560)));
}

#[test]
fn publication_settles_p1_and_the_closing_cancels_what_a_co_handler_still_owes() {
    let (lead, helper) = (department(1, "emergency-management", true, 1), department(2, "fire-rescue", false, 1));
    let ledger = at_the_office()
        .tell(100, What::DepartmentInstructed)
        .delivered(101, lead.clone())
        .delivered(101, helper)
        .result(400, lead)
        .tell(420, What::FedBack { leg: 1 })
        .tell(420, What::OutcomeAvailable { village: true })
        .tell(500, What::ResultPublished)
        // The services' clocks differ by a minute: what closed the case came before the closing all the same.
        .tell(499, What::CaseClosed)
        .ledger();
    assert_eq!(of(&ledger, Clock::K4)[0].end, settled(minutes(420)));
    assert_eq!(of(&ledger, Clock::P1)[0].end, settled(minutes(500)));
    assert_eq!(of(&ledger, Clock::K3)[1].end, cancelled(minutes(499)));
    assert!(ledger.iter().all(|one| one.end.is_some()), "nothing stays open in a closed case");
}

#[test]
fn an_outcome_without_a_village_is_not_to_be_published() {
    let ledger = Story::default().opened(0).tell(5, What::OutcomeAvailable { village: false }).ledger();
    assert!(of(&ledger, Clock::P1).is_empty());
}

#[test]
fn of_two_stops_the_earlier_counts_whichever_was_recorded_first() {
    let lead = department(1, "emergency-management", true, 1);
    let ledger = at_the_office().delivered(100, lead.clone()).result(300, lead.clone()).result(200, lead).ledger();
    assert_eq!(of(&ledger, Clock::K3)[0].end, settled(minutes(200)));
}

const fn tier_of(county: bool) -> dafei_sla_core::fact::Tier {
    if county { dafei_sla_core::fact::Tier::County } else { dafei_sla_core::fact::Tier::Township }
}

fn any_what() -> impl Strategy<Value = What> {
    let assignment = || {
        (1_u128..4, any::<bool>(), 1_u32..3).prop_map(|(number, lead, leg)| department(number, "transport", lead, leg))
    };
    let agency = || (5_u128..7, 1_u32..3).prop_map(|(number, leg)| station(number, leg));
    prop_oneof![
        Just(crate::support::suspicion()),
        Just(What::SecretaryNotified),
        any::<bool>().prop_map(|heeded| What::PersuasionRecorded { heeded }),
        any::<bool>().prop_map(|stopped| What::RevisitRecorded { stopped }),
        Just(What::ReportedUp),
        Just(What::ReportWithdrawn),
        Just(What::SuspicionReopened),
        Just(What::ReportMerged),
        Just(What::ResultPublished),
        any::<(bool, bool)>().prop_map(|(county, own)| What::CaseOpened { tier: tier_of(county), sector: None, own }),
        any::<bool>().prop_map(|county| What::CaseReopened { tier: tier_of(county) }),
        assignment().prop_map(|assignment| What::ReworkOrdered { assignment }),
        (assignment(), 1_u32..9, 0_i64..12_000).prop_map(|(assignment, working_days, asked)| What::ExtensionGranted {
            assignment,
            working_days,
            requested_at: minutes(asked),
        }),
        Just(What::AgencyInstructed),
        Just(What::Escalated),
        Just(What::DepartmentInstructed),
        (1_u32..3).prop_map(|leg| What::FedBack { leg }),
        any::<bool>().prop_map(|village| What::OutcomeAvailable { village }),
        Just(What::CaseClosed),
        agency().prop_map(|assignment| What::InstructionDelivered {
            tier: dafei_sla_core::fact::Tier::Township,
            assignment,
            own: false,
            rework: false,
            assumed: false,
        }),
        agency()
            .prop_map(|assignment| What::ResultSubmitted { tier: dafei_sla_core::fact::Tier::Township, assignment }),
        agency().prop_map(|assignment| What::AuthorityDeclined { assignment }),
        (assignment(), any::<bool>(), any::<bool>()).prop_map(|(assignment, own, rework)| What::InstructionDelivered {
            tier: dafei_sla_core::fact::Tier::County,
            assignment,
            own,
            rework,
            assumed: own == rework,
        }),
        assignment()
            .prop_map(|assignment| What::ResultSubmitted { tier: dafei_sla_core::fact::Tier::County, assignment }),
        assignment().prop_map(|assignment| What::DepartmentResponded { assignment }),
        assignment().prop_map(|assignment| What::AssignmentReturned { assignment }),
    ]
}

pub(crate) fn any_story() -> impl Strategy<Value = Story> {
    proptest::collection::vec((0_i64..2_000, any_what()), 0..40).prop_map(|facts| {
        let mut story = Story::default();
        for (at, what) in facts {
            story.add(minutes(at), what);
        }
        story
    })
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_a_cases_facts_gives_the_same_ledger(
        story in any_story(),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..120),
    ) {
        let expected = story.ledger();
        if story.facts.is_empty() {
            prop_assert!(expected.is_empty());
            return Ok(());
        }
        // Random picks first, which repeats some and turns the order about; then all, backwards.
        let mut facts: Vec<_> = order.iter().map(|index| index.get(&story.facts).clone()).collect();
        facts.extend(story.facts.iter().rev().cloned());
        prop_assert_eq!(ledger(&facts), expected);
    }

    #[test]
    fn ids_are_unique_and_legs_are_numbered_without_holes(story in any_story()) {
        let ledger = story.ledger();
        let ids: std::collections::HashSet<_> = ledger.iter().map(|one| one.id).collect();
        prop_assert_eq!(ids.len(), ledger.len());
        for clock in Clock::CASES {
            let legs: Vec<u32> = of(&ledger, clock).iter().map(|one| one.leg).collect();
            let expected: Vec<u32> = (1..).take(legs.len()).collect();
            prop_assert_eq!(legs, expected);
        }
    }

    #[test]
    fn an_obligation_that_was_known_stays_known_with_its_deadline(story in any_story()) {
        // Facts of one publisher come in its order; what a part of them started, the whole has, too.
        let half = story.facts.len() / 2;
        let all = story.ledger();
        for known in ledger(&story.facts[..half]) {
            let now = all.iter().find(|one| one.id == known.id);
            prop_assert!(now.is_some_and(|now| now.deadline == known.deadline && now.leg == known.leg));
        }
    }
}
