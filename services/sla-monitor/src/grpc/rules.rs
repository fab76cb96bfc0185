//! `RulesService`: the texts of the rules are read, checked, tried out and replaced.

mod shadow;

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, rules_service_server::RulesService},
    timestamp::Timestamp,
    types::v1 as types,
};
use dafei_kernel::{
    clock::SharedClock,
    region::{Level, Region},
    role::Role,
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, roster::RosterView, scope};
use prost::Message;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    store::texts::{self, Stored},
    terms::{self, Draft, Replacement, TermsView},
};

/// Who may replace the city's text.
const CITY: &[Role] = &[Role::Admin, Role::CityOffice];
/// Who may replace a county's own.
const COUNTY: &[Role] = &[Role::Admin, Role::CityOffice, Role::CountyOffice];
/// Longest version label that is asked for, in characters.
const LABEL: usize = 40;

/// Serves the rules.
#[derive(Clone)]
pub struct RuleTexts {
    pool: PgPool,
    clock: SharedClock,
    roster: RosterView,
    terms: TermsView,
}

impl RuleTexts {
    /// Reads and replaces in `pool`.
    #[must_use]
    pub const fn new(pool: PgPool, clock: SharedClock, roster: RosterView, terms: TermsView) -> Self {
        Self { pool, clock, roster, terms }
    }

    /// The county that is named, if one is.
    fn county(&self, named: Option<&types::Region>) -> Result<Option<Region>, Fault> {
        if named.is_none() {
            return Ok(None);
        }
        let region = convert::region("county", named).map_err(faults::convert)?;
        if region.level() != Level::County || self.roster.current().get(&region).is_none() {
            let detail = format!("{region} is no county of the roster");
            return Err(Fault::field("county", "UNKNOWN_COUNTY", detail, "没有这个县（市、区）"));
        }
        Ok(Some(region))
    }

    /// A text that the caller may try out and put in force.
    fn draft(&self, caller: &Principal, county: Option<&types::Region>, text: &str) -> Result<Draft, Fault> {
        scope::require(caller, if county.is_none() { CITY } else { COUNTY })?;
        let county = self.county(county)?;
        let within = match &county {
            // Only whoever answers for the whole city.
            None => scope::require_city(caller).is_ok(),
            Some(county) => scope::contains(caller, &self.roster.current(), county),
        };
        if !within {
            return Err(scope::out_of_scope());
        }
        convert::document("text", text).map_err(faults::convert)?;
        Ok(Draft { county, text: text.to_owned() })
    }

    async fn find(&self, county: Option<&Region>, version: &str) -> Result<Stored, Fault> {
        let label = convert::optional_text("version", version, LABEL).map_err(faults::convert)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let found = if label.is_empty() {
            texts::at(&mut conn, county, self.clock.now()).await
        } else {
            texts::of_version(&mut conn, county, &label).await
        };
        let missing = || Fault::not_found("rules", label.clone(), "没有这个版本，或该县没有自己的规定");
        found.map_err(faults::database)?.ok_or_else(missing)
    }

    async fn replace<A: Message + Default>(
        &self,
        ask: Replacement,
        answer: impl Fn(&Stored) -> A,
    ) -> Result<Response<A>, Status> {
        Ok(Response::new(terms::replace(&self.pool, &self.clock, ask, answer).await?))
    }
}

/// The caller's replacement of a text.
fn replacement(
    caller: &Principal,
    (method, request_id, payload): (&str, &str, &impl Message),
    draft: Draft,
    expected: i64,
    from: Option<Timestamp>,
) -> Result<Replacement, Fault> {
    if expected < 0 {
        return Err(Fault::field("expected_revision", "INVALID", "is below zero", "版次不能为负"));
    }
    let from = from.map(|from| convert::instant("in_force_from", Some(from))).transpose().map_err(faults::convert)?;
    let key = RequestKey {
        subject: caller.subject.clone(),
        method: method.to_owned(),
        request_id: faults::request_id(request_id)?.to_string(),
    };
    let request = (key, faults::payload_hash(payload));
    Ok(Replacement { request, draft, expected, from, by: scope::post(caller), account: caller.subject.clone() })
}

