//! Filing the monthly table (报送, clause C18): when it is due, what a draft comes to, and what may be filed.

use dafei_kernel::{
    owner::Post,
    region::Level,
    role::Role,
    roster::RosterIndex,
    sector::Sector,
    time::{Instant, Month, end_of_day},
};
use jiff::civil::Date;

use crate::{
    column::Column,
    table::Table,
    unit::{Unit, UnitKind},
};

/// The longest reason of a correction, in characters.
pub const MAX_REASON: usize = 500;
/// The largest correction of a cell, either way: as large as the largest fact.
pub const MAX_CORRECTION: i64 = crate::fact::MAX_AMOUNT;

impl UnitKind {
    /// The day of the following month at whose end the table is due: the document's 5th is the city's; those below it file earlier, so that
    /// what is collected from them can be in time (local defaults).
    #[must_use]
    pub const fn due_day(self) -> i8 {
        match self {
            Self::Township | Self::CountyDepartment | Self::CityDepartment => 3,
            Self::CountyOffice => 4,
            Self::CityOffice => 5,
        }
    }

    /// The role whose post files for it.
    #[must_use]
    pub const fn filer(self) -> Role {
        match self {
            Self::Township => Role::TownshipCentre,
            Self::CountyDepartment => Role::CountyDepartment,
            Self::CountyOffice => Role::CountyOffice,
            Self::CityDepartment => Role::CityDepartment,
            Self::CityOffice => Role::CityOffice,
        }
    }

    /// Whether it collects from others.
    #[must_use]
    pub const fn collects(self) -> bool {
        matches!(self, Self::CountyOffice | Self::CityOffice)
    }
}

impl Unit {
    /// The post that files for it.
    #[must_use]
    pub fn filer(&self) -> Post {
        Post { role: self.kind().filer(), region: self.region().clone(), agency: self.agency() }
    }

    /// The units that an office collects from, by the roster, in their order: a county's townships and departments, the city's counties and
    /// departments. A department is there when its post is or was held. None for other units.
    #[must_use]
    pub fn collected(&self, roster: &RosterIndex) -> Vec<Self> {
        let (below, department) = match self.kind() {
            UnitKind::CountyOffice => (UnitKind::Township, UnitKind::CountyDepartment),
            UnitKind::CityOffice => (UnitKind::CountyOffice, UnitKind::CityDepartment),
            UnitKind::Township | UnitKind::CountyDepartment | UnitKind::CityDepartment => return Vec::new(),
        };
        let regions = roster.children(self.region()).filter(|region| region.level() == below.level());
        let offices = regions.filter_map(|region| Self::new(below, region.clone(), None).ok());
        let holders = roster.holders(self.region()).iter().filter(|holder| holder.role == department.filer());
        let departments = holders.filter_map(|holder| Self::new(department, self.region().clone(), holder.agency).ok());
        let mut units: Vec<Self> = offices.chain(departments).collect();
        units.sort();
        units.dedup();
        units
    }

    /// Whether the roster has it: its region, and for a department a post that is or was held.
    #[must_use]
    pub fn is_known(&self, roster: &RosterIndex) -> bool {
        let held = || {
            roster
                .holders(self.region())
                .iter()
                .any(|holder| holder.role == self.kind().filer() && holder.agency == self.agency())
        };
        roster.get(self.region()).is_some() && (!self.kind().is_department() || held())
    }

    /// Whether it is a department that does not owe a month's table though the roster has it: its post was first held
    /// when the month was over, or by nobody at any time from the month's start to the limit, as when it was dissolved
    /// before. A shorter vacancy frees nobody. Since when a unit is in the roster does not stand in the roster of now.
    #[must_use]
    pub fn is_spared(&self, month: Month, roster: &RosterIndex) -> bool {
        let holders = roster.holders(self.region()).iter();
        let own: Vec<_> =
            holders.filter(|one| one.role == self.kind().filer() && one.agency == self.agency()).collect();
        let late = own.iter().all(|one| one.valid_from >= month.end_instant());
        let (from, until) = (month.first_instant(), due(self.kind(), month));
        let vacant = own.iter().all(|one| until <= one.valid_from || one.valid_until.is_some_and(|end| end <= from));
        self.kind().is_department() && !own.is_empty() && (late || vacant)
    }

    /// Level of the office that collects from it; none for the city's.
    #[must_use]
    pub const fn collected_at(&self) -> Option<Level> {
        match self.kind() {
            UnitKind::Township | UnitKind::CountyDepartment => Some(Level::County),
            UnitKind::CountyOffice | UnitKind::CityDepartment => Some(Level::City),
            UnitKind::CityOffice => None,
        }
    }
}

