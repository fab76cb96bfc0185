//! Every setting of the services, as data. They may share one environment file, so a key is unknown only when none of them
//! reads it. A new setting is a new row here; the reference in the documentation follows.

use super::Service;

/// Whose setting a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One setting under the row's full name.
    Suite,
    /// One setting per service: the row's name is the part after `DAFEI_<SERVICE>_`.
    Service,
}

/// Whether a setting must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Must be given by whoever reads it.
    Required,
    /// May be left out, and then the thing it configures is off.
    Optional,
    /// May be left out, and then this value counts.
    Default(&'static str),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The full name, or the part after the service's prefix; see [`Scope`].
    pub name: &'static str,
    /// Whose it is.
    pub scope: Scope,
    /// Whether it must be given.
    pub need: Need,
    /// Whether its value is kept out of every message.
    pub secret: bool,
    /// What it means, with its unit.
    pub help: &'static str,
}

impl Key {
    const fn new(name: &'static str, need: Need, help: &'static str) -> Self {
        Self { name, scope: Scope::Suite, need, secret: false, help }
    }

    const fn own(name: &'static str, need: Need, help: &'static str) -> Self {
        Self { name, scope: Scope::Service, need, secret: false, help }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The names under which this setting can stand in an environment.
    pub fn full_names(&self) -> Vec<String> {
        match self.scope {
            Scope::Suite => vec![self.name.to_owned()],
            Scope::Service => Service::ALL.iter().map(|service| service.key(self.name)).collect(),
        }
    }

    /// The row of a name: full for the suite's settings, the suffix for a service's own.
    pub(super) fn find(scope: Scope, name: &str) -> Option<&'static Self> {
        KNOWN_KEYS.iter().find(|key| key.scope == scope && key.name == name)
    }
}

use Need::{Default, Optional, Required};

