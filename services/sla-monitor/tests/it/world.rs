//! A running SLA monitor on servers of its own, and an exercise's clock that goes from due instant to due instant.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::{
    HeaderMap,
    jetstream::{self, context::PublishAckFuture},
};
use dafei_contracts::{
    Event, Stream,
    events::v1::Obligation,
    sla::v1::{
        ListBreachesRequest, ListObligationsRequest, ObligationItem,
        accountability_service_client::AccountabilityServiceClient,
        accountability_service_server::AccountabilityServiceServer, breach_service_client::BreachServiceClient,
        breach_service_server::BreachServiceServer, calendar_service_client::CalendarServiceClient,
        calendar_service_server::CalendarServiceServer, deadline_service_client::DeadlineServiceClient,
        deadline_service_server::DeadlineServiceServer, reconciler_service_client::ReconcilerServiceClient,
        reconciler_service_server::ReconcilerServiceServer, rules_service_client::RulesServiceClient,
        rules_service_server::RulesServiceServer,
    },
};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, ControlledClock, SystemClock},
    owner::Owner,
    role::Role,
    time::Instant,
    workdays::Calendar,
};
use dafei_messaging::{
    consumer::{ConsumerHandle, ConsumerLoop},
    log,
    relay::{Relay, RelayConfig, filled},
    streams::{StreamSpec, ensure_streams},
};
use dafei_runtime::{
    identity::{
        AuthLayer, Verifier,
        mint::{Minter, TokenRequest},
    },
    paths::Paths,
};
use dafei_shell::{
    ops::Progress,
    roster::RosterView,
    start,
    timer::{Due as _, Round, Timer},
    watch::Watches,
};
use dafei_sla_core::Rules;
use dafei_sla_monitor::{
    MIGRATOR,
    accountability::{EntryTimer, Ledger},
    calendar::Calendars,
    consumers::{CaseEvents, ReportingEvents},
    duties::Sweeps,
    firing::Firing,
    grpc::{Accountability, Breaches, Deadlines, Reconciliation, RuleTexts},
    terms::TermsView,
};
use dafei_testkit::{TestDb, TestNats, eventually};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, service::Routes, transport::Channel};
use uuid::Uuid;

use crate::events::{self, Case, Told, at};

/// How long something may take.
pub(crate) const SOON: Duration = Duration::from_secs(30);
const ISSUER: &str = "tests";
/// The Monday on which most stories begin.
pub(crate) const START: &str = "2026-11-23T08:00:00+08:00";

/// Something that was announced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) clock: String,
    pub(crate) leg: u32,
    pub(crate) fact: String,
}

/// `clock fact instant` in the order of a story.
pub(crate) fn said(clock: &str, leg: u32, fact: &str, when: &str) -> Said {
    Said { at: at(when), clock: clock.to_owned(), leg, fact: fact.to_owned() }
}

/// The service with its servers.
pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) clock: ControlledClock,
    pub(crate) firing: Firing,
    pub(crate) ledger: Ledger,
    pub(crate) terms: TermsView,
    pub(crate) calendars: Calendars,
    pub(crate) sweeps: Sweeps,
    sweeper: Mutex<Option<Timer<Sweeps>>>,
    sweeping: Progress,
    /// Who says how far it is: reporting only where something of it is waited for.
    publishers: Vec<&'static str>,
    pub(crate) js: jetstream::Context,
    pub(crate) ending: CancellationToken,
    channel: Channel,
    /// Another replica's.
    other: Channel,
    minter: Minter,
    consumers: Vec<(Stream, ConsumerHandle)>,
    pub(crate) stop: CancellationToken,
    /// Ends the consumers alone.
    pub(crate) consuming: CancellationToken,
    _nats: TestNats,
}

impl World {
    /// A service on [`START`] that knows the roster of [`events::roster`] and fires.
    pub(crate) async fn start() -> Self {
        Self::with_rules(START, Rules::builtin_text()).await
    }

    /// A service at an instant, by a text of rules.
    pub(crate) async fn with_rules(start: &str, rules: &str) -> Self {
        let world = Self::at_rest(start, rules).await;
        tokio::spawn(world.firing.clone().run(world.stop.clone()));
        world.sweep();
        world
    }

