//! The patrols of one transaction: each key once, each village's as events of its book.

use std::collections::{BTreeMap, HashMap};

use dafei_intake_core::{
    device_time::{self, Corrected, DeviceTimes},
    week,
};
use dafei_kernel::{
    ids,
    owner::Post,
    region::{Level, Region, RegionPath},
    time::Instant,
};
use dafei_messaging::{batch::BatchFailure, event::NewEvent};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Order, Refusal};
use crate::{
    app::App,
    publisher::{self, Meta},
    store::{
        heads,
        patrol_claims::{self, Claim, Key, Week},
        patrols::{self, NewRow, PROBLEM, REUSED, Reused, SKEWED},
    },
};

/// Most patrols of one event: a consumer takes an event whole.
const EVENT_ITEMS: usize = 500;

/// A patrol on its way.
#[derive(Debug, Clone)]
pub(crate) struct NewPatrol {
    pub(crate) path: RegionPath,
    /// The device's id of the patrol, unique in the village.
    pub(crate) key: Uuid,
    /// Digest of what it says, whenever it is sent.
    pub(crate) content: i64,
    pub(crate) object: String,
    pub(crate) inspector: String,
    pub(crate) device: DeviceTimes,
    pub(crate) photos: Vec<Photo>,
    /// Checklist and version.
    pub(crate) checklist: Option<(String, i32)>,
    /// The suspicions that its problems start.
    pub(crate) problems: Vec<Order>,
    /// A check by the work area's secretary does not count to the village's three (clause B4).
    pub(crate) by_work_area: bool,
    /// The stored body, as JSON.
    pub(crate) body: String,
    pub(crate) actor: Post,
    pub(crate) traceparent: Option<String>,
}

impl NewPatrol {
    pub(crate) fn village(&self) -> &Region {
        self.path.leaf()
    }

    fn number(&self) -> i64 {
        patrols::number(self.village())
    }

    fn claim_key(&self) -> Key {
        (self.number(), self.key)
    }

    /// The cases that its problems start.
    pub(crate) fn cases(&self) -> Vec<Uuid> {
        self.problems.iter().map(|order| order.case).collect()
    }
}

/// A photo of a patrol, and where the request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Photo {
    pub(crate) id: Uuid,
    /// The answer; none for the patrol's own.
    pub(crate) answer: Option<usize>,
    /// Its place there.
    pub(crate) at: usize,
}

/// What became of a patrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub(crate) id: Uuid,
    pub(crate) at: Instant,
    /// Patrols that count in its week.
    pub(crate) this_week: u32,
    pub(crate) cases: Vec<Uuid>,
    /// It was sent before, and nothing has changed.
    pub(crate) known: bool,
}

/// The holder of a key: recorded by an earlier transaction or earlier in this one, unless it is `new` and still to be taken.
struct Holder {
    claim: Claim,
    new: bool,
}

/// A patrol to write.
struct Taken<'a> {
    patrol: &'a NewPatrol,
    id: Uuid,
    time: Corrected,
    reused: Vec<Reused>,
}

/// The patrols of a transaction.
#[derive(Default)]
pub(super) struct Patrols<'a> {
    holders: HashMap<Key, Holder>,
    first_uses: HashMap<Uuid, Uuid>,
    weeks: HashMap<Week, i32>,
    taken: Vec<Taken<'a>>,
}

