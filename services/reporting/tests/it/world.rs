//! A running reporting service on servers of its own.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, jetstream};
use dafei_contracts::{
    Stream,
    reporting::v1::{
        FilingUnit, GetMonthlyTableRequest, GetMonthlyTableResponse, ListCellFactsRequest, ListCellFactsResponse,
        TableRow, assessment_service_client::AssessmentServiceClient,
        evaluation_service_client::EvaluationServiceClient, filing_service_client::FilingServiceClient,
        monthly_table_service_client::MonthlyTableServiceClient, rebuild_service_client::RebuildServiceClient,
    },
    types::v1::Region as WireRegion,
};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, ControlledClock, SystemClock},
    ids::SystemIds,
    region::Region,
    role::Role,
};
use dafei_messaging::{
    consumer::{ConsumerHandle, ConsumerLoop},
    streams::{StreamSpec, ensure_streams},
};
use dafei_reporting::{
    config::Rules,
    consumer::{DispatchFacts, IntakeEvents, SlaFacts},
    rebuild::Rebuilds,
    serve::{self, Parts},
    store,
};
use dafei_runtime::identity::{
    AuthLayer, Verifier,
    mint::{Minter, TokenRequest},
};
use dafei_runtime::paths::Paths;
use dafei_shell::{roster::RosterView, start};
use dafei_testkit::{TestDb, TestNats, eventually};
use jiff::SignedDuration;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, transport::Channel};

use crate::events::{self, Told};

/// How long something may take.
const SOON: Duration = Duration::from_secs(20);
const ISSUER: &str = "tests";

/// The service with its servers.
pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) clock: ControlledClock,
    pub(crate) channel: Channel,
    minter: Minter,
    js: jetstream::Context,
    consumers: Vec<(&'static str, ConsumerHandle)>,
    stop: CancellationToken,
    server: JoinHandle<()>,
    _nats: TestNats,
}

