//! Tips as far as a reward needs them.

use dafei_kernel::{
    act::Act,
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

use super::roles::{Acting, Officer};

/// State of a tip that was found true.
const VERIFIED_TRUE: i16 = 4;

/// A tip that may get a reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) id: Uuid,
    pub(crate) case_id: Uuid,
    /// The region whose unit accepted it.
    pub(crate) recipient: Region,
    pub(crate) county: Option<String>,
    pub(crate) act: Act,
    pub(crate) received_hour: Instant,
}

/// How far a tip is from a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has found it true.
    NotVerified,
    /// It was, and is not the first of its matter, or has no code.
    NotRewardable,
    /// It has its announcement.
    Announced,
    /// Its announcement was withdrawn; from here on it may have another one.
    Withdrawn(Instant),
    /// A reward can be announced.
    Rewardable,
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn recipient(level: &str, code: &str) -> sqlx::Result<Region> {
    Region::new(level.parse::<Level>().map_err(decode)?, code).map_err(decode)
}

/// A tip, held so that nobody changes it meanwhile.
pub(crate) async fn tip(officer: &mut Acting<'_, Officer>, id: Uuid) -> sqlx::Result<Option<(Tip, Standing)>> {
    let row = sqlx::query!(
        r#"SELECT t.id, t.case_id, t.recipient_level, t.recipient_code, t.county, t.act, t.state,
                  t.announced, t.received_hour AS "received_hour: PgInstant",
                  (SELECT w.free_at FROM reward_to_free w WHERE w.tip_id = t.id) AS "free_at: PgInstant",
                  EXISTS (SELECT 1 FROM tip_rewardable r WHERE r.id = t.id) AS "rewardable!"
           FROM tip t WHERE t.id = $1 FOR SHARE OF t"#,
        id
    )
    .fetch_optional(officer.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let standing = match (row.state, row.rewardable) {
        _ if row.announced => row.free_at.map_or(Standing::Announced, |at| Standing::Withdrawn(at.0)),
        (_, true) => Standing::Rewardable,
        (VERIFIED_TRUE, false) => Standing::NotRewardable,
        (_, false) => Standing::NotVerified,
    };
    let tip = Tip {
        id: row.id,
        case_id: row.case_id,
        recipient: recipient(&row.recipient_level, &row.recipient_code)?,
        county: row.county,
        act: Act::parse(&row.act).map_err(decode)?,
        received_hour: row.received_hour.0,
    };
    Ok(Some((tip, standing)))
}

/// Keeps all other announcements out until the end of the transaction.
pub(crate) async fn one_at_a_time(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('dafei.intake.rewards'))").execute(conn).await?;
    Ok(())
}

/// Whether another tip of the same matter has its announcement: one that is linked to it or to which it is linked, one that was found true in the same
/// case, and so on from each of these.
pub(crate) async fn is_matter_rewarded(officer: &mut Acting<'_, Officer>, tip: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"WITH RECURSIVE matter (id) AS (
               SELECT $1::uuid
               UNION
               SELECT o.id
               FROM matter m JOIN tip t ON t.id = m.id
               CROSS JOIN LATERAL (
                   SELECT l.id FROM tip l WHERE l.body ? 'first_tip_id' AND l.body ->> 'first_tip_id' = t.id::text
                   UNION ALL
                   SELECT (t.body ->> 'first_tip_id')::uuid WHERE t.body ? 'first_tip_id'
                   UNION ALL
                   SELECT c.id FROM tip c
                   WHERE t.state = 4 AND c.state = 4 AND c.body -> 'verdict' ->> 'case' = t.body -> 'verdict' ->> 'case'
               ) o
           )
           SELECT EXISTS (SELECT 1 FROM matter JOIN tip USING (id) WHERE announced AND id <> $1) AS "rewarded!""#,
        tip
    )
    .fetch_one(officer.conn())
    .await
}

/// The number of a tip's receipt: for the service's own check of an announcement's text, never for the office.
pub(crate) async fn receipt(conn: &mut PgConnection, tip: Uuid) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("SELECT receipt FROM tip_secret WHERE tip_id = $1", tip).fetch_optional(conn).await
}

/// Marks a tip that has its announcement.
pub(crate) async fn mark(officer: &mut Acting<'_, Officer>, tip: Uuid) -> sqlx::Result<()> {
    sqlx::query!("UPDATE tip SET announced = true WHERE id = $1", tip).execute(officer.conn()).await?;
    Ok(())
}

/// One query per index.
macro_rules! page {
    ($conn:expr, $after:expr, $limit:expr, $where:literal $(, $county:expr)?) => {{
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", case_id AS "case_id!", recipient_level AS "recipient_level!",
                      recipient_code AS "recipient_code!", county, act AS "act!", received_hour AS "received_hour!: PgInstant"
               FROM tip_rewardable WHERE (received_hour, id) > ($1, $2) AND "# + $where
                + " ORDER BY received_hour, id LIMIT $3",
            PgInstant($after.0) as PgInstant,
            $after.1,
            $limit
            $(, $county)?
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Tip {
                    id: row.id,
                    case_id: row.case_id,
                    recipient: recipient(&row.recipient_level, &row.recipient_code)?,
                    county: row.county,
                    act: Act::parse(&row.act).map_err(decode)?,
                    received_hour: row.received_hour.0,
                })
            })
            .collect()
    }};
}

/// A page of the tips of a county, or of all, whose reward can be announced and is not, oldest first.
pub(crate) async fn list(
    officer: &mut Acting<'_, Officer>,
    region: &Region,
    after: (Instant, Uuid),
    limit: i64,
) -> sqlx::Result<Vec<Tip>> {
    match region.level() {
        Level::County => page!(officer.conn(), after, limit, "county = $4", region.code().as_str()),
        _ => page!(officer.conn(), after, limit, "TRUE"),
    }
}
