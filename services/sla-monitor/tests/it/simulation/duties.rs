//! What villages owe: three patrols (W1) and a broadcast (W2) each week, and ten places of notices at all times (N1). Random books of villages,
//! their events, and what must follow.

use dafei_contracts::{Event, events::v1 as ev};
use uuid::Uuid;

use super::{
    DAY, Dice, HOUR, Micros,
    city::Place,
    days::{end_of_day, weeks, yellow},
    laws::Laws,
    owed::{Deed, Owed, deed, told_after},
    running::{End, Running},
    tell::{instant, stamp},
};
use crate::events::{Told, wire_region};

const WEEK: Micros = 7 * DAY;
/// Places of notices that a village needs.
const PLACES: u32 = 10;

/// What was done.
#[derive(Debug, Clone, Copy)]
enum What {
    /// A check by the work area's secretary is none of the patrols.
    Patrol {
        counts: bool,
    },
    Broadcast,
    /// A notice was posted or removed: so many places are valid then, and so many pairs too close.
    Notice {
        valid: u32,
        close: u32,
        posted: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Act {
    at: Micros,
    told: Micros,
    what: What,
}

/// A village's books, in the order in which they were told.
pub(crate) struct Books {
    place: Place,
    /// When it entered the roster.
    entered: Micros,
    acts: Vec<Act>,
}

/// What a village does from `start`, the first moment of a day, and with its notices since it entered the roster.
pub(crate) fn books(
    dice: &mut Dice,
    laws: &Laws,
    place: &Place,
    (start, end): (Micros, Micros),
    entered: Micros,
) -> Books {
    let mut acts = Vec::new();
    for week in weeks(start, end) {
        let (patrols, broadcasts) = (dice.pick(&[0, 1, 2, 2, 3, 3, 3, 4, 5]), dice.pick(&[0, 1, 1, 2]));
        for number in 0..patrols + broadcasts {
            let at = week.start
                + match dice.below(12) {
                    0 => 0,
                    1 => WEEK - 1,
                    _ => dice.seconds_below(WEEK),
                };
            let what = if number < patrols { What::Patrol { counts: !dice.chance(10) } } else { What::Broadcast };
            acts.push(Act { at, told: told_after(dice, at), what });
        }
    }
    notices(dice, laws, &mut acts, (entered, end));
    acts.retain(|act| act.told < end);
    acts.sort_by_key(|act| act.told);
    Books { place: place.clone(), entered, acts }
}

/// Places are found, lost, and found again, often at the very limit.
fn notices(dice: &mut Dice, laws: &Laws, acts: &mut Vec<Act>, (entered, end): (Micros, Micros)) {
    let (mut short, mut again) = (entered, 0);
    while short < end {
        let due = end_of_day(short, laws.limits(short).notices[again]);
        let Some(Deed { at, .. }) = deed(dice, short, due) else { return };
        let mut post = |dice: &mut Dice, at: Micros, valid: u32, close: u32, posted: bool| {
            acts.push(Act { at, told: told_after(dice, at), what: What::Notice { valid, close, posted } });
        };
        for _ in 0..dice.below(3) {
            // Too few, or too close to each other.
            let before = short + dice.seconds_below((at - short).max(HOUR));
            let close = dice.chance(40);
            let valid = if close { PLACES } else { u32::try_from(dice.below(10)).unwrap() };
            post(dice, before, valid, u32::from(close), true);
        }
        let more = u32::try_from(dice.below(3)).unwrap();
        post(dice, at, PLACES + more, 0, true);
        if dice.chance(30) {
            // One too many goes.
            let later = at + dice.seconds_below(2 * DAY);
            post(dice, later, PLACES, 0, false);
        }
        (short, again) = (at + 3 * DAY + dice.seconds_below(20 * DAY), 1);
        let valid = u32::try_from(7 + dice.below(3)).unwrap();
        post(dice, short, valid, 0, false);
    }
}

/// The events of a village's books with the instants at which they were recorded.
pub(crate) fn events(books: &Books) -> Vec<(Micros, Told)> {
    let region = books.place.at("village");
    let code: u128 = region.split_once(':').unwrap().1.parse().unwrap();
    let (mut patrols, mut publicity) = (0, 0);
    let told = books.acts.iter().map(|act| {
        let village = Some(wire_region(region));
        let (aggregate, sequence) = if matches!(act.what, What::Patrol { .. }) {
            (Uuid::from_u128(code), &mut patrols)
        } else {
            (Uuid::from_u128(code + (1 << 100)), &mut publicity)
        };
        *sequence += 1;
        let mut event: Event = match act.what {
            What::Patrol { counts } => {
                let item = ev::PatrolItem { patrolled_at: stamp(act.at), counts, ..Default::default() };
                ev::PatrolsRecorded { village, patrols: vec![item], ..Default::default() }.into()
            }
            What::Broadcast => ev::BroadcastMade { village, made_at: stamp(act.at), ..Default::default() }.into(),
            What::Notice { valid, close, posted } => {
                let standing = Some(ev::NoticeStanding { valid_places: valid, close_pairs: close, required: PLACES });
                if posted {
                    ev::NoticePosted { village, posted_at: stamp(act.at), standing, ..Default::default() }.into()
                } else {
                    ev::NoticeRemoved { village, removed_at: stamp(act.at), standing, ..Default::default() }.into()
                }
            }
        };
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

/// All that a village owes in a run.
pub(crate) fn owed(books: &Books, laws: &Laws, (start, end): (Micros, Micros)) -> Vec<Owed> {
    let mut all = standing(books, laws);
    for week in weeks(start, end).into_iter().filter(|week| week.start >= start) {
        for (clock, count) in [("W1", 3), ("W2", 1)] {
            let of = |act: &&Act| match act.what {
                What::Patrol { counts } => clock == "W1" && counts,
                What::Broadcast => clock == "W2",
                What::Notice { .. } => false,
            };
            // An act counts for the week in which it was done.
            let of_week = |act: &&Act| (week.start..week.end).contains(&act.at);
            let deeds = books.acts.iter().filter(of).filter(of_week);
            let deeds = deeds.map(|act| Deed { at: act.at, told: act.told }).collect();
            let running = running(books, laws, clock, 1, (week.start, week.end));
            all.push(Owed::by_deeds(books.place.at("village"), &week.name, running, deeds, count));
        }
    }
    all
}

fn running(books: &Books, laws: &Laws, clock: &'static str, leg: u32, (started, due): (Micros, Micros)) -> Running {
    let secretary = books.place.held(&format!("village-secretary@{}", books.place.at("village")), started);
    let rules = laws.limits(started).version;
    Running::of_duty(clock, leg, (started, yellow(started, due), due), [secretary.clone(), secretary], rules)
}

/// N1: owed from the entry until all places are there, and again from each time that they are too few. What was done offline is told late: all
/// places are there only when all that is known was done.
fn standing(books: &Books, laws: &Laws) -> Vec<Owed> {
    let unit = books.place.at("village");
    let mut all: Vec<Owed> = Vec::new();
    let begin = |all: &mut Vec<Owed>, begun: Micros, at: Micros, days: i64| {
        let leg = u32::try_from(all.len()).unwrap() + 1;
        let running = running(books, laws, "N1", leg, (at, end_of_day(at, days)));
        let period = instant(at).to_string();
        all.push(Owed { unit: unit.to_owned(), period, running, always_recorded: true, begun, deeds: Vec::new() });
    };
    begin(&mut all, books.entered, books.entered, laws.limits(books.entered).notices[0]);
    let mut latest = books.entered;
    for act in &books.acts {
        let What::Notice { valid, close, .. } = act.what else { continue };
        latest = latest.max(act.at);
        let (there, owes) = (valid >= PLACES && close == 0, all.last().unwrap().running.end.is_none());
        let last = all.last_mut().unwrap();
        last.deeds.extend(owes.then_some(Deed { at: act.at, told: act.told }));
        if there && owes {
            last.running.end = Some(End { settled: true, at: latest, told: act.told });
        } else if !there && !owes {
            // They are told apart by their beginnings.
            latest = latest.max(last.running.started + 1);
            begin(&mut all, act.told, latest, laws.limits(latest).notices[1]);
        }
    }
    all
}
