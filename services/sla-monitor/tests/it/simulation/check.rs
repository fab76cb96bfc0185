//! The service's ledger and lights against the model's.

use std::collections::BTreeMap;

use dafei_kernel::owner::Owner;
use dafei_messaging::pg::PgInstant;
use uuid::Uuid;

use super::{
    Micros, SECOND,
    city::Story,
    days::start_of,
    laws::Laws,
    ledger::{Kept, Seen},
    model::runnings,
    running::Running,
    tell::instant,
};

/// What was found alike.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) obligations: usize,
    pub(crate) breached: usize,
    pub(crate) annulled: usize,
    /// Ends that were learnt to have been earlier.
    pub(crate) corrected: usize,
    pub(crate) lights: usize,
    /// Limits that a calendar moved.
    pub(crate) moved: usize,
    /// What ended before it and keeps the limit that it would have moved, and what it found with a past limit.
    pub(crate) kept: usize,
    pub(crate) versions: BTreeMap<&'static str, usize>,
    pub(crate) clocks: BTreeMap<&'static str, usize>,
}

/// Compares all cases at the end of the run; tells the first that differ.
pub(crate) fn all(
    mut ledgers: BTreeMap<Uuid, Vec<Kept>>,
    stories: &[Story],
    laws: &Laws,
    lights: &BTreeMap<String, Vec<Seen>>,
    now: Micros,
) -> Result<Tally, String> {
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    for story in stories {
        let expected = runnings(story, laws);
        let found = ledgers.remove(&story.case).unwrap_or_default();
        let mut differences = differences(&expected, &found, now);
        if differences.is_empty() {
            for one in &found {
                let of =
                    |running: &&Running| running.clock == one.clock && i64::from(running.leg) == i64::from(one.leg);
                let running = expected.iter().find(of).unwrap();
                let seen = lights.get(&one.id.to_string()).map_or(&[][..], Vec::as_slice);
                differences.extend(fits(running, seen, now));
                tally.lights += seen.len();
                tally.breached += usize::from(one.breached && !one.annulled);
                tally.annulled += usize::from(one.annulled);
                tally.corrected += usize::from(running.corrected);
                tally.moved += usize::from(running.moved.is_some());
                tally.kept += usize::from(running.calendar == laws.shipped.0);
                *tally.versions.entry(running.rules).or_default() += 1;
                *tally.clocks.entry(running.clock).or_default() += 1;
            }
        }
        tally.obligations += found.len();
        if !differences.is_empty() {
            wrong.push(format!("case {}\n{}\n{}", story.case, differences.join("\n"), course(story)));
        }
    }
    if let Some(case) = ledgers.keys().next() {
        wrong.push(format!("case {case} is nobody's"));
    }
    if wrong.is_empty() {
        return Ok(tally);
    }
    let first: Vec<String> = wrong.iter().take(3).cloned().collect();
    Err(format!("{} of {} cases differ; the first:\n\n{}", wrong.len(), stories.len(), first.join("\n\n")))
}

pub(crate) fn show(at: Micros) -> String {
    dafei_kernel::time::format_local(instant(at)) + &format!(".{:06}", at.rem_euclid(SECOND))
}

fn course(story: &Story) -> String {
    let acts = story.acts.iter().map(|act| format!("    {} told {} {:?}", show(act.at), show(act.told), act.turn));
    format!("  story at {}\n{}", story.place.path, acts.collect::<Vec<_>>().join("\n"))
}

/// The lines of one ledger that the other has not.
pub(crate) fn differences(expected: &[Running], found: &[Kept], now: Micros) -> Vec<String> {
    let mut model: Vec<String> = expected.iter().map(|running| model_line(running, now)).collect();
    let mut service: Vec<String> = found.iter().map(service_line).collect();
    model.sort();
    service.sort();
    let only = |mine: &[String], other: &[String], sign: &str| -> Vec<String> {
        let mut other = other.to_vec();
        let lacks = mine.iter().filter(|line| match other.iter().position(|one| one == *line) {
            Some(place) => {
                other.swap_remove(place);
                false
            }
            None => true,
        });
        lacks.map(|line| format!("  {sign} {line}")).collect()
    };
    let mut differences = only(&model, &service, "model  ");
    differences.extend(only(&service, &model, "service"));
    differences
}

fn model_line(running: &Running, now: Micros) -> String {
    let late = running.breached(now);
    let end = match running.end {
        _ if late && running.ends_with_breach => format!("missed {}", show(running.due)),
        None => "open".to_owned(),
        Some(end) => format!("{} {}", if end.settled { "settled" } else { "cancelled" }, show(end.at)),
    };
    let Running { clock, leg, started, due, direct, loop_owner, rules, calendar, .. } = running;
    let breached = if late { "breached" } else { "in time" };
    let (started, due) = (show(*started), show(*due));
    format!("{clock}/{leg} {started} due {due} {end}, {breached}; {direct}; {loop_owner}; {rules} {calendar}")
}

