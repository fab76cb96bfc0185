//! Which instructions did not arrive.

use dafei_dispatch_core::case::Case;
use dafei_kernel::{
    agency::Agency,
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// An open instruction that did not arrive, with its case.
#[derive(Debug, Clone)]
pub(crate) struct Unreached {
    pub(crate) id: Uuid,
    pub(crate) assumed_at: Instant,
    pub(crate) case: Case,
}

/// Of which instructions a page is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Of the cases of this township, county or city.
    pub(crate) region: &'a Region,
    /// Of one agency alone.
    pub(crate) agency: Option<Agency>,
    /// To agencies of this level alone.
    pub(crate) level: Option<Level>,
    /// Those alone that were sent once more less often than this.
    pub(crate) resent_below: Option<usize>,
}

/// A page of them in a region, the longest overdue first. What did not arrive is little: a filter reads over it.
pub(crate) async fn unreached(
    conn: &mut PgConnection,
    asked: Asked<'_>,
    after: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Unreached>> {
    let (at, id) = after.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
    let code = asked.region.code().as_str();
    let county = (asked.region.level() == Level::County).then_some(code);
    let township = (asked.region.level() == Level::Township).then_some(code);
    let resent_below = asked.resent_below.and_then(|times| i16::try_from(times).ok());
    let rows = sqlx::query!(
        r#"SELECT i.id, i.assumed_at AS "assumed_at: PgInstant", c.body AS "body: Json<Case>"
           FROM (SELECT id, case_id, assumed_at FROM instruction
                 WHERE open AND NOT reached AND (assumed_at, id) > ($1, $2)
                   AND ($3::text IS NULL OR county = $3) AND ($4::text IS NULL OR township = $4)
                   AND ($5::text IS NULL OR agency = $5) AND ($7::text IS NULL OR level = $7)
                   AND ($8::smallint IS NULL OR resends < $8)
                 ORDER BY assumed_at, id LIMIT $6) i
           JOIN case_file c ON c.id = i.case_id ORDER BY i.assumed_at, i.id"#,
        PgInstant(at) as PgInstant,
        id,
        county,
        township,
        asked.agency.map(Agency::code),
        limit,
        asked.level.map(Level::code),
        resent_below
    )
    .fetch_all(conn)
    .await?;
    let one = |(id, at, case): (Uuid, PgInstant, Case)| Unreached { id, assumed_at: at.into(), case };
    Ok(rows.into_iter().map(|row| one((row.id, row.assumed_at, row.body.0))).collect())
}

/// Which of these instructions wait to be put on the bus.
pub(crate) async fn waiting(conn: &mut PgConnection, ids: &[Uuid], stream: &str) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT e.aggregate_id FROM outbox o JOIN event_log e ON e.recorded_at = o.recorded_at AND e.position = o.position
         WHERE o.stream = $2 AND e.aggregate_id = ANY($1)",
        ids,
        stream
    )
    .fetch_all(conn)
    .await
}

/// Which of these units have a system of their own, by agency, level and region.
pub(crate) async fn with_system(
    conn: &mut PgConnection,
    units: &[(String, String, String)],
) -> sqlx::Result<Vec<(String, String, String)>> {
    let agencies: Vec<&str> = units.iter().map(|unit| unit.0.as_str()).collect();
    let levels: Vec<&str> = units.iter().map(|unit| unit.1.as_str()).collect();
    let regions: Vec<&str> = units.iter().map(|unit| unit.2.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT s.agency, s.level, s.region FROM agency_system s
         JOIN (SELECT DISTINCT * FROM UNNEST($1::text[], $2::text[], $3::text[]) AS u (agency, level, region)) u
         USING (agency, level, region)",
        &agencies as &[&str],
        &levels as &[&str],
        &regions as &[&str]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.agency, row.level, row.region)).collect())
}
