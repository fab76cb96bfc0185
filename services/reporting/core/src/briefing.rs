//! Briefings (通报): weekly of a township's centre to its principals (clause C9), monthly of a county's office to its commander (clause C14), and
//! monthly of the city's office, which the document does not ask for. What they hold, when they are due, and what may be released.

mod content;
mod text;

use dafei_kernel::{
    owner::Post,
    period::{Cycle, Period},
    region::{Level, Region},
    role::Role,
    time::{Instant, end_of_day},
};
use jiff::ToSpan as _;

pub use content::{
    CLOCKS, ClockKept, Content, Coverage, FIGURES, Figure, OpenCase, OwnerLine, Wanted, clock_name, weeks_ended,
};
pub use text::{Head, paragraphs};

/// The longest remarks (工作要求), in characters.
pub const MAX_REMARKS: usize = 2000;
/// The day of the following month at whose end a county's briefing is due (local default).
pub const COUNTY_DUE_DAY: i8 = 5;

/// A unit and a period that it briefs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Briefing {
    unit: Region,
    period: Period,
}

/// No briefing is made of such a unit and period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoBriefing {
    /// Villages and work areas brief nobody.
    #[error("only townships, counties and the city brief")]
    Unit,
    /// A township briefs by weeks.
    #[error("a township briefs on weeks")]
    NotAWeek,
    /// Counties and the city brief by months.
    #[error("counties and the city brief on months")]
    NotAMonth,
}

impl Briefing {
    /// A briefing.
    ///
    /// # Errors
    /// When such units do not brief, or not on such periods.
    pub fn new(unit: Region, period: Period) -> Result<Self, NoBriefing> {
        match (unit.level(), period.cycle()) {
            (Level::Township, Cycle::Week) | (Level::County | Level::City, Cycle::Month) => Ok(Self { unit, period }),
            (Level::Township, _) => Err(NoBriefing::NotAWeek),
            (Level::County | Level::City, _) => Err(NoBriefing::NotAMonth),
            (Level::WorkArea | Level::Village, _) => Err(NoBriefing::Unit),
        }
    }

    /// The unit.
    #[must_use]
    pub const fn unit(&self) -> &Region {
        &self.unit
    }

    /// The period.
    #[must_use]
    pub const fn period(&self) -> Period {
        self.period
    }

    /// The last day of the period.
    #[must_use]
    pub fn last_day(&self) -> jiff::civil::Date {
        self.period.day_after().saturating_sub(1.day())
    }

    /// The level whose units brief on periods of this cycle, from the lowest up.
    #[must_use]
    pub const fn levels(cycle: Cycle) -> &'static [Level] {
        match cycle {
            Cycle::Week => &[Level::Township],
            Cycle::Month => &[Level::City, Level::County],
            Cycle::Quarter => &[],
        }
    }

    /// The first instant at which it is late: Sunday 24:00 of the week after (clock W3), the 5th 24:00 of the month after (clock M2, a local
    /// default). The city's has no limit.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match self.unit.level() {
            Level::Township => Some(self.period.next().end()),
            Level::County => {
                let fifth = self.period.day_after().saturating_add(i64::from(COUNTY_DUE_DAY - 1).days());
                Some(end_of_day(fifth))
            }
            Level::City | Level::WorkArea | Level::Village => None,
        }
    }

    /// The post that releases it.
    #[must_use]
    pub fn releaser(&self) -> Post {
        let role = match self.unit.level() {
            Level::City => Role::CityOffice,
            Level::County => Role::CountyOffice,
            Level::Township | Level::WorkArea | Level::Village => Role::TownshipCentre,
        };
        Post { role, region: self.unit.clone(), agency: None }
    }

    /// The post that it is addressed to, whose holders acknowledge it; the city's has none.
    #[must_use]
    pub fn addressee(&self) -> Option<Post> {
        let role = match self.unit.level() {
            Level::Township => Role::TownshipPrincipal,
            Level::County => Role::CountyCommander,
            Level::City | Level::WorkArea | Level::Village => return None,
        };
        Some(Post { role, region: self.unit.clone(), agency: None })
    }
}

