//! Hours in which people are not to be disturbed (免打扰时段). Lights are told at their instants all the same; what shows them to people waits.

use dafei_kernel::time::{Instant, civil_date, start_of_day};
use jiff::{
    SignedDuration,
    civil::{Date, Time},
};
use serde::Deserialize;

use super::{
    problem::Flaw,
    reader::{Object, Reader},
};

/// From when until when, every day, Beijing time; over midnight where the end is the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NoDisturb {
    from: Time,
    until: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: String,
    until: String,
}

impl NoDisturb {
    /// Until when people are not to be disturbed by what is told at an instant; none when they may be told at once.
    #[must_use]
    pub fn quiet_until(&self, at: Instant) -> Option<Instant> {
        let today = civil_date(at);
        let yesterday = today.yesterday().unwrap_or(today);
        [yesterday, today].into_iter().find_map(|day| {
            let from = moment(day, self.from);
            let end = if self.until > self.from { day } else { day.tomorrow().unwrap_or(day) };
            let until = moment(end, self.until);
            (from <= at && at < until).then_some(until)
        })
    }
}

fn moment(day: Date, time: Time) -> Instant {
    let since_midnight = time.duration_since(Time::midnight());
    start_of_day(day).checked_add(since_midnight.max(SignedDuration::ZERO)).unwrap_or(Instant::MAX)
}

/// The hours of a file, if it names any.
pub(super) fn read<'a>(reader: &mut Reader<'a>, file: &Object<'a>) -> Option<NoDisturb> {
    let written: Written = reader.optional(file, "no_disturb")?;
    let time = |text: &str| (text.len() == 5).then(|| text.parse::<Time>().ok()).flatten();
    match (time(&written.from), time(&written.until)) {
        (Some(from), Some(until)) if from != until => Some(NoDisturb { from, until }),
        _ => {
            let detail = "from and until are two different times of the day, as 21:00";
            reader.fault(file.place("no_disturb"), Flaw::Hours, detail);
            None
        }
    }
}
