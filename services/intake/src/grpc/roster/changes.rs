//! From requests to changes of the roster: who may ask for which, and what is malformed.

use std::collections::BTreeSet;

use dafei_contracts::{
    convert::{self, ConvertError, Field as _},
    intake::v1 as api,
    timestamp::Timestamp,
    types::v1 as types,
};
use dafei_intake_core::roster::Change;
use dafei_kernel::{
    credit_code::CreditCode,
    owner::{Post, PostError},
    region::{Level, Region},
    role::Role,
    roster::{Enterprise, Holder, RegionEntry, RosterIndex},
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, scope};

use crate::grpc::text;

/// Who changes regions.
pub(super) const ADMIN: &[Role] = &[Role::Admin];

/// Who changes what is of a county: holders, enterprises, work areas.
pub(super) const COUNTY: &[Role] = &[Role::Admin, Role::CountyOffice];

/// Characters of a name, as in the files.
const MAX_NAME: usize = 100;

/// Villages of a work area.
const MAX_VILLAGES: usize = 500;

fn required(field: &str, wire: Option<&types::Region>) -> Result<Region, Fault> {
    convert::region(field, wire).map_err(faults::convert)
}

fn in_reach(caller: &Principal, roster: &RosterIndex, field: &str, region: &Region) -> Result<(), Fault> {
    scope::require_region(caller, roster, field, region).map(drop)
}

/// A count that the tables can hold.
fn counted(field: &str, count: u32) -> Result<u32, Fault> {
    if i32::try_from(count).is_ok() {
        return Ok(count);
    }
    Err(Fault::field(field, "INVALID_NUMBER", "is too large", "数字过大"))
}

pub(super) fn put_region(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::PutRegionRequest,
) -> Result<Change, Fault> {
    let region = required("region", body.region.as_ref())?;
    let parent = body.parent.as_ref().map(|parent| required("parent", Some(parent))).transpose()?;
    match &parent {
        Some(parent) => in_reach(caller, roster, "parent", parent)?,
        // Nothing contains a city but itself.
        None => scope::require_city(caller)?,
    }
    if roster.get(&region).is_some() {
        in_reach(caller, roster, "region", &region)?;
    }
    let work_area =
        match body.work_area.as_str() {
            "" => None,
            code => Some(Region::new(Level::WorkArea, code).map_err(|error| {
                Fault::field("work_area", "INVALID_REGION_CODE", error.to_string(), "工作区代码有误")
            })?),
        };
    Ok(Change::PutRegion(RegionEntry {
        region,
        name: text("name", &body.name, MAX_NAME)?,
        parent,
        work_area,
        households: counted("households", body.households)?,
    }))
}

pub(super) fn remove_region(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::RemoveRegionRequest,
) -> Result<Change, Fault> {
    let region = required("region", body.region.as_ref())?;
    in_reach(caller, roster, "region", &region)?;
    Ok(Change::RemoveRegion(region))
}

pub(super) fn put_work_area(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::PutWorkAreaRequest,
) -> Result<Change, Fault> {
    let area = required("work_area", body.work_area.as_ref())?;
    let Some((township, _)) = area.code().as_str().split_once('-').filter(|_| area.level() == Level::WorkArea) else {
        return Err(Fault::field("work_area", "WRONG_LEVEL", format!("{area} is no work area"), "请填写工作区"));
    };
    let township = Region::new(Level::Township, township).map_err(Fault::internal)?;
    in_reach(caller, roster, "work_area", &township)?;
    if body.villages.len() > MAX_VILLAGES {
        let zh = format!("一个工作区至多{MAX_VILLAGES}个村居");
        return Err(Fault::field("villages", "TOO_MANY", format!("has more than {MAX_VILLAGES}"), zh));
    }
    let village = |(at, village): (usize, &types::Region)| required(&format!("villages[{at}]"), Some(village));
    let villages = body.villages.iter().enumerate().map(village).collect::<Result<BTreeSet<_>, _>>()?;
    let name = text("name", &body.name, MAX_NAME)?;
    let area = RegionEntry { region: area, name, parent: Some(township), work_area: None, households: 0 };
    Ok(Change::PutWorkArea { area, villages })
}

