//! Putting versions of checklists (clause B2): the built-in ones at the start, a county's own by call.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::checklist::{Checklist, builtin};
use dafei_kernel::region::Region;
use dafei_messaging::{pg::PgInstant, requests::RequestKey, tx};
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use sqlx::types::Json;

use crate::{
    app::App,
    store::checklists::{self, Version},
    wire,
};

/// A version that was checked.
pub(crate) struct NewVersion {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) county: Region,
    pub(crate) checklist: Checklist,
    /// Subject of who puts it.
    pub(crate) by: String,
}

/// Stores the built-in checklists that this build has and the database has not; the older versions stay.
///
/// # Errors
/// When a file of the build is broken or the database is away.
pub async fn load_builtin(app: &App) -> anyhow::Result<()> {
    let builtin = builtin()?;
    let mut tx = tx::begin_write(&app.pool).await?;
    checklists::add_changed(&mut tx, builtin, app.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Puts a new version of a county's checklist.
///
/// # Errors
/// When the request id stands for another payload, or the database is away.
pub(crate) async fn put(app: &App, new: NewVersion) -> Result<api::PutChecklistResponse, Fault> {
    let (key, hash) = new.request;
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    checklists::lock(once.conn()).await.map_err(faults::database)?;
    let id = format!("{}@{}", new.checklist.sector.code(), new.county.code());
    let before = checklists::get(once.conn(), &id, 0).await.map_err(faults::database)?;
    let version = Version {
        id,
        version: before.map_or(1, |before| before.version + 1),
        county: new.county.code().to_string(),
        body: Json(new.checklist),
        put_at: PgInstant(once.now),
    };
    checklists::insert(once.conn(), &version, &new.by).await.map_err(faults::database)?;
    once.finish(api::PutChecklistResponse { checklist: Some(wire::checklists::checklist(&version)) }).await
}
