//! Forgetting all that is made from events, so that it can be made again.

use sqlx::PgConnection;

/// Empties facts and cells, what is done and left undone, what the public reads of cases, the work ledger, and which units were
/// in the roster when. What was received stays, and so does
/// the roster's projection: its snapshots replace it as they come again.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn clear(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        "TRUNCATE fact, counted_key, cell, cell_total, unit, entry_fact, secretary_note, tip_note,
                  deed, case_line, case_rest, breach_line, village_notices, anchor_line, exposure, work_done, unit_stay"
    )
    .execute(conn)
    .await?;
    Ok(())
}
