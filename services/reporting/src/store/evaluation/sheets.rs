//! Sheets: handed in, listed, and those that are missing.

use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::evaluation::{Pair, Points};
use sqlx::{PgConnection, PgExecutor, types::Json};

use super::{Key, read_post};

/// A sheet as stored.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Who scored whom.
    pub pair: Pair,
    /// Points, in the order of the criteria.
    pub points: Vec<Points>,
    /// Their sum.
    pub total: u32,
    /// Remark.
    pub remark: String,
    /// When it was handed in last.
    pub submitted_at: Instant,
    /// How often it was handed in, from 1.
    pub version: u32,
}

/// Keeps a sheet in the place of one that was there; answers with its version. The round is locked by the caller.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn submit(
    conn: &mut PgConnection,
    key: &Key,
    pair: &Pair,
    (total, points): (u32, &[Points]),
    remark: &str,
    at: Instant,
) -> sqlx::Result<u32> {
    let (county, quarter) = key.codes();
    let version = sqlx::query_scalar!(
        "INSERT INTO evaluation_sheet (county, quarter, evaluator, evaluated, points, total, remark, submitted_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
         ON CONFLICT (county, quarter, evaluator, evaluated) DO UPDATE
             SET points = excluded.points, total = excluded.total, remark = excluded.remark, submitted_at = excluded.submitted_at,
                 version = evaluation_sheet.version + 1
         RETURNING version",
        county,
        quarter,
        pair.evaluator.to_string(),
        pair.evaluated.to_string(),
        Json(points) as Json<&[Points]>,
        i32::try_from(total).unwrap_or(i32::MAX),
        remark,
        PgInstant(at) as PgInstant
    )
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(version).unwrap_or_default())
}

/// A page of a list: after which evaluator and evaluated, and how many at most.
#[derive(Debug, Clone)]
pub struct Page {
    /// The last ones of the page before; empty for the first.
    pub after: (String, String),
    /// At most so many.
    pub limit: i64,
}

/// The sheets of a round, by evaluator and evaluated: all, or only those that a post handed in, with those about it where these are shown to it.
///
/// # Errors
/// When PostgreSQL is away, or a stored post is none.
pub async fn sheets(
    executor: impl PgExecutor<'_>,
    key: &Key,
    evaluated: Option<&Post>,
    own: Option<(&Post, bool)>,
    page: &Page,
) -> sqlx::Result<Vec<Sheet>> {
    let (county, quarter) = key.codes();
    let rows = sqlx::query!(
        r#"SELECT evaluator, evaluated, points AS "points: Json<Vec<Points>>", total, remark, submitted_at AS "submitted_at: PgInstant", version
           FROM evaluation_sheet
           WHERE county = $1 AND quarter = $2 AND ($3 = '' OR evaluated = $3)
             AND ($4 = '' OR evaluator = $4 OR ($5 AND evaluated = $4))
             AND (evaluator, evaluated) > ($6, $7)
           ORDER BY evaluator, evaluated LIMIT $8"#,
        county,
        quarter,
        evaluated.map(ToString::to_string).unwrap_or_default(),
        own.map(|(post, _)| post.to_string()).unwrap_or_default(),
        own.is_some_and(|(_, about)| about),
        page.after.0,
        page.after.1,
        page.limit
    )
    .fetch_all(executor)
    .await?;
    let sheets = rows.into_iter().map(|row| {
        Ok(Sheet {
            pair: Pair { evaluator: read_post(&row.evaluator)?, evaluated: read_post(&row.evaluated)? },
            points: row.points.0,
            total: u32::try_from(row.total).unwrap_or_default(),
            remark: row.remark,
            submitted_at: row.submitted_at.0,
            version: u32::try_from(row.version).unwrap_or_default(),
        })
    });
    sheets.collect()
}

/// The sheets that a round waits for, by evaluator and evaluated: all, or only those of one evaluator.
///
/// # Errors
/// When PostgreSQL is away, or a stored post is none.
pub async fn missing(
    executor: impl PgExecutor<'_>,
    key: &Key,
    evaluator: Option<&Post>,
    page: &Page,
) -> sqlx::Result<Vec<Pair>> {
    let (county, quarter) = key.codes();
    let rows = sqlx::query!(
        r#"SELECT p.evaluator, p.evaluated FROM evaluation_pair p
           WHERE p.county = $1 AND p.quarter = $2 AND ($3 = '' OR p.evaluator = $3) AND (p.evaluator, p.evaluated) > ($4, $5)
             AND NOT EXISTS (
                 SELECT FROM evaluation_sheet s
                 WHERE s.county = p.county AND s.quarter = p.quarter AND s.evaluator = p.evaluator AND s.evaluated = p.evaluated)
           ORDER BY p.evaluator, p.evaluated LIMIT $6"#,
        county,
        quarter,
        evaluator.map(ToString::to_string).unwrap_or_default(),
        page.after.0,
        page.after.1,
        page.limit
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Pair { evaluator: read_post(&row.evaluator)?, evaluated: read_post(&row.evaluated)? }))
        .collect()
}
