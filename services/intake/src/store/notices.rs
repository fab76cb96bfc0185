//! Notices (clause D5): posted, removed, listed by region; and how each village stands.

use dafei_intake_core::notices::Hanging;
use dafei_kernel::{
    region::{Level, Region, RegionPath},
    subject::Position,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::OfRegion;

/// The number under which reward notices are kept: that of the API.
const REWARD: i16 = 1;
/// That of work notices.
const WORK: i16 = 2;

/// A notice as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) id: Uuid,
    pub(crate) village: Region,
    pub(crate) reward: bool,
    pub(crate) copies: u32,
    pub(crate) position: Position,
    pub(crate) place: String,
    pub(crate) evidence: Vec<Uuid>,
    pub(crate) posted_at: Instant,
    /// The length of the village's publicity book before it.
    pub(crate) recorded_after: i64,
    pub(crate) replaces: Option<Uuid>,
    /// When it was removed, and why.
    pub(crate) removed: Option<(Instant, String)>,
}

impl Notice {
    /// As the rules see it.
    pub(crate) const fn hanging(&self) -> Hanging {
        Hanging { id: self.id, order: self.recorded_after, reward: self.reward, position: self.position }
    }
}

/// Writes a notice.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    notice: &Notice,
    path: &RegionPath,
    now: Instant,
) -> sqlx::Result<()> {
    let code = |level| path.at(level).map_or("", |region| region.code().as_str());
    sqlx::query!(
        "INSERT INTO notice (id, county, township, village, kind, copies, lat_e7, lon_e7, place, evidence, posted_at, recorded_at,
                             recorded_after, replaces)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        notice.id,
        code(Level::County),
        code(Level::Township),
        code(Level::Village),
        if notice.reward { REWARD } else { WORK },
        i32::try_from(notice.copies).unwrap_or(i32::MAX),
        notice.position.lat_e7(),
        notice.position.lon_e7(),
        notice.place,
        Json(&notice.evidence) as _,
        PgInstant(notice.posted_at) as PgInstant,
        PgInstant(now) as PgInstant,
        notice.recorded_after,
        notice.replaces
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks a notice as removed; false when it was before, or is said to have been posted later.
pub(crate) async fn remove(conn: &mut PgConnection, id: Uuid, at: Instant, reason: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE notice SET removed_at = $2, removal_reason = $3 WHERE id = $1 AND removed_at IS NULL AND posted_at <= $2",
        id,
        PgInstant(at) as PgInstant,
        reason
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The notices that hang in a village: at most as many as the rules allow.
pub(crate) async fn hanging(conn: &mut PgConnection, village: &Region) -> sqlx::Result<Vec<Hanging>> {
    let rows = sqlx::query!(
        "SELECT id, recorded_after, kind, lat_e7, lon_e7 FROM notice WHERE village = $1 AND removed_at IS NULL",
        village.code().as_str()
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Hanging {
                id: row.id,
                order: row.recorded_after,
                reward: row.kind == REWARD,
                position: position(row.lat_e7, row.lon_e7)?,
            })
        })
        .collect()
}

/// A row as stored.
struct Row {
    id: Uuid,
    village: String,
    kind: i16,
    copies: i32,
    lat_e7: i32,
    lon_e7: i32,
    place: String,
    evidence: Json<Vec<Uuid>>,
    posted_at: PgInstant,
    recorded_after: i64,
    replaces: Option<Uuid>,
    removed_at: Option<PgInstant>,
    removal_reason: String,
}

fn position(lat_e7: i32, lon_e7: i32) -> sqlx::Result<Position> {
    Position::new(lat_e7, lon_e7).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

impl TryFrom<Row> for Notice {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let village =
            Region::new(Level::Village, &row.village).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self {
            id: row.id,
            village,
            reward: row.kind == REWARD,
            copies: u32::try_from(row.copies).unwrap_or(0),
            position: position(row.lat_e7, row.lon_e7)?,
            place: row.place,
            evidence: row.evidence.0,
            posted_at: row.posted_at.0,
            recorded_after: row.recorded_after,
            replaces: row.replaces,
            removed: row.removed_at.map(|at| (at.0, row.removal_reason)),
        })
    }
}

