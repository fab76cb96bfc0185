//! 协助查处: help that villages gave.

use dafei_intake_core::suspicion::Help;
use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Help of this transaction.
pub(crate) struct Given {
    pub(crate) case: Uuid,
    pub(crate) help: Help,
    /// Role of who recorded it.
    pub(crate) role: &'static str,
    pub(crate) received_at: Instant,
}

/// Help as kept.
pub(crate) struct Kept {
    pub(crate) id: Uuid,
    pub(crate) agency: String,
    pub(crate) note: String,
    pub(crate) helped_at: Instant,
    pub(crate) received_at: Instant,
    pub(crate) role: String,
    pub(crate) evidence: Vec<Uuid>,
}

/// Writes help.
pub(crate) async fn insert(conn: &mut PgConnection, given: &[Given]) -> sqlx::Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = given.iter().map(|one| one.help.id).collect();
    let cases: Vec<Uuid> = given.iter().map(|one| one.case).collect();
    let agencies: Vec<&str> = given.iter().map(|one| one.help.agency.code()).collect();
    let notes: Vec<&str> = given.iter().map(|one| one.help.note.as_str()).collect();
    let helped: Vec<PgInstant> = given.iter().map(|one| PgInstant(one.help.at)).collect();
    let received: Vec<PgInstant> = given.iter().map(|one| PgInstant(one.received_at)).collect();
    let roles: Vec<&str> = given.iter().map(|one| one.role).collect();
    let evidence: Vec<Json<&[Uuid]>> = given.iter().map(|one| Json(one.help.evidence.as_slice())).collect();
    sqlx::query!(
        "INSERT INTO help (id, case_id, agency, note, helped_at, received_at, role, evidence)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
                              $8::jsonb[])",
        &ids,
        &cases,
        &agencies as &[&str],
        &notes as &[&str],
        &helped as &[PgInstant],
        &received as &[PgInstant],
        &roles as &[&str],
        &evidence as &[Json<&[Uuid]>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The latest help with a case, newest first.
pub(crate) async fn latest(conn: &mut PgConnection, case: Uuid, limit: i64) -> sqlx::Result<Vec<Kept>> {
    let rows = sqlx::query!(
        r#"SELECT id, agency, note, helped_at AS "helped_at: PgInstant", received_at AS "received_at: PgInstant", role,
                  evidence AS "evidence: Json<Vec<Uuid>>"
           FROM help WHERE case_id = $1 ORDER BY received_at DESC, id DESC LIMIT $2"#,
        case,
        limit
    )
    .fetch_all(conn)
    .await?;
    let kept = rows.into_iter().map(|row| Kept {
        id: row.id,
        agency: row.agency,
        note: row.note,
        helped_at: row.helped_at.0,
        received_at: row.received_at.0,
        role: row.role,
        evidence: row.evidence.0,
    });
    Ok(kept.collect())
}
