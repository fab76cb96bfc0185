//! What the units that handle tips do, under the database's role for them: link tips of one matter, hand one on; and what dispatch tells.

use std::collections::HashMap;

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::tip::{Rejection, Verdict};
use dafei_kernel::region::Region;
use dafei_messaging::{log, requests::RequestKey};
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    publisher,
    store::{
        roles::{Acting, Officer},
        tips::{self, Row},
    },
    wire,
};

/// Two tips of one matter.
pub(crate) struct Linking {
    pub(crate) tip: Uuid,
    pub(crate) first: Uuid,
    pub(crate) adds: bool,
}

/// Links a tip to the first of its matter; what was linked to it follows, if all of it may.
///
/// # Errors
/// When a tip is not in the caller's region, the rules stand against it, or the database is away.
pub(crate) async fn link(
    app: &App,
    request: (RequestKey, [u8; 32]),
    within: &Region,
    ask: &Linking,
) -> Result<api::LinkTipsResponse, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, request.0, &request.1).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    let mut officer = Acting::<Officer>::take(once.conn()).await.map_err(faults::database)?;
    let first = resolved(officer.conn(), ask.first).await?;
    let mut rows = locked(app, officer.conn(), within, &[ask.tip, first]).await?;
    let first = rows.remove(&first).ok_or_else(absent)?.tip;
    let mut later = rows.remove(&ask.tip).ok_or_else(|| refused(Rejection::Itself))?;
    let roster = app.roster.current();
    later.tip.link(&first, ask.adds, &roster).map_err(refused)?;
    for follower in followers(officer.conn(), ask.tip).await.map_err(faults::database)? {
        follower.tip.may_follow(&first, &roster).map_err(refused)?;
    }
    let event = publisher::tips::linked(app, &mut later, &first, now).map_err(Fault::internal)?;
    tips::relink(officer.conn(), ask.tip, first.facts.id).await.map_err(faults::database)?;
    save(officer, &mut later).await?;
    log::append(once.conn(), &[event]).await.map_err(Fault::internal)?;
    once.finish(api::LinkTipsResponse { tip: Some(wire::tips::tip(&later.tip)) }).await
}

/// The city's office hands a tip to a county's.
///
/// # Errors
/// As [`link`].
pub(crate) async fn forward(
    app: &App,
    request: (RequestKey, [u8; 32]),
    within: &Region,
    (tip, county): (Uuid, &Region),
) -> Result<api::ForwardTipResponse, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, request.0, &request.1).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    let mut officer = Acting::<Officer>::take(once.conn()).await.map_err(faults::database)?;
    let mut row = locked(app, officer.conn(), within, &[tip]).await?.remove(&tip).ok_or_else(absent)?;
    row.tip.forward(county, &app.roster.current()).map_err(refused)?;
    let event = publisher::tips::received(app, &mut row, now).map_err(Fault::internal)?;
    save(officer, &mut row).await?;
    log::append(once.conn(), &[event]).await.map_err(Fault::internal)?;
    once.finish(api::ForwardTipResponse { tip: Some(wire::tips::tip(&row.tip)) }).await
}

/// The first tip of a matter, for one that is linked; links have no chains.
async fn resolved(conn: &mut PgConnection, id: Uuid) -> Result<Uuid, Fault> {
    let tip = tips::get(conn, id).await.map_err(faults::database)?.ok_or_else(absent)?;
    Ok(tip.body.link.map_or(id, |link| link.first_tip_id))
}

/// What is linked to a tip, locked, of whatever region. The tip is locked already, so none is linked to it any more meanwhile.
async fn followers(conn: &mut PgConnection, of: Uuid) -> sqlx::Result<Vec<Row>> {
    let ids: Vec<Uuid> = tips::linked(conn, of, i64::MAX).await?.into_iter().map(|(id, _)| id).collect();
    tips::lock(conn, &ids).await
}

/// The tips, locked, all of the caller's region. One that is not there and one that is another's are told apart by nobody.
async fn locked(
    app: &App,
    conn: &mut PgConnection,
    within: &Region,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Row>, Fault> {
    let roster = app.roster.current();
    let rows = tips::lock(conn, ids).await.map_err(faults::database)?;
    let rows: HashMap<Uuid, Row> = rows
        .into_iter()
        .filter(|row| roster.contains(within, row.tip.body.recipient.region()))
        .map(|row| (row.tip.facts.id, row))
        .collect();
    if ids.iter().all(|id| rows.contains_key(id)) { Ok(rows) } else { Err(absent()) }
}

/// Writes a tip and goes back to the service's own role: the log and the answers are not the officer's.
async fn save(mut officer: Acting<'_, Officer>, row: &mut Row) -> Result<(), Fault> {
    tips::update(officer.conn(), std::slice::from_ref(row)).await.map_err(faults::database)?;
    row.tip.version += 1;
    officer.leave().await.map_err(faults::database)
}

/// There is no such tip for this caller.
pub(crate) fn absent() -> Fault {
    Fault::not_found("tip", "", "没有这条举报")
}

fn refused(rejection: Rejection) -> Fault {
    Fault::precondition(rejection.code(), "tip", rejection.to_string(), rejection.zh())
}

/// Takes what dispatch tells of tips, in the transaction of its events; the index of the first tip that is not there otherwise.
pub(crate) async fn verify(conn: &mut PgConnection, verdicts: &[(Uuid, Verdict)]) -> sqlx::Result<Option<usize>> {
    let ids: Vec<Uuid> = verdicts.iter().map(|(id, _)| *id).collect();
    let mut rows: HashMap<Uuid, Row> =
        tips::lock(conn, &ids).await?.into_iter().map(|row| (row.tip.facts.id, row)).collect();
    for (at, (id, verdict)) in verdicts.iter().enumerate() {
        let Some(row) = rows.get_mut(id) else { return Ok(Some(at)) };
        row.tip.verify(verdict.clone());
    }
    let rows: Vec<Row> = rows.into_values().collect();
    tips::update(conn, &rows).await?;
    Ok(None)
}
