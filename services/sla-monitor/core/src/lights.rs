//! What is announced of an obligation: yellow, red, reminders, its end, and the annulment of a red light that a late but timely stop
//! disproved. Each at most once, and nothing after the horizon: the instant up to which all facts are known.
//!
//! After an outage everything that fell due is announced with its true instant; a yellow light that a red one or the end has overtaken is
//! not, and of several reminders only the latest is.

use dafei_kernel::time::Instant;
use serde::{Deserialize, Serialize};

use crate::{
    obligation::{End, EndKind},
    rules::later,
};

/// A week, in microseconds.
const WEEK: i64 = 7 * 24 * 3_600 * 1_000_000;

/// The instants of an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timing {
    /// The start.
    pub started_at: Instant,
    /// 黄灯.
    pub warn_at: Instant,
    /// The limit.
    pub due: Instant,
    /// An act at the very instant of the limit is in time.
    pub due_inclusive: bool,
    /// The first reminder: twice the limit after the start. [`never`] for what ends with its breach.
    pub first_reminder: Instant,
    /// A day beyond the calendar's coverage was needed: the limit may be moved by the next calendar.
    #[serde(default, skip_serializing_if = "is_false")]
    pub provisional: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Timing {
    /// A weekly duty ends with one final breach: nobody is reminded of it, and what is done later is done for another week.
    #[must_use]
    pub fn ends_with_breach(&self) -> bool {
        is_never(self.first_reminder)
    }

    /// The first instant at which an act is late; the red light (红灯) comes then.
    #[must_use]
    pub fn late_from(&self) -> Instant {
        if self.due_inclusive { later(self.due, 1) } else { self.due }
    }

    /// Whole seconds after the limit, at least 1 when late; 0 when in time.
    #[must_use]
    pub fn late_seconds(&self, at: Instant) -> i64 {
        if at < self.late_from() {
            return 0;
        }
        let micros = at.as_microsecond().saturating_sub(self.due.as_microsecond());
        micros.saturating_add(999_999).div_euclid(1_000_000).max(1)
    }

    /// The reminders: at 2, 4, 8 … times the limit, and weekly as soon as that is earlier.
    fn reminders(&self) -> impl Iterator<Item = (u32, Instant)> + use<> {
        let start = self.started_at.as_microsecond();
        let next = move |at: &Instant| {
            let doubled = later(*at, at.as_microsecond().saturating_sub(start));
            Some(doubled.min(later(*at, WEEK))).filter(|next| next > at)
        };
        (1_u32..).zip(std::iter::successors(Some(self.first_reminder), next))
    }

    /// The latest reminder at or before an instant; none before the first.
    #[must_use]
    pub fn reminder_at(&self, at: Instant) -> Option<(u32, Instant)> {
        self.reminders().take_while(|(_, when)| *when <= at).last()
    }

    /// The instant of a reminder, from number 1; the end of time beyond it.
    #[must_use]
    pub fn reminder(&self, number: u32) -> Instant {
        self.reminders().find(|(n, _)| *n == number).map_or(Instant::MAX, |(_, at)| at)
    }
}

/// The instant that never comes: the last full second that there is, which every store can keep and give back.
#[must_use]
pub fn never() -> Instant {
    Instant::from_second(Instant::MAX.as_second()).unwrap_or(Instant::MAX)
}

fn is_never(at: Instant) -> bool {
    at >= never()
}

/// What was announced of an obligation so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// That the limit is provisional.
    pub provisional: bool,
    /// The yellow light.
    pub warned: bool,
    /// The red light.
    pub breached: bool,
    /// Number of the last reminder; 0 when none.
    pub reminders: u32,
    /// The end.
    pub ended: Option<EndKind>,
    /// The red light was disproved.
    pub annulled: bool,
}

/// Something to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    /// The limit is provisional, from the start on.
    Provisional,
    /// 黄灯.
    Warned,
    /// 红灯.
    Breached,
    /// A reminder.
    Reminded {
        /// Its number, from 1; numbers that an outage skipped are not used.
        number: u32,
    },
    /// The act was done.
    Settled {
        /// Seconds after the limit; 0 when in time.
        late_seconds: i64,
    },
    /// It fell away.
    Cancelled,
    /// The red light was disproved.
    Annulled {
        /// The act, or the falling away, that was in time.
        ended_at: Instant,
    },
}

