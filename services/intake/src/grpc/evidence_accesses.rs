//! Who has seen originals of photos, for those who audit.

use dafei_contracts::{convert, intake::v1 as api};
use dafei_kernel::{region::Level, role::Role, time::Instant};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use uuid::Uuid;

use super::{Cursor, Grpc, before, suspicions::villages_of};
use crate::store::evidence_accesses::{self, Access, Filter};

const ROLES: &[Role] = &[Role::Auditor, Role::Admin];

fn access(access: &Access) -> api::EvidenceAccess {
    api::EvidenceAccess {
        access_id: access.id.to_string(),
        evidence_id: access.evidence.to_string(),
        subject: access.subject.clone(),
        post: Some((&access.post).into()),
        reason: access.reason.clone(),
        accessed_at: Some(access.at.into()),
    }
}

impl Grpc {
    pub(super) async fn accesses(
        &self,
        caller: &Principal,
        body: &api::ListEvidenceAccessesRequest,
    ) -> Result<api::ListEvidenceAccessesResponse, Fault> {
        scope::require(caller, ROLES)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let asked = api::ListEvidenceAccessesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let before = before(paging::decode(&body.page_token, &asked)?)?;
        let mut rows = match (&body.region, body.evidence_id.as_str()) {
            (Some(_), "") => self.accesses_of_region(caller, body, before, size + 1).await?,
            (None, id) if !id.is_empty() => {
                let id = convert::uuid("evidence_id", id).map_err(faults::convert)?;
                self.known_photo(caller, id).await?;
                self.page(&Filter::Evidence(id), before, size + 1).await?
            }
            _ => return Err(one_of_two()),
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor = rows.last().filter(|_| full).map(|last| -> Cursor { (last.at.as_microsecond(), last.id) });
        Ok(api::ListEvidenceAccessesResponse {
            accesses: rows.iter().map(access).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }

    async fn accesses_of_region(
        &self,
        caller: &Principal,
        body: &api::ListEvidenceAccessesRequest,
        before: Option<(Instant, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Access>, Fault> {
        let roster = self.app.roster.current();
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &roster, "region", &region)?;
        if region.level() == Level::WorkArea {
            return self.page(&Filter::Villages(&villages_of(&roster, &region)), before, limit).await;
        }
        self.page(&Filter::Region(&region), before, limit).await
    }

    async fn page(
        &self,
        filter: &Filter<'_>,
        before: Option<(Instant, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Access>, Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        evidence_accesses::list(&mut conn, filter, before, limit).await.map_err(faults::database)
    }
}

fn one_of_two() -> Fault {
    let description = "give either region or evidence_id";
    Fault::field("region", "ONE_OF_TWO", description, "请填写行政区划或照片编号，二者只填其一")
}
