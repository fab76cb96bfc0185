//! Changes of the roster, from a file or one by one: checked as a whole, written as a whole, announced part by part (clause B1).

mod announce;
mod upload;

use std::{collections::BTreeSet, sync::Arc};

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::roster::{self, Change, Import, Parsed, Refused, RowError};
use dafei_kernel::{owner::Post, region::Region, roster::RosterIndex};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::{Fault, Violation};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    roster::lock,
};
use prost::Message;

use crate::{app::App, store::open_matters};
pub(crate) use upload::Upload;

/// Who asks for what.
pub(crate) struct Asked {
    pub(crate) request: RequestKey,
    pub(crate) payload_hash: [u8; 32],
    pub(crate) actor: Post,
}

/// A roster on its way into the tables.
struct Draft<'a> {
    before: &'a RosterIndex,
    after: &'a RosterIndex,
    touched: &'a BTreeSet<Region>,
    actor: &'a Post,
    /// The field that is at fault when a part becomes too large to be announced.
    field: &'static str,
}

/// Imports a file, all or nothing; after it, this process knows the new roster.
///
/// # Errors
/// Everything that is wrong with the file, by row and column; or that the request id stands for another file; or the database.
pub(crate) async fn import(app: &App, asked: Asked, file: Parsed) -> Result<api::ImportRosterResponse, Fault> {
    let Asked { request, payload_hash, actor } = asked;
    let mut once = match Once::begin(&app.pool, &*app.clock, request, &payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let (before, from) = locked(app, &mut once).await?;
    let import = check(app, &before, file).await?;
    let (after, touched) = (&import.roster, &import.touched);
    let draft = Draft { before: &before, after, touched, actor: &actor, field: "chunk" };
    let to = announce::write(app, &mut once, &draft).await?;
    let answer = once.finish(counts(&import)).await?;
    app.roster.advance(from, to.unwrap_or(from), import.roster).await;
    Ok(answer)
}

/// Checks and counts a file as [`import`] does, and writes nothing.
///
/// # Errors
/// As [`import`].
pub(crate) async fn dry_run(app: &App, actor: &Post, file: Parsed) -> Result<api::ImportRosterResponse, Fault> {
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    let (before, _) = app.roster.refresh(&mut conn).await.map_err(faults::roster)?;
    drop(conn);
    let import = check(app, &before, file).await?;
    let (after, touched) = (&import.roster, &import.touched);
    announce::check(app, &Draft { before: &before, after, touched, actor, field: "chunk" }).await?;
    Ok(counts(&import))
}

/// Carries a single change out. `wanted` reads it out of the request, unless that was answered before: what it removed may be gone.
/// `answer` is told whether anything is not as it was.
///
/// # Errors
/// Why it is refused; or that the request id stands for another change; or the database.
pub(crate) async fn change<A: Message + Default>(
    app: &App,
    asked: Asked,
    wanted: impl FnOnce(&RosterIndex) -> Result<Change, Fault>,
    answer: impl FnOnce(bool) -> A,
) -> Result<A, Fault> {
    let Asked { request, payload_hash, actor } = asked;
    let mut once = match Once::begin(&app.pool, &*app.clock, request, &payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let wanted = wanted(&app.roster.current())?;
    let (before, from) = locked(app, &mut once).await?;
    let gone = if let Change::RemoveRegion(region) = &wanted { Some(region.clone()) } else { None };
    let changed = roster::change(&before, wanted, app.roster_limits, once.now).map_err(refused)?;
    if let Some(region) = &gone {
        // Last, of a region that could go otherwise: who may not take it out learns nothing of its tips.
        open_matters::of(once.conn(), region).await.map_err(faults::database)?.check().map_err(refused)?;
    }
    let (after, touched) = (&changed.roster, &changed.touched);
    let draft = Draft { before: &before, after, touched, actor: &actor, field: "region" };
    let to = announce::write(app, &mut once, &draft).await?;
    let answer = once.finish(answer(!changed.touched.is_empty())).await?;
    app.roster.advance(from, to.unwrap_or(from), changed.roster).await;
    Ok(answer)
}

/// One change at a time: the next one starts from what this one leaves.
async fn locked(app: &App, once: &mut Once) -> Result<(Arc<RosterIndex>, i64), Fault> {
    lock(once.conn()).await.map_err(faults::roster)?;
    app.roster.refresh(once.conn()).await.map_err(faults::roster)
}

async fn check(app: &App, before: &Arc<RosterIndex>, file: Parsed) -> Result<Import, Fault> {
    let (before, limits) = (Arc::clone(before), app.roster_limits);
    tokio::task::spawn_blocking(move || roster::import(&before, file, limits))
        .await
        .map_err(Fault::internal)?
        .map_err(|errors| invalid(&errors))
}

fn counts(import: &Import) -> api::ImportRosterResponse {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    api::ImportRosterResponse {
        rows: count(import.rows),
        changed: count(import.changed),
        warnings: import.warnings.clone(),
    }
}

fn invalid(errors: &[RowError]) -> Fault {
    let violation = |error: &RowError| {
        let field = format!("row {}, column {}", error.row, error.column);
        let zh = format!("第{}行“{}”列：{}", error.row, error.column, error.description_zh);
        Violation::new(field, error.reason, error.description.clone(), zh)
    };
    Fault::InvalidArgument { violations: errors.iter().map(violation).collect() }
}

fn refused(refused: Refused) -> Fault {
    let Refused { field, reason, by_state, description, description_zh } = refused;
    if by_state {
        Fault::precondition(reason, field, description, description_zh)
    } else {
        Fault::field(field, reason, description, description_zh)
    }
}
