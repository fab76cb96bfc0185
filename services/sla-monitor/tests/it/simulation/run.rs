//! A run: the stories are told to the service, step by step, through all trouble, and what it makes of them is compared.

use std::collections::BTreeMap;

use super::{
    DAY, Dice, HOUR, Micros, Plan, SECOND, check,
    city::{self, Place, Story},
    days,
    duties::{self, Books},
    laws::Laws,
    ledger::{Ledger, announced},
    monitor::Monitor,
    offices, owed, roster, story,
    tell::{self, instant},
    trouble::Publisher,
};
use crate::events::Told;

/// In each county.
const CASES_A_DAY: u128 = 1;
/// All are in the roster so long before the run: a quarter's evaluation is owed from the quarter's first day.
const KNOWN_BEFORE: Micros = 130 * DAY;

/// An instant at which all was announced that could be, and up to where publishers were complete then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) now: Micros,
    pub(crate) intake: Micros,
    pub(crate) reporting: Micros,
}

/// Runs a plan to its end and says how much was compared, or what differs.
pub(crate) async fn run(plan: Plan) -> Result<String, String> {
    let begun = std::time::Instant::now();
    let mut dice = Dice::new(plan.seed);
    let days = i64::from(plan.days);
    let start = days::start_of("2026-01-01") + dice.below(366 - days) * DAY;
    let end = start + days * DAY;
    let mut laws = Laws::of(&mut dice, start, days);
    let places = places(&mut dice, plan, start);
    let stories = stories(&mut dice, plan, &laws, &places, start, end);
    let entered = start - KNOWN_BEFORE;
    let books: Vec<Books> =
        places.iter().map(|place| duties::books(&mut dice, &laws, place, (start, end), entered)).collect();
    let offices = offices::offices(&mut dice, &laws, &places, (start, end), entered);
    let told = stories.iter().flat_map(tell::events).chain(books.iter().flat_map(duties::events));
    let events: Vec<(Micros, Told)> = told.chain(offices.events).collect();
    let roster = roster::roster(&places, entered - 30 * DAY, entered);
    let mut monitor = Monitor::start(&roster, &laws, entered, start).await;
    let mut publishers = ["intake", "dispatch", "reporting"].map(|service| Publisher::new(service, &events, start));
    let (mut now, mut steps) = (start, 0);
    while now < end {
        now = (now + HOUR + dice.seconds_below(35 * HOUR)).min(end);
        steps += 1;
        monitor.step(&mut dice, &mut publishers, &mut laws, now, now == end).await;
    }
    let stepped = begun.elapsed();
    monitor.settle(now).await;
    let lights = announced(&monitor.world).await;
    let mut ledger = Ledger::read(&monitor.world).await;
    ledger.duties.retain(|(_, unit, _), _| !roster::is_of_the_world(unit));
    let tally = check::all(ledger.cases, &stories, &laws, &lights, end)?;
    if monitor.moved != Some(tally.moved) {
        return Err(format!("the calendar has moved {:?} limits, and {} were to be moved", monitor.moved, tally.moved));
    }
    let mut owed = offices.owed;
    owed.extend(books.iter().flat_map(|books| duties::owed(books, &laws, (start, end))));
    let duties = owed::check(ledger.duties, &owed, &lights, &monitor.watched, end)?;
    enough(plan, &tally, &duties)?;
    let (cases, told, from) = (stories.len(), events.len(), instant(start));
    Ok(format!(
        "from {from}: {cases} cases, {told} events in {steps} steps, {} outages, {stepped:?} of {:?}; {duties:?}; {tally:?}",
        monitor.outages,
        begun.elapsed()
    ))
}

/// A run in which something never happens would show nothing of it.
fn enough(plan: Plan, tally: &check::Tally, duties: &owed::Duties) -> Result<(), String> {
    let mut little = tally.clocks.len() < 12 || tally.breached < 20 || tally.annulled == 0 || duties.annulled == 0;
    little |= tally.moved == 0 || tally.kept == 0 || tally.versions.len() < 2 || duties.versions.len() < 2;
    let breached: BTreeMap<_, _> = duties.clocks.iter().filter(|(_, (_, breached))| *breached > 0).collect();
    // The limit of a quarter need not lie in a short run.
    little |= breached.len() < if plan.days < 200 { 6 } else { 7 };
    if little { Err(format!("too little happened: {tally:?} {duties:?}")) } else { Ok(()) }
}

/// The villages, whose posts change hands once somewhere in the run.
fn places(dice: &mut Dice, plan: Plan, start: Micros) -> Vec<Place> {
    let days = i64::from(plan.days);
    let changes: Vec<Micros> = (0..plan.counties).map(|_| start + dice.seconds_below(days * DAY)).collect();
    city::places(&changes)
}

/// The stories up to the end of the run.
fn stories(dice: &mut Dice, plan: Plan, laws: &Laws, places: &[Place], start: Micros, end: Micros) -> Vec<Story> {
    let cases = u128::from(plan.days) * u128::from(plan.counties) * CASES_A_DAY;
    let mut stories = Vec::new();
    for number in 1..=cases {
        let begin = start + SECOND + dice.seconds_below(end - start);
        let place = dice.index(places.len());
        let mut story = story::story(dice, laws, &places[place], number, begin);
        story.acts.retain(|act| act.told < end);
        stories.push(story);
    }
    stories
}