/// The first instant at which a unit's table of a month is late.
#[must_use]
pub fn due(kind: UnitKind, month: Month) -> Instant {
    let next = month.next();
    Date::new(next.year(), next.month(), kind.due_day()).map_or(Instant::MAX, end_of_day)
}

/// How a unit stands with a month's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// 未到期: not filed, and there is no limit that has passed.
    Open,
    /// 已报送: filed in time.
    Filed,
    /// 迟报: filed after the limit.
    Late,
    /// 未报送: the limit has passed, and nothing is filed.
    Missing,
}

/// How a unit stands whose first version was filed then, or not at all. Who does not owe the table has no limit: nothing of it is missing or late, and
/// what he files all the same is in time.
#[must_use]
pub fn state(limit: Option<Instant>, first_filed_at: Option<Instant>, now: Instant) -> State {
    let passed = |at: Instant| limit.is_some_and(|limit| at >= limit);
    match first_filed_at {
        Some(at) if passed(at) => State::Late,
        Some(_) => State::Filed,
        None if passed(now) => State::Missing,
        None => State::Open,
    }
}

/// A correction (更正): it stands beside the computed figure and never over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The row; none for 未分领域.
    pub sector: Option<Sector>,
    /// The column.
    pub column: Column,
    /// What is added to the computed figure; not 0.
    pub amount: i64,
    /// Why.
    pub reason: String,
    /// Who corrected it.
    pub by: Post,
    /// When.
    pub at: Instant,
}

/// The figures that a draft comes to: an office's own, what its units come to, and corrections.
#[must_use]
pub fn figures(own: &Table, from_units: &Table, corrections: &[Correction]) -> Table {
    let corrected = corrections.iter().map(|one| (one.sector, one.column, one.amount));
    Table::of_cells(own.cells().chain(from_units.cells()).chain(corrected))
}

/// A cell that is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The row; none for 未分领域.
    pub sector: Option<Sector>,
    /// The column.
    pub column: Column,
    /// As filed.
    pub filed: i64,
    /// As it would be filed now.
    pub now: i64,
}

/// The cells in which two tables differ, in the form's order.
#[must_use]
pub fn differences(filed: &Table, now: &Table) -> Vec<Difference> {
    let rows = Sector::ALL.iter().copied().map(Some).chain([None]);
    let cells = rows.flat_map(|sector| Column::ALL.into_iter().map(move |column| (sector, column)));
    cells
        .map(|(sector, column)| Difference {
            sector,
            column,
            filed: filed.value(sector, column),
            now: now.value(sector, column),
        })
        .filter(|cell| cell.filed != cell.now)
        .collect()
}

/// Why nothing is corrected or filed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Only the unit's own post corrects and files.
    #[error("only {0} files for the unit")]
    NotOwnUnit(String),
    /// The month has not ended.
    #[error("{0} has not ended")]
    MonthNotEnded(Month),
    /// A correction without a reason.
    #[error("a correction needs a reason")]
    ReasonMissing,
    /// The reason is too long.
    #[error("a reason has at most {MAX_REASON} characters")]
    ReasonTooLong,
    /// The correction is too large.
    #[error("a correction is at most {MAX_CORRECTION} either way")]
    TooLarge,
    /// With the correction the figure would be below zero.
    #[error("the figure would be {0}")]
    BelowZero(i64),
    /// With the correction there would be fewer verified tips than true ones.
    #[error("{0} of the verified tips were true")]
    BelowTrue(i64),
    /// The draft is another than the one that was looked at.
    #[error("the draft is another than the one that was looked at")]
    DraftChanged,
    /// Filed already, and nothing has changed since.
    #[error("version {0} is filed, and nothing has changed since")]
    AlreadyFiled(u32),
}

/// Whether a post may correct and file for a unit.
///
/// # Errors
/// [`Rejection::NotOwnUnit`].
pub fn may_file(unit: &Unit, by: &Post) -> Result<(), Rejection> {
    let filer = unit.filer();
    if filer == *by {
        Ok(())
    } else {
        let agency = filer.agency.map(|agency| format!(" {agency}")).unwrap_or_default();
        Err(Rejection::NotOwnUnit(format!("{} of {}{agency}", filer.role.code(), filer.region)))
    }
}

/// A month's table is corrected and filed once the month has ended: until then facts are still to come.
///
/// # Errors
/// [`Rejection::MonthNotEnded`].
pub fn has_ended(month: Month, now: Instant) -> Result<(), Rejection> {
    if now < month.end_instant() { Err(Rejection::MonthNotEnded(month)) } else { Ok(()) }
}

