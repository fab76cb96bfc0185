//! Forms that were filed.

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::time::civil_date;
use dafei_reporting_core::{Month, Unit};
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use prost::Message as _;
use sqlx::PgPool;

use super::{Form, Notes};
use crate::{draft::of_body, store::filing as store};

/// The form that a unit filed for a month with this version: with the figures and under the name of that day.
///
/// # Errors
/// `NOT_FOUND` when nothing was filed under this version; `UNAVAILABLE` without the database.
pub async fn filed_form(pool: &PgPool, unit: &Unit, month: Month, version: u32) -> Result<Form, Fault> {
    let wanted = i32::try_from(version).unwrap_or(i32::MAX);
    let Some(filed) = store::filed(pool, unit, month, Some(wanted)).await.map_err(faults::database)? else {
        return Err(Fault::not_found("filed version", format!("{unit} {month} {version}"), "没有这一版报送的调度表"));
    };
    let draft = pb::Draft::decode(filed.content.as_slice()).map_err(Fault::internal)?;
    Ok(Form {
        table: of_body(draft.figures.as_ref())?,
        unit_name: draft.unit_name,
        month,
        filled_on: civil_date(filed.filed_at),
        version: Some(version),
        notes: Notes {
            verified_true: draft.verified_true,
            secretaries_warned: draft.secretaries_warned,
            secretaries_held_accountable: draft.secretaries_held_accountable,
        },
    })
}
