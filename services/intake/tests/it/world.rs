//! The service in this process on servers of its own: the writer, the relay, the consumer, and gRPC behind its door.

use std::{
    num::NonZeroU32,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_nats::{HeaderMap, jetstream};
use dafei_contracts::{
    Event, Stream,
    events::v1 as ev,
    intake::v1::{
        self as api, checklist_service_client::ChecklistServiceClient, evidence_service_client::EvidenceServiceClient,
        inspection_service_client::InspectionServiceClient, patrol_service_client::PatrolServiceClient,
        publicity_service_client::PublicityServiceClient, roster_service_client::RosterServiceClient,
        suspicion_service_client::SuspicionServiceClient,
    },
    types::v1 as types,
};
use dafei_intake::{
    MIGRATOR,
    app::{
        App, RewardTimer, Writer,
        tips::{TipSettings, Tips},
    },
    codes::{Codes, Cost},
    config::RewardSettings,
    consumer::DispatchHandler,
    grpc::{Grpc, PUBLIC, SILENT},
    objects::Place,
    photos::Photos,
};
use dafei_intake_core::{notices::Rules as NoticeRules, roster::Limits, suspicion::Rules, tip::Delay};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, ControlledClock, SystemClock},
    ids::{IdSource as _, SystemIds},
    money::Fen,
    region::Region,
    role::Role,
};
use dafei_messaging::{
    batch::{BatchOptions, group_commit},
    consumer::{ConsumerConfig, ConsumerLoop},
    relay::{Relay, RelayConfig},
    streams::{StreamSpec, ensure_streams},
};
use dafei_runtime::{
    config::Secret,
    identity::{
        AuthLayer, Verifier,
        mint::{Minter, TokenRequest},
    },
    paths::Paths,
    telemetry::GrpcLayer,
};
use dafei_shell::{ops::Progress, roster::RosterView, start::migrators, timer::Timer};
use dafei_testkit::{TestDb, TestNats, eventually};
use jiff::SignedDuration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::images;

pub(crate) const SOON: Duration = Duration::from_secs(30);
pub(crate) const CITY: &str = "city:371300";
pub(crate) const VILLAGE: &str = "village:371302001001";
pub(crate) const OTHER_VILLAGE: &str = "village:371302001002";
pub(crate) const WORK_AREA: &str = "work-area:371302001-east";

/// A small roster; the second township is administered by a county of another prefix.
pub(crate) const REGIONS: &str = "level,code,name,parent,work_area\n\
    city,371300,临沂市,,\n\
    county,371302,兰山区,371300,\n\
    county,371371,高新区,371300,\n\
    township,371302001,兰山街道,371302,\n\
    township,371302002,罗西街道,371371,\n\
    work-area,371302001-east,东片区,371302001,\n\
    village,371302001001,一村,371302001,371302001-east\n\
    village,371302001002,二村,371302001,\n\
    village,371302002001,三村,371302002,\n";

/// A small PNG.
pub(crate) static PNG: LazyLock<Vec<u8>> = LazyLock::new(|| images::png(&images::picture(4, 3)));

pub(crate) fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

pub(crate) fn wire(text: &str) -> types::Region {
    (&region(text)).into()
}

pub(crate) fn new_id() -> String {
    SystemIds.random().to_string()
}