/// An announcement with its true instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Light {
    /// The instant that it is about.
    pub at: Instant,
    /// What.
    pub what: Announcement,
}

impl Announced {
    /// What has been announced after another light.
    #[must_use]
    pub const fn with(mut self, light: &Light) -> Self {
        match light.what {
            Announcement::Provisional => self.provisional = true,
            Announcement::Warned => self.warned = true,
            Announcement::Breached => self.breached = true,
            Announcement::Reminded { number } => self.reminders = number,
            Announcement::Settled { .. } => self.ended = Some(EndKind::Settled),
            Announcement::Cancelled => self.ended = Some(EndKind::Cancelled),
            Announcement::Annulled { .. } => self.annulled = true,
        }
        self
    }

    /// Whether the end is still to be announced. A cancellation is followed by a stop that turned out to count; nothing follows a stop.
    const fn wants_end(&self, kind: EndKind) -> bool {
        match (self.ended, kind) {
            // That the time ran out is told by the breach.
            (_, EndKind::Missed) => false,
            (None | Some(EndKind::Missed), _) | (Some(EndKind::Cancelled), EndKind::Settled) => true,
            (Some(EndKind::Settled), _) | (Some(EndKind::Cancelled), EndKind::Cancelled) => false,
        }
    }
}

/// All that is to be announced now that everything before `horizon` is known, in order.
#[must_use]
pub fn lights(timing: &Timing, end: Option<End>, announced: &Announced, horizon: Instant) -> Vec<Light> {
    let mut due = Vec::new();
    let mut state = *announced;
    while let Some(light) = next(timing, end, &state, horizon).filter(|light| light.at <= horizon) {
        state = state.with(&light);
        due.push(light);
    }
    due
}

/// The instant at which something is to be announced next, as far as it is known now. [`lights`] has something to say as soon as the horizon
/// reaches it.
#[must_use]
pub fn next_fire(timing: &Timing, end: Option<End>, announced: &Announced) -> Option<Instant> {
    // With a horizon before everything nothing is overtaken: the earliest of all.
    next(timing, end, announced, Instant::MIN).map(|light| light.at)
}

/// The next light, seen from a horizon: what the horizon has overtaken is left out.
fn next(timing: &Timing, end: Option<End>, announced: &Announced, horizon: Instant) -> Option<Light> {
    match end {
        Some(end) => next_of_ended(timing, end, announced),
        None => next_of_open(timing, announced, horizon),
    }
}

fn next_of_ended(timing: &Timing, end: End, announced: &Announced) -> Option<Light> {
    let in_time = end.at < timing.late_from();
    if in_time && announced.breached && !announced.annulled {
        return Some(Light { at: end.at, what: Announcement::Annulled { ended_at: end.at } });
    }
    if end.kind == EndKind::Missed {
        return (!announced.breached).then(|| Light { at: timing.late_from(), what: Announcement::Breached });
    }
    if !announced.wants_end(end.kind) {
        return None;
    }
    if !in_time && !announced.breached {
        return Some(Light { at: timing.late_from(), what: Announcement::Breached });
    }
    let what = match end.kind {
        EndKind::Settled => Announcement::Settled { late_seconds: timing.late_seconds(end.at) },
        EndKind::Cancelled | EndKind::Missed => Announcement::Cancelled,
    };
    Some(Light { at: end.at, what })
}

fn next_of_open(timing: &Timing, announced: &Announced, horizon: Instant) -> Option<Light> {
    if announced.ended.is_some() {
        // Its end was announced and is not known any more: a rebuild is on its way to it.
        return None;
    }
    let red = timing.late_from();
    if !announced.breached {
        if timing.provisional && !announced.provisional && horizon < red {
            return Some(Light { at: timing.started_at, what: Announcement::Provisional });
        }
        let yellow = !announced.warned && timing.warn_at < red && horizon < red;
        return Some(if yellow {
            Light { at: timing.warn_at, what: Announcement::Warned }
        } else {
            Light { at: red, what: Announcement::Breached }
        });
    }
    let (number, at) = timing
        .reminder_at(horizon)
        .filter(|(number, _)| *number > announced.reminders)
        .unwrap_or_else(|| (announced.reminders + 1, timing.reminder(announced.reminders + 1)));
    (!is_never(at)).then_some(Light { at, what: Announcement::Reminded { number } })
}
