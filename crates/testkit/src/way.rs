//! A way to a PostgreSQL server that falls silent, as it does when the host behind it vanishes: nothing comes back, and nobody closes anything.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
};

/// What a connection and the way have in common.
#[derive(Debug, Default)]
struct State {
    /// The next connection on which the client commits falls silent then.
    at_commit: AtomicBool,
    /// Connections below this number are silent.
    silent_below: AtomicUsize,
    /// How many connections there have been.
    connections: AtomicUsize,
}

/// The way, as long as the test's runtime lives.
#[derive(Debug)]
pub struct SilentWay {
    /// The database's URL by this way.
    pub url: String,
    state: Arc<State>,
}

impl SilentWay {
    /// A way to the server of a database's URL.
    ///
    /// # Panics
    /// When the URL names no host and port, or no port is free.
    pub async fn to(url: &str) -> Self {
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
        let begin = url[after_scheme..end].rfind('@').map_or(after_scheme, |at| after_scheme + at + 1);
        let server = url[begin..end].to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let url = format!("{}{address}{}", &url[..begin], &url[end..]);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(&server).await else { continue };
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let silent = Arc::new(AtomicBool::new(false));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = upstream.into_split();
                tokio::spawn(asked(from_client, to_server, Arc::clone(&shared), Arc::clone(&silent)));
                tokio::spawn(answered(from_server, to_client, (Arc::clone(&shared), number), silent));
            }
        });
        Self { url, state }
    }

    /// All connections that there are get no answer any more; those that come do.
    pub fn fall_silent(&self) {
        self.state.silent_below.store(self.state.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The next connection on which a client commits gets no answer to that or any more; the server does commit.
    pub fn fall_silent_at_the_next_commit(&self) {
        self.state.at_commit.store(true, Ordering::SeqCst);
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

/// From the client to the server.
async fn asked(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, state: Arc<State>, silent: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        let commits = buffer[..count].windows(6).any(|text| text == b"COMMIT");
        if commits && state.at_commit.swap(false, Ordering::SeqCst) {
            silent.store(true, Ordering::SeqCst);
        }
        if server.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// From the server to the client, while it is not silent.
async fn answered(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    (state, number): (Arc<State>, usize),
    silent: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = server.read(&mut buffer).await {
        let silenced = silent.load(Ordering::SeqCst) || number < state.silent_below.load(Ordering::SeqCst);
        if !silenced && client.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
