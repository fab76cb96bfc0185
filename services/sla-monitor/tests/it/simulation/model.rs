//! The simple model: what follows from a story, turn by turn, in the order in which it was told. It shares nothing with the service: days,
//! too, are counted apart ([`super::days`]).

use std::collections::BTreeSet;

use super::{
    HOUR, Micros,
    city::{Act, How, Story, Tier, Turn, Work},
    days::{Workdays, end_of_day},
    laws::Laws,
    running::{End, Moved, Running},
};

/// The runnings of a story.
pub(crate) fn runnings(story: &Story, laws: &Laws) -> Vec<Running> {
    let Some(loaded) = laws.loaded else { return play(story, laws, &laws.shipped, |_| true) };
    let mut all = play(story, laws, &laws.changed, |_| true);
    // What was running, as far as was known when the calendar was loaded, has a new limit; what was over keeps its own.
    let known = play(story, laws, &laws.shipped, |act| loaded.knew(act.told, &act.turn));
    for was in known.into_iter().filter(|was| !was.calendar.is_empty()) {
        let is = |running: &&mut Running| running.clock == was.clock && running.leg == was.leg;
        let running = all.iter_mut().find(is).unwrap();
        if was.end.is_none() && was.due > loaded.at {
            let moved = Moved { at: loaded.at, warn: was.warn, due: was.due };
            running.moved = Some(moved).filter(|_| running.due != was.due);
        } else {
            let Running { warn, due, first_reminder, calendar, .. } = was;
            *running = Running { warn, due, first_reminder, calendar, ..running.clone() };
        }
    }
    all
}

/// What follows from some acts of a story by some calendar.
fn play(
    story: &Story,
    laws: &Laws,
    (calendar, workdays): &(&'static str, Workdays),
    which: impl Fn(&Act) -> bool,
) -> Vec<Running> {
    let mut case = Case { story, laws, calendar, workdays, closed: false, own: BTreeSet::new(), runnings: Vec::new() };
    for act in story.acts.iter().filter(|act| which(act)) {
        case.turn(act.at, act.told, &act.turn);
    }
    case.runnings
}

struct Case<'a> {
    story: &'a Story,
    laws: &'a Laws,
    calendar: &'static str,
    workdays: &'a Workdays,
    closed: bool,
    /// Instructions that were none: the agency found it itself.
    own: BTreeSet<u32>,
    runnings: Vec<Running>,
}

