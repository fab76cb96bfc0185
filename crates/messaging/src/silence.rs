//! A PostgreSQL that says nothing any more. A machine that vanishes, or a network that swallows packets, ends no connection: who waits for an
//! answer on one would wait for a quarter of an hour, or for ever. So what runs by itself waits only so long and goes on with a connection
//! that it makes anew.

use std::{
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::time::timeout;

/// How long an answer is waited for. Above the longest statement in the usual setting (20 s, two thirds of a call's time), so that a server which is
/// only slow ends its statement first and says so; and above what a COMMIT waits for a replica that is there.
pub const ANSWER: Duration = Duration::from_secs(25);

/// What `call` answers, or that there was no answer `within` that time. The connection of the call must not be used any more then: it is in
/// the middle of something.
///
/// # Errors
/// As the call, or [`sqlx::Error::Io`] when the time is up.
pub async fn answer<T, E: From<sqlx::Error>>(
    within: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(within, call).await.unwrap_or_else(|_| Err(none(within).into()))
}

/// The error of a connection on which nothing was heard.
pub(crate) fn none(within: Duration) -> sqlx::Error {
    let reason = format!("no answer within {within:?}");
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, reason))
}

/// A connection of the pool that is closed when it goes out of use unless it was given back. The pool itself asks each that comes back
/// whether it lives, and waits for the answer as long as it takes: one that is silent would take up a place for good.
#[derive(Debug)]
pub struct Loan {
    connection: PoolConnection<Postgres>,
    given_back: bool,
}

impl Loan {
    /// One of `pool`.
    ///
    /// # Errors
    /// When none is to be had in the pool's time.
    pub async fn of(pool: &PgPool) -> sqlx::Result<Self> {
        Ok(Self { connection: pool.acquire().await?, given_back: false })
    }

    /// Gives it back: it has answered.
    pub fn give_back(mut self) {
        self.given_back = true;
    }
}

impl Deref for Loan {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if !self.given_back {
            self.connection.close_on_drop();
        }
    }
}
