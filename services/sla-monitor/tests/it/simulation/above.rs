//! The part of stories that dispatch tells: from the centre up.

use super::{
    DAY, HOUR, MINUTE, Micros, SECOND,
    city::{AGENCIES, Closing, How, Tier, Turn, Work},
    story::Teller,
};

impl Teller<'_> {
    pub(super) fn centre(&mut self) {
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
        let at = self.after(start, self.laws.limits(start).at_once);
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
        let at = self.after(start, self.laws.limits(start).at_once);
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

    pub(super) fn tip_at_the_office(&mut self) {
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
                let limit = self.laws.limits(at).publication;
                let published = self.around(self.workdays.end_of(at, limit));
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

    pub(super) fn own_finding(&mut self) {
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

    pub(super) fn city(&mut self) {
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
}
