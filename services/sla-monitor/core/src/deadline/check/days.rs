//! The days of a deadline, one after the other.

use dafei_kernel::{time::civil_date, workdays::Calendar};
use jiff::civil::{Date, Weekday};

use super::Check;
use crate::deadline::Counted;

/// The reason of a day off that no notice names.
const WEEKEND: &str = "周末";

impl<'a> Check<'a> {
    /// From the day after the start every day stands once, counted or left out, up to the last counted one; and as many are counted as the limit
    /// says.
    pub(super) fn span(&mut self, days: &Counted, limit: u32) {
        if days.counted.len() != limit as usize {
            self.differs("days.counted", format!("计入{}日", days.counted.len()), format!("计入{limit}日"));
        }
        let skipped: Vec<Date> = days.skipped.iter().map(|skipped| skipped.date).collect();
        for (field, dates) in [("days.counted", &days.counted), ("days.skipped", &skipped)] {
            if let Some(pair) = dates.windows(2).find(|pair| pair[0] >= pair[1]) {
                self.differs(field, format!("{}列在{}之前", pair[0], pair[1]), "按日期先后各列一次");
            }
        }
        let mut all: Vec<Date> = days.counted.iter().chain(&skipped).copied().collect();
        all.sort_unstable();
        let mut last = civil_date(self.inputs.start);
        for date in all {
            let next = last.tomorrow().unwrap_or(Date::MAX);
            if date <= last {
                let why = if date == last && date > civil_date(self.inputs.start) {
                    "只列一次"
                } else {
                    "起算日之后的日期"
                };
                self.differs("days", format!("列有{date}"), why);
            } else if date > next {
                let hole = date.yesterday().map_or_else(|_| next.to_string(), |until| until.to_string());
                self.differs("days", format!("缺少{next}至{hole}"), "逐日计入或注明不计");
            }
            last = last.max(date);
        }
        if let (Some(counted), Some(after)) = (days.counted.last(), skipped.last())
            && after > counted
        {
            self.differs("days.skipped", format!("列有{after}"), format!("止于末一计入日{counted}"));
        }
    }

    /// What can be said of the reasons without a calendar.
    pub(super) fn reasons(&mut self, days: &Counted) {
        for skipped in &days.skipped {
            let weekend = matches!(skipped.date.weekday(), Weekday::Saturday | Weekday::Sunday);
            if skipped.reason.trim().is_empty() {
                self.differs("days.skipped", format!("{}未注明事由", skipped.date), "注明事由");
            } else if skipped.reason == WEEKEND && !weekend {
                self.differs("days.skipped", format!("{}（{WEEKEND}）", skipped.date), "周一至周五不是周末");
            }
        }
    }

    /// The calendar, if it is the one that was counted by.
    pub(super) fn same_calendar<'c>(&mut self, days: &Counted, calendar: Option<&'c Calendar>) -> Option<&'c Calendar> {
        if days.calendar_version.trim().is_empty() {
            self.differs("days.calendar_version", "空", "日历版本");
            return None;
        }
        let calendar = calendar?;
        if calendar.version() != days.calendar_version {
            self.differs(
                "days.calendar_version",
                days.calendar_version.clone(),
                format!("所给日历的{}", calendar.version()),
            );
            return None;
        }
        if days.covered_through.is_some_and(|covered| covered != calendar.covered_through()) {
            let stored = days.covered_through.map(|covered| covered.to_string()).unwrap_or_default();
            self.differs("days.covered_through", stored, calendar.covered_through().to_string());
        }
        Some(calendar)
    }

    /// Each day as the calendar has it.
    pub(super) fn kinds(&mut self, days: &Counted, calendar: &Calendar) {
        for date in &days.counted {
            if let Some(reason) = calendar.off_reason(*date) {
                self.differs("days.counted", format!("计入{date}"), format!("不计（{reason}）"));
            }
        }
        for skipped in &days.skipped {
            let stored = format!("不计{}（{}）", skipped.date, skipped.reason);
            match calendar.off_reason(skipped.date) {
                None => self.differs("days.skipped", stored, "计入（工作日）"),
                Some(reason) if reason != skipped.reason => {
                    self.differs("days.skipped", stored, format!("不计（{reason}）"));
                }
                Some(_) => {}
            }
        }
    }
}
