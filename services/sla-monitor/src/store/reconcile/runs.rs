//! The runs of the reconciler.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;

/// A run, and what it came to so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) number: i64,
    pub(crate) started_at: PgInstant,
    pub(crate) ended_at: Option<PgInstant>,
    pub(crate) as_of: Option<PgInstant>,
    pub(crate) compared: i64,
    pub(crate) buckets_agreed: i32,
    pub(crate) in_flight: i64,
    pub(crate) sighted: i64,
    pub(crate) holes: i64,
    pub(crate) repaired: i64,
    pub(crate) error: String,
}

macro_rules! runs {
    ($tail:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Run,
            r#"SELECT number, started_at AS "started_at: PgInstant", ended_at AS "ended_at: PgInstant", as_of AS "as_of: PgInstant",
                      compared, buckets_agreed, in_flight, sighted, holes, repaired, error
               FROM reconciliation_run "# + $tail,
            $($argument),*
        )
    };
}

/// A run begins.
pub(crate) async fn begin(conn: &mut PgConnection, now: Instant) -> sqlx::Result<Run> {
    let number = sqlx::query_scalar!(
        "INSERT INTO reconciliation_run (started_at) VALUES ($1) RETURNING number",
        PgInstant(now) as PgInstant
    )
    .fetch_one(&mut *conn)
    .await?;
    runs!("WHERE number = $1", number).fetch_one(conn).await
}

/// A run ends.
pub(crate) async fn finish(conn: &mut PgConnection, run: &Run) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE reconciliation_run
         SET ended_at = $2, as_of = $3, compared = $4, buckets_agreed = $5, in_flight = $6, sighted = $7, holes = $8, repaired = $9,
             error = $10
         WHERE number = $1",
        run.number,
        run.ended_at as Option<PgInstant>,
        run.as_of as Option<PgInstant>,
        run.compared,
        run.buckets_agreed,
        run.in_flight,
        run.sighted,
        run.holes,
        run.repaired,
        run.error
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last run that has ended, and the last without an error. One that goes on, or was broken off, tells nothing.
pub(crate) async fn last(conn: &mut PgConnection) -> sqlx::Result<(Option<Run>, Option<Run>)> {
    let ended = runs!("WHERE ended_at IS NOT NULL ORDER BY number DESC LIMIT 1",).fetch_optional(&mut *conn).await?;
    let good =
        runs!("WHERE ended_at IS NOT NULL AND error = '' ORDER BY number DESC LIMIT 1",).fetch_optional(conn).await?;
    Ok((ended, good))
}

/// A page of runs, newest first.
pub(crate) async fn runs(conn: &mut PgConnection, before: i64, limit: i64) -> sqlx::Result<Vec<Run>> {
    runs!("WHERE number < $1 ORDER BY number DESC LIMIT $2", before, limit).fetch_all(conn).await
}
