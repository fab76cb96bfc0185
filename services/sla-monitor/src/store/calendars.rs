//! The calendars with their history, and the moving of open deadlines.

use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::Inputs;
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use super::{
    record::{Record, records},
    texts::{columns, person},
};

/// A calendar with its place in the history.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) revision: i64,
    pub(crate) version: String,
    pub(crate) text: String,
    pub(crate) loaded: Instant,
    /// Who loaded it, and by which account; none where it came with the service.
    pub(crate) by: Option<(Post, String)>,
    /// Whether open deadlines are being moved by it.
    pub(crate) moving: bool,
    pub(crate) moved: i64,
}

/// A moving on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) revision: i64,
    pub(crate) loaded: Instant,
    /// Limit and id of the last obligation that was looked at.
    pub(crate) after: (Instant, Uuid),
}

/// Keeps a calendar, under the lock of the facts.
pub(crate) async fn append(conn: &mut PgConnection, new: &Stored) -> sqlx::Result<()> {
    let [role, level, region, account] = columns(new.by.as_ref());
    sqlx::query!(
        "INSERT INTO calendar_text (revision, version, text, loaded_at, role, level, region, account)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.revision,
        new.version,
        new.text,
        PgInstant(new.loaded) as PgInstant,
        role,
        level,
        region,
        account
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Open deadlines after an instant are to be moved to a calendar. What an earlier one has not moved yet, this one moves: also limits that have
/// passed since that one was loaded, of which nothing was told while it was moving.
pub(crate) async fn begin_moving(conn: &mut PgConnection, revision: i64, loaded: Instant) -> sqlx::Result<()> {
    let superseded = sqlx::query!(
        r#"UPDATE calendar_load SET state = 'superseded' WHERE state = 'moving'
           RETURNING after_due AS "after_due: PgInstant", after_id"#
    )
    .fetch_optional(&mut *conn)
    .await?;
    let own = (loaded, Uuid::max());
    let after = superseded.map_or(own, |row| own.min((row.after_due.0, row.after_id)));
    sqlx::query!(
        "INSERT INTO calendar_load (revision, loaded_at, state, after_due, after_id) VALUES ($1, $2, 'moving', $3, $4)",
        revision,
        PgInstant(loaded) as PgInstant,
        PgInstant(after.0) as PgInstant,
        after.1
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A row, from whichever query.
macro_rules! stored {
    ($row:expr) => {{
        let row = $row;
        Stored {
            revision: row.revision,
            version: row.version,
            text: row.text,
            loaded: row.loaded.into(),
            by: person(&row.role, &row.level, &row.region, row.account),
            moving: row.moving,
            moved: row.moved,
        }
    }};
}

/// One calendar: of a version, or the one in force when none is named.
pub(crate) async fn find(conn: &mut PgConnection, version: Option<&str>) -> sqlx::Result<Option<Stored>> {
    let row = sqlx::query!(
        r#"SELECT c.revision, version, text, c.loaded_at AS "loaded: PgInstant", role, level, region, account,
                  COALESCE(l.state = 'moving', false) AS "moving!", COALESCE(l.moved, 0) AS "moved!"
           FROM calendar_text c LEFT JOIN calendar_load l USING (revision)
           WHERE $1::text IS NULL OR version = $1 ORDER BY c.revision DESC LIMIT 1"#,
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| stored!(row)))
}

/// A page of the calendars before a revision, newest first. With their texts, whose heads tell what they cover.
pub(crate) async fn list(conn: &mut PgConnection, before: i64, limit: i64) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT c.revision, version, text, c.loaded_at AS "loaded: PgInstant", role, level, region, account,
                  COALESCE(l.state = 'moving', false) AS "moving!", COALESCE(l.moved, 0) AS "moved!"
           FROM calendar_text c LEFT JOIN calendar_load l USING (revision)
           WHERE c.revision < $1 ORDER BY c.revision DESC LIMIT $2"#,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| stored!(row)).collect())
}

/// The moving that is on its way, if one is.
pub(crate) async fn moving(executor: impl PgExecutor<'_>) -> sqlx::Result<Option<Load>> {
    let row = sqlx::query!(
        r#"SELECT revision, loaded_at AS "loaded: PgInstant", after_due AS "after_due: PgInstant", after_id
           FROM calendar_load WHERE state = 'moving'"#
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Load { revision: row.revision, loaded: row.loaded.0, after: (row.after_due.0, row.after_id) }))
}

/// How far a moving has come.
pub(crate) async fn progress(conn: &mut PgConnection, load: &Load, moved: i64, done: bool) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE calendar_load SET after_due = $2, after_id = $3, moved = moved + $4,
                                  state = CASE WHEN $5 THEN 'done' ELSE state END
         WHERE revision = $1",
        load.revision,
        PgInstant(load.after.0) as PgInstant,
        load.after.1,
        moved,
        done
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Open deadlines in working days of other calendars, not breached, by their limits after the last that was looked at; locked.
pub(crate) async fn open_after(
    conn: &mut PgConnection,
    after: (Instant, Uuid),
    version: &str,
    limit: i64,
) -> sqlx::Result<Vec<Record>> {
    records!(
        "WHERE calendar_version <> '' AND end_kind IS NULL AND NOT breached AND (due, id) > ($1, $2) AND calendar_version <> $3
         ORDER BY due, id LIMIT $4 FOR UPDATE",
        PgInstant(after.0) as PgInstant,
        after.1,
        version,
        limit
    )
    .fetch_all(conn)
    .await
}

/// As [`open_after`], without locking.
pub(crate) async fn look_after(
    conn: &mut PgConnection,
    after: (Instant, Uuid),
    version: &str,
    limit: i64,
) -> sqlx::Result<Vec<Record>> {
    records!(
        "WHERE calendar_version <> '' AND end_kind IS NULL AND NOT breached AND (due, id) > ($1, $2) AND calendar_version <> $3
         ORDER BY due, id LIMIT $4",
        PgInstant(after.0) as PgInstant,
        after.1,
        version,
        limit
    )
    .fetch_all(conn)
    .await
}

/// What the deadlines of obligations were computed from.
pub(crate) async fn inputs(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<(Uuid, Inputs)>> {
    let rows =
        sqlx::query!(r#"SELECT id, inputs AS "inputs: Json<Inputs>" FROM obligation_basis WHERE id = ANY($1)"#, ids)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.inputs.0)).collect())
}

/// A deadline by another calendar.
pub(crate) struct Recomputed {
    pub(crate) id: Uuid,
    pub(crate) inputs: Inputs,
    pub(crate) next_fire_at: Option<Instant>,
    pub(crate) sequence: i64,
    pub(crate) chain_head: String,
}

/// Keeps deadlines that were computed anew.
pub(crate) async fn recompute(conn: &mut PgConnection, all: &[Recomputed]) -> sqlx::Result<()> {
    let instants =
        |of: fn(&Recomputed) -> Instant| -> Vec<PgInstant> { all.iter().map(|one| PgInstant(of(one))).collect() };
    let ids: Vec<Uuid> = all.iter().map(|one| one.id).collect();
    sqlx::query!(
        "WITH basis AS (
             UPDATE obligation_basis b SET inputs = n.inputs FROM UNNEST($1::uuid[], $2::jsonb[]) AS n (id, inputs) WHERE b.id = n.id)
         UPDATE obligation o
         SET due = n.due, warn_at = n.warn_at, first_reminder = n.first_reminder, next_fire_at = n.next_fire_at,
             calendar_version = n.calendar_version, provisional = n.provisional, sequence = n.sequence, chain_head = n.chain_head
         FROM UNNEST($1::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::bool[],
                     $9::bigint[], $10::text[])
              AS n (id, due, warn_at, first_reminder, next_fire_at, calendar_version, provisional, sequence, chain_head)
         WHERE o.id = n.id",
        &ids,
        &all.iter().map(|one| Json(&one.inputs)).collect::<Vec<_>>() as &[Json<&Inputs>],
        &instants(|one| one.inputs.timing.due) as &[PgInstant],
        &instants(|one| one.inputs.timing.warn_at) as &[PgInstant],
        &instants(|one| one.inputs.timing.first_reminder) as &[PgInstant],
        &all.iter().map(|one| one.next_fire_at.map(PgInstant)).collect::<Vec<_>>() as &[Option<PgInstant>],
        &all.iter().map(|one| one.inputs.calendar_version()).collect::<Vec<_>>() as &[&str],
        &all.iter().map(|one| one.inputs.provisional).collect::<Vec<_>>(),
        &all.iter().map(|one| one.sequence).collect::<Vec<_>>(),
        &all.iter().map(|one| one.chain_head.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A deadline that was moved, or would be.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) obligation: Uuid,
    pub(crate) clock: String,
    pub(crate) case_id: Option<Uuid>,
    pub(crate) region_path: String,
    pub(crate) previous_due: Instant,
    pub(crate) due: Instant,
    pub(crate) previous_version: String,
}

/// Keeps what was moved.
pub(crate) async fn add_moves(conn: &mut PgConnection, revision: i64, moves: &[Move]) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO calendar_move (revision, previous_due, obligation, due, previous_version)
         SELECT $1, * FROM UNNEST($2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::text[])",
        revision,
        &moves.iter().map(|one| PgInstant(one.previous_due)).collect::<Vec<_>>() as &[PgInstant],
        &moves.iter().map(|one| one.obligation).collect::<Vec<_>>(),
        &moves.iter().map(|one| PgInstant(one.due)).collect::<Vec<_>>() as &[PgInstant],
        &moves.iter().map(|one| one.previous_version.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of what a calendar has moved, by the limits before.
pub(crate) async fn moves(
    conn: &mut PgConnection,
    revision: i64,
    after: (Instant, Uuid),
    limit: i64,
) -> sqlx::Result<Vec<Move>> {
    let rows = sqlx::query!(
        r#"SELECT m.obligation, o.clock, o.case_id, o.region_path, m.previous_due AS "previous_due: PgInstant",
                  m.due AS "due: PgInstant", m.previous_version
           FROM calendar_move m JOIN obligation o ON o.id = m.obligation
           WHERE m.revision = $1 AND (m.previous_due, m.obligation) > ($2, $3)
           ORDER BY m.previous_due, m.obligation LIMIT $4"#,
        revision,
        PgInstant(after.0) as PgInstant,
        after.1,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Move {
            obligation: row.obligation,
            clock: row.clock,
            case_id: row.case_id,
            region_path: row.region_path,
            previous_due: row.previous_due.0,
            due: row.due.0,
            previous_version: row.previous_version,
        })
        .collect())
}

/// It was told of these that their limits are provisional.
pub(crate) async fn provisional_told(conn: &mut PgConnection, ids: &[Uuid], now: Instant) -> sqlx::Result<()> {
    sqlx::query!("UPDATE obligation SET provisional_told = $2 WHERE id = ANY($1)", ids, PgInstant(now) as PgInstant)
        .execute(conn)
        .await?;
    Ok(())
}

/// Open obligations whose limits are provisional.
pub(crate) async fn count_provisional(executor: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM obligation WHERE provisional AND end_kind IS NULL"#)
        .fetch_one(executor)
        .await
}
