//! Whom the leaflets of a year have reached, against the roster (clause D7).

use std::collections::HashMap;

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::coverage::{Coverage, EnterpriseTotal, Reached, VillageTotal};
use dafei_kernel::{
    region::{Level, Region},
    roster::{Enterprise, RosterIndex},
};
use dafei_runtime::status::Fault;
use dafei_shell::faults;

use super::villages;
use crate::{app::App, store::leaflets, wire::publicity as wire};

/// The households of a village, where the roster has their number.
fn households(roster: &RosterIndex, village: &Region) -> Option<u32> {
    roster.get(village).map(|entry| entry.households).filter(|households| *households > 0)
}

/// The coverage of a region and of the regions below it.
///
/// # Errors
/// When the database is away.
pub(crate) async fn coverage(
    app: &App,
    roster: &RosterIndex,
    region: &Region,
    year: i16,
) -> Result<api::GetPublicityCoverageResponse, Fault> {
    let villages = villages::of(roster, region);
    let enterprises: Vec<&Enterprise> = enterprises(roster, region).collect();
    let codes: Vec<&str> = villages.iter().map(|village| village.code().as_str()).collect();
    let credit_codes: Vec<&str> = enterprises.iter().map(|enterprise| enterprise.credit_code.as_str()).collect();
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    let reached = Reached {
        households: leaflets::households(&mut conn, &codes, year).await.map_err(faults::database)?,
        employees: leaflets::employees(&mut conn, &credit_codes, year).await.map_err(faults::database)?,
    };
    let mut total = Coverage::default();
    let mut parts: HashMap<&Region, Coverage> = HashMap::new();
    for village in villages {
        let counted = VillageTotal { code: village.code().as_str(), households: households(roster, village) };
        total.village(counted, &reached);
        if let Some(part) = part(roster, region, village) {
            parts.entry(part).or_default().village(counted, &reached);
        }
    }
    for enterprise in enterprises {
        let counted = EnterpriseTotal { credit_code: enterprise.credit_code.as_str(), employees: enterprise.employees };
        total.enterprise(counted, &reached);
        if let Some(part) = part(roster, region, &enterprise.region) {
            parts.entry(part).or_default().enterprise(counted, &reached);
        }
    }
    let mut parts: Vec<_> = parts.into_iter().collect();
    parts.sort_unstable_by_key(|(region, _)| region.code());
    let name = |region: &Region| roster.get(region).map_or("", |entry| entry.name.as_str());
    Ok(api::GetPublicityCoverageResponse {
        year: i32::from(year),
        total: Some(wire::coverage(region, name(region), &total)),
        parts: parts.iter().map(|(region, part)| wire::coverage(region, name(region), part)).collect(),
    })
}

/// The enterprises in a region.
fn enterprises<'a>(roster: &'a RosterIndex, region: &Region) -> impl Iterator<Item = &'a Enterprise> {
    roster.enterprises().filter(|enterprise| roster.contains(region, &enterprise.region))
}

/// The region directly below `of` in which something lies: a village of a township or a work area, else what the way up from it leads through.
fn part<'a>(roster: &'a RosterIndex, of: &Region, inner: &Region) -> Option<&'a Region> {
    let wanted = match of.level() {
        Level::City => Level::County,
        Level::County => Level::Township,
        Level::Township | Level::WorkArea => Level::Village,
        Level::Village => return None,
    };
    let mut entry = roster.get(inner)?;
    while entry.region.level() != wanted {
        entry = roster.get(entry.parent.as_ref()?)?;
    }
    Some(&entry.region)
}
