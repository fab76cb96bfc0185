//! Where an exercise's clock stands, kept with the service's data so that a restart goes on at the same instant.

use dafei_kernel::time::Instant;
use sqlx::PgConnection;

use crate::pg::PgInstant;

/// The instant at which the clock was left; none where no exercise ran.
///
/// # Errors
/// When the database does not answer.
pub async fn load(connection: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let at =
        sqlx::query_scalar!(r#"SELECT at AS "at: PgInstant" FROM exercise_clock"#).fetch_optional(connection).await?;
    Ok(at.map(Instant::from))
}

/// Keeps where the clock stands now.
///
/// # Errors
/// When the database does not answer.
pub async fn store(connection: &mut PgConnection, at: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO exercise_clock (at) VALUES ($1) ON CONFLICT (singleton) DO UPDATE SET at = excluded.at",
        PgInstant(at) as PgInstant
    )
    .execute(connection)
    .await?;
    Ok(())
}
