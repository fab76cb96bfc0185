//! The monthly work ledger with its allowances (网格长、网格员工作补贴, clause F6).

use std::collections::BTreeMap;

use dafei_kernel::{
    region::Region,
    role::Role,
    roster::RosterIndex,
    time::{Instant, Month},
};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::work::{WORKERS, Work};

/// No rate and no base is higher, in fen.
const MAX_FEN: i64 = 100_000_000;

/// What work earns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    version: String,
    chief_base: i64,
    member_base: i64,
    rates: [Rate; Work::COUNT],
}

/// What a kind of work earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Fen for each.
    pub fen: i64,
    /// The most that are paid in a month; 0: no limit.
    pub monthly_limit: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    chief_base_fen: i64,
    member_base_fen: i64,
    rates: Vec<FileRate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRate {
    work: String,
    fen: i64,
    monthly_limit: u32,
}

/// Why a text makes no rates.
#[derive(Debug, thiserror::Error)]
pub enum RatesError {
    /// It is not of the form of data/allowances.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// The kinds of work are not each there once, in the ledger's order.
    #[error("rates: {0:?} is not what stands there; the order is that of the ledger's columns")]
    Order(String),
    /// An amount is below zero or beyond all measure.
    #[error("{0} fen is not within 0 and {MAX_FEN}")]
    Amount(i64),
}

impl Rates {
    /// Rates from a text of the form of data/allowances.
    ///
    /// # Errors
    /// As [`RatesError`] says.
    pub fn parse(text: &str) -> Result<Self, RatesError> {
        let File { version, chief_base_fen, member_base_fen, rates } = serde_json::from_str(text)?;
        let named: Vec<&str> = rates.iter().map(|rate| rate.work.as_str()).collect();
        if named != Work::ALL.map(Work::code) {
            let wrong = named.iter().zip(Work::ALL).find(|(name, work)| **name != work.code());
            return Err(RatesError::Order(wrong.map_or_else(|| named.join(", "), |(name, _)| (*name).to_owned())));
        }
        let amounts = rates.iter().map(|rate| rate.fen).chain([chief_base_fen, member_base_fen]);
        if let Some(wrong) = amounts.into_iter().find(|fen| !(0..=MAX_FEN).contains(fen)) {
            return Err(RatesError::Amount(wrong));
        }
        let mut each = [Rate { fen: 0, monthly_limit: 0 }; Work::COUNT];
        for (to, FileRate { fen, monthly_limit, .. }) in each.iter_mut().zip(rates) {
            *to = Rate { fen, monthly_limit };
        }
        Ok(Self { version, chief_base: chief_base_fen, member_base: member_base_fen, rates: each })
    }

    /// Which rates these are.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a kind of work earns.
    #[must_use]
    pub fn of(&self, work: Work) -> Rate {
        self.rates[work.index()]
    }

    /// What a post has for a month, in fen; 0 for posts that are not the grid's.
    #[must_use]
    pub const fn base(&self, role: Role) -> i64 {
        match role {
            Role::VillageSecretary => self.chief_base,
            Role::GridMember => self.member_base,
            _ => 0,
        }
    }

    fn earned(&self, work: Work, times: i64) -> i64 {
        let Rate { fen, monthly_limit } = self.of(work);
        let paid = if monthly_limit == 0 { times } else { times.min(i64::from(monthly_limit)) };
        fen.saturating_mul(paid)
    }
}

/// How often somebody did a kind of work in the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Where.
    pub village: Region,
    /// As what.
    pub role: Role,
    /// Who; empty where nobody knows.
    pub person: String,
    /// What.
    pub work: Work,
    /// How often.
    pub times: i64,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The village.
    pub village: Region,
    /// Village secretary (网格长) or grid member (网格员).
    pub role: Role,
    /// Who; empty where nobody knows.
    pub person: String,
    /// Whether the roster has the person in the post at the month's end; of a month that goes on, now.
    pub in_roster: bool,
    /// How often, by kind of work.
    pub times: [i64; Work::COUNT],
    /// What it earns, in fen.
    pub fen: [i64; Work::COUNT],
    /// Base for the month, in fen.
    pub base: i64,
}

impl Line {
    /// What all of it comes to, in fen.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.fen.iter().fold(self.base, |sum, fen| sum.saturating_add(*fen))
    }
}

/// The lines of some villages for a month: one for each person who did something, and one for each who holds a post, in the order of villages, chiefs
/// before members, then names.
///
/// Work earns only what is done by somebody whom the roster had in the post on some day of the month: names of patrols are as typed.
#[must_use]
pub fn lines(
    rates: &Rates,
    roster: &RosterIndex,
    month: Month,
    now: Instant,
    villages: &[Region],
    done: &[Times],
) -> Vec<Line> {
    let mut all: BTreeMap<(&Region, usize, &str), [i64; Work::COUNT]> = BTreeMap::new();
    let place = |role: Role| WORKERS.iter().position(|worker| *worker == role);
    for one in done {
        let Some(place) = place(one.role) else { continue };
        let times = all.entry((&one.village, place, &one.person)).or_default();
        times[one.work.index()] += one.times;
    }
    let end = last_instant(month, now);
    for village in villages {
        for holder in roster.holders(village).iter().filter(|holder| holder.holds_at(end)) {
            if let Some(place) = place(holder.role) {
                all.entry((village, place, &holder.person)).or_default();
            }
        }
    }
    let line = |((village, place, person), times): ((&Region, usize, &str), [i64; Work::COUNT])| {
        let role = WORKERS[place];
        let tenures = || roster.holders(village).iter().filter(|one| one.role == role && one.person == person);
        let held = tenures().any(|one| {
            one.valid_from < month.end_instant() && one.valid_until.is_none_or(|until| until > month.first_instant())
        });
        let in_roster = tenures().any(|one| one.holds_at(end));
        let earned = |work: Work| if held { rates.earned(work, times[work.index()]) } else { 0 };
        Line {
            village: village.clone(),
            role,
            person: person.to_owned(),
            in_roster,
            times,
            fen: Work::ALL.map(earned),
            base: if in_roster { rates.base(role) } else { 0 },
        }
    };
    all.into_iter().map(line).collect()
}

