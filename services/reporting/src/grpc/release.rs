//! `ReleaseService`: an office releases a filed table to the public (信息公开, clause F5).

use std::sync::Arc;

use dafei_contracts::{
    events::v1 as events,
    reporting::v1::{self as pb, release_service_server::ReleaseService},
};
use dafei_kernel::{clock::SharedClock, ids};
use dafei_reporting_core::{
    Unit,
    disclosure::{self, Published, Rejection},
};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, once::Begun, roster::RosterView, scope};
use prost::Message as _;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{READERS, change, checked_month, filing_unit, wire_unit};
use crate::{
    config::Rules,
    draft,
    publisher::{self, Told},
    store::{
        disclosure::{self as store, Release},
        filing::{self, Filed},
    },
};

/// Serves releases.
#[derive(Clone)]
pub struct Releases {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
    rules: Arc<Rules>,
}

impl Releases {
    /// Releases tables under these rules.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock, rules: Arc<Rules>) -> Self {
        Self { pool, roster, clock, rules }
    }

    async fn release(
        &self,
        caller: &Principal,
        body: &pb::ReleaseTableRequest,
    ) -> Result<pb::ReleaseTableResponse, Fault> {
        scope::require(caller, &READERS)?;
        let unit = filing_unit(body.unit.as_ref())?;
        let path = scope::require_region(caller, &self.roster.current(), "unit.region", unit.region())?;
        let by = scope::post(caller);
        disclosure::may_release(&unit, &path, &by).map_err(|why| refused(&unit, why))?;
        let month = checked_month(&body.month, self.clock.now())?;
        if body.version == 0 {
            return Err(faults::convert(dafei_contracts::convert::ConvertError::required("version")));
        }
        let begun = change::begin(&self.pool, &self.clock, caller, "ReleaseTable", &body.request_id, body).await?;
        let mut once = match begun {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let now = once.now;
        let wanted = i32::try_from(body.version).unwrap_or(i32::MAX);
        let filed = filing::filed(&mut *once.conn(), &unit, month, Some(wanted)).await.map_err(faults::database)?;
        let released = store::released_version(once.conn(), &unit, month).await.map_err(faults::database)?;
        let released = released.and_then(|version| u32::try_from(version).ok());
        let there = if filed.is_some() { body.version } else { 0 };
        disclosure::check_version(body.version, there, released).map_err(|why| refused(&unit, why))?;
        let filed = filed.ok_or_else(|| refused(&unit, Rejection::NotFiled(body.version)))?;
        let draft = pb::Draft::decode(filed.content.as_slice()).map_err(Fault::internal)?;
        let table = pb::ReleasedTable {
            unit: Some(wire_unit(&unit)),
            unit_name: draft.unit_name.clone(),
            month: month.to_string(),
            version: body.version,
            released_at: Some(now.into()),
        };
        let content = self.content(&unit, &draft, table.clone())?.encode_to_vec();
        let Filed { version, .. } = filed;
        let release = Release { version, released_at: now, released_by: by.clone(), content };
        if !store::release(once.conn(), &unit, &path, month, &release).await.map_err(faults::database)? {
            return Err(Fault::Aborted { reason: "CONCURRENT_REQUEST".into() });
        }
        let aggregate = ids::derived(&["release", &unit.to_string(), &month.to_string()]);
        let told = Told { aggregate, path: &path, actor: Some(&by), at: now };
        let event = events::TableReleased {
            meta: None,
            unit: Some((&unit.filer()).into()),
            month: month.to_string(),
            version: body.version,
            released_at: Some(now.into()),
        };
        publisher::tell(once.conn(), told, event).await?;
        once.finish(pb::ReleaseTableResponse { table: Some(table) }).await
    }

    /// What the public reads from now on: nothing of the draft but its figures, as far as the rules let them be seen.
    fn content(
        &self,
        unit: &Unit,
        draft: &pb::Draft,
        table: pb::ReleasedTable,
    ) -> Result<pb::GetReleasedTableResponse, Fault> {
        let rules = &self.rules.disclosure;
        let figures = draft::of_body(draft.figures.as_ref())?;
        let Published { rows, total, without_sector } = rules.publish(unit.kind(), &figures);
        let row = |sector: &str, name: &str, texts| pb::ReleasedRow {
            sector: sector.to_owned(),
            name: name.to_owned(),
            texts,
        };
        Ok(pb::GetReleasedTableResponse {
            table: Some(table),
            rows: rows.into_iter().map(|(sector, texts)| row(sector.code(), sector.name_zh(), texts)).collect(),
            total: Some(row("", figures.total.name, total)),
            without_sector: Some(row("", figures.without_sector.name, without_sector)),
            note: rules.note(),
        })
    }
}

/// A refusal of the rules, as a call fails by it.
fn refused(unit: &Unit, why: Rejection) -> Fault {
    let english = why.to_string();
    match why {
        Rejection::NotCollected => {
            Fault::denied("NOT_COLLECTED", "只能公开本办公室的报表，或由本办公室直接汇总的单位的报表")
        }
        Rejection::NotFiled(_) => {
            Fault::precondition("NOT_FILED", unit.to_string(), english, "该单位没有报送过这一版报表，不能公开")
        }
        Rejection::AlreadyReleased(_) => {
            Fault::precondition("ALREADY_RELEASED", unit.to_string(), english, "这一版报表已经公开")
        }
        Rejection::Older(_) => {
            Fault::precondition("NEWER_RELEASED", unit.to_string(), english, "已公开更新的一版，不能再公开旧版")
        }
    }
}

#[tonic::async_trait]
impl ReleaseService for Releases {
    async fn release_table(
        &self,
        request: Request<pb::ReleaseTableRequest>,
    ) -> Result<Response<pb::ReleaseTableResponse>, Status> {
        Ok(Response::new(self.release(identity::principal(&request)?, request.get_ref()).await?))
    }
}
