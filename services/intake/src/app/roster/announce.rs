//! The parts that a change touches, into the tables and as snapshots into the event log.

use dafei_contracts::{Event, events::v1 as ev};
use dafei_intake_core::roster::announced;
use dafei_kernel::{
    ids,
    region::{Region, RegionPath},
    roster::RosterPart,
    time::Instant,
};
use dafei_messaging::{
    event::{MAX_PAYLOAD, NewEvent},
    log::{self, AppendError},
};
use dafei_runtime::{status::Fault, telemetry};
use dafei_shell::{faults, once::Once, roster::replace};
use uuid::Uuid;

use super::Draft;
use crate::{
    app::App,
    publisher::Meta,
    store::heads::{self, Head},
    work,
};

/// Parts that are made and written at a time: a national roster has more than 44,000.
const CHUNK: usize = 128;

/// Events of one statement: snapshots are large.
const EVENTS: usize = 64;

/// Writes the touched parts and their snapshots: city, counties, townships. Answers with the roster's revision; none when nothing is touched.
pub(super) async fn write(app: &App, once: &mut Once, draft: &Draft<'_>) -> Result<Option<i64>, Fault> {
    let now = once.now;
    let mut revision = None;
    let mut parts = announced(draft.before, draft.after, draft.touched);
    loop {
        let (paths, chunk): (Vec<RegionPath>, Vec<RosterPart>) = parts.by_ref().take(CHUNK).unzip();
        if chunk.is_empty() {
            return Ok(revision);
        }
        revision = Some(replace(once.conn(), &chunk).await.map_err(faults::roster)?);
        let ids: Vec<Uuid> = chunk.iter().map(|part| aggregate(&part.region)).collect();
        let mut known = heads::lock(once.conn(), &ids).await.map_err(faults::database)?;
        let (mut rows, mut moved) = (Vec::new(), Vec::new());
        for ((path, part), id) in paths.iter().zip(&chunk).zip(ids) {
            let mut head = known.remove(&id).unwrap_or_default();
            rows.push(snapshot(app, now, path, part, draft, &mut head)?);
            moved.push((id, head));
        }
        for rows in rows.chunks(EVENTS) {
            log::append(once.conn(), rows).await.map_err(appended)?;
        }
        heads::store(once.conn(), &moved).await.map_err(faults::database)?;
    }
}

/// Whether every touched part could be announced.
pub(super) async fn check(app: &App, draft: &Draft<'_>) -> Result<(), Fault> {
    let now = app.clock.now();
    for (count, (path, part)) in announced(draft.before, draft.after, draft.touched).enumerate() {
        snapshot(app, now, &path, &part, draft, &mut Head::default())?;
        if count % CHUNK == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

fn appended(error: AppendError) -> Fault {
    match error {
        AppendError::Sql(error) => faults::database(error),
        error @ (AppendError::TooLarge { .. } | AppendError::Unpublishable { .. }) => Fault::internal(error),
    }
}

fn aggregate(region: &Region) -> Uuid {
    ids::derived(&["roster", region.level().code(), region.code().as_str()])
}

fn snapshot(
    app: &App,
    now: Instant,
    path: &RegionPath,
    part: &RosterPart,
    draft: &Draft<'_>,
    head: &mut Head,
) -> Result<NewEvent, Fault> {
    let meta = Meta {
        aggregate: aggregate(&part.region),
        sequence: head.sequence + 1,
        path,
        actor: Some(draft.actor),
        person: "",
        received_at: now,
        claimed_at: None,
        chain: head.chain.clone(),
    };
    let event = Event::from(ev::RosterSnapshot::from(part));
    let row = work::row(app, now, event, meta, telemetry::current_traceparent(), head).map_err(Fault::internal)?;
    if row.payload.len() > MAX_PAYLOAD {
        let zh = format!("{}的内容过多，无法发布", part.region.code());
        let en = format!("{} is too large to announce", part.region);
        return Err(Fault::field(draft.field, "PART_TOO_LARGE", en, zh));
    }
    Ok(row)
}
