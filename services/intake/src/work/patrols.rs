//! The patrols of one transaction: one event for each village's.

use std::collections::{BTreeMap, HashMap};

use dafei_intake_core::{
    device_time::{self, DeviceTimes},
    week,
};
use dafei_kernel::{
    ids,
    owner::Post,
    region::{Region, RegionPath},
    time::Instant,
};
use dafei_messaging::{batch::BatchFailure, event::NewEvent};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    publisher::{self, Meta},
    store::{
        heads,
        patrols::{self, Patrol, Week},
    },
};

/// A patrol on its way.
#[derive(Debug, Clone)]
pub(crate) struct NewPatrol {
    pub(crate) id: Uuid,
    pub(crate) village: Region,
    pub(crate) path: RegionPath,
    pub(crate) object: String,
    pub(crate) situation: String,
    pub(crate) evidence: Vec<Uuid>,
    pub(crate) device: DeviceTimes,
    pub(crate) actor: Post,
    pub(crate) traceparent: Option<String>,
}

/// What became of a patrol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) id: Uuid,
    pub(crate) at: Instant,
    pub(crate) this_week: u32,
}

/// Who patrolled a village in this transaction.
struct Book {
    path: RegionPath,
    /// None when there were several.
    actor: Option<Post>,
    traceparent: Option<String>,
}

/// The patrols of a transaction.
#[derive(Default)]
pub(super) struct Patrols {
    recorded: Vec<Patrol>,
    counts: HashMap<Week, u32>,
    books: BTreeMap<Region, Book>,
}

impl Patrols {
    /// Counts the weeks that the patrols fall into.
    pub(super) async fn load(conn: &mut PgConnection, now: Instant, patrols: &[&NewPatrol]) -> sqlx::Result<Self> {
        let mut weeks: Vec<Week> =
            patrols.iter().map(|patrol| of(&patrol.village, device_time::correct(patrol.device, now).at)).collect();
        weeks.sort_unstable_by(|a, b| (&a.village, a.start).cmp(&(&b.village, b.start)));
        weeks.dedup();
        Ok(Self { counts: patrols::count(conn, &weeks).await?, ..Self::default() })
    }

    pub(super) fn record(&mut self, patrol: &NewPatrol, now: Instant) -> Recorded {
        let time = device_time::correct(patrol.device, now);
        let count = self.counts.entry(of(&patrol.village, time.at)).or_default();
        *count += 1;
        let this_week = *count;
        self.recorded.push(Patrol {
            id: patrol.id,
            village: patrol.village.clone(),
            object: patrol.object.clone(),
            situation: patrol.situation.clone(),
            evidence: patrol.evidence.clone(),
            patrolled_at: time.at,
            received_at: now,
            skewed: time.skewed,
        });
        self.books
            .entry(patrol.village.clone())
            .and_modify(|book| {
                if book.actor.as_ref() != Some(&patrol.actor) {
                    book.actor = None;
                }
            })
            .or_insert_with(|| Book {
                path: patrol.path.clone(),
                actor: Some(patrol.actor.clone()),
                traceparent: patrol.traceparent.clone(),
            });
        Recorded { id: patrol.id, at: time.at, this_week }
    }

    pub(super) fn recorded(&self) -> &[Patrol] {
        &self.recorded
    }

    /// The events of the villages' patrol books.
    pub(super) async fn publish(
        &self,
        conn: &mut PgConnection,
        app: &App,
        now: Instant,
    ) -> Result<Vec<NewEvent>, BatchFailure> {
        let ids: Vec<Uuid> = self.books.keys().map(book_id).collect();
        let mut heads = heads::lock(conn, &ids).await?;
        let (mut rows, mut moved) = (Vec::new(), Vec::new());
        for (village, book) in &self.books {
            let aggregate = book_id(village);
            let mut head = heads.remove(&aggregate).unwrap_or_default();
            let event = publisher::patrols(village, self.recorded.iter().filter(|patrol| patrol.village == *village));
            let meta = Meta {
                aggregate,
                sequence: head.sequence + 1,
                path: &book.path,
                actor: book.actor.as_ref(),
                received_at: now,
                claimed_at: None,
                chain: head.chain.clone(),
            };
            let row = super::row(app, now, event, meta, book.traceparent.clone(), &mut head)
                .map_err(|error| BatchFailure::Data(sqlx::Error::Encode(Box::new(error))))?;
            rows.push(row);
            moved.push((aggregate, head));
        }
        heads::store(conn, &moved).await?;
        Ok(rows)
    }
}

fn of(village: &Region, at: Instant) -> Week {
    Week { village: village.clone(), start: week::start(at), end: week::end(at) }
}

/// The aggregate of a village's patrols.
fn book_id(village: &Region) -> Uuid {
    ids::derived(&["patrol-book", village.code().as_str()])
}
