//! Lists.

use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::{log, pg::PgInstant};
use dafei_sla_core::Inputs;
use sqlx::{PgPool, types::Json};
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
pub(crate) async fn of_case(pool: &PgPool, case: Uuid) -> sqlx::Result<Vec<Record>> {
    records!("WHERE case_id = $1 ORDER BY started_at, clock, leg", case).fetch_all(pool).await
}

/// Where breaches are looked for.
pub(crate) enum Where {
    City(String),
    County(String),
    Township(String),
    Village(String),
    /// A work area's.
    Villages(Vec<String>),
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
    /// Only what still runs.
    pub(crate) open_only: bool,
    /// Limit and id of the last one seen: only what comes after it.
    pub(crate) after: (Instant, Uuid),
    pub(crate) limit: i64,
}

macro_rules! breaches_in {
    ($place:literal, $pool:expr, $asked:expr, $code:expr) => {
        records!(
            "WHERE breached AND NOT annulled AND (due, id) < ($2, $3) AND ($4 = '' OR clock = $4) AND (NOT $5 OR end_kind IS NULL) AND "
                + $place
                + " ORDER BY due DESC, id DESC LIMIT $6",
            $code,
            PgInstant($asked.after.0) as PgInstant,
            $asked.after.1,
            $asked.clock,
            $asked.open_only,
            $asked.limit
        )
        .fetch_all($pool)
        .await
    };
}

/// Breaches that stand, newest limit first.
pub(crate) async fn breaches(pool: &PgPool, place: &Where, asked: &Asked) -> sqlx::Result<Vec<Record>> {
    match place {
        Where::City(code) => breaches_in!("city = $1", pool, asked, code),
        Where::County(code) => breaches_in!("county = $1", pool, asked, code),
        Where::Township(code) => breaches_in!("township = $1", pool, asked, code),
        Where::Village(code) => breaches_in!("village = $1", pool, asked, code),
        Where::Villages(codes) => breaches_in!("village = ANY($1)", pool, asked, codes),
    }
}

/// Announcements after a position of the log, in its order.
pub(crate) async fn announced(
    pool: &PgPool,
    stream: &str,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<log::LoggedEvent>> {
    let mut conn = pool.acquire().await?;
    log::of_stream(&mut conn, stream, after, limit).await
}

/// The position of the log's last announcement; 0 when there is none.
pub(crate) async fn last_position(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT coalesce(max(position), 0) AS "last!" FROM event_log"#).fetch_one(pool).await
}