/// Whether a correction may be made of a cell that comes to `computed` without it.
///
/// # Errors
/// As [`Rejection`] says.
pub fn check_correction(computed: i64, amount: i64, reason: &str) -> Result<(), Rejection> {
    if amount == 0 {
        return Ok(());
    }
    if reason.trim().is_empty() {
        return Err(Rejection::ReasonMissing);
    }
    if reason.chars().count() > MAX_REASON {
        return Err(Rejection::ReasonTooLong);
    }
    if amount.checked_abs().is_none_or(|size| size > MAX_CORRECTION) {
        return Err(Rejection::TooLarge);
    }
    match computed.saturating_add(amount) {
        below if below < 0 => Err(Rejection::BelowZero(below)),
        _ => Ok(()),
    }
}

/// Whether a correction may take the verified tips (column 6) from `before` to `after`, of which so many were true: the note 其中属实 is of what was
/// found and is not corrected, so that none of them can go.
///
/// # Errors
/// [`Rejection::BelowTrue`].
pub fn check_true(before: i64, (after, verified_true): (i64, i64)) -> Result<(), Rejection> {
    if after < verified_true && after < before { Err(Rejection::BelowTrue(verified_true)) } else { Ok(()) }
}

/// What was filed last.
#[derive(Debug, Clone, Copy)]
pub struct Last<'a> {
    /// Its version, from 1.
    pub version: u32,
    /// Digest of the draft that was filed.
    pub digest: &'a str,
}

