//! Reports that may be about one matter: a first choice by index, from which the core takes the likely ones.

use dafei_intake_core::{
    duplicates::{Candidate, Likeness, credit_code, position},
    suspicion::{Facts, State, StateKind},
};
use dafei_kernel::{
    geo::BoundingBox,
    region::{Level, Region},
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};

/// Most candidates that are looked at.
const CANDIDATES: i64 = 200;

/// A candidate with what is shown of it.
pub(crate) struct Found {
    pub(crate) candidate: Candidate,
    pub(crate) village: Region,
    pub(crate) state: StateKind,
}

fn found(facts: Json<Facts>, body: &Json<State>) -> Found {
    let village = facts.village().clone();
    let Facts { id, act, subject, found_at, .. } = facts.0;
    Found { candidate: Candidate { id, act, subject, found_at }, village, state: body.kind() }
}

/// Reports of the same act that have not ended, within the county or only within the township: of the same enterprise, or of a den whose
/// position lies within the radius or a little beyond.
pub(crate) async fn candidates(
    conn: &mut PgConnection,
    of: &Facts,
    likeness: Likeness,
    township_only: bool,
) -> sqlx::Result<Vec<Found>> {
    let code = |level| of.path.at(level).map_or("", |region| region.code().as_str());
    let (county, township) = (code(Level::County), if township_only { code(Level::Township) } else { "" });
    let (from, until) = likeness.window(of.found_at);
    if let Some(code) = credit_code(&of.subject) {
        let rows = sqlx::query!(
            r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>" FROM suspicion
               WHERE credit_code = $1 AND act = $2 AND NOT ended AND found_at BETWEEN $3 AND $4 AND id <> $5
                 AND county = $6 AND ($7 = '' OR township = $7)
               ORDER BY recorded_at DESC, id DESC LIMIT $8"#,
            code.as_str(),
            of.act.code(),
            PgInstant(from) as PgInstant,
            PgInstant(until) as PgInstant,
            of.id,
            county,
            township,
            CANDIDATES
        )
        .fetch_all(conn)
        .await?;
        return Ok(rows.into_iter().map(|row| found(row.facts, &row.body)).collect());
    }
    let Some(centre) = position(&of.subject) else { return Ok(Vec::new()) };
    let near = BoundingBox::around(centre, f64::from(likeness.radius_m));
    let rows = sqlx::query!(
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>" FROM suspicion
           WHERE act = $1 AND lat_e7 BETWEEN $2 AND $3 AND lon_e7 BETWEEN $4 AND $5
             AND NOT ended AND found_at BETWEEN $6 AND $7 AND id <> $8
             AND county = $9 AND ($10 = '' OR township = $10)
           ORDER BY recorded_at DESC, id DESC LIMIT $11"#,
        of.act.code(),
        near.min_lat_e7,
        near.max_lat_e7,
        near.min_lon_e7,
        near.max_lon_e7,
        PgInstant(from) as PgInstant,
        PgInstant(until) as PgInstant,
        of.id,
        county,
        township,
        CANDIDATES
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| found(row.facts, &row.body)).collect())
}
