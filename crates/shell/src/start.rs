//! Start-up and wiring, the same for all four services: what is connected, in which order, and what runs until shutdown.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::jetstream;
use backon::{ExponentialBuilder, Retryable as _};
use dafei_contracts::Stream;
use dafei_kernel::{
    clock::SharedClock,
    ids::{IdSource, SystemIds},
};
use dafei_messaging::{
    backoff,
    consumer::{ConsumerConfig, ConsumerLoop, Handler},
    rebuild,
    relay::{Outside, Relay, RelayConfig, RelayHandle},
    sessions,
    streams::{self, StreamSpec},
};
use dafei_runtime::{
    config::{Common, NatsAuth, Service},
    identity::Verifier,
    lifecycle::{GrpcServer, Lifecycle, Stage},
    ops::ModeClock,
    paths::Paths,
    telemetry::Telemetry,
};
use sqlx::{PgPool, migrate::Migrator};
use tonic::service::Routes;

use crate::{
    copies::CopiesBehind,
    gauges,
    ops::{ConsumerPart, Ops, Progress},
    probe::Probe,
    roster::{self, RosterView},
    timer::{Due, Timer},
    traced::{self, Traced},
    upkeep::{self, Untaken, Upkeep},
    watch::Watches,
};

/// How often a service tries PostgreSQL at its start before it gives up and lets its supervisor start it again: for about a minute.
const DATABASE_ATTEMPTS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(2))
    .with_max_times(20)
    .with_jitter();
/// How often NATS is asked whether it lives; after two questions without an answer the connection counts as broken.
const NATS_PING: Duration = Duration::from_secs(5);

/// How often the roster is read without a notice; it costs two queries when nothing has changed.
const ROSTER_AGAIN: Duration = Duration::from_secs(30);

/// What every service has once it is connected.
pub struct Started {
    /// Settings.
    pub common: Common,
    /// Its own database.
    pub pool: PgPool,
    /// The bus; may be away: it reconnects for ever.
    pub nats: async_nats::Client,
    /// JetStream on it.
    pub js: jetstream::Context,
    /// The suite's clock.
    pub clock: SharedClock,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The roster.
    pub roster: RosterView,
    /// Stages, signals, shutdown.
    pub lifecycle: Lifecycle,
    mode_clock: ModeClock,
    kept: Vec<StreamSpec>,
    consumers: Vec<ConsumerPart>,
    outside: Vec<Outside>,
    progress: Vec<Progress>,
}

/// gRPC paths (`/package.Service/Method`, or `/package.Service/` for all of a service) that are not as the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open<'a> {
    /// Open to everyone, without a token.
    pub public: &'a [&'a str],
    /// Leave no trace, no log line and no exact time (tips, clause D2).
    pub silent: &'a [&'a str],
    /// Server streams that follow events: open for long, with a limit of their own.
    pub watches: &'a [&'a str],
}

/// The tables of a service: messaging's, the roster's, its own.
#[must_use]
pub fn migrators(own: &'static Migrator) -> [&'static Migrator; 3] {
    [&dafei_messaging::MIGRATOR, &roster::MIGRATOR, own]
}

/// Connects a service: database with its tables, bus, clock, roster.
///
/// # Errors
/// When PostgreSQL stays away, a migration fails, or the token keys cannot be read. NATS may be away.
pub async fn start(common: Common, telemetry: Telemetry, own: &'static Migrator) -> anyhow::Result<Started> {
    let lifecycle = Lifecycle::new(&common, telemetry);
    let pool = connect_database(&common).await?;
    dafei_messaging::migrate(&pool, &migrators(own)).await.context("migrations")?;
    let nats = connect_bus(&common).await.context("the address of NATS")?;
    let js = jetstream::new(nats.clone());
    let persisted = {
        let mut conn = pool.acquire().await?;
        dafei_messaging::exercise::load(&mut conn).await?
    };
    let mode_clock = ModeClock::new(&common, persisted);
    let clock = mode_clock.shared();
    upkeep::make_months(&pool, clock.now()).await;
    let roster = RosterView::load(&pool).await?;
    Ok(Started {
        common,
        pool,
        nats,
        js,
        clock,
        ids: Arc::new(SystemIds),
        roster,
        lifecycle,
        mode_clock,
        kept: Vec::new(),
        consumers: Vec::new(),
        outside: Vec::new(),
        progress: Vec::new(),
    })
}

