//! `MonthlyTableService`: checks the caller and the request, reads, converts.

mod assessment;
mod briefing;
mod change;
mod disclosure;
mod evaluation;
mod export;
mod filing;
mod rebuild;
mod release;
mod split;
mod spot_checks;
mod work;

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, monthly_table_service_server::MonthlyTableService},
    types::v1::Region as WireRegion,
};
use dafei_kernel::{
    clock::SharedClock,
    period::Period,
    region::RegionPath,
    role::Role,
    roster::RosterIndex,
    sector::Sector,
    time::{Instant, MonthError},
};
use dafei_reporting_core::{
    Column, Month, Row, Table, Unit, UnitKind,
    quarter::{self, NoQuarter},
    unit::NoUnit,
};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, paging, roster::RosterView, scope};
use sqlx::{PgConnection, PgPool};
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub use assessment::Assessments;
pub use briefing::Briefings;
pub use disclosure::Disclosures;
pub use evaluation::Evaluations;
pub use filing::Filings;
pub use rebuild::RebuildTables;
pub use release::Releases;
pub use spot_checks::SpotChecks;
pub use work::WorkLedgers;

use crate::{footing, form::Notes, store};

/// Posts that may look at tables: all that have a filing unit in their region, and those who watch over it. Grid members, secretaries,
/// the bank and the hotline's clerks have none.
const READERS: [Role; 11] = [
    Role::TownshipCentre,
    Role::TownshipAgency,
    Role::TownshipPrincipal,
    Role::CountyOffice,
    Role::CountyDepartment,
    Role::CountyCommander,
    Role::CityOffice,
    Role::CityDepartment,
    Role::Auditor,
    Role::Service,
    Role::Admin,
];

/// Serves the tables.
#[derive(Clone)]
pub struct MonthlyTables {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
}

/// What a request asks about, checked.
struct Asked {
    unit: Unit,
    path: RegionPath,
    month: Month,
}

impl MonthlyTables {
    /// Reads from `pool`; the clock says which months have begun.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock) -> Self {
        Self { pool, roster, clock }
    }

    fn check(
        &self,
        principal: &Principal,
        roster: &RosterIndex,
        unit: Option<&pb::FilingUnit>,
        month: &str,
    ) -> Result<Asked, Fault> {
        scope::require(principal, &READERS)?;
        let unit = filing_unit(unit)?;
        let path = scope::require_region(principal, roster, "unit.region", unit.region())?;
        let month = checked_month(month, self.clock.now())?;
        Ok(Asked { unit, path, month })
    }

    async fn table(&self, units: &[Uuid], unit: &Unit, month: Month) -> Result<Table, Fault> {
        let found = store::cells(&self.pool, units, month).await.map_err(faults::database)?;
        let table = Table::of_cells(found.cells.into_iter().map(cell).collect::<Result<Vec<_>, _>>()?);
        let totals = found.totals.into_iter().map(|(column, value)| cell((String::new(), column, value)));
        let totals: Vec<_> =
            totals.map(|cell| cell.map(|(_, column, value)| (column, value))).collect::<Result<_, _>>()?;
        footing::check(&table, &totals, unit, month)?;
        Ok(table)
    }

    /// The table as computed now, with what the form notes below it.
    async fn computed(&self, asked: &Asked) -> Result<(Table, Notes), Fault> {
        let units = store::unit_ids(&self.pool, &asked.unit).await.map_err(faults::database)?;
        let table = self.table(&units, &asked.unit, asked.month).await?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let notes = notes(&mut conn, &units, asked.month).await?;
        Ok((table, notes))
    }
}

/// What the form notes below the table of these units.
pub(crate) async fn notes(conn: &mut PgConnection, units: &[Uuid], month: Month) -> Result<Notes, Fault> {
    let verified_true = store::verified_true(&mut *conn, units, month).await.map_err(faults::database)?;
    let secretaries = store::secretaries(conn, units, month).await.map_err(faults::database)?;
    let noted = |column: Column| {
        let found = secretaries.iter().find(|(number, _)| *number == i16::from(column.number()));
        found.map_or(0, |(_, count)| *count)
    };
    Ok(Notes {
        verified_true,
        secretaries_warned: noted(Column::WarningTalks),
        secretaries_held_accountable: noted(Column::HeldAccountable),
    })
}

