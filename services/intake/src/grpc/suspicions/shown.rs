//! One suspicion as a reader may see it.

use dafei_contracts::{convert, intake::v1 as api};
use dafei_intake_core::suspicion::{DirectCause, DirectReport, Facts, Suspicion};
use dafei_kernel::role::Role;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, scope};

use super::{Grpc, wire};
use crate::store::{
    helps::{self, Kept},
    suspicions,
};

/// Who may see why a report went past the secretary: nobody of the village or its work area, for it may accuse the secretary.
const DIRECT_READERS: [Role; 6] = [
    Role::TownshipCentre,
    Role::TownshipPrincipal,
    Role::CountyOffice,
    Role::CountyCommander,
    Role::CityOffice,
    Role::Auditor,
];

/// Most helps and most merged reports that are shown with a suspicion.
const SHOWN: i64 = 100;

impl Grpc {
    /// A suspicion that the caller may read.
    pub(super) async fn readable(&self, caller: &Principal, case_id: &str) -> Result<Suspicion, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let id = convert::uuid("case_id", case_id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let suspicion = suspicions::get(&mut conn, id).await.map_err(faults::database)?;
        let suspicion = suspicion.ok_or_else(|| Fault::not_found("case", id.to_string(), "没有这条线索"))?;
        if scope::contains(caller, &self.app.roster.current(), suspicion.facts.village()) {
            Ok(suspicion)
        } else {
            Err(scope::out_of_scope())
        }
    }

    pub(super) async fn shown(&self, caller: &Principal, case_id: &str) -> Result<api::GetSuspicionResponse, Fault> {
        let suspicion = self.readable(caller, case_id).await?;
        let id = suspicion.facts.id;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let helps = helps::latest(&mut conn, id, SHOWN).await.map_err(faults::database)?;
        let merged = suspicions::merged(&mut conn, id, SHOWN).await.map_err(faults::database)?;
        let direct = suspicion.state.gone_up().and_then(|up| up.direct.as_ref());
        Ok(api::GetSuspicionResponse {
            suspicion: Some(wire::suspicion(&suspicion)),
            direct_report: direct.filter(|_| DIRECT_READERS.contains(&caller.role)).map(direct_report),
            helps: helps.into_iter().map(help).collect(),
            merged_reports: merged.iter().map(merged_report).collect(),
        })
    }
}

fn direct_report(direct: &DirectReport) -> api::DirectReport {
    let cause = match direct.cause {
        DirectCause::SecretaryUnreachable => api::DirectCause::SecretaryUnreachable,
        DirectCause::SecretaryImplicated => api::DirectCause::SecretaryImplicated,
        DirectCause::Other => api::DirectCause::Other,
    };
    api::DirectReport { cause: cause.into(), text: direct.text.clone() }
}

fn help(kept: Kept) -> api::Help {
    api::Help {
        help_id: kept.id.to_string(),
        evidence_ids: wire::ids(&kept.evidence),
        agency: kept.agency,
        note: kept.note,
        helped_at: Some(kept.helped_at.into()),
        received_at: Some(kept.received_at.into()),
        by: kept.role,
    }
}

fn merged_report(facts: &Facts) -> api::MergedReport {
    api::MergedReport {
        case_id: facts.id.to_string(),
        village: Some(facts.village().into()),
        found_at: Some(facts.found_at.into()),
        evidence_ids: wire::ids(&facts.evidence),
    }
}
