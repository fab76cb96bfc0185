//! What waits for a unit: at a centre's or office's desk, or with an agency; and cases that may be of one matter.

use dafei_dispatch_core::case::{Case, Stage};
use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::wire;

/// What a list is narrowed to; all where none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrow {
    pub(crate) act: Option<String>,
    pub(crate) sector: Option<String>,
    pub(crate) source: Option<i16>,
}

/// An entry: the case, and since when the unit has it. The id is that of the entry: the case's, or the instruction's.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) since: Instant,
    pub(crate) case: Case,
}

/// Whose desk a case is on: of a centre or an office that has to decide; since when, and whether it came back there.
fn on_desk(case: &Case) -> Option<(Post, Instant, bool)> {
    let returned = match &case.stage {
        Stage::Declined { .. } => true,
        Stage::AtOffice => {
            let last = case.instructions.iter().rev().find(|instruction| instruction.lead);
            last.is_some_and(|instruction| {
                instruction.declined.is_some() && instruction.post.region == *case.facts.office_region()
            })
        }
        Stage::AtCentre | Stage::TownshipResult { .. } | Stage::DepartmentResult { .. } => false,
        Stage::WithTownshipAgency { .. }
        | Stage::WithDepartment { .. }
        | Stage::OutcomeAvailable { .. }
        | Stage::Closed { .. } => return None,
    };
    Some((case.stage_owner()?, case.since.unwrap_or(case.facts.reached_at), returned))
}

/// The code under which a source is stored: that of the API.
pub(crate) fn source_code(case: &Case) -> i16 {
    i16::try_from(i32::from(wire::source(case.facts.source))).unwrap_or(0)
}

