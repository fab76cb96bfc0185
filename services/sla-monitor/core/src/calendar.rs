//! What must hold of a calendar before it is put in force: verdicts of the past stand, and nothing that is known is forgotten.

use dafei_kernel::workdays::Calendar;
use jiff::civil::Date;

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The text is no calendar.
    Malformed,
    /// It covers not even today.
    Expired,
    /// It covers less than the one in force.
    CoversLess,
    /// A day that lies in the past, and was covered, is another than before.
    PastChanged,
}

impl Flaw {
    /// Stable reason, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::Expired => "COVERAGE_IN_THE_PAST",
            Self::CoversLess => "COVERS_LESS",
            Self::PastChanged => "PAST_CHANGED",
        }
    }

    /// What is wrong, for clerks.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Malformed => "日历格式有误",
            Self::Expired => "日历覆盖截止日已过",
            Self::CoversLess => "日历覆盖范围小于现行日历",
            Self::PastChanged => "日历改动了已过去的日期",
        }
    }
}

/// One thing wrong with a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// What kind of fault.
    pub flaw: Flaw,
    /// What exactly, English.
    pub detail: String,
}

/// Reads a calendar that is to follow the one in force.
///
/// # Errors
/// All that is wrong with it, with lines; of a text that is no calendar the first fault.
pub fn read(text: &str, in_force: &Calendar, today: Date) -> Result<Calendar, Vec<Problem>> {
    let calendar = Calendar::parse(text)
        .map_err(|error| vec![Problem { line: error.line, flaw: Flaw::Malformed, detail: error.reason }])?;
    let covered = calendar.covered_through();
    let mut problems = Vec::new();
    let mut add = |word: &str, flaw, detail: String| {
        // A day that is named no more stands nowhere: the fault is told at the end.
        let line = text.lines().position(|line| line.contains(word)).unwrap_or_else(|| text.lines().count().max(1) - 1);
        problems.push(Problem { line: line + 1, flaw, detail });
    };
    if covered < today {
        add("covered_through:", Flaw::Expired, format!("covered_through {covered} lies before {today}"));
    }
    if covered < in_force.covered_through() {
        let known = in_force.covered_through();
        add(
            "covered_through:",
            Flaw::CoversLess,
            format!("covered_through {covered} is less than {known} of the calendar in force"),
        );
    }
    // Of days beyond its coverage the calendar in force says nothing, also once they have passed: what was computed
    // over them is provisional.
    let stands = |date: &Date| *date < today && *date <= in_force.covered_through();
    for date in calendar.differences(in_force).into_iter().filter(stands) {
        let kind = if calendar.is_workday(date) { "a working day" } else { "off" };
        add(&date.to_string(), Flaw::PastChanged, format!("{date} lies in the past and would be {kind}"));
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(calendar) } else { Err(problems) }
}
