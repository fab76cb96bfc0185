//! Duties as the model sees them, and whether the service's are the same.

use std::collections::BTreeMap;

use super::{
    Dice, HOUR, Micros,
    check::{differences, fits, show, told},
    ledger::{Kept, Seen},
    run::Watched,
    running::{End, Running},
};

/// Something that was done for a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) at: Micros,
    pub(crate) told: Micros,
}

/// A duty of a unit about a period.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) unit: String,
    pub(crate) period: String,
    pub(crate) running: Running,
    /// Nothing is recorded of other duties that are done before their yellow light.
    pub(crate) always_recorded: bool,
    /// When it was told that it began, where somebody has to tell.
    pub(crate) begun: Micros,
    pub(crate) deeds: Vec<Deed>,
}

impl Owed {
    /// A duty that these deeds fulfil once there are so many.
    pub(crate) fn by_deeds(unit: &str, period: &str, running: Running, mut deeds: Vec<Deed>, count: usize) -> Self {
        deeds.sort_by_key(|deed| deed.at);
        // What ends with its breach is not done afterwards.
        let taken = deeds.iter().filter(|deed| !running.ends_with_breach || deed.at < running.due);
        let taken: Vec<Deed> = taken.copied().collect();
        let end = taken.get(count - 1).map(|last| {
            // As soon as any so many of them were told it is known that it was done.
            let mut told: Vec<Micros> = taken.iter().map(|deed| deed.told).collect();
            told.sort_unstable();
            End { settled: true, at: last.at, told: told[count - 1] }
        });
        // Of more deeds than needed another may be known first.
        let running = Running { end, corrected: taken.len() > count, ..running };
        Self { unit: unit.to_owned(), period: period.to_owned(), running, always_recorded: false, begun: 0, deeds }
    }

    /// Whether it must be recorded, seen from an instant.
    fn shows(&self, now: Micros) -> bool {
        self.always_recorded
            || (self.running.warn <= now && self.running.end.is_none_or(|end| end.at >= self.running.warn))
    }
}

/// When something is done for a duty, often at the very limit, and when that is told; none when it never is.
pub(crate) fn deed(dice: &mut Dice, started: Micros, due: Micros) -> Option<Deed> {
    let at = match dice.below(14) {
        0 => return None,
        1 => due,
        2 => due - 1,
        3 => due + 1,
        4 | 5 => due + dice.seconds_below((due - started).max(24 * HOUR)),
        6 => started,
        _ => started + dice.seconds_below(due - started),
    };
    Some(Deed { at, told: told_after(dice, at) })
}

/// When an act is told of: now and then days later.
pub(crate) fn told_after(dice: &mut Dice, at: Micros) -> Micros {
    let late = if dice.chance(20) { 120 * HOUR } else { HOUR };
    at + dice.seconds_below(late)
}

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    /// By clock: how many are recorded, and how many stand breached.
    pub(crate) clocks: BTreeMap<&'static str, (usize, usize)>,
    pub(crate) annulled: usize,
    /// Under the rules that were in force at first, and under those that replaced them.
    pub(crate) versions: BTreeMap<&'static str, usize>,
}

/// Compares all duties; says what was found alike, or what differs.
pub(crate) fn check(
    mut rows: BTreeMap<(String, String, String), Vec<Kept>>,
    owed: &[Owed],
    lights: &BTreeMap<String, Vec<Seen>>,
    watched: &[Watched],
    now: Micros,
) -> Result<Duties, String> {
    let (mut duties, mut wrong) = (Duties::default(), Vec::new());
    for one in owed {
        let key = (one.running.clock.to_owned(), one.unit.clone(), one.period.clone());
        let found = rows.remove(&key).unwrap_or_default();
        let mut differences = match (&found[..], one.shows(now)) {
            ([], true) => vec!["  it is missing".to_owned()],
            ([], false) => Vec::new(),
            ([_], _) if one.running.warn > now && !one.always_recorded => vec!["  recorded too early".to_owned()],
            _ => differences(std::slice::from_ref(&one.running), &found, now),
        };
        if let ([row], true) = (&found[..], differences.is_empty()) {
            let seen = lights.get(&row.id.to_string()).map_or(&[][..], Vec::as_slice);
            differences.extend(fits(&one.running, seen, now));
            differences.extend(in_time(one, seen, watched));
            let count = duties.clocks.entry(one.running.clock).or_default();
            count.0 += 1;
            count.1 += usize::from(one.running.breached(now));
            duties.annulled += usize::from(row.annulled);
            *duties.versions.entry(one.running.rules).or_default() += 1;
        }
        if !differences.is_empty() {
            let deeds = one.deeds.iter().map(|deed| format!("    done {} told {}", show(deed.at), show(deed.told)));
            let deeds: Vec<String> = deeds.collect();
            let Owed { unit, period, running, .. } = one;
            let head = format!("{} of {unit} about {period}, yellow {}:", running.clock, show(running.warn));
            wrong.push(format!("{head}\n{}\n{}", differences.join("\n"), deeds.join("\n")));
        }
    }
    wrong.extend(rows.keys().map(|(clock, unit, period)| format!("nobody owes {clock} of {unit} about {period}")));
    if wrong.is_empty() {
        return Ok(duties);
    }
    let first: Vec<String> = wrong.iter().take(5).cloned().collect();
    Err(format!("{} duties differ; the first:\n\n{}", wrong.len(), first.join("\n\n")))
}

/// What was due when all was done that could be: yellow and red lights must have been told by then.
fn in_time(one: &Owed, seen: &[Seen], watched: &[Watched]) -> Vec<String> {
    let running = &one.running;
    let mut wrong = Vec::new();
    let reporting = matches!(running.clock, "W3" | "M1" | "M2" | "Q1");
    for (fact, from, until) in [("warned", running.warn, running.due), ("breached", running.due, Micros::MAX)] {
        let open = |point: &&Watched| {
            // All is swept up to the earlier of both publishers; what one of them overtakes is stale.
            let (least, most) =
                (point.intake.min(point.reporting), if reporting { point.reporting } else { point.intake });
            one.begun < least && from <= least && most < until && running.end.is_none_or(|end| end.told >= point.now)
        };
        let Some(point) = watched.iter().find(open) else { continue };
        if !seen.iter().any(|seen| seen.fact == fact && seen.recorded <= point.now) {
            wrong.push(format!("  not {fact} by {}; lights: {}", show(point.now), told(seen)));
        }
    }
    wrong
}
