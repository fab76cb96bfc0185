//! The accountability ledger: who decides, when, on whom, and what stands in the end.

use std::collections::BTreeMap;

use dafei_kernel::{
    owner::{Owner, Post},
    role::Role,
    sector::Sector,
    time::Instant,
};
use dafei_sla_core::{
    Clock,
    accountability::{
        Basis, Change, Charge, Command, Conduct, Context, Decider, Draft, Entry, Outcome, Part, Reason, State, Verdict,
        VillageDecider, VillageRules, Who, decide, decider_of, evolve, opens_by_itself,
    },
};
use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{PATH, calendar, instant, post};

/// A Monday.
const OPENED: &str = "2026-11-23T10:00:00+08:00";
/// 24:00 of the third working day after it.
const SILENT: &str = "2026-11-27T00:00:00+08:00";

fn owner(text: &str, persons: &[&str]) -> Owner {
    Owner { post: post(text), persons: persons.iter().map(|person| (*person).to_owned()).collect() }
}

fn member() -> Owner {
    owner("grid-member@village:371302001001", &["张网格"])
}

fn secretary() -> Owner {
    owner("village-secretary@village:371302001001", &["王书记"])
}

fn agency() -> Owner {
    owner("township-agency@township:371302001/fire-rescue", &["周站长", "吴副站长"])
}

fn centre() -> Owner {
    owner("township-centre@township:371302001", &["赵主任"])
}

fn office() -> Owner {
    owner("county-office@county:371302", &["陈主任"])
}

fn city() -> Owner {
    owner("city-office@city:371300", &["郑主任"])
}

fn draft(direct: Owner, loop_owner: Owner) -> Draft {
    let basis = Basis::Breach {
        obligation: Uuid::from_u128(7),
        clock: Clock::T2,
        started_at: instant("2026-11-20T10:00:00+08:00"),
        due: instant("2026-11-20T14:00:00+08:00"),
    };
    Draft {
        id: Uuid::from_u128(1),
        basis,
        charge: Charge::Post { direct, loop_owner: Some(loop_owner) },
        path: PATH.parse().unwrap(),
        case_id: Some(Uuid::from_u128(9)),
        sector: Some(Sector::Fireworks),
    }
}

fn verdict(part: Part, person: &str, outcome: Outcome) -> Verdict {
    let reason = if outcome.needs_reason() { "主动纠正".to_owned() } else { String::new() };
    Verdict { part, person: person.to_owned(), outcome, reason, leading: false, before_appeal: None }
}

/// An entry, at an instant.
struct Ledger {
    entry: Option<Entry>,
    now: Instant,
    village: VillageRules,
}

impl Ledger {
    fn opened(direct: Owner, loop_owner: Owner) -> Self {
        Self::opened_under(VillageRules::default(), direct, loop_owner)
    }

    fn opened_under(village: VillageRules, direct: Owner, loop_owner: Owner) -> Self {
        let mut ledger = Self { entry: None, now: instant(OPENED), village };
        ledger.tell(Command::Open(Box::new(draft(direct, loop_owner)))).unwrap();
        ledger
    }

    fn at(&mut self, now: &str) -> &mut Self {
        self.now = instant(now);
        self
    }

    fn tell(&mut self, command: Command) -> Result<&Entry, Reason> {
        let context = Context { now: self.now, calendar: calendar(), village: &self.village };
        let event = decide(self.entry.as_ref(), &command, &context).map_err(|rejection| rejection.reason)?;
        self.entry = evolve(self.entry.take(), &event);
        Ok(self.entry())
    }

    fn entry(&self) -> &Entry {
        self.entry.as_ref().unwrap()
    }

    fn state(&mut self, by: &Owner) -> Result<&Entry, Reason> {
        self.tell(Command::State { by: by.post.clone(), text: "路上堵车".to_owned() })
    }

    fn decide(&mut self, by: &Owner, persons: &[Verdict]) -> Result<&Entry, Reason> {
        self.tell(Command::Decide {
            by: by.post.clone(), grounds: "查明属实".to_owned(), persons: persons.to_vec()
        })
    }

    fn appeal(&mut self, by: &Owner) -> Result<&Entry, Reason> {
        self.tell(Command::Appeal { by: by.post.clone(), text: "处理过重".to_owned() })
    }

