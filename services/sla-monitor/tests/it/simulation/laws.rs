//! What holds when, in the model's own words: the limits that the city sets itself, which are replaced once in mid-run, and the working days,
//! of which a notice changes some in mid-run.

use super::{
    DAY, Dice, MINUTE, Micros,
    city::Turn,
    days::{self, Workdays, date_of},
};

const RULES: &str = include_str!("../../../../../data/clocks/default.json");

/// The limits that the document leaves open.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The label of the text that sets them.
    pub(crate) version: &'static str,
    /// T1 and T3.
    pub(crate) at_once: Micros,
    /// V4, in days.
    pub(crate) revisit: i64,
    /// P1, in working days.
    pub(crate) publication: i64,
    /// M1: the days of townships and departments, of county offices, of the city office.
    pub(crate) filing: [i64; 3],
    /// M2.
    pub(crate) briefing: i64,
    /// Q1.
    pub(crate) evaluation: i64,
    /// N1: from the entry, and from a shortfall.
    pub(crate) notices: [i64; 2],
}

const SHIPPED: Limits = Limits {
    version: "linyi-2020-17.5",
    at_once: 30 * MINUTE,
    revisit: 3,
    publication: 3,
    filing: [3, 4, 5],
    briefing: 5,
    evaluation: 15,
    notices: [30, 7],
};

const REPLACED: Limits = Limits {
    version: "simulated-2",
    at_once: 20 * MINUTE,
    revisit: 2,
    publication: 2,
    filing: [1, 3, 5],
    briefing: 7,
    evaluation: 20,
    notices: [20, 5],
};

/// When a calendar was loaded, and what was known by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loaded {
    pub(crate) at: Micros,
    /// Intake had told all that it recorded before.
    pub(crate) intake: Micros,
    /// And dispatch.
    pub(crate) dispatch: Micros,
}

impl Loaded {
    /// Whether something was known then that was recorded at an instant.
    pub(crate) const fn knew(&self, told: Micros, turn: &Turn) -> bool {
        told < if turn.is_villages() { self.intake } else { self.dispatch }
    }
}

/// What holds in a run.
#[derive(Debug)]
pub(crate) struct Laws {
    /// The run's first moment.
    start: Micros,
    /// When the city replaces the limits, and from when the new ones hold.
    pub(crate) replacing: Micros,
    pub(crate) replaced_from: Micros,
    /// From when on a calendar is loaded as soon as it can be.
    pub(crate) loading: Micros,
    pub(crate) loaded: Option<Loaded>,
    /// The days of before and of afterwards, each with the label of its calendar.
    pub(crate) shipped: (&'static str, Workdays),
    pub(crate) changed: (&'static str, Workdays),
    /// The text of the changed calendar.
    pub(crate) calendar: String,
}

impl Laws {
    pub(crate) fn of(dice: &mut Dice, start: Micros, days: i64) -> Self {
        let around = |dice: &mut Dice, percent: i64| start + (days * percent / 100) * DAY + dice.seconds_below(5 * DAY);
        let (loading, replacing) = (around(dice, 30), around(dice, 45));
        let shipped = Workdays::read(days::SHIPPED);
        // A working day of the coming week is off, and a day of rest after it is worked instead.
        let off = shipped.ordinary_after(loading + 3 * DAY);
        let work = shipped.free_after(&off);
        let calendar =
            format!("{}{off},off,调休\n{work},work,调休\n", days::SHIPPED.replacen("cn-2026.1", "simulated-2", 1));
        Self {
            start,
            replacing,
            // After the longest step, so that it is never too late for it.
            replaced_from: replacing + 2 * DAY + dice.seconds_below(9 * DAY),
            loading,
            loaded: None,
            shipped: ("cn-2026.1", shipped),
            changed: ("simulated-2", Workdays::read(&calendar)),
            calendar,
        }
    }

    /// The limits for what starts at an instant.
    pub(crate) const fn limits(&self, started: Micros) -> &'static Limits {
        if started < self.replaced_from { &SHIPPED } else { &REPLACED }
    }

    /// The days by which people reckon who begin something then.
    pub(crate) const fn days_in_mind(&self, begin: Micros) -> &Workdays {
        if begin + 4 * DAY < self.loading { &self.shipped.1 } else { &self.changed.1 }
    }

    /// The shipped rules with all duties in force; what is owed by the week or the month from the run's start on.
    pub(crate) fn first_text(&self) -> String {
        let mut text = RULES.replace("\"in_force\": false", "\"in_force\": true");
        for clock in ["W1", "W2", "W3", "M1", "M2"] {
            let (before, after) = text.split_once(&format!("\"clock\": \"{clock}\"")).unwrap();
            let from = format!("\"in_force\": true, \"from\": \"{}\"", date_of(self.start));
            text = format!("{before}\"clock\": \"{clock}\"{}", after.replacen("\"in_force\": true", &from, 1));
        }
        text
    }

    /// The same under another label and with the other limits.
    pub(crate) fn second_text(&self) -> String {
        let unit = |kind: &str, days: i64| format!("\"kind\": \"{kind}\", \"days\": {days},");
        let minutes = |limits: &Limits| format!("{{ \"minutes\": {} }}", limits.at_once / MINUTE);
        let mut changes = vec![
            (SHIPPED.version.to_owned(), REPLACED.version.to_owned()),
            (minutes(&SHIPPED), minutes(&REPLACED)),
            (format!("{{ \"days\": {} }}", SHIPPED.revisit), format!("{{ \"days\": {} }}", REPLACED.revisit)),
        ];
        let in_working_days = |limits: &Limits| format!("{{ \"working_days\": {} }}", limits.publication);
        changes.push((in_working_days(&SHIPPED), in_working_days(&REPLACED)));
        for kind in ["township", "county-department", "city-department"] {
            changes.push((unit(kind, SHIPPED.filing[0]), unit(kind, REPLACED.filing[0])));
        }
        for days in
            [|limits: &Limits| limits.filing[1], |limits: &Limits| limits.briefing, |limits: &Limits| limits.evaluation]
        {
            changes.push((unit("county", days(&SHIPPED)), unit("county", days(&REPLACED))));
        }
        let notices = |days: i64| unit("village", days);
        changes.push((notices(SHIPPED.notices[0]), notices(REPLACED.notices[0])));
        let again = |days: i64| format!("\"again_days\": {days}");
        changes.push((again(SHIPPED.notices[1]), again(REPLACED.notices[1])));
        changes.into_iter().fold(self.first_text(), |text, (from, to)| {
            assert!(text.contains(&from), "{from} is to be replaced");
            text.replace(&from, &to)
        })
    }
}
