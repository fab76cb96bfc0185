//! Random histories: what a city's villages, townships, departments and offices did, and what their offices decided on persons.

use dafei_kernel::{
    act::Act,
    agency::Agency,
    credit_code::CreditCode,
    owner::Post,
    region::{Level, Region},
    role::Role,
    subject::Subject,
    time::Instant,
};
use dafei_reporting_core::{
    Decided, Happening, Sanction, Source,
    decided::Person,
    happening::{Measure, Verdict, What},
};
use proptest::prelude::*;
use uuid::Uuid;

/// Townships with the county that administers them; the last one is coded under another county (a development zone's).
pub(crate) const TOWNSHIPS: [(&str, &str); 4] =
    [("371302", "371302001"), ("371302", "371302002"), ("371311", "371311001"), ("371371", "371311004")];
pub(crate) const ACTS: [&str; 4] = ["FW-1", "HC-2", "MI-1", "SE-99"];
pub(crate) const ENTERPRISES: [&str; 2] = ["91350100M000100Y43", "91371302MA3C000015"];

pub(crate) fn region(level: Level, code: &str) -> Region {
    Region::new(level, code).expect("a code of its level")
}

pub(crate) fn happening() -> impl Strategy<Value = Happening> {
    let what = prop_oneof![
        3 => (0..ACTS.len()).prop_map(|act| Drawn::Act(act, None)),
        2 => (0..ACTS.len(), any::<bool>()).prop_map(|(act, became_case)| Drawn::Act(act, Some(became_case))),
        5 => (0..3_u32, measure(), any::<bool>(), proptest::option::of(0..7_usize))
            .prop_map(|(id, measure, of, lead)| Drawn::Measure(id, measure, of, lead)),
        3 => any::<(bool, bool)>().prop_map(|(enforcement, of)| Drawn::Inspected(enforcement, of)),
        3 => prop_oneof![
            any::<bool>().prop_map(|valid| What::TipVerified { verdict: if valid { Verdict::True } else { Verdict::False } }),
            (1..1_000_000_i64).prop_map(|fen| What::RewardPaid { fen }),
            (any::<bool>(), 1..20_u32).prop_map(|(reward, copies)| What::NoticePosted { reward, copies }),
            (1..2_000_u32).prop_map(|copies| What::LeafletsDistributed { copies }),
        ].prop_map(Drawn::Plain),
    ];
    (0..6_u128, 1..20_i64, 0..TOWNSHIPS.len(), 0..7_usize, 0..63_i64, 0..ACTS.len(), what, any::<u64>()).prop_map(
        |(case, sequence, place, role, day, act, what, event)| {
            let (county, township) = TOWNSHIPS[place];
            let act: Act = ACTS[act].parse().expect("an act");
            Happening {
                about: Uuid::from_u128(case),
                case_id: Some(Uuid::from_u128(case)),
                event_id: Uuid::from_u128(u128::from(event)),
                sequence,
                path: format!("city:371300/county:{county}/township:{township}").parse().expect("a path"),
                by: post(role, county, township),
                at: Instant::from_second(1_793_000_000 + day * 86_400).expect("an instant"),
                sector: (day % 7 != 0).then(|| act.sector()),
                act: Some(act),
                source: Some(Source::GridReport),
                what: match what {
                    Drawn::Plain(what) => what,
                    Drawn::Act(act, None) => What::ActConfirmed { act: named(act) },
                    Drawn::Act(act, Some(became_case)) => {
                        let text = if named(act).needs_text() { format!("其他{}", day % 2) } else { String::new() };
                        What::ActFound { act: named(act), text, became_case }
                    }
                    Drawn::Inspected(enforcement, of) => What::Inspected { enforcement, subject: subject(of, day) },
                    Drawn::Measure(measure_id, measure, of, lead) => What::Measure {
                        measure_id: measure_id.to_string(),
                        measure,
                        subject: subject(of, day),
                        lead: lead.map(|role| post(role, county, township)),
                    },
                },
            }
        },
    )
}

/// What happened, before its act and subject are named.
#[derive(Debug, Clone)]
pub(crate) enum Drawn {
    /// An act of a case, or one that an inspection found and that may have become a case.
    Act(usize, Option<bool>),
    /// Its id, what it is, whether of an enterprise, and the lead, if one is told.
    Measure(u32, Measure, bool, Option<usize>),
    Inspected(bool, bool),
    Plain(What),
}

pub(crate) fn named(act: usize) -> Act {
    ACTS[act].parse().expect("an act")
}

pub(crate) fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        Just(Measure::CloseDown),
        Just(Measure::StopProduction),
        (1..10_000_000_i64).prop_map(|fen| Measure::Fine { fen }),
        (1..5_u32).prop_map(|persons| Measure::CriminalMeasure { persons }),
    ]
}

pub(crate) fn post(role: usize, county: &str, township: &str) -> Post {
    let (township, county, city) =
        (region(Level::Township, township), region(Level::County, county), region(Level::City, "371300"));
    let (role, region, agency) = match role {
        0 => (Role::TownshipAgency, township, Some(Agency::PublicSecurity)),
        1 => (Role::TownshipCentre, township, None),
        2 => (Role::CountyDepartment, county, Some(Agency::EmergencyManagement)),
        3 => (Role::CountyDepartment, county, Some(Agency::PublicSecurity)),
        4 => (Role::CountyOffice, county, None),
        5 => (Role::CityDepartment, city, Some(Agency::EmergencyManagement)),
        _ => (Role::CityOffice, city, None),
    };
    Post { role, region, agency }
}

pub(crate) fn subject(enterprise: bool, which: i64) -> Subject {
    if enterprise {
        let code = ENTERPRISES[usize::from(which % 2 == 0)];
        Subject::Enterprise {
            credit_code: CreditCode::parse(code).expect("a credit code"),
            name: "临沂某厂".to_owned(),
            regulator: None,
            industry: dafei_kernel::industry::Industry::General,
        }
    } else {
        Subject::Den {
            place: "村东头".to_owned(), position: None, industry: dafei_kernel::industry::Industry::General
        }
    }
}

/// Words on entries of the accountability ledger: entry, sequence, office, what becomes of two persons.
pub(crate) fn decided() -> impl Strategy<Value = Decided> {
    let outcome = || proptest::sample::select(vec![None, Some(Sanction::WarningTalk), Some(Sanction::HeldAccountable)]);
    let person = || (outcome(), any::<bool>(), any::<bool>());
    (0..4_u128, 1..8_i64, any::<bool>(), 0..3_i64, proptest::collection::vec(person(), 0..3)).prop_map(
        |(entry, sequence, county, month, persons)| Decided {
            entry: Uuid::from_u128(entry),
            case_id: None,
            event_id: Uuid::from_u128(entry * 100 + u128::from(sequence.unsigned_abs())),
            sequence,
            path: "city:371300/county:371302/township:371302001".parse().expect("a path"),
            by: post(if county { 4 } else { 6 }, "371302", "371302001"),
            at: Instant::from_second(1_793_000_000 + month * 2_678_400).expect("an instant"),
            sector: (entry % 2 == 0).then(|| named(0).sector()),
            persons: persons
                .into_iter()
                .enumerate()
                .map(|(number, (sanction, leading, village_secretary))| Person {
                    responsibility: "direct".to_owned(),
                    name: number.to_string(),
                    sanction,
                    leading,
                    village_secretary,
                })
                .collect(),
        },
    )
}
