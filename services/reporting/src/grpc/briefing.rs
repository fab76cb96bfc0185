//! `BriefingService`: drafts, releases and readings (clauses C9, C14).

use std::{collections::HashMap, sync::Arc};

use dafei_contracts::{
    convert,
    events::v1 as events,
    reporting::v1::{self as pb, briefing_service_server::BriefingService},
    types::v1::Region as WireRegion,
};
use dafei_kernel::{
    ids,
    period::Period,
    region::{Region, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use dafei_reporting_core::briefing::{self, Briefing, NoBriefing, Rejection, State};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, once::Begun, paging, scope};
use prost::Message as _;
use sqlx::{PgConnection, PgExecutor};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{READERS, change};
use crate::{
    brief,
    draft::sha256,
    publisher::{self, Told},
    serve::Parts,
    store::{
        briefing::{self as store, Reading, Released, Standing},
        stays::{self, Absent, Duty},
    },
};

/// Serves briefings.
#[derive(Clone)]
pub struct Briefings(Parts);

/// What a request asks about, checked.
struct Asked {
    briefing: Briefing,
    path: RegionPath,
    roster: Arc<RosterIndex>,
}

impl Briefings {
    /// Over these.
    #[must_use]
    pub const fn new(parts: Parts) -> Self {
        Self(parts)
    }

    fn asked(&self, caller: &Principal, unit: Option<&WireRegion>, period: &str) -> Result<Asked, Fault> {
        scope::require(caller, &READERS)?;
        let roster = self.0.roster.current();
        let unit = convert::region("unit", unit).map_err(faults::convert)?;
        let path = scope::require_region(caller, &roster, "unit", &unit)?;
        let briefing = Briefing::new(unit, self::period(period)?).map_err(no_briefing)?;
        briefing::has_ended(&briefing, self.0.clock.now()).map_err(|why| refused(&why))?;
        Ok(Asked { briefing, path, roster })
    }

    /// The released content, or the draft.
    async fn content(
        &self,
        conn: &mut PgConnection,
        asked: &Asked,
    ) -> Result<(pb::BriefingContent, Option<Released>), Fault> {
        let period = asked.briefing.period().to_string();
        let released = store::released(&mut *conn, asked.briefing.unit(), &period).await.map_err(faults::database)?;
        let content = match &released {
            Some(released) => pb::BriefingContent::decode(released.content.as_slice()).map_err(Fault::internal)?,
            None => brief::draft(conn, &asked.briefing, &asked.path, &asked.roster, self.0.clock.now()).await?,
        };
        Ok((content, released))
    }

    async fn get(&self, caller: &Principal, body: &pb::GetBriefingRequest) -> Result<pb::GetBriefingResponse, Fault> {
        let asked = self.asked(caller, body.unit.as_ref(), &body.period)?;
        let mut conn = self.0.pool.acquire().await.map_err(faults::database)?;
        let (content, released) = self.content(&mut conn, &asked).await?;
        let standing = self.standing(&mut conn, &asked).await?;
        let (digest, released_content) = released
            .map_or_else(|| (brief::digest(&content), Vec::new()), |released| (released.sha256, released.content));
        Ok(pb::GetBriefingResponse {
            standing: Some(standing),
            content: Some(content),
            digest,
            released_content: released_content.into(),
        })
    }

    async fn standing(&self, conn: &mut PgConnection, asked: &Asked) -> Result<pb::BriefingStanding, Fault> {
        let of =
            Of { briefings: std::slice::from_ref(&asked.briefing), roster: &asked.roster, now: self.0.clock.now() };
        of.standings(conn).await?.pop().ok_or_else(|| Fault::internal("a unit without a standing"))
    }

    async fn release(
        &self,
        caller: &Principal,
        body: &pb::ReleaseBriefingRequest,
    ) -> Result<pb::ReleaseBriefingResponse, Fault> {
        let asked = self.asked(caller, body.unit.as_ref(), &body.period)?;
        let (briefing, by) = (&asked.briefing, scope::post(caller));
        let remarks =
            convert::optional_text("remarks", &body.remarks, briefing::MAX_REMARKS).map_err(faults::convert)?;
        briefing::may_release(briefing, &by, &remarks, self.0.clock.now()).map_err(|why| refused(&why))?;
        if body.draft_digest.is_empty() {
            return Err(faults::convert(convert::ConvertError::required("draft_digest")));
        }
        let (pool, clock) = (&self.0.pool, &self.0.clock);
        let mut once = match change::begin(pool, clock, caller, "ReleaseBriefing", &body.request_id, body).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let period = briefing.period().to_string();
        store::lock(once.conn(), briefing.unit(), &period).await.map_err(faults::database)?;
        let now = once.now;
        let (mut content, before) = self.content(once.conn(), &asked).await?;
        briefing::release(before.is_some(), &body.draft_digest, &brief::digest(&content))
            .map_err(|why| refused(&why))?;
        content.remarks = remarks;
        let bytes = content.encode_to_vec();
        let released = Released { released_at: now, released_by: by, sha256: sha256(&bytes), content: bytes };
        store::release(once.conn(), briefing.unit(), &period, &released).await.map_err(faults::database)?;
        let event = events::BriefingReleased {
            meta: None,
            unit: Some(briefing.unit().into()),
            period: period.clone(),
            released_at: Some(now.into()),
            sha256: released.sha256.clone(),
        };
        publisher::tell(once.conn(), told(&asked, &released.released_by, now), event).await?;
        let standing = self.standing(once.conn(), &asked).await?;
        once.finish(pb::ReleaseBriefingResponse { standing: Some(standing), sha256: released.sha256 }).await
    }

    async fn acknowledge(
        &self,
        caller: &Principal,
        body: &pb::AcknowledgeBriefingRequest,
    ) -> Result<pb::AcknowledgeBriefingResponse, Fault> {
        let asked = self.asked(caller, body.unit.as_ref(), &body.period)?;
        let (unit, by) = (asked.briefing.unit(), scope::post(caller));
        let (pool, clock) = (&self.0.pool, &self.0.clock);
        let mut once = match change::begin(pool, clock, caller, "AcknowledgeBriefing", &body.request_id, body).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, period) = (once.now, asked.briefing.period().to_string());
        let released = store::released(once.conn(), unit, &period).await.map_err(faults::database)?;
        briefing::acknowledge(&asked.briefing, &by, released.is_some()).map_err(|why| refused(&why))?;
        let reading = Reading {
            unit_code: unit.code().to_string(),
            post: by,
            name: caller.name.clone().unwrap_or_else(|| caller.subject.clone()),
            acknowledged_at: now,
        };
        let first = store::acknowledge(once.conn(), unit, &period, &caller.subject, &reading).await;
        // Who reads it again has read it: the first time stays.
        if first.map_err(faults::database)? {
            let event = events::BriefingAcknowledged {
                meta: None,
                unit: Some(unit.into()),
                period: period.clone(),
                reader: reading.name.clone(),
                acknowledged_at: Some(now.into()),
            };
            publisher::tell(once.conn(), told(&asked, &reading.post, now), event).await?;
        }
        let standing = self.standing(once.conn(), &asked).await?;
        once.finish(pb::AcknowledgeBriefingResponse { standing: Some(standing) }).await
    }

    async fn list(
        &self,
        caller: &Principal,
        body: &pb::ListBriefingsRequest,
    ) -> Result<pb::ListBriefingsResponse, Fault> {
        scope::require(caller, &READERS)?;
        let roster = self.0.roster.current();
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &roster, "region", &region)?;
        let period = self::period(&body.period)?;
        let levels = Briefing::levels(period.cycle());
        if levels.is_empty() {
            return Err(no_briefing(NoBriefing::NotAMonth));
        }
        let unknown = |state: &i32| !matches!(pb::BriefingState::try_from(*state), Ok(state) if state != pb::BriefingState::Unspecified);
        if body.states.iter().any(unknown) {
            return Err(Fault::field("states", "UNKNOWN_STATE", "is no state of a briefing", "没有这种通报状态"));
        }
        let size = usize::try_from(paging::page_size(body.page_size, 50, 500)?).unwrap_or(usize::MAX);
        let filter = pb::ListBriefingsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<String> = paging::decode(&body.page_token, &filter)?;
        // A city has some hundreds of townships: all of them are at hand.
        let mut units: Vec<Region> = levels
            .iter()
            .flat_map(|level| roster.of_level(*level))
            .map(|entry| entry.region.clone())
            .filter(|unit| roster.contains(&region, unit))
            .filter(|unit| after.as_ref().is_none_or(|after| unit.code().as_str() > after.as_str()))
            .collect();
        units.sort_by(|a, b| a.code().as_str().cmp(b.code().as_str()));
        let briefings = units.into_iter().map(|unit| Briefing::new(unit, period).map_err(no_briefing));
        let briefings: Vec<Briefing> = briefings.collect::<Result<_, _>>()?;
        if let Some(first) = briefings.first() {
            briefing::has_ended(first, self.0.clock.now()).map_err(|why| refused(&why))?;
        }
        let mut conn = self.0.pool.acquire().await.map_err(faults::database)?;
        let of = Of { briefings: &briefings, roster: &roster, now: self.0.clock.now() };
        let mut rest = of.listed(&mut conn).await?;
        rest.retain(|standing| body.states.is_empty() || body.states.contains(&standing.state));
        let full = rest.len() > size;
        rest.truncate(size);
        let next_page_token = match rest.last().and_then(|last| last.unit.as_ref()) {
            Some(last) if full => paging::encode(&last.code, &filter),
            Some(_) | None => String::new(),
        };
        Ok(pb::ListBriefingsResponse { briefings: rest, next_page_token })
    }

    async fn render(
        &self,
        caller: &Principal,
        body: &pb::RenderBriefingRequest,
    ) -> Result<pb::RenderBriefingResponse, Fault> {
        let asked = self.asked(caller, body.unit.as_ref(), &body.period)?;
        let mut conn = self.0.pool.acquire().await.map_err(faults::database)?;
        let (content, released) = self.content(&mut conn, &asked).await?;
        let page = brief::page(&content, released.map(|released| released.released_at));
        Ok(pb::RenderBriefingResponse {
            content: page.into_bytes().into(),
            content_type: "text/html; charset=utf-8".to_owned(),
        })
    }
}

