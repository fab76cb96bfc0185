//! What villages owe each week: three patrols (W1) and a broadcast (W2). Random books of villages, their events, and what must follow.

use std::collections::BTreeMap;

use dafei_contracts::{Event, events::v1 as ev};
use dafei_kernel::owner::Owner;
use dafei_messaging::pg::PgInstant;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    DAY, Dice, HOUR, Micros,
    check::{Seen, show, told},
    city::Place,
    days::is_monday,
    tell::stamp,
};
use crate::{
    events::{Told, wire_region},
    world::World,
};

const WEEK: Micros = 7 * DAY;

/// Something that was done for a duty.
#[derive(Debug, Clone, Copy)]
struct Act {
    at: Micros,
    told: Micros,
    patrol: bool,
    /// A check by the work area's secretary is none of the patrols.
    counts: bool,
}

/// A village's books, in the order in which they were told.
pub(crate) struct Books {
    place: Place,
    acts: Vec<Act>,
}

/// The Mondays 00:00 of a time.
fn mondays(start: Micros, end: Micros) -> impl Iterator<Item = Micros> {
    let first = (0..7).map(move |day| start + day * DAY).find(|day| is_monday(*day)).unwrap();
    (0..).map(move |week| first + week * WEEK).take_while(move |monday| *monday < end)
}

/// What a village does from `start`, the first moment of a day.
pub(crate) fn books(dice: &mut Dice, place: &Place, start: Micros, end: Micros) -> Books {
    let mut acts = Vec::new();
    for monday in mondays(start - WEEK, end) {
        let (patrols, broadcasts) = (dice.pick(&[0, 1, 2, 2, 3, 3, 3, 4, 5]), dice.pick(&[0, 1, 1, 2]));
        for number in 0..patrols + broadcasts {
            let at = monday
                + match dice.below(12) {
                    0 => 0,
                    1 => WEEK - 1,
                    _ => dice.seconds_below(WEEK),
                };
            let late = if dice.chance(20) { 5 * DAY } else { HOUR };
            let (patrol, counts) = (number < patrols, !dice.chance(10));
            acts.push(Act { at, told: at + dice.seconds_below(late), patrol, counts });
        }
    }
    acts.retain(|act| act.told >= start && act.told < end);
    acts.sort_by_key(|act| act.told);
    Books { place: place.clone(), acts }
}

/// The events of a village's books with the instants at which they were recorded.
pub(crate) fn events(books: &Books) -> Vec<(Micros, Told)> {
    let region = books.place.at("village");
    let code: u128 = region.split_once(':').unwrap().1.parse().unwrap();
    let (mut patrols, mut publicity) = (0, 0);
    let told = books.acts.iter().map(|act| {
        let village = Some(wire_region(region));
        let (aggregate, sequence, mut event): (_, _, Event) = if act.patrol {
            let item = ev::PatrolItem { patrolled_at: stamp(act.at), counts: act.counts, ..Default::default() };
            let event = ev::PatrolsRecorded { village, patrols: vec![item], ..Default::default() };
            (Uuid::from_u128(code), &mut patrols, event.into())
        } else {
            let event = ev::BroadcastMade { village, made_at: stamp(act.at), ..Default::default() };
            (Uuid::from_u128(code + (1 << 100)), &mut publicity, event.into())
        };
        *sequence += 1;
        event.set_meta(ev::EventMeta {
            aggregate_id: aggregate.to_string(),
            sequence: *sequence,
            region_path: books.place.path.clone(),
            received_at: stamp(act.told),
            ..Default::default()
        });
        (act.told, Told { service: "intake", aggregate, sequence: *sequence, event })
    });
    told.collect()
}

/// When a week's duty was done, and when that was known; none when it was not.
fn done(books: &Books, clock: &str, monday: Micros) -> Option<(Micros, Micros)> {
    let patrol = clock == "W1";
    let mut acts: Vec<&Act> = books
        .acts
        .iter()
        .filter(|act| act.patrol == patrol && (act.counts || !patrol) && act.at >= monday && act.at < monday + WEEK)
        .collect();
    let count = if patrol { 3 } else { 1 };
    acts.sort_by_key(|act| act.at);
    let at = acts.get(count - 1)?.at;
    // As soon as any so many of them were told it is known that it was done.
    let mut told: Vec<Micros> = acts.iter().map(|act| act.told).collect();
    told.sort_unstable();
    Some((at, told[count - 1]))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    clock: String,
    unit: String,
    started_at: PgInstant,
    due: PgInstant,
    end_kind: Option<String>,
    ended_at: Option<PgInstant>,
    breached: bool,
    annulled: bool,
    direct: Json<Owner>,
}

