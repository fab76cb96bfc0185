//! Lifecycles per second: the county branch of a den's case, from suspicion to publication, RPC by RPC, with the department's feedback over
//! NATS, until sla-monitor and reporting have consumed `closed`. What people would learn from their screens the bench learns from the bus.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream::{self, consumer::PullConsumer};
use dafei_kernel::{agency::Agency, role::Role};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::{sync::mpsc, task::JoinSet};

use super::{bare, figures};
use crate::{
    actors::Actor,
    agency::{self, Credentials},
    client::{self, Keys, Service, ServiceKey, Suite},
    exercise, refill,
};

const COUNTY: &str = "county:371302";
const TOWNSHIP: &str = "township:371302101";
const VILLAGE: &str = "village:371302101208";
const DEPARTMENT: Agency = Agency::EmergencyManagement;
/// The agency that the centre instructs.
const STATION: Agency = Agency::PublicSecurity;
/// Lifecycles begun per second when latencies are measured.
const OPEN_RATE: u32 = 20;
/// Suspicions recorded at the same time before reports are measured.
const PREPARED_AT_ONCE: usize = 64;
/// A lifecycle that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a lifecycle waits for.
#[derive(Debug, Clone)]
enum News {
    Opened,
    Escalated,
    /// The order of a township's centre is on its agency's queue.
    Ordered,
    Instructed(String),
    Result,
    Outcome,
    Closed,
}

/// News from the bus, by case.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<HashMap<String, Sender>>>);

/// Where the news of a case go, with the instant at which they came.
type Sender = mpsc::UnboundedSender<(News, Instant)>;

impl Board {
    fn expect(&self, case_id: &str) -> mpsc::UnboundedReceiver<(News, Instant)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(case_id.to_owned(), sender);
        receiver
    }

    fn tell(&self, case_id: &str, news: News) {
        let at = Instant::now();
        if let Some(sender) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(case_id) {
            // The lifecycle may have given up: nobody reads any more.
            drop(sender.send((news, at)));
        }
    }

    fn forget(&self, case_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(case_id);
    }
}

/// Who acts, and what has been measured.
pub(super) struct Floor {
    member: Actor<'static>,
    secretary: Actor<'static>,
    centre: Actor<'static>,
    office: Actor<'static>,
    board: Board,
    bus: async_nats::Client,
    feedback_prefix: String,
    photo: String,
    done: AtomicU64,
    failed: AtomicU64,
    to_case: Mutex<Vec<Duration>>,
    to_agency: Mutex<Vec<Duration>>,
    to_instruction: Mutex<Vec<Duration>>,
}

/// How long after its acknowledgement each report was a case on the bus, and an order on an agency's queue.
pub(super) struct Delays {
    pub(super) to_case: Vec<Duration>,
    pub(super) to_instruction: Vec<Duration>,
}

pub(super) async fn run(suite: &Suite, keys: &Keys, scale: f64, in_flight: usize) -> anyhow::Result<()> {
    // The bench ends with the process: one suite for all its tasks.
    let suite: &'static Suite = Box::leak(Box::new(suite.clone()));
    let floor = Arc::new(Floor::build(suite, keys).await?);
    let bare = bare::measure(Duration::from_secs_f64(4.0 * scale)).await?;
    let (events, lifecycles) = (logged().await?, floor.done.load(Ordering::Relaxed));
    let per_second = rate(&floor, suite, keys, scale, in_flight).await?;
    let lifecycles = floor.done.load(Ordering::Relaxed) - lifecycles;
    let events = (logged().await? - events) as f64 / lifecycles.max(1) as f64;
    eprintln!("    {events:.1} events a lifecycle");
    figures::print(
        "lifecycles_per_s",
        per_second,
        "1/s",
        Some(("bare rows and publishes", bare.lifecycles_per_s(events))),
    );
    floor.clear_latencies();
    open_loop(&floor, Duration::from_secs_f64(15.0 * scale)).await?;
    for (name, values) in [("report_to_case", &floor.to_case), ("assign_to_agency", &floor.to_agency)] {
        let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
        let hop = Some(("bare commit, publish, commit", bare.hop_ms()));
        figures::print(&format!("{name}_p50_ms"), figures::percentile_ms(&mut values, 50), "ms", hop);
        figures::print(&format!("{name}_p99_ms"), figures::percentile_ms(&mut values, 99), "ms", hop);
    }
    Ok(())
}

