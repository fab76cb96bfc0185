//! A random year of a city, the same for the same seed: cases with their turns, tips, inspections, measures, rewards, publicity and
//! accountability, by posts of every kind, many of them at the edges of months, told in a random order of their aggregates and partly twice.

use dafei_contracts::{
    events::v1::{self as pb, CaseSource, TipVerdict},
    types::v1::measure::Kind,
};
use dafei_kernel::ids;
use uuid::Uuid;

use crate::{
    accountability::{Entry, Person},
    events::{By, Case, Told, at, close, criminal, fine, post, region, stop},
    intake_events::{Book, Inspection, reward_paid},
};

/// Where things happen: the last is coded under another county.
const PLACES: [(&str, [By; 6]); 3] = [
    (
        "city:371300/county:371302/township:371302001",
        [
            By("township-agency", "township:371302001", "public-security"),
            By("township-centre", "township:371302001", ""),
            By("village-secretary", "village:371302001001", ""),
            By("county-department", "county:371302", "emergency-management"),
            By("county-department", "county:371302", "public-security"),
            By("county-office", "county:371302", ""),
        ],
    ),
    (
        "city:371300/county:371302/township:371302002",
        [
            By("township-agency", "township:371302002", "market-regulation"),
            By("township-centre", "township:371302002", ""),
            By("township-agency", "township:371302002", "public-security"),
            By("county-department", "county:371302", "emergency-management"),
            By("county-department", "county:371302", "transport"),
            By("county-commander", "county:371302", ""),
        ],
    ),
    (
        "city:371300/county:371371/township:371311004",
        [
            By("township-agency", "township:371311004", "public-security"),
            By("township-centre", "township:371311004", ""),
            By("township-agency", "township:371311004", "transport"),
            By("county-department", "county:371371", "emergency-management"),
            By("county-department", "county:371371", "public-security"),
            By("county-office", "county:371371", ""),
        ],
    ),
];
const CITY: [By; 3] = [
    By("city-department", "city:371300", "emergency-management"),
    By("city-department", "city:371300", "public-security"),
    By("city-office", "city:371300", ""),
];
const ACTS: [&str; 6] = ["FW-1", "HC-2", "MI-1", "FS-2", "CE-1", "SE-1"];
const SECTORS: [&str; 4] = ["fireworks", "hazardous-chemicals", "mines", ""];
const ENTERPRISES: [&str; 3] = ["91371302MA3C000015", "91350100M000100Y43", "91110000100001560D"];
const SOURCES: [CaseSource; 5] = [
    CaseSource::GridReport,
    CaseSource::PublicTip,
    CaseSource::SuperiorSupervision,
    CaseSource::DailyCheck,
    CaseSource::Accident,
];

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).expect("below a usize")
    }

    fn of<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())].clone()
    }

    fn number(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound as usize)).expect("below a u32")
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Somewhen in 2026, often at the edge of a month in Shanghai.
    fn when(&mut self) -> String {
        let (month, day) = (1 + self.below(12), 1 + self.below(28));
        if !self.once_in(3) {
            let (hour, minute) = (self.below(24), self.below(60));
            return format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00+08:00");
        }
        let first = format!("2026-{month:02}-01T00:00:00+08:00");
        if self.once_in(2) || month == 1 {
            return first;
        }
        let edge = at(&first).saturating_sub(jiff::SignedDuration::from_micros(1)).expect("an instant");
        edge.to_string()
    }

    fn by(&mut self, place: usize) -> By {
        if self.once_in(5) { self.of(&CITY) } else { self.of(&PLACES[place].1) }
    }

    fn measure(&mut self) -> Kind {
        match self.below(4) {
            0 => fine(1 + i64::from(self.number(9_000_000))),
            1 => stop(),
            2 => close(),
            _ => criminal(1 + self.number(4)),
        }
    }
}

/// The year of a seed, in the order in which it is told.
pub(crate) fn city_year(seed: u64) -> Vec<Told> {
    let mut draw = Draw(seed);
    let cases: Vec<Vec<Told>> = (0..150).map(|number| case(&mut draw, number)).collect();
    let inspections = (0..150).map(|number| vec![inspection(&mut draw, number)]).collect();
    let rewards = (0..40).map(|number| vec![reward(&mut draw, number)]).collect();
    let entries = (0..60).map(|number| entry(&mut draw, number)).collect();
    let aggregates: Vec<Vec<Told>> = [cases, inspections, rewards, entries, vec![publicity(&mut draw)]].concat();
    interleave(&mut draw, aggregates)
}

/// Each aggregate in its order, all of them mixed, and about every eighth event told again later.
fn interleave(draw: &mut Draw, aggregates: Vec<Vec<Told>>) -> Vec<Told> {
    let mut waiting: Vec<std::vec::IntoIter<Told>> = aggregates.into_iter().map(IntoIterator::into_iter).collect();
    let mut told: Vec<Told> = Vec::new();
    while !waiting.is_empty() {
        let index = draw.below(waiting.len());
        match waiting[index].next() {
            Some(next) => told.push(next),
            None => drop(waiting.swap_remove(index)),
        }
        if !told.is_empty() && draw.once_in(8) {
            told.push(draw.of(&told));
        }
    }
    told
}

