//! Two-way evaluation (clause E1): rounds, who scores whom in them, sheets, and what was measured beside them.

mod sheets;

use dafei_kernel::{owner::Post, period::Period, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::evaluation::{Criteria, Pair, Round, Scored};
use sqlx::{PgConnection, PgExecutor, types::Json};

pub use sheets::{Page, Sheet, missing, sheets, submit};

/// Which round.
#[derive(Debug, Clone)]
pub struct Key {
    /// The county.
    pub county: Region,
    /// The quarter.
    pub quarter: Period,
}

impl Key {
    fn codes(&self) -> (String, String) {
        (self.county.code().to_string(), self.quarter.to_string())
    }
}

/// A round as stored.
#[derive(Debug, Clone)]
pub struct Kept {
    /// How it stands.
    pub round: Round,
    /// Regions from the city down to the county, as text.
    pub path: String,
    /// What it goes by.
    pub criteria: Criteria,
    /// When it was opened.
    pub opened_at: Instant,
    /// The round as it was published; empty before.
    pub results: Vec<u8>,
}

/// A post from its text, `county-department@county:371302/postal`; none when it is no such text.
#[must_use]
pub fn post(text: &str) -> Option<Post> {
    let (role, rest) = text.split_once('@')?;
    let (region, agency) = rest.split_once('/').map_or((rest, None), |(region, agency)| (region, Some(agency)));
    let agency = agency.map(str::parse).transpose().ok()?;
    Post::new(role.parse().ok()?, region.parse().ok()?, agency).ok()
}

fn read_post(text: &str) -> sqlx::Result<Post> {
    post(text).ok_or_else(|| sqlx::Error::Decode(format!("{text:?} is no post").into()))
}

fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

macro_rules! round {
    ($tail:literal, $executor:expr, $key:expr) => {{
        let (county, quarter) = $key.codes();
        let row = sqlx::query!(
            r#"SELECT path, criteria AS "criteria: Json<Criteria>", opened_at AS "opened_at: PgInstant",
                      completed_at AS "completed_at: PgInstant", closed_at AS "closed_at: PgInstant", results,
                      (SELECT count(*) FROM evaluation_pair p WHERE p.county = e.county AND p.quarter = e.quarter) AS "expected!",
                      (SELECT count(*) FROM evaluation_sheet s WHERE s.county = e.county AND s.quarter = e.quarter) AS "submitted!"
               FROM evaluation e WHERE county = $1 AND quarter = $2"#
                + $tail,
            county,
            quarter
        )
        .fetch_optional($executor)
        .await?;
        Ok(row.map(|row| Kept {
            round: Round {
                completed_at: row.completed_at.map(Instant::from),
                closed_at: row.closed_at.map(Instant::from),
                expected: count(row.expected),
                submitted: count(row.submitted),
            },
            path: row.path,
            criteria: row.criteria.0,
            opened_at: row.opened_at.0,
            results: row.results.unwrap_or_default(),
        }))
    }};
}

/// A round; none when it was not opened.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(executor: impl PgExecutor<'_>, key: &Key) -> sqlx::Result<Option<Kept>> {
    round!("", executor, key)
}

/// As [`round`], and whoever scores or closes is alone with it until the transaction ends.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn lock(conn: &mut PgConnection, key: &Key) -> sqlx::Result<Option<Kept>> {
    let (county, quarter) = key.codes();
    // Counts are read after the lock is there: a statement sees what was committed before it began.
    sqlx::query!("SELECT county FROM evaluation WHERE county = $1 AND quarter = $2 FOR NO KEY UPDATE", county, quarter)
        .fetch_optional(&mut *conn)
        .await?;
    round!("", &mut *conn, key)
}

/// Opens a round; says whether it was not there before.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn open(
    conn: &mut PgConnection,
    key: &Key,
    path: &str,
    criteria: &Criteria,
    pairs: &[Pair],
    by: &Post,
    at: Instant,
) -> sqlx::Result<bool> {
    let (county, quarter) = key.codes();
    let opened = sqlx::query!(
        "INSERT INTO evaluation (county, quarter, path, criteria, opened_at, opened_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
        county,
        quarter,
        path,
        Json(criteria) as Json<&Criteria>,
        PgInstant(at) as PgInstant,
        Json(by) as Json<&Post>
    )
    .execute(&mut *conn)
    .await?;
    if opened.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO evaluation_pair (county, quarter, evaluator, evaluated)
         SELECT $1, $2, * FROM UNNEST($3::text[], $4::text[])",
        county,
        quarter,
        &pairs.iter().map(|pair| pair.evaluator.to_string()).collect::<Vec<_>>(),
        &pairs.iter().map(|pair| pair.evaluated.to_string()).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// What of a round a post has to do with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    /// It scores in the round.
    pub scores: bool,
    /// It scores this one.
    pub scores_this: bool,
}

