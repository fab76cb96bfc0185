//! Proof that nothing was changed, cut or removed, and the open steps by which the monitor proves that it has every clock.

use std::{collections::HashMap, pin::pin};

use dafei_contracts::{
    chain::{Flaw, Follower},
    dispatch::v1::{self as api, proof_service_server::ProofService},
    open_steps,
};
use dafei_dispatch_core::case::{Case, OpenStep, check_at_rest};
use dafei_kernel::role::Role;
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use futures::TryStreamExt;
use jiff::civil::Date;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Grpc, no_case};
use crate::{
    app::anchor_digest,
    store::proof::{self, Anchor, Leaf},
};

/// Those who may check one case.
const CHECKERS: &[Role] = &[Role::Auditor, Role::Admin, Role::CountyOffice, Role::CityOffice];
/// Those who may read the anchors; these and the next two only of the city, since they go through all of its cases.
const READERS: &[Role] = &[Role::Auditor, Role::Admin, Role::Service, Role::CityOffice];
/// Those who may check all cases.
const AUDITORS: &[Role] = &[Role::Auditor, Role::Admin];
/// Those who may read all open steps.
const MONITORS: &[Role] = &[Role::Service, Role::Auditor, Role::Admin];
/// A snapshot of several statements.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

fn finding(flaw: api::Flaw, case: &str, sequence: i64, note: impl Into<String>) -> api::Finding {
    api::Finding { flaw: flaw.into(), case_id: case.to_owned(), sequence, note: note.into() }
}

fn of_chain(case: Uuid, flaw: Flaw) -> api::Finding {
    let (kind, sequence) = match flaw {
        Flaw::Changed(sequence) => (api::Flaw::Changed, sequence),
        Flaw::Missing(sequence) => (api::Flaw::Missing, sequence),
        Flaw::Cut(sequence) => (api::Flaw::Cut, sequence),
        Flaw::Extra(sequence) => (api::Flaw::Extra, sequence),
    };
    finding(kind, &case.to_string(), sequence, flaw.to_string())
}

fn bucket(number: u32) -> Result<i16, Fault> {
    let checked = i16::try_from(number).ok().filter(|bucket| *bucket < 256);
    checked.ok_or_else(|| Fault::field("bucket", "OUT_OF_RANGE", "is 0 to 255", "分组编号应为0至255"))
}

fn day(text: &str) -> Result<Date, Fault> {
    text.parse().map_err(|_| Fault::field("day", "INVALID", "is no date YYYY-MM-DD", "日期格式应为YYYY-MM-DD"))
}

/// The open steps of a case, in the order in which they are listed and digested.
fn clocks(case: &Case) -> Vec<OpenStep> {
    let mut steps = case.clocks();
    steps.sort_by_key(|step| (step.clock, step.instruction));
    steps
}

impl Grpc {
    /// Follows the chains of cases as far as they had come then.
    async fn follow(&self, leaves: &[&Leaf]) -> Result<Vec<api::Finding>, Fault> {
        let ids: Vec<Uuid> = leaves.iter().map(|leaf| leaf.case).collect();
        let until: HashMap<Uuid, i64> = leaves.iter().map(|leaf| (leaf.case, leaf.version)).collect();
        let mut followers: HashMap<Uuid, (Follower, Option<Flaw>)> = HashMap::new();
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut events = pin!(proof::histories(&mut conn, &ids));
        while let Some((case, sequence, payload)) = events.try_next().await.map_err(faults::database)? {
            let (follower, flaw) = followers.entry(case).or_default();
            // What came after the anchor is checked by the next one.
            if flaw.is_none() && until.get(&case).is_some_and(|last| sequence <= *last) {
                *flaw = follower.follow(sequence, &payload).err();
            }
        }
        let found = leaves.iter().filter_map(|leaf| {
            let Some((follower, flaw)) = followers.get(&leaf.case) else {
                let note = "all its events are gone";
                return Some(finding(api::Flaw::Removed, &leaf.case.to_string(), 1, note));
            };
            let flaw = flaw.or_else(|| follower.end(&leaf.chain_head, leaf.version).err())?;
            Some(of_chain(leaf.case, flaw))
        });
        Ok(found.collect())
    }

