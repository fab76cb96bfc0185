//! The load: lanes in which one case after the other goes through the loop, by turns through the township's branch and the county's, where the
//! department works by turns by gRPC and by NATS. Every write has a request id, every feedback an id, and is in the journal once it is acknowledged.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use dafei_contracts::{
    dispatch::v1::{Case, CaseState, Instruction},
    events::v1::{FeedbackResponse, FeedbackResult},
    types::v1::{CloseDown, Measure, ResultKind, measure::Kind},
};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, SystemClock},
    role::Role,
};
use serde_json::{Value, to_value};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    department::Department,
    insist::insist,
    journal::{Journal, Line, What},
    tray::Awaited,
};
use crate::{
    actors::{Actor, exempted, request_id},
    client::{Keys, Suite},
};

const COUNTY: &str = "county:371312";
const TOWNSHIP: &str = "township:371312004";
const VILLAGE: &str = "village:371312004201";
/// Within the authority of the township's station.
const TOWNSHIP_ACT: &str = "HC-9";
const STATION: Agency = Agency::MarketRegulation;
/// Beyond it.
const COUNTY_ACT: &str = "FW-1";
const TEXT: &str = "窝点已取缔";

const PLAN: &str = "现场处置";

/// Pause between two looks at a case.
const LOOK: Duration = Duration::from_millis(50);

/// How much is under way, and for how long a step is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) lanes: u32,
    pub(super) pause: Duration,
    pub(super) patience: Duration,
}

/// Runs until SIGTERM and until the cases that are then under way have come to their end.
pub(super) async fn run(suite: Suite, keys: &Keys, journal: &Path, plan: &Plan) -> anyhow::Result<()> {
    // The load ends with the process: one suite for all its lanes.
    let suite: &'static Suite = Box::leak(Box::new(suite));
    let mut told = signal(SignalKind::terminate()).context("SIGTERM")?;
    let floor = Arc::new(Floor::build(suite, keys, journal, *plan).await?);
    let stop = Arc::new(AtomicBool::new(false));
    let number = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..plan.lanes {
        let (floor, stop, number, failed) = (floor.clone(), stop.clone(), number.clone(), failed.clone());
        lanes.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = floor.lifecycle(number.fetch_add(1, Ordering::Relaxed)).await {
                    failed.fetch_add(1, Ordering::Relaxed);
                    floor.journal.append(&Line::Failed { why: format!("{error:#}") })?;
                }
                sleep(floor.plan.pause).await;
            }
            anyhow::Ok(())
        });
    }
    told.recv().await;
    stop.store(true, Ordering::Relaxed);
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    let (cases, failed) = (number.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    println!("{cases} cases, {failed} of them not brought to their end");
    ensure!(failed == 0, "{failed} cases were not brought to their end");
    Ok(())
}

/// By whom a case is worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Township,
    County { by_nats: bool },
}

impl Way {
    /// Every second case goes to the county, every second of those to the department's system.
    const fn of(number: u64) -> Self {
        match number % 4 {
            1 => Self::County { by_nats: false },
            3 => Self::County { by_nats: true },
            _ => Self::Township,
        }
    }
}

/// Who acts, and where it is written down.
struct Floor {
    member: Actor<'static>,
    secretary: Actor<'static>,
    centre: Actor<'static>,
    station: Actor<'static>,
    office: Actor<'static>,
    departments: Vec<(Agency, Actor<'static>)>,
    /// The one that has a system of its own.
    by_nats: Arc<Department>,
    photo: String,
    journal: Arc<Journal>,
    plan: Plan,
}

impl Floor {
    async fn build(suite: &'static Suite, keys: &Keys, journal: &Path, plan: Plan) -> anyhow::Result<Self> {
        let secretary = Actor::new(suite, keys, Role::VillageSecretary, VILLAGE)?;
        let (photo, _) = insist("a photo", plan.patience, || secretary.photo()).await?;
        let department =
            |agency: Agency| Ok((agency, Actor::agency(suite, keys, Role::CountyDepartment, COUNTY, agency)?));
        let journal = Arc::new(Journal::open(journal)?);
        let by_nats = Department::open(suite, keys, &COUNTY.parse()?, COUNTY_ACT, journal.clone()).await?;
        Ok(Self {
            member: Actor::new(suite, keys, Role::GridMember, VILLAGE)?,
            secretary,
            centre: Actor::new(suite, keys, Role::TownshipCentre, TOWNSHIP)?,
            station: Actor::agency(suite, keys, Role::TownshipAgency, TOWNSHIP, STATION)?,
            office: Actor::new(suite, keys, Role::CountyOffice, COUNTY)?,
            departments: Agency::ALL.iter().copied().map(department).collect::<anyhow::Result<_>>()?,
            by_nats,
            photo,
            journal,
            plan,
        })
    }

