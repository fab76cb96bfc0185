//! Lists.

use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{CaseFacts, Inputs};
use sqlx::{PgExecutor, PgPool, types::Json};
use uuid::Uuid;

use super::record::{Record, records};

/// An obligation and what its deadline was computed from.
pub(crate) async fn one(pool: &PgPool, id: Uuid) -> sqlx::Result<Option<(Record, Inputs)>> {
    let Some(record) = records!("WHERE id = $1", id).fetch_optional(pool).await? else { return Ok(None) };
    let inputs = sqlx::query_scalar!(
        r#"SELECT b.inputs AS "inputs: Json<Inputs>"
           FROM obligation o JOIN obligation_basis b ON b.id = COALESCE(o.basis, o.id) WHERE o.id = $1"#,
        id
    )
    .fetch_one(pool)
    .await?;
    Ok(Some((record, inputs.0)))
}

/// The obligations of a case, in the order of their starts.
pub(crate) async fn of_case(executor: impl PgExecutor<'_>, case: Uuid) -> sqlx::Result<Vec<Record>> {
    records!("WHERE case_id = $1 ORDER BY started_at, clock, leg", case).fetch_all(executor).await
}

/// Where breaches are looked for.
pub(crate) enum Where {
    City(String),
    County(String),
    Township(String),
    Village(String),
    /// A work area's.
    Villages(Vec<String>),
    /// Those for which one post is directly responsible.
    Post(Post),
}

impl Where {
    /// The place of a region; of a work area its villages as the roster has them.
    pub(crate) fn of(region: &Region, roster: &dafei_kernel::roster::RosterIndex) -> Self {
        use dafei_kernel::region::Level;
        let code = region.code().to_string();
        match region.level() {
            Level::City => Self::City(code),
            Level::County => Self::County(code),
            Level::Township => Self::Township(code),
            Level::Village => Self::Village(code),
            Level::WorkArea => {
                let villages = roster.of_level(Level::Village);
                let own = villages.filter(|village| village.work_area.as_ref() == Some(region));
                Self::Villages(own.map(|village| village.region.code().to_string()).collect())
            }
        }
    }
}

/// What of the breaches there is asked for.
pub(crate) struct Asked {
    /// Only this clock; all when empty.
    pub(crate) clock: String,
    /// Only this sector; all when empty.
    pub(crate) sector: String,
    /// Only what still runs.
    pub(crate) open_only: bool,
    /// Only of what nothing shows to have been delivered.
    pub(crate) undelivered_only: bool,
    /// Only limits at or after this instant.
    pub(crate) from: Instant,
    /// Limit and id of the last one seen: only what comes after it.
    pub(crate) after: (Instant, Uuid),
    pub(crate) limit: i64,
}

macro_rules! breaches_in {
    ($place:literal, $pool:expr, $asked:expr, $code:expr) => {
        records!(
            "WHERE breached AND NOT annulled AND (due, id) < ($2, $3) AND due >= $7 AND ($4 = '' OR clock = $4)
               AND (NOT $5 OR end_kind IS NULL) AND ($8 = '' OR sector = $8) AND (NOT $9 OR notice = 'assumed') AND "
                + $place
                + " ORDER BY due DESC, id DESC LIMIT $6",
            $code,
            PgInstant($asked.after.0) as PgInstant,
            $asked.after.1,
            $asked.clock,
            $asked.open_only,
            $asked.limit,
            PgInstant($asked.from) as PgInstant,
            $asked.sector,
            $asked.undelivered_only
        )
        .fetch_all($pool)
        .await
    };
}

/// Breaches that stand, newest limit first.
pub(crate) async fn breaches(executor: impl PgExecutor<'_>, place: &Where, asked: &Asked) -> sqlx::Result<Vec<Record>> {
    match place {
        Where::City(code) => breaches_in!("city = $1", executor, asked, code),
        Where::County(code) => breaches_in!("county = $1", executor, asked, code),
        Where::Township(code) => breaches_in!("township = $1", executor, asked, code),
        Where::Village(code) => breaches_in!("village = $1", executor, asked, code),
        Where::Villages(codes) => breaches_in!("village = ANY($1)", executor, asked, codes),
        Where::Post(post) => {
            breaches_in!("(direct->'post')::text = ($1::jsonb)::text", executor, asked, Json(post) as Json<&Post>)
        }
    }
}