/// How many events the four services have recorded.
async fn logged() -> anyhow::Result<i64> {
    let mut sum = 0;
    for service in Service::ALL {
        let mut database = PgConnection::connect(&client::setting(service.key(ServiceKey::DatabaseUrl))?).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM event_log").fetch_one(&mut database).await?;
        sum += count;
    }
    Ok(sum)
}

/// Lifecycles per second until all four services have consumed them, after a warm-up.
pub(super) async fn rate(
    floor: &Arc<Floor>,
    suite: &Suite,
    keys: &Keys,
    scale: f64,
    in_flight: usize,
) -> anyhow::Result<f64> {
    let warm = closed_loop(floor, in_flight, Duration::from_secs_f64(3.0 * scale)).await?;
    eprintln!("    warm-up: {warm:.0} lifecycles/s");
    let begun = Instant::now();
    let before = floor.done.load(Ordering::Relaxed);
    closed_loop(floor, in_flight, Duration::from_secs_f64(15.0 * scale)).await?;
    exercise::settle_system(suite, keys).await?;
    let lifecycles = floor.done.load(Ordering::Relaxed) - before;
    let per_second = lifecycles as f64 / begun.elapsed().as_secs_f64();
    eprintln!(
        "    {lifecycles} lifecycles in {:.1?}, {} failed",
        begun.elapsed(),
        floor.failed.load(Ordering::Relaxed)
    );
    Ok(per_second)
}

/// Reports to the township centre at a fixed rate for a time, each of which it orders an agency to handle as soon as it is a case. The suspicions
/// are recorded before.
pub(super) async fn reports(floor: &Arc<Floor>, per_second: u32, time: Duration) -> anyhow::Result<Delays> {
    let prepared = prepare(floor, u64::from(per_second) * time.as_secs()).await?;
    floor.clear_latencies();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut running = JoinSet::new();
    for id in prepared {
        tick.tick().await;
        let floor = floor.clone();
        running.spawn(async move {
            let told = tokio::time::timeout(PATIENCE, floor.report_and_order(&id)).await;
            floor.board.forget(&id);
            told.map_err(anyhow::Error::from).and_then(|told| told)
        });
    }
    while let Some(one) = running.join_next().await {
        one??;
    }
    let taken =
        |values: &Mutex<Vec<Duration>>| std::mem::take(&mut *values.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Delays { to_case: taken(&floor.to_case), to_instruction: taken(&floor.to_instruction) })
}

/// Suspicions of which the secretary knows.
async fn prepare(floor: &Arc<Floor>, count: u64) -> anyhow::Result<Vec<String>> {
    let suspicions = futures::stream::iter(0..count).map(|_| async {
        let id = floor.member.suspect_plainly("FW-1", "村南废弃砖厂").await?;
        floor.member.notify(&id).await?;
        anyhow::Ok(id)
    });
    suspicions.buffer_unordered(PREPARED_AT_ONCE).try_collect().await
}

/// Lifecycles begin as fast as others end.
async fn closed_loop(floor: &Arc<Floor>, in_flight: usize, time: Duration) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let before = floor.done.load(Ordering::Relaxed);
    let begun = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..in_flight {
        let (floor, stop) = (floor.clone(), stop.clone());
        lanes.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                floor.lifecycle().await;
            }
        });
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(lane) = lanes.join_next().await {
        lane?;
    }
    Ok((floor.done.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64())
}

/// Lifecycles begin at a fixed rate, however long others take.
async fn open_loop(floor: &Arc<Floor>, time: Duration) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / OPEN_RATE);
    let end = Instant::now() + time;
    let mut running = JoinSet::new();
    while Instant::now() < end {
        tick.tick().await;
        let floor = floor.clone();
        running.spawn(async move { floor.lifecycle().await });
    }
    while let Some(one) = running.join_next().await {
        one?;
    }
    Ok(())
}