    fn decide_appeal(&mut self, by: &Owner, changes: &[(Part, &str, Outcome)]) -> Result<&Entry, Reason> {
        let change = |(part, person, outcome): &(Part, &str, Outcome)| Change {
            part: *part,
            person: (*person).to_owned(),
            outcome: *outcome,
        };
        self.tell(Command::DecideAppeal {
            by: by.post.clone(),
            grounds: "复查".to_owned(),
            changes: changes.iter().map(change).collect(),
        })
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.entry().decisions.last().unwrap().persons.iter().map(|verdict| verdict.outcome).collect()
    }
}

#[test]
fn the_office_one_level_above_decides_and_nobody_in_the_suite_on_the_city_s_office() {
    let path = PATH.parse().unwrap();
    let decider = |role, rules: &VillageRules| match decider_of(role, &path, rules) {
        Some(Decider::Office(post)) => post.to_string(),
        Some(Decider::AboveCity) => "above the city".to_owned(),
        None => "nobody".to_owned(),
    };
    let by_default = VillageRules::default();
    let by_county = VillageRules { decider: VillageDecider::CountyOffice, ..VillageRules::default() };
    let (centre, office, city) =
        ("township-centre@township:371302001", "county-office@county:371302", "city-office@city:371300");
    for (role, expected, county) in [
        (Role::GridMember, centre, office),
        (Role::VillageSecretary, centre, office),
        (Role::WorkAreaSecretary, centre, office),
        (Role::TownshipCentre, office, office),
        (Role::TownshipAgency, office, office),
        (Role::TownshipPrincipal, office, office),
        (Role::CountyOffice, city, city),
        (Role::CountyDepartment, city, city),
        (Role::CountyCommander, city, city),
        (Role::CityDepartment, city, city),
        (Role::CityOffice, "above the city", "above the city"),
        (Role::Bank, "nobody", "nobody"),
        (Role::Auditor, "nobody", "nobody"),
    ] {
        assert_eq!(decider(role, &by_default), expected, "{role}");
        assert_eq!(decider(role, &by_county), county, "{role}");
    }
}

#[test]
fn an_entry_names_both_responsibilities_and_leads_down_to_the_post_charged() {
    let ledger = Ledger::opened(agency(), centre());
    let entry = ledger.entry();
    let parties: Vec<_> = entry.parties.iter().map(|party| (party.part, party.who.persons().len())).collect();
    assert_eq!(parties, [(Part::Direct, 2), (Part::Loop, 1)]);
    assert_eq!(entry.path.to_string(), "city:371300/county:371302/township:371302001");
    assert_eq!(entry.statement_until, instant(SILENT));
    assert_eq!((entry.state, entry.sequence), (State::Opened, 1));
    assert_eq!(Ledger::opened(office(), office()).entry().parties.len(), 1, "both responsibilities are one post's");
}

#[test]
fn two_holders_of_one_name_are_charged_as_one() {
    let twins = owner("township-centre@township:371302001", &["赵主任", "李主任", "赵主任"]);
    let ledger = Ledger::opened(twins.clone(), twins);
    assert_eq!(ledger.entry().parties[0].who.persons().len(), 2);
}

#[test]
fn nobody_is_decided_on_before_he_was_heard_or_let_the_period_pass() {
    let both =
        [verdict(Part::Direct, "张网格", Outcome::WarningTalk), verdict(Part::Loop, "王书记", Outcome::NotPursued)];
    let mut ledger = Ledger::opened(member(), secretary());
    assert_eq!(ledger.decide(&centre(), &both).unwrap_err(), Reason::NotHeard);
    assert_eq!(ledger.state(&centre()).unwrap_err(), Reason::NotCharged);
    assert_eq!(ledger.state(&member()).unwrap().state, State::Stated);
    assert_eq!(ledger.state(&member()).unwrap_err(), Reason::AlreadyStated);
    assert_eq!(ledger.decide(&centre(), &both).unwrap_err(), Reason::NotHeard, "the secretary was not heard");
    assert_eq!(ledger.at(OPENED).decide(&centre(), &both[..1]).unwrap().state, State::Decided);
    let mut silent = Ledger::opened(member(), secretary());
    assert_eq!(silent.at("2026-11-26T23:59:59.999999+08:00").decide(&centre(), &both).unwrap_err(), Reason::NotHeard);
    assert_eq!(silent.at(SILENT).decide(&centre(), &both).unwrap().state, State::Decided);
}

