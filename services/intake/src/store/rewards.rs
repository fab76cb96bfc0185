//! Announcements: written by the office, settled by the service, shown to everyone.

use dafei_kernel::{
    act::Act,
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    reward_data::Branch,
    roles::{Acting, Officer, Public},
};

/// States of an announcement as kept; the same numbers as on the wire.
pub(crate) mod state {
    pub(crate) const OPEN: i16 = 1;
    pub(crate) const PAID: i16 = 2;
    pub(crate) const EXPIRED: i16 = 3;
    pub(crate) const WITHDRAWN: i16 = 4;
}

/// An announcement as the office sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reward {
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) tip: Uuid,
    /// Regions from the city down to the unit.
    pub(crate) path: RegionPath,
    /// The unit that accepted the tip.
    pub(crate) unit: Post,
    pub(crate) act: Act,
    pub(crate) amount_fen: i64,
    pub(crate) text: String,
    pub(crate) state: i16,
    /// First instant of the day.
    pub(crate) announced_day: Instant,
    /// End of the claim window, exclusive.
    pub(crate) claim_until: Instant,
    /// First instant of the day on which it was paid, expired or withdrawn.
    pub(crate) settled_day: Option<Instant>,
    pub(crate) withdrawn_reason: String,
    /// Whose bank pays it.
    pub(crate) bank_region: Region,
    pub(crate) bank: String,
    pub(crate) branches: Vec<Branch>,
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn region(level: &str, code: &str) -> sqlx::Result<Region> {
    Region::new(level.parse::<Level>().map_err(decode)?, code).map_err(decode)
}

/// The announcements that a condition leaves.
macro_rules! rewards {
    ($conn:expr, $where:literal $(, $argument:expr)*) => {{
        let rows = sqlx::query!(
            r#"SELECT r.id, r.number, coalesce(r.tip_id, r.freed_tip) AS "tip_id!", r.path, r.unit_role, r.act,
                      r.amount_fen, r.text, r.state,
                      r.announced_day AS "announced_day: PgInstant", r.claim_until AS "claim_until: PgInstant",
                      r.settled_day AS "settled_day: PgInstant", r.withdrawn_reason, r.bank_level, r.bank_code,
                      b.name AS bank, b.branches AS "branches: Json<Vec<Branch>>"
               FROM reward r JOIN reward_bank b ON b.level = r.bank_level AND b.code = r.bank_code WHERE "# + $where
            $(, $argument)*
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                let path: RegionPath = row.path.parse().map_err(decode)?;
                let role: Role = row.unit_role.parse().map_err(decode)?;
                Ok(Reward {
                    id: row.id,
                    number: row.number,
                    tip: row.tip_id,
                    unit: Post { role, region: path.leaf().clone(), agency: None },
                    path,
                    act: Act::parse(&row.act).map_err(decode)?,
                    amount_fen: row.amount_fen,
                    text: row.text,
                    state: row.state,
                    announced_day: row.announced_day.0,
                    claim_until: row.claim_until.0,
                    settled_day: row.settled_day.map(Instant::from),
                    withdrawn_reason: row.withdrawn_reason,
                    bank_region: region(&row.bank_level, &row.bank_code)?,
                    bank: row.bank,
                    branches: row.branches.0,
                })
            })
            .collect::<sqlx::Result<Vec<Reward>>>()
    }};
}

/// A running number of a series, from 1.
pub(crate) async fn next_number(officer: &mut Acting<'_, Officer>, series: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "INSERT INTO reward_series AS s (series, last) VALUES ($1, 1)
         ON CONFLICT (series) DO UPDATE SET last = s.last + 1 RETURNING last",
        series
    )
    .fetch_one(officer.conn())
    .await
}

/// Takes a withdrawn announcement out of the way of the next one of its tip, which is free.
pub(crate) async fn make_room(officer: &mut Acting<'_, Officer>, tip: Uuid) -> sqlx::Result<()> {
    sqlx::query!("UPDATE reward SET tip_id = NULL WHERE tip_id = $1 AND freed_tip IS NOT NULL", tip)
        .execute(officer.conn())
        .await?;
    Ok(())
}

