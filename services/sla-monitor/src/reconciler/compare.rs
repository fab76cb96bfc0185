//! Holding the services' open steps against the ledger, bucket by bucket.

use std::collections::HashMap;

use dafei_contracts::open_steps::{BUCKETS, Digest};
use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{
    CaseFacts, Source,
    reconcile::{Compared, Difference, Key, Listed, Side, compare, is_ahead},
};
use futures::TryStreamExt;
use uuid::Uuid;

use super::{
    ReconcileError, Reconciler,
    peers::{Digests, Session},
    repair::Sighting,
};
use crate::store::{
    facts,
    reconcile::{self as store, Run},
};

/// Obligations that are read at once.
const PART: i64 = 5_000;
/// Several statements on one state of the ledger.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Where a comparison is.
#[derive(Debug, Clone, Copy)]
struct Place {
    publisher: Source,
    bucket: u32,
    as_of: Instant,
}

impl Reconciler {
    /// Compares all, and repairs what counts.
    pub(super) async fn compare(&self, run: &mut Run) -> Result<(), ReconcileError> {
        let session = self.peers.session().await?;
        // Both are there before anything is looked at.
        let intake = session.digests(Source::Intake).await?;
        let dispatch = session.digests(Source::Dispatch).await?;
        run.as_of = Some(PgInstant(intake.as_of.min(dispatch.as_of)));
        for (publisher, digests) in [(Source::Intake, &intake), (Source::Dispatch, &dispatch)] {
            for bucket in 0..BUCKETS {
                self.bucket(run, &session, publisher, bucket, digests).await?;
            }
        }
        let mut conn = self.pool.acquire().await?;
        store::forget_absent(&mut conn, run.number).await?;
        store::close_absent(&mut conn, run.number, self.clock.now()).await?;
        Ok(())
    }

    async fn bucket(
        &self,
        run: &mut Run,
        session: &Session,
        publisher: Source,
        bucket: u32,
        digests: &Digests,
    ) -> Result<(), ReconcileError> {
        let own = self.digest(publisher, bucket).await?;
        let steps = own.steps();
        let theirs = digests.buckets.get(&bucket).cloned().unwrap_or_else(|| Digest::default().finish());
        if own.finish() == theirs {
            run.compared += steps;
            run.buckets_agreed += 1;
            return Ok(());
        }
        let place = Place { publisher, bucket, as_of: digests.as_of };
        let (mut token, mut after) = (String::new(), Uuid::nil());
        loop {
            let page = session.page(publisher, bucket, token).await?;
            // Behind the last case of the last page there may be obligations still.
            let until = match page.steps.last() {
                _ if page.next.is_empty() => Uuid::max(),
                Some(last) => last.key.case,
                None => after,
            };
            self.part(run, place, &page.steps, (after, until)).await?;
            after = until;
            if page.next.is_empty() {
                return Ok(());
            }
            token = page.next;
        }
    }

    /// The digest of what is armed, over the same lines as the service's.
    async fn digest(&self, publisher: Source, bucket: u32) -> Result<Digest, ReconcileError> {
        let mut conn = self.pool.acquire().await?;
        let mut digest = Digest::default();
        let mut armed = std::pin::pin!(store::bucket(&mut conn, publisher, number(bucket)));
        while let Some((key, mark)) = armed.try_next().await? {
            digest.add(key.case, mark, key.clock.code(), key.instruction);
        }
        Ok(digest)
    }

    /// A page's steps, by case, and the obligations of the same span of cases, in parts.
    async fn part(
        &self,
        run: &mut Run,
        place: Place,
        steps: &[Listed],
        (after, until): (Uuid, Uuid),
    ) -> Result<(), ReconcileError> {
        let (mut from, mut rest) = (after, steps);
        while from < until {
            let (compared, to) = self.look(place, &mut rest, (from, until)).await?;
            run.compared += i64::try_from(compared.compared).unwrap_or(i64::MAX);
            run.in_flight += i64::try_from(compared.in_flight).unwrap_or(i64::MAX);
            if !compared.differences.is_empty() {
                self.differences(run, place, compared.differences).await?;
            }
            from = to;
        }
        Ok(())
    }