/// What the lights of the breaches of one clock were worth.
pub(crate) struct Fairness {
    pub(crate) clock: String,
    pub(crate) breaches: i64,
    pub(crate) warned_in_time: i64,
    pub(crate) told_in_time: i64,
    pub(crate) undelivered: i64,
}

macro_rules! fairness_in {
    ($place:literal, $pool:expr, $from:expr, $until:expr, $code:expr) => {
        sqlx::query_as!(
            Fairness,
            r#"SELECT clock, count(*) AS "breaches!", count(*) FILTER (WHERE warned_told < due) AS "warned_in_time!",
                      count(*) FILTER (WHERE breached_told <= due + interval '60 seconds') AS "told_in_time!",
                      count(*) FILTER (WHERE notice = 'assumed') AS "undelivered!"
               FROM obligation WHERE breached AND NOT annulled AND due >= $2 AND due < $3 AND "#
                + $place
                + " GROUP BY clock",
            $code,
            PgInstant($from) as PgInstant,
            PgInstant($until) as PgInstant
        )
        .fetch_all($pool)
        .await
    };
}

/// Whether those who are blamed had their lights in time, by clock, for limits from an instant until before another.
pub(crate) async fn fairness(
    pool: &PgPool,
    place: &Where,
    from: Instant,
    until: Instant,
) -> sqlx::Result<Vec<Fairness>> {
    match place {
        Where::City(code) => fairness_in!("city = $1", pool, from, until, code),
        Where::County(code) => fairness_in!("county = $1", pool, from, until, code),
        Where::Township(code) => fairness_in!("township = $1", pool, from, until, code),
        Where::Village(code) => fairness_in!("village = $1", pool, from, until, code),
        Where::Villages(codes) => fairness_in!("village = ANY($1)", pool, from, until, codes),
        Where::Post(post) => {
            fairness_in!("(direct->'post')::text = ($1::jsonb)::text", pool, from, until, Json(post) as Json<&Post>)
        }
    }
}

/// What the clocks of a case were told, for its whole time.
pub(crate) async fn facts_of(pool: &PgPool, case: Uuid) -> sqlx::Result<CaseFacts> {
    let mut conn = pool.acquire().await?;
    let found = super::facts::of_cases(&mut conn, &[case]).await?;
    Ok(found.into_iter().next().unwrap_or_else(|| CaseFacts::new(case)))
}

/// Figures of the obligations that run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counts {
    /// Of which a light is still to come; about, when there are more than 100,000.
    pub(crate) open: i64,
    /// Whose limit is within the next hour, at most 100,000.
    pub(crate) due_next_hour: i64,
    /// How long the oldest light that is due waits to be told, in seconds.
    pub(crate) oldest_due_seconds: f64,
}

/// The figures at an instant; by the index of what is to be told alone. Up to 100,000 are counted: a count of millions would hold back the
/// clearing of index entries that firing has left behind, and so slow firing down. More open ones than that are known about, from the statistics.
pub(crate) async fn counts(pool: &PgPool, now: Instant) -> sqlx::Result<Counts> {
    sqlx::query_as!(
        Counts,
        r#"WITH counted AS MATERIALIZED (
               SELECT (SELECT count(*) FROM (SELECT FROM obligation WHERE next_fire_at IS NOT NULL LIMIT 100000) o) AS open)
           SELECT CASE WHEN counted.open < 100000 THEN counted.open
                       ELSE greatest(100000, (SELECT reltuples FROM pg_class WHERE oid = 'obligation_to_fire'::regclass)::bigint) END AS "open!",
                  (SELECT count(*) FROM (
                      SELECT FROM obligation
                      WHERE needs IN ('cases', 'village', 'reporting') AND next_fire_at <= $1::timestamptz + interval '1 hour 1 second'
                            AND NOT breached AND end_kind IS NULL
                            AND due > $1 AND due <= $1::timestamptz + interval '1 hour' LIMIT 100000) o) AS "due_next_hour!",
                  coalesce(extract(epoch FROM $1 - (SELECT min(next_fire_at) FROM obligation
                                                      WHERE needs IN ('cases', 'village', 'reporting') AND next_fire_at <= $1)), 0)::float8
                      AS "oldest_due_seconds!"
           FROM counted"#,
        PgInstant(now) as PgInstant
    )
    .fetch_one(pool)
    .await
}