impl World {
    /// A service at 2026-11-30 12:00 in Shanghai that knows the roster of [`events::roster`].
    pub(crate) async fn start() -> Self {
        let db = TestDb::new(&start::migrators(&store::MIGRATOR)).await;
        let nats = TestNats::start().await;
        let mut js = nats.jetstream().await;
        js.set_timeout(SOON);
        let specs: Vec<StreamSpec> = [Stream::Intake, Stream::Dispatch, Stream::Sla]
            .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()))
            .into();
        ensure_streams(&js, &specs).await.expect("the streams can be made");
        let clock = ControlledClock::new("2026-11-30T12:00:00+08:00".parse().expect("an instant"));
        let roster = RosterView::load(&db.pool).await.expect("an empty roster");
        let stop = CancellationToken::new();
        let minter = Minter::generate().expect("a key");
        let rules = Arc::new(Rules::built_in().expect("rules"));
        let parts = Parts {
            pool: db.pool.clone(),
            roster: roster.clone(),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(SystemIds),
            rules,
        };
        let rebuilds = Rebuilds::open(db.pool.clone(), Arc::new(clock.clone())).await.expect("no rebuild yet");
        let (channel, server) = listen(&parts, rebuilds, &minter).await;
        let intake = ConsumerLoop::new(
            db.pool.clone(),
            js.clone(),
            Arc::new(clock.clone()),
            Arc::new(IntakeEvents::new(roster, Arc::new(clock.clone()))),
            IntakeEvents::config(),
        );
        let dispatch = ConsumerLoop::new(
            db.pool.clone(),
            js.clone(),
            Arc::new(clock.clone()),
            Arc::new(DispatchFacts),
            DispatchFacts::config(),
        );
        let sla = ConsumerLoop::new(
            db.pool.clone(),
            js.clone(),
            Arc::new(clock.clone()),
            Arc::new(SlaFacts),
            SlaFacts::config(),
        );
        let consumers = vec![
            (Stream::Intake.name(), intake.handle()),
            (Stream::Dispatch.name(), dispatch.handle()),
            (Stream::Sla.name(), sla.handle()),
        ];
        tokio::spawn(sla.run(stop.clone()));
        tokio::spawn(intake.run(stop.clone()));
        tokio::spawn(dispatch.run(stop.clone()));
        let world = Self { db, clock, channel, minter, js, consumers, stop, server, _nats: nats };
        for told in events::roster() {
            world.publish(&told).await;
        }
        world.caught_up().await;
        world
    }

    /// Publishes an event as its service's relay does, except for the message id: a test may tell it twice.
    pub(crate) async fn publish(&self, told: &Told) {
        let subject = told.event.subject().expect("a subject of the catalogue").to_string();
        self.publish_bytes(told, subject, told.event.to_json().expect("JSON")).await;
    }

    /// Publishes any bytes under the headers of an event.
    pub(crate) async fn publish_bytes(&self, told: &Told, subject: String, payload: Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", told.event_id.to_string());
        headers.insert("ce-type", told.event.kind().event_type);
        headers.insert("ce-source", dafei_shell::publish::source(told.service));
        headers.insert("ce-time", self.clock.now().to_string());
        headers.insert("ce-subject", told.aggregate.to_string());
        headers.insert("ce-sequence", told.sequence.to_string());
        headers.insert("content-type", "application/json");
        let ack = self.js.publish_with_headers(subject, headers, payload.into()).await.expect("NATS takes it");
        ack.await.expect("JetStream stores it");
    }

    /// Publishes events in this order and waits until they have taken effect.
    pub(crate) async fn tell(&self, events: &[Told]) {
        for told in events {
            self.publish(told).await;
        }
        self.caught_up().await;
    }

    /// Waits until the consumers have read all that is in their streams.
    pub(crate) async fn caught_up(&self) {
        for (stream, consumer) in &self.consumers {
            let last = self.js.get_stream(*stream).await.expect("the stream").cached_info().state.last_sequence;
            eventually(SOON, stream, || async { (consumer.status().last_sequence >= last).then_some(()) }).await;
        }
    }

    /// Events that wait behind a gap.
    pub(crate) async fn parked(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM parked_event").fetch_one(&self.db.pool).await.expect("a count")
    }

    /// The publishers' relays say how far they are, as they do again and again.
    pub(crate) async fn watermarks(&self) {
        for service in ["intake", "dispatch", "sla-monitor"] {
            let payload = format!("{{\"through\":\"{}\"}}", self.clock.now());
            let subject = format!("dafei.v1.watermark.{service}");
            let ack = self.js.publish(subject, payload.into()).await.expect("NATS takes it");
            ack.await.expect("JetStream stores it");
        }
    }

    /// Waits until the consumers, which were told to start over, have read their streams to the end again.
    pub(crate) async fn read_again(&self) {
        for (stream, consumer) in &self.consumers {
            let last = self.js.get_stream(*stream).await.expect("the stream").cached_info().state.last_sequence;
            let last = i64::try_from(last).expect("a small stream");
            let what = format!("{stream} read again up to {last} (status {:?})", consumer.status());
            eventually(SOON, &what, || async {
                let at: Option<i64> =
                    sqlx::query_scalar("SELECT last_sequence FROM consumer_position WHERE consumer LIKE '%/' || $1")
                        .bind(*stream)
                        .fetch_optional(&self.db.pool)
                        .await
                        .expect("a position");
                at.filter(|at| *at >= last)
            })
            .await;
        }
    }

    fn token(&self, role: Role, region: &str, agency: Option<Agency>) -> String {
        let request = TokenRequest {
            subject: format!("{role}@{region}"),
            name: None,
            role,
            region: region.parse::<Region>().expect("a region"),
            agency,
            work_area: None,
            issuer: ISSUER.to_owned(),
            audience: ISSUER.to_owned(),
            expires: SystemClock.now() + SignedDuration::from_hours(1),
        };
        self.minter.sign(&request).expect("a token")
    }

    /// Where the service listens.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The tables' service.
    pub(crate) fn tables(&self) -> MonthlyTableServiceClient<Channel> {
        MonthlyTableServiceClient::new(self.channel.clone())
    }

    /// The rebuilds' service.
    pub(crate) fn rebuilds(&self) -> RebuildServiceClient<Channel> {
        RebuildServiceClient::new(self.channel.clone())
    }

    /// A request with a token.
    pub(crate) fn request<T>(&self, caller: Caller<'_>, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = format!("Bearer {}", self.token(caller.0, caller.1, caller.2));
        request.metadata_mut().insert("authorization", token.parse().expect("a header"));
        request
    }

    /// `GetMonthlyTable` as anyone.
    pub(crate) async fn try_table(
        &self,
        caller: Caller<'_>,
        unit: FilingUnit,
        month: &str,
    ) -> Result<GetMonthlyTableResponse, Status> {
        let message = GetMonthlyTableRequest { unit: Some(unit), month: month.to_owned() };
        let answer = self.tables().get_monthly_table(self.request(caller, message)).await?;
        Ok(answer.into_inner())
    }

    /// The table of a unit, as the city office sees it.
    pub(crate) async fn table(&self, unit: FilingUnit, month: &str) -> GetMonthlyTableResponse {
        self.try_table(CITY_OFFICE, unit, month).await.expect("a table")
    }

    /// `ListCellFacts` as the city office.
    pub(crate) async fn facts(&self, request: ListCellFactsRequest) -> Result<ListCellFactsResponse, Status> {
        Ok(self.tables().list_cell_facts(self.request(CITY_OFFICE, request)).await?.into_inner())
    }

    /// `FilingService`.
    pub(crate) fn filings(&self) -> FilingServiceClient<Channel> {
        FilingServiceClient::new(self.channel.clone())
    }

    /// `EvaluationService`.
    pub(crate) fn evaluations(&self) -> EvaluationServiceClient<Channel> {
        EvaluationServiceClient::new(self.channel.clone())
    }

    /// `AssessmentService`.
    pub(crate) fn assessments(&self) -> AssessmentServiceClient<Channel> {
        AssessmentServiceClient::new(self.channel.clone())
    }

    /// Without a token at all.
    pub(crate) async fn anonymous(&self, unit: FilingUnit, month: &str) -> Result<GetMonthlyTableResponse, Status> {
        let message = GetMonthlyTableRequest { unit: Some(unit), month: month.to_owned() };
        Ok(self.tables().get_monthly_table(message).await?.into_inner())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}