/// Compares the weeks of all villages; says how many duties stand breached, or what differs.
pub(crate) async fn check(
    world: &World,
    books: &[Books],
    lights: &BTreeMap<String, Vec<Seen>>,
    start: Micros,
    end: Micros,
) -> Result<usize, String> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, clock, unit, started_at, due, end_kind, ended_at, breached, annulled, direct
         FROM obligation WHERE clock IN ('W1', 'W2')",
    )
    .fetch_all(&world.db.pool)
    .await
    .unwrap();
    let key = |row: &Row| (row.unit.clone(), row.clock.clone(), row.started_at.0.as_microsecond());
    let count = rows.len();
    let mut rows: BTreeMap<_, Row> = rows.into_iter().map(|row| (key(&row), row)).collect();
    let mut wrong = Vec::new();
    if rows.len() != count {
        wrong.push("a duty was recorded twice".to_owned());
    }
    let mut standing = 0;
    for village in books {
        let unit = village.place.at("village");
        for monday in mondays(start, end) {
            for clock in ["W1", "W2"] {
                let done = done(village, clock, monday);
                let late = done.is_none() && monday + WEEK <= end;
                standing += usize::from(late);
                let row = rows.remove(&(unit.to_owned(), clock.to_owned(), monday));
                let seen = row.as_ref().and_then(|row| lights.get(&row.id.to_string())).map_or(&[][..], Vec::as_slice);
                let patrols = clock == "W1";
                if let Some(what) = differs(village, monday, done, late, row.as_ref(), seen) {
                    let of_week = |act: &&Act| act.patrol == patrols && (monday..monday + WEEK).contains(&act.at);
                    let line = |act: &Act| format!("{} told {} counts {}", show(act.at), show(act.told), act.counts);
                    let acts: Vec<String> = village.acts.iter().filter(of_week).map(line).collect();
                    wrong.push(format!(
                        "{clock} of {unit} in the week of {}: {what}; lights: {}\n    {}",
                        show(monday),
                        told(seen),
                        acts.join("\n    ")
                    ));
                }
            }
        }
        wrong.extend(rows.keys().filter(|(of, ..)| of == unit).map(|key| format!("nobody owes {key:?}")));
    }
    if wrong.is_empty() {
        return Ok(standing);
    }
    let first: Vec<String> = wrong.iter().take(5).cloned().collect();
    Err(format!("{} duties differ; the first:\n{}", wrong.len(), first.join("\n")))
}

/// What differs of one week. What was done in time may be recorded or not: its row comes with the yellow light.
fn differs(
    village: &Books,
    monday: Micros,
    done: Option<(Micros, Micros)>,
    late: bool,
    row: Option<&Row>,
    seen: &[Seen],
) -> Option<&'static str> {
    let due = monday + WEEK;
    let Some(row) = row else { return late.then_some("a breach is missing") };
    let count = |fact: &str| seen.iter().filter(|seen| seen.fact == fact).count();
    let owner = format!("{} {}", row.direct.0.post, row.direct.0.persons.join("、"));
    let secretary = format!("village-secretary@{}", village.place.at("village"));
    let ended = row.ended_at.map(|at| at.0.as_microsecond());
    let once = ["warned", "breached", "settled", "annulled"].iter().all(|fact| count(fact) <= 1);
    // A week that is over ends with its one breach.
    let end = if late { Some(("missed", due)) } else { done.map(|(at, _)| ("settled", at)) };
    let known_in_time = done.is_some_and(|(_, told)| told < due);
    let checks = [
        (row.due.0.as_microsecond() == due, "another limit"),
        (owner == village.place.held(&secretary, monday), "another owner"),
        ((row.breached && !row.annulled) == late, "another verdict"),
        (ended == end.map(|(_, at)| at), "another end"),
        (row.end_kind.as_deref() == end.map(|(kind, _)| kind), "another kind of end"),
        (once, "a light came twice"),
        (count("breached") == usize::from(late) + count("annulled"), "breaches that stand, or do not"),
        (!known_in_time || count("breached") == 0, "breached though it was known to be done"),
        (seen.iter().all(|seen| seen.fact != "breached" || seen.at == due), "a red light of another instant"),
        (count("settled") == usize::from(done.is_some()), "not settled as often as it was done"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what)
}
