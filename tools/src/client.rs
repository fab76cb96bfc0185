//! Connections to the four services and tokens for them, for everything in this tool that calls gRPC.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, SystemClock},
    region::{Level, Region},
    role::Role,
};
use dafei_runtime::{
    client,
    identity::mint::{Minter, TokenRequest},
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

/// Private key of the tokens, in the directory of keys.
pub const PRIVATE_KEY: &str = "private.pem";
/// Public key of the tokens, in the directory of keys.
pub const JWKS: &str = "jwks.json";
/// Seconds that a service may take for a call, when the environment does not say.
const SERVED: u64 = 30;
/// How much longer an answer may be on its way.
const MARGIN: Duration = Duration::from_secs(15);
/// How long the tool's own tokens hold.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// A setting that must be there.
///
/// # Errors
/// When it is not set.
pub fn setting(name: &str) -> Result<String> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => bail!("{name} is not set (source .dev/run.env, which `./dev up` writes)"),
    }
}

/// Each NATS server of a list, as the client takes them.
#[must_use]
pub fn servers(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).collect()
}

/// A service of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Village tier.
    Intake,
    /// Township and county tier.
    Dispatch,
    /// Clocks.
    SlaMonitor,
    /// Tables.
    Reporting,
}

impl Service {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Intake, Self::Dispatch, Self::SlaMonitor, Self::Reporting];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Dispatch => "dispatch",
            Self::SlaMonitor => "sla-monitor",
            Self::Reporting => "reporting",
        }
    }

    /// The service of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// A setting of its own: `DAFEI_SLA_MONITOR_ADDR`.
    #[must_use]
    pub const fn key(self, which: ServiceKey) -> &'static str {
        match (self, which) {
            (Self::Intake, ServiceKey::Addr) => "DAFEI_INTAKE_ADDR",
            (Self::Dispatch, ServiceKey::Addr) => "DAFEI_DISPATCH_ADDR",
            (Self::SlaMonitor, ServiceKey::Addr) => "DAFEI_SLA_MONITOR_ADDR",
            (Self::Reporting, ServiceKey::Addr) => "DAFEI_REPORTING_ADDR",
            (Self::Intake, ServiceKey::DatabaseUrl) => "DAFEI_INTAKE_DATABASE_URL",
            (Self::Dispatch, ServiceKey::DatabaseUrl) => "DAFEI_DISPATCH_DATABASE_URL",
            (Self::SlaMonitor, ServiceKey::DatabaseUrl) => "DAFEI_SLA_MONITOR_DATABASE_URL",
            (Self::Reporting, ServiceKey::DatabaseUrl) => "DAFEI_REPORTING_DATABASE_URL",
        }
    }
}

/// Settings that every service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKey {
    /// Where its gRPC is, `http://host:port` or `https://host:port`.
    Addr,
    /// Its database.
    DatabaseUrl,
}

/// Channels to the four services; they connect when they are first used and again whenever needed.
#[derive(Debug, Clone)]
pub struct Suite {
    channels: [Channel; 4],
}

impl Suite {
    /// By `DAFEI_INTAKE_ADDR`, `DAFEI_DISPATCH_ADDR`, `DAFEI_SLA_MONITOR_ADDR` and `DAFEI_REPORTING_ADDR`. Needs a running tokio.
    ///
    /// # Errors
    /// When one is missing or no address.
    pub fn from_env() -> Result<Self> {
        let channel = |service: Service| {
            let key = service.key(ServiceKey::Addr);
            let address = setting(key)?;
            let address = if address.contains("://") { address } else { format!("http://{address}") };
            connect(&address).with_context(|| key.to_owned())
        };
        let [intake, dispatch, sla, reporting] = Service::ALL;
        Ok(Self { channels: [channel(intake)?, channel(dispatch)?, channel(sla)?, channel(reporting)?] })
    }

    /// The channel without a token: health, reflection, public reads.
    #[must_use]
    pub fn anonymous(&self, service: Service) -> Channel {
        let [intake, dispatch, sla, reporting] = &self.channels;
        match service {
            Service::Intake => intake.clone(),
            Service::Dispatch => dispatch.clone(),
            Service::SlaMonitor => sla.clone(),
            Service::Reporting => reporting.clone(),
        }
    }

    /// The channel with a token in every call: `TownshipServiceClient::new(suite.with(Service::Dispatch, &bearer))`.
    #[must_use]
    pub fn with(&self, service: Service, bearer: &Bearer) -> Authed {
        InterceptedService::new(self.anonymous(service), bearer.clone())
    }
}

/// A lazy channel to one address; one with `https` by the authority of `DAFEI_PEER_CA`, and with the certificate of `DAFEI_TLS_CERT` and
/// `DAFEI_TLS_KEY` for a service that asks for one.
///
/// # Errors
/// When it is no address, or a certificate that is needed is not there or cannot be read.
pub fn connect(address: &str) -> Result<Channel> {
    // The server ends a call by itself after its own time; an answer that takes longer than that was lost on its way.
    let served = env::var("DAFEI_GRPC_TIMEOUT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SERVED);
    let answer = Duration::from_secs(served) + MARGIN;
    let endpoint = client::endpoint(address, answer).with_context(|| format!("{address:?} is no address"))?;
    let endpoint = if address.starts_with("https:") {
        endpoint.tls_config(certificates()?).with_context(|| format!("the certificates for {address}"))?
    } else {
        endpoint
    };
    Ok(endpoint.connect_lazy())
}

/// Whom this tool believes, and what it shows.
fn certificates() -> Result<ClientTlsConfig> {
    let read = |name: &str| {
        let file = setting(name)?;
        std::fs::read(&file).with_context(|| format!("{name} {file}"))
    };
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("DAFEI_PEER_CA")?));
    if env::var_os("DAFEI_TLS_CERT").is_none() {
        return Ok(tls);
    }
    Ok(tls.identity(Identity::from_pem(read("DAFEI_TLS_CERT")?, read("DAFEI_TLS_KEY")?)))
}