/// A stored cell; an unknown code is a fault of ours, never left out of a table.
pub(crate) fn cell((sector, column, value): (String, i16, i64)) -> Result<(Option<Sector>, Column, i64), Fault> {
    let bad = || Fault::internal(format!("no cell of the form: sector {sector:?}, column {column}"));
    let column = u32::try_from(column).ok().and_then(Column::from_number).ok_or_else(bad)?;
    let sector = if sector.is_empty() { None } else { Some(sector.parse().map_err(|_| bad())?) };
    Ok((sector, column, value))
}

fn filing_unit(wire: Option<&pb::FilingUnit>) -> Result<Unit, Fault> {
    let wire = wire.ok_or_else(|| faults::convert(convert::ConvertError::required("unit")))?;
    if wire.kind.is_empty() {
        return Err(faults::convert(convert::ConvertError::required("unit.kind")));
    }
    let kind = UnitKind::from_code(&wire.kind).ok_or_else(|| {
        let kinds = UnitKind::ALL.map(UnitKind::code).join(", ");
        Fault::field("unit.kind", "UNKNOWN_UNIT_KIND", format!("is none of {kinds}"), "没有这种填报单位")
    })?;
    let region = convert::region("unit.region", wire.region.as_ref()).map_err(faults::convert)?;
    let agency = convert::optional_agency("unit.agency", &wire.agency).map_err(faults::convert)?;
    Unit::new(kind, region, agency).map_err(|error| {
        let (field, reason, zh) = match error {
            NoUnit::Level(_) => ("unit.region", "WRONG_LEVEL", "行政区划的级别与填报单位不符"),
            NoUnit::AgencyMissing(_) => ("unit.agency", "REQUIRED", "部门填报必须注明是哪个部门"),
            NoUnit::AgencyGiven(_) => ("unit.agency", "NOT_ALLOWED", "此类填报单位不填部门"),
        };
        Fault::field(field, reason, error.to_string(), zh)
    })
}

fn checked_month(text: &str, now: Instant) -> Result<Month, Fault> {
    if text.is_empty() {
        return Err(faults::convert(convert::ConvertError::required("month")));
    }
    let month: Month = text.parse().map_err(|error: MonthError| {
        Fault::field("month", "INVALID_MONTH", error.to_string(), "月份应写作“2026-11”的样子")
    })?;
    if month > Month::of(now) {
        return Err(Fault::field("month", "MONTH_IN_FUTURE", format!("{month} has not begun"), "该月份还没有开始"));
    }
    Ok(month)
}

/// A quarter that has begun.
fn checked_quarter(text: &str, now: Instant) -> Result<Period, Fault> {
    if text.is_empty() {
        return Err(faults::convert(convert::ConvertError::required("quarter")));
    }
    quarter::begun(text, now).map_err(|why| {
        let (reason, zh) = match why {
            NoQuarter::Form => ("INVALID_QUARTER", "季度应写作“2026-Q4”的样子"),
            NoQuarter::NotBegun(_) => ("QUARTER_IN_FUTURE", "该季度还没有开始"),
        };
        Fault::field("quarter", reason, why.to_string(), zh)
    })
}

/// 填报单位 as printed: with the county before a township.
pub(crate) fn unit_name(unit: &Unit, path: &RegionPath, roster: &RosterIndex) -> String {
    let name = |region| roster.get(region).map_or("", |entry| entry.name.as_str());
    let above = path.regions().iter().rev().nth(1).map_or("", name);
    unit.printed(name(unit.region()), above)
}

pub(crate) fn wire_row(sector: &str, row: &Row) -> pb::TableRow {
    pb::TableRow {
        sector: sector.to_owned(),
        name: row.name.to_owned(),
        values: row.values.to_vec(),
        texts: row.texts(),
    }
}

pub(crate) fn wire_unit(unit: &Unit) -> pb::FilingUnit {
    pb::FilingUnit {
        kind: unit.kind().code().to_owned(),
        region: Some(unit.region().into()),
        agency: unit.agency().map(|agency| agency.code().to_owned()).unwrap_or_default(),
    }
}

fn wire_fact(row: store::FactRow, column: Column) -> pb::Fact {
    pb::Fact {
        fact_id: row.fact_id.to_string(),
        unit: Some(pb::FilingUnit {
            kind: row.kind,
            region: Some(WireRegion { level: row.region_level, code: row.region_code }),
            agency: row.agency,
        }),
        sector: row.sector,
        act: row.act,
        column: u32::from(column.number()),
        amount: row.amount,
        at: Some(row.at.0.into()),
        case_id: row.case_id.map(|id| id.to_string()).unwrap_or_default(),
        event_id: row.event_id.to_string(),
        counted: row.counted,
        verdict: row.verdict,
    }
}

