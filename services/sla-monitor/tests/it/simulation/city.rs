//! Random stories of cases: who does what when, around the limits and often at the very limit. A story is told in the order of its acts; what
//! a service hears late counts at the instant at which it happened.

use uuid::Uuid;

use super::{
    DAY, Dice, HOUR, MINUTE, Micros, SECOND,
    model::{Workdays, end_of_day},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Township,
    County,
    City,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) number: u32,
    pub(crate) tier: Tier,
    pub(crate) agency: &'static str,
    pub(crate) lead: bool,
    pub(crate) leg: u32,
}

impl Work {
    pub(crate) fn post(&self, place: &Place) -> String {
        let agency = self.agency;
        match self.tier {
            Tier::Township => format!("township-agency@{}/{agency}", place.at("township")),
            Tier::County => format!("county-department@{}/{agency}", place.at("county")),
            Tier::City => format!("city-department@{}/{agency}", place.at("city")),
        }
    }
}

/// How an instruction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Delivered,
    Assumed,
    OwnFinding,
    Rework,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Closed,
    Merged,
    Withdrawn,
}

/// What happens in a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    Found,
    Notified,
    Persuaded {
        heeded: bool,
    },
    Revisited,
    /// Persuasion proved false.
    GoesOn,
    ReportedUp,
    Withdrawn,
    MergedAway,
    /// Moves no clock.
    Helped,
    Published,
    Opened {
        tier: Tier,
        own: bool,
    },
    AgencyInstructed,
    Delivered {
        work: Work,
        how: How,
    },
    Result {
        work: Work,
    },
    Declined {
        work: Work,
    },
    Escalated,
    DepartmentInstructed {
        works: Vec<Work>,
    },
    Responded {
        work: Work,
    },
    Returned {
        work: Work,
    },
    Rework {
        rejected: Work,
        work: Work,
    },
    Extension {
        work: Work,
        granted: bool,
        days: i64,
        asked: Micros,
    },
    FedBack {
        leg: u32,
        tier: Tier,
    },
    Outcome {
        village: bool,
    },
    Closed {
        how: Closing,
        tier: Tier,
    },
    TakenUpAgain {
        tier: Tier,
    },
}

impl Turn {
    /// Whether intake tells it.
    pub(crate) const fn is_villages(&self) -> bool {
        matches!(
            self,
            Self::Found
                | Self::Notified
                | Self::Persuaded { .. }
                | Self::Revisited
                | Self::GoesOn
                | Self::ReportedUp
                | Self::Withdrawn
                | Self::MergedAway
                | Self::Helped
                | Self::Published
        )
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// When it happened.
    pub(crate) at: Micros,
    /// When its service recorded it.
    pub(crate) told: Micros,
    pub(crate) turn: Turn,
    /// Of a co-handler, beside the main course.
    beside: Option<u32>,
}

/// Where a case is, from the city down.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// When all posts of its county change hands.
    pub(crate) change: Micros,
}

impl Place {
    /// The region of a level.
    pub(crate) fn at(&self, level: &str) -> &str {
        self.path.split('/').find(|region| region.split(':').next() == Some(level)).unwrap()
    }

    pub(crate) fn has(&self, level: &str) -> bool {
        self.path.contains(&format!("/{level}:"))
    }

    fn up_to(&self, level: &str) -> Self {
        let end = self.path.find(self.at(level)).unwrap() + self.at(level).len();
        Self { path: self.path[..end].to_owned(), change: self.change }
    }

    /// A post with its holder of an instant. The roster says nothing of the city's posts.
    pub(crate) fn held(&self, post: &str, at: Micros) -> String {
        if post.contains("@city:") {
            return format!("{post} ");
        }
        let person = if at < self.change { "甲" } else { "乙" };
        format!("{post} {post}{person}")
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) case: Uuid,
    pub(crate) place: Place,
    pub(crate) acts: Vec<Act>,
}

/// The agencies that have something to do here.
pub(crate) const AGENCIES: [&str; 4] = ["emergency-management", "fire-rescue", "transport", "energy"];

/// The villages of counties, two townships each with two villages, by the instants at which their posts change hands.
pub(crate) fn places(changes: &[Micros]) -> Vec<Place> {
    let mut places = Vec::new();
    for (code, change) in (371_321..).zip(changes) {
        for (township, village) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let path = format!(
                "city:371300/county:{code}/township:{code}{township:03}/village:{code}{township:03}{village:03}"
            );
            places.push(Place { path, change: *change });
        }
    }
    places
}