fn service_line(kept: &Kept) -> String {
    let at = |at: PgInstant| show(at.0.as_microsecond());
    let end = kept
        .ended_at
        .map_or("open".to_owned(), |ended| format!("{} {}", kept.end_kind.as_deref().unwrap_or_default(), at(ended)));
    let breached = if kept.breached && !kept.annulled { "breached" } else { "in time" };
    let owner = |owner: &Owner| format!("{} {}", owner.post, owner.persons.join("、"));
    let (direct, loop_owner) = (owner(&kept.direct.0), owner(&kept.loop_owner.0));
    let Kept { clock, leg, rule_version: rules, calendar_version: calendar, .. } = kept;
    let (started, due) = (at(kept.started_at), at(kept.due));
    format!("{clock}/{leg} {started} due {due} {end}, {breached}; {direct}; {loop_owner}; {rules} {calendar}")
}

/// What of the lights does not fit the model.
pub(crate) fn fits(running: &Running, seen: &[Seen], now: Micros) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("  {}/{}: {what}; lights: {}", running.clock, running.leg, told(seen)));
        }
    };
    let count = |fact: &str| seen.iter().filter(|seen| seen.fact == fact).count();
    let place = |fact: &str| seen.iter().position(|seen| seen.fact == fact);
    let late = running.breached(now);
    demand(seen.iter().zip(1..).all(|(seen, sequence)| seen.sequence == sequence), "the numbers have gaps");
    // Beyond the calendar's last covered day, which is the last of 2026, a limit in working days may still change.
    let covered = running.due <= start_of("2027-01-01");
    let uncovered = !covered && matches!(running.clock, "K3" | "P1");
    demand(count("provisional") == 0 || uncovered, "provisional within the calendar");
    for fact in ["provisional", "warned", "breached", "settled", "cancelled", "annulled"] {
        demand(count(fact) <= 1, &format!("{fact} more than once"));
    }
    demand(count("extended") == usize::from(running.moved.is_some()), "not told once of a limit that was moved");
    if late {
        demand(count("breached") == 1 && count("annulled") == 0, "late, and not one standing breach");
    } else {
        demand(count("breached") == count("annulled"), "in time, and a breach stands");
    }
    if running.end.is_some_and(|end| end.told < running.late_from()) {
        demand(count("breached") == 0, "breached while its end was known");
    }
    if let Some(annulled) = place("annulled") {
        demand(place("breached").is_some_and(|red| red < annulled), "annulled before it was breached");
    }
    if let (Some(warned), Some(red)) = (place("warned"), place("breached")) {
        demand(warned < red, "a yellow light after the red one");
    }
    let settled = running.end.filter(|end| end.settled);
    demand(count("settled") == usize::from(settled.is_some()), "not settled as often as the act was done");
    let cancelled = count("cancelled");
    match running.end {
        None => demand(cancelled == 0, "cancelled while open"),
        // The closing may be known before the publication of the same instant, which is the village's to tell.
        Some(end) if end.settled => demand(cancelled == 0 || running.clock == "P1", "cancelled and settled"),
        Some(_) => demand(cancelled == 1, "not cancelled"),
    }
    // What is told once stays told: of an end that turns out to have been earlier the ledger knows, and a red light is annulled after it.
    if let Some(end) = running.end.filter(|_| !running.corrected) {
        let fact = if end.settled { "settled" } else { "cancelled" };
        demand(seen.last().is_some_and(|last| last.fact == fact), "its end is not the last word");
    }
    let (mut red, mut reminders, mut moved) = (false, 0, running.moved);
    for one in seen {
        let at = match one.fact {
            // Before the limit was moved its yellow light was another.
            "warned" => moved.map_or(running.warn, |moved| moved.warn),
            "extended" => {
                let previous = moved.take().map(|moved| moved.due);
                demand(previous == one.previous_due, "moved from another limit");
                running.moved.map_or(0, |moved| moved.at)
            }
            "breached" => running.due,
            "reminded" => {
                demand(red && one.number > reminders, "reminders out of order");
                reminders = one.number;
                let known = running.end.map_or(now, |end| end.told);
                demand(one.at <= known.min(now), "reminded after its end was known");
                demand(!running.ends_with_breach, "reminded of what is over");
                running.reminder(one.number)
            }
            "settled" | "cancelled" if !running.corrected => running.end.map_or(0, |end| end.at),
            _ => one.at,
        };
        red |= one.fact == "breached";
        demand(one.at == at, &format!("{} is of {} and not of {}", one.fact, show(one.at), show(at)));
    }
    if let Some(end) = settled.filter(|_| !running.corrected) {
        let seconds =
            if end.at < running.late_from() { 0 } else { ((end.at - running.due + SECOND - 1) / SECOND).max(1) };
        let all = seen.iter().filter(|seen| seen.fact == "settled").all(|seen| seen.late_seconds == seconds);
        demand(all, &format!("not {seconds} s late"));
    }
    wrong
}

pub(crate) fn told(seen: &[Seen]) -> String {
    seen.iter().map(|seen| format!("{} {}", seen.fact, show(seen.at))).collect::<Vec<_>>().join(", ")
}
