//! `EvaluationService`: rounds are opened, scored and closed (clause E1).

mod read;
mod wire;

use dafei_contracts::{
    convert::{self, Field as _},
    events::v1 as events,
    reporting::v1::{self as pb, evaluation_service_server::EvaluationService},
    types::v1 as types,
};
use dafei_kernel::{
    clock::SharedClock,
    ids,
    owner::Post,
    region::{Level, Region, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use dafei_reporting_core::evaluation::{self as core, Criteria, Direction, Pair, Points, Rejection, Sight};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    roster::RosterView,
    scope,
};
use prost::Message as _;
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{READERS, change, checked_quarter};
use crate::{
    publisher::{self, Told},
    store::evaluation::{self as store, Kept, Key, Sheet},
};

/// Serves evaluations.
#[derive(Clone)]
pub struct Evaluations {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
}

/// The aggregate of a round.
fn aggregate(key: &Key) -> Uuid {
    ids::derived(&["evaluation", key.county.code().as_str(), &key.quarter.to_string()])
}

/// The path that a round was opened under.
fn path_of(kept: &Kept) -> Result<RegionPath, Fault> {
    kept.path.parse().map_err(|_| Fault::internal(format!("{:?} is no path", kept.path)))
}

fn evaluated_post(wire: Option<&types::Post>) -> Result<Post, Fault> {
    let wire = wire.required("evaluated").map_err(faults::convert)?;
    Post::try_from(wire).map_err(|error| faults::convert(error.under("evaluated")))
}

impl Evaluations {
    /// Serves evaluations from `pool`; the clock says which quarters have begun and ended.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock) -> Self {
        Self { pool, roster, clock }
    }

    /// The county and quarter that a request is about, checked, with the county's path.
    fn key(
        &self,
        caller: &Principal,
        roster: &RosterIndex,
        county: Option<&types::Region>,
        quarter: &str,
    ) -> Result<(Key, RegionPath), Fault> {
        scope::require(caller, &READERS)?;
        let county = convert::region("county", county).map_err(faults::convert)?;
        if county.level() != Level::County {
            return Err(Fault::field("county.level", "WRONG_LEVEL", "is no county", "应填写县区"));
        }
        let path = roster.path(&county).ok_or_else(|| {
            Fault::field("county", "UNKNOWN_REGION", format!("{county} is not in the roster"), "没有这个县区")
        })?;
        let quarter = checked_quarter(quarter, self.clock.now())?;
        Ok((Key { county, quarter }, path))
    }

    async fn open(
        &self,
        caller: &Principal,
        body: &pb::OpenEvaluationRequest,
    ) -> Result<pb::OpenEvaluationResponse, Fault> {
        let roster = self.roster.current();
        let (key, path) = self.key(caller, &roster, body.county.as_ref(), &body.quarter)?;
        may_run(caller, &roster, &key)?;
        let mut once = match self.begin(caller, "OpenEvaluation", &body.request_id, body).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, by) = (once.now, scope::post(caller));
        let known = store::lock(once.conn(), &key).await.map_err(faults::database)?;
        let pairs = core::pairs(&key.county, &roster);
        core::may_open(known.as_ref().map(|kept| &kept.round), &pairs).map_err(|why| refused(&key, &why))?;
        let opened = store::open(once.conn(), &key, &path.to_string(), Criteria::shipped(), &pairs, &by, now).await;
        // Another office's clerk was faster.
        if !opened.map_err(faults::database)? {
            return Err(refused(&key, &Rejection::AlreadyOpened));
        }
        let event = events::EvaluationOpened {
            meta: None,
            county: Some((&key.county).into()),
            quarter: key.quarter.to_string(),
            sheets: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
            opened_at: Some(now.into()),
        };
        let told = Told { aggregate: aggregate(&key), path: &path, actor: Some(&by), at: now };
        publisher::tell(once.conn(), told, event).await?;
        let evaluation = self.current(once.conn(), &key, &roster).await?;
        once.finish(pb::OpenEvaluationResponse { evaluation: Some(evaluation) }).await
    }

    async fn begin<A: prost::Message + Default>(
        &self,
        caller: &Principal,
        method: &str,
        request_id: &str,
        body: &impl prost::Message,
    ) -> Result<Begun<A>, Fault> {
        change::begin(&self.pool, &self.clock, caller, method, request_id, body).await
    }

    async fn submit(
        &self,
        caller: &Principal,
        body: &pb::SubmitSheetRequest,
    ) -> Result<pb::SubmitSheetResponse, Fault> {
        let roster = self.roster.current();
        let (key, _) = self.key(caller, &roster, body.county.as_ref(), &body.quarter)?;
        let pair = Pair { evaluator: scope::post(caller), evaluated: evaluated_post(body.evaluated.as_ref())? };
        let direction = Direction::between(&pair.evaluator, &pair.evaluated).map_err(|why| refused(&key, &why))?;
        let remark = convert::optional_text("remark", &body.remark, core::MAX_REMARK).map_err(faults::convert)?;
        let mut once = match self.begin(caller, "SubmitSheet", &body.request_id, body).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let now = once.now;
        let kept = store::lock(once.conn(), &key).await.map_err(faults::database)?;
        let part =
            store::part(once.conn(), &key, &pair.evaluator, Some(&pair.evaluated)).await.map_err(faults::database)?;
        if !part.scores && !within(caller, &roster, &key.county) {
            return Err(scope::out_of_scope());
        }
        let mut round = core::may_submit(kept.as_ref().map(|kept| kept.round)).map_err(|why| refused(&key, &why))?;
        let kept = kept.ok_or_else(|| refused(&key, &Rejection::NotOpened))?;
        let why = match (part.scores, part.scores_this) {
            (false, _) => Some(Rejection::NotEvaluator),
            (true, false) => Some(Rejection::NotEvaluated),
            (true, true) => None,
        };
        why.map_or(Ok(()), |why| Err(refused(&key, &why)))?;
        let given: Vec<Points> = body.points.iter().map(wire::points).collect();
        let (total, points) = kept.criteria.check(direction, &given, &remark).map_err(|why| refused(&key, &why))?;
        let version = store::submit(once.conn(), &key, &pair, (total, &points), &remark, now).await;
        let version = version.map_err(faults::database)?;
        round.submitted += u32::from(version == 1);
        let sheet = Sheet { pair, points, total, remark, submitted_at: now, version };
        self.tell_sheet(&mut once, &key, &path_of(&kept)?, &sheet, round.completes()).await?;
        once.finish(pb::SubmitSheetResponse { sheet: Some(wire::sheet(sheet)), missing: round.missing() }).await
    }

    /// Tells of a sheet, and of the completion of the round if it was the last one: that stops Q1.
    async fn tell_sheet(
        &self,
        once: &mut Once,
        key: &Key,
        path: &RegionPath,
        sheet: &Sheet,
        completes: bool,
    ) -> Result<(), Fault> {
        let (now, by) = (once.now, &sheet.pair.evaluator);
        let told = Told { aggregate: aggregate(key), path, actor: Some(by), at: now };
        let (county, quarter): (Option<types::Region>, _) = (Some((&key.county).into()), key.quarter.to_string());
        let submitted = events::SheetSubmitted {
            meta: None,
            county: county.clone(),
            quarter: quarter.clone(),
            evaluator: Some(by.into()),
            evaluated: Some((&sheet.pair.evaluated).into()),
            submitted_at: Some(now.into()),
        };
        publisher::tell(once.conn(), told, submitted).await?;
        if completes {
            store::complete(once.conn(), key, now).await.map_err(faults::database)?;
            let complete = events::EvaluationComplete { meta: None, county, quarter, completed_at: Some(now.into()) };
            publisher::tell(once.conn(), told, complete).await?;
        }
        Ok(())
    }

    async fn close(
        &self,
        caller: &Principal,
        body: &pb::CloseEvaluationRequest,
    ) -> Result<pb::CloseEvaluationResponse, Fault> {
        let roster = self.roster.current();
        let (key, _) = self.key(caller, &roster, body.county.as_ref(), &body.quarter)?;
        may_run(caller, &roster, &key)?;
        let mut once = match self.begin(caller, "CloseEvaluation", &body.request_id, body).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, by) = (once.now, scope::post(caller));
        let kept = store::lock(once.conn(), &key).await.map_err(faults::database)?;
        let round = kept.as_ref().map(|kept| kept.round);
        core::may_close(round, key.quarter, body.without_missing, now).map_err(|why| refused(&key, &why))?;
        let kept = kept.ok_or_else(|| refused(&key, &Rejection::NotOpened))?;
        let mut evaluation = self.computed(once.conn(), &key, &kept, &roster).await?;
        evaluation.state = pb::EvaluationState::Closed.into();
        evaluation.closed_at = Some(now.into());
        store::close(once.conn(), &key, &evaluation.encode_to_vec(), &by, now).await.map_err(faults::database)?;
        let path = path_of(&kept)?;
        let told = Told { aggregate: aggregate(&key), path: &path, actor: Some(&by), at: now };
        publisher::tell(once.conn(), told, closed(&key, &evaluation, now)).await?;
        once.finish(pb::CloseEvaluationResponse { evaluation: Some(evaluation) }).await
    }
}

