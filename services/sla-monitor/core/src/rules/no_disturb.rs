//! Hours in which people are not to be disturbed (免打扰时段), as a rules file writes them.

use jiff::{SignedDuration, civil::Time};
use serde::Deserialize;

use super::{
    problem::Flaw,
    reader::{Object, Reader},
};
use crate::quiet::{LONGEST, Quiet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: String,
    until: String,
}

/// The hours of a file, if it names any.
pub(super) fn read<'a>(reader: &mut Reader<'a>, file: &Object<'a>) -> Option<Quiet> {
    let written: Written = reader.optional(file, "no_disturb")?;
    let time = |text: &str| (text.len() == 5).then(|| text.parse::<Time>().ok()).flatten();
    let hours = time(&written.from).zip(time(&written.until)).filter(|(from, until)| from != until);
    let detail = match hours.map(|(from, until)| Quiet { from, until }) {
        Some(quiet) if length(quiet) <= LONGEST => return Some(quiet),
        Some(_) => format!("no more than {} hours", LONGEST.as_hours()),
        None => "from and until are two different times of the day, as 21:00".to_owned(),
    };
    reader.fault(file.place("no_disturb"), Flaw::Hours, detail);
    None
}

fn length(quiet: Quiet) -> SignedDuration {
    let length = quiet.until.duration_since(quiet.from);
    if length.is_positive() { length } else { length + SignedDuration::from_hours(24) }
}
