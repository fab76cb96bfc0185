//! Lists of cases of chosen acts and sources. Each combination is read by its own key, as far as a page goes, and the pages are merged: a rare
//! act costs no more than a frequent one.

use dafei_dispatch_core::case::Case;
use dafei_kernel::region::Level;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};

use super::cases::CaseFilter;

/// The acts and sources asked for, as their columns hold them.
#[derive(Debug, Clone)]
pub(crate) struct Kinds {
    pub(crate) acts: Vec<String>,
    pub(crate) sources: Vec<i16>,
}

macro_rules! page {
    ($conn:expr, $filter:expr, $kinds:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.start();
        let bodies = sqlx::query_scalar!(
            r#"SELECT c.body AS "body: Json<Case>"
               FROM (SELECT f.id, f.reached_at
                     FROM UNNEST($6::smallint[]) AS s (source) CROSS JOIN UNNEST($7::text[]) AS a (act)
                     CROSS JOIN UNNEST($8::bool[]) AS k (closed)
                     CROSS JOIN LATERAL (
                         SELECT id, reached_at FROM case_file
                         WHERE closed = k.closed AND source = s.source AND act = a.act AND ($1::smallint[] = '{}' OR state = ANY($1))
                               AND (reached_at, id) < ($2, $3) AND reached_at >= $5 AND "# + $where
                + r#" ORDER BY reached_at DESC, id DESC LIMIT $4) f
                     ORDER BY f.reached_at DESC, f.id DESC LIMIT $4) p
               JOIN case_file c ON c.id = p.id ORDER BY p.reached_at DESC, p.id DESC"#,
            &$filter.states,
            PgInstant(at) as PgInstant,
            id,
            $filter.limit,
            PgInstant($filter.reached.0) as PgInstant,
            &$kinds.sources,
            &$kinds.acts,
            if $filter.open_only { &[false][..] } else { &[false, true][..] }
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        Ok(bodies.into_iter().map(|body| body.0).collect())
    }};
}

/// A page of cases of these kinds, newest first.
pub(super) async fn list(conn: &mut PgConnection, filter: &CaseFilter<'_>, kinds: &Kinds) -> sqlx::Result<Vec<Case>> {
    let code = filter.region.code().to_string();
    match filter.region.level() {
        Level::City => page!(conn, filter, kinds, "TRUE"),
        Level::County => page!(conn, filter, kinds, "county = $9", code),
        Level::Township => page!(conn, filter, kinds, "township = $9", code),
        Level::Village => of_villages(conn, filter, kinds, &[code]).await,
        Level::WorkArea => of_villages(conn, filter, kinds, &filter.villages).await,
    }
}

/// A village has so few cases that they are read by it alone.
async fn of_villages(
    conn: &mut PgConnection,
    filter: &CaseFilter<'_>,
    kinds: &Kinds,
    villages: &[String],
) -> sqlx::Result<Vec<Case>> {
    let (at, id) = filter.start();
    let bodies = sqlx::query_scalar!(
        r#"SELECT body AS "body: Json<Case>" FROM case_file
           WHERE village = ANY($1) AND source = ANY($2) AND act = ANY($3) AND ($4::smallint[] = '{}' OR state = ANY($4))
                 AND (reached_at, id) < ($5, $6) AND reached_at >= $7
           ORDER BY reached_at DESC, id DESC LIMIT $8"#,
        villages,
        &kinds.sources,
        &kinds.acts,
        &filter.states,
        PgInstant(at) as PgInstant,
        id,
        PgInstant(filter.reached.0) as PgInstant,
        filter.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(bodies.into_iter().map(|body| body.0).collect())
}
