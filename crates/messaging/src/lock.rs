//! Session advisory locks: of several replicas one relays, and one runs each consumer.

use std::{hash::Hasher, time::Duration};

use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::{sessions, silence};

/// How often a standby looks whether it may take over.
const STANDBY: Duration = Duration::from_millis(500);
/// How long a connection may take to be made, and the server to answer whether the lock is free: a standby that waited for a server that is
/// gone would never take over.
const PATIENCE: Duration = Duration::from_secs(10);

/// FNV-1a: the same number in every replica and release.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The number of the lock called `name`.
pub(crate) fn number(name: &str) -> i64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(name.as_bytes());
    hasher.finish().cast_signed()
}

/// A connection of its own that holds the lock `name` as long as it lives; waits while another holds it. None when `shutdown` comes first.
pub(crate) async fn acquire(
    pool: &PgPool,
    name: &str,
    shutdown: &CancellationToken,
) -> sqlx::Result<Option<PgConnection>> {
    let mut connection = silence::answer(PATIENCE, sessions::long(pool)).await?;
    loop {
        if silence::answer(PATIENCE, try_lock(&mut connection, number(name))).await? {
            return Ok(Some(connection));
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(STANDBY) => {}
        }
    }
}

async fn try_lock(connection: &mut PgConnection, number: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, number).fetch_one(connection).await
}