/// All settings of the suite.
pub const KNOWN_KEYS: &[Key] = &[
    // Where a service listens and where its data is.
    Key::own("LISTEN", Required, "Address the service's gRPC server listens on, `host:port`; port 0 takes a free one."),
    Key::own(
        "ADDR",
        Optional,
        "Address under which clients reach the service's gRPC server, `http://host:port` or `https://host:port`. sla-monitor's reconciler \
         calls intake and dispatch.",
    ),
    Key::own(
        "TOKEN_FILE",
        Optional,
        "Path of the bearer token that the service shows to the services it calls; read again for every run, so that it can be replaced. \
         sla-monitor's: role `service`, region the city. The reconciler does not run without it and both addresses.",
    ),
    Key::own(
        "DATABASE_URL",
        Required,
        "PostgreSQL database of the service, `postgres://user:password@host:port/name`.",
    )
    .secret(),
    Key::new("DAFEI_DATABASE_POOL", Default("10"), "Connections to PostgreSQL per service, 1 to 200."),
    Key::new(
        "DAFEI_PEER_CA",
        Optional,
        "Path of the authority that signs the certificates of services that a service calls, PEM; needed for their addresses with `https`. \
         DAFEI_TLS_CERT is shown to those that ask for one.",
    ),
    // The bus.
    Key::new("DAFEI_NATS_URL", Required, "NATS servers, comma-separated, `nats://host:port` or `tls://host:port`."),
    Key::new("DAFEI_NATS_USER", Optional, "NATS user name; together with DAFEI_NATS_PASSWORD."),
    Key::new("DAFEI_NATS_PASSWORD", Optional, "NATS password; together with DAFEI_NATS_USER.").secret(),
    Key::new("DAFEI_NATS_CREDS", Optional, "Path of a NATS credentials file, instead of user and password."),
    Key::new(
        "DAFEI_NATS_REPLICAS",
        Default("1"),
        "Replicas of the streams that a service makes, 1 to 5: 3 on a cluster of three servers. A single server refuses more than 1.",
    ),
    // Identity.
    Key::new("DAFEI_JWKS", Required, "Public keys that sign tokens: path of a JWKS file or its http(s) URL."),
    Key::new("DAFEI_JWT_ISSUER", Required, "The `iss` that tokens must carry."),
    Key::new("DAFEI_JWT_AUDIENCE", Required, "The `aud` that tokens must carry."),
    // Logs, traces, metrics.
    Key::new("DAFEI_LOG", Default("info"), "Log filter, e.g. `info,dafei_messaging=debug`."),
    Key::new("DAFEI_LOG_FORMAT", Default("json"), "`json` or `human`."),
    Key::new("DAFEI_OTLP_ENDPOINT", Optional, "OTLP collector for traces and metrics over gRPC, `http://host:port`."),
    Key::new("DAFEI_OTLP_SAMPLING", Default("1"), "Share of the traces begun here that are kept, 0 to 1."),
    // Time and environment.
    Key::new("DAFEI_ENVIRONMENT", Default("production"), "`development`, `test` or `production`."),
    Key::new(
        "DAFEI_MODE",
        Default("system"),
        "`system` (the system's clock) or `exercise` (a clock that is moved by call; refused in production).",
    ),
    Key::new(
        "DAFEI_EXERCISE_START",
        Optional,
        "First instant of the exercise clock, RFC 3339; used once, when no instant is stored.",
    ),
    Key::new(
        "DAFEI_SHUTDOWN_SECONDS",
        Default("20"),
        "Seconds an orderly shutdown may take before the hard stop, 1 to 600.",
    ),
    // The gRPC server.
    Key::new("DAFEI_TLS_CERT", Optional, "Path of the server's certificate chain, PEM; together with DAFEI_TLS_KEY."),
    Key::new("DAFEI_TLS_KEY", Optional, "Path of the server's private key, PEM; together with DAFEI_TLS_CERT."),
    Key::new(
        "DAFEI_TLS_CLIENT_CA",
        Optional,
        "Path of the authority that signs clients' certificates, PEM; demands mTLS.",
    ),
    Key::new(
        "DAFEI_GRPC_MAX_MESSAGE_BYTES",
        Default("8388608"),
        "Largest message a gRPC method takes, bytes, 4096 to 67108864.",
    ),
    Key::new(
        "DAFEI_GRPC_CONCURRENCY",
        Default("1024"),
        "Calls and streams at the same time per connection, 1 to 65536; clients learn it by HTTP/2 and wait with more.",
    ),
    Key::new(
        "DAFEI_GRPC_IN_FLIGHT",
        Default("2048"),
        "Calls in flight per replica, 1 to 65536; more are refused at once with RESOURCE_EXHAUSTED and RetryInfo. Health and OpsService are not. A quarter of them at most is without a token.",
    ),
    Key::new(
        "DAFEI_GRPC_TIMEOUT_SECONDS",
        Default("30"),
        "Seconds a call may take until its response begins, 1 to 600.",
    ),
    Key::new(
        "DAFEI_GRPC_WATCHERS",
        Default("512"),
        "Server streams that follow events, at the same time and per replica, 1 to 10000; more are refused with RESOURCE_EXHAUSTED.",
    ),
    // Intake.
    Key::new(
        "DAFEI_NEVER_BY_PERSUASION",
        Optional,
        "Act codes, separated by commas, that persuasion never settles (intake, clause C3); the local default when left out.",
    ),
    Key::new(
        "DAFEI_PHOTOS",
        Default("/var/lib/dafei/photos"),
        "Where the bytes of photos lie (intake): a directory, or `s3://bucket/prefix`.",
    ),
    Key::new("DAFEI_PHOTOS_S3_ENDPOINT", Optional, "Server of the bucket, `https://host`; that of AWS when left out."),
    Key::new("DAFEI_PHOTOS_S3_REGION", Default("us-east-1"), "Region that requests to the bucket are signed for."),
    Key::new("DAFEI_PHOTOS_S3_KEY_ID", Optional, "Access key of the bucket; together with DAFEI_PHOTOS_S3_SECRET."),
    Key::new("DAFEI_PHOTOS_S3_SECRET", Optional, "Secret of the bucket's access key.").secret(),
    Key::new(
        "DAFEI_REOPEN_WITHIN_DAYS",
        Default("180"),
        "Days after its closing in the village within which a report may be reopened (intake, clause C3), 1 to 3650.",
    ),
    Key::new(
        "DAFEI_DUPLICATE_RADIUS_M",
        Default("200"),
        "Metres within which two dens with the same act are likely one matter (intake), 1 to 10000.",
    ),
    Key::new(
        "DAFEI_DUPLICATE_WINDOW_DAYS",
        Default("30"),
        "Days between two findings that are likely one matter (intake), 1 to 3650.",
    ),
    Key::new(
        "DAFEI_ROSTER_CITIES",
        Default("1"),
        "Cities that the roster may have, 1 to 500 (intake, clause B1); more than one for a rehearsal of a province or of the country, whose import may need a longer DAFEI_GRPC_TIMEOUT_SECONDS.",
    ),
    Key::new(
        "DAFEI_PATROL_MONTHS",
        Default("24"),
        "Months of patrols that intake keeps, the present one among them, 2 to 1200; older ones leave a tombstone.",
    ),
    Key::new(
        "DAFEI_INTAKE_CODE_PEPPER",
        Required,
        "What informants' codes are hashed with beside their salts (intake, clause D2), at least 32 characters; kept where no backup of the \
         database is, and never changed: no code proves anything under another.",
    )
    .secret(),
    Key::new(
        "DAFEI_TIP_DELAY_MIN",
        Default("60"),
        "Seconds that a public tip waits at least before anybody sees it (intake, clause D2), 0 to 86400.",
    ),
    Key::new(
        "DAFEI_TIP_DELAY_MAX",
        Default("1800"),
        "Seconds that a public tip waits at most, by chance, 0 to 86400; it leaves at the full minute after that. With 0 for both, tips do not wait.",
    ),
    Key::new(
        "DAFEI_TIPS_PER_MINUTE",
        Default("600"),
        "Tips that the public may send to a replica of intake, a minute, all senders together, 1 to 1000000.",
    ),
    Key::new(
        "DAFEI_TIP_QUESTIONS_PER_MINUTE",
        Default("1200"),
        "Codes and states of tips that the public may ask of a replica of intake, a minute, all together, 1 to 1000000.",
    ),
    Key::new(
        "DAFEI_REWARD_CAP_FEN",
        Default("5000000"),
        "Highest reward of one payment, as agreed with the bank (intake, clause D4), fen, 1 to 100000000000.",
    ),
    Key::new(
        "DAFEI_CLAIM_RESERVATION_MINUTES",
        Default("30"),
        "Minutes for which a claim is reserved for its teller (intake), 1 to 240.",
    ),
    Key::new(
        "DAFEI_CLAIM_SPAN_MINUTES",
        Default("60"),
        "Minutes after which a slowed teller, branch or announcement may try again (intake), 1 to 1440.",
    ),
    Key::new("DAFEI_CLAIM_TRIES_TELLER", Default("10"), "Failed claims of a teller in a span (intake), 1 to 10000."),
    Key::new("DAFEI_CLAIM_TRIES_BRANCH", Default("30"), "Failed claims of a branch in a span (intake), 1 to 10000."),
    Key::new(
        "DAFEI_CLAIM_TRIES_ANNOUNCEMENT",
        Default("5"),
        "Failed claims of an announcement in a span (intake), 1 to 10000.",
    ),
    Key::new(
        "DAFEI_CLAIM_TRIES_TELLER_ANNOUNCEMENT",
        Default("3"),
        "Failed claims of one teller at one announcement in a span (intake), 1 to 10000: fewer than of the announcement, so that no teller blocks it alone.",
    ),
    Key::new(
        "DAFEI_CLAIM_REFUSAL_MILLIS",
        Default("500"),
        "Milliseconds before which no claim is refused (intake), 0 to 10000: the cause cannot be told from the time.",
    ),
    Key::new(
        "DAFEI_ROUTING_FILE",
        Optional,
        "Routing table of dispatch, JSON; the built-in one when left out. Taken when its version was never in force.",
    ),
    Key::new(
        "DAFEI_AUTHORITY_FILE",
        Optional,
        "What lies within the townships' authority, JSON; the built-in one when left out. Taken as the routing table.",
    ),
    Key::new(
        "DAFEI_ASSUMED_DELIVERY_MINUTES",
        Default("30"),
        "Minutes after its issue at which an instruction counts as delivered at the latest, 1 to 1440.",
    ),
    Key::new(
        "DAFEI_MAX_RETURNS",
        Default("2"),
        "Returns of a case by its leads after which the next assignment is binding (dispatch), 1 to 10.",
    ),
    Key::new(
        "DAFEI_MAX_EXTENSIONS",
        Default("1"),
        "Extensions that can be granted to one instruction (dispatch), 0 to 10.",
    ),
    Key::new(
        "DAFEI_MAX_EXTENSION_DAYS",
        Default("10"),
        "Working days of one extension at the most (dispatch), 1 to 60.",
    ),
    Key::new(
        "DAFEI_REOPEN_DAYS",
        Default("30"),
        "Days after its closing within which a case can be asked to be taken up again, and after which a tip of it that no final result decided counts as untrue (dispatch), 1 to 3650.",
    ),
    Key::new(
        "DAFEI_DISCLOSURE_FILE",
        Optional,
        "Which small cells of released tables are protected (reporting, clause F5), JSON; the built-in rules when left out.",
    ),
    Key::new(
        "DAFEI_ALLOWANCES_FILE",
        Optional,
        "Rates of the allowances of grid chiefs and members (reporting, clause F6), JSON; the built-in rates when left out.",
    ),
    // Publicity.
    Key::new(
        "DAFEI_NOTICE_DISTANCE_M",
        Default("50"),
        "Metres that a village's reward notices are apart (intake, clause D5), 1 to 10000.",
    ),
    Key::new(
        "DAFEI_NOTICE_TOLERANCE_M",
        Default("5"),
        "Metres by which notices may be measured closer: what a phone's position errs, 0 to below the distance.",
    ),
    Key::new("DAFEI_NOTICE_PLACES", Default("10"), "Valid places of reward notices that a village needs, 1 to 100."),
    Key::new(
        "DAFEI_NOTICE_REACH_M",
        Default("10000"),
        "Metres that a notice may lie from the middle of its village's other notices, 100 to 1000000; farther is outside of the village.",
    ),
    // Tests.
    Key::new("DAFEI_TEST_DATABASE_URL", Optional, "PostgreSQL for the tests: a role that may create databases.")
        .secret(),
    Key::new("DAFEI_NATS_SERVER_BIN", Optional, "Path of the nats-server binary that the tests start."),
];