/// One notice.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Notice>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, village, kind, copies, lat_e7, lon_e7, place, evidence AS "evidence: Json<Vec<Uuid>>",
                  posted_at AS "posted_at: PgInstant", recorded_after, replaces, removed_at AS "removed_at: PgInstant", removal_reason
           FROM notice WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    row.map(Notice::try_from).transpose()
}

/// Which notices to list.
pub(crate) struct Filter<'a> {
    pub(crate) of: OfRegion<'a>,
    /// Reward notices, work notices, or all.
    pub(crate) reward: Option<bool>,
    pub(crate) hanging_only: bool,
}

/// One query per column that a region is looked for by, so that each has its index.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.of.cursor();
        let kind = $filter.reward.map(|reward| if reward { REWARD } else { WORK });
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id, village, kind, copies, lat_e7, lon_e7, place, evidence AS "evidence: Json<Vec<Uuid>>",
                      posted_at AS "posted_at: PgInstant", recorded_after, replaces, removed_at AS "removed_at: PgInstant", removal_reason
               FROM notice
               WHERE (posted_at, id) < ($1, $2) AND (NOT $3 OR removed_at IS NULL) AND ($4::smallint IS NULL OR kind = $4) AND "# + $where
                + " ORDER BY posted_at DESC, id DESC LIMIT $5",
            PgInstant(at) as PgInstant,
            id,
            $filter.hanging_only,
            kind,
            $filter.of.limit
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter().map(Notice::try_from).collect()
    }};
}

/// A page of notices, the latest posted first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Notice>> {
    let code = filter.of.region.code().as_str();
    match filter.of.region.level() {
        Level::City => page!(conn, filter, "TRUE"),
        Level::County => page!(conn, filter, "county = $6", code),
        Level::Township => page!(conn, filter, "township = $6", code),
        Level::Village => page!(conn, filter, "village = $6", code),
        Level::WorkArea => page!(conn, filter, "village = ANY($6)", &filter.of.villages),
    }
}

/// Keeps how a village stands.
pub(crate) async fn keep_standing(
    conn: &mut PgConnection,
    village: &Region,
    valid_places: u32,
    close_pairs: u32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO notice_standing (village, valid_places, close_pairs) VALUES ($1, $2, $3)
         ON CONFLICT (village) DO UPDATE SET valid_places = excluded.valid_places, close_pairs = excluded.close_pairs",
        village.code().as_str(),
        i32::try_from(valid_places).unwrap_or(i32::MAX),
        i32::try_from(close_pairs).unwrap_or(i32::MAX)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How a village stands, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its place in the villages that were asked for.
    pub(crate) place: usize,
    pub(crate) valid_places: u32,
    pub(crate) close_pairs: u32,
}

/// How villages stand, in the order in which they are asked for, at most `limit`; with a number of places, only those that lack some or have a pair too
/// close. A village that never had a notice has none.
pub(crate) async fn standings(
    conn: &mut PgConnection,
    villages: &[&str],
    lacking_of: Option<u32>,
    limit: i64,
) -> sqlx::Result<Vec<Standing>> {
    let rows = sqlx::query!(
        r#"SELECT v.place AS "place!", coalesce(s.valid_places, 0) AS "valid_places!", coalesce(s.close_pairs, 0) AS "close_pairs!"
           FROM UNNEST($1::text[]) WITH ORDINALITY AS v (village, place)
           LEFT JOIN notice_standing s ON s.village = v.village
           WHERE $2::int IS NULL OR coalesce(s.valid_places, 0) < $2 OR coalesce(s.close_pairs, 0) > 0
           ORDER BY v.place LIMIT $3"#,
        villages as &[&str],
        lacking_of.map(|required| i32::try_from(required).unwrap_or(i32::MAX)),
        limit
    )
    .fetch_all(conn)
    .await?;
    let count = |number: i32| u32::try_from(number).unwrap_or(0);
    let standing = |place: i64, valid, close| Standing {
        // PostgreSQL counts from 1.
        place: usize::try_from(place - 1).unwrap_or(0),
        valid_places: count(valid),
        close_pairs: count(close),
    };
    Ok(rows.into_iter().map(|row| standing(row.place, row.valid_places, row.close_pairs)).collect())
}
