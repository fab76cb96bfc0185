//! The service in this process on servers of its own: the writer, the relay, the consumers, the timer, and gRPC behind its door.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream;
use dafei_contracts::{Event, Stream, dispatch::v1 as api, events::v1 as ev, types::v1 as types};
use dafei_dispatch::{
    MIGRATOR,
    app::{AgencySystems, App, AssumedDelivery, RulesView, Writer},
    config,
    consumers::{ACKS_STREAM, Acks, FeedbackHandler, IntakeHandler, Lights, acks_stream, feedback_stream},
    grpc::Grpc,
};
use dafei_dispatch_core::case::Limits;
use dafei_kernel::{
    agency::Agency,
    clock::{Clock, ControlledClock, SharedClock, SystemClock},
    credit_code::CreditCode,
    ids::SystemIds,
    industry::Industry,
    region::Region,
    role::Role,
    roster::{Enterprise, RegionEntry, RosterIndex},
    time::Instant,
};
use dafei_messaging::{
    batch::{BatchOptions, group_commit},
    consumer::{ConsumerConfig, ConsumerLoop, Handler},
    relay::{Relay, RelayConfig},
    streams::{StreamSpec, ensure_streams},
};
use dafei_runtime::{
    identity::{
        AuthLayer, Verifier,
        mint::{Minter, TokenRequest},
    },
    paths::Paths,
};
use dafei_shell::{ops::Progress, roster::RosterView, start::migrators, timer::Timer, watch::Watches};
use dafei_testkit::{TestDb, TestNats, eventually};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Server, server::TcpIncoming};
use uuid::Uuid;

pub(crate) use crate::caller::{Caller, lead};

/// Screens at a time.
pub(crate) const WATCHERS: usize = 3;
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const CITY: &str = "city:371300";
pub(crate) const COUNTY: &str = "county:371302";
pub(crate) const OTHER_COUNTY: &str = "county:371311";
pub(crate) const TOWNSHIP: &str = "township:371302001";
pub(crate) const OTHER_TOWNSHIP: &str = "township:371302002";
pub(crate) const VILLAGE: &str = "village:371302001001";
pub(crate) const OTHER_VILLAGE: &str = "village:371302001002";
pub(crate) const WORK_AREA: &str = "work-area:371302001-a";

pub(crate) fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

pub(crate) fn wire_region(text: &str) -> types::Region {
    (&region(text)).into()
}

/// An enterprise of the roster, whose regulator is transport.
pub(crate) const KNOWN_ENTERPRISE: &str = "91371302MA3C000015";

fn roster() -> RosterIndex {
    let mut roster = RosterIndex::new();
    let rows = [
        (CITY, None, None),
        (COUNTY, Some(CITY), None),
        (OTHER_COUNTY, Some(CITY), None),
        (TOWNSHIP, Some(COUNTY), None),
        (OTHER_TOWNSHIP, Some(COUNTY), None),
        (WORK_AREA, Some(TOWNSHIP), None),
        (VILLAGE, Some(TOWNSHIP), Some(WORK_AREA)),
        (OTHER_VILLAGE, Some(TOWNSHIP), None),
    ];
    for (text, parent, work_area) in rows {
        let entry = RegionEntry {
            region: region(text),
            name: text.to_owned(),
            parent: parent.map(region),
            work_area: work_area.map(region),
            households: 0,
        };
        roster.upsert_region(entry).expect("a region with its parent");
    }
    roster.upsert_enterprise(Enterprise {
        credit_code: CreditCode::parse(KNOWN_ENTERPRISE).expect("a credit code"),
        name: "某运输有限公司".to_owned(),
        industry: Industry::General,
        regulator: Some(Agency::Transport),
        region: region(TOWNSHIP),
        employees: 30,
    });
    roster
}

/// How a suite is made.
#[derive(Default)]
pub(crate) struct Options {
    /// The machine's clock instead of the test's.
    pub(crate) system_clock: bool,
    /// Without the feedback consumer, until [`Suite::start_feedback`].
    pub(crate) feedback_later: bool,
}

pub(crate) struct Suite {
    pub(crate) db: TestDb,
    pub(crate) nats: TestNats,
    pub(crate) js: jetstream::Context,
    pub(crate) clock: Arc<ControlledClock>,
    pub(crate) app: Arc<App>,
    pub(crate) progress: Progress,
    minter: Minter,
    channel: Channel,
    pub(crate) token: CancellationToken,
}

impl Drop for Suite {
    fn drop(&mut self) {
        self.token.cancel();
    }
}

