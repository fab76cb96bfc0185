//! `SplitColumn`: a column by source and act.

use dafei_contracts::{convert::ConvertError, reporting::v1 as pb};
use dafei_kernel::sector::Sector;
use dafei_reporting_core::Column;
use dafei_runtime::status::Fault;
use dafei_shell::faults;

use super::{Asked, MonthlyTables};
use crate::store;

/// A column by its number.
pub(super) fn column(number: u32) -> Result<Column, Fault> {
    Column::from_number(number)
        .ok_or_else(|| Fault::field("column", "UNKNOWN_COLUMN", "is none of 1 to 12", "没有这一栏，应为1至12"))
}

/// A sector by its code; all of them when empty.
pub(super) fn sector(code: &str) -> Result<Option<Sector>, Fault> {
    if code.is_empty() {
        return Ok(None);
    }
    let unknown = |_| faults::convert(ConvertError::unknown("sector", "UNKNOWN_SECTOR", code, "领域代码"));
    code.parse().map(Some).map_err(unknown)
}

impl MonthlyTables {
    pub(super) async fn split(
        &self,
        asked: &Asked,
        request: &pb::SplitColumnRequest,
    ) -> Result<pb::SplitColumnResponse, Fault> {
        let column = column(request.column)?;
        let sector = sector(&request.sector)?.map(|sector| sector.code());
        let units = store::unit_ids(&self.pool, &asked.unit).await.map_err(faults::database)?;
        let parts = store::split(&self.pool, &units, asked.month, column, sector).await.map_err(faults::database)?;
        Ok(pb::SplitColumnResponse {
            value: parts.iter().map(|part| part.value).sum(),
            distinct_overall: parts.first().map_or(0, |part| part.distinct),
            parts: parts
                .into_iter()
                .map(|store::Part { source, act, value, .. }| pb::ColumnPart { source, act, value })
                .collect(),
        })
    }
}
