//! The settings that all four services have in common.

use std::{path::PathBuf, time::Duration};

use dafei_kernel::time::Instant;

use super::{
    ConfigError, Pending, Reader, Secret, Service, Source,
    parse::{self, Parsed},
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For a person at a terminal.
    Human,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Filter directives of `tracing-subscriber`.
    pub filter: String,
}

/// The service's PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its URL, with the password.
    pub url: Secret,
    /// Connections in the pool.
    pub pool: u32,
}

/// How a service shows NATS who it is.
#[derive(Clone, Debug)]
pub enum NatsAuth {
    /// Not at all.
    None,
    /// By user name and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a credentials file.
    Creds(PathBuf),
}

/// The NATS servers.
#[derive(Clone, Debug)]
pub struct Nats {
    /// One or more URLs, comma-separated.
    pub url: String,
    /// How the service shows who it is.
    pub auth: NatsAuth,
    /// Replicas of the streams that the service makes.
    pub replicas: usize,
}

/// Where the public keys that sign tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksLocation {
    /// A JWKS file, read again when it changes.
    File(PathBuf),
    /// An http or https URL, read again from time to time and when a token names a key that is not known.
    Url(String),
}

/// Whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// Where the keys are.
    pub jwks: JwksLocation,
    /// The `iss` of tokens.
    pub issuer: String,
    /// The `aud` of tokens.
    pub audience: String,
}

/// Where traces and metrics go.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// The collector, `http://host:port`.
    pub endpoint: String,
    /// Share of the traces begun here that are kept, 0 to 1.
    pub sampling: f64,
}

/// Which clock a deployment follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The system's clock.
    System,
    /// Exercise (演练): a controlled clock that all services follow.
    Exercise,
}

/// What kind of deployment this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// A developer's machine.
    Development,
    /// Tests and rehearsals.
    Test,
    /// Real duty: exercise mode is refused.
    Production,
}

/// Certificates of the gRPC server, all PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The server's certificate chain.
    pub cert: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
    /// The authority that signs clients' certificates; when given, a client without one is refused (mTLS).
    pub client_ca: Option<PathBuf>,
}

/// Limits of the gRPC server.
#[derive(Clone, Debug)]
pub struct GrpcLimits {
    /// Largest message a method takes, bytes. Applied per generated service (`max_decoding_message_size`).
    pub max_message_bytes: usize,
    /// Calls and streams at the same time per connection. Clients are told so by HTTP/2 and wait with the others themselves.
    pub concurrency: u32,
    /// Calls in flight in the whole process; more are refused at once with `RESOURCE_EXHAUSTED` and when to come back.
    pub in_flight: usize,
    /// Time until a response must begin. A server stream that has begun may go on.
    pub timeout: Duration,
    /// Server streams that follow events, at the same time; more are refused with `RESOURCE_EXHAUSTED`.
    pub watchers: usize,
}

/// The settings that all four services have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// Whose settings these are.
    pub service: Service,
    /// What kind of deployment this is.
    pub deployment: Deployment,
    /// Which clock it follows.
    pub mode: Mode,
    /// First instant of the exercise clock, when none is stored. Without meaning in system mode.
    pub exercise_start: Option<Instant>,
    /// What is logged.
    pub log: Log,
    /// Where the gRPC server listens, `host:port`.
    pub listen: String,
    /// The database.
    pub database: Database,
    /// The bus.
    pub nats: Nats,
    /// Whose tokens are accepted.
    pub identity: IdentitySettings,
    /// Where traces and metrics go; nowhere when `None`.
    pub otlp: Option<Otlp>,
    /// How long an orderly shutdown may take.
    pub shutdown: Duration,
    /// Certificates; plain text when `None`.
    pub tls: Option<Tls>,
    /// Limits of the gRPC server.
    pub grpc: GrpcLimits,
}

