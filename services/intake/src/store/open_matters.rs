//! What is open at a region, counted before it is taken out of the roster. Counting ends where more would say nothing.

use dafei_intake_core::{roster::OpenMatters, suspicion::StateKind};
use dafei_kernel::region::{Level, Region};
use sqlx::PgConnection;

use super::suspicions::state_code;

/// What is open at a region. A report is recorded without the lock of the roster's changes: one that is on its way while the region goes is not
/// seen here, and ends once the region is put in again.
pub(crate) async fn of(conn: &mut PgConnection, region: &Region) -> sqlx::Result<OpenMatters> {
    let reports = match region.level() {
        Level::Village => of_village(conn, region).await?,
        Level::Township | Level::County => waiting(conn, region).await?,
        // No report waits for either.
        Level::WorkArea | Level::City => 0,
    };
    Ok(OpenMatters { reports, tips: tips(conn, region).await? })
}

/// Reports of a village that have not ended, in the order of its index.
async fn of_village(conn: &mut PgConnection, village: &Region) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT 1 FROM suspicion WHERE village = $1 AND NOT ended ORDER BY recorded_at DESC, id DESC LIMIT $2
           ) AS found"#,
        village.code().as_str(),
        OpenMatters::MOST
    )
    .fetch_one(conn)
    .await
}

/// Reports that were recorded under a township or a county and are with a centre or an office; in the order of the index of all that is open.
async fn waiting(conn: &mut PgConnection, above: &Region) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT 1 FROM suspicion WHERE NOT ended AND state = $2 AND (county = $1 OR township = $1)
               ORDER BY recorded_at DESC, id DESC LIMIT $3
           ) AS found"#,
        above.code().as_str(),
        state_code(StateKind::ReportedUp),
        OpenMatters::MOST
    )
    .fetch_one(conn)
    .await
}

/// Tips that a region's unit handles (1 waiting, 2 received, 3 linked), true ones (4) that can be rewarded, and true ones that may come to be: should
/// the first of their matter prove false, or where their announcement was withdrawn (4, too). Codes of levels differ: the code alone tells the
/// region.
async fn tips(conn: &mut PgConnection, region: &Region) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               (SELECT 1 FROM tip WHERE recipient_code = $1 AND state < 4 AND NOT announced LIMIT $2)
               UNION ALL
               (SELECT 1 FROM tip_rewardable WHERE recipient_code = $1 LIMIT $2)
               UNION ALL
               (SELECT 1 FROM tip t JOIN tip f ON f.id = (t.body ->> 'first_tip_id')::uuid
                WHERE t.recipient_code = $1 AND t.state = 4 AND NOT t.announced AND f.state < 4 LIMIT $2)
               UNION ALL
               (SELECT 1 FROM reward w JOIN tip t ON t.id = w.tip_id
                WHERE w.state = 4 AND t.recipient_code = $1 AND t.state = 4 AND t.announced LIMIT $2)
               UNION ALL
               (SELECT 1 FROM reward w JOIN tip o ON o.id = w.tip_id JOIN tip t ON t.id = (o.body ->> 'first_tip_id')::uuid
                WHERE w.state = 4 AND w.freed_tip IS NULL AND t.recipient_code = $1 AND t.state = 4 AND NOT t.announced LIMIT $2)
               UNION ALL
               (SELECT 1 FROM reward w JOIN tip o ON o.id = w.tip_id
                    JOIN tip t ON t.body -> 'verdict' ->> 'case' = o.body -> 'verdict' ->> 'case'
                WHERE w.state = 4 AND w.freed_tip IS NULL AND t.recipient_code = $1 AND t.state = 4 AND NOT t.announced LIMIT $2)
               LIMIT $2
           ) AS found"#,
        region.code().as_str(),
        OpenMatters::MOST
    )
    .fetch_one(conn)
    .await
}
