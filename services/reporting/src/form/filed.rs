//! Forms that were filed.

use dafei_reporting_core::{Month, Unit};
use dafei_runtime::status::Fault;
use sqlx::PgPool;

use super::Form;

/// The form that a unit filed for a month with this version.
///
/// # Errors
/// `NOT_FOUND` when nothing was filed under this version.
pub async fn filed_form(_: &PgPool, unit: &Unit, month: Month, version: u32) -> Result<Form, Fault> {
    Err(Fault::not_found("filed version", format!("{unit} {month} {version}"), "没有这一版报送的调度表"))
}
