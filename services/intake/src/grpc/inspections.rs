//! Inspections (clauses A3, C17, C19).

use dafei_contracts::{
    convert,
    intake::v1::{self as api, inspection_service_server::InspectionService},
};
use dafei_kernel::{credit_code::CreditCode, role::Role, time::Instant};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status};

use super::{Grpc, pages, request_key};
use crate::{
    app::{self, NewInspection},
    store::inspections::{self, Filter},
    wire::{self, inspections as inspections_wire},
};

/// By clause C19 the township's agencies and the departments inspect; the centre and the offices coordinate.
const ROLES: &[Role] = &[Role::TownshipAgency, Role::CountyDepartment, Role::CityDepartment];

impl Grpc {
    fn new_inspection(&self, caller: &Principal, body: &api::RecordInspectionRequest) -> Result<NewInspection, Fault> {
        let roster = self.app.roster.current();
        let request = (request_key(caller, "RecordInspection", &body.request_id)?, faults::payload_hash(body));
        let told = convert::inspection(&roster, &inspections_wire::report(body)).map_err(faults::convert)?;
        let path = scope::require_region(caller, &roster, "region", &told.region)?;
        let evidence = wire::photos(&body.evidence_ids).map_err(faults::convert)?;
        Ok(NewInspection { request, by: scope::post(caller), path, told, evidence })
    }

    async fn inspection(&self, caller: &Principal, id: &str) -> Result<api::Inspection, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let id = convert::uuid("inspection_id", id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let inspection = inspections::get(&mut conn, id).await.map_err(faults::database)?;
        let inspection =
            inspection.ok_or_else(|| Fault::not_found("inspection", id.to_string(), "没有这次检查的记录"))?;
        if !scope::contains(caller, &self.app.roster.current(), &inspection.region) {
            return Err(scope::out_of_scope());
        }
        Ok(inspections_wire::inspection(&inspection))
    }

    async fn inspections(
        &self,
        caller: &Principal,
        body: &api::ListInspectionsRequest,
    ) -> Result<api::ListInspectionsResponse, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let roster = self.app.roster.current();
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &roster, "region", &region)?;
        let asked = api::ListInspectionsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let of = pages::of_region(&roster, &region, (body.page_size, &body.page_token), &asked)?;
        let limit = of.limit;
        let time = |field, at| convert::optional_instant(field, at).map_err(faults::convert);
        let filter = Filter {
            of,
            agency: convert::optional_agency("agency", &body.agency).map_err(faults::convert)?,
            sector: sector(&body.sector)?,
            credit_code: credit_code(&body.credit_code)?,
            enforcement_only: body.enforcement_only,
            since: time("since", body.since)?.unwrap_or(Instant::UNIX_EPOCH),
            until: time("until", body.until)?.unwrap_or(Instant::MAX),
        };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = inspections::list(&mut conn, &filter).await.map_err(faults::database)?;
        let next_page_token = pages::cut(&mut rows, limit, &asked, |last| (last.inspected_at, last.id));
        let inspections = rows.iter().map(inspections_wire::inspection).collect();
        Ok(api::ListInspectionsResponse { inspections, next_page_token })
    }
}

fn sector(code: &str) -> Result<Option<dafei_kernel::sector::Sector>, Fault> {
    if code.is_empty() { Ok(None) } else { convert::sector("sector", code).map(Some).map_err(faults::convert) }
}

fn credit_code(text: &str) -> Result<Option<String>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let code = CreditCode::parse(text).map_err(|error| {
        Fault::field(
            "credit_code",
            "INVALID_CREDIT_CODE",
            error.to_string(),
            format!("统一社会信用代码有误：{}", convert::shown(text)),
        )
    })?;
    Ok(Some(code.to_string()))
}

#[tonic::async_trait]
impl InspectionService for Grpc {
    async fn record_inspection(
        &self,
        request: Request<api::RecordInspectionRequest>,
    ) -> Result<Response<api::RecordInspectionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let new = self.new_inspection(caller, body)?;
        Ok(Response::new(app::record_inspection(&self.app, new).await?))
    }

    async fn get_inspection(
        &self,
        request: Request<api::GetInspectionRequest>,
    ) -> Result<Response<api::GetInspectionResponse>, Status> {
        let caller = principal(&request)?;
        let inspection = self.inspection(caller, &request.get_ref().inspection_id).await?;
        Ok(Response::new(api::GetInspectionResponse { inspection: Some(inspection) }))
    }

    async fn list_inspections(
        &self,
        request: Request<api::ListInspectionsRequest>,
    ) -> Result<Response<api::ListInspectionsResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.inspections(caller, request.get_ref()).await?))
    }
}
