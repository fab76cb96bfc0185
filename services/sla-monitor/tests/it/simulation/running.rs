//! A running of a clock as the model sees it: of a case's or of a duty's.

use super::{DAY, Micros, city::Work};

/// What became of a running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) settled: bool,
    pub(crate) at: Micros,
    /// When it was told.
    pub(crate) told: Micros,
}

/// One running of one clock.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) clock: &'static str,
    pub(crate) leg: u32,
    pub(crate) started: Micros,
    pub(crate) warn: Micros,
    pub(crate) due: Micros,
    /// An act at `due` is in time.
    pub(crate) inclusive: bool,
    pub(crate) first_reminder: Micros,
    pub(crate) direct: String,
    pub(crate) loop_owner: String,
    pub(crate) end: Option<End>,
    /// It had ended earlier than was known at first.
    pub(crate) corrected: bool,
    /// The label of the rules.
    pub(crate) rules: &'static str,
    /// The label of the calendar; none where days are not counted by it.
    pub(crate) calendar: &'static str,
    /// Yellow light and limit of before a calendar that moved the limit.
    pub(crate) moved: Option<Moved>,
    /// A weekly duty is over with its breach.
    pub(crate) ends_with_breach: bool,
    pub(super) work: Option<Work>,
    pub(super) extension: i64,
}

/// A limit that was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) at: Micros,
    pub(crate) warn: Micros,
    pub(crate) due: Micros,
}

impl Running {
    /// A duty from its start over the yellow light to its limit, with who answers directly and for the loop.
    pub(crate) fn of_duty(
        clock: &'static str,
        leg: u32,
        (started, warn, due): (Micros, Micros, Micros),
        [direct, loop_owner]: [String; 2],
        rules: &'static str,
    ) -> Self {
        Self {
            clock,
            leg,
            started,
            warn,
            due,
            inclusive: false,
            first_reminder: due + (due - started),
            direct,
            loop_owner,
            end: None,
            corrected: false,
            rules,
            calendar: "",
            moved: None,
            ends_with_breach: clock.starts_with('W'),
            work: None,
            extension: 0,
        }
    }

    /// The first instant at which it is late.
    pub(crate) fn late_from(&self) -> Micros {
        if self.inclusive { self.due + 1 } else { self.due }
    }

    /// Whether the limit was missed, seen from an instant.
    pub(crate) fn breached(&self, now: Micros) -> bool {
        self.end.map_or(now, |end| end.at) >= self.late_from()
    }

    /// When a reminder comes: twice, four times … the limit after the start, and a week after the last as soon as that is earlier.
    pub(crate) fn reminder(&self, number: u32) -> Micros {
        let mut at = self.first_reminder;
        for _ in 1..number {
            at += (at - self.started).min(7 * DAY);
        }
        at
    }
}

impl Running {
    pub(super) fn is_of(&self, work: &Work) -> bool {
        self.work.as_ref().is_some_and(|of| of.number == work.number)
    }
}