/// A story that begins at an instant.
pub(crate) fn story(dice: &mut Dice, workdays: &Workdays, place: &Place, number: u128, begin: Micros) -> Story {
    let kind = dice.below(20);
    let place = match kind {
        0..=12 => place.clone(),
        13 | 14 => place.up_to("township"),
        15..=17 => place.up_to("county"),
        18 => [place.up_to("township"), place.up_to("county")][dice.index(2)].clone(),
        _ => place.up_to("city"),
    };
    let mut teller = Teller {
        dice,
        workdays,
        place,
        acts: Vec::new(),
        works: 0,
        leg: 0,
        now: begin,
        beside: None,
        rounds: 0,
        again: false,
    };
    match kind {
        0..=12 => teller.village(),
        13 | 14 => teller.centre(),
        15..=17 => teller.tip_at_the_office(),
        18 => teller.own_finding(),
        _ => teller.city(),
    }
    let (place, acts) = (teller.place.clone(), teller.finish());
    Story { case: Uuid::from_u128(0x51a0_0000_0000_0000 + (number << 16)), place, acts }
}

struct Teller<'a> {
    dice: &'a mut Dice,
    workdays: &'a Workdays,
    place: Place,
    acts: Vec<Act>,
    works: u32,
    leg: u32,
    now: Micros,
    beside: Option<u32>,
    /// How often agencies or leads gave it back.
    rounds: u32,
    again: bool,
}

