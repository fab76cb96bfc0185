//! The schema: messaging's own tables and those of the crates and services beside it, in one ledger of migrations.
//!
//! Versions 1..=99 are messaging's, the roster's and the services' come after; all are kept in one `_sqlx_migrations`, so each migrator
//! ignores the versions of the others.

use std::time::Duration;

use dafei_kernel::time::Instant;
use sqlx::{
    Connection, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
};

use crate::{pg::PgInstant, sessions};

/// Messaging's own migrations.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Advisory lock under which a database is migrated: several replicas may start at once.
const LOCK: i64 = 0x0064_6166_6569_0001;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How long a new partition of the log waits for those who read and write the log.
const PARTITION_LOCK: Duration = Duration::from_secs(3);

/// Applies what is missing of `migrators`, in their order, under an advisory lock.
///
/// # Errors
/// When the database does not answer, a migration fails, or an applied one has another content now.
pub async fn migrate(pool: &PgPool, migrators: &[&Migrator]) -> Result<(), MigrateError> {
    let mut connection = sessions::long(pool).await?;
    while !try_lock(&mut connection).await? {
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    for migrator in migrators {
        let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
        migrator.set_ignore_missing(true).set_locking(false);
        migrator.run_direct(None, &mut connection, false).await?;
    }
    // Closing the session releases the lock.
    connection.close().await?;
    Ok(())
}

async fn try_lock(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, LOCK).fetch_one(connection).await
}

/// Makes the partitions of the event log for `months` months (UTC), from the month of `from` on; says how many are new.
///
/// A month without a partition goes to the default one, so a late call loses nothing; a month that already has rows there stays there. Each new
/// partition has the default one read for rows of its month, which may take longer than any call may: hence a session without that bound. It
/// does not wait long for the table, though, because who writes an event would wait behind it.
///
/// # Errors
/// When the database does not answer, the role may not create tables, or others do not let go of the table.
pub async fn ensure_partitions(pool: &PgPool, from: Instant, months: u32) -> sqlx::Result<u32> {
    let months = i32::try_from(months).unwrap_or(i32::MAX);
    let mut connection = sessions::long(pool).await?;
    sqlx::query_scalar!("SELECT set_config('lock_timeout', $1, false)", PARTITION_LOCK.as_millis().to_string())
        .fetch_one(&mut connection)
        .await?;
    let made = sqlx::query_scalar!(
        r#"SELECT event_log_ensure_partitions($1, $2) AS "made!""#,
        PgInstant(from) as PgInstant,
        months
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(u32::try_from(made).unwrap_or(0))
}
