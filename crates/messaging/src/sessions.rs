//! Sessions with PostgreSQL and what bounds them: none waits for ever for a server, a lock or a client that is gone.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How long a caller waits for a connection of the pool. It is told to come back while it still listens.
const ACQUIRE: Duration = Duration::from_secs(5);
/// After which a connection that nobody needed is closed, and every one once: a server that was replaced, or whose plans and caches have
/// grown, is not held on to.
const IDLE: Duration = Duration::from_secs(300);
const LIFETIME: Duration = Duration::from_secs(1_800);
/// After which the server ends a transaction in which nothing happens: its locks and its snapshot are in everybody's way. Longer than any
/// call waits between two statements.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);
/// When the server asks a silent client whether it lives, how often, and how many times: the locks of one that vanished are free again
/// within a minute.
const KEEPALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")];

/// How a service's sessions are made. A statement that takes longer than `statement` is ended by the server. COMMIT is not bounded by that:
/// the server stops its clock before it commits, so that no commit is given up while it waits for a replica.
///
/// # Errors
/// When the URL is none.
pub fn options(url: &str, statement: Duration) -> sqlx::Result<PgConnectOptions> {
    // Statements are few and large, and name their rows by arrays of keys: a plan made while a table was small would go on reading all
    // of it. Planning each anew costs little beside what it does. Compiling a plan costs more than all that it does: a list over the
    // partitions of two years took 14 ms, and its compilation 150.
    Ok(PgConnectOptions::from_str(url)?
        .options([("plan_cache_mode", "force_custom_plan"), ("jit", "off")])
        .options(KEEPALIVE)
        .options(times(statement, IDLE_IN_TRANSACTION)))
}

/// The pool of a service, not yet connected: at most `connections`.
#[must_use]
pub fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).idle_timeout(IDLE).max_lifetime(LIFETIME)
}

/// A session of its own beside the pool's, without bounds of time: for migrations, rebuilds, refills, and locks that are held as long as the
/// session lives.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn long(pool: &PgPool) -> sqlx::Result<PgConnection> {
    let options = pool.connect_options().as_ref().clone().options(times(Duration::ZERO, Duration::ZERO));
    PgConnection::connect_with(&options).await
}

/// Zero is no bound.
fn times(statement: Duration, idle: Duration) -> [(&'static str, String); 2] {
    [
        ("statement_timeout", statement.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", idle.as_millis().to_string()),
    ]
}