/// The version that a draft is filed as, which tells of so many verified tips and so many true ones among them.
///
/// # Errors
/// As [`Rejection`] says.
pub fn file(
    figures: &Table,
    (verified, verified_true): (i64, i64),
    seen: &str,
    digest: &str,
    last: Option<Last<'_>>,
) -> Result<u32, Rejection> {
    // Told before a changed draft: whoever files twice holds the digest of the first time.
    if let Some(last) = last.filter(|last| last.digest == digest) {
        return Err(Rejection::AlreadyFiled(last.version));
    }
    if seen != digest {
        return Err(Rejection::DraftChanged);
    }
    // A fact that went away under a correction: the unit has to look at it again.
    match figures.cells().map(|(_, _, value)| value).min() {
        Some(least) if least < 0 => Err(Rejection::BelowZero(least)),
        _ if verified < verified_true => Err(Rejection::BelowTrue(verified_true)),
        _ => Ok(last.map_or(1, |last| last.version + 1)),
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{
        agency::Agency,
        role::Role,
        roster::{Holder, RosterIndex},
        sector::Sector,
        time::Month,
    };

    use super::{Last, Rejection, State, check_correction, check_true, differences, due, figures, file, state};
    use crate::{
        column::Column,
        table::Table,
        unit::{Unit, UnitKind},
    };

    fn november() -> Month {
        "2026-11".parse().expect("a month")
    }

    fn at(text: &str) -> dafei_kernel::time::Instant {
        text.parse().expect("an instant")
    }

    fn fines(fen: i64) -> Table {
        Table::of_cells([(Some(Sector::ALL[0]), Column::Fines, fen)])
    }

    #[test]
    fn tables_are_due_on_the_days_on_which_the_monitor_s_rules_have_them() {
        let rules = include_str!("../../../../data/clocks/default.json");
        let (_, m1) = rules.split_once("\"clock\": \"M1\"").expect("the rules have M1");
        let (m1, _) = m1.split_once("\"clock\"").expect("another follows");
        for (kind, name) in [
            (UnitKind::Township, "township"),
            (UnitKind::CountyDepartment, "county-department"),
            (UnitKind::CityDepartment, "city-department"),
            (UnitKind::CountyOffice, "county"),
            (UnitKind::CityOffice, "city"),
        ] {
            let rule = format!("{{ \"kind\": \"{name}\", \"days\": {},", kind.due_day());
            assert!(m1.contains(&rule), "{rule} in {m1}");
        }
    }

    #[test]
    fn filed_up_to_the_last_instant_of_the_day_is_in_time_and_at_24_00_it_is_late() {
        let kind = UnitKind::Township;
        assert_eq!(due(kind, november()), at("2026-12-04T00:00:00+08:00"));
        assert_eq!(due(UnitKind::CityOffice, "2026-12".parse().expect("a month")), at("2027-01-06T00:00:00+08:00"));
        let (last, over) = (at("2026-12-03T23:59:59.999999+08:00"), at("2026-12-04T00:00:00+08:00"));
        let limit = Some(due(kind, november()));
        assert_eq!(state(limit, Some(last), over), State::Filed);
        assert_eq!(state(limit, Some(over), over), State::Late);
        assert_eq!(state(limit, None, last), State::Open);
        assert_eq!(state(limit, None, over), State::Missing);
    }

    #[test]
    fn what_is_not_owed_is_never_missing_or_late() {
        let over = at("2026-12-04T00:00:00+08:00");
        assert_eq!(state(None, Some(over), over), State::Filed);
        assert_eq!(state(None, None, over), State::Open);
    }

    /// Whether the county's postal department does not owe November when its post is held so, each from and until.
    fn is_spared(held: &[(&str, Option<&str>)]) -> bool {
        let county: dafei_kernel::region::Region = "county:371302".parse().expect("a region");
        let holder = |(from, until): &(&str, Option<&str>)| Holder {
            role: Role::CountyDepartment,
            region: county.clone(),
            agency: Some(Agency::Postal),
            person: "李科长".to_owned(),
            valid_from: at(from),
            valid_until: until.map(at),
        };
        let mut roster = RosterIndex::new();
        roster.replace_holders(&county, held.iter().map(holder).collect());
        let unit = Unit::new(UnitKind::CountyDepartment, county, Some(Agency::Postal)).expect("a unit");
        unit.is_spared(november(), &roster)
    }

    #[test]
    fn a_department_owes_a_month_in_which_or_before_whose_limit_its_post_was_held() {
        let (old, november) = ("2020-01-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00");
        assert!(is_spared(&[(old, Some(november))]), "dissolved with October");
        assert!(!is_spared(&[(old, Some("2026-11-01T00:00:00.000001+08:00"))]), "held in November");
        let (last, limit) = ("2026-12-03T23:59:59+08:00", "2026-12-04T00:00:00+08:00");
        assert!(!is_spared(&[(old, Some(november)), (last, None)]), "a vacancy that ends before the limit");
        assert!(is_spared(&[(old, Some(november)), (limit, None)]), "held by nobody who could file");
        assert!(is_spared(&[("2026-12-01T00:00:00+08:00", None)]), "first held when the month was over");
        assert!(!is_spared(&[("2026-11-30T23:59:59+08:00", None)]));
        assert!(!is_spared(&[]), "nothing is known of its holders");
    }

    #[test]
    fn a_draft_is_the_sum_of_own_facts_units_and_corrections() {
        let figures = figures(&fines(5), &fines(7), &[]);
        assert_eq!(figures.total.value(Column::Fines), 12);
        let differing = differences(&fines(5), &figures);
        assert_eq!(differing.iter().map(|one| (one.filed, one.now)).collect::<Vec<_>>(), [(5, 12)]);
        assert!(differences(&figures, &figures).is_empty());
    }

    #[test]
    fn a_correction_needs_a_reason_and_leaves_no_figure_below_zero() {
        assert_eq!(check_correction(5, -5, "票据重复"), Ok(()));
        assert_eq!(check_correction(5, -6, "票据重复"), Err(Rejection::BelowZero(-1)));
        assert_eq!(check_correction(5, 1, "  "), Err(Rejection::ReasonMissing));
        assert_eq!(check_correction(5, i64::MIN, "票据重复"), Err(Rejection::TooLarge));
        assert_eq!(check_correction(5, 0, ""), Ok(()), "it is removed");
    }

    #[test]
    fn what_is_filed_is_what_was_looked_at_once_and_with_no_figure_below_zero() {
        assert_eq!(file(&fines(5), (0, 0), "a", "a", None), Ok(1));
        assert_eq!(file(&fines(5), (0, 0), "b", "b", Some(Last { version: 3, digest: "a" })), Ok(4));
        assert_eq!(
            file(&fines(5), (0, 0), "a", "a", Some(Last { version: 3, digest: "a" })),
            Err(Rejection::AlreadyFiled(3))
        );
        assert_eq!(file(&fines(5), (0, 0), "a", "b", None), Err(Rejection::DraftChanged));
        assert_eq!(file(&fines(-1), (0, 0), "a", "a", None), Err(Rejection::BelowZero(-1)));
    }

    #[test]
    fn no_correction_leaves_fewer_verified_tips_than_true_ones_and_none_is_filed() {
        assert_eq!(check_true(3, (2, 2)), Ok(()));
        assert_eq!(check_true(3, (1, 2)), Err(Rejection::BelowTrue(2)));
        assert_eq!(check_true(0, (1, 2)), Ok(()), "on the way up");
        assert_eq!(file(&fines(5), (1, 2), "a", "a", None), Err(Rejection::BelowTrue(2)));
        assert_eq!(file(&fines(5), (2, 2), "a", "a", None), Ok(1));
    }
}
