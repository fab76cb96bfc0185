//! The question that readiness asks: does the database answer?

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::Mutex;

/// Asks on a session of its own, not one of the pool's: one that waited for the pool would take a replica with much to do for one without a database.
/// And in no pool at all: sqlx asks a connection that comes back whether it lives, and waits for that without end. A server that vanishes in that moment would keep the
/// only place, and the replica would never be ready again.
#[derive(Debug, Clone)]
pub struct Probe {
    options: PgConnectOptions,
    session: Arc<Mutex<Option<PgConnection>>>,
}

impl Probe {
    /// Asks the database of a pool.
    #[must_use]
    pub fn of(pool: &PgPool) -> Self {
        Self { options: pool.connect_options().as_ref().clone(), session: Arc::default() }
    }

    /// Whether it answers. Who gives up waiting drops the session with this, and asks on a new one the next time.
    pub async fn answers(&self) -> bool {
        // Two statements: the guard must not live as long as the question.
        let kept = self.session.lock().await.take();
        for session in [kept, None] {
            let session = match session {
                Some(session) => Ok(session),
                None => PgConnection::connect_with(&self.options).await,
            };
            let Ok(mut session) = session else { return false };
            if sqlx::query("SELECT 1").execute(&mut session).await.is_ok() {
                self.session.lock().await.replace(session);
                return true;
            }
        }
        false
    }
}
