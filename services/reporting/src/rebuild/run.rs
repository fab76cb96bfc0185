//! One rebuild: the raw log is read in pages, counted on other threads while the next pages come, and written as it comes back in order.

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use dafei_messaging::sessions;
use dafei_reporting_core::LeafUnit;
use futures::{TryStreamExt as _, stream};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    counting::{Counted, facts_in, replacement_in},
    store::{self, FactRows, Received, rebuilds, shadow},
};

/// Events of a page: some MB.
const PAGE: i64 = 4_000;
/// Pages that are counted at the same time.
const AHEAD: usize = 3;
/// How many cells that differ are kept.
const EXAMPLES: i64 = 100;
/// How often it is noted how far it is.
const NOTED: Duration = Duration::from_secs(1);

/// Why a rebuild was broken off.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    /// PostgreSQL.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// An event of the raw log can no longer be counted.
    #[error("event {event_id} cannot be counted: {reason}")]
    Event { event_id: Uuid, reason: String },
    /// Counting panicked.
    #[error("{0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// What a page counts for.
struct Page {
    events: i64,
    rows: FactRows,
    units: BTreeMap<Uuid, LeafUnit>,
}

/// Rebuilds and compares; says how many cells differ.
pub(super) async fn run(pool: &PgPool, rebuild_id: Uuid) -> Result<i64, RunError> {
    let mut reader = sessions::long(pool).await?;
    let mut writer = sessions::long(pool).await?;
    shadow::clear_shadow(&mut writer).await?;
    shadow::begin_snapshot(&mut reader).await?;
    shadow::copy_served(&mut reader, &mut writer).await?;
    let mut units = BTreeMap::new();
    let (mut events, mut facts, mut noted) = (0, 0, Instant::now());
    let mut copy = shadow::FactCopy::begin(&mut writer).await?;
    let pages = stream::try_unfold((reader, 0), |(mut reader, after)| async move {
        let page = store::page(&mut reader, after, PAGE).await?;
        let next = page.last().map(|last| last.position);
        Ok::<_, RunError>(next.map(|next| (page, (reader, next))))
    });
    let counted = pages.map_ok(|page| async { tokio::task::spawn_blocking(move || count(&page)).await? });
    let mut counted = pin!(counted.try_buffered(AHEAD));
    while let Some(page) = counted.try_next().await? {
        copy.send(page.rows.bytes()).await?;
        events += page.events;
        facts += page.rows.facts;
        units.extend(page.units);
        if noted.elapsed() >= NOTED {
            rebuilds::advance(pool, rebuild_id, events, facts).await?;
            noted = Instant::now();
        }
    }
    copy.finish().await?;
    rebuilds::advance(pool, rebuild_id, events, facts).await?;
    shadow::add_shadow_units(&mut writer, &units).await?;
    let differing = shadow::compare(&mut writer, rebuild_id, EXAMPLES).await?;
    shadow::clear_shadow(&mut writer).await?;
    Ok(differing)
}

/// What a page of the raw log counts for, by the rules by which the consumers count.
fn count(page: &[Received]) -> Result<Page, RunError> {
    let mut rows = FactRows::default();
    // A unit's id is a hash: once a page is enough.
    let mut ids: BTreeMap<LeafUnit, Uuid> = BTreeMap::new();
    let mut unit = |leaf: &LeafUnit| match ids.get(leaf) {
        Some(id) => *id,
        None => *ids.entry(leaf.clone()).or_insert_with(|| store::unit_id(leaf)),
    };
    for received in page {
        let Received { position, event_id, sequence, event_type, payload } = received;
        let counted = Counted { event_id: *event_id, sequence: *sequence, event_type, payload };
        let cannot = |reason| RunError::Event { event_id: *event_id, reason };
        for fact in facts_in(counted).map_err(cannot)? {
            rows.fact(&fact, unit(&fact.leaf), *position);
        }
        if let Some(told) = replacement_in(counted).map_err(cannot)? {
            for fact in &told.facts {
                rows.standing(fact, unit(&fact.leaf), told.entry, told.sequence);
            }
            for secretary in &told.secretaries {
                rows.secretary(secretary, unit(&secretary.leaf), told.entry, told.sequence);
            }
            if told.facts.is_empty() && told.secretaries.is_empty() {
                rows.nothing(told.entry, told.sequence);
            }
        }
    }
    let events = i64::try_from(page.len()).unwrap_or(i64::MAX);
    Ok(Page { events, rows, units: ids.into_iter().map(|(leaf, id)| (id, leaf)).collect() })
}