impl<'a> Patrols<'a> {
    /// Takes the keys of the patrols, notes their photos and counts their weeks. All of them are good: a key that is taken is recorded.
    pub(super) async fn load(
        conn: &mut PgConnection,
        app: &App,
        now: Instant,
        good: &[&'a NewPatrol],
    ) -> sqlx::Result<Self> {
        if good.is_empty() {
            return Ok(Self::default());
        }
        let mut claims: BTreeMap<Key, (Claim, &NewPatrol)> = BTreeMap::new();
        for patrol in good {
            let (key, patrolled_at) = (patrol.claim_key(), device_time::correct(patrol.device, now).at);
            claims.entry(key).or_insert_with(|| {
                let id = app.ids.ordered(now);
                (Claim { key, patrol: id, patrolled_at, content: patrol.content }, patrol)
            });
        }
        let asked: Vec<Claim> = claims.values().map(|(claim, _)| *claim).collect();
        let held = patrol_claims::keys(conn, &asked).await?;
        let (mut uses, mut weeks, mut holders) = (Vec::new(), BTreeMap::<Week, i32>::new(), HashMap::new());
        for (key, (asked, patrol)) in claims {
            let claim = held.get(&key).copied().unwrap_or(asked);
            let new = claim.patrol == asked.patrol;
            if new {
                uses.extend(patrol.photos.iter().map(|photo| (photo.id, claim.patrol)));
            }
            *weeks.entry(week_of(&claim)).or_default() += i32::from(new && !patrol.by_work_area);
            holders.insert(key, Holder { claim, new });
        }
        let first_uses = patrol_claims::photos(conn, &uses).await?;
        let added: Vec<(Week, i32)> = weeks.into_iter().collect();
        let mut weeks = patrol_claims::count(conn, &added).await?;
        // From here on the counts grow with each patrol that is taken.
        for (week, added) in added {
            weeks.entry(week).and_modify(|count| *count -= added);
        }
        Ok(Self { holders, first_uses, weeks, taken: Vec::new() })
    }

    /// Takes a patrol of those that were loaded, once; later it is known.
    pub(super) fn record(&mut self, patrol: &'a NewPatrol, now: Instant) -> Result<Recorded, Refusal> {
        let Some(holder) = self.holders.get_mut(&patrol.claim_key()) else {
            return Err(Refusal::OutOfScope);
        };
        let claim = holder.claim;
        // What was recorded before keys existed has no digest.
        if claim.content != patrol.content && claim.content != 0 {
            return Err(Refusal::PatrolKeyReused);
        }
        let known = !std::mem::take(&mut holder.new);
        let count = self.weeks.entry(week_of(&claim)).or_default();
        if !known {
            *count += i32::from(!patrol.by_work_area);
            let reused = self.first_uses_of(patrol, claim.patrol);
            let time = device_time::correct(patrol.device, now);
            self.taken.push(Taken { patrol, id: claim.patrol, time, reused });
        }
        Ok(Recorded {
            id: claim.patrol,
            at: claim.patrolled_at,
            this_week: self.weeks.get(&week_of(&claim)).map_or(0, |count| u32::try_from(*count).unwrap_or(0)),
            cases: patrol.cases(),
            known,
        })
    }

    /// The photos of a patrol that another used first.
    fn first_uses_of(&self, patrol: &NewPatrol, id: Uuid) -> Vec<Reused> {
        let reused = |photo: &Photo| {
            let first = *self.first_uses.get(&photo.id)?;
            (first != id).then_some(Reused { photo: photo.id, first })
        };
        patrol.photos.iter().filter_map(reused).collect()
    }

    /// Writes them.
    pub(super) async fn insert(&self, conn: &mut PgConnection, now: Instant) -> sqlx::Result<()> {
        let mark = |set: bool, mark: i16| if set { mark } else { 0 };
        let at = |taken: &Taken<'a>, level| taken.patrol.path.at(level).map_or(0, patrols::number);
        let row = |taken: &'_ Taken<'a>| NewRow {
            id: taken.id,
            village: taken.patrol.number(),
            township: at(taken, Level::Township),
            county: at(taken, Level::County),
            patrolled_at: taken.time.at,
            flags: mark(taken.time.skewed, SKEWED)
                | mark(!taken.patrol.problems.is_empty(), PROBLEM)
                | mark(!taken.reused.is_empty(), REUSED),
            inspector: &taken.patrol.inspector,
            body: &taken.patrol.body,
            reused: (!taken.reused.is_empty()).then(|| Json(taken.reused.clone())),
        };
        let rows: Vec<NewRow<'_>> = self.taken.iter().map(row).collect();
        patrols::insert(conn, now, &rows).await
    }

    /// The events of the villages' patrol books.
    pub(super) async fn publish(
        &self,
        conn: &mut PgConnection,
        app: &App,
        now: Instant,
    ) -> Result<Vec<NewEvent>, BatchFailure> {
        let mut books: BTreeMap<Uuid, Vec<&Taken<'a>>> = BTreeMap::new();
        let mut ids: HashMap<i64, Uuid> = HashMap::new();
        for taken in &self.taken {
            let id = *ids.entry(taken.patrol.number()).or_insert_with(|| book_id(taken.patrol.village()));
            books.entry(id).or_default().push(taken);
        }
        let asked: Vec<Uuid> = books.keys().copied().collect();
        let mut heads = heads::lock(conn, &asked).await?;
        let (mut rows, mut moved) = (Vec::with_capacity(books.len()), Vec::with_capacity(books.len()));
        for (aggregate, book) in books {
            let mut head = heads.remove(&aggregate).unwrap_or_default();
            for part in book.chunks(EVENT_ITEMS) {
                let patrol = part[0].patrol;
                let items = part.iter().map(|taken| publisher::patrol(taken.id, taken.time.at, taken.patrol));
                let event = publisher::patrols(patrol.village(), items);
                let meta = Meta {
                    aggregate,
                    sequence: head.sequence + 1,
                    path: &patrol.path,
                    actor: actor(part),
                    // Each patrol names its own.
                    person: "",
                    received_at: now,
                    claimed_at: None,
                    chain: head.chain.clone(),
                };
                let row = super::row(app, now, event, meta, patrol.traceparent.clone(), &mut head)
                    .map_err(|error| BatchFailure::Data(sqlx::Error::Encode(Box::new(error))))?;
                rows.push(row);
            }
            moved.push((aggregate, head));
        }
        heads::store(conn, &moved).await?;
        Ok(rows)
    }
}

/// Who made them; none when there were several.
fn actor<'p>(part: &[&Taken<'p>]) -> Option<&'p Post> {
    let first = &part[0].patrol.actor;
    part.iter().all(|taken| taken.patrol.actor == *first).then_some(first)
}

fn week_of(claim: &Claim) -> Week {
    (claim.key.0, week::start(claim.patrolled_at))
}

/// The aggregate of a village's patrols.
fn book_id(village: &Region) -> Uuid {
    ids::derived(&["patrol-book", village.code().as_str()])
}
