//! What offices owe, as reporting tells of it: the briefings of townships (W3) and counties (M2), the monthly tables of all filing units
//! (M1), of which those above wait for those below, and the evaluation of counties (Q1).

use std::collections::BTreeMap;

use dafei_contracts::{Event, events::v1 as ev};
use uuid::Uuid;

use super::{
    DAY, Dice, HOUR, Micros,
    city::{AGENCIES, Place},
    days::{Period, months, weeks, yellow},
    laws::Laws,
    owed::{Deed, Owed, deed, told_after},
    running::Running,
    tell::stamp,
};
use crate::events::{CITY, Told, wire_post, wire_region};

/// An office, centre or department.
#[derive(Debug, Clone)]
struct Unit {
    place: Place,
    /// `county:371321`, or `county:371321/energy`.
    name: String,
    role: &'static str,
    agency: &'static str,
    /// How far down it is among those that file: the last first.
    tier: usize,
}

impl Unit {
    fn of(place: Place, role: &'static str, agency: &'static str, tier: usize) -> Self {
        let region = place.path.rsplit('/').next().unwrap();
        let name = if agency.is_empty() { region.to_owned() } else { format!("{region}/{agency}") };
        Self { place, name, role, agency, tier }
    }

    fn region(&self) -> &str {
        self.place.path.rsplit('/').next().unwrap()
    }

    fn post(&self) -> String {
        format!("{}@{}", self.role, self.name)
    }

    /// The office that collects its table.
    fn collector(&self) -> String {
        if matches!(self.role, "township-centre" | "county-department") {
            format!("county-office@{}", self.place.at("county"))
        } else {
            format!("city-office@{CITY}")
        }
    }
}

/// Those below come before those above.
fn units(places: &[Place]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut add = |unit: Unit| {
        if units.iter().all(|known| known.name != unit.name) {
            units.push(unit);
        }
    };
    for place in places {
        add(Unit::of(place.up_to("township"), "township-centre", "", 0));
        for agency in AGENCIES {
            add(Unit::of(place.up_to("county"), "county-department", agency, 0));
            add(Unit::of(place.up_to("city"), "city-department", agency, 0));
        }
        add(Unit::of(place.up_to("county"), "county-office", "", 1));
        add(Unit::of(place.up_to("city"), "city-office", "", 2));
    }
    units.sort_by_key(|unit| unit.tier);
    units
}

/// What offices owed and did.
pub(crate) struct Offices {
    pub(crate) owed: Vec<Owed>,
    pub(crate) events: Vec<(Micros, Told)>,
}

struct Teller<'a> {
    dice: &'a mut Dice,
    laws: &'a Laws,
    /// The run's first and last moment.
    run: (Micros, Micros),
    aggregates: u128,
    offices: Offices,
}

/// All are in the roster since `entered`, long before the run.
pub(crate) fn offices(
    dice: &mut Dice,
    laws: &Laws,
    places: &[Place],
    run: (Micros, Micros),
    entered: Micros,
) -> Offices {
    let offices = Offices { owed: Vec::new(), events: Vec::new() };
    let mut teller = Teller { dice, laws, run, aggregates: 0, offices };
    let (start, end) = run;
    let units = units(places);
    for unit in units.iter().filter(|unit| unit.role == "township-centre") {
        // On the week before.
        for week in weeks(start - 8 * DAY, end).into_iter().filter(|week| (start..end).contains(&week.end)) {
            let (started, due) = (week.end, week.end + 7 * DAY);
            teller.owe("W3", unit, &week, (started, due));
        }
    }
    for month in months(start - 32 * DAY, end, 1).into_iter().filter(|month| (start..end).contains(&month.end)) {
        teller.tables(&units, &month);
        for unit in units.iter().filter(|unit| unit.role == "county-office") {
            let due = month.end + laws.limits(month.end).briefing * DAY;
            teller.owe("M2", unit, &month, (month.end, due));
        }
    }
    for unit in units.iter().filter(|unit| unit.role == "county-office") {
        // It runs from the quarter's first day.
        for quarter in months(entered, end, 3).into_iter().filter(|quarter| quarter.start >= entered) {
            let due = quarter.end + laws.limits(quarter.start).evaluation * DAY;
            teller.owe("Q1", unit, &quarter, (quarter.start, due));
        }
    }
    teller.offices
}