async fn listen(parts: &Parts, rebuilds: Rebuilds, minter: &Minter) -> (Channel, JoinHandle<()>) {
    let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, ISSUER).expect("keys");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tonic::transport::Server::builder()
        .layer(AuthLayer::new(verifier, &Paths::new(serve::PUBLIC.iter().copied())))
        .add_routes(serve::routes(parts, rebuilds))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(async move { serving.await.expect("the server runs until it is stopped") });
    (Channel::from_shared(address).expect("an address").connect_lazy(), server)
}

/// Role, region, agency.
pub(crate) type Caller<'a> = (Role, &'a str, Option<Agency>);

/// Who sees everything.
pub(crate) const CITY_OFFICE: Caller<'static> = (Role::CityOffice, "city:371300", None);

/// A filing unit on the wire.
pub(crate) fn unit(kind: &str, region: &str, agency: &str) -> FilingUnit {
    let (level, code) = region.split_once(':').expect("level:code");
    FilingUnit {
        kind: kind.to_owned(),
        region: Some(WireRegion { level: level.to_owned(), code: code.to_owned() }),
        agency: agency.to_owned(),
    }
}

/// A figure of the total.
pub(crate) fn total(table: &GetMonthlyTableResponse, column: usize) -> i64 {
    table.total.as_ref().map_or(0, |row| value(row, column))
}

/// A figure of a row.
pub(crate) fn value(row: &TableRow, column: usize) -> i64 {
    row.values[column - 1]
}

/// The row of a sector.
pub(crate) fn row<'a>(table: &'a GetMonthlyTableResponse, sector: &str) -> &'a TableRow {
    table.rows.iter().find(|row| row.sector == sector).expect("a row per sector")
}
