//! The database's role for the units that handle tips: what a post may not see is refused by the database, too.

use sqlx::PgConnection;

/// From here to the end of the transaction, or until [`leave`], only what these units may see is there.
pub(crate) async fn take(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL ROLE dafei_intake_officer").execute(conn).await?;
    Ok(())
}

/// Back to the service's own role.
pub(crate) async fn leave(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL ROLE NONE").execute(conn).await?;
    Ok(())
}
