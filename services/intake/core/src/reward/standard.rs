//! Standards of rewards (奖励标准, clause D1): data of counties and the city, in force from a day on, and the amounts that they allow.

use std::collections::BTreeMap;

use dafei_kernel::{
    act::Act,
    money::Fen,
    region::{Region, RegionPath},
    sector::Sector,
    time::Instant,
};

/// What a standard is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every act.
    All,
    /// The acts of a sector.
    Sector(Sector),
    /// One act.
    Act(Act),
}

impl Scope {
    /// How closely it fits an act, 3 the closest; none when it does not.
    fn fit(self, act: Act) -> Option<u8> {
        match self {
            Self::All => Some(1),
            Self::Sector(sector) => (sector == act.sector()).then_some(2),
            Self::Act(own) => (own == act).then_some(3),
        }
    }
}

/// A standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standard {
    /// The county or city whose it is.
    pub region: Region,
    /// Code of the kind within the region.
    pub kind: String,
    /// What is rewarded.
    pub title: String,
    /// For which acts.
    pub scope: Scope,
    /// Least reward.
    pub min: Fen,
    /// Highest reward; nothing ends the kind.
    pub max: Fen,
    /// The rule it rests on.
    pub basis: String,
    /// From here on.
    pub valid_from: Instant,
}

/// Why an amount cannot be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// More than was agreed with the bank for one payment.
    #[error("is over the cap of {} fen for one payment", .0.get())]
    OverCap(Fen),
    /// No standard in force is for this act.
    #[error("no standard in force is for this act")]
    NoStandard,
    /// Outside of what the closest standards allow.
    #[error("the standard allows {} to {} fen", .min.get(), .max.get())]
    OutsideStandard {
        /// Least that one of them allows.
        min: Fen,
        /// Most that one of them allows.
        max: Fen,
    },
}

/// The standards that count for a region: of each kind the nearest region's. `current` holds the version in force of each region and kind.
#[must_use]
pub fn nearest(current: Vec<Standard>, path: &RegionPath) -> Vec<Standard> {
    let depth = |region: &Region| path.regions().iter().position(|at| at == region);
    let mut kinds: BTreeMap<String, (usize, Standard)> = BTreeMap::new();
    for standard in current {
        let Some(own) = depth(&standard.region) else { continue };
        if kinds.get(&standard.kind).is_none_or(|(known, _)| *known < own) {
            kinds.insert(standard.kind.clone(), (own, standard));
        }
    }
    kinds.into_values().map(|(_, standard)| standard).filter(|standard| standard.max > Fen::default()).collect()
}

/// Whether a reward for an act may have this amount: within one of the standards that fit the act most closely, and under the cap.
///
/// # Errors
/// As [`AmountError`].
pub fn check(standards: &[Standard], act: Act, amount: Fen, cap: Fen) -> Result<(), AmountError> {
    if amount > cap {
        return Err(AmountError::OverCap(cap));
    }
    let closest = standards.iter().filter_map(|standard| standard.scope.fit(act)).max();
    let fitting: Vec<&Standard> =
        standards.iter().filter(|standard| closest.is_some() && standard.scope.fit(act) == closest).collect();
    if fitting.iter().any(|standard| (standard.min..=standard.max).contains(&amount)) {
        return Ok(());
    }
    let min = fitting.iter().map(|standard| standard.min).min().ok_or(AmountError::NoStandard)?;
    let max = fitting.iter().map(|standard| standard.max).max().ok_or(AmountError::NoStandard)?;
    Err(AmountError::OutsideStandard { min, max })
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{act::Act, money::Fen, region::RegionPath, sector::Sector, time::Instant};

    use super::{AmountError, Scope, Standard, check, nearest};

    fn fen(fen: i64) -> Fen {
        Fen::new(fen).expect("not below zero")
    }

    fn standard(region: &str, kind: &str, scope: Scope, min: i64, max: i64) -> Standard {
        Standard {
            region: region.parse().expect("a region"),
            kind: kind.to_owned(),
            title: kind.to_owned(),
            scope,
            min: fen(min),
            max: fen(max),
            basis: String::new(),
            valid_from: Instant::UNIX_EPOCH,
        }
    }

    fn act(code: &str) -> Act {
        Act::parse(code).expect("an act")
    }

    #[test]
    fn of_each_kind_the_nearest_region_s_standard_counts_and_an_ended_one_hides_the_city_s() {
        let path: RegionPath = "city:371300/county:371302/township:371302001".parse().expect("a path");
        let rows = vec![
            standard("county:371302", "den", Scope::All, 1, 20),
            standard("city:371300", "den", Scope::All, 1, 10),
            standard("city:371300", "mine", Scope::All, 1, 30),
            standard("city:371300", "gas", Scope::All, 1, 40),
            standard("county:371302", "gas", Scope::All, 0, 0),
            standard("county:371311", "mine", Scope::All, 1, 50),
        ];
        let found: Vec<(String, Fen)> = nearest(rows, &path).into_iter().map(|row| (row.kind, row.max)).collect();
        assert_eq!(found, [("den".to_owned(), fen(20)), ("mine".to_owned(), fen(30))]);
    }

    #[test]
    fn an_amount_lies_within_one_of_the_closest_standards_and_under_the_cap() {
        let rows = [
            standard("city:371300", "all", Scope::All, 1, 100),
            standard("city:371300", "fire", Scope::Sector(Sector::Fireworks), 200, 300),
            standard("city:371300", "den", Scope::Act(act("FW-1")), 1_000, 1_000),
            standard("city:371300", "gang", Scope::Act(act("FW-1")), 3_000, 9_000),
        ];
        let check = |code, amount| check(&rows, act(code), fen(amount), fen(5_000));
        assert_eq!(check("HC-2", 100), Ok(()));
        assert_eq!(check("FW-2", 250), Ok(()));
        assert_eq!(check("FW-1", 1_000), Ok(()));
        assert_eq!(check("FW-1", 5_000), Ok(()));
        assert_eq!(check("FW-1", 5_001), Err(AmountError::OverCap(fen(5_000))));
        assert_eq!(check("FW-1", 100), Err(AmountError::OutsideStandard { min: fen(1_000), max: fen(9_000) }));
        assert_eq!(check("FW-1", 2_000), Err(AmountError::OutsideStandard { min: fen(1_000), max: fen(9_000) }));
        assert_eq!(super::check(&[], act("FW-1"), fen(1), fen(5)), Err(AmountError::NoStandard));
    }
}
