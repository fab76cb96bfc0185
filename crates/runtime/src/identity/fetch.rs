//! A GET of a small document over http or https, for key sets. No redirects, no proxies, bounded in time and size.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

use crate::BoxError;

/// How long the whole exchange may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest document, bytes.
const MAX_BYTES: usize = 262_144;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not http or https with a host.
    #[error("not an http or https URL")]
    Url,
    /// No connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// No root certificates on this machine, or they cannot be used.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The exchange broke off.
    #[error("the exchange failed")]
    Exchange(#[from] hyper::Error),
    /// The server said no.
    #[error("the server answered {0}")]
    Answer(StatusCode),
    /// The body is too large or broke off.
    #[error("the body cannot be read")]
    Body(#[source] BoxError),
    /// It took too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// Tries after the first, within the time of the whole.
const TRIES: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(100)).with_max_times(3).with_jitter();

/// Fetches a document; tries again when the server was away for a moment.
pub(super) async fn get(url: &str) -> Result<Bytes, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
    let fetched = (|| fetch(&uri)).retry(TRIES).when(FetchError::passes);
    tokio::time::timeout(TIMEOUT, fetched).await.map_err(|_| FetchError::Timeout)?
}

impl FetchError {
    /// Whether it may be better in a moment.
    fn passes(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Exchange(_) => true,
            Self::Answer(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Url | Self::Tls(_) | Self::Body(_) | Self::Timeout => false,
        }
    }
}

async fn fetch(uri: &Uri) -> Result<Bytes, FetchError> {
    let (host, authority) = uri.host().zip(uri.authority()).ok_or(FetchError::Url)?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(FetchError::Url),
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.map_err(FetchError::Connect)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority.as_str())
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Url)?;
    if secure {
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| FetchError::Url)?;
        let stream = connector()?.connect(name, stream).await.map_err(FetchError::Connect)?;
        exchange(stream, request).await
    } else {
        exchange(stream, request).await
    }
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends by itself when the sender is dropped; its errors reach the request.
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Answer(response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(FetchError::Body)?;
    driver.abort();
    Ok(body.to_bytes())
}

fn connector() -> Result<TlsConnector, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(FetchError::Tls("this machine has no root certificates".to_owned()));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