/// A channel that carries a token.
pub type Authed = InterceptedService<Channel, Bearer>;

/// A token, put into every call, and the trace that the calls belong to, if any.
#[derive(Debug, Clone)]
pub struct Bearer {
    token: MetadataValue<Ascii>,
    traceparent: Option<MetadataValue<Ascii>>,
}

impl Bearer {
    /// Of a token.
    ///
    /// # Errors
    /// When it cannot stand in a header.
    pub fn new(token: &str) -> Result<Self> {
        Ok(Self { token: format!("Bearer {token}").parse().context("the token")?, traceparent: None })
    }

    /// The same token in calls that carry on a trace.
    ///
    /// # Errors
    /// When the `traceparent` cannot stand in a header.
    pub fn in_trace(&self, traceparent: &str) -> Result<Self> {
        let traceparent = Some(traceparent.parse().context("the trace")?);
        Ok(Self { token: self.token.clone(), traceparent })
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.token.clone());
        if let Some(traceparent) = &self.traceparent {
            request.metadata_mut().insert("traceparent", traceparent.clone());
        }
        Ok(request)
    }
}

/// Who a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Role.
    pub role: Role,
    /// Region.
    pub region: Region,
    /// Agency of a department or township agency.
    pub agency: Option<Agency>,
    /// Work area.
    pub work_area: Option<String>,
}

impl Caller {
    /// A post without agency and work area.
    #[must_use]
    pub const fn new(role: Role, region: Region) -> Self {
        Self { role, region, agency: None, work_area: None }
    }

    /// The same post of an agency.
    #[must_use]
    pub fn of(mut self, agency: Agency) -> Self {
        self.agency = Some(agency);
        self
    }

    /// The same post for a work area.
    #[must_use]
    pub fn in_work_area(mut self, code: &str) -> Self {
        self.work_area = Some(code.to_owned());
        self
    }

    /// Stable subject of its tokens; request ids are unique per subject.
    #[must_use]
    pub fn subject(&self) -> String {
        let agency = self.agency.map(|agency| format!("-{}", agency.code())).unwrap_or_default();
        let area = self.work_area.as_deref().map(|area| format!("-{area}")).unwrap_or_default();
        format!("{}{agency}@{}{area}", self.role.code(), self.region)
    }
}

/// What this tool shows the services: tokens that it signs itself, or the one that it was given.
pub struct Keys(Source);

enum Source {
    Key { minter: Box<Minter>, issuer: String, audience: String },
    Given(String),
}

impl Keys {
    /// By `DAFEI_KEYS_DIR`, `DAFEI_JWT_ISSUER` and `DAFEI_JWT_AUDIENCE`; or the token in `DAFEI_TOKEN_FILE`, which somebody else has issued.
    ///
    /// # Errors
    /// When one is missing or a file cannot be read.
    pub fn from_env() -> Result<Self> {
        if let Ok(file) = setting("DAFEI_TOKEN_FILE") {
            let token = std::fs::read_to_string(&file).with_context(|| format!("DAFEI_TOKEN_FILE {file}"))?;
            return Ok(Self(Source::Given(token.trim().to_owned())));
        }
        let path = PathBuf::from(setting("DAFEI_KEYS_DIR")?).join(PRIVATE_KEY);
        let pem = std::fs::read_to_string(&path).with_context(|| format!("{} (`dafei keys init`)", path.display()))?;
        Ok(Self(Source::Key {
            minter: Box::new(Minter::from_pem(&pem).with_context(|| path.display().to_string())?),
            issuer: setting("DAFEI_JWT_ISSUER")?,
            audience: setting("DAFEI_JWT_AUDIENCE")?,
        }))
    }

    /// A token that holds for `ttl` from now, in real time.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, caller: &Caller, ttl: Duration) -> Result<String> {
        let Source::Key { minter, issuer, audience } = &self.0 else {
            bail!("DAFEI_TOKEN_FILE has a token and no key: nothing can be signed");
        };
        Ok(minter.sign(&TokenRequest {
            subject: caller.subject(),
            name: None,
            role: caller.role,
            region: caller.region.clone(),
            agency: caller.agency,
            work_area: caller.work_area.clone(),
            issuer: issuer.clone(),
            audience: audience.clone(),
            expires: SystemClock.now().checked_add(ttl).context("the token's end")?,
        })?)
    }

    /// An interceptor with a token that holds for an hour, or with the one that was given: the services then say whether it is the caller's.
    ///
    /// # Errors
    /// When it cannot be signed, or is no token.
    pub fn bearer(&self, caller: &Caller) -> Result<Bearer> {
        match &self.0 {
            Source::Key { .. } => Bearer::new(&self.token(caller, TOKEN_TTL)?),
            Source::Given(token) => Bearer::new(token),
        }
    }

    /// A bearer with the role admin over the city of `DAFEI_CITY`.
    ///
    /// # Errors
    /// When `DAFEI_CITY` is missing or no city code.
    pub fn admin(&self) -> Result<Bearer> {
        self.bearer(&Caller::new(Role::Admin, city()?))
    }
}

/// The city of this deployment, `DAFEI_CITY`.
///
/// # Errors
/// When it is missing or no city code.
pub fn city() -> Result<Region> {
    Region::new(Level::City, &setting("DAFEI_CITY")?).context("DAFEI_CITY")
}
