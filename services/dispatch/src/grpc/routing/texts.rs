//! Who may read, try out and replace which text, and how texts and their problems are told.

use dafei_contracts::{convert, dispatch::v1 as api, types::v1 as types};
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use prost::Message;

use crate::{
    app::routing::{self as app, Draft, Replacement},
    grpc::Grpc,
    store::routing::{self as store, Kind, Stored},
};

/// Who may replace the city's texts.
const CITY: &[Role] = &[Role::Admin, Role::CityOffice];
/// Who may replace a county's own.
const COUNTY: &[Role] = &[Role::Admin, Role::CityOffice, Role::CountyOffice];
/// Longest version label that is asked for, in characters.
const LABEL: usize = 40;

impl Grpc {
    /// The county that is named, if one is.
    fn county(&self, named: Option<&types::Region>) -> Result<Option<Region>, Fault> {
        if named.is_none() {
            return Ok(None);
        }
        let region = convert::region("county", named).map_err(faults::convert)?;
        if region.level() != Level::County || self.app.roster.current().get(&region).is_none() {
            let words = "没有这个县（市、区）";
            return Err(Fault::field(
                "county",
                "UNKNOWN_COUNTY",
                format!("{region} is no county of the roster"),
                words,
            ));
        }
        Ok(Some(region))
    }

    /// A text that the caller may try out and put in force.
    pub(super) fn draft(
        &self,
        caller: &Principal,
        kind: Kind,
        county: Option<&types::Region>,
        text: &str,
    ) -> Result<Draft, Fault> {
        scope::require(caller, if county.is_none() { CITY } else { COUNTY })?;
        let county = self.county(county)?;
        match &county {
            // Only whoever answers for the whole city.
            None => scope::require_city(caller)?,
            Some(county) if !scope::contains(caller, &self.app.roster.current(), county) => {
                return Err(scope::out_of_scope());
            }
            Some(_) => {}
        }
        if text.is_empty() {
            return Err(Fault::field("text", "REQUIRED", "is empty", "请填写文本"));
        }
        Ok(Draft { kind, county, text: text.to_owned() })
    }

    pub(super) async fn routing_text(
        &self,
        caller: &Principal,
        kind: Kind,
        county: Option<&types::Region>,
        version: &str,
    ) -> Result<api::RoutingText, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let county = self.county(county)?;
        let label = convert::optional_text("version", version, LABEL).map_err(faults::convert)?;
        let asked = (!label.is_empty()).then_some(label.as_str());
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let found = store::find(&mut conn, kind, county.as_ref(), asked).await.map_err(faults::database)?;
        let missing = || Fault::not_found("routing text", label.clone(), "没有这个版本，或该县没有自己的规定");
        Ok(wire(&found.ok_or_else(missing)?))
    }

    /// A page of versions and the token of the next.
    pub(super) async fn versions(
        &self,
        caller: &Principal,
        kind: Kind,
        county: Option<&types::Region>,
        (page_size, page_token): (i32, &str),
    ) -> Result<(Vec<api::RoutingText>, String), Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let of = self.county(county)?;
        let size = paging::page_size(page_size, 50, 500)?;
        let filter = api::GetRoutingTableRequest { county: county.cloned(), version: kind.code().to_owned() };
        let before: i64 = paging::decode(page_token, &filter)?.unwrap_or(i64::MAX);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let page = store::list(&mut conn, kind, of.as_ref(), before, size).await.map_err(faults::database)?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full).map(|last| paging::encode(&last.revision, &filter));
        Ok((page.iter().map(wire).collect(), next.unwrap_or_default()))
    }

    pub(super) async fn problems(&self, draft: &Draft) -> Result<Vec<api::RoutingProblem>, Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rules = self.app.rules.refresh(&mut conn).await.map_err(faults::database)?;
        drop(conn);
        let problems = app::check(&self.app, &rules, draft).await?.err().unwrap_or_default();
        let told = |problem: dafei_dispatch_core::problem::Problem| api::RoutingProblem {
            place: problem.place,
            reason: problem.flaw.code().to_owned(),
            description_zh: problem.flaw.zh().to_owned(),
            detail: problem.detail,
        };
        Ok(problems.into_iter().map(told).collect())
    }

    pub(super) async fn replace<A: Message + Default>(
        &self,
        ask: Replacement,
        answer: impl Fn(&Stored) -> A,
    ) -> Result<A, Fault> {
        app::replace(&self.app, ask, answer).await
    }
}

/// The caller's replacement of a text.
pub(super) fn replacement(
    caller: &Principal,
    method: &str,
    (request_id, payload): (&str, &impl Message),
    draft: Draft,
    expected: i64,
) -> Result<Replacement, Fault> {
    if expected < 0 {
        return Err(Fault::field("expected_revision", "INVALID", "is below zero", "版次不能为负"));
    }
    let key = RequestKey {
        subject: caller.subject.clone(),
        method: method.to_owned(),
        request_id: faults::request_id(request_id)?.to_string(),
    };
    let request = (key, faults::payload_hash(payload));
    Ok(Replacement { request, draft, expected, by: scope::post(caller), account: caller.subject.clone() })
}

pub(super) fn wire(stored: &Stored) -> api::RoutingText {
    api::RoutingText {
        county: stored.county.as_ref().map(Into::into),
        version: stored.version.clone(),
        revision: stored.revision,
        text: stored.text.clone(),
        in_force_since: Some(stored.since.into()),
        replaced_by: stored.by.as_ref().map(|(post, _)| post.into()),
        account: stored.by.as_ref().map(|(_, account)| account.clone()).unwrap_or_default(),
    }
}