/// Role and region.
pub(crate) type Caller = (Role, &'static str);

pub(crate) const MEMBER: Caller = (Role::GridMember, VILLAGE);
pub(crate) const SECRETARY: Caller = (Role::VillageSecretary, VILLAGE);
pub(crate) const ADMIN: Caller = (Role::Admin, CITY);

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) js: jetstream::Context,
    pub(crate) clock: ControlledClock,
    pub(crate) app: Arc<App>,
    /// Where the bytes of photos lie, below `store`.
    pub(crate) photos: TempDir,
    timer: Progress,
    pub(crate) channel: Channel,
    minter: Minter,
    stop: CancellationToken,
    _nats: TestNats,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// A service at 2026-11-23 10:00 in Shanghai, a Monday, without a roster.
    pub(crate) async fn empty() -> Self {
        Self::with_photos(None).await
    }

    /// As [`World::empty`], with the bytes of photos in another place than the directory.
    pub(crate) async fn with_photos(place: Option<Place>) -> Self {
        Self::set_up(place, quick_tips(), rewards()).await
    }

    /// As [`World::empty`], with the entrance of tips set otherwise.
    pub(crate) async fn empty_with(tips: TipSettings) -> Self {
        Self::set_up(None, tips, rewards()).await
    }

    /// As [`World::empty`], with settings of rewards.
    pub(crate) async fn empty_paying(rewards: RewardSettings) -> Self {
        Self::set_up(None, quick_tips(), rewards).await
    }

    async fn set_up(place: Option<Place>, tips: TipSettings, rewards: RewardSettings) -> Self {
        let own = migrators(&MIGRATOR);
        let (db, nats) = tokio::join!(TestDb::new(&own), TestNats::start());
        let js = nats.jetstream().await;
        let specs = [Stream::Intake, Stream::Dispatch]
            .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()));
        eventually(SOON, "the streams are made", async || ensure_streams(&js, &specs).await.ok()).await;
        let clock = ControlledClock::new("2026-11-23T10:00:00+08:00".parse().expect("an instant"));
        let photos = tempfile::tempdir().expect("a directory");
        let place = place.unwrap_or_else(|| Place::Directory(photos.path().join("store")));
        let app = Arc::new(App {
            pool: db.pool.clone(),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(SystemIds),
            photos: Photos::open(&place).expect("a place"),
            codes: Codes::new(&Secret::new("a pepper of the tests, kept by nobody"), Cost::LEAST),
            tips: Tips::new(tips),
            roster: RosterView::load(&db.pool).await.expect("an empty roster"),
            roster_limits: Limits::default(),
            rules: Rules::default(),
            notices: NoticeRules::default(),
            patrol_months: 3,
            rewards,
        });
        dafei_intake::app::load_builtin(&app).await.expect("the built-in checklists");
        let (minter, stop) = (Minter::generate().expect("a key"), CancellationToken::new());
        let channel = serve(&app, &minter, &stop);
        let config = RelayConfig::new("intake", vec![specs[0].clone()]);
        let relay = Relay::new(db.pool.clone(), js.clone(), Arc::new(clock.clone()), config);
        tokio::spawn(relay.run(stop.clone()));
        let handler = Arc::new(DispatchHandler::new(Arc::clone(&app)));
        let config = ConsumerConfig::ordered(Stream::Dispatch.name());
        let consumer = ConsumerLoop::new(db.pool.clone(), js.clone(), Arc::new(clock.clone()), handler, config);
        tokio::spawn(consumer.run(stop.clone()));
        let rewards_timer = Timer::new(Arc::new(RewardTimer::new(Arc::clone(&app))), Arc::clone(&app.clock));
        let timer = rewards_timer.progress();
        tokio::spawn(rewards_timer.run(stop.clone()));
        Self { db, js, clock, app, photos, timer, minter, channel, stop, _nats: nats }
    }

    /// The suspicions at a second replica on the same database.
    pub(crate) fn suspicions_at_another_replica(&self) -> SuspicionServiceClient<Channel> {
        SuspicionServiceClient::new(serve(&self.app, &self.minter, &self.stop))
    }

    /// As [`World::empty`], with the small roster.
    pub(crate) async fn start() -> Self {
        Self::empty().await.with_roster().await
    }

    pub(crate) async fn with_roster(self) -> Self {
        self.import(api::RosterFile::Regions, REGIONS).await.expect("a good file");
        self
    }

    /// The server's address, for clients of whatever kind.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The suite's time.
    pub(crate) fn clock_now(&self) -> dafei_kernel::time::Instant {
        self.clock.now()
    }

    /// Time passes, and the timers are told.
    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
        self.timer.clock_moved.as_ref().expect("the timer can be woken")();
    }

    fn token(&self, subject: String, (role, place): Caller) -> String {
        // A work area's secretary acts for the township's area that the token names.
        let region = region(place);
        let work_area = (role == Role::WorkAreaSecretary).then(|| region.code().to_string());
        let request = TokenRequest {
            subject,
            name: None,
            role,
            region,
            agency: role.needs_agency().then_some(Agency::EmergencyManagement),
            work_area,
            issuer: "issuer".to_owned(),
            audience: "dafei".to_owned(),
            expires: SystemClock.now() + SignedDuration::from_hours(1),
        };
        self.minter.sign(&request).expect("a token")
    }

    pub(crate) fn request<T>(&self, caller: Caller, message: T) -> Request<T> {
        self.request_of(format!("{}@{}", caller.0, caller.1), caller, message)
    }

    /// A request of one of several who have the same role and region.
    pub(crate) fn request_of<T>(&self, subject: String, caller: Caller, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token(subject, caller));
        request.metadata_mut().insert("authorization", bearer.parse().expect("a header"));
        request
    }

    pub(crate) fn suspicions(&self) -> SuspicionServiceClient<Channel> {
        SuspicionServiceClient::new(self.channel.clone())
    }

    pub(crate) fn checklists(&self) -> ChecklistServiceClient<Channel> {
        ChecklistServiceClient::new(self.channel.clone())
    }

    pub(crate) fn patrols(&self) -> PatrolServiceClient<Channel> {
        PatrolServiceClient::new(self.channel.clone())
    }

    pub(crate) fn evidence(&self) -> EvidenceServiceClient<Channel> {
        EvidenceServiceClient::new(self.channel.clone())
    }

    pub(crate) fn inspections(&self) -> InspectionServiceClient<Channel> {
        InspectionServiceClient::new(self.channel.clone())
    }

    pub(crate) fn publicity(&self) -> PublicityServiceClient<Channel> {
        PublicityServiceClient::new(self.channel.clone())
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    pub(crate) fn roster(&self) -> RosterServiceClient<Channel> {
        RosterServiceClient::new(self.channel.clone())
    }

    /// Imports a file in parts, as a client does.
    pub(crate) async fn import(
        &self,
        file: api::RosterFile,
        content: &str,
    ) -> Result<api::ImportRosterResponse, Status> {
        self.import_as(ADMIN, &new_id(), file, content).await
    }

    pub(crate) async fn import_as(
        &self,
        caller: Caller,
        request_id: &str,
        file: api::RosterFile,
        content: &str,
    ) -> Result<api::ImportRosterResponse, Status> {
        self.upload_roster(caller, request_id, file, content, false).await
    }

    pub(crate) async fn upload_roster(
        &self,
        caller: Caller,
        request_id: &str,
        file: api::RosterFile,
        content: &str,
        dry_run: bool,
    ) -> Result<api::ImportRosterResponse, Status> {
        let part = |chunk: &[u8]| api::ImportRosterRequest {
            request_id: request_id.to_owned(),
            file: file.into(),
            chunk: chunk.to_vec().into(),
            dry_run,
        };
        let parts: Vec<_> = content.as_bytes().chunks(60_000).map(part).collect();
        let request = self.request(caller, tokio_stream::iter(parts));
        Ok(self.roster().import_roster(request).await?.into_inner())
    }

    pub(crate) async fn upload(
        &self,
        caller: Caller,
        request_id: &str,
        place: &str,
        bytes: &[u8],
    ) -> Result<api::UploadEvidenceResponse, Status> {
        let part = |chunk: &[u8]| api::UploadEvidenceRequest {
            request_id: request_id.to_owned(),
            place: Some(wire(place)),
            chunk: chunk.to_vec().into(),
        };
        let parts: Vec<_> = bytes.chunks(1024 * 1024).map(part).collect();
        let request = self.request(caller, tokio_stream::iter(parts));
        Ok(self.evidence().upload_evidence(request).await?.into_inner())
    }

    /// A photo of [`VILLAGE`].
    pub(crate) async fn photo(&self) -> String {
        self.upload(MEMBER, &new_id(), VILLAGE, &PNG).await.expect("a photo").evidence_id
    }

    pub(crate) async fn record(&self, request: api::RecordSuspicionRequest) -> Result<api::Suspicion, Status> {
        let answer = self.suspicions().record_suspicion(self.request(MEMBER, request)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    pub(crate) async fn get(&self, case_id: &str) -> api::Suspicion {
        let request = self.request(MEMBER, api::GetSuspicionRequest { case_id: case_id.to_owned() });
        let answer = self.suspicions().get_suspicion(request).await.expect("it is there");
        answer.into_inner().suspicion.expect("as kept")
    }

    /// Dispatch tells an outcome, under the headers of its relay.
    pub(crate) async fn outcome(&self, case_id: &str, sequence: i64, public_text: &str) {
        let event = Event::from(ev::OutcomeAvailable {
            meta: None,
            case_id: case_id.to_owned(),
            village: Some(wire(VILLAGE)),
            public_text: public_text.to_owned(),
        });
        self.dispatch_tells(case_id, sequence, event).await;
    }

    /// Dispatch tells something of a case.
    pub(crate) async fn dispatch_tells(&self, case_id: &str, sequence: i64, mut event: Event) {
        let now = self.clock.now();
        event.set_meta(ev::EventMeta {
            aggregate_id: case_id.to_owned(),
            sequence,
            region_path: format!("{CITY}/county:371302/township:371302001/{VILLAGE}"),
            actor: None,
            received_at: Some(now.into()),
            claimed_at: None,
            chain_head: String::new(),
            person: String::new(),
        });
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", new_id());
        headers.insert("ce-type", event.kind().event_type);
        headers.insert("ce-source", dafei_shell::publish::source("dispatch"));
        headers.insert("ce-time", now.to_string());
        headers.insert("ce-subject", case_id);
        headers.insert("ce-sequence", sequence.to_string());
        headers.insert("content-type", "application/json");
        let subject = event.subject().expect("a subject").to_string();
        let payload = event.to_json().expect("JSON");
        let ack = self.js.publish_with_headers(subject, headers, payload.into()).await.expect("NATS takes it");
        ack.await.expect("JetStream stores it");
    }

    /// The events of an aggregate as stored.
    pub(crate) async fn history(&self, aggregate: &str) -> Vec<Event> {
        let mut conn = self.db.pool.acquire().await.expect("a connection");
        let id = Uuid::parse_str(aggregate).expect("an id");
        let rows = dafei_messaging::log::history(&mut conn, id, 0, 1_000).await.expect("a history");
        let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
        assert_eq!(sequences, (1..=i64::try_from(rows.len()).expect("few")).collect::<Vec<_>>(), "no holes");
        rows.iter()
            .map(|row| Event::from_json(&row.event_type, &row.payload).expect("JSON").expect("of the catalogue"))
            .collect()
    }

    /// How many events there are of all aggregates.
    pub(crate) async fn events(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM event_log").fetch_one(&self.db.pool).await.expect("a count")
    }
}

/// The defaults, with refusals that are answered at once.
/// An entrance of tips that lets all through at once.
fn quick_tips() -> TipSettings {
    let rate = NonZeroU32::new(1_000_000).expect("not zero");
    TipSettings { delay: Delay::none(), submits_per_minute: rate, asks_per_minute: rate }
}

pub(crate) fn rewards() -> RewardSettings {
    RewardSettings {
        cap: Fen::new(5_000_000).expect("not below zero"),
        reservation: SignedDuration::from_mins(30),
        span: SignedDuration::from_hours(1),
        teller: 10,
        branch: 30,
        announcement: 5,
        teller_announcement: 3,
        refusal_after: Duration::ZERO,
    }
}

fn serve(app: &Arc<App>, minter: &Minter, stop: &CancellationToken) -> Channel {
    let (queue, writer) = group_commit(Writer::new(Arc::clone(app)), BatchOptions::default());
    tokio::spawn(writer.run(stop.clone()));
    let verifier = Verifier::from_jwks(&minter.jwks(), "issuer", "dafei").expect("keys");
    let (uploads, writer) = group_commit(Writer::new(Arc::clone(app)), Writer::for_uploads());
    tokio::spawn(writer.run(stop.clone()));
    let routes = Grpc::new(Arc::clone(app), queue, uploads).routes(4 * 1024 * 1024);
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = incoming.local_addr().expect("its address");
    let server = Server::builder()
        .layer(GrpcLayer::new(Paths::new(SILENT)))
        .layer(AuthLayer::new(verifier, &Paths::new(PUBLIC)))
        .add_routes(routes);
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()));
    Channel::from_shared(format!("http://{address}")).expect("a URI").connect_lazy()
}

/// A den in [`VILLAGE`] where fireworks are kept: an act that persuasion may settle.
pub(crate) fn den() -> api::RecordSuspicionRequest {
    api::RecordSuspicionRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        act: "HC-3".to_owned(),
        act_text: String::new(),
        subject: Some(types::Subject {
            kind: Some(types::subject::Kind::Den(types::Den {
                place: "村东头仓库".to_owned(),
                position: None,
                industry: String::new(),
            })),
        }),
        description: "院内堆放油桶".to_owned(),
        device_time: None,
        device_sent_at: None,
        evidence_ids: Vec::new(),
        suspected_crime: false,
    }
}

/// Short names of events.
pub(crate) fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind().fact).collect()
}

/// Code and reason of a refusal; it must have words for clerks.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("refused");
    let details = status.get_error_details();
    let words = details.localized_message().expect("words for clerks");
    assert!(words.locale == "zh-CN" && !words.message.is_empty(), "{status:?}");
    (status.code(), details.error_info().expect("a reason").reason.clone())
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("fields").field_violations;
    violations.iter().map(|violation| violation.field.clone()).collect()
}
