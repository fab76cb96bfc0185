//! What stands of entries of the accountability ledger.

use std::collections::BTreeMap;

use dafei_reporting_core::{Fact, Month, Secretary};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{month, unit_id, write::Place};

/// Takes out all that was counted of these entries; says what is to be added to the cells for it, which is below zero.
pub(super) async fn take_out(conn: &mut PgConnection, entries: &[Uuid]) -> sqlx::Result<BTreeMap<Place, i64>> {
    sqlx::query!("DELETE FROM secretary_note WHERE entry_id = ANY($1)", entries).execute(&mut *conn).await?;
    let rows = sqlx::query!(
        "WITH gone AS (DELETE FROM entry_fact WHERE entry_id = ANY($1) RETURNING fact_id)
         DELETE FROM fact USING gone WHERE fact.fact_id = gone.fact_id
         RETURNING fact.unit_id, fact.month, fact.sector, fact.col, fact.amount",
        entries
    )
    .fetch_all(conn)
    .await?;
    let mut cells = BTreeMap::new();
    for row in rows {
        *cells.entry((row.unit_id, row.month, row.sector, row.col)).or_default() -= row.amount;
    }
    Ok(cells)
}

/// Notes which facts are of which entry, and the village secretaries.
pub(super) async fn put_in(
    conn: &mut PgConnection,
    facts: &[(Uuid, &Fact)],
    secretaries: &[(Uuid, &Secretary)],
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO entry_fact (entry_id, fact_id) SELECT * FROM UNNEST($1::uuid[], $2::uuid[])",
        &facts.iter().map(|(entry, _)| *entry).collect::<Vec<_>>(),
        &facts.iter().map(|(_, fact)| fact.fact_id).collect::<Vec<_>>()
    )
    .execute(&mut *conn)
    .await?;
    let each = || secretaries.iter().map(|(_, one)| *one);
    sqlx::query!(
        "INSERT INTO secretary_note (id, entry_id, unit_id, month, col)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::smallint[])",
        &each().map(|one| one.id).collect::<Vec<_>>(),
        &secretaries.iter().map(|(entry, _)| *entry).collect::<Vec<_>>(),
        &each().map(|one| unit_id(&one.leaf)).collect::<Vec<_>>(),
        &each().map(|one| month(one.month)).collect::<Vec<_>>(),
        &each().map(|one| i16::from(one.column.number())).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many village secretaries of a month are in the note of each column: column and count.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn secretaries(executor: impl PgExecutor<'_>, units: &[Uuid], month: Month) -> sqlx::Result<Vec<(i16, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT col, count(*) AS "count!" FROM secretary_note WHERE unit_id = ANY($1) AND month = $2 GROUP BY col"#,
        units,
        super::month(month)
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.col, row.count)).collect())
}
