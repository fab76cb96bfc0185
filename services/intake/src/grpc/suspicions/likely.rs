//! Likely duplicates, as far as the caller may see them.

use std::collections::HashMap;

use dafei_contracts::{convert, intake::v1 as api};
use dafei_intake_core::{
    duplicates::{self, Why},
    suspicion::Facts,
};
use dafei_kernel::region::Level;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::faults;

use super::{Grpc, wire};
use crate::store::{
    duplicates::{Found, candidates},
    suspicions,
};

/// Most duplicates that are shown.
const SHOWN: usize = 20;

impl Grpc {
    /// Likely duplicates of what was just recorded. The record stands whether they can be looked for or not.
    pub(super) async fn suggested(&self, caller: &Principal, recorded: Option<&api::Suspicion>) -> Vec<api::Duplicate> {
        match self.duplicates_of(caller, recorded).await {
            Ok(found) => found,
            Err(fault) => {
                tracing::warn!(error = %fault, "likely duplicates were not looked for");
                Vec::new()
            }
        }
    }

    async fn duplicates_of(
        &self,
        caller: &Principal,
        recorded: Option<&api::Suspicion>,
    ) -> Result<Vec<api::Duplicate>, Fault> {
        let Some(recorded) = recorded.filter(|one| may_have_duplicates(one)) else { return Ok(Vec::new()) };
        let id = convert::uuid("case_id", &recorded.case_id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let suspicion = suspicions::get(&mut conn, id).await.map_err(faults::database)?;
        drop(conn);
        match suspicion {
            Some(suspicion) => self.likely(caller, &suspicion.facts).await,
            None => Ok(Vec::new()),
        }
    }

    /// Likely duplicates of a suspicion: up to the township in its township, above in its county.
    pub(super) async fn likely(&self, caller: &Principal, facts: &Facts) -> Result<Vec<api::Duplicate>, Fault> {
        let likeness = self.app.rules.likeness;
        let township_only = !matches!(caller.region.level(), Level::City | Level::County);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let found = candidates(&mut conn, facts, likeness, township_only).await.map_err(faults::database)?;
        drop(conn);
        let known: Vec<_> = found.iter().map(|one| one.candidate.clone()).collect();
        let shown: HashMap<_, _> = found.into_iter().map(|one| (one.candidate.id, one)).collect();
        let likely = duplicates::likely(facts, &known, likeness);
        Ok(likely.iter().filter_map(|(id, why)| Some(duplicate(shown.get(id)?, *why))).take(SHOWN).collect())
    }
}

/// An enterprise, or a den with a position: nothing else tells two reports to be one matter.
fn may_have_duplicates(recorded: &api::Suspicion) -> bool {
    use dafei_contracts::types::v1::subject::Kind;
    match recorded.subject.as_ref().and_then(|subject| subject.kind.as_ref()) {
        Some(Kind::Enterprise(_)) => true,
        Some(Kind::Den(den)) => den.position.is_some(),
        None => false,
    }
}

fn duplicate(found: &Found, why: Why) -> api::Duplicate {
    api::Duplicate {
        case_id: found.candidate.id.to_string(),
        village: Some((&found.village).into()),
        act: found.candidate.act.code().to_owned(),
        state: wire::state(found.state).into(),
        why: Some(match why {
            Why::NearbyDen { distance_m } => api::duplicate::Why::DistanceM(distance_m),
            Why::SameEnterprise => api::duplicate::Why::SameEnterprise(true),
        }),
    }
}
