//! What assessments are made of (clause E3): for all units of a region at once.

use dafei_kernel::{
    period::Period,
    time::{Instant, Month},
};
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::Unit;
use sqlx::PgExecutor;

use super::{code, month as stored};

/// A patrol week of a village that was not fulfilled.
pub const PATROLS_MISSED: &str = "patrols:missed";
/// A case that was closed (办结) within the quarter.
pub const CASES_CLOSED: &str = "cases:closed";
/// A case that was open at the end of the quarter, or is, or that ended in it without being closed: merged with another, or withdrawn.
pub const CASES_NOT_CLOSED: &str = "cases:not-closed";

/// Of which units and which quarter.
#[derive(Debug, Clone)]
pub struct Of {
    /// Codes of the counties: of those that are assessed, or all of them where townships are. What a township did stands under the county that
    /// administered it then.
    pub counties: Vec<String>,
    /// Codes of the townships that are assessed; none where counties are.
    pub townships: Option<Vec<String>>,
    /// The quarter.
    pub quarter: Period,
}

impl Of {
    fn by_township(&self) -> bool {
        self.townships.is_some()
    }
}

/// How often something was done in a unit.
#[derive(Debug, Clone)]
pub struct Count {
    /// Code of the county or township.
    pub unit: String,
    /// A deed, or one of the constants above.
    pub what: String,
    /// How often.
    pub times: i64,
}

/// Deeds, missed patrols and cases of all units, in one query. A week's patrols belong to the quarter in which the week ends; its
/// limit is that end, which lies in its last day.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn counts(executor: impl PgExecutor<'_>, of: &Of, deeds: &[&str]) -> sqlx::Result<Vec<Count>> {
    let (from, until) = (of.quarter.first_day().to_string(), of.quarter.day_after().to_string());
    sqlx::query_as!(
        Count,
        r#"SELECT unit AS "unit!", what AS "what!", sum(times)::bigint AS "times!" FROM (
               SELECT CASE WHEN $1 THEN township ELSE county END AS unit, what, times FROM deed
               WHERE county = ANY($2) AND ($11::text[] IS NULL OR township = ANY($11))
                 AND day >= ($3::text)::date AND day < ($4::text)::date AND what = ANY($5)
               UNION ALL
               SELECT CASE WHEN $1 THEN township ELSE county END, $8, 1 FROM breach_line
               WHERE county = ANY($2) AND ($11::text[] IS NULL OR township = ANY($11)) AND clock = 'W1'
                 AND day >= ($3::text)::date AND day < ($4::text)::date AND how_ended <> 'annulled'
               UNION ALL
               SELECT CASE WHEN $1 THEN township ELSE county END,
                      -- As it stood at the quarter's end: over by its last end, or by an end from which it was taken up again later.
                      CASE WHEN c.ended_at < $7 AND c.how_ended NOT IN ('merged', 'withdrawn') OR r.how_ended NOT IN ('merged', 'withdrawn')
                           THEN $9 ELSE $10 END, 1
               FROM case_line c LEFT JOIN case_rest r ON r.case_id = c.case_id AND r.ended_at < $7 AND r.reopened_at >= $7
               WHERE c.county = ANY($2) AND ($11::text[] IS NULL OR c.township = ANY($11))
                 AND c.opened_at < $7 AND (c.ended_at IS NULL OR c.ended_at >= $6) AND (r.ended_at IS NULL OR r.ended_at >= $6)
           ) AS done (unit, what, times)
           WHERE unit <> '' GROUP BY unit, what"#,
        of.by_township(),
        &of.counties,
        from,
        until,
        deeds as &[&str],
        PgInstant(of.quarter.start()) as PgInstant,
        PgInstant(of.quarter.end()) as PgInstant,
        PATROLS_MISSED,
        CASES_CLOSED,
        CASES_NOT_CLOSED,
        of.townships.as_deref()
    )
    .fetch_all(executor)
    .await
}