/// The instant that says who holds a post: the month's last microsecond, or now.
fn last_instant(month: Month, now: Instant) -> Instant {
    let last = month.end_instant().checked_sub(SignedDuration::from_micros(1)).unwrap_or(Instant::MIN);
    last.min(now)
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{
        region::Region,
        role::Role,
        roster::{Holder, RosterIndex},
        time::{Instant, Month},
    };

    use super::{Line, Rates, RatesError, Times, lines};
    use crate::work::Work;

    fn rates() -> Rates {
        Rates::parse(include_str!("../../../../data/allowances/default.json")).expect("the shipped rates")
    }

    fn village() -> Region {
        "village:371302001001".parse().expect("a region")
    }

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    fn roster() -> RosterIndex {
        let holder = |role, person: &str, from: &str, until: Option<&str>| Holder {
            role,
            region: village(),
            agency: None,
            person: person.to_owned(),
            valid_from: at(from),
            valid_until: until.map(at),
        };
        let mut roster = RosterIndex::new();
        let (long, middle) = ("2020-06-20T00:00:00+08:00", "2026-11-15T00:00:00+08:00");
        roster.replace_holders(
            &village(),
            vec![
                holder(Role::VillageSecretary, "王书记", long, None),
                holder(Role::GridMember, "李四", long, Some(middle)),
                holder(Role::GridMember, "王五", middle, None),
                holder(Role::GridMember, "赵六", "2026-12-01T00:00:00+08:00", None),
            ],
        );
        roster
    }

    fn times(role: Role, person: &str, work: Work, times: i64) -> Times {
        Times { village: village(), role, person: person.to_owned(), work, times }
    }

    fn ledger(done: &[Times], now: &str) -> Vec<Line> {
        let month: Month = "2026-11".parse().expect("a month");
        lines(&rates(), &roster(), month, at(now), &[village()], done)
    }

    const AFTER: &str = "2026-12-03T09:00:00+08:00";

    #[test]
    fn work_is_paid_up_to_its_limit_and_the_base_to_who_holds_the_post_at_the_end() {
        let done = [
            times(Role::GridMember, "李四", Work::Patrol, 25),
            times(Role::GridMember, "王五", Work::Report, 3),
            times(Role::GridMember, "", Work::Patrol, 2),
            times(Role::GridMember, "外人", Work::Patrol, 9),
        ];
        let ledger = ledger(&done, AFTER);
        let shown: Vec<(&str, bool, i64, i64)> =
            ledger.iter().map(|line| (line.person.as_str(), line.in_roster, line.base, line.total())).collect();
        let expected = [
            ("王书记", true, 20_000, 20_000),
            ("", false, 0, 0),
            ("外人", false, 0, 0),
            // 25 patrols, of which 20 are paid; he left in the middle of the month.
            ("李四", false, 0, 10_000),
            ("王五", true, 10_000, 16_000),
        ];
        let mut sorted = expected;
        sorted[1..].sort_by_key(|(person, ..)| *person);
        assert_eq!(shown, sorted);
        let gone = ledger.iter().find(|line| line.person == "李四").expect("his line");
        assert_eq!((gone.times[0], gone.fen[0]), (25, 10_000), "all of them are shown");
    }

    #[test]
    fn a_month_that_goes_on_is_as_of_now() {
        let persons = |now| ledger(&[], now).into_iter().map(|line| line.person).collect::<Vec<_>>();
        assert_eq!(persons("2026-11-10T09:00:00+08:00"), ["王书记", "李四"]);
        assert_eq!(persons("2026-11-20T09:00:00+08:00"), ["王书记", "王五"]);
        assert_eq!(persons(AFTER), ["王书记", "王五"], "who came on the 1st of December is in the next");
    }

    #[test]
    fn rates_that_are_no_rates_are_refused() {
        assert!(matches!(Rates::parse("[]"), Err(RatesError::Form(_))));
        let shipped = include_str!("../../../../data/allowances/default.json");
        let parse = |from: &str, to: &str| Rates::parse(&shipped.replacen(from, to, 1));
        assert!(matches!(parse("\"patrol\"", "\"report\""), Err(RatesError::Order(_))));
        assert!(matches!(parse("500", "-1"), Err(RatesError::Amount(-1))));
        assert!(matches!(parse("20000", "900000000"), Err(RatesError::Amount(_))));
        assert!(matches!(parse("\"version\"", "\"edition\""), Err(RatesError::Form(_))));
        assert_eq!((rates().version(), rates().of(Work::Patrol).fen), ("2020-06-20", 500));
        assert_eq!(rates().base(Role::TownshipCentre), 0);
    }
}
