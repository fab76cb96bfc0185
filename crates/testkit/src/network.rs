//! A way to a server that can fall silent or be cut, as a network's or a vanished machine's.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What passes: connections are numbered from 1 on.
#[derive(Debug, Clone, Copy, Default)]
struct Passage {
    /// Up to this one nothing passes any more, and nobody is told.
    silent: u64,
    /// Up to this one they are closed.
    cut: u64,
    /// New ones are taken and get no further.
    held: bool,
}

/// A way to a server, of TCP connections. It exists as long as this value.
#[derive(Debug)]
pub struct TestWay {
    url: String,
    last: Arc<AtomicU64>,
    passage: watch::Sender<Passage>,
}

impl TestWay {
    /// A way to the server of `url`, which names a host and a port.
    ///
    /// # Panics
    /// When the URL does not, or no port is to be had.
    pub async fn to(url: &str) -> Self {
        let start = url.find('@').map_or_else(|| url.find("://").map_or(0, |at| at + 3), |at| at + 1);
        let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address");
        let (last, (passage, gate)) = (Arc::new(AtomicU64::new(0)), watch::channel(Passage::default()));
        tokio::spawn(accept(listener, url[start..end].to_owned(), Arc::clone(&last), gate));
        Self { url: format!("{}{here}{}", &url[..start], &url[end..]), last, passage }
    }

    /// The URL by which the server is reached over this way.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// On what is connected now nothing passes any more, and neither end is told. What is connected later passes.
    pub fn silence(&self) {
        let last = self.last.load(Ordering::SeqCst);
        self.passage.send_modify(|passage| passage.silent = last);
    }

    /// Closes what is connected now.
    pub fn cut(&self) {
        let last = self.last.load(Ordering::SeqCst);
        self.passage.send_modify(|passage| passage.cut = last);
    }

    /// Whether new connections have to wait before they reach the server.
    pub fn hold(&self, held: bool) {
        self.passage.send_modify(|passage| passage.held = held);
    }
}

async fn accept(listener: TcpListener, server: String, last: Arc<AtomicU64>, gate: watch::Receiver<Passage>) {
    let mut ended = gate.clone();
    loop {
        let client = tokio::select! {
            Ok((client, _)) = listener.accept() => client,
            // It never is so: the way is gone.
            _ = ended.wait_for(|_| false) => return,
        };
        let number = last.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::spawn(pass(client, server.clone(), number, gate.clone()));
    }
}

async fn pass(client: TcpStream, server: String, number: u64, mut gate: watch::Receiver<Passage>) {
    let mut open = gate.clone();
    let flow = async {
        if open.wait_for(|passage| !passage.held).await.is_err() {
            return;
        }
        let Ok(upstream) = TcpStream::connect(server).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = upstream.into_split();
        tokio::select! {
            () = pump(from_client, to_server, number, open.clone()) => {}
            () = pump(from_server, to_client, number, open) => {}
        }
    };
    tokio::select! {
        () = flow => {}
        // Closed, or the way is gone.
        _ = gate.wait_for(|passage| passage.cut >= number) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u64,
    mut gate: watch::Receiver<Passage>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            _ = gate.wait_for(|passage| passage.silent >= number) => None,
            read = from.read(&mut buffer) => Some(read),
        };
        let Some(read) = read else { return std::future::pending().await };
        let Ok(count @ 1..) = read else { return };
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
