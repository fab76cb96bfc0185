//! The gRPC server: its address, its limits, its certificates, and the layers around every service.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming},
};

use super::{deadline::DeadlineLayer, in_flight::InFlightLayer};
use crate::{
    BoxError,
    config::{GrpcLimits, Service, Tls},
    health::{self, Readiness},
    identity::{AuthLayer, Verifier},
    paths::Paths,
    telemetry::GrpcLayer,
};

/// How often a silent connection is asked whether it lives, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Flow-control windows, bytes: photos should not wait for window updates.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Largest header list a client may send, bytes: a token and some metadata.
const MAX_HEADER_BYTES: u32 = 32 << 10;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address of the settings.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate or key cannot be read.
    #[error("cannot read {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error("the certificates cannot be used")]
    Tls(#[source] tonic::transport::Error),
    /// The descriptor set cannot be read.
    #[error("the descriptor set cannot be read")]
    Descriptors(#[source] tonic_reflection::server::Error),
}

/// An address that is taken and not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub(super) async fn bind(address: &str) -> Result<Self, ServeError> {
        let wrap = |source| ServeError::Bind { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(wrap)?;
        let address = listener.local_addr().map_err(wrap)?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// What a service gives its gRPC server besides its routes.
#[derive(Clone, Debug)]
pub struct GrpcServer {
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// Paths open without a token; health and reflection are always.
    pub public: Paths,
    /// Paths that leave no trace.
    pub silent: Paths,
    /// Server streams that follow events: they are open for long and have a limit of their own beside that of calls in flight.
    pub watches: Paths,
    /// Encoded descriptor set for reflection.
    pub descriptors: &'static [u8],
    /// Full names of the services, for health: `dafei.intake.v1.IntakeService`.
    pub names: &'static [&'static str],
}

/// What the supervisor gives.
pub(super) struct Parts<'a> {
    pub(super) service: Service,
    pub(super) limits: &'a GrpcLimits,
    pub(super) tls: Option<&'a Tls>,
    pub(super) readiness: &'a Readiness,
}

impl GrpcServer {
    pub(super) async fn start(
        self,
        bound: Bound,
        routes: Routes,
        parts: Parts<'_>,
        token: CancellationToken,
    ) -> Result<JoinHandle<Result<(), BoxError>>, ServeError> {
        let routes = routes.add_service(parts.readiness.service(self.names).await);
        let routes = health::add_reflection(routes, self.descriptors).map_err(ServeError::Descriptors)?;
        let mut server = builder(parts.limits);
        if let Some(tls) = parts.tls {
            server = server.tls_config(tls_config(tls).await?).map_err(ServeError::Tls)?;
        }
        // Behind the door: who has no good token takes nobody's place.
        let (open, silent) = (self.public.clone(), self.silent.clone());
        let in_flight = InFlightLayer::new(parts.service, parts.limits.in_flight, open, self.watches, silent);
        let router = server
            .layer(GrpcLayer::new(self.silent))
            .layer(DeadlineLayer { longest: parts.limits.timeout })
            .layer(AuthLayer::new(self.verifier, &self.public))
            .layer(in_flight)
            .add_routes(routes);
        let incoming = TcpIncoming::from(bound.listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE.0));
        Ok(tokio::spawn(async move {
            router.serve_with_incoming_shutdown(incoming, token.cancelled_owned()).await.map_err(Into::into)
        }))
    }
}

fn builder(limits: &GrpcLimits) -> Server {
    Server::builder()
        .max_concurrent_streams(limits.concurrency)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
}

async fn tls_config(tls: &Tls) -> Result<ServerTlsConfig, ServeError> {
    let identity = Identity::from_pem(read(&tls.cert).await?, read(&tls.key).await?);
    let config = ServerTlsConfig::new().identity(identity);
    Ok(match &tls.client_ca {
        Some(authority) => config.client_ca_root(Certificate::from_pem(read(authority).await?)),
        None => config,
    })
}

async fn read(path: &PathBuf) -> Result<Vec<u8>, ServeError> {
    tokio::fs::read(path).await.map_err(|source| ServeError::Pem { path: path.clone(), source })
}
