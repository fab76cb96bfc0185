use dafei_kernel::{
    agency::Agency,
    owner::Post,
    period::Period,
    region::Region,
    role::Role,
    roster::{Holder, RegionEntry, RosterIndex},
    time::Instant,
};

use super::{Direction, Rejection, Round, Sight, State, due, may_close, may_open, may_run, may_submit, pairs, sight};

fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn post(role: Role, of: &str, agency: Option<Agency>) -> Post {
    Post::new(role, region(of), agency).expect("a post")
}

fn centre(of: &str) -> Post {
    post(Role::TownshipCentre, of, None)
}

fn department(agency: Agency) -> Post {
    post(Role::CountyDepartment, "county:371302", Some(agency))
}

fn quarter() -> Period {
    "2026-Q4".parse().expect("a quarter")
}

fn roster() -> RosterIndex {
    let mut roster = RosterIndex::new();
    for (code, parent) in [
        ("city:371300", None),
        ("county:371302", Some("city:371300")),
        ("county:371311", Some("city:371300")),
        ("township:371302001", Some("county:371302")),
        ("township:371302002", Some("county:371302")),
        ("township:371311001", Some("county:371311")),
    ] {
        let entry = RegionEntry {
            region: region(code),
            name: code.to_owned(),
            parent: parent.map(region),
            work_area: None,
            households: 0,
        };
        roster.upsert_region(entry).expect("it fits");
    }
    for (role, agency) in [
        (Role::CountyDepartment, Some(Agency::EmergencyManagement)),
        (Role::CountyDepartment, Some(Agency::PublicSecurity)),
        (Role::CountyOffice, None),
    ] {
        roster.upsert_holder(Holder {
            role,
            region: region("county:371302"),
            agency,
            person: "李科长".to_owned(),
            valid_from: at("2020-01-01T00:00:00+08:00"),
            valid_until: None,
        });
    }
    roster
}

fn round(submitted: u32) -> Round {
    Round { completed_at: None, closed_at: None, expected: 8, submitted }
}

#[test]
fn each_township_and_each_department_score_each_other_and_nobody_else() {
    let all = pairs(&region("county:371302"), &roster());
    assert_eq!(all.len(), 8);
    for pair in &all {
        assert!(Direction::between(&pair.evaluator, &pair.evaluated).is_ok(), "{pair:?}");
        assert!(all.iter().any(|other| other.evaluator == pair.evaluated && other.evaluated == pair.evaluator));
    }
    assert!(pairs(&region("county:371311"), &roster()).is_empty(), "no department holds a post");
    assert!(pairs(&region("city:371300"), &roster()).is_empty());
}

#[test]
fn who_scores_whom_follows_from_the_roles() {
    let (town, police) = (centre("township:371302001"), department(Agency::PublicSecurity));
    assert_eq!(Direction::between(&town, &police), Ok(Direction::OfDepartments));
    assert_eq!(Direction::between(&police, &town), Ok(Direction::OfTownships));
    assert_eq!(Direction::between(&town, &town), Err(Rejection::Himself));
    assert_eq!(Direction::between(&town, &centre("township:371302002")), Err(Rejection::WrongDirection));
    assert_eq!(Direction::between(&police, &department(Agency::EmergencyManagement)), Err(Rejection::WrongDirection));
    let office = post(Role::CountyOffice, "county:371302", None);
    assert_eq!(Direction::between(&town, &office), Err(Rejection::WrongDirection));
    assert_eq!(Direction::between(&office, &town), Err(Rejection::NotEvaluator));
}

#[test]
fn only_the_county_s_own_office_runs_its_rounds() {
    let county = region("county:371302");
    assert_eq!(may_run(&post(Role::CountyOffice, "county:371302", None), &county), Ok(()));
    let others = [
        post(Role::CountyOffice, "county:371311", None),
        post(Role::CityOffice, "city:371300", None),
        department(Agency::EmergencyManagement),
        centre("township:371302001"),
    ];
    for other in others {
        assert_eq!(may_run(&other, &county), Err(Rejection::NotOwnOffice), "{other}");
    }
}