    /// What was kept for a bucket is what was anchored, and the anchor's digest is over its buckets and the anchor before.
    async fn check_anchor(&self, anchor: &Anchor, bucket: i16) -> Result<Vec<api::Finding>, Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let anchored = proof::anchored(&mut conn, anchor.number).await.map_err(faults::database)?;
        let before = proof::list(&mut conn, anchor.number, 1).await.map_err(faults::database)?.pop();
        let mut found = Vec::new();
        let over = before.as_ref().map_or("", |before| before.digest.as_str());
        let follows = before.as_ref().map_or(0, |before| before.number) + 1 == anchor.number;
        if !follows || anchor_digest(over, &anchored) != anchor.digest {
            found.push(finding(
                api::Flaw::Anchor,
                "",
                0,
                "the anchor's digest does not fit its buckets or the anchor before",
            ));
        }
        let kept = proof::kept_bucket(&mut conn, anchor.number, bucket).await.map_err(faults::database)?;
        if kept != anchored.into_iter().find(|one| one.bucket == bucket) {
            found.push(finding(
                api::Flaw::Anchor,
                "",
                0,
                "the cases kept for this bucket are not those that were anchored",
            ));
        }
        Ok(found)
    }
}

#[tonic::async_trait]
impl ProofService for Grpc {
    async fn verify_case_history(
        &self,
        request: Request<api::VerifyCaseHistoryRequest>,
    ) -> Result<Response<api::VerifyCaseHistoryResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, CHECKERS)?;
        let id = self.visible(caller, &request.get_ref().case_id).await?.facts.id;
        // Row and events of one instant.
        let mut snapshot = self.app.pool.begin_with(SNAPSHOT).await.map_err(faults::database)?;
        let stored = proof::case(&mut snapshot, id).await.map_err(faults::database)?;
        let (case, leaf) = stored.ok_or_else(|| no_case(id))?;
        let mut follower = Follower::default();
        let mut flaw = None;
        let ids = [id];
        {
            let mut events = pin!(proof::histories(&mut snapshot, &ids));
            while let Some((_, sequence, payload)) = events.try_next().await.map_err(faults::database)? {
                if flaw.is_none() {
                    flaw = follower.follow(sequence, &payload).err();
                }
            }
        }
        let flaw = flaw.or_else(|| follower.end(&leaf.chain_head, leaf.version).err());
        let unsound = || {
            let wrong = if case.sequence == leaf.version {
                check_at_rest(&case).err()?.to_string()
            } else {
                "its version".to_owned()
            };
            Some(finding(api::Flaw::Changed, &id.to_string(), 0, format!("the case as kept is unsound: {wrong}")))
        };
        Ok(Response::new(api::VerifyCaseHistoryResponse {
            events: follower.sequence(),
            head: follower.head().to_owned(),
            finding: flaw.map(|flaw| of_chain(id, flaw)).or_else(unsound),
        }))
    }

    async fn list_anchors(
        &self,
        request: Request<api::ListAnchorsRequest>,
    ) -> Result<Response<api::ListAnchorsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, READERS)?;
        scope::require_city(caller)?;
        let size = paging::page_size(body.page_size, 31, 100)?;
        let filter = api::ListAnchorsRequest::default();
        let before: i64 = paging::decode(&body.page_token, &filter)?.unwrap_or(i64::MAX);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let anchors = proof::list(&mut conn, before, size).await.map_err(faults::database)?;
        let full = i64::try_from(anchors.len()) == Ok(size);
        let next = anchors.last().filter(|_| full).map(|anchor| paging::encode(&anchor.number, &filter));
        let shown = anchors.into_iter().map(|anchor| api::Anchor {
            day: anchor.day.to_string(),
            anchored_at: Some(anchor.anchored_at.into()),
            cases: anchor.cases,
            digest: anchor.digest,
        });
        Ok(Response::new(api::ListAnchorsResponse {
            anchors: shown.collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn verify_anchor(
        &self,
        request: Request<api::VerifyAnchorRequest>,
    ) -> Result<Response<api::VerifyAnchorResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, AUDITORS)?;
        scope::require_city(caller)?;
        let (day, bucket) = (day(&body.day)?, bucket(body.bucket)?);
        let size = paging::page_size(body.page_size, 200, 1_000)?;
        let filter = api::VerifyAnchorRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<Uuid> = paging::decode(&body.page_token, &filter)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let anchor = proof::of_day(&mut conn, day).await.map_err(faults::database)?;
        let anchor = anchor.ok_or_else(|| Fault::not_found("anchor", day.to_string(), "没有这一天的存证"))?;
        let place = (anchor.number, bucket);
        let kept = proof::kept(&mut conn, place, after.unwrap_or(Uuid::nil()), size).await.map_err(faults::database)?;
        drop(conn);
        let mut findings = if after.is_none() { self.check_anchor(&anchor, bucket).await? } else { Vec::new() };
        let gone = kept.iter().filter(|(leaf, now)| now.is_none_or(|now| now < leaf.version));
        findings.extend(gone.map(|(leaf, now)| {
            let note = if now.is_some() { "the case was set back" } else { "the case is gone" };
            finding(api::Flaw::Removed, &leaf.case.to_string(), 0, note)
        }));
        findings.extend(self.follow(&kept.iter().map(|(leaf, _)| leaf).collect::<Vec<_>>()).await?);
        let full = i64::try_from(kept.len()) == Ok(size);
        let next = kept.last().filter(|_| full).map(|(leaf, _)| paging::encode(&leaf.case, &filter));
        Ok(Response::new(api::VerifyAnchorResponse {
            cases: i64::try_from(kept.len()).unwrap_or(0),
            findings,
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn digest_open_steps(
        &self,
        request: Request<api::DigestOpenStepsRequest>,
    ) -> Result<Response<api::DigestOpenStepsResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, MONITORS)?;
        scope::require_city(caller)?;
        let mut snapshot = self.app.pool.begin_with(SNAPSHOT).await.map_err(faults::database)?;
        let log_position = proof::position(&mut snapshot).await.map_err(faults::database)?;
        let as_of = self.app.clock.now();
        let mut buckets: Vec<(api::OpenStepBucket, open_steps::Digest)> = Vec::new();
        let mut cases = pin!(proof::all_open(&mut snapshot));
        while let Some((bucket, case)) = cases.try_next().await.map_err(faults::database)? {
            let bucket = u32::try_from(bucket).unwrap_or(0);
            if buckets.last().is_none_or(|(last, _)| last.bucket != bucket) {
                buckets.push((api::OpenStepBucket { bucket, ..Default::default() }, open_steps::Digest::default()));
            }
            let Some((sums, digest)) = buckets.last_mut() else { continue };
            sums.cases += 1;
            for step in clocks(&case) {
                digest.add(case.facts.id, case.sequence, step.clock, step.instruction);
            }
        }
        let digested = buckets.into_iter().map(|(sums, digest)| api::OpenStepBucket {
            steps: digest.steps(),
            digest: digest.finish(),
            ..sums
        });
        let buckets = digested.collect();
        Ok(Response::new(api::DigestOpenStepsResponse { as_of: Some(as_of.into()), log_position, buckets }))
    }

    async fn list_open_steps(
        &self,
        request: Request<api::ListOpenStepsRequest>,
    ) -> Result<Response<api::ListOpenStepsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, MONITORS)?;
        scope::require_city(caller)?;
        let bucket = bucket(body.bucket)?;
        let size = paging::page_size(body.page_size, 200, 1_000)?;
        let filter = api::ListOpenStepsRequest { bucket: body.bucket, ..Default::default() };
        let after: Uuid = paging::decode(&body.page_token, &filter)?.unwrap_or(Uuid::nil());
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let cases = proof::open(&mut conn, bucket, after, size).await.map_err(faults::database)?;
        let full = i64::try_from(cases.len()) == Ok(size);
        let next = cases.last().filter(|_| full).map(|case| paging::encode(&case.facts.id, &filter));
        Ok(Response::new(api::ListOpenStepsResponse {
            steps: cases.iter().flat_map(steps).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}

fn steps(case: &Case) -> Vec<api::OpenStep> {
    let shown = clocks(case).into_iter().map(|step| api::OpenStep {
        case_id: case.facts.id.to_string(),
        version: case.sequence,
        clock: step.clock.to_owned(),
        owner: Some((&step.owner).into()),
        instruction_id: step.instruction.map(|id| id.to_string()).unwrap_or_default(),
        leg: step.leg,
        started_at: step.since.map(Into::into),
    });
    shown.collect()
}
