//! Up to which instant all facts are known.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgExecutor};

use super::WAKE;

/// Whose facts an obligation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Needs {
    /// A case's: intake's and dispatch's.
    Cases,
    /// A village's duty: intake's.
    Village,
    /// A duty to brief, file or evaluate: reporting's, and intake's, which tells who left the roster.
    Reporting,
}

impl Needs {
    pub(crate) const ALL: [Self; 3] = [Self::Cases, Self::Village, Self::Reporting];

    /// Its code in the table.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Cases => "cases",
            Self::Village => "village",
            Self::Reporting => "reporting",
        }
    }

    const fn publishers(self) -> &'static [&'static str] {
        match self {
            Self::Cases => &["intake", "dispatch"],
            Self::Village => &["intake"],
            Self::Reporting => &["intake", "reporting"],
        }
    }
}

/// A publisher's stream is complete up to (strictly before) this instant. Never goes back; wakes firing at the commit.
pub(crate) async fn move_to(conn: &mut PgConnection, service: &str, through: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        r#"WITH moved AS (
               INSERT INTO watermark (service, through) VALUES ($1, $2)
               ON CONFLICT (service) DO UPDATE SET through = excluded.through WHERE watermark.through < excluded.through
               RETURNING 1)
           SELECT pg_notify($3, '')::text AS "notified" FROM moved"#,
        service,
        PgInstant(through) as PgInstant,
        WAKE
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// Up to where each kind of obligation may be told of; none for a kind as long as one of its publishers has said nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizons([Option<Instant>; 3]);

impl Horizons {
    pub(crate) const fn of(&self, needs: Needs) -> Option<Instant> {
        self.0[needs as usize]
    }
}

/// The least of the publishers' watermarks and of `now`, by what is waited for. While a calendar moves open deadlines, nothing is told of what
/// it has not looked at yet: a limit that it moves away must not be told to have passed. Of those with the same limit as the last one that it has
/// looked at, some may be left.
pub(crate) async fn read(executor: impl PgExecutor<'_>, now: Instant) -> sqlx::Result<Horizons> {
    let rows = sqlx::query!(
        r#"SELECT service AS "service!", through AS "through!: PgInstant" FROM watermark
               UNION ALL SELECT '', after_due - interval '1 microsecond' FROM calendar_load WHERE state = 'moving'"#
    )
    .fetch_all(executor)
    .await?;
    let now = rows.iter().filter(|row| row.service.is_empty()).map(|row| row.through.0).fold(now, Instant::min);
    let through = |service: &&str| rows.iter().find(|row| row.service == *service).map(|row| row.through.0);
    Ok(Horizons(Needs::ALL.map(|needs| {
        let least: Option<Vec<Instant>> = needs.publishers().iter().map(through).collect();
        least.and_then(|all| all.into_iter().min()).map(|least| least.min(now))
    })))
}
