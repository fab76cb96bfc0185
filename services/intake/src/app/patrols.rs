//! One transaction's work on patrols: a village's new patrols are one event (clause C1).

use std::collections::{BTreeMap, HashMap, HashSet};

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_intake_core::{
    device_time::{Corrected, DeviceTimes, correct},
    week::Week,
};
use dafei_kernel::{ids, owner::Post, region::RegionPath, time::Instant};
use dafei_messaging::event::NewEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{App, Refusal, cases::check_photos};
use crate::{
    publisher::{self, About, Cursor},
    store::patrols::{self, Book, PatrolRow},
};

/// A patrol on its way.
#[derive(Debug, Clone)]
pub(crate) struct Patrol {
    /// The regions from the city down to the village.
    pub(crate) path: RegionPath,
    pub(crate) object: String,
    pub(crate) situation: String,
    pub(crate) evidence: Vec<Uuid>,
    pub(crate) device: DeviceTimes,
    pub(crate) actor: Post,
    /// The token's subject.
    pub(crate) subject: String,
    pub(crate) traceparent: Option<String>,
}

impl Patrol {
    fn village(&self) -> String {
        self.path.leaf().code().to_string()
    }
}

/// The new patrols of one village by one post: an event.
struct Entry<'a> {
    first: &'a Patrol,
    items: Vec<ev::PatrolItem>,
}

/// The work of one transaction.
pub(crate) struct Patrols<'a> {
    app: &'a App,
    now: Instant,
    books: HashMap<String, Book>,
    counts: HashMap<(String, Week), i64>,
    rows: Vec<PatrolRow>,
    entries: BTreeMap<(String, Post), Entry<'a>>,
}

impl<'a> Patrols<'a> {
    /// Locks the books of the villages and counts what is there of the weeks.
    pub(crate) async fn load(
        app: &'a App,
        conn: &mut PgConnection,
        now: Instant,
        orders: impl Iterator<Item = &Patrol>,
    ) -> sqlx::Result<Self> {
        let weeks: HashSet<(String, Week)> =
            orders.map(|order| (order.village(), Week::of(correct(order.device, now).at))).collect();
        let weeks: Vec<_> = weeks.into_iter().collect();
        let villages: HashSet<&String> = weeks.iter().map(|(village, _)| village).collect();
        let villages: Vec<String> = villages.into_iter().cloned().collect();
        let books = patrols::lock_books(conn, &villages).await?;
        let counts = patrols::counts(conn, &weeks).await?;
        Ok(Self { app, now, books, counts, rows: Vec::new(), entries: BTreeMap::new() })
    }

    /// Takes a patrol.
    pub(crate) fn take(
        &mut self,
        order: &'a Patrol,
        photos: &HashSet<(Uuid, String)>,
    ) -> Result<api::RecordPatrolResponse, Refusal> {
        check_photos(&order.evidence, order.path.leaf(), photos)?;
        let Corrected { at, skewed } = correct(order.device, self.now);
        let id = self.app.ids.ordered(self.now);
        let village = order.village();
        let count = self.counts.entry((village.clone(), Week::of(at))).or_default();
        *count += 1;
        let patrols_this_week = u32::try_from(*count).unwrap_or(u32::MAX);
        let item = ev::PatrolItem {
            patrol_id: id.to_string(),
            patrolled_at: Some(at.into()),
            object: order.object.clone(),
            photos: u32::try_from(order.evidence.len()).unwrap_or(u32::MAX),
        };
        self.entries
            .entry((village.clone(), order.actor.clone()))
            .or_insert_with(|| Entry { first: order, items: Vec::new() })
            .items
            .push(item);
        self.rows.push(PatrolRow {
            id,
            village,
            patrolled_at: at,
            object: order.object.clone(),
            situation: order.situation.clone(),
            evidence: order.evidence.clone(),
            received_at: self.now,
            skewed,
            role: order.actor.role.code().to_owned(),
            recorded_by: order.subject.clone(),
        });
        Ok(api::RecordPatrolResponse {
            patrol_id: id.to_string(),
            patrolled_at: Some(at.into()),
            patrols_this_week,
        })
    }

    /// Writes the patrols and their books; the events go to `log`.
    pub(crate) async fn save(mut self, conn: &mut PgConnection, log: &mut Vec<NewEvent>) -> Result<(), Unsaved> {
        let begun: HashSet<String> = self.books.keys().cloned().collect();
        for ((village, actor), entry) in std::mem::take(&mut self.entries) {
            let book = self.books.entry(village.clone()).or_default();
            let path = &entry.first.path;
            let event = ev::PatrolsRecorded { meta: None, village: Some(path.leaf().into()), patrols: entry.items };
            let about = About {
                aggregate: ids::derived(&["patrol-book", &village]),
                path,
                actor: Some(&actor),
                claimed_at: None,
                traceparent: entry.first.traceparent.as_deref(),
            };
            let cursor = Cursor { sequence: &mut book.sequence, chain_head: &mut book.chain_head };
            log.push(publisher::next(self.app, self.now, event.into(), &about, cursor)?);
        }
        let (old, new): (Vec<_>, Vec<_>) = self
            .books
            .iter()
            .map(|(village, book)| (village.as_str(), book))
            .partition(|(village, _)| begun.contains(*village));
        patrols::insert(conn, &self.rows).await?;
        patrols::update_books(conn, &old).await?;
        patrols::insert_books(conn, &new).await?;
        Ok(())
    }
}

/// Patrols that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsaved {
    /// PostgreSQL.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// An event could not be made: a bug.
    #[error(transparent)]
    Event(#[from] dafei_contracts::catalogue::EventError),
}

impl From<Unsaved> for dafei_messaging::batch::BatchFailure {
    fn from(unsaved: Unsaved) -> Self {
        match unsaved {
            Unsaved::Sql(error) => error.into(),
            Unsaved::Event(error) => Self::Data(sqlx::Error::Encode(Box::new(error))),
        }
    }
}