/// How a briefing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// 待发布: a draft, and there is no limit that has passed.
    Draft,
    /// 已发布: released in time.
    Released,
    /// 迟发: released after the limit.
    Late,
    /// 未发布: the limit has passed, and it is not released.
    Missing,
}

/// How a briefing stands that was released then, or not at all. The city's has no limit, and neither has one that its unit does not owe: it is never missing
/// or late.
#[must_use]
pub fn state(limit: Option<Instant>, released_at: Option<Instant>, now: Instant) -> State {
    let passed = |at: Instant| limit.is_some_and(|limit| at >= limit);
    match released_at {
        Some(at) if passed(at) => State::Late,
        Some(_) => State::Released,
        None if passed(now) => State::Missing,
        None => State::Draft,
    }
}

/// Why nothing is released or acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Only the unit's own centre or office releases.
    #[error("only the unit's own centre or office releases")]
    NotOwnUnit,
    /// Only those to whom it is addressed acknowledge.
    #[error("only those to whom it is addressed acknowledge")]
    NotAddressed,
    /// The period has not ended.
    #[error("{0} has not ended")]
    PeriodNotEnded(Period),
    /// The draft is another than the one that was looked at.
    #[error("the draft is another than the one that was looked at")]
    DraftChanged,
    /// It is released already.
    #[error("it is released already")]
    AlreadyReleased,
    /// It is not released yet.
    #[error("it is not released yet")]
    NotReleased,
    /// The remarks are too long.
    #[error("remarks have at most {MAX_REMARKS} characters")]
    RemarksTooLong,
}

/// A draft is there once the period has ended.
///
/// # Errors
/// [`Rejection::PeriodNotEnded`].
pub fn has_ended(briefing: &Briefing, now: Instant) -> Result<(), Rejection> {
    if now < briefing.period().end() { Err(Rejection::PeriodNotEnded(briefing.period())) } else { Ok(()) }
}

/// Whether a post may release it with such remarks.
///
/// # Errors
/// As [`Rejection`] says.
pub fn may_release(briefing: &Briefing, by: &Post, remarks: &str, now: Instant) -> Result<(), Rejection> {
    if briefing.releaser() != *by {
        return Err(Rejection::NotOwnUnit);
    }
    if remarks.chars().count() > MAX_REMARKS {
        return Err(Rejection::RemarksTooLong);
    }
    has_ended(briefing, now)
}

/// Whether the draft that was looked at may be released.
///
/// # Errors
/// As [`Rejection`] says.
pub fn release(released: bool, seen: &str, digest: &str) -> Result<(), Rejection> {
    match (released, seen == digest) {
        (true, _) => Err(Rejection::AlreadyReleased),
        (false, false) => Err(Rejection::DraftChanged),
        (false, true) => Ok(()),
    }
}