impl Teller<'_> {
    fn push(&mut self, at: Micros, told: Micros, turn: Turn) {
        self.acts.push(Act { at, told, turn, beside: self.beside });
        self.now = told;
    }

    fn tell(&mut self, at: Micros, turn: Turn) {
        self.push(at, at, turn);
    }

    /// Sometimes a service hears it days later.
    fn tell_late(&mut self, at: Micros, turn: Turn) {
        let late = if self.dice.chance(15) { SECOND + self.dice.seconds_below(3 * DAY) } else { 0 };
        self.push(at, at + late, turn);
    }

    /// An instant around a limit after a start.
    fn after(&mut self, start: Micros, limit: Micros) -> Micros {
        let limit = match self.dice.below(12) {
            0 | 1 => limit,
            2 => limit - 1,
            3 => limit + 1,
            4 => limit + self.dice.seconds_below(3 * limit),
            5 => self.dice.seconds_below(20 * limit),
            _ => SECOND + self.dice.seconds_below(limit),
        };
        (start + limit).max(self.now + SECOND)
    }

    /// An instant around the end of a last day.
    fn around(&mut self, due: Micros) -> Micros {
        let at = match self.dice.below(10) {
            0 => due,
            1 => due - 1,
            2 => due + 1,
            3 => due + self.dice.seconds_below(12 * DAY),
            _ => self.now + self.dice.seconds_below((due - self.now).max(MINUTE)),
        };
        at.max(self.now + SECOND)
    }

    fn soon(&mut self, within: Micros) -> Micros {
        self.now + SECOND + self.dice.seconds_below(within)
    }

    fn village(&mut self) {
        let found = self.now;
        let offline = if self.dice.chance(30) { self.dice.seconds_below(2 * HOUR) } else { 0 };
        self.push(found, found + offline, Turn::Found);
        match self.dice.below(20) {
            0 => return self.gone(),
            1 => return,
            2..=4 => return self.up(found, HOUR),
            _ => {}
        }
        let notified = self.after(found, HOUR);
        self.tell(notified, Turn::Notified);
        if self.dice.chance(15) {
            let at = self.soon(MINUTE);
            self.tell(at, Turn::Helped);
        }
        match self.dice.below(12) {
            0..=4 => {
                let heeded = self.after(notified, HOUR);
                self.tell(heeded, Turn::Persuaded { heeded: true });
                return self.heeded(heeded);
            }
            5..=9 => {
                let refused = self.after(notified, HOUR);
                self.tell(refused, Turn::Persuaded { heeded: false });
            }
            10 => {}
            _ => return self.gone(),
        }
        if !self.dice.chance(8) {
            self.up(notified, 2 * HOUR);
        }
    }

    fn gone(&mut self) {
        let at = self.soon(3 * HOUR);
        let turn = if self.dice.chance(50) { Turn::Withdrawn } else { Turn::MergedAway };
        self.tell(at, turn);
    }

    fn up(&mut self, start: Micros, limit: Micros) {
        let at = self.after(start, limit);
        self.tell(at, Turn::ReportedUp);
        self.centre();
    }

    fn heeded(&mut self, heeded: Micros) {
        let what = self.dice.below(12);
        if matches!(what, 0..=5 | 8) {
            let at = self.around(end_of_day(heeded, 3));
            self.tell(at, Turn::Revisited);
        }
        match what {
            6..=8 => {
                let at = self.soon(4 * DAY);
                self.tell(at, Turn::GoesOn);
                if !self.dice.chance(10) {
                    self.up(at, 2 * HOUR);
                }
            }
            9 => self.up(heeded, DAY),
            10 => self.gone(),
            _ => {}
        }
    }

    fn centre(&mut self) {
        let reached = self.now;
        self.tell_late(reached, Turn::Opened { tier: Tier::Township, own: false });
        self.triage(reached);
    }

    fn triage(&mut self, start: Micros) {
        match self.dice.below(20) {
            0 => {}
            1 => self.ended(Tier::Township),
            2..=9 => self.escalated(start),
            _ => self.station(start),
        }
    }

    fn escalated(&mut self, start: Micros) {
        let at = self.after(start, 30 * MINUTE);
        self.tell(at, Turn::Escalated);
        self.office(at);
    }

    fn work(&mut self, tier: Tier, lead: bool) -> Work {
        self.works += 1;
        Work { number: self.works, tier, agency: self.dice.pick(&AGENCIES), lead, leg: self.leg }
    }

    fn deliver(&mut self, work: &Work, rework: bool) -> Micros {
        let assumed = self.dice.chance(15);
        let at = self.now + if assumed { 30 * MINUTE } else { SECOND + self.dice.seconds_below(30 * MINUTE) };
        let how = match (rework, assumed) {
            (true, _) => How::Rework,
            (false, true) => How::Assumed,
            (false, false) => How::Delivered,
        };
        self.tell_late(at, Turn::Delivered { work: work.clone(), how });
        at
    }

    fn station(&mut self, start: Micros) {
        let at = self.after(start, 30 * MINUTE);
        self.tell(at, Turn::AgencyInstructed);
        self.leg += 1;
        let work = self.work(Tier::Township, true);
        let delivered = self.deliver(&work, false);
        match self.dice.below(12) {
            0 => {}
            1..=3 => {
                let declined = self.after(delivered, 4 * HOUR);
                self.tell(declined, Turn::Declined { work });
                self.rounds += 1;
                match self.dice.below(10) {
                    0 => {}
                    1..=4 if self.rounds < 3 => self.station(declined),
                    _ => self.escalated(declined),
                }
            }
            _ => {
                let result = self.after(delivered, 4 * HOUR);
                self.tell_late(result, Turn::Result { work: work.clone() });
                if self.dice.chance(20) {
                    self.redo(&work, 4 * HOUR);
                }
                self.outcome();
            }
        }
    }

    /// The result was not taken: again, by the same.
    fn redo(&mut self, rejected: &Work, limit: Micros) -> (Work, Micros) {
        self.leg += 1;
        self.works += 1;
        let work = Work { number: self.works, leg: self.leg, ..rejected.clone() };
        let at = self.soon(2 * HOUR);
        self.tell(at, Turn::Rework { rejected: rejected.clone(), work: work.clone() });
        let delivered = self.deliver(&work, true);
        let result = match work.tier {
            Tier::Township => self.after(delivered, limit),
            Tier::County | Tier::City => self.around(self.workdays.end_of(delivered, 5)),
        };
        self.tell_late(result, Turn::Result { work: work.clone() });
        (work, result)
    }

    fn tip_at_the_office(&mut self) {
        let reached = self.now;
        self.tell_late(reached, Turn::Opened { tier: Tier::County, own: false });
        self.office(reached);
    }

    fn office(&mut self, start: Micros) {
        match self.dice.below(20) {
            0 => return,
            1 => return self.ended(Tier::County),
            _ => {}
        }
        let at = self.after(start, 4 * HOUR);
        self.leg += 1;
        let co_handlers = self.dice.below(3);
        let works: Vec<Work> = (0..=co_handlers).map(|number| self.work(Tier::County, number == 0)).collect();
        self.tell(at, Turn::DepartmentInstructed { works: works.clone() });
        for work in &works[1..] {
            self.co_handler(work);
            self.now = at;
        }
        self.lead(&works[0]);
    }

    fn co_handler(&mut self, work: &Work) {
        self.beside = Some(work.leg);
        let delivered = self.deliver(work, false);
        if self.dice.chance(12) {
            let at = self.after(delivered, 12 * HOUR);
            self.tell_late(at, Turn::Returned { work: work.clone() });
        } else {
            self.work_off(work, delivered, 65);
        }
        self.beside = None;
    }

    /// Response, more time, result; says when the result came in.
    fn work_off(&mut self, work: &Work, delivered: Micros, done: i64) -> Option<Micros> {
        if self.dice.chance(70) {
            let at = self.after(delivered, 12 * HOUR);
            self.tell_late(at, Turn::Responded { work: work.clone() });
        }
        let mut due = self.workdays.end_of(delivered, 5);
        let mut days = 0;
        while days < 8 && self.dice.chance(20) {
            let asked = self.around(due);
            let granted = self.dice.chance(75);
            let more = days + 1 + self.dice.below(4);
            let decided = asked + self.dice.seconds_below(40 * HOUR);
            self.push(decided, decided, Turn::Extension { work: work.clone(), granted, days: more, asked });
            if granted {
                days = more;
                due = self.workdays.end_of(delivered, 5 + days);
            }
        }
        if !self.dice.chance(done) {
            return None;
        }
        let at = self.around(due);
        self.tell_late(at, Turn::Result { work: work.clone() });
        Some(at)
    }

    fn lead(&mut self, work: &Work) {
        let delivered = self.deliver(work, false);
        if self.rounds < 3 && self.dice.chance(15) {
            self.rounds += 1;
            let at = self.after(delivered, 12 * HOUR);
            self.tell_late(at, Turn::Returned { work: work.clone() });
            return self.office(at);
        }
        let Some(mut result) = self.work_off(work, delivered, 93) else { return };
        let mut work = work.clone();
        if self.dice.chance(20) {
            (work, result) = self.redo(&work, 0);
        }
        if self.dice.chance(10) {
            // The interim result is followed by a final one.
            let at = self.soon(DAY);
            self.tell_late(at, Turn::Result { work: work.clone() });
        }
        if self.dice.chance(5) {
            return;
        }
        let at = self.after(result, HOUR);
        self.tell(at, Turn::FedBack { leg: work.leg, tier: Tier::County });
        if self.place.has("township") { self.outcome() } else { self.close(Tier::County) }
    }

    fn outcome(&mut self) {
        let tier = Tier::Township;
        let village = self.place.has("village");
        let at = self.now + self.dice.seconds_below(HOUR);
        self.tell(at, Turn::Outcome { village });
        if !village {
            return self.close(tier);
        }
        match self.dice.below(20) {
            0 | 1 => {}
            2 => self.ended(tier),
            _ => {
                let published = self.around(self.workdays.end_of(at, 3));
                self.tell(published, Turn::Published);
                self.close(tier);
            }
        }
    }

    /// Closed at once, and now and then taken up again.
    fn close(&mut self, tier: Tier) {
        self.tell(self.now, Turn::Closed { how: Closing::Closed, tier });
        if self.again || !self.dice.chance(15) {
            return;
        }
        self.again = true;
        let at = self.soon(10 * DAY);
        self.tell(at, Turn::TakenUpAgain { tier });
        if tier == Tier::Township { self.triage(at) } else { self.office(at) }
    }

    /// Merged with another case or withdrawn.
    fn ended(&mut self, tier: Tier) {
        let at = self.soon(6 * HOUR);
        let how = if self.dice.chance(50) { Closing::Merged } else { Closing::Withdrawn };
        self.tell(at, Turn::Closed { how, tier });
    }

    fn own_finding(&mut self) {
        let tier = if self.place.has("township") { Tier::Township } else { Tier::County };
        self.leg += 1;
        let work = self.work(tier, true);
        let at = self.now;
        self.tell(at, Turn::Opened { tier, own: true });
        self.tell(at, Turn::Delivered { work: work.clone(), how: How::OwnFinding });
        let result =
            if tier == Tier::Township { self.after(at, 4 * HOUR) } else { self.around(self.workdays.end_of(at, 5)) };
        if self.dice.chance(85) {
            self.tell_late(result, Turn::Result { work });
            self.close(tier);
        }
    }

    fn city(&mut self) {
        self.tell(self.now, Turn::Opened { tier: Tier::City, own: false });
        self.leg += 1;
        let work = self.work(Tier::City, true);
        let at = self.soon(DAY);
        self.tell(at, Turn::DepartmentInstructed { works: vec![work.clone()] });
        let delivered = self.deliver(&work, false);
        if self.dice.chance(85) {
            let at = self.around(self.workdays.end_of(delivered, 5));
            self.tell_late(at, Turn::Result { work: work.clone() });
            let at = self.soon(DAY);
            self.tell(at, Turn::FedBack { leg: work.leg, tier: Tier::City });
            let at = self.now;
            self.tell(at, Turn::Closed { how: Closing::Closed, tier: Tier::City });
        }
    }

    /// The acts in the order in which they were told. After the closing, or the return of its lead, nothing comes of a co-handler any more,
    /// except a result that was on its way.
    fn finish(mut self) -> Vec<Act> {
        self.acts.sort_by_key(|act| act.told);
        let mut gone = 0;
        self.acts.retain(|act| {
            match &act.turn {
                Turn::Closed { .. } => gone = u32::MAX,
                Turn::Returned { work } if work.lead => gone = gone.max(work.leg),
                _ => {}
            }
            act.beside.is_none_or(|leg| leg > gone || matches!(act.turn, Turn::Result { .. }))
        });
        self.acts
    }
}
