//! Links of tips that wait for the case of the first tip.

use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::consumers::Link;

/// The links that wait for these cases.
pub(crate) async fn waiting_for(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<Link>> {
    let rows = sqlx::query!(
        r#"SELECT tip_id, case_id, into_case_id, linked_at AS "linked_at: PgInstant" FROM tip_link
           WHERE into_case_id = ANY($1)"#,
        cases
    )
    .fetch_all(conn)
    .await?;
    let link = |(tip, case, into, at): (_, _, _, PgInstant)| Link { tip, case, into, at: at.into() };
    Ok(rows.into_iter().map(|row| link((row.tip_id, row.case_id, row.into_case_id, row.linked_at))).collect())
}

/// Lets links wait; one that waits already goes on.
pub(crate) async fn wait(conn: &mut PgConnection, links: &[Link]) -> sqlx::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let tips: Vec<Uuid> = links.iter().map(|link| link.tip).collect();
    let cases: Vec<Uuid> = links.iter().map(|link| link.case).collect();
    let into: Vec<Uuid> = links.iter().map(|link| link.into).collect();
    let at: Vec<PgInstant> = links.iter().map(|link| PgInstant(link.at)).collect();
    sqlx::query!(
        "INSERT INTO tip_link (into_case_id, tip_id, case_id, linked_at)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])
         ON CONFLICT DO NOTHING",
        &into,
        &tips,
        &cases,
        &at as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets links that have been carried out.
pub(crate) async fn forget(conn: &mut PgConnection, links: &[Link]) -> sqlx::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let tips: Vec<Uuid> = links.iter().map(|link| link.tip).collect();
    let into: Vec<Uuid> = links.iter().map(|link| link.into).collect();
    sqlx::query!(
        "DELETE FROM tip_link USING UNNEST($1::uuid[], $2::uuid[]) AS done (into_case_id, tip_id)
         WHERE tip_link.into_case_id = done.into_case_id AND tip_link.tip_id = done.tip_id",
        &into,
        &tips
    )
    .execute(conn)
    .await?;
    Ok(())
}
