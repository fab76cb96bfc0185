//! A column in parts.

use dafei_reporting_core::{Column, Month};
use sqlx::PgPool;
use uuid::Uuid;

/// What a source and an act have in a column; codes, empty where there is none.
#[derive(Debug)]
pub struct Part {
    /// Source of the case.
    pub source: String,
    /// Act.
    pub act: String,
    /// Count or fen.
    pub value: i64,
    /// How many different things the whole column has; the same in every part, 0 in columns that add up.
    pub distinct: i64,
}

/// A month's column by source and act, of one sector when given. Of facts of the same thing in a cell the one that counts, the oldest, says
/// of which part it is: so the parts add up to the column's figure.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn split(
    pool: &PgPool,
    units: &[Uuid],
    month: Month,
    column: Column,
    sector: Option<&str>,
) -> sqlx::Result<Vec<Part>> {
    sqlx::query_as!(
        Part,
        r#"WITH asked AS MATERIALIZED (
               SELECT unit_id, sector, source, act, amount, distinct_key, at, fact_id
               FROM fact WHERE unit_id = ANY($1) AND month = $2 AND col = $3 AND ($4::text IS NULL OR sector = $4)
           ), counted AS (
               SELECT source, act, amount FROM asked WHERE distinct_key IS NULL
               UNION ALL
               SELECT source, act, 1 FROM (
                   SELECT DISTINCT ON (unit_id, sector, distinct_key) source, act
                   FROM asked WHERE distinct_key IS NOT NULL
                   ORDER BY unit_id, sector, distinct_key, at, fact_id
               ) first
           )
           SELECT source AS "source!", act AS "act!", sum(amount)::bigint AS "value!",
                  (SELECT count(DISTINCT distinct_key) FROM asked) AS "distinct!"
           FROM counted GROUP BY source, act ORDER BY source, act"#,
        units,
        super::month(month),
        i16::from(column.number()),
        sector
    )
    .fetch_all(pool)
    .await
}