/// The streams of the suite that dispatch has to do with.
pub(crate) fn streams() -> Vec<StreamSpec> {
    let own = [Stream::Intake, Stream::Dispatch, Stream::Agency, Stream::Sla]
        .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()));
    own.into_iter().chain([feedback_stream(), acks_stream()]).collect()
}

impl Suite {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let migrators = migrators(&MIGRATOR);
        let (db, nats) = tokio::join!(TestDb::new(&migrators), TestNats::start());
        let js = nats.jetstream().await;
        eventually(PATIENCE, "the streams are made", async || ensure_streams(&js, &streams()).await.ok()).await;
        let clock = Arc::new(ControlledClock::new("2026-03-02T01:00:00Z".parse().expect("an instant")));
        let shared: SharedClock = if options.system_clock { Arc::new(SystemClock) } else { clock.clone() };
        let opened = RulesView::open(&db.pool, config::ROUTING, config::AUTHORITY, clock.now()).await;
        let rules = opened.expect("the default rules are sound");
        let app = Arc::new(App {
            pool: db.pool.clone(),
            clock: shared,
            exercise: !options.system_clock,
            ids: Arc::new(SystemIds),
            roster: RosterView::for_test(roster()),
            rules,
            limits: Limits::default(),
        });
        let minter = Minter::generate().expect("a key");
        let token = CancellationToken::new();
        let systems = AgencySystems::new(Arc::clone(&app), js.clone());
        let channel = serve(&app, &js, &systems, &minter, &token).await;
        let timer = Timer::new(Arc::new(AssumedDelivery::new(Arc::clone(&app), js.clone())), Arc::clone(&app.clock));
        let progress = timer.progress();
        tokio::spawn(timer.run(token.clone()));
        tokio::spawn(systems.run(token.clone()));
        let suite = Self { db, nats, js, clock, app, progress, minter, channel, token };
        suite.relay();
        suite.consume(IntakeHandler::new(Arc::clone(&suite.app)), ConsumerConfig::ordered(Stream::Intake.name()));
        suite.consume(Lights, ConsumerConfig::ordered(Stream::Sla.name()));
        suite.consume(Acks::new(Arc::clone(&suite.app), suite.js.clone()), ConsumerConfig::raw(ACKS_STREAM));
        if !options.feedback_later {
            suite.start_feedback();
        }
        suite
    }

    /// A second replica on the same database, and this caller at it.
    pub(crate) async fn at_another_replica(&self, caller: &Caller) -> Caller {
        let systems = AgencySystems::new(Arc::clone(&self.app), self.js.clone());
        let channel = serve(&self.app, &self.js, &systems, &self.minter, &self.token).await;
        caller.by(channel)
    }

    fn relay(&self) {
        let own = [Stream::Dispatch, Stream::Agency]
            .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()));
        let config = RelayConfig::new("dispatch", own.to_vec());
        let relay = Relay::new(self.db.pool.clone(), self.js.clone(), self.app.clock.clone(), config);
        tokio::spawn(relay.run(self.token.clone()));
    }

    pub(crate) fn start_feedback(&self) {
        self.consume(FeedbackHandler::new(Arc::clone(&self.app)), ConsumerConfig::raw(Stream::Feedback.name()));
    }

    fn consume<H: Handler>(&self, handler: H, config: ConsumerConfig) {
        let consumer =
            ConsumerLoop::new(self.db.pool.clone(), self.js.clone(), self.app.clock.clone(), Arc::new(handler), config);
        tokio::spawn(consumer.run(self.token.clone()));
    }

    /// A caller with a token.
    pub(crate) fn caller(&self, role: Role, region_text: &str, agency: Option<Agency>) -> Caller {
        self.named(&format!("{role}@{region_text}"), role, region_text, agency)
    }

    pub(crate) fn named(&self, subject: &str, role: Role, region_text: &str, agency: Option<Agency>) -> Caller {
        self.for_a_time(subject, (role, region_text, agency), SignedDuration::from_hours(1))
    }

    /// A caller whose token is good for a time.
    pub(crate) fn for_a_time(
        &self,
        subject: &str,
        (role, region_text, agency): (Role, &str, Option<Agency>),
        time: SignedDuration,
    ) -> Caller {
        let token = self.minter.sign(&TokenRequest {
            subject: subject.to_owned(),
            name: None,
            role,
            region: region(region_text),
            agency,
            work_area: None,
            issuer: "issuer".to_owned(),
            audience: "dafei".to_owned(),
            expires: SystemClock.now() + time,
        });
        let bearer = format!("Bearer {}", token.expect("a token")).parse().expect("an ASCII header");
        Caller::new(self.channel.clone(), bearer)
    }

    pub(crate) fn centre(&self) -> Caller {
        self.caller(Role::TownshipCentre, TOWNSHIP, None)
    }

    pub(crate) fn office(&self) -> Caller {
        self.caller(Role::CountyOffice, COUNTY, None)
    }

    pub(crate) fn department(&self, agency: Agency) -> Caller {
        self.caller(Role::CountyDepartment, COUNTY, Some(agency))
    }

    pub(crate) fn station(&self, agency: Agency) -> Caller {
        self.caller(Role::TownshipAgency, TOWNSHIP, Some(agency))
    }

    pub(crate) fn admin(&self) -> Caller {
        self.caller(Role::Admin, CITY, None)
    }

    /// Moves the clock and lets the timer look.
    pub(crate) fn advance(&self, by: SignedDuration) -> Instant {
        self.clock.advance(by);
        self.progress.clock_moved.as_ref().expect("the timer can be woken")();
        self.clock.now()
    }

    /// A report reaches the centre, as intake publishes it; answers the case once the centre sees it.
    pub(crate) async fn report(&self) -> Uuid {
        self.report_on(den()).await
    }

    pub(crate) async fn report_on(&self, subject: types::Subject) -> Uuid {
        let case = Uuid::now_v7_of_test();
        self.report_again(case, 1, subject).await;
        self.state(case, api::CaseState::AtCentre).await;
        case
    }

    /// The report of a case, as the event of this sequence.
    pub(crate) async fn report_again(&self, case: Uuid, sequence: i64, subject: types::Subject) {
        self.intake(case, sequence, reported(case, subject, self.app.clock.now())).await;
    }

    /// An event of intake, with the headers that its relay gives it.
    pub(crate) async fn intake(&self, aggregate: Uuid, sequence: i64, event: impl Into<Event>) {
        let now = self.app.clock.now();
        let meta = ev::EventMeta {
            aggregate_id: aggregate.to_string(),
            sequence,
            region_path: format!("{CITY}/{COUNTY}/{TOWNSHIP}/{VILLAGE}"),
            actor: Some(types::Post {
                role: Role::VillageSecretary.code().to_owned(),
                region: Some(wire_region(VILLAGE)),
                agency: String::new(),
            }),
            received_at: Some(now.into()),
            claimed_at: None,
            chain_head: String::new(),
            person: String::new(),
        };
        self.intake_with(meta, event).await;
    }

    /// An event of intake with its meta, recorded now.
    pub(crate) async fn intake_with(&self, meta: ev::EventMeta, event: impl Into<Event>) {
        self.told_by("intake", meta, event).await;
    }

    /// An event of a service with its meta, recorded now, with the headers that its relay gives it.
    pub(crate) async fn told_by(&self, service: &str, meta: ev::EventMeta, event: impl Into<Event>) {
        let mut event: Event = event.into();
        let now = self.app.clock.now();
        let (aggregate, sequence) = (meta.aggregate_id.clone(), meta.sequence);
        event.set_meta(meta);
        let id = Uuid::now_v7_of_test().to_string();
        let mut headers = async_nats::HeaderMap::new();
        let pairs = [
            ("Nats-Msg-Id", id.clone()),
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", id),
            ("ce-type", event.kind().event_type.to_owned()),
            ("ce-source", format!("dafei/{service}")),
            ("ce-time", now.to_string()),
            ("ce-subject", aggregate),
            ("ce-sequence", sequence.to_string()),
        ];
        for (name, value) in pairs {
            headers.insert(name, value);
        }
        let subject = event.subject().expect("a subject").to_string();
        let payload = event.to_json().expect("JSON");
        let stored = self.js.publish_with_headers(subject, headers, payload.into()).await.expect("published");
        stored.await.expect("stored");
    }

    /// Waits until the case is in a state.
    pub(crate) async fn state(&self, case: Uuid, state: api::CaseState) -> api::Case {
        eventually(PATIENCE, &format!("case {case} is {state:?}"), || async {
            let found = self.admin().case(case).await.ok()?;
            (found.state() == state).then_some(found)
        })
        .await
    }

    /// As far as the office: reported and escalated.
    pub(crate) async fn escalated(&self) -> Uuid {
        let case = self.report().await;
        self.centre().escalate(case).await.expect("escalated");
        case
    }

    /// As far as the departments; answers the case.
    pub(crate) async fn assigned(&self) -> api::Case {
        let case = self.escalated().await;
        self.office().assign(case).await.expect("assigned")
    }

    /// The events of a stream so far, decoded.
    pub(crate) async fn published(&self, stream: Stream, count: u64) -> Vec<Event> {
        let messages = self.messages(stream.name(), count).await;
        messages
            .iter()
            .filter_map(|message| {
                let kind = message.headers.get("ce-type")?.as_str().to_owned();
                Event::from_json(&kind, &message.payload).expect("JSON of its type")
            })
            .collect()
    }

    /// The first messages of a stream that are no watermarks, once there are so many.
    pub(crate) async fn messages(&self, stream: &str, count: u64) -> Vec<jetstream::message::StreamMessage> {
        let stream = self.js.get_stream_no_info(stream).await.expect("the stream");
        let mut found = Vec::new();
        let mut sequence = 1;
        while u64::try_from(found.len()).expect("few") < count {
            let message = eventually(PATIENCE, &format!("{count} messages, so far {}", found.len()), || async {
                stream.direct_get(sequence).await.ok()
            })
            .await;
            sequence += 1;
            if !message.subject.starts_with("dafei.v1.watermark") {
                found.push(message);
            }
        }
        found
    }
}