    /// A service at an instant, with the roster, whose firing the test runs by itself.
    pub(crate) async fn without_firing(start: &str) -> Self {
        let world = Self::at_rest(start, Rules::builtin_text()).await;
        world.sweep();
        world
    }

    /// From now on what is due of the duties is recorded when it is due.
    pub(crate) fn sweep(&self) {
        let timer = self.sweeper.lock().unwrap().take().unwrap();
        tokio::spawn(timer.run(self.stop.clone()));
    }

    /// A service at an instant, with the roster, that takes events and does nothing by itself.
    pub(crate) async fn at_rest(start: &str, rules: &str) -> Self {
        let db = TestDb::new(&start::migrators(&MIGRATOR)).await;
        let nats = TestNats::start().await;
        let mut js = nats.jetstream().await;
        js.set_timeout(SOON);
        let specs: Vec<StreamSpec> = [Stream::Intake, Stream::Dispatch, Stream::Reporting]
            .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()))
            .into();
        ensure_streams(&js, &specs).await.unwrap();
        let clock = ControlledClock::new(at(start));
        let shared = Arc::new(clock.clone());
        let roster = RosterView::load(&db.pool).await.unwrap();
        let terms = TermsView::open_with(&db.pool, clock.now(), rules, Calendar::builtin_text()).await.unwrap();
        let (stop, ending) = (CancellationToken::new(), CancellationToken::new());
        let consuming = stop.child_token();
        let mut consumers = Vec::new();
        for (stream, handler) in [
            (Stream::Intake, CaseEvents::intake(terms.clone(), roster.clone())),
            (Stream::Dispatch, CaseEvents::dispatch(terms.clone(), roster.clone())),
        ] {
            let config = handler.config();
            let consumer = ConsumerLoop::new(db.pool.clone(), js.clone(), shared.clone(), Arc::new(handler), config);
            consumers.push((stream, consumer.handle()));
            tokio::spawn(consumer.run(consuming.clone()));
        }
        let reporting = ReportingEvents::new(terms.clone());
        let config = reporting.config();
        let consumer = ConsumerLoop::new(db.pool.clone(), js.clone(), shared.clone(), Arc::new(reporting), config);
        consumers.push((Stream::Reporting, consumer.handle()));
        tokio::spawn(consumer.run(stop.clone()));
        let mut publishers = vec!["intake", "dispatch"];
        let in_force = terms.current();
        let offices = in_force
            .rules
            .at(None, clock.now())
            .duties()
            .iter()
            .any(|rule| rule.in_force && rule.act.is_told_by_reporting());
        publishers.extend(offices.then_some("reporting"));
        let sweeps = Sweeps::new(db.pool.clone(), terms.clone(), roster.clone());
        sweeps.arm().await.unwrap();
        let sweeper = Timer::new(Arc::new(sweeps.clone()), shared.clone());
        let (sweeping, sweeper) = (sweeper.progress(), Mutex::new(Some(sweeper)));
        let minter = Minter::generate().unwrap();
        let own = StreamSpec::new(Stream::Sla.name(), Stream::Sla.subjects().iter().copied());
        let relay = Relay::new(db.pool.clone(), js.clone(), shared.clone(), RelayConfig::new("sla-monitor", vec![own]));
        tokio::spawn(relay.run(stop.clone()));
        eventually(SOON, "the stream of the lights is there", || async {
            let mut conn = db.pool.acquire().await.unwrap();
            filled(&mut conn, Stream::Sla.name()).await.unwrap()
        })
        .await;
        let other_terms = TermsView::open_with(&db.pool, clock.now(), rules, Calendar::builtin_text()).await.unwrap();
        let calendars = Calendars::new(db.pool.clone(), shared.clone(), terms.clone());
        let ledger = Ledger::new(db.pool.clone(), shared.clone(), roster.clone(), terms.clone());
        let firing = Firing::new(db.pool.clone(), shared.clone(), terms.clone(), roster.clone());
        let replica = |terms: TermsView| {
            let watches = Watches::new(js.clone(), Stream::Sla, "sla-monitor", 100, ending.clone());
            let ledger_terms = terms.clone();
            let texts = RuleTexts::new(db.pool.clone(), shared.clone(), roster.clone(), terms.clone());
            let calendars = Calendars::new(db.pool.clone(), shared.clone(), terms.clone());
            let deadlines = Deadlines::new(db.pool.clone(), roster.clone(), terms, shared.clone());
            let breaches = Breaches::new(db.pool.clone(), roster.clone(), shared.clone(), watches);
            let ledger = Ledger::new(db.pool.clone(), shared.clone(), roster.clone(), ledger_terms);
            Routes::new(DeadlineServiceServer::new(deadlines))
                .add_service(BreachServiceServer::new(breaches))
                .add_service(RulesServiceServer::new(texts))
                .add_service(CalendarServiceServer::new(calendars))
                .add_service(AccountabilityServiceServer::new(Accountability::new(ledger)))
        };
        let channel = serve(replica(terms.clone()), &minter, stop.clone()).await;
        let other = serve(replica(other_terms), &minter, stop.clone()).await;
        let world = Self {
            db,
            clock,
            firing,
            ledger,
            terms,
            calendars,
            sweeps,
            sweeper,
            sweeping,
            publishers,
            js,
            ending,
            channel,
            other,
            minter,
            consumers,
            stop,
            consuming,
            _nats: nats,
        };
        world.tell(&events::roster(start)).await;
        world
    }

    /// Publishes an event as its service's relay does, except for the message id: a test may tell it twice.
    pub(crate) async fn publish(&self, told: &Told) {
        let subject = told.event.subject().unwrap().to_string();
        self.publish_bytes(told, subject, told.event.to_json().unwrap()).await;
    }

    /// Publishes an event that its service recorded later than it received what it tells.
    pub(crate) async fn publish_recorded(&self, told: &Told, recorded: Instant) {
        let subject = told.event.subject().unwrap().to_string();
        self.send_bytes(told, subject, told.event.to_json().unwrap(), recorded).await.await.unwrap();
    }

    /// Publishes any bytes under the headers of an event.
    pub(crate) async fn publish_bytes(&self, told: &Told, subject: String, payload: Vec<u8>) {
        self.send_bytes(told, subject, payload, recorded(told)).await.await.unwrap();
    }

    /// Publishes an event and does not wait until the server has it.
    pub(crate) async fn send(&self, told: &Told) -> PublishAckFuture {
        let subject = told.event.subject().unwrap().to_string();
        self.send_bytes(told, subject, told.event.to_json().unwrap(), recorded(told)).await
    }

    async fn send_bytes(&self, told: &Told, subject: String, payload: Vec<u8>, recorded: Instant) -> PublishAckFuture {
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", told.id().to_string());
        headers.insert("ce-type", told.event.kind().event_type);
        headers.insert("ce-source", dafei_shell::publish::source(told.service));
        headers.insert("ce-time", recorded.to_string());
        headers.insert("ce-subject", told.aggregate.to_string());
        headers.insert("ce-sequence", told.sequence.to_string());
        headers.insert("content-type", "application/json");
        self.js.publish_with_headers(subject, headers, payload.into()).await.unwrap()
    }

    /// Publishes events in this order and waits until they have taken effect.
    pub(crate) async fn tell(&self, events: &[Told]) {
        for told in events {
            self.publish(told).await;
        }
        self.caught_up().await;
    }

    /// A publisher's relay says how far its stream is complete.
    pub(crate) async fn watermark(&self, service: &str, through: Instant) {
        let payload = format!("{{\"through\":\"{through}\"}}");
        self.js.publish(format!("dafei.v1.watermark.{service}"), payload.into()).await.unwrap().await.unwrap();
    }

    /// All publishers are at the clock's instant, and all that was told is in effect.
    pub(crate) async fn watermarks(&self) {
        for service in &self.publishers {
            self.watermark(service, self.clock.now()).await;
        }
        self.caught_up().await;
    }

    /// Waits until the consumers have read all that is in their streams.
    pub(crate) async fn caught_up(&self) {
        for (stream, consumer) in &self.consumers {
            let last = self.js.get_stream(stream.name()).await.unwrap().cached_info().state.last_sequence;
            let what = format!("{} read up to {last}", stream.name());
            eventually(SOON, &what, || async { (consumer.status().last_sequence >= last).then_some(()) }).await;
        }
    }

    /// Waits until all that is due at the clock's instant is announced.
    pub(crate) async fn done(&self) {
        let now = self.clock.now();
        // The watermarks have moved since it looked.
        self.sweeping.clock_moved.as_ref().unwrap()();
        eventually(SOON, "all duties that are due are recorded", || async {
            (self.sweeping.through().await.unwrap() >= Some(now)).then_some(())
        })
        .await;
        eventually(SOON, "all that is due is announced", || async {
            (self.firing.done_through().await.unwrap() >= now).then_some(())
        })
        .await;
    }

    /// Moves the clock from due instant to due instant.
    pub(crate) async fn go(&self, until: &str) {
        let until = at(until);
        loop {
            self.watermarks().await;
            self.done().await;
            let now = self.clock.now();
            if now >= until {
                return;
            }
            let next = [self.firing.next_due().await.unwrap(), self.sweeping.next().await.unwrap()];
            let next = next.into_iter().flatten().min().filter(|next| *next < until).unwrap_or(until);
            assert!(next > now, "{next} is due and {now} is done");
            self.set_clock(next);
        }
    }

    /// Moves the clock at once.
    pub(crate) fn set_clock(&self, to: Instant) {
        self.clock.set(to);
        self.firing.clock_moved();
        self.sweeping.clock_moved.as_ref().unwrap()();
    }

    /// What was announced of duties of these clocks: `clock period fact instant unit`, by instant and unit.
    pub(crate) async fn duties(&self, clocks: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        for (event, _) in self.log().await {
            let of = obligation(&event);
            if of.case_id.is_empty() && clocks.contains(&of.clock.as_str()) {
                let meta = event.meta().unwrap();
                let at: Instant = meta.received_at.unwrap().try_into().unwrap();
                let unit = meta.region_path.rsplit('/').next().unwrap();
                let agency = of.direct.as_ref().unwrap().post.as_ref().unwrap().agency.clone();
                let at = dafei_kernel::time::format_local(at);
                all.push(format!("{at} {unit}{agency} {} {} {}", of.clock, of.period, event.kind().fact));
            }
        }
        all.sort();
        all
    }

    /// All events that were announced, in the order of the log.
    pub(crate) async fn log(&self) -> Vec<(Event, Instant)> {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let logged = log::of_stream(&mut conn, Stream::Sla.name(), 0, 100_000).await.unwrap();
        logged
            .into_iter()
            .map(|logged| (Event::from_json(&logged.event_type, &logged.payload).unwrap().unwrap(), logged.recorded_at))
            .collect()
    }

    /// As [`World::log`], however many there are.
    pub(crate) async fn whole_log(&self) -> Vec<(Event, Instant)> {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = log::of_stream(&mut conn, Stream::Sla.name(), after, 10_000).await.unwrap();
            let Some(last) = page.last() else { return all };
            after = last.position;
            all.extend(page.into_iter().map(|logged| {
                (Event::from_json(&logged.event_type, &logged.payload).unwrap().unwrap(), logged.recorded_at)
            }));
        }
    }

    /// What was announced of a case, of these clocks, by instant.
    pub(crate) async fn announced(&self, case: &Case, clocks: &[&str]) -> Vec<Said> {
        let mut all = Vec::new();
        for (event, _) in self.log().await {
            let obligation = obligation(&event).clone();
            if obligation.case_id == case.id.to_string() && clocks.contains(&obligation.clock.as_str()) {
                all.push(Said {
                    at: event.meta().unwrap().received_at.unwrap().try_into().unwrap(),
                    clock: obligation.clock,
                    leg: obligation.leg,
                    fact: event.kind().fact.to_owned(),
                });
            }
        }
        all.sort();
        all
    }

    pub(crate) fn request<T>(&self, role: Role, region: &str, message: T) -> Request<T> {
        self.request_in(role, region, None, message)
    }

    pub(crate) fn request_in<T>(&self, role: Role, region: &str, work_area: Option<&str>, message: T) -> Request<T> {
        self.request_of(role, region, None, work_area, message)
    }

    /// A request of a post of an agency.
    pub(crate) fn request_of<T>(
        &self,
        role: Role,
        region: &str,
        agency: Option<Agency>,
        work_area: Option<&str>,
        message: T,
    ) -> Request<T> {
        let token = self.minter.sign(&TokenRequest {
            subject: format!("{role}@{region}"),
            name: None,
            role,
            region: region.parse().unwrap(),
            agency,
            work_area: work_area.map(ToOwned::to_owned),
            issuer: ISSUER.to_owned(),
            audience: ISSUER.to_owned(),
            expires: SystemClock.now() + SignedDuration::from_hours(1),
        });
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", token.unwrap()).parse().unwrap());
        request
    }

    /// Serves the reconciler beside the others.
    pub(crate) async fn serve_reconciler(&self, service: Reconciliation) -> ReconcilerServiceClient<Channel> {
        let server = ReconcilerServiceServer::new(service);
        ReconcilerServiceClient::new(serve(Routes::new(server), &self.minter, self.stop.clone()).await)
    }

    pub(crate) fn deadlines(&self) -> DeadlineServiceClient<Channel> {
        DeadlineServiceClient::new(self.channel.clone())
    }

    pub(crate) fn accountability(&self) -> AccountabilityServiceClient<Channel> {
        AccountabilityServiceClient::new(self.channel.clone())
    }

    /// Does what the ledger's timer would do by now.
    pub(crate) async fn open_entries(&self) {
        self.watermark("intake", self.clock.now()).await;
        self.caught_up().await;
        let timer = EntryTimer::new(self.ledger.clone());
        while timer.next_due().await.unwrap().is_some_and(|next| next <= self.clock.now()) {
            assert_eq!(timer.round(self.clock.now()).await.unwrap(), Round::More);
        }
    }

    /// As another replica of the service answers.
    pub(crate) fn other_deadlines(&self) -> DeadlineServiceClient<Channel> {
        DeadlineServiceClient::new(self.other.clone())
    }

    pub(crate) fn rules(&self) -> RulesServiceClient<Channel> {
        RulesServiceClient::new(self.channel.clone())
    }

    pub(crate) fn calendar(&self) -> CalendarServiceClient<Channel> {
        CalendarServiceClient::new(self.channel.clone())
    }

    pub(crate) fn breaches(&self) -> BreachServiceClient<Channel> {
        BreachServiceClient::new(self.channel.clone())
    }

    /// The obligations of a case, as the city office sees them.
    pub(crate) async fn obligations(&self, case: Uuid) -> Vec<ObligationItem> {
        let message = ListObligationsRequest { case_id: case.to_string() };
        let request = self.request(Role::CityOffice, events::CITY, message);
        self.deadlines().list_obligations(request).await.unwrap().into_inner().obligations
    }

    /// The breaches of a region that stand, as its post sees them.
    pub(crate) async fn standing(&self, role: Role, region: &str) -> Result<Vec<ObligationItem>, Status> {
        let message = ListBreachesRequest { region: Some(events::wire_region(region)), ..Default::default() };
        let request = self.request(role, region, message);
        Ok(self.breaches().list_breaches(request).await?.into_inner().breaches)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.ending.cancel();
    }
}

