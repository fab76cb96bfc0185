//! `WorkLedgerService`: the monthly work ledger of grid chiefs and members (clause F6).

use std::sync::Arc;

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, work_ledger_service_server::WorkLedgerService},
    types::v1::Region as WireRegion,
};
use dafei_kernel::{
    clock::SharedClock,
    region::{Level, Region},
    role::Role,
    roster::RosterIndex,
};
use dafei_reporting_core::{
    Month,
    allowance::{Line, lines},
    work::{WORKERS, Work},
};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, paging, roster::RosterView, scope};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::checked_month;
use crate::{
    config::Rules,
    form::ledger::{self, Ledger},
    store::work as store,
};

/// Posts that may look at the ledger: those that pay and those that watch over it; a village secretary sees his own village's.
const READERS: [Role; 8] = [
    Role::VillageSecretary,
    Role::TownshipCentre,
    Role::TownshipPrincipal,
    Role::CountyOffice,
    Role::CountyCommander,
    Role::CityOffice,
    Role::Auditor,
    Role::Admin,
];
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Villages that are read at a time: each has a chief and some members.
const VILLAGES: usize = 200;

/// Serves the ledger.
#[derive(Clone)]
pub struct WorkLedgers {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
    rules: Arc<Rules>,
}

/// Where a page ends: village, place of the role, person.
type Place = (String, usize, String);

fn place(line: &Line) -> Place {
    let role = WORKERS.iter().position(|role| *role == line.role).unwrap_or_default();
    (line.village.code().to_string(), role, line.person.clone())
}

impl WorkLedgers {
    /// Serves from `pool` by these rates.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock, rules: Arc<Rules>) -> Self {
        Self { pool, roster, clock, rules }
    }

    fn asked(
        &self,
        caller: &Principal,
        roster: &RosterIndex,
        region: Option<&WireRegion>,
        month: &str,
        levels: &[Level],
    ) -> Result<(Region, Month), Fault> {
        scope::require(caller, &READERS)?;
        let region = convert::region("region", region).map_err(faults::convert)?;
        scope::require_region(caller, roster, "region", &region)?;
        if !levels.contains(&region.level()) {
            let english = format!("there is no ledger of a {}", region.level().code());
            return Err(Fault::field("region", "WRONG_LEVEL", english, "台账不按该级行政区划编制"));
        }
        Ok((region, checked_month(month, self.clock.now())?))
    }

    /// Lines from a place on, at least `wanted` of them if there are as many.
    async fn lines(
        &self,
        roster: &RosterIndex,
        region: &Region,
        month: Month,
        after: Option<&Place>,
        wanted: usize,
    ) -> Result<Vec<Line>, Fault> {
        let villages = roster.within(region).into_iter().filter(|one| one.level() == Level::Village);
        let from = |village: &&Region| after.is_none_or(|(last, ..)| village.code().as_str() >= last.as_str());
        let villages: Vec<Region> = villages.filter(from).cloned().collect();
        let mut all = Vec::new();
        for part in villages.chunks(VILLAGES) {
            let done = store::done(&self.pool, part, month).await.map_err(faults::database)?;
            let part = lines(&self.rules.allowances, roster, month, self.clock.now(), part, &done);
            all.extend(part.into_iter().filter(|line| after.is_none_or(|after| place(line) > *after)));
            if all.len() >= wanted {
                break;
            }
        }
        Ok(all)
    }

    async fn list(&self, caller: &Principal, body: &pb::ListWorkRequest) -> Result<pb::ListWorkResponse, Fault> {
        let roster = self.roster.current();
        let levels = [Level::County, Level::Township, Level::Village];
        let (region, month) = self.asked(caller, &roster, body.region.as_ref(), &body.month, &levels)?;
        let size = usize::try_from(paging::page_size(body.page_size, 100, 500)?).unwrap_or(usize::MAX);
        let filter = pb::ListWorkRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<Place> = paging::decode(&body.page_token, &filter)?;
        let mut lines = self.lines(&roster, &region, month, after.as_ref(), size + 1).await?;
        let full = lines.len() > size;
        lines.truncate(size);
        let next_page_token = match lines.last() {
            Some(last) if full => paging::encode(&place(last), &filter),
            Some(_) | None => String::new(),
        };
        Ok(pb::ListWorkResponse { lines: lines.iter().map(|line| wire_line(line, &roster)).collect(), next_page_token })
    }

    async fn export(&self, caller: &Principal, body: &pb::ExportWorkRequest) -> Result<pb::ExportWorkResponse, Fault> {
        let roster = self.roster.current();
        let levels = [Level::County, Level::Township];
        let (region, month) = self.asked(caller, &roster, body.region.as_ref(), &body.month, &levels)?;
        let lines = self.lines(&roster, &region, month, None, usize::MAX).await?;
        let name = |region: &Region| roster.get(region).map(|entry| entry.name.clone()).unwrap_or_default();
        let ledger = Ledger {
            region_name: name(&region),
            month,
            made_on: dafei_kernel::time::civil_date(self.clock.now()),
            version: self.rules.allowances.version().to_owned(),
            lines: lines.into_iter().map(|line| (name(&line.village), line)).collect(),
        };
        Ok(pb::ExportWorkResponse {
            content: ledger::workbook(&ledger).map_err(Fault::internal)?.into(),
            content_type: XLSX.to_owned(),
            file_name: ledger::file_name(&ledger),
        })
    }

    fn rates(&self, caller: &Principal) -> Result<pb::ListRatesResponse, Fault> {
        scope::require(caller, &READERS)?;
        let rates = &self.rules.allowances;
        let rate = |work: Work| pb::Rate {
            work: work.code().to_owned(),
            name: work.name().to_owned(),
            fen: rates.of(work).fen,
            monthly_limit: rates.of(work).monthly_limit,
        };
        Ok(pb::ListRatesResponse {
            version: rates.version().to_owned(),
            rates: Work::ALL.into_iter().map(rate).collect(),
            chief_base_fen: rates.base(Role::VillageSecretary),
            member_base_fen: rates.base(Role::GridMember),
        })
    }
}

fn wire_line(line: &Line, roster: &RosterIndex) -> pb::WorkLine {
    let count = |work: Work| pb::WorkCount {
        work: work.code().to_owned(),
        count: line.times[work.index()],
        fen: line.fen[work.index()],
    };
    pb::WorkLine {
        village: Some((&line.village).into()),
        village_name: roster.get(&line.village).map(|entry| entry.name.clone()).unwrap_or_default(),
        role: line.role.code().to_owned(),
        person: line.person.clone(),
        in_roster: line.in_roster,
        work: Work::ALL.into_iter().map(count).collect(),
        base_fen: line.base,
        total_fen: line.total(),
    }
}

#[tonic::async_trait]
impl WorkLedgerService for WorkLedgers {
    async fn list_work(&self, request: Request<pb::ListWorkRequest>) -> Result<Response<pb::ListWorkResponse>, Status> {
        Ok(Response::new(self.list(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn export_work(
        &self,
        request: Request<pb::ExportWorkRequest>,
    ) -> Result<Response<pb::ExportWorkResponse>, Status> {
        Ok(Response::new(self.export(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_rates(
        &self,
        request: Request<pb::ListRatesRequest>,
    ) -> Result<Response<pb::ListRatesResponse>, Status> {
        Ok(Response::new(self.rates(identity::principal(&request)?)?))
    }
}