impl Floor {
    pub(super) async fn build(suite: &'static Suite, keys: &Keys) -> anyhow::Result<Self> {
        let credentials = agency::issue(suite, keys, DEPARTMENT, &COUNTY.parse()?).await?;
        let board = Board::default();
        let bus = refill::connect_bus().await?;
        listen_to_bus(&bus, board.clone()).await?;
        let agency_bus = listen_as_agency(&credentials, board.clone()).await?;
        let secretary = Actor::new(suite, keys, Role::VillageSecretary, VILLAGE)?;
        let photo = secretary.photo().await?;
        Ok(Self {
            member: Actor::new(suite, keys, Role::GridMember, VILLAGE)?,
            secretary,
            centre: Actor::new(suite, keys, Role::TownshipCentre, TOWNSHIP)?,
            office: Actor::new(suite, keys, Role::CountyOffice, COUNTY)?,
            board,
            bus: agency_bus,
            feedback_prefix: credentials.feedback_prefix,
            photo,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            to_case: Mutex::default(),
            to_agency: Mutex::default(),
            to_instruction: Mutex::default(),
        })
    }

    /// Reports up and orders an agency to handle it at once; notes how long it takes to the case and to the order.
    async fn report_and_order(&self, id: &str) -> anyhow::Result<()> {
        let mut news = self.board.expect(id);
        self.secretary.report_up(id).await?;
        let reported = Instant::now();
        let opened = wait(&mut news, |news| matches!(news, News::Opened)).await?.1;
        note(&self.to_case, opened, reported);
        self.centre.instruct_now(id, STATION.code(), "立即处置").await?;
        let ordered = wait(&mut news, |news| matches!(news, News::Ordered)).await?.1;
        note(&self.to_instruction, ordered, reported);
        Ok(())
    }

