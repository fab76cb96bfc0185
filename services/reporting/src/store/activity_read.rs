//! What was done and left undone in a region and period.

use std::collections::HashSet;

use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use jiff::civil::Date;
use sqlx::PgExecutor;
use uuid::Uuid;

/// A region as the tables of activity name it, which keep each thing under the county that it happened in. Of the city all counties are named, and
/// the empty one of what the city does itself; of a township all counties as well, since another may have administered it: indexes begin with the
/// county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    counties: Vec<String>,
    township: Option<String>,
}

impl Within {
    /// A township, a county or the city, by the roster.
    #[must_use]
    pub fn new(region: &Region, roster: &RosterIndex) -> Self {
        let code = |region: &Region| region.code().to_string();
        match region.level() {
            Level::City => {
                Self { counties: counties(roster).into_iter().chain([String::new()]).collect(), township: None }
            }
            Level::County => Self { counties: vec![code(region)], township: None },
            Level::Township | Level::WorkArea | Level::Village => {
                Self { counties: counties(roster), township: Some(code(region)) }
            }
        }
    }
}

/// Codes of all counties of the roster, in their order.
#[must_use]
pub fn counties(roster: &RosterIndex) -> Vec<String> {
    let mut codes: Vec<String> =
        roster.of_level(Level::County).map(|county| county.region.code().to_string()).collect();
    codes.sort_unstable();
    codes
}

/// First day, and the first that is no longer in it.
pub type Days = (Date, Date);

/// How often each thing was done, in these days and in those before.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn deeds(
    executor: impl PgExecutor<'_>,
    within: &Within,
    this: Days,
    before: Days,
) -> sqlx::Result<Vec<(String, i64, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT what, COALESCE(sum(times) FILTER (WHERE day >= $5::text::date), 0)::bigint AS "this!",
                  COALESCE(sum(times) FILTER (WHERE day < $4::text::date), 0)::bigint AS "before!"
           FROM deed
           WHERE county = ANY($1) AND ($2::text IS NULL OR township = $2)
             AND day >= $3::text::date AND day < $6::text::date
           GROUP BY what ORDER BY what"#,
        &within.counties,
        within.township,
        before.0.to_string(),
        before.1.to_string(),
        this.0.to_string(),
        this.1.to_string()
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.what, row.this, row.before)).collect())
}

/// Limits of one owner that ran out.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of the query")]
pub struct OwnerRow {
    pub role: String,
    pub region: String,
    pub agency: String,
    pub persons: Vec<String>,
    pub breaches: i64,
    pub still_open: i64,
    pub clocks: Vec<String>,
    /// Owners in all.
    pub owners: i64,
}

/// Who let limits run out in these days, the most first; what is still open is as of `until`.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn owners(
    executor: impl PgExecutor<'_>,
    within: &Within,
    days: Days,
    until: Instant,
    limit: i64,
) -> sqlx::Result<Vec<OwnerRow>> {
    sqlx::query_as!(
        OwnerRow,
        r#"SELECT role, region, agency,
                  ARRAY(SELECT DISTINCT p FROM unnest(string_to_array(string_agg(array_to_string(persons, E'\n'), E'\n'), E'\n')) AS p
                        WHERE p <> '' ORDER BY p) AS "persons!",
                  count(*) AS "breaches!",
                  count(*) FILTER (WHERE ended_at IS NULL OR (ended_at >= $5 AND how_ended <> 'missed')) AS "still_open!",
                  array_agg(DISTINCT clock ORDER BY clock) AS "clocks!",
                  count(*) OVER () AS "owners!"
           FROM breach_line
           WHERE county = ANY($1) AND ($2::text IS NULL OR township = $2)
             AND day >= $3::text::date AND day < $4::text::date AND how_ended <> 'annulled'
           GROUP BY role, region, agency
           ORDER BY count(*) DESC, role, region, agency
           LIMIT $6"#,
        &within.counties,
        within.township,
        days.0.to_string(),
        days.1.to_string(),
        PgInstant(until) as PgInstant,
        limit
    )
    .fetch_all(executor)
    .await
}

