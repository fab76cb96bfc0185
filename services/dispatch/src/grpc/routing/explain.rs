//! Why a case goes where it goes, and whether it is a township's.

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1 as api,
};
use dafei_dispatch_core::routing::{Misfit, SubjectKind};
use dafei_kernel::{
    act::Act,
    agency::Agency,
    industry::Industry,
    region::{Level, Region},
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, scope};

use super::route;
use crate::grpc::Grpc;

/// What the tables are asked.
struct Question {
    /// None for a case of the city's own: no county's rules and no township's authority apply.
    county: Option<Region>,
    act: Act,
    industry: Industry,
    subject: SubjectKind,
}

impl Grpc {
    pub(super) async fn explain(
        &self,
        caller: &Principal,
        body: &api::ExplainRouteRequest,
    ) -> Result<api::ExplainRouteResponse, Fault> {
        use api::explain_route_request::About;
        let asked = match &body.about {
            Some(About::CaseId(id)) => {
                let facts = self.visible(caller, id).await?.facts;
                let (industry, subject) = SubjectKind::of(&facts.subject);
                Question { county: facts.county, act: facts.act, industry, subject }
            }
            Some(About::Question(wire)) => self.question(caller, wire)?,
            None => return Err(faults::convert(ConvertError::required("about"))),
        };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rules = self.app.rules.refresh(&mut conn).await.map_err(faults::database)?;
        let told = rules
            .routing
            .explain(asked.county.as_ref(), asked.act, asked.industry, asked.subject)
            .ok_or_else(|| Fault::internal("a checked routing table has no lead"))?;
        let enterprise = matches!(asked.subject, SubjectKind::Enterprise { .. });
        let ground = asked.county.as_ref().map(|county| rules.authority.ground(county, asked.act, enterprise));
        let there =
            |agency: &&Agency| asked.county.as_ref().is_some_and(|county| rules.authority.has_agency(county, **agency));
        Ok(api::ExplainRouteResponse {
            basis: told.proposal.basis.clone(),
            checked_on: told.checked_on,
            of_county: told.of_county,
            stand_ins: told
                .stand_ins
                .iter()
                .map(|one| api::AppliedStandIn {
                    missing: one.missing.code().to_owned(),
                    stand_in: one.stand_in.code().to_owned(),
                })
                .collect(),
            passed: told
                .passed
                .into_iter()
                .map(|passed| api::PassedRule { rule: passed.rule, misfit: misfit(passed.misfit).into() })
                .collect(),
            route: Some(route(told.proposal)),
            within_township_authority: ground.as_ref().is_some_and(|ground| ground.covered),
            authority_entry: ground.as_ref().map(|ground| ground.entry.clone()).unwrap_or_default(),
            authority_version: ground.map(|ground| ground.version).unwrap_or_default(),
            township_agencies: Agency::ALL.iter().filter(there).map(|agency| agency.code().to_owned()).collect(),
        })
    }

    /// A question about a county that the caller has to do with: it lies in the caller's region, or the caller in it.
    fn question(&self, caller: &Principal, wire: &api::RouteQuestion) -> Result<Question, Fault> {
        let asked = read(wire).map_err(|error| faults::convert(error.under("question")))?;
        let roster = self.app.roster.current();
        let county = convert::region("question.county", wire.county.as_ref()).map_err(faults::convert)?;
        let county = &county;
        if county.level() != Level::County || roster.get(county).is_none() {
            let english = format!("{county} is no county of the roster");
            return Err(Fault::field("question.county", "UNKNOWN_COUNTY", english, "没有这个县（市、区）"));
        }
        if scope::contains(caller, &roster, county) || roster.contains(county, &caller.region) {
            Ok(asked)
        } else {
            Err(scope::out_of_scope())
        }
    }
}

fn read(wire: &api::RouteQuestion) -> Result<Question, ConvertError> {
    let regulator = convert::optional_agency("regulator", &wire.regulator)?;
    let subject = match (wire.enterprise, regulator) {
        (true, regulator) => SubjectKind::Enterprise { regulator },
        (false, None) => SubjectKind::Den,
        (false, Some(_)) => return Err(ConvertError::invalid("regulator", "a den has no regulator")),
    };
    Ok(Question {
        county: Some(convert::region("county", wire.county.as_ref())?),
        act: convert::act("act", &wire.act)?,
        industry: convert::industry("industry", &wire.industry)?,
        subject,
    })
}

const fn misfit(misfit: Misfit) -> api::RouteMisfit {
    match misfit {
        Misfit::Act => api::RouteMisfit::Act,
        Misfit::Industry => api::RouteMisfit::Industry,
        Misfit::Subject => api::RouteMisfit::Subject,
    }
}