/// Puts cases on the desks where they are now, and takes away those that are on none.
pub(crate) async fn put(conn: &mut PgConnection, cases: &[&Case]) -> sqlx::Result<()> {
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for case in cases {
        match on_desk(case) {
            Some(place) => on.push((*case, place)),
            None => off.push(case.facts.id),
        }
    }
    if !off.is_empty() {
        sqlx::query!("DELETE FROM desk WHERE case_id = ANY($1)", &off).execute(&mut *conn).await?;
    }
    if on.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = on.iter().map(|(case, _)| case.facts.id).collect();
    let roles: Vec<&str> = on.iter().map(|(_, (post, ..))| post.role.code()).collect();
    let regions: Vec<&str> = on.iter().map(|(_, (post, ..))| post.region.code().as_str()).collect();
    let since: Vec<PgInstant> = on.iter().map(|(_, (_, since, _))| PgInstant(*since)).collect();
    let returned: Vec<bool> = on.iter().map(|(_, (.., returned))| *returned).collect();
    let acts: Vec<&str> = on.iter().map(|(case, _)| case.facts.act.code()).collect();
    let sectors: Vec<&str> = on.iter().map(|(case, _)| case.facts.act.sector().code()).collect();
    let sources: Vec<i16> = on.iter().map(|(case, _)| source_code(case)).collect();
    sqlx::query!(
        "INSERT INTO desk (case_id, role, region, since, returned, act, sector, source)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bool[], $6::text[], $7::text[], $8::smallint[])
         ON CONFLICT (case_id) DO UPDATE
         SET role = excluded.role, region = excluded.region, since = excluded.since, returned = excluded.returned",
        &ids,
        &roles as &[&str],
        &regions as &[&str],
        &since as &[PgInstant],
        &returned,
        &acts as &[&str],
        &sectors as &[&str],
        &sources
    )
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! entries {
    ($rows:expr) => {
        $rows.into_iter().map(|row| Entry { id: row.id, since: row.since.into(), case: row.body.0 }).collect()
    };
}

/// A page of a desk, the longest there first; only what came back where `returned`.
pub(crate) async fn desk(
    conn: &mut PgConnection,
    (unit, returned): (&Post, bool),
    narrow: &Narrow,
    after: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    let (since, id) = after.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
    let rows = sqlx::query!(
        r#"SELECT d.case_id AS id, d.since AS "since: PgInstant", c.body AS "body: Json<Case>"
           FROM (SELECT case_id, since FROM desk
                 WHERE role = $1 AND region = $2 AND (since, case_id) > ($3, $4) AND (NOT $5 OR returned)
                   AND ($6::text IS NULL OR act = $6) AND ($7::text IS NULL OR sector = $7)
                   AND ($8::smallint IS NULL OR source = $8)
                 ORDER BY since, case_id LIMIT $9) d
           JOIN case_file c ON c.id = d.case_id ORDER BY d.since, d.case_id"#,
        unit.role.code(),
        unit.region.code().as_str(),
        PgInstant(since) as PgInstant,
        id,
        returned,
        narrow.act.as_deref(),
        narrow.sector.as_deref(),
        narrow.source,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(entries!(rows))
}

/// A page of an agency's open instructions, oldest first.
pub(crate) async fn with_agency(
    conn: &mut PgConnection,
    unit: &Post,
    narrow: &Narrow,
    after: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    let (since, id) = after.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
    let rows = sqlx::query!(
        r#"SELECT i.id, i.issued_at AS "since: PgInstant", c.body AS "body: Json<Case>"
           FROM (SELECT id, case_id, issued_at FROM instruction
                 WHERE agency = $1 AND level = $2 AND region = $3 AND open AND (issued_at, id) > ($4, $5)
                   AND ($6::text IS NULL OR act = $6) AND ($7::text IS NULL OR sector = $7)
                   AND ($8::smallint IS NULL OR source = $8)
                 ORDER BY issued_at, id LIMIT $9) i
           JOIN case_file c ON c.id = i.case_id ORDER BY i.issued_at, i.id"#,
        unit.agency.map_or("", |agency| agency.code()),
        unit.region.level().code(),
        unit.region.code().as_str(),
        PgInstant(since) as PgInstant,
        id,
        narrow.act.as_deref(),
        narrow.sector.as_deref(),
        narrow.source,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(entries!(rows))
}

/// A page of what an agency returned, newest first.
pub(crate) async fn returned_by_agency(
    conn: &mut PgConnection,
    unit: &Post,
    narrow: &Narrow,
    before: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    let (since, id) = before.unwrap_or((Instant::MAX, Uuid::max()));
    let rows = sqlx::query!(
        r#"SELECT i.id, i.issued_at AS "since: PgInstant", c.body AS "body: Json<Case>"
           FROM (SELECT id, case_id, issued_at FROM instruction
                 WHERE agency = $1 AND level = $2 AND region = $3 AND declined AND (issued_at, id) < ($4, $5)
                   AND ($6::text IS NULL OR act = $6) AND ($7::text IS NULL OR sector = $7)
                   AND ($8::smallint IS NULL OR source = $8)
                 ORDER BY issued_at DESC, id DESC LIMIT $9) i
           JOIN case_file c ON c.id = i.case_id ORDER BY i.issued_at DESC, i.id DESC"#,
        unit.agency.map_or("", |agency| agency.code()),
        unit.region.level().code(),
        unit.region.code().as_str(),
        PgInstant(since) as PgInstant,
        id,
        narrow.act.as_deref(),
        narrow.sector.as_deref(),
        narrow.source,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(entries!(rows))
}

/// These cases, in any order.
pub(crate) async fn cases(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Case>> {
    let bodies = sqlx::query_scalar!(r#"SELECT body AS "body: Json<Case>" FROM case_file WHERE id = ANY($1)"#, ids)
        .fetch_all(conn)
        .await?;
    Ok(bodies.into_iter().map(|body| body.0).collect())
}

/// Cases of an office, a county's or else the city's own, with the same act, or of the same enterprise, that reached it since an instant; the
/// latest first.
pub(crate) async fn alike(
    conn: &mut PgConnection,
    (county, act): (Option<&Region>, &str),
    credit_code: Option<&str>,
    since: Instant,
    limit: i64,
) -> sqlx::Result<Vec<Case>> {
    // An arm for each: `IS NOT DISTINCT FROM` would look into no index.
    let bodies = sqlx::query_scalar!(
        r#"SELECT DISTINCT ON (reached_at, id) body AS "body!: Json<Case>" FROM (
               (SELECT id, reached_at, body FROM case_file WHERE county = $1 AND act = $2 AND reached_at >= $3
                ORDER BY reached_at DESC, id DESC LIMIT $5)
               UNION ALL
               (SELECT id, reached_at, body FROM case_file
                WHERE $1::text IS NULL AND county IS NULL AND act = $2 AND reached_at >= $3
                ORDER BY reached_at DESC, id DESC LIMIT $5)
               UNION ALL
               (SELECT id, reached_at, body FROM case_file
                WHERE credit_code = $4 AND reached_at >= $3 AND (county = $1 OR ($1 IS NULL AND county IS NULL))
                ORDER BY reached_at DESC, id DESC LIMIT $5)) alike
           ORDER BY reached_at DESC, id DESC"#,
        county.map(|county| county.code().as_str()),
        act,
        PgInstant(since) as PgInstant,
        credit_code,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(bodies.into_iter().map(|body| body.0).collect())
}
