//! The schema of a next version, which there is not yet: what an additive migration may do, done to everything that is there. Each table gets a
//! column, and each database a table and a row in its ledger of migrations, while the services of this version run.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::databases::Databases;

/// Higher than any version of a migration that there is.
const VERSION: i64 = 999_999;
/// How long a table is tried whose lock was not to be had at once, and the pause between two times: those who queued behind come first.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run() -> anyhow::Result<()> {
    let mut databases = Databases::connect().await?;
    for (service, connection) in databases.all() {
        let columns = one(connection).await.with_context(|| service.name())?;
        println!("{}: {columns} tables have a column more", service.name());
    }
    Ok(())
}

async fn one(connection: &mut PgConnection) -> anyhow::Result<usize> {
    // A partition has what its table has.
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
             AND NOT relispartition AND relname <> '_sqlx_migrations' ORDER BY relname",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (table,) in &tables {
        widen(connection, table).await?;
    }
    sqlx::query("CREATE TABLE next_version (id bigint PRIMARY KEY, note text)").execute(&mut *connection).await?;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ($1, 'next version', true, '\\x00', 0)",
    )
    .bind(VERSION)
    .execute(connection)
    .await?;
    Ok(tables.len())
}

/// As a migration has to do it that runs beside a service: it does not queue for a lock, since all who come later would queue behind it.
async fn widen(connection: &mut PgConnection, table: &str) -> anyhow::Result<()> {
    sqlx::query("SET lock_timeout = '200ms'").execute(&mut *connection).await?;
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let alter = format!(r#"ALTER TABLE "{table}" ADD COLUMN of_next_version text"#);
        match sqlx::query(AssertSqlSafe(alter)).execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03")) => {}
            Err(error) => return Err(error).with_context(|| table.to_owned()),
        }
        ensure!(tokio::time::Instant::now() < end, "{table} was never free");
        tokio::time::sleep(PAUSE).await;
    }
}