#[test]
fn a_round_is_opened_once_and_for_somebody() {
    let pairs = pairs(&region("county:371302"), &roster());
    assert_eq!(may_open(None, &pairs), Ok(()));
    assert_eq!(may_open(Some(&round(0)), &pairs), Err(Rejection::AlreadyOpened));
    assert_eq!(may_open(None, &[]), Err(Rejection::Nobody));
}

#[test]
fn sheets_are_due_when_the_monitor_s_rules_have_them_due() {
    let rules = include_str!("../../../../../data/clocks/default.json");
    let (_, q1) = rules.split_once("\"clock\": \"Q1\"").expect("the rules have Q1");
    let (q1, _) = q1.split_once("\"clock\"").expect("another follows");
    assert!(q1.contains(&format!("{{ \"kind\": \"county\", \"days\": {},", super::DUE_DAY)), "{q1}");
    assert!(q1.contains("\"cycle\": \"quarter\", \"runs\": \"within\""), "{q1}");
    assert_eq!(due(quarter()), at("2027-01-16T00:00:00+08:00"));
    assert_eq!(due("2026-Q1".parse().expect("a quarter")), at("2026-04-16T00:00:00+08:00"));
}

#[test]
fn sheets_come_in_from_the_opening_to_the_closing() {
    assert_eq!(may_submit(None), Err(Rejection::NotOpened));
    assert_eq!(may_submit(Some(round(3))), Ok(round(3)));
    let complete = Round { completed_at: Some(Instant::UNIX_EPOCH), ..round(8) };
    assert_eq!((complete.state(), may_submit(Some(complete))), (State::Complete, Ok(complete)), "they may be replaced");
    let closed = Round { closed_at: Some(Instant::UNIX_EPOCH), ..complete };
    assert_eq!((closed.state(), may_submit(Some(closed))), (State::Closed, Err(Rejection::Closed)));
}

#[test]
fn a_round_is_complete_once_and_with_its_last_sheet() {
    assert!(!round(7).completes());
    assert!(round(8).completes());
    assert!(!Round { completed_at: Some(Instant::UNIX_EPOCH), ..round(8) }.completes());
}

#[test]
fn a_round_is_closed_after_its_quarter_and_without_sheets_only_after_the_limit_and_expressly() {
    let close = |round, without, now| may_close(Some(round), quarter(), without, at(now)).map(|_| ());
    let (during, after) = ("2026-12-31T23:59:59.999999+08:00", "2027-01-01T00:00:00+08:00");
    let (before_limit, limit) = ("2027-01-15T23:59:59.999999+08:00", "2027-01-16T00:00:00+08:00");
    assert_eq!(close(round(8), true, during), Err(Rejection::QuarterNotEnded(quarter())));
    assert_eq!(close(round(8), false, after), Ok(()));
    assert_eq!(close(round(7), false, limit), Err(Rejection::SheetsMissing(1)));
    assert_eq!(close(round(7), true, before_limit), Err(Rejection::LimitNotPassed));
    assert_eq!(close(round(7), true, limit), Ok(()));
    assert_eq!(may_close(None, quarter(), true, at(limit)), Err(Rejection::NotOpened));
    let closed = Round { closed_at: Some(Instant::UNIX_EPOCH), ..round(8) };
    assert_eq!(close(closed, true, limit), Err(Rejection::Closed));
}

#[test]
fn scores_are_the_office_s_until_the_round_is_closed() {
    for role in Role::ALL {
        let all = matches!(role, Role::CountyOffice | Role::CityOffice | Role::Auditor | Role::Admin);
        assert_eq!(sight(*role).sees_scores(State::Open), all, "{role}");
        assert_eq!(sight(*role).sees_scores(State::Complete), all, "{role}");
        assert!(sight(*role).sees_scores(State::Closed));
    }
    assert_eq!(sight(Role::TownshipCentre), Sight::Own);
    assert_eq!(sight(Role::CountyCommander), Sight::Results);
}
