//! What the suite relies on in a NATS server, checked at start.

use std::time::Duration;

use async_nats::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Atomic batches came with 2.12.
const LEAST_VERSION: (u64, u64) = (2, 12);
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that the suite cannot rely on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Too old for atomic batches.
    #[error("the NATS server is version {found}, at least 2.12 is needed for atomic batches")]
    Version {
        /// What the server says it is.
        found: String,
    },
    /// No JetStream for this account.
    #[error("the NATS server has no JetStream for this account: {reason}")]
    NoJetStream {
        /// What the server said.
        reason: String,
    },
    /// Acknowledged messages may be lost when the machine stops.
    #[error("the NATS server does not sync before it acknowledges: set `jetstream.sync_interval: always`")]
    NotSynced,
    /// The monitoring page does not answer.
    #[error("the NATS monitoring page {url} does not answer: {reason}")]
    Monitoring {
        /// Its address.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

/// Checks the version, JetStream and, where the address of the monitoring pages is known (`http://host:port`), that every message is on
/// disk before it is acknowledged.
///
/// # Errors
/// The first thing that is not as it has to be.
pub async fn check_server(client: &Client, monitoring: Option<&str>) -> Result<(), ServerError> {
    let version = client.server_info().version;
    if !recent_enough(&version) {
        return Err(ServerError::Version { found: version });
    }
    let js = async_nats::jetstream::new(client.clone());
    js.query_account().await.map_err(|error| ServerError::NoJetStream { reason: error.to_string() })?;
    let Some(base) = monitoring else { return Ok(()) };
    let page = get(base, "/varz").await.map_err(|reason| ServerError::Monitoring { url: base.to_owned(), reason })?;
    let config = &page["jetstream"]["config"];
    if config["sync_always"].as_bool() == Some(true) { Ok(()) } else { Err(ServerError::NotSynced) }
}

fn recent_enough(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= LEAST_VERSION
}

/// A JSON page by plain HTTP/1.0: the monitoring port is asked once at start, which needs no HTTP client.
async fn get(base: &str, path: &str) -> Result<serde_json::Value, String> {
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let fetch = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer =
        timeout(PATIENCE, fetch).await.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::recent_enough;

    #[test]
    fn versions_before_atomic_batches_are_refused() {
        assert!(recent_enough("2.12.0"));
        assert!(recent_enough("2.15.1-RC.1"));
        assert!(recent_enough("3.0.0"));
        assert!(!recent_enough("2.11.9"));
        assert!(!recent_enough("nonsense"));
    }
}