/// Cursor of a page: microseconds of the last fact's instant, and its id.
type PageCursor = (i64, Uuid);

fn cursor(token: Option<PageCursor>) -> Result<store::Cursor, Fault> {
    let Some((micros, fact_id)) = token else {
        return Ok(store::Cursor::START);
    };
    Ok(store::Cursor { at: paging::instant(micros)?, fact_id })
}

impl MonthlyTables {
    async fn list_facts(
        &self,
        asked: &Asked,
        request: pb::ListCellFactsRequest,
    ) -> Result<pb::ListCellFactsResponse, Fault> {
        let column = split::column(request.column)?;
        let sector = split::sector(&request.sector)?.map(|sector| sector.code());
        let size = paging::page_size(request.page_size, 50, 500)?;
        let filter = pb::ListCellFactsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let after = cursor(paging::decode(&request.page_token, &filter)?)?;
        let units = store::unit_ids(&self.pool, &asked.unit).await.map_err(faults::database)?;
        // One more than asked for says whether there is a next page.
        let mut rows = store::facts(&self.pool, &units, asked.month, column, sector, after, size + 1)
            .await
            .map_err(faults::database)?;
        let full = rows.len() > usize::try_from(size).unwrap_or(usize::MAX);
        rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        let next_page_token = match rows.last() {
            Some(last) if full => {
                let cursor: PageCursor = (last.at.0.as_microsecond(), last.fact_id);
                paging::encode(&cursor, &filter)
            }
            Some(_) | None => String::new(),
        };
        let facts = rows.into_iter().map(|row| wire_fact(row, column)).collect();
        Ok(pb::ListCellFactsResponse { facts, next_page_token })
    }
}

#[tonic::async_trait]
impl MonthlyTableService for MonthlyTables {
    async fn get_monthly_table(
        &self,
        request: Request<pb::GetMonthlyTableRequest>,
    ) -> Result<Response<pb::GetMonthlyTableResponse>, Status> {
        let roster = self.roster.current();
        let principal = identity::principal(&request)?;
        let asked = self.check(principal, &roster, request.get_ref().unit.as_ref(), &request.get_ref().month)?;
        let (table, notes) = self.computed(&asked).await?;
        Ok(Response::new(pb::GetMonthlyTableResponse {
            unit: Some(wire_unit(&asked.unit)),
            unit_name: unit_name(&asked.unit, &asked.path, &roster),
            month: asked.month.to_string(),
            rows: table.rows.iter().map(|(sector, row)| wire_row(sector.code(), row)).collect(),
            total: Some(wire_row("", &table.total)),
            without_sector: Some(wire_row("", &table.without_sector)),
            computed_at: Some(self.clock.now().into()),
            verified_true: notes.verified_true,
            secretaries_warned: notes.secretaries_warned,
            secretaries_held_accountable: notes.secretaries_held_accountable,
        }))
    }

    async fn list_cell_facts(
        &self,
        request: Request<pb::ListCellFactsRequest>,
    ) -> Result<Response<pb::ListCellFactsResponse>, Status> {
        let roster = self.roster.current();
        let principal = identity::principal(&request)?;
        let asked = self.check(principal, &roster, request.get_ref().unit.as_ref(), &request.get_ref().month)?;
        Ok(Response::new(self.list_facts(&asked, request.into_inner()).await?))
    }

    async fn split_column(
        &self,
        request: Request<pb::SplitColumnRequest>,
    ) -> Result<Response<pb::SplitColumnResponse>, Status> {
        let roster = self.roster.current();
        let principal = identity::principal(&request)?;
        let asked = self.check(principal, &roster, request.get_ref().unit.as_ref(), &request.get_ref().month)?;
        Ok(Response::new(self.split(&asked, request.get_ref()).await?))
    }

    async fn export_monthly_table(
        &self,
        request: Request<pb::ExportMonthlyTableRequest>,
    ) -> Result<Response<pb::ExportMonthlyTableResponse>, Status> {
        let roster = self.roster.current();
        let principal = identity::principal(&request)?;
        let asked = self.check(principal, &roster, request.get_ref().unit.as_ref(), &request.get_ref().month)?;
        Ok(Response::new(self.export(&asked, &roster, request.get_ref()).await?))
    }
}
