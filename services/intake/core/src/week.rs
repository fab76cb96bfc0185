//! The week of a patrol: Monday 00:00 to the next Monday 00:00 in Asia/Shanghai (clause C1, three patrols a week).

use dafei_kernel::time::{Instant, civil_date, start_of_day};
use jiff::{SignedDuration, ToSpan as _};

/// How many patrols a village owes a week (clause C1: 每周不少于3次).
pub const OWED: u32 = 3;

/// The first instant of the week in which an instant lies.
#[must_use]
pub fn start(at: Instant) -> Instant {
    let date = civil_date(at);
    let since_monday = i64::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(since_monday.days()).map_or(Instant::MIN, start_of_day)
}

/// The first instant that is no longer in that week.
#[must_use]
pub fn end(at: Instant) -> Instant {
    start(at).checked_add(SignedDuration::from_hours(7 * 24)).unwrap_or(Instant::MAX)
}
