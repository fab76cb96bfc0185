//! Sessions with PostgreSQL and what bounds them: none waits for ever for a server, a lock or a client that is gone.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

use crate::silence::answer;

/// How long a caller waits for a connection of the pool. It is told to come back while it still listens.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a connection of the pool may take to show that it lives before it is handed out. It has nothing to do: one that does not answer leads
/// to a server that is gone, and another is made while the caller still waits.
const LIVES: Duration = Duration::from_secs(2);
/// One that has shown it so shortly ago, when it was given back, is not asked.
const FRESH: Duration = Duration::from_secs(1);
/// How long one that was given back may be at what its last user left unfinished. Longer than a statement takes in the usual setting, so that no
/// session is left behind at the server for each caller that went away.
const COMES_FREE: Duration = Duration::from_secs(30);
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

/// How a service's sessions are made. A statement that takes longer than `statement` is ended by the server, and one that waits for a lock somewhat
/// earlier: who holds it is no fault of the statement, and the server's answer says which of the two it was. COMMIT is not bounded by that: the
/// server stops its clock before it commits, so that no commit is given up while it waits for a replica.
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
        .options(times(statement, lock_wait(statement), IDLE_IN_TRANSACTION)))
}

/// The pool of a service, not yet connected: at most `connections`.
#[must_use]
pub fn pool(connections: u32) -> PgPoolOptions {
    pool_asking(connections, FRESH, LIVES, COMES_FREE)
}

/// As [`pool`], with other bounds: how long a connection is fresh, and how long its answer is waited for before it is handed out and after it was
/// given back. sqlx asks both times, too, and waits for ever: a server that vanished would take the pool's places with it, one by one.
#[must_use]
pub fn pool_asking(connections: u32, fresh: Duration, lives: Duration, comes_free: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        .test_before_acquire(false)
        .before_acquire(move |connection, known| {
            Box::pin(async move { Ok(known.idle_for < fresh || answer(lives, connection.ping()).await.is_ok()) })
        })
        .after_release(move |connection, _| {
            Box::pin(async move { answer(comes_free, connection.ping()).await.map(|()| true) })
        })
}

/// A session of its own beside the pool's, without bounds of time: for migrations, rebuilds, refills, and locks that are held as long as the
/// session lives.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn long(pool: &PgPool) -> sqlx::Result<PgConnection> {
    let options =
        pool.connect_options().as_ref().clone().options(times(Duration::ZERO, Duration::ZERO, Duration::ZERO));
    answer(ACQUIRE, PgConnection::connect_with(&options)).await
}

/// Hears the notices of `channel` on a session of its own beside the pool's, which it keeps as long as somebody
/// listens: a pool of one connection would have none left for anything else. One that is lost is made anew, as
/// [`PgListener`] says.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn listener(pool: &PgPool, channel: &str) -> sqlx::Result<PgListener> {
    // The listener keeps the small pool alive, and the small pool keeps nothing but the listener's session.
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(pool.connect_options().as_ref().clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(channel).await?;
    Ok(listener)
}

/// How long a statement that may take `statement` waits for a lock. Of its time a quarter is left to it when it gets the lock at the last moment.
fn lock_wait(statement: Duration) -> Duration {
    statement * 3 / 4
}

/// Zero is no bound.
fn times(statement: Duration, lock: Duration, idle: Duration) -> [(&'static str, String); 3] {
    [
        ("statement_timeout", statement.as_millis().to_string()),
        ("lock_timeout", lock.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", idle.as_millis().to_string()),
    ]
}
