//! `AccountabilityService`: checks the caller and the request, has the ledger do it, and logs every reading before it is answered.

mod read;
mod rules;
mod wire;
mod write;

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, accountability_service_server::AccountabilityService},
};
use dafei_kernel::{owner::Post, region::RegionPath, role::Role};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use dafei_sla_core::accountability::Entry;
use prost::Message;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::accountability::Ledger;

/// Posts that watch over the entries of their region. All others see those that charge them.
const OVERSEERS: [Role; 6] = [
    Role::TownshipCentre,
    Role::TownshipPrincipal,
    Role::CountyOffice,
    Role::CountyCommander,
    Role::CityOffice,
    Role::Auditor,
];
/// Offices that open entries.
const OFFICES: [Role; 3] = [Role::TownshipCentre, Role::CountyOffice, Role::CityOffice];

/// Serves the accountability ledger.
#[derive(Clone)]
pub struct Accountability {
    ledger: Ledger,
}

/// Longest name of a person, in characters.
const NAME: usize = 200;

impl Accountability {
    /// Serves this ledger.
    #[must_use]
    pub const fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// Regions from the city down to the caller's own.
    fn own_path(&self, caller: &Principal) -> Result<RegionPath, Fault> {
        self.ledger.roster.current().path(&caller.region).ok_or_else(scope::out_of_scope)
    }

    /// The caller watches over the entry's region, or is charged by it.
    fn may_see(&self, caller: &Principal, entry: &Entry) -> Result<(), Fault> {
        let oversees = OVERSEERS.contains(&caller.role)
            && super::lies_in(&caller.region, &entry.path, &self.ledger.roster.current());
        if oversees || entry.charges(&scope::post(caller)) { Ok(()) } else { Err(scope::out_of_scope()) }
    }
}

fn id(field: &str, text: &str) -> Result<Uuid, Fault> {
    convert::uuid(field, text).map_err(faults::convert)
}

fn text(field: &str, text: &str, max: usize) -> Result<String, Fault> {
    convert::bounded(field, text, max).map_err(faults::convert)
}

fn post(field: &str, wire: Option<&dafei_contracts::types::v1::Post>) -> Result<Post, Fault> {
    let wire = convert::Field::required(wire, field).map_err(faults::convert)?;
    let post = Post::try_from(wire).map_err(|error| faults::convert(error.under(field)))?;
    Post::new(post.role, post.region.clone(), post.agency)
        .map_err(|error| Fault::field(field, "INVALID_POST", error.to_string(), "岗位、行政区划与部门不相符"))
}

/// A request id, unique for caller and method, with the hash of its payload.
fn request_key(
    caller: &Principal,
    method: &str,
    request_id: &str,
    payload: &impl Message,
) -> Result<(RequestKey, [u8; 32]), Fault> {
    let key = RequestKey {
        subject: caller.subject.clone(),
        method: method.to_owned(),
        request_id: faults::request_id(request_id)?.to_string(),
    };
    Ok((key, faults::payload_hash(payload)))
}

#[tonic::async_trait]
impl AccountabilityService for Accountability {
    async fn open_entry(
        &self,
        request: Request<pb::OpenEntryRequest>,
    ) -> Result<Response<pb::OpenEntryResponse>, Status> {
        Ok(Response::new(self.open(principal(&request)?, request.get_ref()).await?))
    }

    async fn open_for_breaches(
        &self,
        request: Request<pb::OpenForBreachesRequest>,
    ) -> Result<Response<pb::OpenForBreachesResponse>, Status> {
        Ok(Response::new(self.open_breaches(principal(&request)?, request.get_ref()).await?))
    }

    async fn get_entry(&self, request: Request<pb::GetEntryRequest>) -> Result<Response<pb::GetEntryResponse>, Status> {
        Ok(Response::new(self.entry(principal(&request)?, request.get_ref()).await?))
    }

    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        Ok(Response::new(self.entries(principal(&request)?, request.get_ref()).await?))
    }

    async fn submit_statement(
        &self,
        request: Request<pb::SubmitStatementRequest>,
    ) -> Result<Response<pb::SubmitStatementResponse>, Status> {
        let entry = Some(self.state(principal(&request)?, request.get_ref()).await?);
        Ok(Response::new(pb::SubmitStatementResponse { entry }))
    }

    async fn decide(&self, request: Request<pb::DecideRequest>) -> Result<Response<pb::DecideResponse>, Status> {
        let entry = Some(self.rule(principal(&request)?, request.get_ref()).await?);
        Ok(Response::new(pb::DecideResponse { entry }))
    }

    async fn appeal(&self, request: Request<pb::AppealRequest>) -> Result<Response<pb::AppealResponse>, Status> {
        let entry = Some(self.lodge_appeal(principal(&request)?, request.get_ref()).await?);
        Ok(Response::new(pb::AppealResponse { entry }))
    }

    async fn decide_appeal(
        &self,
        request: Request<pb::DecideAppealRequest>,
    ) -> Result<Response<pb::DecideAppealResponse>, Status> {
        let entry = Some(self.rule_on_appeal(principal(&request)?, request.get_ref()).await?);
        Ok(Response::new(pb::DecideAppealResponse { entry }))
    }

    async fn get_ledger(
        &self,
        request: Request<pb::GetLedgerRequest>,
    ) -> Result<Response<pb::GetLedgerResponse>, Status> {
        Ok(Response::new(self.ledger_of(principal(&request)?, request.get_ref()).await?))
    }

    async fn get_village_rules(
        &self,
        request: Request<pb::GetVillageRulesRequest>,
    ) -> Result<Response<pb::GetVillageRulesResponse>, Status> {
        Ok(Response::new(self.village_rules(principal(&request)?, request.get_ref()).await?))
    }

    async fn replace_village_rules(
        &self,
        request: Request<pb::ReplaceVillageRulesRequest>,
    ) -> Result<Response<pb::ReplaceVillageRulesResponse>, Status> {
        Ok(Response::new(self.replace_rules(principal(&request)?, request.get_ref()).await?))
    }

    async fn list_access(
        &self,
        request: Request<pb::ListAccessRequest>,
    ) -> Result<Response<pb::ListAccessResponse>, Status> {
        Ok(Response::new(self.accesses(principal(&request)?, request.get_ref()).await?))
    }
}