    /// Compares as many cases as one reading of the ledger covers; says up to which.
    async fn look(
        &self,
        place: Place,
        rest: &mut &[Listed],
        (from, until): (Uuid, Uuid),
    ) -> Result<(Compared, Uuid), ReconcileError> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let mut limit = PART;
        let (armed, to) = loop {
            let mut armed =
                store::armed(&mut snapshot, place.publisher, number(place.bucket), (from, until), limit).await?;
            if i64::try_from(armed.len()).is_ok_and(|read| read < limit) {
                break (armed, until);
            }
            // Full: the last case may go on behind it.
            let last = armed.last().map_or(until, |key| key.case);
            armed.retain(|key| key.case < last);
            match armed.last() {
                Some(whole) => {
                    let to = whole.case;
                    break (armed, to);
                }
                // One case that fills it all.
                None => limit *= 2,
            }
        };
        let split = rest.partition_point(|step| step.key.case <= to);
        let (steps, behind) = rest.split_at(split);
        *rest = behind;
        let mut cases: Vec<Uuid> =
            steps.iter().map(|step| step.key.case).chain(armed.iter().map(|key| key.case)).collect();
        cases.sort_unstable();
        cases.dedup();
        let marks = store::marks(&mut snapshot, place.publisher, &cases).await?;
        Ok((compare(steps, &armed, &marks), to))
    }

    /// What does not fit is seen for the first time, or counts, unless there is a reason for it.
    async fn differences(
        &self,
        run: &mut Run,
        place: Place,
        differences: Vec<Difference>,
    ) -> Result<(), ReconcileError> {
        let differences = self.without_reason(run, place.publisher, differences).await?;
        let mut conn = self.pool.acquire().await?;
        let watermark = store::watermark(&mut conn, place.publisher).await?;
        let known: HashMap<(Key, Side), store::Known> = store::known(&mut conn, &differences)
            .await?
            .into_iter()
            .map(|known| ((known.key, known.side), known))
            .collect();
        let (mut new, mut again, mut holes) = (Vec::new(), Vec::new(), Vec::new());
        for difference in &differences {
            match known.get(&(difference.key, difference.side)) {
                None => new.push(difference),
                Some(first) if watermark.is_some_and(|through| through > first.beyond) => {
                    holes.push(Sighting {
                        difference,
                        number: first.number,
                        first_seen: first.first_seen,
                        counted: first.counted,
                    });
                }
                Some(first) => again.push(first.number),
            }
        }
        run.sighted += i64::try_from(new.len() + again.len()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        // Whatever was published before this look is in effect once the watermark is beyond it, by each of the clocks concerned.
        let beyond = watermark.map_or(now, |through| through.max(now)).max(place.as_of);
        if !new.is_empty() {
            store::sight(&mut conn, place.publisher, run.number, (now, beyond), &new).await?;
        }
        if !again.is_empty() {
            store::see(&mut conn, run.number, &again).await?;
        }
        drop(conn);
        for hole in &holes {
            self.hole(run, place.publisher, hole).await?;
        }
        Ok(())
    }

    /// Leaves out cases of which events wait behind a gap, and steps that the other publisher's facts have ended.
    async fn without_reason(
        &self,
        run: &mut Run,
        publisher: Source,
        differences: Vec<Difference>,
    ) -> Result<Vec<Difference>, ReconcileError> {
        let mut cases: Vec<Uuid> = differences.iter().map(|one| one.key.case).collect();
        cases.dedup();
        let mut conn = self.pool.acquire().await?;
        let waiting = store::waiting(&mut conn, publisher, &cases).await?;
        run.in_flight += i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        let sets = facts::of_cases(&mut conn, &cases).await?;
        let sets: HashMap<Uuid, CaseFacts> = sets.into_iter().map(|set| (set.case(), set)).collect();
        let in_force = self.terms.refresh(&mut conn).await?;
        let (rules, calendar) = (&in_force.rules, &in_force.calendar);
        let counts = |one: &Difference| {
            let ahead = sets.get(&one.key.case).is_some_and(|set| is_ahead(set, rules, calendar, one));
            !waiting.contains(&one.key.case) && !ahead
        };
        Ok(differences.into_iter().filter(counts).collect())
    }
}

fn number(bucket: u32) -> i16 {
    i16::try_from(bucket).unwrap_or(i16::MAX)
}
