//! What proves that somebody is the informant of a tip, and the slots for tries to prove it. No officer's role reaches this.

use dafei_intake_core::tip::{Receipt, State};
use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::tips;

/// A code's salt and hash.
pub(crate) struct Hashed {
    pub(crate) salt: [u8; 16],
    pub(crate) hash: Vec<u8>,
}

/// What a receipt leads to.
pub(crate) struct Secret {
    /// None for a tip without a code.
    pub(crate) code: Option<Hashed>,
    pub(crate) state: State,
}

/// Keeps what proves the informant of a new tip.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    tip: Uuid,
    receipt: &Receipt,
    code: Option<&Hashed>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO tip_secret (tip_id, receipt, salt, code_hash) VALUES ($1, $2, $3, $4)",
        tip,
        receipt.as_str(),
        code.map(|code| code.salt.as_slice()),
        code.map(|code| code.hash.as_slice())
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a receipt leads to; none for an unknown one.
pub(crate) async fn find(pool: &PgPool, receipt: &Receipt) -> sqlx::Result<Option<Secret>> {
    let row = sqlx::query!(
        "SELECT s.salt, s.code_hash, t.state FROM tip_secret s JOIN tip t ON t.id = s.tip_id WHERE s.receipt = $1",
        receipt.as_str()
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let salt = row.salt.map(|salt| <[u8; 16]>::try_from(salt.as_slice())).transpose();
        let salt = salt.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let code = salt.zip(row.code_hash).map(|(salt, hash)| Hashed { salt, hash });
        Ok(Secret { code, state: tips::state(row.state)? })
    })
    .transpose()
}

/// Takes one of the slots of a span of time, at once and for good; false when all are taken. A statement of its own: what waits for nothing
/// but this row cannot be outrun by parallel tries.
pub(crate) async fn take_slot(
    pool: &PgPool,
    (purpose, key): (&str, &str),
    span_start: Instant,
    slots: i32,
) -> sqlx::Result<bool> {
    let taken = sqlx::query_scalar!(
        "INSERT INTO throttle AS t (purpose, key, span_start, tries) VALUES ($1, $2, $3, 1)
         ON CONFLICT (purpose, key) DO UPDATE
         SET tries = CASE WHEN t.span_start = excluded.span_start THEN t.tries + 1 ELSE 1 END, span_start = excluded.span_start
         WHERE t.span_start <> excluded.span_start OR t.tries < $4
         RETURNING tries",
        purpose,
        key,
        PgInstant(span_start) as PgInstant,
        slots
    )
    .fetch_optional(pool)
    .await?;
    Ok(taken.is_some())
}