/// Villages and how many limits of a duty they let run out in these days, the most first.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn villages_that_missed(
    executor: impl PgExecutor<'_>,
    within: &Within,
    clock: &str,
    days: Days,
) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT village, count(*) AS "missed!" FROM breach_line
           WHERE county = ANY($1) AND ($2::text IS NULL OR township = $2) AND clock = $3
             AND day >= $4::text::date AND day < $5::text::date AND how_ended <> 'annulled'
           GROUP BY village ORDER BY count(*) DESC, village"#,
        &within.counties,
        within.township,
        clock,
        days.0.to_string(),
        days.1.to_string()
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.village, row.missed)).collect())
}

/// Which of these villages have the valid places of reward notices that are asked for, and none too close to another (clause D5). They are named,
/// since a village that moved or is gone from the roster still stands where it last told of its notices.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn villages_with_notices(executor: impl PgExecutor<'_>, villages: &[&str]) -> sqlx::Result<HashSet<String>> {
    let met = sqlx::query_scalar!(
        "SELECT village FROM village_notices WHERE village = ANY($1) AND valid_places >= required AND close_pairs = 0",
        villages as &[&str]
    )
    .fetch_all(executor)
    .await?;
    Ok(met.into_iter().collect())
}

/// A case that was open at an instant.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of the query")]
pub struct OpenRow {
    pub case_id: Uuid,
    pub place: String,
    pub sector: String,
    pub act: String,
    pub act_text: String,
    pub opened_at: PgInstant,
    pub chain_head: String,
    pub sequence: i64,
    /// Clocks that had run out and were not done.
    pub overdue: Vec<String>,
    /// Open cases in all.
    pub open: i64,
    /// Of them overdue.
    pub overdue_cases: i64,
}

/// The cases that were open at `until`, 24:00 of the day before `day_after`, the overdue ones first, then the oldest.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn open_cases(
    executor: impl PgExecutor<'_>,
    within: &Within,
    until: Instant,
    day_after: Date,
    limit: i64,
) -> sqlx::Result<Vec<OpenRow>> {
    sqlx::query_as!(
        OpenRow,
        r#"WITH open AS (
               SELECT * FROM case_line WHERE county = ANY($1) AND ended_at IS NULL AND opened_at < $3
               UNION ALL
               SELECT * FROM case_line WHERE county = ANY($1) AND ended_at >= $3 AND opened_at < $3),
           told AS MATERIALIZED (
               SELECT o.case_id, o.place, o.sector, o.act, o.act_text, o.opened_at, o.chain_head, o.sequence,
                      ARRAY(SELECT DISTINCT b.clock FROM breach_line b
                            WHERE b.case_id = o.case_id AND b.day < $5::text::date AND b.how_ended <> 'annulled'
                              AND (b.ended_at IS NULL OR b.ended_at >= $3) ORDER BY b.clock) AS overdue
               FROM open o
               WHERE ($2::text IS NULL OR o.township = $2)
                 -- Over at that time, and taken up again since.
                 AND NOT EXISTS (SELECT FROM case_rest r WHERE r.case_id = o.case_id AND r.ended_at < $3 AND r.reopened_at >= $3))
           SELECT case_id AS "case_id!", place AS "place!", sector AS "sector!", act AS "act!", act_text AS "act_text!",
                  opened_at AS "opened_at!: PgInstant", chain_head AS "chain_head!", sequence AS "sequence!", overdue AS "overdue!",
                  count(*) OVER () AS "open!", count(*) FILTER (WHERE overdue <> '{}') OVER () AS "overdue_cases!"
           FROM told ORDER BY overdue = '{}', opened_at, case_id LIMIT $4"#,
        &within.counties,
        within.township,
        PgInstant(until) as PgInstant,
        limit,
        day_after.to_string()
    )
    .fetch_all(executor)
    .await
}

/// Day and digest of the last anchor up to a day.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn anchor(executor: impl PgExecutor<'_>, last_day: Date) -> sqlx::Result<Option<(String, String)>> {
    let row = sqlx::query!(
        "SELECT day, digest FROM anchor_line WHERE day <= $1 ORDER BY day DESC LIMIT 1",
        last_day.to_string()
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| (row.day, row.digest)))
}