/// Briefings of one period, to say how they stand.
struct Of<'a> {
    briefings: &'a [Briefing],
    roster: &'a RosterIndex,
    now: Instant,
}

impl Of<'_> {
    /// Those that are owed or released.
    async fn listed(&self, conn: &mut PgConnection) -> Result<Vec<pb::BriefingStanding>, Fault> {
        let absent = self.absent(&mut *conn).await?;
        let all = self.briefings.iter().zip(self.of(conn, &absent).await?);
        let listed = all.filter(|(one, standing)| standing.released_at.is_some() || owed(one, &absent));
        Ok(listed.map(|(_, standing)| standing).collect())
    }

    /// In the order of the briefings.
    async fn standings(&self, conn: &mut PgConnection) -> Result<Vec<pb::BriefingStanding>, Fault> {
        let absent = self.absent(&mut *conn).await?;
        self.of(conn, &absent).await
    }

    /// Who does not owe his; the city's, which has no limit, is owed by who was there at the period's end.
    async fn absent(&self, conn: &mut PgConnection) -> Result<Absent, Fault> {
        let duties = self.briefings.iter().map(|one| {
            let end = one.period().end();
            Duty { region: one.unit(), agency: None, end, limit: one.due().unwrap_or(end) }
        });
        stays::absent(conn, &duties.collect::<Vec<_>>()).await.map_err(faults::database)
    }

    async fn of(&self, conn: &mut PgConnection, absent: &Absent) -> Result<Vec<pb::BriefingStanding>, Fault> {
        let Some(first) = self.briefings.first() else {
            return Ok(Vec::new());
        };
        let period = first.period().to_string();
        let codes: Vec<String> = self.briefings.iter().map(|one| one.unit().code().to_string()).collect();
        let released = by_unit(&mut *conn, &codes, &period).await?;
        let mut readings: HashMap<String, Vec<Reading>> = HashMap::new();
        for reading in store::readings(conn, &codes, &period).await.map_err(faults::database)? {
            readings.entry(reading.unit_code.clone()).or_default().push(reading);
        }
        let standing = |briefing: &Briefing, code: &String| {
            let readings = readings.get(code).map_or(&[][..], Vec::as_slice);
            let limit = briefing.due().filter(|_| owed(briefing, absent));
            self.standing(briefing, limit, released.get(code), readings)
        };
        Ok(self.briefings.iter().zip(&codes).map(|(briefing, code)| standing(briefing, code)).collect())
    }

    fn standing(
        &self,
        briefing: &Briefing,
        limit: Option<Instant>,
        released: Option<&Standing>,
        readings: &[Reading],
    ) -> pb::BriefingStanding {
        let state = match briefing::state(limit, released.map(|one| one.released_at), self.now) {
            State::Draft => pb::BriefingState::Draft,
            State::Released => pb::BriefingState::Released,
            State::Late => pb::BriefingState::Late,
            State::Missing => pb::BriefingState::Missing,
        };
        let addressed = briefing.addressee().map(|post| self.roster.owner_at(&post, self.now).persons);
        let read = |person: &String| readings.iter().any(|reading| reading.name == *person);
        let not_acknowledged = match released {
            Some(_) => addressed.unwrap_or_default().into_iter().filter(|person| !read(person)).collect(),
            None => Vec::new(),
        };
        pb::BriefingStanding {
            unit: Some(briefing.unit().into()),
            unit_name: brief::name(self.roster, briefing.unit()),
            period: briefing.period().to_string(),
            state: state.into(),
            due: limit.map(Into::into),
            released_at: released.map(|one| one.released_at.into()),
            released_by: released.map(|one| (&one.released_by).into()),
            acknowledgements: readings.iter().map(acknowledgement).collect(),
            not_acknowledged,
        }
    }
}

