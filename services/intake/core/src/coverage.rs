//! Whom the leaflets have reached (clause D7, 企不漏人、村不漏户).
//!
//! Nobody writes down which household got a leaflet, so numbers are added with care: within one round (轮次) the distributions reach different households
//! and employees and are summed; another round reaches the same ones again, so of several rounds of a civil year the best one counts. And nothing
//! is covered beyond what the roster has: two rounds to one household do not cover two.

use dafei_kernel::time::{Instant, civil_date};
use std::collections::HashMap;

/// The civil year of a distribution, by which coverage is counted.
#[must_use]
pub fn year(at: Instant) -> i16 {
    civil_date(at).year()
}

/// The round of a distribution that names none: its civil quarter.
#[must_use]
pub fn quarter(at: Instant) -> String {
    let date = civil_date(at);
    format!("{}年第{}季度", date.year(), (date.month() - 1) / 3 + 1)
}

/// What the roster has of one village.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VillageTotal<'a> {
    /// Its code.
    pub code: &'a str,
    /// Its households, where known.
    pub households: Option<u32>,
}

/// What the roster has of one enterprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnterpriseTotal<'a> {
    /// Its credit code.
    pub credit_code: &'a str,
    /// Its employees.
    pub employees: u32,
}

/// The best round of each village (households) and enterprise (employees) in a year.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// By village code.
    pub households: HashMap<String, u64>,
    /// By credit code.
    pub employees: HashMap<String, u64>,
}

/// How much of a region was reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Households reached.
    pub households_covered: u64,
    /// Households of the villages whose number is known.
    pub households_total: u64,
    /// Villages whose number is not known.
    pub villages_without_households: u32,
    /// Enterprises of which at least one employee was reached.
    pub enterprises_covered: u64,
    /// Enterprises of which every employee was reached.
    pub enterprises_complete: u64,
    /// Enterprises.
    pub enterprises_total: u64,
    /// Employees reached.
    pub employees_covered: u64,
    /// Employees.
    pub employees_total: u64,
}

impl Coverage {
    /// Adds a village.
    pub fn village(&mut self, village: VillageTotal<'_>, reached: &Reached) {
        let told = reached.households.get(village.code).copied().unwrap_or(0);
        if let Some(total) = village.households.map(u64::from) {
            self.households_covered += told.min(total);
            self.households_total += total;
        } else {
            self.households_covered += told;
            self.villages_without_households += 1;
        }
    }

    /// Adds an enterprise.
    pub fn enterprise(&mut self, enterprise: EnterpriseTotal<'_>, reached: &Reached) {
        let told = reached.employees.get(enterprise.credit_code).copied().unwrap_or(0);
        let total = u64::from(enterprise.employees);
        self.enterprises_total += 1;
        self.employees_total += total;
        self.employees_covered += told.min(total);
        self.enterprises_covered += u64::from(told > 0);
        self.enterprises_complete += u64::from(told > 0 && told >= total);
    }
}