/// What the bus is told of a closing: townships first, each direction by place.
fn closed(key: &Key, evaluation: &pb::Evaluation, at: Instant) -> events::EvaluationClosed {
    let all = evaluation.townships.iter().chain(&evaluation.departments);
    let result = |one: &pb::Evaluated| events::EvaluationResult {
        evaluated: one.post.clone(),
        score: one.score,
        sheets: one.sheets,
        place: one.place,
        below_mark: one.below_mark,
    };
    events::EvaluationClosed {
        meta: None,
        county: Some((&key.county).into()),
        quarter: key.quarter.to_string(),
        closed_at: Some(at.into()),
        mark: evaluation.mark,
        results: all.map(result).collect(),
        missing_sheets: evaluation.expected.saturating_sub(evaluation.submitted),
    }
}

/// Whether a caller has to do with a county: it lies in the caller's region, or the caller's post in it. Who sees everything sees it of whole counties.
fn within(caller: &Principal, roster: &RosterIndex, county: &Region) -> bool {
    let below = || roster.path(&caller.region).is_some_and(|path| path.is_within(county));
    scope::contains(caller, roster, county) || (core::sight(caller.role) != Sight::All && below())
}

fn may_run(caller: &Principal, roster: &RosterIndex, key: &Key) -> Result<(), Fault> {
    if !within(caller, roster, &key.county) {
        return Err(scope::out_of_scope());
    }
    core::may_run(&scope::post(caller), &key.county).map_err(|why| refused(key, &why))
}

