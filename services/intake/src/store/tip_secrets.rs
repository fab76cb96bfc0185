//! What proves that somebody is the informant of a tip. No officer's role reaches this.

use dafei_intake_core::tip::{Receipt, State};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{rewards, tips};

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
    /// Public number of its reward's announcement, when there is one that stands.
    pub(crate) announced: Option<String>,
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
        r#"SELECT s.salt, s.code_hash, t.state, r.number AS "number?"
           FROM tip_secret s JOIN tip t ON t.id = s.tip_id LEFT JOIN reward r ON r.tip_id = t.id AND r.state <> ALL($2)
           WHERE s.receipt = $1"#,
        receipt.as_str(),
        // An expired one is not to be fetched: nobody goes to the bank for nothing.
        &[rewards::state::WITHDRAWN, rewards::state::EXPIRED]
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let salt = row.salt.map(|salt| <[u8; 16]>::try_from(salt.as_slice())).transpose();
        let salt = salt.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let code = salt.zip(row.code_hash).map(|(salt, hash)| Hashed { salt, hash });
        Ok(Secret { code, state: tips::state(row.state)?, announced: row.number })
    })
    .transpose()
}
