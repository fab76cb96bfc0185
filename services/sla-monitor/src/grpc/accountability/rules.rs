//! A county's rules for the posts of its villages (村居支部书记处理制度).

use dafei_contracts::{convert, sla::v1 as pb};
use dafei_kernel::region::{Level, Region};
use dafei_kernel::role::Role;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    scope,
};
use dafei_sla_core::accountability::{VillageDecider, VillageRules};

use super::{Accountability, request_key, wire};
use crate::{
    accountability::work,
    store::accountability::rules::{self, Version},
};

/// Versions that are shown.
const HISTORY: i64 = 101;

fn shown(version: &Version) -> pb::VillageRules {
    pb::VillageRules {
        version: version.version,
        by: Some((&version.by).into()),
        valid_from: Some(version.valid_from.into()),
        ..of_rules(&version.rules)
    }
}

fn of_rules(rules: &VillageRules) -> pb::VillageRules {
    pb::VillageRules {
        version: 0,
        decider: rules.decider.code().to_owned(),
        outcomes: rules.outcomes.iter().map(|outcome| outcome.code().to_owned()).collect(),
        statement_working_days: rules.statement_working_days,
        by: None,
        valid_from: None,
    }
}

fn wanted(body: &pb::ReplaceVillageRulesRequest) -> Result<VillageRules, Fault> {
    let decider = wire::code("decider", &body.decider, VillageDecider::from_code, "UNKNOWN_DECIDER", "决定单位")?;
    let outcome = |(place, text): (usize, &String)| wire::outcome(&format!("outcomes[{place}]"), text);
    let rules = VillageRules {
        decider,
        outcomes: body.outcomes.iter().take(20).enumerate().map(outcome).collect::<Result<_, _>>()?,
        statement_working_days: body.statement_working_days,
    };
    rules.check().map_err(|rejection| work::refused(&rejection))?;
    Ok(rules)
}

impl Accountability {
    pub(super) async fn village_rules(
        &self,
        caller: &Principal,
        body: &pb::GetVillageRulesRequest,
    ) -> Result<pb::GetVillageRulesResponse, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let county = self.county(caller, body)?;
        let mut conn = self.ledger.pool.acquire().await.map_err(faults::database)?;
        let versions = rules::history(&mut conn, county.code().as_str(), HISTORY).await.map_err(faults::database)?;
        let current = versions.first().map_or_else(|| of_rules(&VillageRules::default()), shown);
        let history = versions.iter().skip(1).map(shown).collect();
        Ok(pb::GetVillageRulesResponse { rules: Some(current), history })
    }

    /// A county that the caller's region contains, or lies in.
    fn county(&self, caller: &Principal, body: &pb::GetVillageRulesRequest) -> Result<Region, Fault> {
        let roster = self.ledger.roster.current();
        let county = convert::region("county", body.county.as_ref()).map_err(faults::convert)?;
        if county.level() != Level::County {
            return Err(Fault::field("county.level", "WRONG_LEVEL", "is no county", "应填写县区"));
        }
        if self.own_path(caller)?.is_within(&county) {
            return Ok(county);
        }
        scope::require_region(caller, &roster, "county", &county)?;
        Ok(county)
    }

    pub(super) async fn replace_rules(
        &self,
        caller: &Principal,
        body: &pb::ReplaceVillageRulesRequest,
    ) -> Result<pb::ReplaceVillageRulesResponse, Fault> {
        scope::require(caller, &[Role::CountyOffice])?;
        let (key, hash) = request_key(caller, "ReplaceVillageRules", &body.request_id, body)?;
        let rules = wanted(body)?;
        let county = caller.region.code().to_string();
        let mut once = match Once::begin(&self.ledger.pool, &*self.ledger.clock, key, &hash).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let last = rules::history(once.conn(), &county, 1).await.map_err(faults::database)?;
        let current = last.first().map_or(0, |version| version.version);
        if current != body.expected_version {
            return Err(Fault::OtherVersion { current });
        }
        let version = Version { version: current + 1, valid_from: once.now, by: scope::post(caller), rules };
        if !rules::insert(once.conn(), &county, &version).await.map_err(faults::database)? {
            return Err(Fault::OtherVersion { current: version.version });
        }
        once.finish(pb::ReplaceVillageRulesResponse { rules: Some(shown(&version)) }).await
    }
}
