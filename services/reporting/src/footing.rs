//! Cross-footing: whenever a table is made, its rows are checked against totals that are kept apart from them. A difference is an alarm, never hidden.

use std::sync::LazyLock;

use dafei_reporting_core::{Column, Month, Table, Unit};
use dafei_runtime::{
    status::Fault,
    telemetry::metrics::{self, Counter},
};

/// First used when a table is made, which is after telemetry has begun.
static ALARMS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    metrics::counter("dafei.reporting.cross_footing_alarms", "Tables of which rows and totals did not fit")
});

/// Checks a table.
///
/// # Errors
/// `INTERNAL` where it does not fit: such a table is never shown and never filed.
pub(crate) fn check(table: &Table, totals: &[(Column, i64)], unit: &Unit, month: Month) -> Result<(), Fault> {
    let differing: Vec<u8> = table.differs_from(totals).into_iter().map(Column::number).collect();
    if differing.is_empty() {
        return Ok(());
    }
    ALARMS.add(1, &[]);
    tracing::error!(%unit, %month, columns = ?differing, "rows and totals of a table do not fit");
    Err(Fault::internal(format!("columns {differing:?} of the table of {unit} for {month} do not cross-foot")))
}