impl Teller<'_> {
    /// A month's tables: whoever collects files behind the last from whom something came, and now and then without waiting.
    fn tables(&mut self, units: &[Unit], month: &Period) {
        let mut last: BTreeMap<String, Micros> = BTreeMap::new();
        for unit in units {
            let due = month.end + self.laws.limits(month.end).filing[unit.tier] * DAY;
            let below = last.get(&unit.post()).copied().filter(|_| !self.dice.chance(25));
            let filed = match below {
                Some(below) if self.dice.chance(92) => {
                    let at = if self.dice.chance(30) { below } else { below + self.dice.seconds_below(8 * HOUR) };
                    Some(Deed { at, told: told_after(self.dice, at) })
                }
                Some(_) => None,
                None => deed(self.dice, month.end, due),
            };
            if let Some(filed) = filed {
                let above = last.entry(unit.collector()).or_default();
                *above = filed.at.max(*above);
            }
            self.record("M1", unit, month, (month.end, due), filed);
        }
    }

    fn owe(&mut self, clock: &'static str, unit: &Unit, period: &Period, (started, due): (Micros, Micros)) {
        let done = deed(self.dice, started, due);
        self.record(clock, unit, period, (started, due), done);
    }

    fn record(
        &mut self,
        clock: &'static str,
        unit: &Unit,
        period: &Period,
        (started, due): (Micros, Micros),
        done: Option<Deed>,
    ) {
        let mut deeds = Vec::from_iter(done);
        if let Some(first) = done.filter(|_| self.dice.chance(10)) {
            // Once more: another briefing, the next version of a table.
            let at = first.at + self.dice.seconds_below(3 * DAY);
            deeds.push(Deed { at, told: told_after(self.dice, at).max(first.told + 1) });
        }
        deeds.retain(|deed| deed.told < self.run.1);
        self.tell(clock, unit, &period.name, &deeds);
        let collector = if clock == "M1" { unit.collector() } else { unit.post() };
        let owners = [unit.post(), collector].map(|post| unit.place.held(&post, started));
        let rules = self.laws.limits(started).version;
        let running = Running::of_duty(clock, 1, (started, yellow(started, due), due), owners, rules);
        self.offices.owed.push(Owed::by_deeds(&unit.name, &period.name, running, deeds, 1));
    }

    fn tell(&mut self, clock: &str, unit: &Unit, period: &str, deeds: &[Deed]) {
        self.aggregates += 1;
        for (deed, number) in deeds.iter().zip(1_u32..) {
            // Versions of a table follow each other, a further briefing is one of its own.
            let (mut aggregate, mut sequence) = ((1 << 110) + (self.aggregates << 8), 1);
            if clock == "M1" {
                sequence = i64::from(number)
            } else {
                aggregate += u128::from(number)
            }
            let aggregate = Uuid::from_u128(aggregate);
            let mut event = event(clock, unit, period, deed.at, number);
            event.set_meta(ev::EventMeta {
                aggregate_id: aggregate.to_string(),
                sequence,
                region_path: unit.place.path.clone(),
                received_at: stamp(deed.told),
                ..Default::default()
            });
            self.offices.events.push((deed.told, Told { service: "reporting", aggregate, sequence, event }));
        }
    }
}

fn event(clock: &str, unit: &Unit, period: &str, at: Micros, version: u32) -> Event {
    let (region, period) = (Some(wire_region(unit.region())), period.to_owned());
    match clock {
        "W3" | "M2" => {
            ev::BriefingReleased { meta: None, unit: region, period, released_at: stamp(at), sha256: String::new() }
                .into()
        }
        "Q1" => ev::EvaluationComplete { meta: None, county: region, quarter: period, completed_at: stamp(at) }.into(),
        "M1" => {
            let post = Some(wire_post(unit.role, unit.region(), unit.agency));
            ev::TableFiled { meta: None, unit: post, month: period, filed_at: stamp(at), version }.into()
        }
        other => panic!("{other} is no office's"),
    }
}
