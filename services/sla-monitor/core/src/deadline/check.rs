//! Whether stored inputs say what follows from them: the same result by another way, from the stored text alone. It takes nothing from how the
//! deadline was computed, so that a fault there is seen here.

use std::fmt;

use dafei_kernel::{
    time::{Instant, civil_date, end_of_day},
    workdays::Calendar,
};
use jiff::{Span, civil::Date};

use super::{Counted, Inputs, explain::moment};
use crate::rules::{Limit, Warn, later};

mod days;

/// The longest limit that a rules file may have.
const MOST: u32 = 10_000;

/// Something that does not follow from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, as in the stored JSON: `timing.due`.
    pub field: &'static str,
    /// What is stored, in Chinese.
    pub stored: String,
    /// What follows, in Chinese.
    pub derived: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}：存储为{}，推算应为{}", self.field, self.stored, self.derived)
    }
}

/// Derives everything again from what is stored: each day from the start to the limit is either counted or left out, in order, without hole or
/// overlap; as many are counted as the limit says; the instants follow. Empty when all agrees.
///
/// With the calendar that the deadline was counted by, each day's kind and reason are checked as well, and the first reminder of a limit in working
/// days exactly; without it that reminder is only known to be a midnight, no fewer days after the limit than the limit has. Limits that need no
/// calendar are checked in full without.
#[must_use]
pub fn verify(inputs: &Inputs, calendar: Option<&Calendar>) -> Vec<Difference> {
    let mut check = Check { inputs, found: Vec::new() };
    check.run(calendar);
    check.found
}

struct Check<'a> {
    inputs: &'a Inputs,
    found: Vec<Difference>,
}

impl<'a> Check<'a> {
    fn differs(&mut self, field: &'static str, stored: impl Into<String>, derived: impl Into<String>) {
        self.found.push(Difference { field, stored: stored.into(), derived: derived.into() });
    }

    fn instant(&mut self, field: &'static str, stored: Instant, derived: Instant) {
        if stored != derived {
            self.differs(field, exact(stored), exact(derived));
        }
    }

    fn flag(&mut self, field: &'static str, stored: bool, derived: bool) {
        if stored != derived {
            self.differs(field, yes(stored), yes(derived));
        }
    }

    fn run(&mut self, calendar: Option<&Calendar>) {
        let Inputs { limit, start, timing, .. } = *self.inputs;
        if self.inputs.rule_version.trim().is_empty() {
            self.differs("rule_version", "空", "规则版本");
        }
        self.instant("timing.started_at", timing.started_at, start);
        if !(1..=MOST).contains(&limit.amount()) {
            // Nothing can be derived from a limit that no rules file can have.
            return self.differs("limit", limit.name_zh(), format!("1至{MOST}"));
        }
        let due = match limit {
            Limit::Minutes(n) => self.clock_time(i64::from(n)),
            Limit::Hours(n) => self.clock_time(i64::from(n) * 60),
            Limit::Days(n) => self.natural_days(n),
            Limit::WorkingDays(n) => self.working_days(n, calendar),
        };
        self.flag("timing.due_inclusive", timing.due_inclusive, matches!(limit, Limit::Minutes(_) | Limit::Hours(_)));
        if let Some(due) = due {
            self.instant("timing.due", timing.due, due);
            self.warning(due);
        }
    }

    /// Day and night from the start.
    fn clock_time(&mut self, minutes: i64) -> Option<Instant> {
        let Inputs { start, timing, provisional, .. } = *self.inputs;
        if self.inputs.days.is_some() {
            self.differs("days", "列有日期", "无（昼夜连续计算，不计日）");
        }
        self.flag("provisional", provisional, false);
        self.instant("timing.first_reminder", timing.first_reminder, later(start, minutes * 2 * 60_000_000));
        Some(later(start, minutes * 60_000_000))
    }

