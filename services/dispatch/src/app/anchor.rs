//! The daily anchor over all cases: shortly after midnight in Shanghai, how every case stands is summed up in one digest over that of
//! the day before, kept, and told on the bus. What is changed, cut or removed afterwards no longer fits.
//!
//! The cases are read in one snapshot that takes no transaction id, since one that lasts would hold the watermark back; the anchor itself is
//! written in a short transaction at the end. What an attempt that was broken off had kept is forgotten by the next.

use std::{fmt::Write as _, sync::Arc};

use dafei_contracts::{chain, events::v1 as ev};
use dafei_kernel::{
    ids,
    region::{Level, RegionPath},
    time::{Instant, civil_date, end_of_day},
};
use dafei_messaging::{batch::BatchFailure, tx};
use dafei_shell::timer::{Due, Round};
use futures::TryStreamExt;
use jiff::{SignedDuration, civil::Date};

use crate::{
    app::App,
    publisher::Meta,
    store::proof::{self, Anchor, Bucket, Leaf},
    work::Work,
};

/// A snapshot that takes no transaction id.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Cases that are kept by one statement.
const CHUNK: usize = 5_000;
/// How long before the last anchor the changes are looked for: longer than any transaction that records events.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// Makes the anchors.
pub struct Anchors {
    app: Arc<App>,
}

/// Why an anchor was not made; the next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] BatchFailure),
    #[error(transparent)]
    Event(#[from] dafei_contracts::catalogue::EventError),
    #[error("the roster names no city")]
    NoCity,
}

impl Anchors {
    /// Those of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    async fn make(&self, now: Instant) -> Result<Round, AnchorError> {
        let roster = self.app.roster.current();
        let city = roster.of_level(Level::City).next().and_then(|entry| roster.path(&entry.region));
        let city = city.ok_or(AnchorError::NoCity)?;
        let mut snapshot = self.app.pool.begin_with(SNAPSHOT).await?;
        if !proof::try_lock(&mut snapshot).await? {
            return Ok(Round::Waits);
        }
        let last = proof::last(&mut snapshot).await?;
        let Some(day) = civil_date(now).yesterday().ok().filter(|day| last.as_ref().is_none_or(|last| last.day < *day))
        else {
            return Ok(Round::Done);
        };
        let number = last.as_ref().map_or(1, |last| last.number + 1);
        let since = last.as_ref().map(|last| last.anchored_at.saturating_sub(OVERLAP).unwrap_or(Instant::UNIX_EPOCH));
        self.keep(&mut snapshot, number, since).await?;
        let buckets = proof::buckets(&mut snapshot).await?;
        self.write(&city, (number, day), last.as_ref(), &buckets).await?;
        snapshot.commit().await?;
        Ok(Round::Done)
    }

    async fn keep(
        &self,
        snapshot: &mut sqlx::PgConnection,
        number: i64,
        since: Option<Instant>,
    ) -> Result<(), AnchorError> {
        let mut conn = self.app.pool.acquire().await?;
        proof::forget(&mut conn, number).await?;
        let mut chunks = std::pin::pin!(proof::changed(snapshot, since).try_chunks(CHUNK));
        while let Some(leaves) = chunks.try_next().await.map_err(|error| error.1)? {
            let leaves: Vec<Leaf> = leaves;
            proof::keep(&mut conn, number, &leaves).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        city: &RegionPath,
        (number, day): (i64, Date),
        last: Option<&Anchor>,
        buckets: &[Bucket],
    ) -> Result<(), AnchorError> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        let mut work = Work::load_cases(&self.app, &mut tx, now, &[]).await?;
        let mut anchor = Anchor {
            number,
            day,
            anchored_at: now,
            cases: buckets.iter().map(|bucket| bucket.cases).sum(),
            digest: digest(last.map_or("", |last| &last.digest), buckets),
            chain_head: last.map(|last| last.chain_head.clone()).unwrap_or_default(),
        };
        let meta = Meta {
            aggregate: ids::derived(&["cases-anchor", city.leaf().code().as_str()]),
            sequence: number,
            region_path: city.to_string(),
            actor: None,
            received_at: now,
            chain_head: anchor.chain_head.clone(),
        };
        let bytes = work.add(event(&anchor, buckets).into(), meta, None)?;
        anchor.chain_head = chain::next_head(&anchor.chain_head, &bytes);
        proof::insert(&mut tx, &anchor, buckets).await?;
        work.save(&mut tx).await?;
        tx::commit(tx).await?;
        Ok(())
    }
}

/// The digest of an anchor, over that of the one before.
pub(crate) fn digest(before: &str, buckets: &[Bucket]) -> String {
    let mut lines = String::new();
    for Bucket { bucket, cases, digest } in buckets {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{bucket} {cases} {digest}");
    }
    chain::next_head(before, lines.as_bytes())
}

fn event(anchor: &Anchor, buckets: &[Bucket]) -> ev::CasesAnchored {
    ev::CasesAnchored {
        meta: None,
        day: anchor.day.to_string(),
        anchored_at: Some(anchor.anchored_at.into()),
        cases: anchor.cases,
        digest: anchor.digest.clone(),
        buckets: buckets
            .iter()
            .map(|one| ev::AnchorBucket {
                bucket: u32::try_from(one.bucket).unwrap_or(0),
                cases: one.cases,
                digest: one.digest.clone(),
            })
            .collect(),
    }
}

impl Due for Anchors {
    type Error = AnchorError;

    fn name(&self) -> &'static str {
        "anchor over the cases"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        let mut conn = self.app.pool.acquire().await?;
        Ok(match proof::last(&mut conn).await? {
            Some(last) => last.day.tomorrow().ok().map(end_of_day),
            None => proof::beginning(&mut conn).await?.map(|first| end_of_day(civil_date(first))),
        })
    }

    async fn round(&self, now: Instant) -> Result<Round, AnchorError> {
        self.make(now).await
    }
}
