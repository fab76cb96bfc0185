//! `DisclosureService`: what the public reads, without a login (clauses F4, F5). Nothing of the caller is asked and nothing is kept.

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, disclosure_service_server::DisclosureService},
    types::v1::Region as WireRegion,
};
use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
    time::MonthError,
};
use dafei_reporting_core::{Month, Unit};
use dafei_runtime::status::Fault;
use dafei_shell::{faults, paging, roster::RosterView};
use jiff::civil::Date;
use prost::Message as _;
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{filing_unit, split::sector};
use crate::{
    exposure::Exposure,
    store::disclosure::{self as store, Place},
};

/// Serves what the public reads.
#[derive(Clone)]
pub struct Disclosures {
    pool: PgPool,
    roster: RosterView,
}

/// A region to which a list is bound; none when it is not given.
fn within(roster: &RosterIndex, wire: Option<&WireRegion>, lowest: Level) -> Result<Option<Region>, Fault> {
    if wire.is_none() {
        return Ok(None);
    }
    let region = convert::region("region", wire).map_err(faults::convert)?;
    if roster.get(&region).is_none() {
        let english = format!("{region} is not in the roster");
        return Err(Fault::field("region", "UNKNOWN_REGION", english, "没有这个行政区划"));
    }
    let told = match lowest {
        Level::County => matches!(region.level(), Level::City | Level::County),
        _ => matches!(region.level(), Level::City | Level::County | Level::Township),
    };
    if told {
        Ok(Some(region))
    } else {
        Err(Fault::field("region", "NOT_DISCLOSED", format!("nothing is told by {region}"), "不按该级行政区划公开"))
    }
}

fn optional_month(text: &str) -> Result<Option<Month>, Fault> {
    if text.is_empty() { Ok(None) } else { month(text).map(Some) }
}

fn month(text: &str) -> Result<Month, Fault> {
    if text.is_empty() {
        return Err(faults::convert(convert::ConvertError::required("month")));
    }
    text.parse().map_err(|error: MonthError| {
        Fault::field("month", "INVALID_MONTH", error.to_string(), "月份应写作“2026-11”的样子")
    })
}

/// One row more than a page has says whether there is a next one; its cursor is the last row's.
fn cut<T>(rows: &mut Vec<T>, size: i64) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let full = rows.len() > size;
    rows.truncate(size);
    full
}

impl Disclosures {
    /// Serves from `pool`.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView) -> Self {
        Self { pool, roster }
    }

    async fn exposures(&self, body: &pb::ListExposuresRequest) -> Result<pb::ListExposuresResponse, Fault> {
        let roster = self.roster.current();
        let region = within(&roster, body.region.as_ref(), Level::County)?;
        let sector = sector(&body.sector)?.map(|sector| sector.code());
        let size = paging::page_size(body.page_size, 20, 100)?;
        let filter = pb::ListExposuresRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<(String, Uuid)> = paging::decode(&body.page_token, &filter)?;
        let day = |text: String| text.parse::<Date>().ok().filter(|day| day.year() > 0).ok_or_else(paging::invalid);
        let after = after.map(|(text, id)| day(text).map(|day| (day, id))).transpose()?;
        // A deployment serves one city: all of them are its.
        let county = region.filter(|region| region.level() == Level::County).map(|region| region.code().to_string());
        let mut rows =
            store::exposures(&self.pool, county.as_deref(), sector, after, size + 1).await.map_err(faults::database)?;
        let full = cut(&mut rows, size);
        let next_page_token = match rows.last() {
            Some(last) if full => paging::encode(&(last.day.to_string(), last.exposure_id), &filter),
            Some(_) | None => String::new(),
        };
        let exposures = rows.into_iter().map(|row| wire_exposure(row, &roster)).collect::<Result<_, _>>()?;
        Ok(pb::ListExposuresResponse { exposures, next_page_token })
    }

    async fn tables(&self, body: &pb::ListReleasedTablesRequest) -> Result<pb::ListReleasedTablesResponse, Fault> {
        let region = within(&self.roster.current(), body.region.as_ref(), Level::Township)?;
        let month = optional_month(&body.month)?;
        let size = paging::page_size(body.page_size, 20, 100)?;
        let filter = pb::ListReleasedTablesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<Place> = paging::decode(&body.page_token, &filter)?;
        let mut rows =
            store::all_released(&self.pool, region.as_ref(), month, after, size + 1).await.map_err(faults::database)?;
        let full = cut(&mut rows, size);
        let next_page_token = match rows.last() {
            Some((place, _)) if full => paging::encode(place, &filter),
            Some(_) | None => String::new(),
        };
        let table = |content: &[u8]| pb::GetReleasedTableResponse::decode(content).map_err(Fault::internal);
        let tables = rows.iter().map(|(_, content)| table(content).map(|released| released.table));
        let tables = tables.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        Ok(pb::ListReleasedTablesResponse { tables, next_page_token })
    }

    async fn table(&self, body: &pb::GetReleasedTableRequest) -> Result<pb::GetReleasedTableResponse, Fault> {
        let unit: Unit = filing_unit(body.unit.as_ref())?;
        let month = month(&body.month)?;
        let Some(content) = store::released(&self.pool, &unit, month).await.map_err(faults::database)? else {
            return Err(Fault::not_found("released-table", format!("{unit} {month}"), "该报表没有公开"));
        };
        pb::GetReleasedTableResponse::decode(content.as_slice()).map_err(Fault::internal)
    }
}

fn wire_exposure(row: Exposure, roster: &RosterIndex) -> Result<pb::Exposure, Fault> {
    let (level, code) =
        if row.county.is_empty() { (Level::City, row.city.as_str()) } else { (Level::County, row.county.as_str()) };
    let region = Region::new(level, code).map_err(Fault::internal)?;
    Ok(pb::Exposure {
        exposure_id: row.exposure_id.to_string(),
        public_text: row.public_text,
        region_name: roster.get(&region).map(|entry| entry.name.clone()).unwrap_or_default(),
        region: Some((&region).into()),
        sector: row.sector,
        day: row.day.to_string(),
    })
}

#[tonic::async_trait]
impl DisclosureService for Disclosures {
    async fn list_exposures(
        &self,
        request: Request<pb::ListExposuresRequest>,
    ) -> Result<Response<pb::ListExposuresResponse>, Status> {
        Ok(Response::new(self.exposures(request.get_ref()).await?))
    }

    async fn list_released_tables(
        &self,
        request: Request<pb::ListReleasedTablesRequest>,
    ) -> Result<Response<pb::ListReleasedTablesResponse>, Status> {
        Ok(Response::new(self.tables(request.get_ref()).await?))
    }

    async fn get_released_table(
        &self,
        request: Request<pb::GetReleasedTableRequest>,
    ) -> Result<Response<pb::GetReleasedTableResponse>, Status> {
        Ok(Response::new(self.table(request.get_ref()).await?))
    }
}
