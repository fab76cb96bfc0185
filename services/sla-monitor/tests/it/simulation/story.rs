//! Random stories: who does what when, around the limits and often at the very limit. Here the village's part.

use uuid::Uuid;

use super::{
    DAY, Dice, HOUR, MINUTE, Micros, SECOND,
    city::{Act, Place, Story, Turn},
    days::{Workdays, end_of_day},
    laws::Laws,
};

/// A story that begins at an instant.
pub(crate) fn story(dice: &mut Dice, laws: &Laws, place: &Place, number: u128, begin: Micros) -> Story {
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
        laws,
        workdays: laws.days_in_mind(begin),
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

pub(super) struct Teller<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) laws: &'a Laws,
    pub(super) workdays: &'a Workdays,
    pub(super) place: Place,
    pub(super) acts: Vec<Act>,
    pub(super) works: u32,
    pub(super) leg: u32,
    pub(super) now: Micros,
    pub(super) beside: Option<u32>,
    /// How often agencies or leads gave it back.
    pub(super) rounds: u32,
    pub(super) again: bool,
}

impl Teller<'_> {
    pub(super) fn push(&mut self, at: Micros, told: Micros, turn: Turn) {
        self.acts.push(Act { at, told, turn, beside: self.beside });
        self.now = told;
    }

    pub(super) fn tell(&mut self, at: Micros, turn: Turn) {
        self.push(at, at, turn);
    }

    /// Sometimes a service hears it days later.
    pub(super) fn tell_late(&mut self, at: Micros, turn: Turn) {
        let late = if self.dice.chance(15) { SECOND + self.dice.seconds_below(3 * DAY) } else { 0 };
        self.push(at, at + late, turn);
    }

    /// An instant around a limit after a start.
    pub(super) fn after(&mut self, start: Micros, limit: Micros) -> Micros {
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
    pub(super) fn around(&mut self, due: Micros) -> Micros {
        let at = match self.dice.below(10) {
            0 => due,
            1 => due - 1,
            2 => due + 1,
            3 => due + self.dice.seconds_below(12 * DAY),
            _ => self.now + self.dice.seconds_below((due - self.now).max(MINUTE)),
        };
        at.max(self.now + SECOND)
    }

    pub(super) fn soon(&mut self, within: Micros) -> Micros {
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
            let at = self.around(end_of_day(heeded, self.laws.limits(heeded).revisit));
            let stopped = what < 5;
            self.tell(at, Turn::Revisited { stopped });
            if !stopped && !self.dice.chance(10) {
                return self.up(at, 2 * HOUR);
            }
        }
        match what {
            6 | 7 => {
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