    fn natural_days(&mut self, limit: u32) -> Option<Instant> {
        let Inputs { start, timing, provisional, .. } = *self.inputs;
        self.flag("provisional", provisional, false);
        let first = civil_date(start);
        self.instant("timing.first_reminder", timing.first_reminder, end_of_day(days_after(first, limit * 2)));
        let days = self.listed()?;
        if !days.calendar_version.is_empty() {
            self.differs("days.calendar_version", days.calendar_version.clone(), "空（自然日不需日历）");
        }
        if let Some(covered) = days.covered_through {
            self.differs("days.covered_through", covered.to_string(), "无（自然日不需日历）");
        }
        if let Some(skipped) = days.skipped.first() {
            self.differs("days.skipped", format!("不计{}", skipped.date), "无（自然日逐日计入）");
        }
        self.span(days, limit);
        Some(end_of_day(days_after(first, limit)))
    }

    fn working_days(&mut self, limit: u32, calendar: Option<&Calendar>) -> Option<Instant> {
        let days = self.listed()?;
        let calendar = self.same_calendar(days, calendar);
        self.span(days, limit);
        self.reasons(days);
        if let Some(calendar) = calendar {
            self.kinds(days, calendar);
        }
        self.first_reminder(limit, calendar);
        let last = *days.counted.last()?;
        match days.covered_through {
            None => self.differs("days.covered_through", "无", "日历覆盖的最后一日"),
            Some(covered) => self.flag("provisional", self.inputs.provisional, last > covered),
        }
        Some(end_of_day(last))
    }

    fn listed(&mut self) -> Option<&'a Counted> {
        if self.inputs.days.is_none() {
            self.differs("days", "无", "逐日列出");
        }
        self.inputs.days.as_ref()
    }

    fn first_reminder(&mut self, limit: u32, calendar: Option<&Calendar>) {
        let Inputs { start, timing, .. } = *self.inputs;
        let stored = timing.first_reminder;
        if let Some(calendar) = calendar {
            let day = calendar.nth_workday_after(civil_date(start), limit * 2).date;
            return self.instant("timing.first_reminder", stored, end_of_day(day));
        }
        let earliest = later(timing.due, i64::from(limit) * 86_400_000_000);
        let day_before = later(stored, -1);
        if stored < earliest || (stored < Instant::MAX && end_of_day(civil_date(day_before)) != stored) {
            self.differs("timing.first_reminder", exact(stored), format!("某日24:00，不早于{}", exact(earliest)));
        }
    }

    fn warning(&mut self, due: Instant) {
        let Inputs { limit, start, timing, warn, .. } = *self.inputs;
        let derived = match warn {
            Warn::Percent(percent) if (1..=99).contains(&percent) => {
                let whole = due.as_microsecond().saturating_sub(start.as_microsecond());
                // Without overflow, and down to a whole microsecond.
                let share = i128::from(whole) * i128::from(percent) / 100;
                later(start, i64::try_from(share).unwrap_or(i64::MAX))
            }
            Warn::Percent(percent) => {
                return self.differs("warn", format!("{percent}%"), "1%至99%");
            }
            Warn::CountedDay(day) => {
                let within = matches!(limit, Limit::WorkingDays(days) if day >= 1 && day < days);
                let counted =
                    self.inputs.days.as_ref().and_then(|days| days.counted.get(day.saturating_sub(1) as usize));
                match counted {
                    Some(date) if within => end_of_day(*date),
                    _ if within => return, // Its day is missing, and that has been said.
                    _ => return self.differs("warn", format!("第{day}个计入日"), "工作日时限之内、末日之前的计入日"),
                }
            }
        };
        self.instant("timing.warn_at", timing.warn_at, derived);
    }
}

fn days_after(first: Date, days: u32) -> Date {
    first.saturating_add(Span::new().days(i64::from(days)))
}

const fn yes(flag: bool) -> &'static str {
    if flag { "是" } else { "否" }
}

/// As the explanation tells an instant, and what there is of it below a second.
fn exact(at: Instant) -> String {
    let nanos = at.subsec_nanosecond();
    if nanos == 0 { moment(at) } else { format!("{}又{nanos}纳秒", moment(at)) }
}