#[test]
fn a_decision_names_each_person_directly_responsible_and_only_holders() {
    let mut ledger = Ledger::opened(agency(), centre());
    ledger.at(SILENT);
    let one = verdict(Part::Direct, "周站长", Outcome::HeldAccountable);
    let two = verdict(Part::Direct, "吴副站长", Outcome::Reduced);
    let mut refused = |persons: &[Verdict]| ledger.decide(&office(), persons).unwrap_err();
    assert_eq!(refused(std::slice::from_ref(&one)), Reason::PersonsMissing);
    assert_eq!(refused(&[one.clone(), one.clone(), two.clone()]), Reason::PersonTwice);
    assert_eq!(refused(&[one.clone(), Verdict { person: "路人".to_owned(), ..two.clone() }]), Reason::NotAHolder);
    assert_eq!(refused(&[one.clone(), Verdict { reason: String::new(), ..two.clone() }]), Reason::ReasonMissing);
    assert_eq!(refused(&[Verdict { reason: "无".to_owned(), ..one.clone() }, two.clone()]), Reason::ReasonNotAllowed);
    assert_eq!(ledger.decide(&centre(), &[one.clone(), two.clone()]).unwrap_err(), Reason::NotDecider);
    let leading = Verdict { leading: true, ..one };
    assert_eq!(ledger.decide(&office(), &[leading.clone(), two.clone()]).unwrap().state, State::Decided);
    assert_eq!(ledger.decide(&office(), &[leading, two]).unwrap_err(), Reason::AlreadyDecided);
}

#[test]
fn a_county_s_rules_bind_what_is_decided_on_its_villages_and_nothing_else() {
    let rules = VillageRules {
        decider: VillageDecider::CountyOffice,
        outcomes: vec![Outcome::NotPursued, Outcome::WarningTalk],
        statement_working_days: 1,
    };
    rules.check().unwrap();
    let talk = [verdict(Part::Direct, "王书记", Outcome::WarningTalk)];
    let grave = [verdict(Part::Direct, "王书记", Outcome::HeldAccountable)];
    let mut ledger = Ledger::opened_under(rules.clone(), secretary(), secretary());
    ledger.at("2026-11-25T00:00:00+08:00");
    assert_eq!(ledger.decide(&centre(), &talk).unwrap_err(), Reason::NotDecider);
    assert_eq!(ledger.decide(&office(), &grave).unwrap_err(), Reason::OutcomeNotAllowed);
    let leading = [Verdict { leading: true, ..talk[0].clone() }];
    assert_eq!(ledger.decide(&office(), &leading).unwrap_err(), Reason::NoLeadingCadre);
    assert_eq!(ledger.decide(&office(), &talk).unwrap().state, State::Decided);
    assert_eq!(Ledger::opened_under(rules.clone(), office(), office()).entry().outcomes, Outcome::ALL);
    for (broken, reason) in [
        (VillageRules { outcomes: vec![Outcome::WarningTalk], ..rules.clone() }, Reason::NobodyCleared),
        (VillageRules { outcomes: vec![Outcome::NotPursued; 2], ..rules.clone() }, Reason::OutcomeTwice),
        (VillageRules { statement_working_days: 0, ..rules.clone() }, Reason::StatementPeriod),
        (VillageRules { statement_working_days: 31, ..rules }, Reason::StatementPeriod),
    ] {
        assert_eq!(broken.check().unwrap_err().reason, reason);
    }
}

#[test]
fn an_appeal_goes_to_the_next_level_above_within_15_days_and_makes_nothing_graver() {
    let mut ledger = Ledger::opened(centre(), centre());
    let talk = verdict(Part::Direct, "赵主任", Outcome::WarningTalk);
    ledger.at("2026-11-30T09:00:00+08:00").decide(&office(), &[talk]).unwrap();
    assert_eq!(ledger.decide_appeal(&city(), &[]).unwrap_err(), Reason::NotAppealed);
    assert_eq!(ledger.at("2026-12-16T00:00:00+08:00").appeal(&centre()).unwrap_err(), Reason::AppealTooLate);
    assert_eq!(ledger.at("2026-12-15T23:59:59+08:00").appeal(&office()).unwrap_err(), Reason::NotCharged);
    assert_eq!(ledger.appeal(&centre()).unwrap().state, State::Appealed);
    assert_eq!(ledger.entry().awaits(), Some(city().post));
    assert_eq!(ledger.appeal(&centre()).unwrap_err(), Reason::AlreadyAppealed);
    assert_eq!(ledger.decide_appeal(&office(), &[]).unwrap_err(), Reason::NotAppealDecider);
    let graver = [(Part::Direct, "赵主任", Outcome::HeldAccountable)];
    assert_eq!(ledger.decide_appeal(&city(), &graver).unwrap_err(), Reason::Graver);
    let cleared = [(Part::Direct, "赵主任", Outcome::NotPursued)];
    assert_eq!(ledger.decide_appeal(&city(), &cleared).unwrap().state, State::AppealDecided);
    assert_eq!(ledger.outcomes(), [Outcome::NotPursued]);
    let verdict = &ledger.entry().decisions[0].persons[0];
    assert_eq!(verdict.before_appeal, Some(Outcome::WarningTalk), "what was decided at first stays readable");
}