/// A post that the caller may fill.
fn post(caller: &Principal, roster: &RosterIndex, wire: Option<&types::Post>) -> Result<Post, Fault> {
    let wire = wire.required("post").map_err(faults::convert)?;
    let post = Post::try_from(wire).map_err(|error| faults::convert(error.under("post")))?;
    let post = Post::new(post.role, post.region, post.agency).map_err(|error| {
        let (field, reason, zh) = match &error {
            PostError::Level { .. } => ("post.region", "WRONG_LEVEL", "不是该级岗位"),
            PostError::AgencyMissing(_) => ("post.agency", "REQUIRED", "该岗位须写明部门"),
            PostError::AgencyNotAllowed(_) => ("post.agency", "NOT_ALLOWED", "该岗位不填部门"),
        };
        Fault::field(field, reason, error.to_string(), zh)
    })?;
    in_reach(caller, roster, "post.region", &post.region)?;
    Ok(post)
}

pub(super) fn appoint(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::AppointHolderRequest,
) -> Result<Change, Fault> {
    let post = post(caller, roster, body.post.as_ref())?;
    Ok(Change::Appoint(Holder {
        role: post.role,
        region: post.region,
        agency: post.agency,
        person: text("person", &body.person, MAX_NAME)?,
        valid_from: convert::instant("valid_from", body.valid_from).map_err(faults::convert)?,
        valid_until: convert::optional_instant("valid_until", body.valid_until).map_err(faults::convert)?,
    }))
}

pub(super) fn end_tenure(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::EndTenureRequest,
) -> Result<Change, Fault> {
    Ok(Change::EndTenure {
        post: post(caller, roster, body.post.as_ref())?,
        person: text("person", &body.person, MAX_NAME)?,
        until: convert::instant("valid_until", body.valid_until).map_err(faults::convert)?,
    })
}

fn credit_code(field: &str, code: &str) -> Result<CreditCode, Fault> {
    CreditCode::parse(code)
        .map_err(|error| Fault::field(field, "INVALID_CREDIT_CODE", error.to_string(), "统一社会信用代码有误"))
}

/// Hints that refuse nothing.
pub(super) fn hints(body: &api::PutEnterpriseRequest) -> Vec<String> {
    let code = body.enterprise.as_ref().and_then(|enterprise| CreditCode::parse(&enterprise.credit_code).ok());
    let wrong = code.filter(|code| !code.checksum_ok());
    wrong.map(|code| format!("统一社会信用代码 {code} 的校验位不符")).into_iter().collect()
}

pub(super) fn put_enterprise(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::PutEnterpriseRequest,
) -> Result<Change, Fault> {
    let wire = body.enterprise.as_ref().required("enterprise").map_err(faults::convert)?;
    let enterprise = Enterprise {
        credit_code: credit_code("enterprise.credit_code", &wire.credit_code)?,
        name: text("enterprise.name", &wire.name, MAX_NAME)?,
        industry: convert::industry("enterprise.industry", &wire.industry).map_err(faults::convert)?,
        regulator: convert::optional_agency("enterprise.regulator", &wire.regulator).map_err(faults::convert)?,
        region: required("region", body.region.as_ref())?,
        employees: counted("employees", body.employees)?,
    };
    in_reach(caller, roster, "region", &enterprise.region)?;
    if let Some(known) = roster.enterprise(&enterprise.credit_code) {
        in_reach(caller, roster, "enterprise.credit_code", &known.region)?;
    }
    Ok(Change::PutEnterprise(enterprise))
}

pub(super) fn remove_enterprise(
    caller: &Principal,
    roster: &RosterIndex,
    body: &api::RemoveEnterpriseRequest,
) -> Result<Change, Fault> {
    let code = credit_code("credit_code", &body.credit_code)?;
    if let Some(known) = roster.enterprise(&code) {
        in_reach(caller, roster, "credit_code", &known.region)?;
    }
    Ok(Change::RemoveEnterprise(code))
}

/// A role by its code; none when empty.
pub(super) fn optional_role(code: &str) -> Result<Option<Role>, Fault> {
    if code.is_empty() {
        return Ok(None);
    }
    let unknown = |_| faults::convert(ConvertError::unknown("role", "UNKNOWN_ROLE", code, "岗位"));
    code.parse().map(Some).map_err(unknown)
}

/// An instant that may be left out.
pub(super) fn optional_at(at: Option<Timestamp>) -> Result<Option<dafei_kernel::time::Instant>, Fault> {
    convert::optional_instant("at", at).map_err(faults::convert)
}