impl Common {
    /// Reads the common settings of a service that has no others.
    ///
    /// # Errors
    /// All problems, by name.
    pub fn read(source: &dyn Source, service: Service) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source, service);
        let common = reader.common();
        let checked = reader.finish()?;
        Ok(common.get(&checked))
    }
}

impl Reader<'_> {
    /// The settings that all services have in common.
    pub fn common(&mut self) -> Pending<Common> {
        // Every part is asked for before the first is used, so that all problems are named.
        let clock = self.clock();
        let log = self.log();
        let listen = self.own("LISTEN", parse::host_port);
        let database = self.database();
        let nats = self.nats();
        let identity = self.identity();
        let otlp = self.otlp();
        let shutdown = self.value("DAFEI_SHUTDOWN_SECONDS", parse::seconds(1, 600));
        let tls = self.tls();
        let grpc = self.grpc();
        let service = self.service();
        Pending::from_parts(move || {
            let (deployment, mode, exercise_start) = clock?;
            Some(Common {
                service,
                deployment,
                mode,
                exercise_start,
                log: log?,
                listen: listen.into_inner()?,
                database: database?,
                nats: nats?,
                identity: identity?,
                otlp: otlp?,
                shutdown: shutdown.into_inner()?,
                tls: tls?,
                grpc: grpc?,
            })
        })
    }

    fn clock(&mut self) -> Option<(Deployment, Mode, Option<Instant>)> {
        let deployment = self.value("DAFEI_ENVIRONMENT", deployment).into_inner();
        let mode = self.value("DAFEI_MODE", mode).into_inner();
        let start = self.optional("DAFEI_EXERCISE_START", parse::instant).into_inner();
        if (deployment, mode) == (Some(Deployment::Production), Some(Mode::Exercise)) {
            self.conflict("DAFEI_MODE", "`exercise` is refused when DAFEI_ENVIRONMENT is `production`");
        }
        Some((deployment?, mode?, start?))
    }

    fn log(&mut self) -> Option<Log> {
        let format = self.value("DAFEI_LOG_FORMAT", log_format).into_inner();
        let filter = self.value("DAFEI_LOG", log_filter).into_inner();
        Some(Log { format: format?, filter: filter? })
    }

    fn database(&mut self) -> Option<Database> {
        let url = self.own("DATABASE_URL", |value| parse::url(&["postgres", "postgresql"])(value).map(Secret::new));
        let pool = self.value("DAFEI_DATABASE_POOL", parse::whole(1, 200));
        Some(Database { url: url.into_inner()?, pool: pool.into_inner()? })
    }

    fn nats(&mut self) -> Option<Nats> {
        let url = self.value("DAFEI_NATS_URL", parse::urls(&["nats", "tls"])).into_inner();
        let user = self.optional("DAFEI_NATS_USER", parse::text).into_inner();
        let password = self.optional("DAFEI_NATS_PASSWORD", parse::secret).into_inner();
        let creds = self.optional("DAFEI_NATS_CREDS", parse::path).into_inner();
        let replicas = self.value("DAFEI_NATS_REPLICAS", parse::whole(1, 5)).into_inner();
        let auth = match (user?, password?, creds?) {
            (None, None, None) => NatsAuth::None,
            (Some(user), Some(password), None) => NatsAuth::Password { user, password },
            (None, None, Some(creds)) => NatsAuth::Creds(creds),
            (Some(_), None, None) => {
                self.conflict("DAFEI_NATS_USER", "needs DAFEI_NATS_PASSWORD");
                return None;
            }
            (None, Some(_), None) => {
                self.conflict("DAFEI_NATS_PASSWORD", "needs DAFEI_NATS_USER");
                return None;
            }
            (_, _, Some(_)) => {
                self.conflict("DAFEI_NATS_CREDS", "give credentials or user and password, not both");
                return None;
            }
        };
        Some(Nats { url: url?, auth, replicas: replicas? })
    }

    fn identity(&mut self) -> Option<IdentitySettings> {
        let jwks = self.value("DAFEI_JWKS", jwks_location);
        let issuer = self.value("DAFEI_JWT_ISSUER", parse::text);
        let audience = self.value("DAFEI_JWT_AUDIENCE", parse::text);
        Some(IdentitySettings {
            jwks: jwks.into_inner()?,
            issuer: issuer.into_inner()?,
            audience: audience.into_inner()?,
        })
    }

    fn otlp(&mut self) -> Option<Option<Otlp>> {
        let endpoint = self.optional("DAFEI_OTLP_ENDPOINT", parse::url(&["http"]));
        let sampling = self.value("DAFEI_OTLP_SAMPLING", parse::share);
        let (endpoint, sampling) = (endpoint.into_inner()?, sampling.into_inner()?);
        Some(endpoint.map(|endpoint| Otlp { endpoint, sampling }))
    }

    fn tls(&mut self) -> Option<Option<Tls>> {
        let cert = self.optional("DAFEI_TLS_CERT", parse::path).into_inner();
        let key = self.optional("DAFEI_TLS_KEY", parse::path).into_inner();
        let client_ca = self.optional("DAFEI_TLS_CLIENT_CA", parse::path).into_inner();
        match (cert?, key?, client_ca?) {
            (Some(cert), Some(key), client_ca) => Some(Some(Tls { cert, key, client_ca })),
            (None, None, None) => Some(None),
            (Some(_), None, _) => {
                self.conflict("DAFEI_TLS_CERT", "needs DAFEI_TLS_KEY");
                None
            }
            (None, Some(_), _) => {
                self.conflict("DAFEI_TLS_KEY", "needs DAFEI_TLS_CERT");
                None
            }
            (None, None, Some(_)) => {
                self.conflict("DAFEI_TLS_CLIENT_CA", "needs DAFEI_TLS_CERT and DAFEI_TLS_KEY");
                None
            }
        }
    }

    fn grpc(&mut self) -> Option<GrpcLimits> {
        let bytes = self.value("DAFEI_GRPC_MAX_MESSAGE_BYTES", parse::whole(4_096, 67_108_864));
        let concurrency = self.value("DAFEI_GRPC_CONCURRENCY", parse::whole(1, 65_536));
        let in_flight = self.value("DAFEI_GRPC_IN_FLIGHT", parse::whole(1, 65_536));
        let timeout = self.value("DAFEI_GRPC_TIMEOUT_SECONDS", parse::seconds(1, 600));
        let watchers = self.value("DAFEI_GRPC_WATCHERS", parse::whole(1, 10_000));
        Some(GrpcLimits {
            max_message_bytes: bytes.into_inner()?,
            concurrency: concurrency.into_inner()?,
            in_flight: in_flight.into_inner()?,
            timeout: timeout.into_inner()?,
            watchers: watchers.into_inner()?,
        })
    }
}

fn log_format(value: &str) -> Parsed<LogFormat> {
    match value {
        "json" => Ok(LogFormat::Json),
        "human" => Ok(LogFormat::Human),
        _ => Err("`json` or `human`".to_owned()),
    }
}

fn log_filter(value: &str) -> Parsed<String> {
    match value.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(value.to_owned()),
        Err(_) => Err("filter directives, like `info,dafei_messaging=debug`".to_owned()),
    }
}

fn mode(value: &str) -> Parsed<Mode> {
    match value {
        "system" => Ok(Mode::System),
        "exercise" => Ok(Mode::Exercise),
        _ => Err("`system` or `exercise`".to_owned()),
    }
}

fn deployment(value: &str) -> Parsed<Deployment> {
    match value {
        "development" => Ok(Deployment::Development),
        "test" => Ok(Deployment::Test),
        "production" => Ok(Deployment::Production),
        _ => Err("`development`, `test` or `production`".to_owned()),
    }
}

fn jwks_location(value: &str) -> Parsed<JwksLocation> {
    if value.contains("://") {
        parse::url(&["http", "https"])(value).map(JwksLocation::Url)
    } else {
        Ok(JwksLocation::File(PathBuf::from(value)))
    }
}