impl Case<'_> {
    fn turn(&mut self, at: Micros, told: Micros, turn: &Turn) {
        let settled = End { settled: true, at, told };
        let cancelled = End { settled: false, at, told };
        match turn {
            Turn::Found => self.start("V1", at, None),
            Turn::Notified => {
                self.end(&["V1"], settled);
                self.start("V2", at, None);
                self.start("V3", at, None);
            }
            Turn::Persuaded { heeded: true } => {
                self.end(&["V2", "V3"], settled);
                self.start("V4", at, None);
            }
            Turn::Persuaded { heeded: false } => self.end(&["V2"], settled),
            Turn::Revisited { stopped } => {
                self.end(&["V4"], settled);
                if !stopped {
                    self.start("V3", at, None);
                }
            }
            Turn::GoesOn => {
                self.end(&["V4"], cancelled);
                self.start("V3", at, None);
            }
            Turn::ReportedUp => {
                self.end(&["V1", "V2", "V3"], settled);
                self.end(&["V4"], cancelled);
            }
            Turn::Withdrawn | Turn::MergedAway => self.end(&["V1", "V2", "V3", "V4"], cancelled),
            Turn::Published => self.end(&["P1"], settled),
            Turn::Opened { tier: Tier::Township, own: false } => self.start("T1", at.max(told), None),
            Turn::Opened { tier: Tier::County, own: false } => self.start("K1", at.max(told), None),
            Turn::AgencyInstructed => self.end(&["T1", "T3"], settled),
            Turn::Escalated => {
                self.end(&["T1", "T3"], settled);
                self.start("K1", at, None);
            }
            Turn::DepartmentInstructed { .. } => self.end(&["K1"], settled),
            Turn::Delivered { work, how } => self.delivered(at, work, *how),
            Turn::Result { work } => self.result(settled, work),
            Turn::Declined { work } => {
                self.end_of_work(&["T2"], cancelled, work);
                self.start("T3", at.max(told), None);
            }
            Turn::Responded { work } => self.end_of_work(&["K2"], settled, work),
            Turn::Returned { work } if work.lead => {
                let all = |running: &Running| running.work.as_ref().is_some_and(|of| of.leg <= work.leg);
                self.end_where(&["K2", "K3"], cancelled, all);
                self.start("K1", at.max(told), None);
            }
            Turn::Returned { work } => self.end_of_work(&["K2", "K3"], cancelled, work),
            Turn::Rework { rejected, .. } => self.end_of_work(&["K4"], cancelled, rejected),
            Turn::Extension { work, granted: true, days, asked } => self.extended(told, work, *days, *asked),
            Turn::FedBack { leg, .. } => {
                let all = |running: &Running| running.work.as_ref().is_some_and(|of| of.leg == *leg);
                self.end_where(&["K4"], settled, all);
            }
            Turn::Outcome { village: true } => self.start("P1", at, None),
            Turn::Closed { .. } => {
                self.end_where(&[], cancelled, |_| true);
                self.closed = true;
            }
            Turn::TakenUpAgain { tier } => {
                self.closed = false;
                self.start(if *tier == Tier::Township { "T1" } else { "K1" }, at, None);
            }
            Turn::Opened { .. }
            | Turn::Helped
            | Turn::Outcome { village: false }
            | Turn::Extension { granted: false, .. } => {}
        }
    }

    fn delivered(&mut self, at: Micros, work: &Work, how: How) {
        if how == How::OwnFinding {
            self.own.insert(work.number);
        }
        match work.tier {
            Tier::Township => self.start("T2", at, Some((work, 0))),
            Tier::City => self.start("K3", at, Some((work, 0))),
            Tier::County => {
                if !matches!(how, How::OwnFinding | How::Rework) {
                    self.start("K2", at, Some((work, 0)));
                }
                self.start("K3", at, Some((work, 0)));
            }
        }
    }

    fn result(&mut self, settled: End, work: &Work) {
        self.end_of_work(&["T2", "K2", "K3"], settled, work);
        let first = !self.runnings.iter().any(|running| running.clock == "K4" && running.is_of(work));
        if work.tier == Tier::County && work.lead && first && !self.own.contains(&work.number) {
            // What was heard of late was sent in time; the office has its hour from when it could see it.
            self.start("K4", settled.at.max(settled.told), Some((work, 0)));
        }
    }

    /// More time, asked within the limit then in force, ends that running at the asking and starts one with more days.
    fn extended(&mut self, told: Micros, work: &Work, days: i64, asked: Micros) {
        let open = |running: &&mut Running| running.clock == "K3" && running.is_of(work) && running.end.is_none();
        let Some(running) = self.runnings.iter_mut().find(open) else { return };
        if asked < running.due && days > running.extension {
            running.end = Some(End { settled: false, at: asked, told });
            let started = running.started;
            self.start("K3", started, Some((work, days)));
        }
    }

    /// Ends the open runnings of these clocks; of all, when none is named. What fell away already fell away earlier, when a return that was
    /// heard of late had come before.
    fn end_where(&mut self, clocks: &[&str], end: End, which: impl Fn(&Running) -> bool) {
        for running in &mut self.runnings {
            let concerned = clocks.is_empty() || clocks.contains(&running.clock);
            if !concerned || !which(running) {
                continue;
            }
            match running.end {
                None => running.end = Some(end),
                Some(known) if !known.settled && !end.settled && end.at < known.at => {
                    running.end = Some(end);
                    running.corrected = true;
                }
                Some(_) => {}
            }
        }
    }

    fn end(&mut self, clocks: &[&str], end: End) {
        self.end_where(clocks, end, |_| true);
    }

    fn end_of_work(&mut self, clocks: &[&str], end: End, work: &Work) {
        self.end_where(clocks, end, |running| running.is_of(work));
    }

    fn start(&mut self, clock: &'static str, at: Micros, work: Option<(&Work, i64)>) {
        if self.closed {
            return;
        }
        let extension = work.map_or(0, |(_, days)| days);
        let work = work.map(|(work, _)| work.clone());
        let hours = |hours: Micros| (at + hours * HOUR, at + 2 * hours * HOUR);
        let workdays = |days: i64| (self.workdays.end_of(at, days), self.workdays.end_of(at, 2 * days));
        let limits = self.laws.limits(at);
        let (due, first_reminder) = match clock {
            "V1" | "V2" | "K4" => hours(1),
            "V3" => hours(2),
            "T2" | "K1" => hours(4),
            "K2" => hours(12),
            "T1" | "T3" => (at + limits.at_once, at + 2 * limits.at_once),
            "V4" => (end_of_day(at, limits.revisit), end_of_day(at, 2 * limits.revisit)),
            "P1" => workdays(limits.publication),
            "K3" => workdays(5 + extension),
            other => panic!("{other} is no clock"),
        };
        let warn = match clock {
            "K3" => self.workdays.end_of(at, 4 + extension),
            _ => at + (due - at) * 3 / 4,
        };
        let (direct, loop_owner) = self.owners(clock, at, work.as_ref());
        let before = self.runnings.iter().filter(|running| running.clock == clock).count();
        self.runnings.push(Running {
            clock,
            leg: u32::try_from(before).unwrap() + 1,
            started: at,
            warn,
            due,
            inclusive: !matches!(clock, "V4" | "P1" | "K3"),
            first_reminder,
            direct,
            loop_owner,
            end: None,
            corrected: false,
            rules: limits.version,
            calendar: if matches!(clock, "P1" | "K3") { self.calendar } else { "" },
            moved: None,
            ends_with_breach: false,
            work,
            extension,
        });
    }

    /// Who answers: directly, and for the loop.
    fn owners(&self, clock: &str, at: Micros, work: Option<&Work>) -> (String, String) {
        let place = &self.story.place;
        let secretary = || format!("village-secretary@{}", place.at("village"));
        let centre = || format!("township-centre@{}", place.at("township"));
        let office = || format!("county-office@{}", place.at("county"));
        let assignee = || work.unwrap().post(place);
        let (direct, loop_owner) = match clock {
            "V1" => (format!("grid-member@{}", place.at("village")), secretary()),
            "V2" | "V3" | "V4" | "P1" => (secretary(), secretary()),
            "T1" | "T3" => (centre(), centre()),
            "K1" | "K4" => (office(), office()),
            _ if self.own.contains(&work.unwrap().number) => (assignee(), assignee()),
            "T2" => (assignee(), centre()),
            _ if work.unwrap().tier == Tier::City => (assignee(), format!("city-office@{}", place.at("city"))),
            _ => (assignee(), office()),
        };
        (self.story.place.held(&direct, at), self.story.place.held(&loop_owner, at))
    }
}