/// A refusal of the rules, as a call fails by it.
fn refused(key: &Key, why: &Rejection) -> Fault {
    let english = why.to_string();
    let round = format!("evaluation/{}/{}", key.county.code(), key.quarter);
    let stands =
        |reason: &'static str, zh: &'static str| Fault::precondition(reason, round.clone(), english.clone(), zh);
    let field = |field: String, reason: &'static str, zh: String| Fault::field(field, reason, english.clone(), zh);
    match why {
        Rejection::NotOwnOffice => Fault::denied("NOT_OWN_OFFICE", "只有本县区安委会办公室可以开启和公布评议"),
        Rejection::NotEvaluator => Fault::denied("NOT_EVALUATOR", "您的岗位不参加本次评议"),
        Rejection::Himself => field("evaluated".to_owned(), "SELF_EVALUATION", "不能给本单位评分".to_owned()),
        Rejection::WrongDirection => {
            field("evaluated".to_owned(), "WRONG_DIRECTION", "乡镇只评部门，部门只评乡镇".to_owned())
        }
        Rejection::NotEvaluated => {
            field("evaluated".to_owned(), "NOT_EVALUATED", "该单位不在本次评议范围内".to_owned())
        }
        Rejection::UnknownCriterion(at, _) => {
            field(format!("points[{at}].criterion"), "UNKNOWN_CRITERION", "没有这项评议指标".to_owned())
        }
        Rejection::DoubleCriterion(at, _) => {
            field(format!("points[{at}].criterion"), "DUPLICATE_CRITERION", "同一指标重复评分".to_owned())
        }
        Rejection::TooManyPoints(at, max) => {
            field(format!("points[{at}].points"), "OUT_OF_RANGE", format!("该项最高{max}分"))
        }
        Rejection::CriterionMissing(_) => {
            field("points".to_owned(), "CRITERION_MISSING", "每项指标都要评分".to_owned())
        }
        Rejection::RemarkMissing => {
            field("remark".to_owned(), "REMARK_REQUIRED", "评分低于合格线的，必须说明理由".to_owned())
        }
        Rejection::AlreadyOpened => stands("ALREADY_OPENED", "该季度评议已经开启"),
        Rejection::Nobody => stands("NOBODY_TO_EVALUATE", "花名册中没有可以互评的乡镇和部门"),
        Rejection::NotOpened => stands("NOT_OPENED", "该季度评议尚未开启"),
        Rejection::Closed => stands("EVALUATION_CLOSED", "该季度评议结果已公布，不能再改"),
        Rejection::QuarterNotEnded(_) => stands("QUARTER_NOT_ENDED", "该季度尚未结束，不能公布结果"),
        Rejection::SheetsMissing(_) => stands("SHEETS_MISSING", "还有评议表没有交齐"),
        Rejection::LimitNotPassed => stands("LIMIT_NOT_PASSED", "评议期限未到，不能在缺少评议表的情况下公布"),
    }
}

#[tonic::async_trait]
impl EvaluationService for Evaluations {
    async fn open_evaluation(
        &self,
        request: Request<pb::OpenEvaluationRequest>,
    ) -> Result<Response<pb::OpenEvaluationResponse>, Status> {
        Ok(Response::new(self.open(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn submit_sheet(
        &self,
        request: Request<pb::SubmitSheetRequest>,
    ) -> Result<Response<pb::SubmitSheetResponse>, Status> {
        Ok(Response::new(self.submit(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn close_evaluation(
        &self,
        request: Request<pb::CloseEvaluationRequest>,
    ) -> Result<Response<pb::CloseEvaluationResponse>, Status> {
        Ok(Response::new(self.close(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn get_evaluation(
        &self,
        request: Request<pb::GetEvaluationRequest>,
    ) -> Result<Response<pb::GetEvaluationResponse>, Status> {
        Ok(Response::new(self.shown(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_sheets(
        &self,
        request: Request<pb::ListSheetsRequest>,
    ) -> Result<Response<pb::ListSheetsResponse>, Status> {
        Ok(Response::new(self.sheets(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_missing_sheets(
        &self,
        request: Request<pb::ListMissingSheetsRequest>,
    ) -> Result<Response<pb::ListMissingSheetsResponse>, Status> {
        Ok(Response::new(self.missing(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_criteria(
        &self,
        request: Request<pb::ListCriteriaRequest>,
    ) -> Result<Response<pb::ListCriteriaResponse>, Status> {
        scope::require(identity::principal(&request)?, &READERS)?;
        Ok(Response::new(wire::criteria(Criteria::shipped())))
    }
}