fn case(draw: &mut Draw, number: u32) -> Vec<Told> {
    let place = draw.below(PLACES.len());
    let act = draw.of(&ACTS);
    let mut case = Case::open_in(number, act, PLACES[place].0).from(draw.of(&SOURCES));
    for _ in 0..draw.below(8) {
        let (by, when) = (draw.by(place), draw.when());
        case = match draw.below(9) {
            0 | 1 => case.confirmed(by, &when),
            // The same number may come twice: the same measure, told again.
            2..=4 => {
                let id = format!("m{}", draw.below(3));
                let lead = if draw.once_in(4) { None } else { Some(draw.by(place)) };
                case.led_measure(by, lead, &id, &when, draw.measure())
            }
            5 => {
                let verdict = if draw.once_in(2) { TipVerdict::True } else { TipVerdict::False };
                // A tip may be told by two cases, and by one that was reopened again.
                case.verified(by, ids::derived(&["tip", &draw.below(60).to_string()]), verdict, &when)
            }
            6 => {
                let of = draw.of(&ENTERPRISES);
                case.of_enterprise(of)
            }
            _ => {
                turn(draw, &mut case, place);
                case
            }
        };
    }
    case.told
}

/// What happens to a case and counts nothing by itself.
fn turn(draw: &mut Draw, case: &mut Case, place: usize) {
    let (case_id, tier) = (case.id.to_string(), pb::Tier::County.into());
    match draw.below(5) {
        0 => {
            let county = Some(region(PLACES[place].1[3].1));
            case.tell(pb::Escalated { case_id, county, reason: "beyond its powers".to_owned(), ..Default::default() });
        }
        1 => case.tell(pb::AssignmentReturned {
            case_id,
            assignee: Some(pb::Assignee {
                instruction_id: Uuid::from_u128(1).to_string(),
                post: Some(post(PLACES[place].1[3])),
                lead: true,
            }),
            leg: 1,
            ..Default::default()
        }),
        2 => {
            let into_case_id = ids::derived(&["case", &draw.below(150).to_string()]).to_string();
            case.tell(pb::CaseMerged { case_id, into_case_id, tier, ..Default::default() });
        }
        3 => case.tell(pb::CaseReopened { case_id, tier, ..Default::default() }),
        _ => case.tell(pb::CaseClosed { case_id, tier, ..Default::default() }),
    }
}

fn inspection(draw: &mut Draw, number: u32) -> Told {
    let place = draw.below(PLACES.len());
    let (by, when) = (draw.by(place), draw.when());
    let mut inspection = if draw.once_in(3) {
        Inspection::of_den(number, by, &when)
    } else {
        Inspection::of_enterprise(number, by, &when, draw.of(&ENTERPRISES))
    };
    inspection = inspection.elsewhere(PLACES[place].0, draw.of(&SECTORS));
    if draw.once_in(4) {
        inspection = inspection.daily();
    }
    for _ in 0..draw.below(3) {
        let became = draw.once_in(3).then(|| ids::derived(&["case", "1"]));
        // Drawn twice, the same act is one.
        inspection = inspection.act(draw.of(&ACTS), became);
    }
    for number in 0..draw.below(3) {
        inspection = inspection.measure(&number.to_string(), &draw.when(), draw.measure());
    }
    inspection.told()
}

fn reward(draw: &mut Draw, number: u32) -> Told {
    let place = draw.below(PLACES.len());
    let office = draw.of(&[PLACES[place].1[1], PLACES[place].1[5], CITY[2]]);
    reward_paid(number, office, PLACES[place].0, &draw.when(), 1 + i64::from(draw.number(500_000)))
}

fn publicity(draw: &mut Draw) -> Vec<Told> {
    let mut book = Book::default();
    for _ in 0..60 {
        let (by, when, copies) = (draw.of(&PLACES[0].1), draw.when(), 1 + draw.number(300));
        book = match draw.below(3) {
            0 => book.notice(by, pb::NoticeKind::Reward, copies, &when),
            1 => book.notice(by, pb::NoticeKind::Work, copies, &when),
            _ => book.leaflets(by, copies, &when),
        };
    }
    book.told
}

fn entry(draw: &mut Draw, number: u32) -> Vec<Told> {
    let place = draw.below(PLACES.len());
    let mut entry = Entry::new(number, PLACES[place].0, draw.of(&["fireworks", "mines", ""]));
    let office = draw.of(&[PLACES[place].1[1], PLACES[place].1[5], CITY[2]]);
    let when = draw.when();
    let mut told = vec![entry.opened(), entry.decided(office, &when, &persons(draw, place))];
    for _ in 0..draw.below(3) {
        // The month and the office stay those of the first decision.
        told.push(entry.appeal_decided(office, &when, &persons(draw, place)));
    }
    told
}

fn persons(draw: &mut Draw, place: usize) -> Vec<Person> {
    let outcomes = ["warning-talk", "held-accountable", "not-pursued", "reduced"];
    ["赵主任", "钱副主任", "王书记"]
        .into_iter()
        .take(draw.below(4))
        .map(|name| {
            let (leading, secretary) = (draw.once_in(2), draw.once_in(2));
            let of = if secretary { By("village-secretary", "village:371302001001", "") } else { PLACES[place].1[1] };
            (of, name, draw.of(&outcomes), leading)
        })
        .collect()
}
