//! The roles that a transaction takes, so that what a post may not see is refused by the database, too.

use sqlx::PgConnection;

/// For the rest of the transaction, or until [`service`]: what the units that handle tips may see.
pub(crate) async fn officer(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL ROLE dafei_intake_officer").execute(conn).await?;
    Ok(())
}

/// Back to the service's own role.
pub(crate) async fn service(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL ROLE NONE").execute(conn).await?;
    Ok(())
}