async fn serve(
    app: &Arc<App>,
    js: &jetstream::Context,
    systems: &AgencySystems,
    minter: &Minter,
    token: &CancellationToken,
) -> Channel {
    let (queue, writer) = group_commit(Writer::new(Arc::clone(app)), BatchOptions::default());
    tokio::spawn(writer.run(token.clone()));
    let verifier = Verifier::from_jwks(&minter.jwks(), "issuer", "dafei").expect("keys");
    let watches = Watches::new(js.clone(), Stream::Dispatch, App::SERVICE, WATCHERS, token.clone());
    let routes = Grpc::new(Arc::clone(app), queue, systems.clone(), watches).routes();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = incoming.local_addr().expect("its address");
    let server = Server::builder().layer(AuthLayer::new(verifier, &Paths::none())).add_routes(routes);
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, token.clone().cancelled_owned()));
    Channel::from_shared(format!("http://{address}")).expect("a URI").connect_lazy()
}

trait TestIds {
    fn now_v7_of_test() -> Uuid;
}

impl TestIds for Uuid {
    fn now_v7_of_test() -> Uuid {
        dafei_kernel::ids::IdSource::ordered(&SystemIds, SystemClock.now())
    }
}

pub(crate) fn new_id() -> String {
    Uuid::now_v7_of_test().to_string()
}

