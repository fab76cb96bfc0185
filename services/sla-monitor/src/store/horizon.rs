//! Up to which instant all facts are known.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgExecutor};

use super::WAKE;

/// The publishers whose facts move clocks.
pub(crate) const PUBLISHERS: [&str; 2] = ["intake", "dispatch"];

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

/// The least of the publishers' watermarks; none as long as one of them has said nothing.
pub(crate) async fn least(executor: impl PgExecutor<'_>) -> sqlx::Result<Option<Instant>> {
    let publishers = PUBLISHERS.map(ToOwned::to_owned);
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(through) AS "least: PgInstant" FROM watermark WHERE service = ANY($1)"#,
        &publishers
    )
    .fetch_one(executor)
    .await?;
    let complete = usize::try_from(row.count).is_ok_and(|count| count == PUBLISHERS.len());
    Ok(row.least.filter(|_| complete).map(Instant::from))
}