async fn serve(routes: Routes, minter: &Minter, stop: CancellationToken) -> Channel {
    let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, ISSUER).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tonic::transport::Server::builder()
        .layer(AuthLayer::new(verifier, &Paths::none()))
        .add_routes(routes)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned());
    tokio::spawn(async move { serving.await.unwrap() });
    Channel::from_shared(address).unwrap().connect_lazy()
}

/// The obligation that an event of the SLA monitor is about.
pub(crate) fn obligation(event: &Event) -> &Obligation {
    let obligation = match event {
        Event::Warned(event) => &event.obligation,
        Event::Breached(event) => &event.obligation,
        Event::Reminded(event) => &event.obligation,
        Event::Settled(event) => &event.obligation,
        Event::Cancelled(event) => &event.obligation,
        Event::Annulled(event) => &event.obligation,
        Event::Extended(event) => &event.obligation,
        Event::Provisional(event) => &event.obligation,
        other => panic!("{other:?} is none of the SLA monitor's"),
    };
    obligation.as_ref().unwrap()
}

/// When its service recorded an event: as it received what it tells, also where it is published late.
fn recorded(told: &Told) -> Instant {
    told.event.meta().and_then(|meta| meta.received_at).map_or(Instant::UNIX_EPOCH, |at| at.try_into().unwrap())
}

/// Post and persons of an owner, for example `village-secretary@village:371302001001 王书记`.
pub(crate) fn owner(owner: Option<&dafei_contracts::types::v1::Owner>) -> String {
    let owner = Owner::try_from(owner.unwrap()).unwrap();
    format!("{} {}", owner.post, owner.persons.join("、"))
}