/// Whether a post may acknowledge it.
///
/// # Errors
/// As [`Rejection`] says.
pub fn acknowledge(briefing: &Briefing, by: &Post, released: bool) -> Result<(), Rejection> {
    if briefing.addressee().as_ref() != Some(by) {
        return Err(Rejection::NotAddressed);
    }
    if released { Ok(()) } else { Err(Rejection::NotReleased) }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{owner::Post, region::Region, role::Role};

    use super::{Briefing, NoBriefing, Rejection, State, acknowledge, may_release, release, state};

    fn region(text: &str) -> Region {
        text.parse().expect("a region")
    }

    fn briefing(unit: &str, period: &str) -> Briefing {
        Briefing::new(region(unit), period.parse().expect("a period")).expect("a briefing")
    }

    fn at(text: &str) -> dafei_kernel::time::Instant {
        text.parse().expect("an instant")
    }

    #[test]
    fn townships_brief_on_weeks_and_counties_and_the_city_on_months() {
        let new = |unit: &str, period: &str| Briefing::new(region(unit), period.parse().expect("a period"));
        assert!(new("township:371302001", "2026-W48").is_ok());
        assert!(new("county:371302", "2026-11").is_ok());
        assert!(new("city:371300", "2026-11").is_ok());
        assert_eq!(new("township:371302001", "2026-11"), Err(NoBriefing::NotAWeek));
        assert_eq!(new("county:371302", "2026-W48"), Err(NoBriefing::NotAMonth));
        assert_eq!(new("county:371302", "2026-Q4"), Err(NoBriefing::NotAMonth));
        assert_eq!(new("village:371302001001", "2026-W48"), Err(NoBriefing::Unit));
    }

    #[test]
    fn a_week_s_briefing_is_due_at_the_end_of_the_week_after_and_a_month_s_on_the_5th() {
        // 2026-W47 is 16 to 22 November.
        assert_eq!(briefing("township:371302001", "2026-W47").due(), Some(at("2026-11-30T00:00:00+08:00")));
        assert_eq!(briefing("county:371302", "2026-11").due(), Some(at("2026-12-06T00:00:00+08:00")));
        assert_eq!(briefing("county:371302", "2026-12").due(), Some(at("2027-01-06T00:00:00+08:00")));
        assert_eq!(briefing("city:371300", "2026-11").due(), None);
    }

    #[test]
    fn the_limits_are_those_of_the_monitor_s_rules() {
        let rules = include_str!("../../../../data/clocks/default.json");
        for (clock, unit) in [
            ("W3", "\"units\": [{ \"kind\": \"township\", \"days\": 7,".to_owned()),
            ("M2", format!("\"units\": [{{ \"kind\": \"county\", \"days\": {},", super::COUNTY_DUE_DAY)),
        ] {
            let (_, rule) = rules.split_once(&format!("\"clock\": \"{clock}\"")).expect("the rules have it");
            let (rule, _) = rule.split_once("\"clock\"").expect("another follows");
            assert!(rule.contains(&unit), "{unit} in {rule}");
        }
    }

    #[test]
    fn released_up_to_the_last_instant_of_the_limit_is_in_time() {
        let one = briefing("county:371302", "2026-11");
        let (last, over) = (at("2026-12-05T23:59:59.999999+08:00"), at("2026-12-06T00:00:00+08:00"));
        assert_eq!(state(one.due(), Some(last), over), State::Released);
        assert_eq!(state(one.due(), Some(over), over), State::Late);
        assert_eq!(state(one.due(), None, last), State::Draft);
        assert_eq!(state(one.due(), None, over), State::Missing);
        let city = briefing("city:371300", "2026-11");
        assert_eq!(state(city.due(), None, at("2027-12-06T00:00:00+08:00")), State::Draft);
    }

    #[test]
    fn the_centre_releases_and_the_principals_acknowledge_what_is_released() {
        let one = briefing("township:371302001", "2026-W47");
        let post = |role, unit: &str| Post { role, region: region(unit), agency: None };
        let centre = post(Role::TownshipCentre, "township:371302001");
        let now = at("2026-11-23T00:00:00+08:00");
        assert_eq!(may_release(&one, &centre, "", now), Ok(()));
        let early = at("2026-11-22T23:59:59+08:00");
        assert_eq!(may_release(&one, &centre, "", early), Err(Rejection::PeriodNotEnded(one.period())));
        assert_eq!(may_release(&one, &centre, &"要".repeat(2001), now), Err(Rejection::RemarksTooLong));
        for other in
            [post(Role::TownshipCentre, "township:371302002"), post(Role::TownshipPrincipal, "township:371302001")]
        {
            assert_eq!(may_release(&one, &other, "", now), Err(Rejection::NotOwnUnit));
        }
        let principal = post(Role::TownshipPrincipal, "township:371302001");
        assert_eq!(acknowledge(&one, &principal, true), Ok(()));
        assert_eq!(acknowledge(&one, &principal, false), Err(Rejection::NotReleased));
        assert_eq!(acknowledge(&one, &centre, true), Err(Rejection::NotAddressed));
    }

    #[test]
    fn what_is_released_is_what_was_looked_at_and_only_once() {
        assert_eq!(release(false, "a", "a"), Ok(()));
        assert_eq!(release(false, "a", "b"), Err(Rejection::DraftChanged));
        assert_eq!(release(true, "a", "a"), Err(Rejection::AlreadyReleased));
    }
}