pub(crate) fn den() -> types::Subject {
    let den = types::Den { place: "村东头废弃厂房".to_owned(), position: None, industry: String::new() };
    types::Subject { kind: Some(types::subject::Kind::Den(den)) }
}

pub(crate) fn enterprise(regulator: Agency) -> types::Subject {
    let enterprise = types::Enterprise {
        credit_code: "91350100M000100Y43".to_owned(),
        name: "某化工有限公司".to_owned(),
        industry: String::new(),
        regulator: regulator.code().to_owned(),
    };
    types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) }
}

fn reported(case: Uuid, subject: types::Subject, now: Instant) -> ev::ReportedUp {
    ev::ReportedUp {
        meta: None,
        case_id: case.to_string(),
        route: ev::ReportRoute::Secretary.into(),
        village: Some(wire_region(VILLAGE)),
        act: "HC-3".to_owned(),
        act_text: String::new(),
        subject: Some(subject),
        description: "夜间有罐车进出".to_owned(),
        found_at: Some((now - SignedDuration::from_mins(50)).into()),
        evidence_ids: Vec::new(),
        suspected_crime: false,
    }
}

pub(crate) fn fine(id: &str, fen: i64, now: Instant) -> types::Measure {
    types::Measure {
        measure_id: id.to_owned(),
        decided_at: Some(now.into()),
        comply_by: None,
        kind: Some(types::measure::Kind::Fine(types::Fine {
            amount_fen: fen,
            decision_number: "临应急罚〔2026〕1号".to_owned(),
            mitigation: String::new(),
        })),
    }
}

/// Each of the four that are to be taken without exception, as not applying.
pub(crate) fn exemptions() -> Vec<types::Exemption> {
    use types::WithoutException as Which;
    let all = [Which::CloseDown, Which::MaximumFine, Which::StopProduction, Which::LegalLiability];
    all.into_iter().map(|which| types::Exemption { measure: which.into(), reason: "不涉及".to_owned() }).collect()
}