fn owed(briefing: &Briefing, absent: &Absent) -> bool {
    !absent.was(briefing.unit(), None, briefing.period().end())
}

async fn by_unit(
    executor: impl PgExecutor<'_>,
    codes: &[String],
    period: &str,
) -> Result<HashMap<String, Standing>, Fault> {
    let standings = store::standings(executor, codes, period).await.map_err(faults::database)?;
    Ok(standings.into_iter().map(|standing| (standing.unit_code.clone(), standing)).collect())
}

fn acknowledgement(reading: &Reading) -> pb::Acknowledgement {
    pb::Acknowledgement {
        post: Some((&reading.post).into()),
        name: reading.name.clone(),
        acknowledged_at: Some(reading.acknowledged_at.into()),
    }
}

/// What events of a briefing have in common.
fn told<'a>(asked: &'a Asked, by: &'a dafei_kernel::owner::Post, at: Instant) -> Told<'a> {
    let period = asked.briefing.period().to_string();
    let aggregate: Uuid = ids::derived(&["briefing", &asked.briefing.unit().to_string(), &period]);
    Told { aggregate, path: &asked.path, actor: Some(by), at }
}

fn period(text: &str) -> Result<Period, Fault> {
    if text.is_empty() {
        return Err(faults::convert(convert::ConvertError::required("period")));
    }
    text.parse().map_err(|error: dafei_kernel::period::PeriodError| {
        Fault::field("period", "INVALID_PERIOD", error.to_string(), "期间应写作“2026-W47”或“2026-11”的样子")
    })
}

