//! Tips: what they say and where they stand. What proves the informant is elsewhere (`tip_secrets`), and no statement here touches it.

use dafei_intake_core::tip::{Body, Facts, Link, State, Tip};
use dafei_kernel::{
    region::{Level, Region},
    subject::Subject,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::heads::Head;
use crate::wire;

/// A tip as stored.
pub(crate) struct Row {
    pub(crate) tip: Tip,
    /// Sequence of its last event, and the chain over them.
    pub(crate) head: Head,
}

/// The number under which a state is stored and looked for: that of the API.
pub(crate) fn state_code(state: State) -> i16 {
    i16::try_from(i32::from(wire::tips::state(state))).unwrap_or(0)
}

/// The state of a number.
pub(crate) fn state(code: i16) -> sqlx::Result<State> {
    let known = State::ALL.into_iter().find(|state| state_code(*state) == code);
    known.ok_or_else(|| sqlx::Error::Decode(format!("{code} is no state of a tip").into()))
}

/// Region and county of whom a tip goes to.
fn recipient(tip: &Tip) -> (&'static str, &str, Option<&str>) {
    let path = &tip.body.recipient.path;
    let county = path.at(Level::County).map(|county| county.code().as_str());
    (path.leaf().level().code(), path.leaf().code().as_str(), county)
}

/// Writes a tip that was just taken.
pub(crate) async fn insert(conn: &mut PgConnection, tip: &Tip) -> sqlx::Result<()> {
    let (level, code, county) = recipient(tip);
    let credit_code = match &tip.facts.subject {
        Subject::Enterprise { credit_code, .. } => Some(credit_code.as_str()),
        Subject::Den { .. } => None,
    };
    sqlx::query!(
        "INSERT INTO tip (id, case_id, recipient_level, recipient_code, county, act, credit_code, state, received_hour, version, sequence,
                          chain_head, facts, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, '', $10, $11)",
        tip.facts.id,
        tip.facts.case_id,
        level,
        code,
        county,
        tip.facts.act.code(),
        credit_code,
        state_code(tip.state),
        PgInstant(tip.facts.received_hour) as PgInstant,
        Json(&tip.facts) as Json<&Facts>,
        Json(&tip.body) as Json<&Body>
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Loads and locks tips in the order of their ids: every writer does, so none waits for another in a circle.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Row>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<Body>", state, version, sequence, chain_head
           FROM tip WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let tip = tip(row.facts, row.body, row.state, row.version)?;
            Ok(Row { tip, head: Head { sequence: row.sequence, chain: row.chain_head } })
        })
        .collect()
}

fn tip(facts: Json<Facts>, body: Json<Body>, code: i16, version: i64) -> sqlx::Result<Tip> {
    Ok(Tip { facts: facts.0, state: state(code)?, body: body.0, version })
}