#[test]
fn what_the_city_decided_is_appealed_above_the_suite() {
    let mut ledger = Ledger::opened(office(), office());
    ledger.at(SILENT).decide(&city(), &[verdict(Part::Direct, "陈主任", Outcome::HeldAccountable)]).unwrap();
    ledger.appeal(&office()).unwrap();
    assert_eq!(ledger.entry().awaits(), None);
    assert_eq!(ledger.decide_appeal(&city(), &[]).unwrap_err(), Reason::AboveCity);
}

#[test]
fn a_disproved_breach_withdraws_what_nobody_decided_and_reopens_what_was_decided() {
    let mut undecided = Ledger::opened(centre(), centre());
    assert_eq!(undecided.tell(Command::AnnulBasis).unwrap().state, State::Withdrawn);
    assert_eq!(undecided.tell(Command::AnnulBasis).unwrap_err(), Reason::NothingToAnnul);
    assert_eq!(undecided.state(&centre()).unwrap_err(), Reason::Withdrawn);
    let mut decided = Ledger::opened(centre(), centre());
    let talk = [verdict(Part::Direct, "赵主任", Outcome::WarningTalk)];
    decided.at(SILENT).decide(&office(), &talk).unwrap();
    assert_eq!(decided.tell(Command::AnnulBasis).unwrap().state, State::Reopened);
    assert_eq!(decided.entry().awaits(), Some(office().post));
    assert_eq!(decided.decide(&office(), &talk).unwrap_err(), Reason::BasisAnnulled);
    let cleared = [verdict(Part::Direct, "赵主任", Outcome::NotPursued)];
    assert_eq!(decided.at("2027-01-05T09:00:00+08:00").decide(&office(), &cleared).unwrap().state, State::Decided);
    assert_eq!(decided.entry().decisions.len(), 2, "the first is not erased");
    assert_eq!(decided.entry().counted_at(), Some(instant(SILENT)));
}

/// An accident, as the case told it under this sequence.
fn accident(owner: Owner, happened_at: &str, sequence: i64) -> Draft {
    let basis = Basis::Accident {
        text: "死亡1人，受伤0人。爆炸".to_owned(),
        happened_at: instant(happened_at),
        event: Uuid::from_u128(5),
        sequence,
    };
    Draft { basis, charge: Charge::Post { direct: owner, loop_owner: None }, ..draft(member(), secretary()) }
}

#[test]
fn an_entry_of_one_who_did_not_hold_the_post_then_is_withdrawn_unless_it_was_decided() {
    let mut ledger = Ledger { entry: None, now: instant(OPENED), village: VillageRules::default() };
    ledger.tell(Command::Open(Box::new(accident(centre(), OPENED, 2)))).unwrap();
    let mut decided = Ledger { entry: ledger.entry.clone(), now: instant(SILENT), village: VillageRules::default() };
    assert_eq!(ledger.tell(Command::AnnulCharge).unwrap().state, State::Withdrawn);
    assert_eq!(ledger.tell(Command::AnnulCharge).unwrap_err(), Reason::Withdrawn);
    decided.decide(&office(), &[verdict(Part::Direct, "赵主任", Outcome::WarningTalk)]).unwrap();
    assert_eq!(decided.tell(Command::AnnulCharge).unwrap_err(), Reason::AlreadyDecided);
    let mut breach = Ledger::opened(centre(), centre());
    assert_eq!(breach.tell(Command::AnnulCharge).unwrap_err(), Reason::NothingToAnnul, "a breach is disproved");
}