/// Whether a post scores in a round, and whether it scores another.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn part(
    executor: impl PgExecutor<'_>,
    key: &Key,
    evaluator: &Post,
    evaluated: Option<&Post>,
) -> sqlx::Result<Part> {
    let (county, quarter) = key.codes();
    let row = sqlx::query!(
        r#"SELECT count(*) > 0 AS "scores!", COALESCE(bool_or(evaluated = $4), false) AS "scores_this!"
           FROM evaluation_pair WHERE county = $1 AND quarter = $2 AND evaluator = $3"#,
        county,
        quarter,
        evaluator.to_string(),
        evaluated.map(ToString::to_string).unwrap_or_default()
    )
    .fetch_one(executor)
    .await?;
    Ok(Part { scores: row.scores, scores_this: row.scores_this })
}

/// Notes that all sheets are there.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn complete(conn: &mut PgConnection, key: &Key, at: Instant) -> sqlx::Result<()> {
    let (county, quarter) = key.codes();
    sqlx::query!(
        "UPDATE evaluation SET completed_at = $3 WHERE county = $1 AND quarter = $2",
        county,
        quarter,
        PgInstant(at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Closes a round with its results.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn close(conn: &mut PgConnection, key: &Key, results: &[u8], by: &Post, at: Instant) -> sqlx::Result<()> {
    let (county, quarter) = key.codes();
    sqlx::query!(
        "UPDATE evaluation SET closed_at = $3, closed_by = $4, results = $5 WHERE county = $1 AND quarter = $2",
        county,
        quarter,
        PgInstant(at) as PgInstant,
        Json(by) as Json<&Post>,
        results
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All who are scored in a round, with the sheets about them.
///
/// # Errors
/// When PostgreSQL is away, or a stored post is none.
pub async fn scored(executor: impl PgExecutor<'_>, key: &Key) -> sqlx::Result<Vec<Scored>> {
    let (county, quarter) = key.codes();
    let rows = sqlx::query!(
        r#"SELECT evaluated, count(*) AS "expected!", count(s.total) AS "sheets!", COALESCE(sum(s.total), 0)::bigint AS "sum!"
           FROM evaluation_pair LEFT JOIN evaluation_sheet s USING (county, quarter, evaluator, evaluated)
           WHERE county = $1 AND quarter = $2 GROUP BY evaluated ORDER BY evaluated"#,
        county,
        quarter
    )
    .fetch_all(executor)
    .await?;
    let scored = rows.into_iter().map(|row| {
        Ok(Scored {
            evaluated: read_post(&row.evaluated)?,
            sum: u64::try_from(row.sum).unwrap_or_default(),
            sheets: count(row.sheets),
            expected: count(row.expected),
        })
    });
    scored.collect()
}

/// How often a township or department did something in a quarter.
#[derive(Debug, Clone)]
pub struct Deeds {
    /// Code of the township; empty for departments.
    pub township: String,
    /// Code of the agency of a department; empty for townships.
    pub agency: String,
    /// What.
    pub what: String,
    /// How often.
    pub times: i64,
}

/// What the townships of a round did, whichever of their posts and whichever of the counties administered them then, and what the county's
/// departments did themselves: of the days of a quarter, in one query for all of them.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn deeds(
    executor: impl PgExecutor<'_>,
    key: &Key,
    (townships, counties): (&[String], &[String]),
    of_townships: &[&str],
    of_departments: &[&str],
) -> sqlx::Result<Vec<Deeds>> {
    let (county, _) = key.codes();
    let (from, until) = (key.quarter.first_day().to_string(), key.quarter.day_after().to_string());
    sqlx::query_as!(
        Deeds,
        r#"SELECT township AS "township!", '' AS "agency!", what AS "what!", sum(times)::bigint AS "times!" FROM deed
           WHERE county = ANY($7) AND day >= ($2::text)::date AND day < ($3::text)::date AND what = ANY($4) AND township = ANY($6)
           GROUP BY township, what
           UNION ALL
           SELECT '', agency, what, sum(times)::bigint FROM deed
           WHERE county = $1 AND day >= ($2::text)::date AND day < ($3::text)::date AND what = ANY($5) AND role = 'county-department'
           GROUP BY agency, what"#,
        county,
        from,
        until,
        of_townships as &[&str],
        of_departments as &[&str],
        townships,
        counties
    )
    .fetch_all(executor)
    .await
}

#[cfg(test)]
mod tests {
    use super::post;

    #[test]
    fn a_stored_post_leads_back_to_itself() {
        for text in ["township-centre@township:371302001", "county-department@county:371302/emergency-management"] {
            assert_eq!(post(text).expect("a post").to_string(), text);
        }
        for text in ["", "township-centre", "township-centre@county:371302", "county-department@county:371302"] {
            assert_eq!(post(text), None, "{text}");
        }
    }
}