fn no_briefing(why: NoBriefing) -> Fault {
    let english = why.to_string();
    match why {
        NoBriefing::Unit => Fault::field("unit", "WRONG_LEVEL", english, "只有乡镇、县区和市编制通报"),
        NoBriefing::NotAWeek => Fault::field("period", "NOT_A_WEEK", english, "乡镇按周通报"),
        NoBriefing::NotAMonth => Fault::field("period", "NOT_A_MONTH", english, "县区和市按月通报"),
    }
}

/// A refusal of the rules, as a call fails by it.
fn refused(why: &Rejection) -> Fault {
    let english = why.to_string();
    match why {
        Rejection::NotOwnUnit => Fault::denied("NOT_OWN_UNIT", "只能发布本单位的通报"),
        Rejection::NotAddressed => Fault::denied("NOT_ADDRESSED", "该通报不是报送给您的，无须签阅"),
        Rejection::PeriodNotEnded(period) => {
            Fault::precondition("PERIOD_NOT_ENDED", format!("period/{period}"), english, "该期间尚未结束")
        }
        Rejection::DraftChanged => {
            Fault::precondition("DRAFT_CHANGED", "draft", english, "通报内容已有变化，请重新核对后发布")
        }
        Rejection::AlreadyReleased => Fault::precondition("ALREADY_RELEASED", "briefing", english, "该通报已经发布"),
        Rejection::NotReleased => Fault::precondition("NOT_RELEASED", "briefing", english, "该通报尚未发布"),
        Rejection::RemarksTooLong => Fault::field("remarks", "TOO_LONG", english, "工作要求不能超过2000字"),
    }
}

#[tonic::async_trait]
impl BriefingService for Briefings {
    async fn get_briefing(
        &self,
        request: Request<pb::GetBriefingRequest>,
    ) -> Result<Response<pb::GetBriefingResponse>, Status> {
        Ok(Response::new(self.get(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn release_briefing(
        &self,
        request: Request<pb::ReleaseBriefingRequest>,
    ) -> Result<Response<pb::ReleaseBriefingResponse>, Status> {
        Ok(Response::new(self.release(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn acknowledge_briefing(
        &self,
        request: Request<pb::AcknowledgeBriefingRequest>,
    ) -> Result<Response<pb::AcknowledgeBriefingResponse>, Status> {
        Ok(Response::new(self.acknowledge(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_briefings(
        &self,
        request: Request<pb::ListBriefingsRequest>,
    ) -> Result<Response<pb::ListBriefingsResponse>, Status> {
        Ok(Response::new(self.list(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn render_briefing(
        &self,
        request: Request<pb::RenderBriefingRequest>,
    ) -> Result<Response<pb::RenderBriefingResponse>, Status> {
        Ok(Response::new(self.render(identity::principal(&request)?, request.get_ref()).await?))
    }
}