fn wire(stored: &Stored) -> pb::RulesText {
    pb::RulesText {
        county: stored.county.as_ref().map(Into::into),
        version: stored.version.clone(),
        revision: stored.revision,
        text: stored.text.clone(),
        in_force_from: Some(stored.from.into()),
        replaced_by: stored.by.as_ref().map(|(post, _)| post.into()),
        account: stored.by.as_ref().map(|(_, account)| account.clone()).unwrap_or_default(),
        replaced_at: Some(stored.kept.into()),
    }
}

#[tonic::async_trait]
impl RulesService for RuleTexts {
    async fn get_rules(&self, request: Request<pb::GetRulesRequest>) -> Result<Response<pb::GetRulesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        let county = self.county(body.county.as_ref())?;
        let found = self.find(county.as_ref(), &body.version).await?;
        Ok(Response::new(pb::GetRulesResponse { rules: Some(wire(&found)) }))
    }

    async fn list_rules_versions(
        &self,
        request: Request<pb::ListRulesVersionsRequest>,
    ) -> Result<Response<pb::ListRulesVersionsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        let county = self.county(body.county.as_ref())?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListRulesVersionsRequest { county: body.county.clone(), ..Default::default() };
        let before: i64 = paging::decode(&body.page_token, &filter)?.unwrap_or(i64::MAX);
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let page = texts::list(&mut conn, county.as_ref(), before, size).await.map_err(faults::database)?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full).map(|last| paging::encode(&last.revision, &filter));
        Ok(Response::new(pb::ListRulesVersionsResponse {
            versions: page.iter().map(wire).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn check_rules(
        &self,
        request: Request<pb::CheckRulesRequest>,
    ) -> Result<Response<pb::CheckRulesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, body.county.as_ref(), &body.text)?;
        let problems = terms::check(&draft).err().map(|problems| problems.0).unwrap_or_default();
        let told = |problem: dafei_sla_core::rules::Problem| pb::RulesProblem {
            line: u32::try_from(problem.line).unwrap_or(u32::MAX),
            clock: problem.clock.unwrap_or_default(),
            reason: problem.flaw.code().to_owned(),
            description_zh: problem.flaw.zh().to_owned(),
            detail: problem.detail,
        };
        let problems = problems.into_iter().take(terms::TOLD).map(told).collect();
        Ok(Response::new(pb::CheckRulesResponse { problems }))
    }

    async fn shadow_rules(
        &self,
        request: Request<pb::ShadowRulesRequest>,
    ) -> Result<Response<pb::ShadowRulesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, body.county.as_ref(), &body.text)?;
        Ok(Response::new(self.shadow(&draft, body).await?))
    }

    async fn replace_rules(
        &self,
        request: Request<pb::ReplaceRulesRequest>,
    ) -> Result<Response<pb::ReplaceRulesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, None, &body.text)?;
        let call = ("ReplaceRules", body.request_id.as_str(), body);
        let ask = replacement(caller, call, draft, body.expected_revision, body.in_force_from)?;
        self.replace(ask, |new| pb::ReplaceRulesResponse { rules: Some(wire(new)) }).await
    }

    async fn replace_county_rules(
        &self,
        request: Request<pb::ReplaceCountyRulesRequest>,
    ) -> Result<Response<pb::ReplaceCountyRulesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let county = body.county.clone().unwrap_or_default();
        let draft = self.draft(caller, Some(&county), &body.text)?;
        let call = ("ReplaceCountyRules", body.request_id.as_str(), body);
        let ask = replacement(caller, call, draft, body.expected_revision, body.in_force_from)?;
        self.replace(ask, |new| pb::ReplaceCountyRulesResponse { rules: Some(wire(new)) }).await
    }
}
