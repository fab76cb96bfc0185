//! Leaflets: checked, listed, and whom they have reached.

use std::collections::BTreeMap;

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1 as api,
};
use dafei_intake_core::coverage;
use dafei_kernel::{
    credit_code::CreditCode,
    region::{Region, RegionPath},
    roster::RosterIndex,
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::faults;

use super::{listed, number, written};
use crate::{
    acting::Acting,
    app::{self, NewDistribution},
    grpc::{Grpc, optional_text, pages, request_key},
    store::leaflets::{self, EnterpriseReached},
    wire::publicity as wire,
};

/// Most copies, households and employees of one distribution.
const COPIES: u32 = 1_000_000;
/// Most enterprises of one distribution.
const ENTERPRISES: usize = 500;
/// Longest name of a round, in characters.
const ROUND: usize = 32;

impl Grpc {
    pub(super) fn new_distribution(
        &self,
        caller: &Principal,
        body: &api::DistributeLeafletsRequest,
    ) -> Result<NewDistribution, Fault> {
        let roster = self.app.roster.current();
        let path = written(caller, &roster, body.village.as_ref())?;
        let copies = number("copies", body.copies, 1, COPIES)?;
        let households = number("households", body.households, 0, COPIES)?;
        let enterprises = enterprises(&roster, &path, body)?;
        let reached: u64 = enterprises.iter().map(|one| u64::from(one.employees)).sum::<u64>() + u64::from(households);
        if reached > u64::from(copies) {
            let (en, zh) = ("is less than households and employees together", "份数少于发放到的户数与职工人数之和");
            return Err(Fault::field("copies", "FEWER_THAN_REACHED", en, zh));
        }
        Ok(NewDistribution {
            request: (request_key(caller, "DistributeLeaflets", &body.request_id)?, faults::payload_hash(body)),
            actor: Acting::of(caller),
            path,
            distributed_at: convert::instant("distributed_at", body.distributed_at).map_err(faults::convert)?,
            copies,
            households,
            enterprises,
            round: optional_text("round", &body.round, ROUND)?,
        })
    }

    pub(super) async fn leaflets(
        &self,
        caller: &Principal,
        body: &api::ListLeafletsRequest,
    ) -> Result<api::ListLeafletsResponse, Fault> {
        let roster = self.app.roster.current();
        let region = listed(caller, &roster, body.region.as_ref())?;
        let asked = api::ListLeafletsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let page = pages::of_region(&roster, &region, (body.page_size, &body.page_token), &asked)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = leaflets::list(&mut conn, &page).await.map_err(faults::database)?;
        let next_page_token = pages::cut(&mut rows, page.limit, &asked, |last| (last.distributed_at, last.id));
        Ok(api::ListLeafletsResponse { distributions: rows.iter().map(wire::distribution).collect(), next_page_token })
    }

    pub(super) async fn coverage(
        &self,
        caller: &Principal,
        body: &api::GetPublicityCoverageRequest,
    ) -> Result<api::GetPublicityCoverageResponse, Fault> {
        let roster = self.app.roster.current();
        let region = listed(caller, &roster, body.region.as_ref())?;
        let year = match body.year {
            0 => coverage::year(self.app.clock.now()),
            year => i16::try_from(year).ok().filter(|year| (2000..=9999).contains(year)).ok_or_else(|| {
                Fault::field("year", "OUT_OF_RANGE", "is no year from 2000 to 9999", "年份应为2000至9999")
            })?,
        };
        app::coverage(&self.app, &roster, &region, year).await
    }
}

/// The enterprises that were reached, each once, in the order of their codes. Coverage is counted against the roster, so each must be one of the
/// village, or of a region above that no village of it is known of.
fn enterprises(
    roster: &RosterIndex,
    path: &RegionPath,
    body: &api::DistributeLeafletsRequest,
) -> Result<Vec<EnterpriseReached>, Fault> {
    if body.enterprises.len() > ENTERPRISES {
        let (en, zh) = ("has more than 500 entries", "一次最多填写500家企业");
        return Err(Fault::field("enterprises", "TOO_MANY", en, zh));
    }
    let mut reached = BTreeMap::new();
    for (place, one) in body.enterprises.iter().enumerate() {
        let field = |part: &str| format!("enterprises[{place}].{part}");
        let credit_code = of_village(roster, path, &one.credit_code)
            .map_err(|error| faults::convert(error.under(&format!("enterprises[{place}]"))))?;
        let employees = number(&field("employees"), one.employees, 1, COPIES)?;
        if reached.insert(credit_code, employees).is_some() {
            let (en, zh) = ("is named twice", "同一家企业重复填写");
            return Err(Fault::field(field("credit_code"), "ENTERPRISE_REPEATED", en, zh));
        }
    }
    Ok(reached.into_iter().map(|(credit_code, employees)| EnterpriseReached { credit_code, employees }).collect())
}

fn of_village(roster: &RosterIndex, path: &RegionPath, text: &str) -> Result<String, ConvertError> {
    let wrong = |reason, description: String, zh: &str| ConvertError {
        field: "credit_code".to_owned(),
        reason,
        description,
        description_zh: format!("{zh}：{}", convert::shown(text)),
    };
    let code = CreditCode::parse(text)
        .map_err(|error| wrong("INVALID_CREDIT_CODE", error.to_string(), "统一社会信用代码有误"))?;
    let of_place = |region: &Region| path.is_within(region);
    if roster.enterprise(&code).is_some_and(|enterprise| of_place(&enterprise.region)) {
        return Ok(code.to_string());
    }
    let description = "is no enterprise of this village in the roster".to_owned();
    Err(wrong("ENTERPRISE_NOT_OF_VILLAGE", description, "台账中没有本村居的这家企业"))
}
