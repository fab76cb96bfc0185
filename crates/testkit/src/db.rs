//! A database of its own for each test, copied from a template that holds the migrated schema.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::OnceCell;

use crate::{eventually, required_env};

/// Names of test databases begin with it; the number of the process follows.
const PREFIX: &str = "dafei_t_";
/// Advisory lock of the admin database under which templates are made and leftovers are dropped.
const LOCK: i64 = 0x6461_6665_6974;

/// How long a condition on the server may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);

static COUNTER: AtomicU32 = AtomicU32::new(0);
static LEFTOVERS_DROPPED: OnceCell<()> = OnceCell::const_new();

/// A database for one test. It is dropped when a later test process starts, not with this value: PostgreSQL waits for every backend when it
/// drops a database, also for one whose client, on the runtime that is just being dropped, will never finish logging in.
#[derive(Debug)]
pub struct TestDb {
    /// Connections to the database.
    pub pool: PgPool,
    /// Its URL, for a process or a pool of one's own.
    pub url: String,
    name: String,
    admin_url: String,
}

impl TestDb {
    /// Creates a database on the server of `DAFEI_TEST_DATABASE_URL` with the schema of `migrators`, applied in that order.
    ///
    /// # Panics
    /// When the variable is missing or the server does not do what is asked: a test cannot go on without it.
    pub async fn new(migrators: &[&Migrator]) -> Self {
        let admin_url = required_env("DAFEI_TEST_DATABASE_URL");
        let mut admin = PgConnection::connect(&admin_url).await.expect("the test PostgreSQL answers");
        LEFTOVERS_DROPPED.get_or_init(|| drop_leftovers(&admin_url)).await;
        let template = template(&mut admin, &admin_url, migrators).await;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}_{number}", std::process::id());
        run(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        admin.close().await.expect("an idle connection closes");
        let url = with_database(&admin_url, &name);
        let options: PgConnectOptions = url.parse().expect("a URL that was just built");
        let pool =
            PgPoolOptions::new().max_connections(12).connect_with(options).await.expect("the new database answers");
        Self { pool, url, name, admin_url }
    }

    /// Waits until at least so many sessions of this database wait for a lock.
    ///
    /// # Panics
    /// When that does not come to pass.
    pub async fn until_waiting(&self, sessions: i64) {
        eventually(PATIENCE, &format!("{sessions} sessions wait for a lock"), async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .expect("a count");
            (waiting >= sessions).then_some(())
        })
        .await;
    }

    /// A transaction that lets answers by request id be read and none be written: writes wait for its end right before their commit.
    ///
    /// # Panics
    /// When the database has no such table, or does not answer.
    pub async fn hold_answers(&self) -> Transaction<'static, Postgres> {
        let mut held = self.pool.begin().await.expect("a transaction");
        sqlx::raw_sql("LOCK TABLE request IN SHARE MODE").execute(&mut *held).await.expect("the table's lock");
        held
    }

    /// Ends every connection to the database, as a restart of the server would.
    pub async fn cut_connections(&self) {
        let mut admin = PgConnection::connect(&self.admin_url).await.expect("the test PostgreSQL answers");
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(&self.name)
            .execute(&mut admin)
            .await
            .expect("a superuser may end connections");
    }
}

async fn run(connection: &mut PgConnection, sql: String) {
    let shown = sql.clone();
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        panic!("{shown}: {error}");
    }
}

/// The name of a template with the schema of `migrators`; made when it is not there.
async fn template(admin: &mut PgConnection, admin_url: &str, migrators: &[&Migrator]) -> String {
    let mut hasher = DefaultHasher::new();
    for migration in migrators.iter().flat_map(|migrator| migrator.iter()) {
        (migration.version, &migration.checksum).hash(&mut hasher);
    }
    let name = format!("dafei_tpl_{:016x}", hasher.finish());
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut *admin).await.expect("an advisory lock");
    if !exists(admin, &name).await {
        let unfinished = format!("{name}_new");
        run(admin, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
        run(admin, format!("CREATE DATABASE {unfinished}")).await;
        migrate(&with_database(admin_url, &unfinished), migrators).await;
        run(admin, format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(&mut *admin).await.expect("an advisory lock");
    name
}

async fn exists(admin: &mut PgConnection, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(admin)
        .await
        .expect("the catalogue answers")
}

async fn migrate(url: &str, migrators: &[&Migrator]) {
    let mut connection = PgConnection::connect(url).await.expect("the template answers");
    for migrator in migrators {
        let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
        migrator.set_ignore_missing(true).set_locking(false);
        if let Err(error) = migrator.run_direct(None, &mut connection, false).await {
            panic!("the migrations fail: {error}");
        }
    }
    connection.close().await.expect("an idle connection closes");
}

/// Drops the databases of test processes that are gone.
async fn drop_leftovers(admin_url: &str) {
    let mut admin = PgConnection::connect(admin_url).await.expect("the test PostgreSQL answers");
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)")
            .bind(PREFIX)
            .fetch_all(&mut admin)
            .await
            .expect("the catalogue answers");
    for name in names {
        let process = name.trim_start_matches(PREFIX).split('_').next().unwrap_or_default();
        if !process.is_empty() && !std::path::Path::new("/proc").join(process).exists() {
            // Another starting process may be dropping the same one.
            let _ = sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                .execute(&mut admin)
                .await;
        }
    }
}

/// `url` with its database replaced.
fn with_database(url: &str, database: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let authority_start = base.find("://").map_or(0, |at| at + 3);
    let server = base[authority_start..].find('/').map_or(base, |slash| &base[..authority_start + slash]);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{server}/{database}{query}")
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        assert_eq!(with_database("postgres://u@h:1/postgres", "x"), "postgres://u@h:1/x");
        assert_eq!(with_database("postgres://u@h:1/postgres?host=/run/pg", "x"), "postgres://u@h:1/x?host=/run/pg");
        assert_eq!(with_database("postgres://u@h:1", "x"), "postgres://u@h:1/x");
    }
}