/// Writes an announcement; false when its tip has one that counts.
pub(crate) async fn insert(officer: &mut Acting<'_, Officer>, reward: &Reward) -> sqlx::Result<bool> {
    let at = |level| reward.path.at(level).map(|region| region.code().as_str());
    let done = sqlx::query!(
        "INSERT INTO reward (id, number, tip_id, city, county, path, unit_role, act, amount_fen, text, state, announced_day,
                             claim_until, bank_level, bank_code)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (tip_id) DO NOTHING",
        reward.id,
        reward.number,
        reward.tip,
        at(Level::City).unwrap_or_default(),
        at(Level::County),
        reward.path.to_string(),
        reward.unit.role.code(),
        reward.act.code(),
        reward.amount_fen,
        reward.text,
        reward.state,
        PgInstant(reward.announced_day) as PgInstant,
        PgInstant(reward.claim_until) as PgInstant,
        reward.bank_region.level().code(),
        reward.bank_region.code().as_str()
    )
    .execute(officer.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes over the hash of the tip's code, which the office cannot read; false when the tip has none.
pub(crate) async fn take_code(officer: &mut Acting<'_, Officer>, reward: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT reward_take_code($1) AS "taken!""#, reward).fetch_one(officer.conn()).await
}

/// An announcement by its public number.
pub(crate) async fn by_number(officer: &mut Acting<'_, Officer>, number: &str) -> sqlx::Result<Option<Reward>> {
    Ok(rewards!(officer.conn(), "r.number = $1", number)?.pop())
}

/// Announcements, for the service's own events.
pub(crate) async fn get(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Reward>> {
    rewards!(conn, "r.id = ANY($1)", ids)
}

/// Withdraws an announcement on a day; it keeps its tip until an instant.
pub(crate) async fn withdraw(
    officer: &mut Acting<'_, Officer>,
    id: Uuid,
    reason: &str,
    (day, free_at): (Instant, Instant),
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE reward SET state = 4, withdrawn_reason = $2, settled_day = $3, free_at = $4 WHERE id = $1",
        id,
        reason,
        PgInstant(day) as PgInstant,
        PgInstant(free_at) as PgInstant
    )
    .execute(officer.conn())
    .await?;
    Ok(())
}

/// Settles announcements: paid or expired. The service's own to do: the bank cannot write them, the office not when a claim does it.
pub(crate) async fn settle(conn: &mut PgConnection, ids: &[Uuid], state: i16, day: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE reward SET state = $2, settled_day = $3 WHERE id = ANY($1)",
        ids,
        state,
        PgInstant(day) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the next claim window ends.
pub(crate) async fn next_expiry(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let next = sqlx::query_scalar!(r#"SELECT min(claim_until) AS "next: PgInstant" FROM reward WHERE state = 1"#)
        .fetch_one(conn)
        .await?;
    Ok(next.map(Instant::from))
}

/// Open announcements whose claim window has ended, the oldest first.
pub(crate) async fn due(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM reward WHERE state = 1 AND claim_until <= $1 ORDER BY claim_until LIMIT $2",
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// When the next withdrawn announcement frees its tip: not before a reservation of it has run out, however long that is.
pub(crate) async fn next_free(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let next = sqlx::query_scalar!(
        r#"SELECT min(greatest(w.free_at, c.until)) AS "next: PgInstant"
           FROM reward_to_free w LEFT JOIN reward_claim c ON c.reward_id = w.id AND c.state = 1"#
    )
    .fetch_one(conn)
    .await?;
    Ok(next.map(Instant::from))
}

/// Withdrawn announcements that have kept their tips long enough, the oldest first.
pub(crate) async fn to_free(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"SELECT w.id AS "id!" FROM reward_to_free w
           WHERE w.free_at <= $1
             AND NOT EXISTS (SELECT 1 FROM reward_claim c WHERE c.reward_id = w.id AND c.state = 1 AND c.until > $1)
           ORDER BY w.free_at LIMIT $2"#,
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Frees the tips of withdrawn announcements whose heads are locked, where no reservation is left: as none is made of a withdrawn one, nobody is
/// paid by it any more. The service's own to do: the office does not see whether there is one.
pub(crate) async fn free(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let tips = sqlx::query_scalar!(
        r#"UPDATE reward r SET freed_tip = r.tip_id
           WHERE r.id = ANY($1) AND r.state = 4 AND r.freed_tip IS NULL
             AND NOT EXISTS (SELECT 1 FROM reward_claim c WHERE c.reward_id = r.id AND c.state = 1)
           RETURNING r.tip_id AS "tip!""#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    // In the order of their ids, as every writer of tips.
    sqlx::query!(
        "WITH held AS (SELECT id FROM tip WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
         UPDATE tip t SET announced = false FROM held h WHERE t.id = h.id",
        &tips
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which announcements to list: of a county or of all, in these states (all when empty), before the last of the page before.
pub(crate) struct Filter<'a> {
    pub(crate) region: &'a Region,
    pub(crate) states: Vec<i16>,
    /// Day and number.
    pub(crate) before: (Instant, &'a str),
    pub(crate) limit: i64,
}

/// A page of the office's announcements, newest first.
pub(crate) async fn list(officer: &mut Acting<'_, Officer>, filter: &Filter<'_>) -> sqlx::Result<Vec<Reward>> {
    let (day, number) = (PgInstant(filter.before.0), filter.before.1);
    if filter.region.level() == Level::County {
        return rewards!(
            officer.conn(),
            "($1::smallint[] = '{}' OR r.state = ANY($1)) AND (r.announced_day, r.number) < ($2, $3) AND r.county = $5
             ORDER BY r.announced_day DESC, r.number DESC LIMIT $4",
            &filter.states,
            day as PgInstant,
            number,
            filter.limit,
            filter.region.code().as_str()
        );
    }
    rewards!(
        officer.conn(),
        "($1::smallint[] = '{}' OR r.state = ANY($1)) AND (r.announced_day, r.number) < ($2, $3)
         ORDER BY r.announced_day DESC, r.number DESC LIMIT $4",
        &filter.states,
        day as PgInstant,
        number,
        filter.limit
    )
}

/// An announcement as the public sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) number: String,
    pub(crate) amount_fen: i64,
    pub(crate) text: String,
    pub(crate) state: i16,
    pub(crate) announced_day: Instant,
    pub(crate) claim_until: Instant,
    pub(crate) bank: String,
    pub(crate) branches: Vec<Branch>,
}

/// A page of what the public sees, newest first.
macro_rules! published {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let rows = sqlx::query!(
            r#"SELECT number AS "number!", amount_fen AS "amount_fen!", text AS "text!", state AS "state!",
                      announced_day AS "announced_day!: PgInstant", claim_until AS "claim_until!: PgInstant",
                      bank AS "bank!", branches AS "branches!: Json<Vec<Branch>>"
               FROM reward_public
               WHERE ($1::smallint[] = '{}' OR state = ANY($1)) AND (announced_day, number) < ($2, $3) AND "# + $where
                + " ORDER BY announced_day DESC, number DESC LIMIT $4",
            &$filter.states,
            PgInstant($filter.before.0) as PgInstant,
            $filter.before.1,
            $filter.limit
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        let published = rows.into_iter().map(|row| Published {
            number: row.number,
            amount_fen: row.amount_fen,
            text: row.text,
            state: row.state,
            announced_day: row.announced_day.0,
            claim_until: row.claim_until.0,
            bank: row.bank,
            branches: row.branches.0,
        });
        Ok(published.collect())
    }};
}

/// A page of what the public sees of a region.
pub(crate) async fn published(public: &mut Acting<'_, Public>, filter: &Filter<'_>) -> sqlx::Result<Vec<Published>> {
    match filter.region.level() {
        Level::County => published!(public.conn(), filter, "county = $5", filter.region.code().as_str()),
        _ => published!(public.conn(), filter, "TRUE"),
    }
}