/// Applies the migrations of a service, as its start does, and ends: for a deployment that changes the tables before it changes the replicas.
///
/// # Errors
/// When PostgreSQL stays away or a migration fails.
pub async fn migrate(common: &Common, own: &'static Migrator) -> anyhow::Result<ExitCode> {
    let pool = connect_database(common).await?;
    dafei_messaging::migrate(&pool, &migrators(own)).await.context("migrations")?;
    pool.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Whether the streams that a projection is made from can make it again: each still begins at its first message. To be
/// asked before anything is forgotten.
///
/// # Errors
/// When one does not, is not there, or cannot be looked at; the error names it and says what to do.
pub async fn check_streams(common: &Common, streams: &[Stream]) -> anyhow::Result<()> {
    let js = jetstream::new(connect_bus(common).await.context("the address of NATS")?);
    let names: Vec<&'static str> = streams.iter().map(|stream| stream.name()).collect();
    Ok(rebuild::check_whole(&js, &names).await?)
}

/// The streams that a service publishes; its relay makes them.
fn published_by(service: Service, replicas: usize) -> Vec<StreamSpec> {
    Stream::ALL
        .into_iter()
        .filter(|stream| stream.publisher() == Some(service.name()))
        .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()).on(replicas))
        .collect()
}

async fn connect_database(common: &Common) -> anyhow::Result<PgPool> {
    let statement = longest_statement(common.grpc.timeout);
    let connect = sessions::options(common.database.url.expose(), statement).context("the database URL")?;
    (|| sessions::pool(common.database.pool).connect_with(connect.clone()))
        .retry(DATABASE_ATTEMPTS)
        .when(crate::faults::is_away)
        .notify(|error, pause| tracing::warn!(%error, ?pause, "PostgreSQL is away, trying again"))
        .await
        .context("PostgreSQL")
}

/// A statement is ended while its caller still waits, who then hears that nothing was done and when to come back.
fn longest_statement(call: Duration) -> Duration {
    call * 2 / 3
}

async fn connect_bus(common: &Common) -> anyhow::Result<async_nats::Client> {
    let options = async_nats::ConnectOptions::new()
        .name(format!("dafei-{}", common.service.name()))
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(Duration::from_secs(5))
        .request_timeout(Some(Duration::from_secs(5)))
        .ping_interval(NATS_PING)
        .reconnect_delay_callback(backoff::reconnect);
    let options = match &common.nats.auth {
        NatsAuth::None => options,
        NatsAuth::Password { user, password } => options.user_and_password(user.clone(), password.expose().to_owned()),
        NatsAuth::Creds(path) => options.credentials_file(path).await?,
    };
    Ok(options.connect(servers(&common.nats.url)?).await?)
}

/// The servers of `DAFEI_NATS_URL`; the client would take the whole list for one address.
fn servers(urls: &str) -> std::io::Result<Vec<async_nats::ServerAddr>> {
    urls.split(',').map(|url| url.trim().parse()).collect()
}

impl Started {
    /// Adds a consumer; it runs from [`Started::run`] on.
    pub fn consume<H: Handler>(&mut self, handler: Arc<H>, config: ConsumerConfig) {
        let handler = Arc::new(Traced(handler));
        let consumer =
            ConsumerLoop::new(self.pool.clone(), self.js.clone(), self.clock.clone(), handler.clone(), config.clone());
        self.consumers.push(ConsumerPart::new(consumer, handler, config, self.pool.clone(), self.clock.clone()));
    }