#[test]
fn an_entry_is_of_a_post_whoever_held_it_and_charges_the_same_persons_in_any_order() {
    let mut ledger = Ledger { entry: None, now: instant(OPENED), village: VillageRules::default() };
    let entry = ledger.tell(Command::Open(Box::new(accident(agency(), OPENED, 2)))).unwrap();
    let charge = |persons: &[&str]| Charge::Post {
        direct: owner("township-agency@township:371302001/fire-rescue", persons),
        loop_owner: None,
    };
    assert!(entry.is_of(&charge(&[])) && !entry.charges_as(&charge(&[])));
    assert!(entry.charges_as(&charge(&["吴副站长", "周站长", "吴副站长"])));
    let other = Charge::Post { direct: centre(), loop_owner: None };
    assert!(!entry.is_of(&other) && !entry.is_of(&Charge::Outside { name: "周站长".to_owned() }));
    assert_eq!((entry.basis.event(), entry.basis.sequence()), (Some(Uuid::from_u128(5)), 2));
}

#[test]
fn an_entry_of_a_time_that_noted_no_order_and_no_sequence_is_still_read() {
    let mut ledger = Ledger { entry: None, now: instant(OPENED), village: VillageRules::default() };
    let entry = ledger.tell(Command::Open(Box::new(accident(centre(), OPENED, 2)))).unwrap();
    let mut kept = serde_json::to_value(entry).unwrap();
    kept["basis"].as_object_mut().unwrap().remove("sequence");
    let read: Entry = serde_json::from_value(kept).unwrap();
    assert_eq!((read.basis.sequence(), read.basis.event()), (0, entry.basis.event()));
}

#[test]
fn one_outside_the_roster_is_decided_on_by_the_county_s_office_which_takes_down_what_he_says() {
    let mut ledger = Ledger { entry: None, now: instant(OPENED), village: VillageRules::default() };
    let conduct = Basis::Conduct {
        kind: Conduct::CutOffDefied,
        text: "接到停电指令后仍供电".to_owned(),
        happened_at: instant(OPENED),
        reported_by: None,
        event: Some(Uuid::from_u128(3)),
        order: None,
    };
    let name = "供电所".to_owned();
    let outside = Draft { basis: conduct, charge: Charge::Outside { name }, ..draft(member(), secretary()) };
    let entry = ledger.tell(Command::Open(Box::new(outside))).unwrap();
    assert_eq!(entry.path.to_string(), "city:371300/county:371302", "the township does not see whom it may know");
    assert!(matches!(entry.parties[0].who, Who::Outside { .. }));
    assert_eq!(ledger.tell(Command::AnnulBasis).unwrap_err(), Reason::NothingToAnnul);
    ledger.state(&office()).unwrap();
    let grave = verdict(Part::Direct, "供电所", Outcome::HeldAccountable);
    let leading = Verdict { leading: true, ..grave.clone() };
    assert_eq!(ledger.decide(&office(), &[leading]).unwrap_err(), Reason::NoLeadingCadre);
    ledger.decide(&office(), &[grave]).unwrap();
}

#[test]
fn where_the_roster_named_nobody_the_office_names_who_held_the_post() {
    let vacant = owner("township-centre@township:371302001", &[]);
    let mut ledger = Ledger::opened(vacant.clone(), vacant.clone());
    ledger.at(SILENT).decide(&office(), &[verdict(Part::Direct, "钱主任", Outcome::WarningTalk)]).unwrap();
    let mut nobody = Ledger::opened(vacant.clone(), vacant);
    nobody.at(SILENT).decide(&office(), &[]).unwrap();
}

#[test]
fn each_breach_opens_an_entry_but_those_of_the_villages_weekly_and_standing_duties() {
    for clock in Clock::CASES.into_iter().chain(Clock::DUTIES) {
        assert_eq!(opens_by_itself(clock), !["W1", "W2", "N1"].contains(&clock.code()), "{clock}");
    }
}

/// A step of a random story.
#[derive(Debug, Clone)]
struct Step {
    hours: i64,
    by: usize,
    what: usize,
    outcomes: Vec<Outcome>,
    beside: bool,
}

fn posts() -> Vec<Post> {
    [member(), secretary(), agency(), centre(), office(), city()].into_iter().map(|owner| owner.post).collect()
}