/// Writes tips that were locked; each is a version further.
pub(crate) async fn update(conn: &mut PgConnection, rows: &[Row]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.tip.facts.id).collect();
    let states: Vec<i16> = rows.iter().map(|row| state_code(row.tip.state)).collect();
    let levels: Vec<&str> = rows.iter().map(|row| recipient(&row.tip).0).collect();
    let codes: Vec<&str> = rows.iter().map(|row| recipient(&row.tip).1).collect();
    let counties: Vec<Option<&str>> = rows.iter().map(|row| recipient(&row.tip).2).collect();
    let sequences: Vec<i64> = rows.iter().map(|row| row.head.sequence).collect();
    let chains: Vec<&str> = rows.iter().map(|row| row.head.chain.as_str()).collect();
    let bodies: Vec<Json<&Body>> = rows.iter().map(|row| Json(&row.tip.body)).collect();
    sqlx::query!(
        "UPDATE tip t SET state = u.state, recipient_level = u.level, recipient_code = u.code, county = u.county,
                version = t.version + 1, sequence = u.sequence, chain_head = u.chain_head, body = u.body
         FROM UNNEST($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::jsonb[])
              AS u (id, state, level, code, county, sequence, chain_head, body)
         WHERE t.id = u.id",
        &ids,
        &states,
        &levels as &[&str],
        &codes as &[&str],
        &counties as &[Option<&str>],
        &sequences,
        &chains as &[&str],
        &bodies as &[Json<&Body>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was linked to one tip is linked to the first of its matter from now on.
pub(crate) async fn relink(conn: &mut PgConnection, from: Uuid, to: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE tip SET body = jsonb_set(body, '{first_tip_id}', to_jsonb($2::text)), version = version + 1
         WHERE body ? 'first_tip_id' AND body ->> 'first_tip_id' = $1",
        from.to_string(),
        to.to_string()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One tip, without a lock.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Tip>> {
    let row = sqlx::query!(
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<Body>", state, version FROM tip WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| tip(row.facts, row.body, row.state, row.version)).transpose()
}

/// Tips that are linked to one, in the order of their hours.
pub(crate) async fn linked(conn: &mut PgConnection, first: Uuid, limit: i64) -> sqlx::Result<Vec<(Uuid, Link)>> {
    let rows = sqlx::query!(
        r#"SELECT id, body AS "body: Json<Body>" FROM tip
           WHERE body ? 'first_tip_id' AND body ->> 'first_tip_id' = $1 ORDER BY received_hour, id LIMIT $2"#,
        first.to_string(),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(|row| row.body.0.link.map(|link| (row.id, link))).collect())
}

/// Which tips to list: those whose recipient lies in a region, in these states (all when empty), of this act (all when none), before the
/// last of the page before.
pub(crate) struct Filter<'a> {
    pub(crate) region: &'a Region,
    pub(crate) states: Vec<i16>,
    pub(crate) act: Option<&'a str>,
    pub(crate) before: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

/// One query per column that a region is looked for by, so that each has its index.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.before.unwrap_or((Instant::MAX, Uuid::max()));
        let rows = sqlx::query!(
            r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<Body>", state, version FROM tip
               WHERE state > 1 AND ($1::smallint[] = '{}' OR state = ANY($1)) AND ($5::text IS NULL OR act = $5)
                 AND (received_hour, id) < ($2, $3) AND "# + $where
                + r#" ORDER BY received_hour DESC, id DESC LIMIT $4"#,
            &$filter.states,
            PgInstant(at) as PgInstant,
            id,
            $filter.limit,
            $filter.act
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter().map(|row| tip(row.facts, row.body, row.state, row.version)).collect()
    }};
}

/// A page of tips, newest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Tip>> {
    let code = filter.region.code().as_str();
    match filter.region.level() {
        Level::City => page!(conn, filter, "TRUE"),
        Level::County => page!(conn, filter, "county = $6", code),
        Level::Township | Level::WorkArea | Level::Village => page!(conn, filter, "recipient_code = $6", code),
    }
}

/// Tips that may be like one, in a span of hours: of the same act in the same county, and of the same enterprise; at most `limit` of each.
pub(crate) async fn alike(
    conn: &mut PgConnection,
    one: &Tip,
    (from, until): (Instant, Instant),
    limit: i64,
) -> sqlx::Result<Vec<Tip>> {
    let credit_code = match &one.facts.subject {
        Subject::Enterprise { credit_code, .. } => Some(credit_code.as_str()),
        Subject::Den { .. } => None,
    };
    let rows = sqlx::query!(
        r#"WITH near AS (
               (SELECT id FROM tip WHERE act = $1 AND coalesce(county, '') = $2 AND received_hour BETWEEN $3 AND $4
                ORDER BY received_hour DESC LIMIT $5)
               UNION
               (SELECT id FROM tip WHERE credit_code = $6 AND received_hour BETWEEN $3 AND $4 ORDER BY received_hour DESC LIMIT $5)
           )
           SELECT facts AS "facts: Json<Facts>", body AS "body: Json<Body>", state, version
           FROM tip WHERE id IN (SELECT id FROM near) AND id <> $7 AND state > 1"#,
        one.facts.act.code(),
        recipient(one).2.unwrap_or_default(),
        PgInstant(from) as PgInstant,
        PgInstant(until) as PgInstant,
        limit,
        credit_code,
        one.facts.id
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| tip(row.facts, row.body, row.state, row.version)).collect()
}

/// Lets a new tip wait.
pub(crate) async fn wait(conn: &mut PgConnection, id: Uuid, release_at: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO tip_release (tip_id, release_at) VALUES ($1, $2)",
        id,
        PgInstant(release_at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes some of the tips that are due out of those that wait, in no order; those that another replica has in hand are left to it.
pub(crate) async fn take_due(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "DELETE FROM tip_release WHERE tip_id IN (
             SELECT tip_id FROM tip_release WHERE release_at <= $1 ORDER BY random() LIMIT $2 FOR UPDATE SKIP LOCKED
         ) RETURNING tip_id",
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The next turns of releases, one for each of so many tips.
pub(crate) async fn turns(conn: &mut PgConnection, tips: usize) -> sqlx::Result<Vec<i64>> {
    let tips = i64::try_from(tips).unwrap_or(i64::MAX);
    sqlx::query_scalar!(r#"SELECT nextval('tip_turn') AS "turn!" FROM generate_series(1, $1::bigint)"#, tips)
        .fetch_all(conn)
        .await
}

/// When the next tip is due.
pub(crate) async fn next_due(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let at =
        sqlx::query_scalar!(r#"SELECT min(release_at) AS "at: PgInstant" FROM tip_release"#).fetch_one(conn).await?;
    Ok(at.map(Instant::from))
}