    /// As [`Started::consume`], for events that reach the suite from outside: the service's watermark never passes what of them has
    /// not been taken into effect, so that the SLA monitor does not overtake an act that waits in the stream.
    pub fn consume_from_outside<H: Handler>(&mut self, handler: Arc<H>, config: ConsumerConfig) {
        self.outside.push(Outside { consumer: config.key(handler.name()), stream: config.stream.clone() });
        self.consume(handler, config);
    }

    /// Adds a stream that this service keeps beside those that it publishes.
    pub fn keep_stream(&mut self, spec: StreamSpec) {
        self.kept.push(spec.on(self.common.nats.replicas));
    }

    /// What the service does by itself as time goes on: when next, and how far it is. Shown to operations and to the exercise clock.
    pub fn add_progress(&mut self, progress: Progress) {
        self.progress.push(progress);
    }

    /// Who may watch a stream of this service, as its settings bound them.
    #[must_use]
    pub fn watches(&self, stream: Stream) -> Watches {
        let (service, limit) = (self.common.service.name(), self.common.grpc.watchers);
        Watches::new(self.js.clone(), stream, service, limit, self.lifecycle.token(Stage::Grpc))
    }

    /// Does what falls due, from now until shutdown.
    pub fn time<D: Due>(&mut self, due: Arc<D>) {
        let name = due.name();
        let timer = Timer::new(due, self.clock.clone());
        self.add_progress(timer.progress());
        let token = self.lifecycle.token(Stage::Writer);
        self.lifecycle.spawn_stage(Stage::Writer, name, async move {
            timer.run(token).await;
            Ok::<(), sqlx::Error>(())
        });
    }