    fn clear_latencies(&self) {
        for values in [&self.to_case, &self.to_agency, &self.to_instruction] {
            values.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    async fn lifecycle(&self) {
        match tokio::time::timeout(PATIENCE, self.one()).await {
            Ok(Ok(())) => self.done.fetch_add(1, Ordering::Relaxed),
            Ok(Err(error)) => self.fail(&format!("{error:#}")),
            Err(_) => self.fail("took too long"),
        };
    }

    fn fail(&self, why: &str) -> u64 {
        if self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            eprintln!("    first failure: {why}");
        }
        0
    }

    async fn one(&self) -> anyhow::Result<()> {
        let id = self.member.suspect_plainly("FW-1", "村南废弃砖厂").await?;
        let mut news = self.board.expect(&id);
        let told = self.steps(&id, &mut news).await;
        self.board.forget(&id);
        told
    }

    async fn steps(&self, id: &str, news: &mut mpsc::UnboundedReceiver<(News, Instant)>) -> anyhow::Result<()> {
        self.member.notify(id).await?;
        self.secretary.report_up(id).await?;
        let reported = Instant::now();
        let opened = wait(news, |news| matches!(news, News::Opened)).await?.1;
        note(&self.to_case, opened, reported);
        self.centre.escalate_now(id, "超出乡镇职权范围").await?;
        self.office.assign(id, "立即处置").await?;
        let assigned = Instant::now();
        let (instruction, arrived) = wait(news, |news| matches!(news, News::Instructed(_))).await?;
        note(&self.to_agency, arrived, assigned);
        let News::Instructed(instruction) = instruction else { anyhow::bail!("no instruction") };
        self.feed(&instruction, "response", json!({"plan": "现场处置"})).await?;
        let result = json!({
            "kind": "RESULT_KIND_FINAL", "text": "已取缔", "confirmedActs": ["FW-1"],
            "measures": [{"measureId": "close", "decidedAt": dafei_kernel::clock::Clock::now(&dafei_kernel::clock::SystemClock).to_string(), "closeDown": {"note": "拆除"}}],
            "exemptions": [
                {"measure": "WITHOUT_EXCEPTION_MAXIMUM_FINE", "reason": "另案处罚"},
                {"measure": "WITHOUT_EXCEPTION_STOP_PRODUCTION", "reason": "无生产可停"},
                {"measure": "WITHOUT_EXCEPTION_LEGAL_LIABILITY", "reason": "尚不构成犯罪"},
            ],
        });
        self.feed(&instruction, "result", result).await?;
        wait(news, |news| matches!(news, News::Result)).await?;
        self.office.feed_back_now(id, "已取缔", "窝点已取缔").await?;
        wait(news, |news| matches!(news, News::Outcome)).await?;
        self.secretary.publish_with(id, "窝点已取缔", &self.photo).await?;
        wait(news, |news| matches!(news, News::Closed)).await?;
        Ok(())
    }

    async fn feed(&self, instruction: &str, kind: &str, body: Value) -> anyhow::Result<()> {
        let (_, code) = COUNTY.split_once(':').context("a region")?;
        let mut feedback = json!({
            "feedbackId": format!("{instruction}-{kind}"),
            "instructionId": instruction,
            "agency": DEPARTMENT.code(),
            "region": {"level": "county", "code": code},
        });
        feedback[kind] = body;
        let subject = format!("{}.{kind}", self.feedback_prefix);
        self.bus.publish(subject, serde_json::to_vec(&feedback)?.into()).await?;
        Ok(())
    }
}

/// The time from `from` to `to`; nothing passed when the news was faster than the answer.
fn note(values: &Mutex<Vec<Duration>>, to: Instant, from: Instant) {
    values.lock().unwrap_or_else(PoisonError::into_inner).push(to.saturating_duration_since(from));
}

async fn wait(
    news: &mut mpsc::UnboundedReceiver<(News, Instant)>,
    wanted: impl Fn(&News) -> bool,
) -> anyhow::Result<(News, Instant)> {
    loop {
        let (one, at) = news.recv().await.context("the bus is gone")?;
        if wanted(&one) {
            return Ok((one, at));
        }
    }
}

/// What the township's and the county's screens would show.
async fn listen_to_bus(bus: &async_nats::Client, board: Board) -> anyhow::Result<()> {
    for pattern in ["dafei.v1.township.>", "dafei.v1.county.>"] {
        let mut messages = bus.subscribe(pattern).await?;
        let board = board.clone();
        tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let news = match message.subject.rsplit('.').next() {
                    Some("case-opened") => News::Opened,
                    Some("escalated") => News::Escalated,
                    Some("result-submitted") => News::Result,
                    Some("outcome-available") => News::Outcome,
                    Some("closed") => News::Closed,
                    _ => continue,
                };
                let subject = message.headers.as_ref().and_then(|headers| headers.get("ce-subject"));
                if let Some(case_id) = subject {
                    board.tell(case_id.as_str(), news);
                }
            }
        });
    }
    let mut orders = bus.subscribe(format!("dafei.v1.agency.{}.township.*.instruction", STATION.code())).await?;
    tokio::spawn(async move {
        while let Some(message) = orders.next().await {
            let order = serde_json::from_slice::<Value>(&message.payload).unwrap_or_default();
            if let Some(case_id) = order["caseId"].as_str() {
                board.tell(case_id, News::Ordered);
            }
        }
    });
    bus.flush().await?;
    Ok(())
}

/// The department's system: pulls its instructions and acknowledges them.
async fn listen_as_agency(credentials: &Credentials, board: Board) -> anyhow::Result<async_nats::Client> {
    let bus =
        async_nats::ConnectOptions::with_user_and_password(credentials.user.clone(), credentials.password.clone())
            .connect(client::servers(&credentials.url))
            .await?;
    let context = jetstream::context::ContextBuilder::new().api_prefix(credentials.api_prefix).build(bus.clone());
    let consumer: PullConsumer = context.get_consumer_from_stream(&credentials.durable, &credentials.stream).await?;
    let mut messages = consumer.stream().max_messages_per_batch(500).messages().await?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            if message.subject.ends_with(".instruction")
                && let Ok(instruction) = serde_json::from_slice::<Value>(&message.payload)
                && let (Some(case_id), Some(id)) =
                    (instruction["caseId"].as_str(), instruction["instructionId"].as_str())
            {
                board.tell(case_id, News::Instructed(id.to_owned()));
            }
            if let Err(error) = message.ack().await {
                eprintln!("    the agency cannot acknowledge: {error}");
            }
        }
    });
    Ok(bus)
}
