//! Patrols and the villages' patrol books.

use std::collections::HashMap;

use dafei_intake_core::week::Week;
use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

/// A patrol as kept.
#[derive(Debug, Clone)]
pub(crate) struct PatrolRow {
    pub(crate) id: Uuid,
    pub(crate) village: String,
    pub(crate) patrolled_at: Instant,
    pub(crate) object: String,
    pub(crate) situation: String,
    pub(crate) evidence: Vec<Uuid>,
    pub(crate) received_at: Instant,
    pub(crate) skewed: bool,
    pub(crate) role: String,
    pub(crate) recorded_by: String,
}

/// How far a village's book was written: its last event's sequence and the head of their chain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) sequence: i64,
    pub(crate) chain_head: String,
}

/// Loads and locks the books of these villages, in the order of their codes; those not begun are missing.
pub(crate) async fn lock_books(conn: &mut PgConnection, villages: &[String]) -> sqlx::Result<HashMap<String, Book>> {
    if villages.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "SELECT village, sequence, chain_head FROM patrol_book WHERE village = ANY($1) ORDER BY village FOR NO KEY UPDATE",
        villages
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.village, Book { sequence: row.sequence, chain_head: row.chain_head }))
        .collect())
}

/// Writes books that were begun before; their rows are locked.
pub(crate) async fn update_books(conn: &mut PgConnection, books: &[(&str, &Book)]) -> sqlx::Result<()> {
    if books.is_empty() {
        return Ok(());
    }
    let (villages, sequences, heads) = columns(books);
    sqlx::query!(
        "UPDATE patrol_book b SET sequence = n.sequence, chain_head = n.chain_head
         FROM UNNEST($1::text[], $2::bigint[], $3::text[]) AS n (village, sequence, chain_head)
         WHERE b.village = n.village",
        &villages as &[&str],
        &sequences,
        &heads as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Begins books. One that another replica began meanwhile is a data error: the commands are then tried singly.
pub(crate) async fn insert_books(conn: &mut PgConnection, books: &[(&str, &Book)]) -> sqlx::Result<()> {
    if books.is_empty() {
        return Ok(());
    }
    let (villages, sequences, heads) = columns(books);
    sqlx::query!(
        "INSERT INTO patrol_book (village, sequence, chain_head)
         SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[])",
        &villages as &[&str],
        &sequences,
        &heads as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn columns<'a>(books: &[(&'a str, &'a Book)]) -> (Vec<&'a str>, Vec<i64>, Vec<&'a str>) {
    let villages = books.iter().map(|(village, _)| *village).collect();
    let sequences = books.iter().map(|(_, book)| book.sequence).collect();
    (villages, sequences, books.iter().map(|(_, book)| book.chain_head.as_str()).collect())
}

/// How many patrols there are in these weeks of these villages; the books are locked.
pub(crate) async fn counts(
    conn: &mut PgConnection,
    weeks: &[(String, Week)],
) -> sqlx::Result<HashMap<(String, Week), i64>> {
    if weeks.is_empty() {
        return Ok(HashMap::new());
    }
    let villages: Vec<&str> = weeks.iter().map(|(village, _)| village.as_str()).collect();
    let starts: Vec<PgInstant> = weeks.iter().map(|(_, week)| PgInstant(week.start())).collect();
    let ends: Vec<PgInstant> = weeks.iter().map(|(_, week)| PgInstant(week.end())).collect();
    let rows = sqlx::query!(
        r#"SELECT w.village AS "village!", w.start AS "start!: PgInstant", counted.n AS "n!"
           FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[]) AS w (village, start, until)
           CROSS JOIN LATERAL (SELECT count(*) AS n FROM patrol p WHERE p.village = w.village
                               AND p.patrolled_at >= w.start AND p.patrolled_at < w.until) counted"#,
        &villages as &[&str],
        &starts as &[PgInstant],
        &ends as &[PgInstant]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.village, Week::of(row.start.0)), row.n)).collect())
}

/// Writes new patrols.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[PatrolRow]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let text = |of: fn(&PatrolRow) -> &str| -> Vec<&str> { rows.iter().map(of).collect() };
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let at: Vec<PgInstant> = rows.iter().map(|row| PgInstant(row.patrolled_at)).collect();
    let received: Vec<PgInstant> = rows.iter().map(|row| PgInstant(row.received_at)).collect();
    let skewed: Vec<bool> = rows.iter().map(|row| row.skewed).collect();
    // UNNEST flattens arrays of arrays, so each list of photos goes as PostgreSQL's own text form of an array.
    let evidence: Vec<String> = rows.iter().map(|row| array_text(&row.evidence)).collect();
    sqlx::query!(
        "INSERT INTO patrol (id, village, patrolled_at, object, situation, evidence, received_at, skewed, role, recorded_by)
         SELECT id, village, patrolled_at, object, situation, evidence::uuid[], received_at, skewed, role, recorded_by
         FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bool[],
                     $9::text[], $10::text[])
              AS new (id, village, patrolled_at, object, situation, evidence, received_at, skewed, role, recorded_by)",
        &ids,
        &text(|row| &row.village) as &[&str],
        &at as &[PgInstant],
        &text(|row| &row.object) as &[&str],
        &text(|row| &row.situation) as &[&str],
        &evidence,
        &received as &[PgInstant],
        &skewed,
        &text(|row| &row.role) as &[&str],
        &text(|row| &row.recorded_by) as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn array_text(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

/// A page of a village's patrols, newest first, after the last of the page before.
pub(crate) async fn list(
    conn: &mut PgConnection,
    village: &str,
    before: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<PatrolRow>> {
    let (at, id) = before.unwrap_or((Instant::MAX, Uuid::max()));
    let rows = sqlx::query!(
        r#"SELECT id, village, patrolled_at AS "patrolled_at: PgInstant", object, situation, evidence,
                  received_at AS "received_at: PgInstant", skewed, role, recorded_by
           FROM patrol WHERE village = $1 AND (patrolled_at, id) < ($2, $3)
           ORDER BY patrolled_at DESC, id DESC LIMIT $4"#,
        village,
        PgInstant(at) as PgInstant,
        id,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| PatrolRow {
            id: row.id,
            village: row.village,
            patrolled_at: row.patrolled_at.0,
            object: row.object,
            situation: row.situation,
            evidence: row.evidence,
            received_at: row.received_at.0,
            skewed: row.skewed,
            role: row.role,
            recorded_by: row.recorded_by,
        })
        .collect())
}