    /// Runs until a signal or until a part fails. `routes` are the service's own gRPC services.
    ///
    /// # Errors
    /// When the address cannot be bound or the token keys cannot be read.
    pub async fn run(
        mut self,
        routes: Routes,
        names: &'static [&'static str],
        open: Open<'_>,
    ) -> anyhow::Result<ExitCode> {
        let verifier = Verifier::load(&self.common.identity).await?;
        self.keep_streams_there();
        let relay = self.spawn_relay();
        gauges::relay(self.common.service, &relay);
        let untaken = Untaken::default();
        for part in &self.consumers {
            gauges::consumer(self.common.service, part.key(), &part.handle, &untaken);
        }
        self.keep_up(untaken);
        self.watch_copies();
        gauges::pool(self.common.service, &self.pool);
        let servers = (self.pool.clone(), self.js.clone());
        let ops = Ops::new(&self.common, servers, self.clock.clone(), self.mode_clock.clone()).with_parts(
            relay,
            &self.consumers,
            Progress::joined(std::mem::take(&mut self.progress)),
        );
        for part in &mut self.consumers {
            let token = self.lifecycle.token(Stage::Consumer);
            if let Some(run) = part.take_run() {
                self.lifecycle.spawn_stage(Stage::Consumer, part.name, run(token));
            }
        }
        self.follow_roster();
        let probe = Probe::of(&self.pool);
        self.lifecycle.readiness_probe(Duration::from_secs(2), move || {
            let probe = probe.clone();
            async move { probe.answers().await }
        });
        let routes = ops.add_to(routes);
        let bound = self.lifecycle.bind().await?;
        tracing::info!(address = %bound.local_addr(), "serving");
        Ok(self
            .lifecycle
            .serve(
                bound,
                routes,
                GrpcServer {
                    verifier,
                    public: Paths::new(open.public.iter().copied()),
                    silent: Paths::new(open.silent.iter().copied()),
                    watches: Paths::new(open.watches.iter().copied()),
                    descriptors: dafei_contracts::DESCRIPTORS,
                    names,
                },
            )
            .await)
    }

    /// Streams of outsiders are made as soon as NATS is there, and made again should they be gone. Those that the service publishes are its
    /// relay's: a wiped one must not be taken for a new one.
    fn keep_streams_there(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let (js, specs, token) = (self.js.clone(), self.kept.clone(), self.lifecycle.token(Stage::Relay));
        self.lifecycle.spawn_stage(Stage::Relay, "streams", async move {
            while !token.is_cancelled() {
                // A stream is made or it is not; whoever starts next sees which.
                let ensured = tokio::select! {
                    () = token.cancelled() => break,
                    ensured = streams::ensure_streams(&js, &specs) => ensured,
                };
                let pause = match ensured {
                    Ok(()) => Duration::from_secs(10),
                    Err(error) => {
                        tracing::warn!(%error, "the streams cannot be made yet");
                        Duration::from_secs(1)
                    }
                };
                let _ = tokio::time::timeout(pause, token.cancelled()).await;
            }
            Ok::<(), sqlx::Error>(())
        });
    }

    /// Whether NATS has all copies of what this service publishes or keeps.
    fn watch_copies(&mut self) {
        let published = published_by(self.common.service, self.common.nats.replicas);
        let names = published.iter().chain(&self.kept).map(|spec| spec.name).collect();
        let copies = CopiesBehind::default();
        gauges::copies(self.common.service, &copies);
        let (js, token) = (self.js.clone(), self.lifecycle.token(Stage::Relay));
        self.lifecycle.spawn_stage(Stage::Relay, "copies", async move {
            copies.watch(js, names, token).await;
            Ok::<(), sqlx::Error>(())
        });
    }

    fn spawn_relay(&mut self) -> RelayHandle {
        let service = self.common.service.name();
        let own: Vec<StreamSpec> = published_by(self.common.service, self.common.nats.replicas);
        let mut config = RelayConfig::new(service, own);
        config.span = Some(traced::publication);
        config.outside = std::mem::take(&mut self.outside);
        let relay = Relay::new(self.pool.clone(), self.js.clone(), self.clock.clone(), config);
        let handle = relay.handle();
        let token = self.lifecycle.token(Stage::Relay);
        self.lifecycle.spawn_stage(Stage::Relay, "relay", async move {
            relay.run(token).await;
            Ok::<(), sqlx::Error>(())
        });
        handle
    }

    fn keep_up(&mut self, untaken: Untaken) {
        let upkeep = Upkeep::new(self.pool.clone(), self.clock.clone(), untaken);
        let token = self.lifecycle.token(Stage::Consumer);
        self.lifecycle.spawn_stage(Stage::Consumer, "upkeep", async move {
            upkeep.run(token).await;
            Ok::<(), sqlx::Error>(())
        });
    }

    /// Another replica, or an import, has changed the roster.
    fn follow_roster(&mut self) {
        let (pool, roster, token) = (self.pool.clone(), self.roster.clone(), self.lifecycle.token(Stage::Consumer));
        self.lifecycle.spawn_stage(Stage::Consumer, "roster", async move {
            while !token.is_cancelled() {
                // It only reads, so that it may be dropped anywhere.
                tokio::select! {
                    () = token.cancelled() => {}
                    Err(error) = roster.follow(&pool, ROSTER_AGAIN) => {
                        tracing::warn!(%error, "the roster cannot be followed, trying again");
                        let _ = tokio::time::timeout(Duration::from_secs(1), token.cancelled()).await;
                    }
                }
            }
            Ok::<(), sqlx::Error>(())
        });
    }
}

#[cfg(test)]
mod tests {
    use dafei_runtime::config::Service;

    use super::{published_by, servers};

    #[test]
    fn several_servers_are_several_addresses() {
        let ports = |urls: &str| servers(urls).map(|all| all.iter().map(|one| one.port()).collect::<Vec<_>>());
        assert_eq!(ports("nats://a:4222").expect("one"), [4222]);
        assert_eq!(ports("nats://a:4222, nats://b:4223,tls://c:4224").expect("three"), [4222, 4223, 4224]);
        assert!(ports("nats://a:4222,nats://b:x").is_err());
    }

    #[test]
    fn every_published_stream_has_the_replicas_of_the_settings() {
        for service in Service::ALL {
            let specs = published_by(service, 3);
            assert!(!specs.is_empty(), "{service:?} publishes something");
            assert!(specs.iter().all(|spec| spec.replicas == 3), "{specs:?}");
        }
    }
}
