//! The service's ledger and lights against the model's.

use std::collections::BTreeMap;

use dafei_contracts::Event;
use dafei_kernel::owner::Owner;
use dafei_messaging::pg::PgInstant;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    Micros, SECOND,
    city::Story,
    days::{Workdays, start_of},
    model::{Running, runnings},
    tell::instant,
};
use crate::world::{World, obligation};

/// A light as it was announced.
pub(crate) struct Seen {
    pub(crate) fact: &'static str,
    pub(crate) at: Micros,
    sequence: i64,
    /// Of a reminder.
    number: u32,
    /// Of a settlement.
    late_seconds: i64,
}

/// What was found alike.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) obligations: usize,
    pub(crate) breached: usize,
    pub(crate) annulled: usize,
    /// Ends that were learnt to have been earlier.
    pub(crate) corrected: usize,
    pub(crate) lights: usize,
    pub(crate) clocks: BTreeMap<&'static str, usize>,
}

/// An obligation as the service keeps it.
#[derive(sqlx::FromRow)]
struct Kept {
    id: Uuid,
    case_id: Uuid,
    clock: String,
    leg: i32,
    started_at: PgInstant,
    due: PgInstant,
    end_kind: Option<String>,
    ended_at: Option<PgInstant>,
    breached: bool,
    annulled: bool,
    direct: Json<Owner>,
    loop_owner: Json<Owner>,
}

/// The service's ledger, by cases. The whole of it, of thousands of cases: the lists' requests would take longer than all else.
async fn kept(world: &World) -> BTreeMap<Uuid, Vec<Kept>> {
    let rows: Vec<Kept> = sqlx::query_as(
        "SELECT id, case_id, clock, leg, started_at, due, end_kind, ended_at, breached, annulled, direct, loop_owner
         FROM obligation WHERE case_id IS NOT NULL",
    )
    .fetch_all(&world.db.pool)
    .await
    .unwrap();
    let mut cases: BTreeMap<Uuid, Vec<Kept>> = BTreeMap::new();
    for row in rows {
        cases.entry(row.case_id).or_default().push(row);
    }
    cases
}

/// Compares all cases at the end of the run; tells the first that differ.
pub(crate) async fn all(
    world: &World,
    stories: &[Story],
    lights: &BTreeMap<String, Vec<Seen>>,
    now: Micros,
) -> Result<Tally, String> {
    let mut ledgers = kept(world).await;
    let workdays = Workdays::read();
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    for story in stories {
        let expected = runnings(story, &workdays);
        let found = ledgers.remove(&story.case).unwrap_or_default();
        let mut differences = ledger(&expected, &found, now);
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

/// The lights of each obligation, in the order of the log.
pub(crate) async fn announced(world: &World) -> BTreeMap<String, Vec<Seen>> {
    let mut lights: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for (event, _) in world.whole_log().await {
        let meta = event.meta().unwrap();
        let at: dafei_kernel::time::Instant = meta.received_at.unwrap().try_into().unwrap();
        let seen = Seen {
            fact: event.kind().fact,
            at: at.as_microsecond(),
            sequence: meta.sequence,
            number: if let Event::Reminded(event) = &event { event.number } else { 0 },
            late_seconds: if let Event::Settled(event) = &event { event.late_seconds } else { 0 },
        };
        lights.entry(obligation(&event).obligation_id.clone()).or_default().push(seen);
    }
    lights
}

pub(crate) fn show(at: Micros) -> String {
    dafei_kernel::time::format_local(instant(at)) + &format!(".{:06}", at.rem_euclid(SECOND))
}

fn course(story: &Story) -> String {
    let acts = story.acts.iter().map(|act| format!("    {} told {} {:?}", show(act.at), show(act.told), act.turn));
    format!("  story at {}\n{}", story.place.path, acts.collect::<Vec<_>>().join("\n"))
}

/// The lines of one ledger that the other has not.
fn ledger(expected: &[Running], found: &[Kept], now: Micros) -> Vec<String> {
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
    let end = running.end.map_or("open".to_owned(), |end| {
        format!("{} {}", if end.settled { "settled" } else { "cancelled" }, show(end.at))
    });
    let Running { clock, leg, started, due, direct, loop_owner, .. } = running;
    let breached = if running.breached(now) { "breached" } else { "in time" };
    format!("{clock}/{leg} {} due {} {end}, {breached}; {direct}; {loop_owner}", show(*started), show(*due))
}

fn service_line(kept: &Kept) -> String {
    let at = |at: PgInstant| show(at.0.as_microsecond());
    let end = kept
        .ended_at
        .map_or("open".to_owned(), |ended| format!("{} {}", kept.end_kind.as_deref().unwrap_or_default(), at(ended)));
    let breached = if kept.breached && !kept.annulled { "breached" } else { "in time" };
    let owner = |owner: &Owner| format!("{} {}", owner.post, owner.persons.join("、"));
    let (direct, loop_owner) = (owner(&kept.direct.0), owner(&kept.loop_owner.0));
    let Kept { clock, leg, started_at, due, .. } = kept;
    format!("{clock}/{leg} {} due {} {end}, {breached}; {direct}; {loop_owner}", at(*started_at), at(*due))
}

/// What of the lights does not fit the model.
fn fits(running: &Running, seen: &[Seen], now: Micros) -> Vec<String> {
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
    let (mut red, mut reminders) = (false, 0);
    for one in seen {
        let at = match one.fact {
            "warned" => running.warn,
            "breached" => running.due,
            "reminded" => {
                demand(red && one.number > reminders, "reminders out of order");
                reminders = one.number;
                let known = running.end.map_or(now, |end| end.told);
                demand(one.at <= known.min(now), "reminded after its end was known");
                running.reminder(one.number)
            }
            "settled" | "cancelled" if !running.corrected => running.end.map_or(0, |end| end.at),
            _ => one.at,
        };
        red |= one.fact == "breached";
        demand(one.at == at, &format!("{} is of {} and not of {}", one.fact, show(one.at), show(at)));
    }
    if let Some(end) = settled {
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