    async fn lifecycle(&self, number: u64) -> anyhow::Result<()> {
        let way = Way::of(number);
        let id = self.begin(if way == Way::Township { TOWNSHIP_ACT } else { COUNTY_ACT }).await?;
        let done = match way {
            Way::Township => self.township(&id).await,
            Way::County { by_nats } => self.county(&id, by_nats).await,
        };
        done.with_context(|| id.clone())
    }

    /// Found, told, reported up, and arrived at the centre.
    async fn begin(&self, act: &str) -> anyhow::Result<String> {
        let request = request_id();
        let member = self.member.repeating(&request);
        let found = insist("a suspicion", self.plan.patience, || member.suspect_plainly(act, "村南废弃砖厂"));
        let (id, tries) = found.await?;
        self.note(What::Recorded, &request, &id, tries)?;
        let case = id.as_str();
        self.write(What::Notified, case, &self.member, |actor| async move { actor.notify(case).await }).await?;
        self.write(What::ReportedUp, case, &self.secretary, |actor| async move { actor.report_up(case).await }).await?;
        self.comes_to(case, CaseState::AtCentre).await?;
        Ok(id)
    }

    async fn township(&self, id: &str) -> anyhow::Result<()> {
        let instruct = |actor: Actor<'static>| async move { actor.instruct_now(id, STATION.code(), "查处").await };
        let case = self.write(What::Instructed, id, &self.centre, instruct).await?;
        let instruction = lead(&case)?;
        self.work_off(What::AgencyResult, instruction, &self.station, None, TOWNSHIP_ACT).await?;
        self.comes_to(id, CaseState::TownshipResult).await?;
        let accept = |actor: Actor<'static>| async move { actor.accept_result_now(id, TEXT).await };
        self.write(What::Accepted, id, &self.centre, accept).await?;
        self.publish(id).await
    }

    async fn county(&self, id: &str, by_nats: bool) -> anyhow::Result<()> {
        let escalate = |actor: Actor<'static>| async move { actor.escalate_now(id, "超出乡镇职权范围").await };
        self.write(What::Escalated, id, &self.centre, escalate).await?;
        self.comes_to(id, CaseState::AtOffice).await?;
        // It may be on the queue before the office has its answer.
        let queued = by_nats.then(|| self.by_nats.instruction_of(id));
        let assign = |actor: Actor<'static>| async move { actor.assign(id, "立即处置").await };
        let case = self.write(What::Assigned, id, &self.office, assign).await?;
        let instruction = lead(&case)?;
        let agency: Agency = instruction.post.as_ref().context("a post")?.agency.parse()?;
        if let Some(queued) = queued {
            ensure!(agency == self.by_nats.agency(), "{} leads, and has no system", agency.code());
            self.by_nats(instruction, &queued).await?;
        } else {
            let department = self.departments.iter().find(|(known, _)| *known == agency).context("the department")?;
            self.work_off(What::DepartmentResult, instruction, &department.1, Some(PLAN), COUNTY_ACT).await?;
        }
        self.comes_to(id, CaseState::DepartmentResult).await?;
        let feed_back = |actor: Actor<'static>| async move { actor.feed_back_now(id, TEXT, TEXT).await };
        self.write(What::FedBack, id, &self.office, feed_back).await?;
        self.publish(id).await
    }

