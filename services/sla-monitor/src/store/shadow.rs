//! The obligations of a time, for trying out other rules.

use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::Inputs;
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    calendars,
    record::{Record, records},
};

/// A page of the obligations of cases that started since an instant, newest first, before the last of the page before.
pub(crate) async fn page(
    conn: &mut PgConnection,
    county: Option<&Region>,
    since: Instant,
    before: (Instant, Uuid),
    limit: i64,
) -> sqlx::Result<Vec<(Record, Inputs)>> {
    let records = records!(
        "WHERE case_id IS NOT NULL AND started_at >= $1 AND (started_at, id) < ($2, $3) AND ($4::text IS NULL OR county = $4)
         ORDER BY started_at DESC, id DESC LIMIT $5",
        PgInstant(since) as PgInstant,
        PgInstant(before.0) as PgInstant,
        before.1,
        county.map(|county| county.code().as_str()),
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
    let mut inputs: HashMap<Uuid, Inputs> = calendars::inputs(conn, &ids).await?.into_iter().collect();
    Ok(records.into_iter().filter_map(|record| inputs.remove(&record.id).map(|inputs| (record, inputs))).collect())
}
