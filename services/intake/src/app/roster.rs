//! The import of a roster file: checked as a whole, written as a whole, announced part by part (clause B1).

use std::collections::BTreeSet;

use dafei_contracts::{Event, events::v1 as ev, intake::v1 as api};
use dafei_intake_core::roster::{self, Contents, File, Import, RowError, Unit};
use dafei_kernel::{
    ids,
    owner::Post,
    region::{Level, Region, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::{
    event::{MAX_PAYLOAD, NewEvent},
    log,
    requests::RequestKey,
};
use dafei_runtime::status::{Fault, Violation};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    roster::{RosterPart, RosterRegion, RosterView, replace},
};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    publisher::Meta,
    store::heads::{self, Head},
    work,
};

/// Events of one statement: snapshots are large.
const CHUNK: usize = 64;

/// A file that was received.
pub(crate) struct Upload {
    pub(crate) request: RequestKey,
    pub(crate) actor: Post,
    pub(crate) file: File,
    pub(crate) bytes: Vec<u8>,
}

/// Imports a file, all or nothing; after it, this process knows the new roster.
///
/// # Errors
/// Everything that is wrong with the file, by row and column; or that the request id stands for another file; or the database.
pub(crate) async fn import(app: &App, upload: Upload) -> Result<api::ImportRosterResponse, Fault> {
    let Upload { request, actor, file, bytes } = upload;
    let hash = payload_hash(file, &bytes);
    let mut once = match Once::begin(&app.pool, &*app.clock, request, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    // One import at a time: the next one starts from what this one leaves.
    heads::lock_imports(once.conn()).await.map_err(faults::database)?;
    let now = once.now;
    let view = RosterView::load(&app.pool).await.map_err(Fault::internal)?;
    let import = tokio::task::spawn_blocking(move || roster::import(&contents(&view.current()), file, &bytes))
        .await
        .map_err(Fault::internal)?
        .map_err(|errors| invalid(&errors))?;
    if !import.touched.is_empty() {
        write(app, once.conn(), &import, &actor, now).await?;
    }
    let answer = api::ImportRosterResponse {
        rows: count(import.rows),
        changed: count(import.changed),
        warnings: import.warnings,
    };
    let answer = once.finish(answer).await?;
    app.roster.reload(&app.pool).await.map_err(Fault::internal)?;
    Ok(answer)
}

fn payload_hash(file: File, bytes: &[u8]) -> [u8; 32] {
    let kind: &[u8] = match file {
        File::Regions => b"regions\n",
        File::Holders => b"holders\n",
        File::Enterprises => b"enterprises\n",
    };
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update(bytes);
    hash.finalize().into()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The whole roster as data.
fn contents(index: &RosterIndex) -> Contents {
    let entries = || Level::ALL.iter().flat_map(|level| index.of_level(*level));
    Contents::new(
        entries().cloned(),
        entries().flat_map(|entry| index.holders(&entry.region)).cloned(),
        index.enterprises().cloned(),
    )
}

fn invalid(errors: &[RowError]) -> Fault {
    let violation = |error: &RowError| {
        let field = format!("row {}, column {}", error.row, error.column);
        let zh = format!("第{}行“{}”列：{}", error.row, error.column, error.description_zh);
        Violation::new(field, error.reason, error.description.clone(), zh)
    };
    Fault::InvalidArgument { violations: errors.iter().map(violation).collect() }
}

/// Writes the parts that have changed, and their snapshots: city, counties, townships.
async fn write(app: &App, conn: &mut PgConnection, import: &Import, actor: &Post, now: Instant) -> Result<(), Fault> {
    let parts = parts(&import.contents, &import.touched)?;
    let plain: Vec<RosterPart> = parts.iter().map(|(_, part)| part.clone()).collect();
    replace(conn, &plain).await.map_err(Fault::internal)?;
    let ids: Vec<Uuid> = parts.iter().map(|(_, part)| aggregate(&part.region)).collect();
    let mut known = heads::lock(conn, &ids).await.map_err(faults::database)?;
    let (mut rows, mut moved) = (Vec::new(), Vec::new());
    for ((path, part), id) in parts.iter().zip(ids) {
        let mut head = known.remove(&id).unwrap_or_default();
        rows.push(snapshot(app, now, path, part, actor, &mut head)?);
        moved.push((id, head));
    }
    for chunk in rows.chunks(CHUNK) {
        log::append(conn, chunk).await.map_err(Fault::internal)?;
    }
    heads::store(conn, &moved).await.map_err(faults::database)
}

fn aggregate(region: &Region) -> Uuid {
    ids::derived(&["roster", region.level().code(), region.code().as_str()])
}

fn snapshot(
    app: &App,
    now: Instant,
    path: &RegionPath,
    part: &RosterPart,
    actor: &Post,
    head: &mut Head,
) -> Result<NewEvent, Fault> {
    let meta = Meta {
        aggregate: aggregate(&part.region),
        sequence: head.sequence + 1,
        path,
        actor: Some(actor),
        received_at: now,
        claimed_at: None,
        chain: head.chain.clone(),
    };
    let event = Event::from(ev::RosterSnapshot::from(part));
    let trace = dafei_runtime::telemetry::current_traceparent();
    let row = work::row(app, now, event, meta, trace, head).map_err(Fault::internal)?;
    if row.payload.len() > MAX_PAYLOAD {
        let zh = format!("{}的内容过多，无法发布", part.region.code());
        return Err(Fault::field("chunk", "PART_TOO_LARGE", format!("{} is too large to announce", part.region), zh));
    }
    Ok(row)
}

/// The touched parts with their paths.
fn parts(contents: &Contents, touched: &BTreeSet<Region>) -> Result<Vec<(RegionPath, RosterPart)>, Fault> {
    let part = |unit: Unit| {
        let path = RegionPath::new(unit.path).map_err(Fault::internal)?;
        let regions = unit.regions.into_iter().map(|entry| RosterRegion {
            region: entry.region,
            name: entry.name,
            parent: entry.parent,
            work_area: entry.work_area,
        });
        let part = RosterPart {
            region: unit.region,
            regions: regions.collect(),
            holders: unit.holders,
            enterprises: unit.enterprises,
        };
        Ok((path, part))
    };
    contents.units(touched).into_iter().map(part).collect()
}