/// A table that was filed.
#[derive(Debug, Clone)]
pub struct FiledTable {
    /// Kind of the filing unit.
    pub kind: String,
    /// Code of its region.
    pub region_code: String,
    /// Its agency; empty but for departments.
    pub agency: String,
    /// The month, 202611.
    pub month: i32,
    /// When the first version was filed.
    pub first_filed_at: Instant,
}

impl FiledTable {
    /// Whether it is of a month.
    #[must_use]
    pub fn is_of(&self, month: Month) -> bool {
        self.month == stored(month)
    }
}

/// The tables that these units filed for these months, whichever county collected them.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn filings(executor: impl PgExecutor<'_>, units: &[Unit], months: &[Month]) -> sqlx::Result<Vec<FiledTable>> {
    let rows = sqlx::query!(
        r#"SELECT f.kind, f.region_code, f.agency, f.month, f.first_filed_at AS "first_filed_at!: PgInstant"
           FROM UNNEST($1::text[], $2::text[], $3::text[]) AS u (kind, region_code, agency)
           JOIN filing f ON f.month = ANY($4) AND f.kind = u.kind AND f.region_code = u.region_code AND f.agency = u.agency
           WHERE f.version > 0"#,
        &units.iter().map(|unit| unit.kind().code()).collect::<Vec<_>>() as &[&str],
        &units.iter().map(|unit| code(Some(unit.region()))).collect::<Vec<_>>(),
        &units.iter().map(|unit| unit.agency().map_or("", |agency| agency.code())).collect::<Vec<_>>() as &[&str],
        &months.iter().map(|month| stored(*month)).collect::<Vec<_>>()
    )
    .fetch_all(executor)
    .await?;
    let table = |kind, region_code, agency, month, at: PgInstant| FiledTable {
        kind,
        region_code,
        agency,
        month,
        first_filed_at: at.0,
    };
    let rows = rows.into_iter();
    Ok(rows.map(|row| table(row.kind, row.region_code, row.agency, row.month, row.first_filed_at)).collect())
}

/// What the sheets of a closed round say of a post.
#[derive(Debug, Clone)]
pub struct Score {
    /// The post, as text.
    pub evaluated: String,
    /// Sum of the totals, in points.
    pub sum: i64,
    /// Sheets.
    pub sheets: i64,
}

/// The scores of the closed rounds of a quarter; of those that are open nobody learns anything by an assessment.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn scores(executor: impl PgExecutor<'_>, of: &Of) -> sqlx::Result<Vec<Score>> {
    sqlx::query_as!(
        Score,
        r#"SELECT s.evaluated, sum(s.total)::bigint AS "sum!", count(*) AS "sheets!" FROM evaluation e
           JOIN evaluation_sheet s ON s.county = e.county AND s.quarter = e.quarter
           WHERE e.county = ANY($1) AND e.quarter = $2 AND e.closed_at IS NOT NULL GROUP BY s.evaluated"#,
        &of.counties,
        of.quarter.to_string()
    )
    .fetch_all(executor)
    .await
}

/// What the spot checks of a unit came to.
#[derive(Debug, Clone)]
pub struct SpotChecks {
    /// Code of the county or township.
    pub unit: String,
    /// In order.
    pub in_order: i64,
    /// With a problem.
    pub problems: i64,
}

/// The spot checks of all units within the quarter (clause E2), each drawn one by its latest check.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn spot_checks(executor: impl PgExecutor<'_>, of: &Of) -> sqlx::Result<Vec<SpotChecks>> {
    sqlx::query_as!(
        SpotChecks,
        r#"SELECT CASE WHEN $1 THEN township ELSE county END AS "unit!", count(*) FILTER (WHERE outcome = 'in-order') AS "in_order!",
                  count(*) FILTER (WHERE outcome = 'problem') AS "problems!"
           FROM spot_check_outcome
           WHERE county = ANY($2) AND ($5::text[] IS NULL OR township = ANY($5))
             AND checked_day >= $3::text::date AND checked_day < $4::text::date
           GROUP BY 1"#,
        of.by_township(),
        &of.counties,
        of.quarter.first_day().to_string(),
        of.quarter.day_after().to_string(),
        of.townships.as_deref()
    )
    .fetch_all(executor)
    .await
}
