//! Reads of the roster: from the index in memory, without a query.

use dafei_contracts::{convert, intake::v1 as api, types::v1 as types};
use dafei_kernel::{
    credit_code::CreditCode,
    owner::Post,
    region::{Level, Region},
    roster::{Enterprise, Holder, RosterIndex, Totals},
    time::Instant,
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};

use super::changes::{optional_at, optional_role};

/// A region that is in the roster.
pub(super) fn known(roster: &RosterIndex, field: &str, wire: Option<&types::Region>) -> Result<Region, Fault> {
    let region = convert::region(field, wire).map_err(faults::convert)?;
    if roster.get(&region).is_some() {
        return Ok(region);
    }
    Err(Fault::field(field, "UNKNOWN_REGION", format!("{region} is not in the roster"), "没有这个行政区划"))
}

/// A region that is in the caller's reach.
fn reached(caller: &Principal, roster: &RosterIndex, wire: Option<&types::Region>) -> Result<Region, Fault> {
    scope::require(caller, &scope::CASE_READERS)?;
    let region = convert::region("region", wire).map_err(faults::convert)?;
    scope::require_region(caller, roster, "region", &region)?;
    Ok(region)
}

fn name(roster: &RosterIndex, region: &Region) -> String {
    roster.get(region).map(|entry| entry.name.clone()).unwrap_or_default()
}

/// The region's posts that someone holds at an instant.
fn owners(roster: &RosterIndex, region: &Region, at: Instant) -> Vec<types::Owner> {
    let mut posts: Vec<Post> = roster.holders(region).iter().map(post).collect();
    posts.sort();
    posts.dedup();
    posts
        .iter()
        .map(|post| roster.owner_at(post, at))
        .filter(|owner| !owner.persons.is_empty())
        .map(|owner| (&owner).into())
        .collect()
}

fn post(holder: &Holder) -> Post {
    Post { role: holder.role, region: holder.region.clone(), agency: holder.agency }
}

pub(super) fn region(
    roster: &RosterIndex,
    body: &api::GetRegionRequest,
    now: Instant,
) -> Result<api::GetRegionResponse, Fault> {
    let region = known(roster, "region", body.region.as_ref())?;
    let path = roster.path(&region).map(|path| path.regions().iter().map(Into::into).collect());
    let entry = roster.get(&region);
    Ok(api::GetRegionResponse {
        name: name(roster, &region),
        path: path.unwrap_or_default(),
        holders: owners(roster, &region, now),
        work_area: entry
            .and_then(|entry| entry.work_area.as_ref())
            .map(|area| area.code().to_string())
            .unwrap_or_default(),
        households: entry.map_or(0, |entry| entry.households),
    })
}

pub(super) fn regions(roster: &RosterIndex, body: &api::ListRegionsRequest) -> Result<api::ListRegionsResponse, Fault> {
    let parent = body.parent.as_ref().map(|parent| known(roster, "parent", Some(parent))).transpose()?;
    let size = usize::try_from(paging::page_size(body.page_size, 100, 1_000)?).unwrap_or(usize::MAX);
    let asked = api::ListRegionsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
    let after: Option<Region> = paging::decode(&body.page_token, &asked)?;
    let mut regions = match &parent {
        Some(parent) => roster.below(parent),
        None => roster.of_level(Level::City).map(|entry| &entry.region).collect(),
    };
    regions.sort();
    regions.retain(|region| after.as_ref().is_none_or(|after| *region > after));
    let full = regions.len() > size;
    regions.truncate(size);
    let next = regions.last().filter(|_| full).map(|last| paging::encode(*last, &asked));
    let item = |region: &&Region| api::RegionItem { region: Some((*region).into()), name: name(roster, region) };
    Ok(api::ListRegionsResponse {
        regions: regions.iter().map(item).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

pub(super) fn holders(roster: &RosterIndex, body: &api::GetHoldersRequest) -> Result<api::GetHoldersResponse, Fault> {
    let region = known(roster, "region", body.region.as_ref())?;
    let (role, at) = (optional_role(&body.role)?, optional_at(body.at)?);
    let wanted =
        |holder: &&Holder| role.is_none_or(|role| holder.role == role) && at.is_none_or(|at| holder.holds_at(at));
    let tenure = |holder: &Holder| api::Tenure {
        post: Some((&post(holder)).into()),
        person: holder.person.clone(),
        valid_from: Some(holder.valid_from.into()),
        valid_until: holder.valid_until.map(Into::into),
    };
    Ok(api::GetHoldersResponse { tenures: roster.holders(&region).iter().filter(wanted).map(tenure).collect() })
}

/// The last enterprise of a page: where it lies, and its code.
type Cursor = (Region, String);

pub(super) fn enterprises(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::ListEnterprisesRequest,
) -> Result<api::ListEnterprisesResponse, Fault> {
    let region = reached(caller, roster, body.region.as_ref())?;
    let size = usize::try_from(paging::page_size(body.page_size, 100, 1_000)?).unwrap_or(usize::MAX);
    let asked = api::ListEnterprisesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
    let after: Option<Cursor> = paging::decode(&body.page_token, &asked)?;
    let behind = |code: &CreditCode, place: &Region| {
        after.as_ref().is_none_or(|(region, last)| place > region || code.as_str() > last.as_str())
    };
    let mut page: Vec<&Enterprise> = roster
        .within(&region)
        .into_iter()
        .filter(|place| after.as_ref().is_none_or(|(region, _)| *place >= region))
        .flat_map(|place| roster.enterprises_of(place))
        .filter(|enterprise| behind(&enterprise.credit_code, &enterprise.region))
        .take(size.saturating_add(1))
        .collect();
    let full = page.len() > size;
    page.truncate(size);
    let cursor = |last: &&Enterprise| -> Cursor { (last.region.clone(), last.credit_code.to_string()) };
    let next = page.last().filter(|_| full).map(|last| paging::encode(&cursor(last), &asked));
    Ok(api::ListEnterprisesResponse {
        enterprises: page.into_iter().map(item).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

fn item(enterprise: &Enterprise) -> api::EnterpriseItem {
    api::EnterpriseItem {
        enterprise: Some(types::Enterprise {
            credit_code: enterprise.credit_code.to_string(),
            name: enterprise.name.clone(),
            industry: enterprise.industry.code().to_owned(),
            regulator: enterprise.regulator.map(|agency| agency.code().to_owned()).unwrap_or_default(),
        }),
        region: Some((&enterprise.region).into()),
        employees: enterprise.employees,
    }
}

pub(super) fn totals(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::GetRosterTotalsRequest,
) -> Result<api::GetRosterTotalsResponse, Fault> {
    let region = reached(caller, roster, body.region.as_ref())?;
    let below = |inner: &Region| api::RegionTotals {
        region: Some(inner.into()),
        name: name(roster, inner),
        totals: Some(wire(roster.totals(inner))),
    };
    Ok(api::GetRosterTotalsResponse {
        totals: Some(wire(roster.totals(&region))),
        below: roster.below(&region).into_iter().map(below).collect(),
    })
}

const fn wire(totals: Totals) -> api::RosterTotals {
    api::RosterTotals {
        villages: totals.villages,
        households: totals.households,
        enterprises: totals.enterprises,
        employees: totals.employees,
    }
}