    /// The department's system takes the instruction off its queue, responds, and hands in its result.
    async fn by_nats(&self, instruction: &Instruction, queued: &Awaited<'_, Value>) -> anyhow::Result<()> {
        let Instruction { instruction_id: id, case_id, .. } = instruction;
        let came = timeout(self.plan.patience, queued.came()).await;
        let came = came.with_context(|| format!("the instruction {id} did not come to the department's queue"))?;
        ensure!(came["instructionId"] == id.as_str(), "instead of the instruction {id} came {came}");
        let measures = close_down();
        let result = FeedbackResult {
            kind: ResultKind::Final.into(),
            text: TEXT.to_owned(),
            confirmed_acts: vec![COUNTY_ACT.to_owned()],
            exemptions: exempted(&measures),
            measures: measures.to_vec(),
            outside_scope: false,
        };
        let response = to_value(FeedbackResponse { plan: PLAN.to_owned() })?;
        for (what, kind, body) in
            [(What::Responded, "response", response), (What::HandedIn, "result", to_value(result)?)]
        {
            let (feedback_id, tries) = self.by_nats.feed_back(kind, id, &body, self.plan.patience).await?;
            self.note(what, &feedback_id, case_id, tries)?;
        }
        Ok(())
    }

    async fn publish(&self, id: &str) -> anyhow::Result<()> {
        let publish = |actor: Actor<'static>| async move { actor.publish_with(id, TEXT, &self.photo).await };
        self.write(What::Published, id, &self.secretary, publish).await?;
        self.comes_to(id, CaseState::Closed).await
    }

    /// The unit reads its instruction, responds where it is asked to, and hands in its result.
    async fn work_off(
        &self,
        what: What,
        instruction: &Instruction,
        unit: &Actor<'static>,
        plan: Option<&str>,
        act: &str,
    ) -> anyhow::Result<()> {
        let measures = close_down();
        let (id, measures) = (instruction.instruction_id.as_str(), &measures);
        let work =
            |actor: Actor<'static>| async move { actor.work_off(id, plan, TEXT, &[act], measures.to_vec()).await };
        self.write(what, &instruction.case_id, unit, work).await
    }

    /// A write under one request id, in the journal once it is acknowledged.
    async fn write<T, F>(
        &self,
        what: What,
        case_id: &str,
        actor: &Actor<'static>,
        call: impl Fn(Actor<'static>) -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let request = request_id();
        let name = format!("{what:?}");
        let (answer, tries) = insist(&name, self.plan.patience, || call(actor.repeating(&request))).await?;
        self.note(what, &request, case_id, tries)?;
        Ok(answer)
    }

    fn note(&self, what: What, request_id: &str, case_id: &str, tries: u32) -> anyhow::Result<()> {
        let (request_id, case_id) = (request_id.to_owned(), case_id.to_owned());
        self.journal.append(&Line::Acknowledged { what, request_id, case_id, tries })
    }

    /// Waits until the office sees the case in a state.
    async fn comes_to(&self, id: &str, state: CaseState) -> anyhow::Result<()> {
        let end = tokio::time::Instant::now() + self.plan.patience;
        loop {
            let seen = insist("a look at the case", self.plan.patience, || async {
                match self.viewer(state).case_now(id).await {
                    Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
                    seen => Ok(seen?),
                }
            });
            if seen.await?.0.is_some_and(|case| case.state() == state) {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < end, "{id} did not come to {}", state.as_str_name());
            sleep(LOOK).await;
        }
    }

    /// Who sees a case in a state.
    const fn viewer(&self, state: CaseState) -> &Actor<'static> {
        match state {
            CaseState::AtOffice | CaseState::DepartmentResult => &self.office,
            _ => &self.centre,
        }
    }
}

/// What was done with the den; made once for a result, since what is sent again has to say the same as the first.
fn close_down() -> [Measure; 1] {
    [Measure {
        measure_id: "close".to_owned(),
        decided_at: Some(SystemClock.now().into()),
        comply_by: None,
        kind: Some(Kind::CloseDown(CloseDown { note: "拆除".to_owned() })),
    }]
}

/// The instruction of the unit that leads.
fn lead(case: &Case) -> anyhow::Result<&Instruction> {
    let lead = case.instructions.iter().find(|instruction| instruction.lead);
    lead.or(case.instructions.first()).context("no instruction")
}