/// How high a post stands.
fn rank(post: &Post) -> u8 {
    match post.role {
        Role::GridMember | Role::VillageSecretary | Role::WorkAreaSecretary => 0,
        Role::TownshipCentre | Role::TownshipAgency | Role::TownshipPrincipal => 1,
        Role::CountyOffice | Role::CountyDepartment | Role::CountyCommander => 2,
        Role::CityDepartment => 3,
        _ => 4,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let outcomes = proptest::collection::vec(proptest::sample::select(Outcome::ALL.to_vec()), 3);
    (0_i64..96, 0_usize..6, 0_usize..9, outcomes, any::<bool>()).prop_map(|(hours, by, what, outcomes, beside)| Step {
        hours,
        by,
        what,
        outcomes,
        beside,
    })
}

impl Step {
    fn command(&self, entry: &Entry) -> Command {
        let by = posts().swap_remove(self.by);
        // Mostly the office whose turn it is, so that stories go on.
        let by = if self.what > 4 { entry.awaits().unwrap_or(by) } else { by };
        let people = entry
            .parties
            .iter()
            .filter(|party| self.beside || party.part == Part::Direct)
            .flat_map(|party| party.who.persons().iter().map(|person| (party.part, person.as_str())))
            .zip(&self.outcomes);
        match self.what {
            0 | 1 => Command::State { by, text: "陈述".to_owned() },
            2 => Command::Appeal { by, text: "申诉".to_owned() },
            3 => Command::AnnulBasis,
            4..=6 => Command::Decide {
                by,
                grounds: "依据".to_owned(),
                persons: people.map(|((part, person), outcome)| verdict(part, person, *outcome)).collect(),
            },
            _ => {
                let change = |((part, person), outcome): ((Part, &str), &Outcome)| Change {
                    part,
                    person: person.to_owned(),
                    outcome: *outcome,
                };
                Command::DecideAppeal { by, grounds: "复查".to_owned(), changes: people.map(change).collect() }
            }
        }
    }
}

type Standing = BTreeMap<(Part, String), Outcome>;

/// What a command that was taken makes of the outcomes.
fn follow(standing: &mut Standing, command: &Command) {
    match command {
        Command::Decide { persons, .. } => {
            *standing = persons.iter().map(|one| ((one.part, one.person.clone()), one.outcome)).collect();
        }
        Command::DecideAppeal { changes, .. } => {
            standing.extend(changes.iter().map(|one| ((one.part, one.person.clone()), one.outcome)));
        }
        _ => {}
    }
}

fn check_decider(before: &Entry, command: &Command, now: Instant) -> Result<(), TestCaseError> {
    match command {
        Command::Decide { by, persons, .. } => {
            for one in persons {
                let party = before.party(one.part).unwrap();
                prop_assert!(party.who.post().is_none_or(|post| rank(post) < rank(by)), "on himself, or from below");
                prop_assert!(party.statement.is_some() || now >= before.statement_until, "unheard");
                prop_assert!(before.basis_annulled_at.is_none() || !one.outcome.blames());
            }
        }
        Command::DecideAppeal { by, .. } => {
            let last = before.decisions.last().unwrap();
            prop_assert!(rank(by) > rank(&last.by), "the appeal is decided above");
        }
        Command::State { by, .. } | Command::Appeal { by, .. } => prop_assert!(before.charges(by)),
        Command::Open(_) | Command::AnnulBasis | Command::AnnulCharge => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_is_asked_nobody_is_judge_of_himself_or_unheard_and_the_last_outcome_counts(
        pair in 0_usize..5, county in any::<bool>(), steps in proptest::collection::vec(step(), 1..40)
    ) {
        let (direct, beside) = [
            (member(), secretary()), (secretary(), secretary()), (agency(), centre()), (centre(), office()), (office(), city()),
        ][pair].clone();
        let decider = if county { VillageDecider::CountyOffice } else { VillageDecider::TownshipCentre };
        let mut ledger = Ledger::opened_under(VillageRules { decider, ..VillageRules::default() }, direct, beside);
        let (mut standing, mut taken) = (Standing::new(), 1);
        for step in steps {
            ledger.now = ledger.now.checked_add(SignedDuration::from_hours(step.hours)).unwrap();
            let before = ledger.entry().clone();
            let command = step.command(&before);
            if ledger.tell(command.clone()).is_err() {
                prop_assert_eq!(ledger.entry.as_ref(), Some(&before), "a refusal leaves nothing half-done");
                continue;
            }
            taken += 1;
            check_decider(&before, &command, ledger.now)?;
            follow(&mut standing, &command);
            let entry = ledger.entry();
            prop_assert_eq!(entry.sequence, taken);
            prop_assert!(entry.decisions.len() >= before.decisions.len(), "no decision is erased");
            prop_assert!(entry.state != State::Withdrawn || entry.decisions.is_empty());
            let last = entry.decisions.last().map(|last| last.persons.clone()).unwrap_or_default();
            let last: Standing = last.into_iter().map(|one| ((one.part, one.person), one.outcome)).collect();
            prop_assert_eq!(&last, &standing);
        }
    }
}
