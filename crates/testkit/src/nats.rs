//! A NATS server of its own for a test, which can be killed, restarted and wiped.
//!
//! The server runs under a small shell that waits on a pipe held by the test: when the test process ends, however it ends, the pipe
//! closes and the shell kills the server. So no server outlives its test.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{ReservedPort, eventually, required_env};

/// Starts the server, says its number, and kills it when the pipe closes.
const KEEPER: &str =
    r#""$@" & server=$!; echo "$server"; cat >/dev/null; kill -9 "$server" 2>/dev/null; wait "$server" 2>/dev/null"#;
/// How long a server may take to be ready.
const START: Duration = Duration::from_secs(30);

/// How the server is configured.
#[derive(Debug, Clone)]
pub struct TestNatsOptions {
    /// `jetstream.sync_interval: always`, as the services ask for.
    pub sync_always: bool,
    /// Text added to the configuration file, for example accounts.
    pub extra: String,
}

impl Default for TestNatsOptions {
    fn default() -> Self {
        Self { sync_always: true, extra: String::new() }
    }
}

/// A server with JetStream that exists as long as this value.
#[derive(Debug)]
pub struct TestNats {
    dir: TempDir,
    options: TestNatsOptions,
    keeper: Option<Child>,
    /// Of clients and of the monitoring pages; kept while the server is down.
    ports: [ReservedPort; 2],
}

impl TestNats {
    /// A server with the default options.
    ///
    /// # Panics
    /// When `DAFEI_NATS_SERVER_BIN` is missing or the server does not start.
    pub async fn start() -> Self {
        Self::with(TestNatsOptions::default()).await
    }

    /// A server with these options.
    ///
    /// # Panics
    /// As [`TestNats::start`].
    pub async fn with(options: TestNatsOptions) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut server = Self { dir, options, keeper: None, ports: [ReservedPort::new(), ReservedPort::new()] };
        server.launch().await;
        server
    }

    /// `nats://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports[0].number())
    }

    /// `http://127.0.0.1:<port>` of the monitoring pages.
    #[must_use]
    pub fn monitoring_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1].number())
    }

    /// What a monitoring page says, without white space; none while the server does not answer.
    pub async fn monitoring_page(&self, path: &str) -> Option<String> {
        let mut server = TcpStream::connect(self.monitoring_url().trim_start_matches("http://")).await.ok()?;
        server.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
        let mut page = String::new();
        server.read_to_string(&mut page).await.ok()?;
        Some(page.split_whitespace().collect())
    }

    /// A connection that reconnects quickly and for ever.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::ConnectOptions::new()
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| if attempt == 0 { Duration::ZERO } else { Duration::from_millis(50) })
            .connection_timeout(START)
            .request_timeout(Some(Duration::from_secs(5)))
            .connect(self.url())
            .await
            .expect("the test NATS answers")
    }

    /// A connection with JetStream.
    ///
    /// # Panics
    /// As [`TestNats::client`].
    pub async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(self.client().await)
    }

    /// Publishes as a client that knows only the protocol, any bytes as headers, and waits until a stream has stored it.
    ///
    /// # Panics
    /// When no stream stores it.
    pub async fn publish_raw(&self, subject: &[u8], headers: &[u8], payload: &[u8]) {
        let server = TcpStream::connect(self.url().trim_start_matches("nats://")).await.expect("the test NATS answers");
        let mut server = tokio::io::BufReader::new(server);
        let connect =
            b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB _INBOX.raw 1\r\nHPUB ";
        let lengths = format!(" _INBOX.raw {} {}\r\n", headers.len(), headers.len() + payload.len());
        let parts: [&[u8]; 6] = [connect, subject, lengths.as_bytes(), headers, payload, b"\r\n"];
        server.write_all(&parts.concat()).await.expect("sent");
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            let read = server.read_line(&mut line).await.expect("an answer");
            assert!(read > 0 && !line.starts_with("-ERR"), "the server refused it: {line}");
        }
        assert!(line.contains("\"seq\""), "it is not stored: {line}");
    }

    /// Kills the server with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    /// Starts the killed server again: the same port, the same store.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch().await;
    }

    /// Kills the server, loses all that it stored, and starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn wipe(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.store()).expect("the store can be removed");
        self.launch().await;
    }

    /// Restarts the server and keeps what it stores until then, for [`TestNats::go_back_to`].
    ///
    /// # Panics
    /// When it does not start, or its files cannot be copied.
    pub async fn keep_copy(&mut self) -> TempDir {
        self.kill();
        let copy = TempDir::new().expect("a temporary directory");
        copy_all(&self.store(), copy.path());
        self.launch().await;
        copy
    }

    /// Kills the server, loses what it stored since a copy was kept, and starts it again on the same port: its streams are the same as ever,
    /// without their ends.
    ///
    /// # Panics
    /// When it does not start, or its files cannot be copied.
    pub async fn go_back_to(&mut self, copy: &TempDir) {
        self.kill();
        std::fs::remove_dir_all(self.store()).expect("the store can be removed");
        copy_all(copy.path(), &self.store());
        self.launch().await;
    }

    fn store(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    fn config(&self) -> String {
        let [port, monitoring] = self.ports.each_ref().map(ReservedPort::number);
        let mut text = format!("host: 127.0.0.1\nport: {port}\nhttp: \"127.0.0.1:{monitoring}\"\nmax_pending: 256MB\n");
        let sync = if self.options.sync_always { "\n  sync_interval: always" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "jetstream {{\n  store_dir: {:?}{sync}\n}}", self.store());
        let _ = writeln!(text, "ports_file_dir: {:?}", self.dir.path());
        text.push_str(&self.options.extra);
        text
    }

    async fn launch(&mut self) {
        let config = self.dir.path().join("nats.conf");
        std::fs::write(&config, self.config()).expect("the configuration can be written");
        let log = std::fs::File::create(self.dir.path().join("log")).expect("the log can be written");
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(required_env("DAFEI_NATS_SERVER_BIN"))
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let out = keeper.stdout.take().expect("the output is a pipe");
        BufReader::new(out).read_line(&mut line).expect("the shell says the server's number");
        self.keeper = Some(keeper);
        let file = self.dir.path().join(format!("nats-server_{}.ports", line.trim()));
        eventually(START, "the NATS server says that it listens", async || file.exists().then_some(())).await;
        let url = self.url();
        eventually(START, "the NATS server is ready", || ready(&url)).await;
    }
}

/// Three servers with JetStream that are one cluster, as long as this value exists.
#[derive(Debug)]
pub struct TestCluster {
    /// The servers: `n1`, `n2` and `n3`.
    pub servers: [TestNats; 3],
    /// Of the links between them.
    _routes: [ReservedPort; 3],
}

impl TestCluster {
    /// A cluster. Its servers listen; that they have elected somebody is for the test to wait for.
    ///
    /// # Panics
    /// As [`TestNats::start`].
    pub async fn start() -> Self {
        let routes = [ReservedPort::new(), ReservedPort::new(), ReservedPort::new()];
        let all: Vec<String> = routes.iter().map(|route| format!("\"nats://127.0.0.1:{}\"", route.number())).collect();
        let server = async |number: usize| {
            let (name, route, all) = (format!("n{}", number + 1), routes[number].number(), all.join(", "));
            let extra = format!(
                "server_name: {name}\ncluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [ {all} ], no_advertise: true }}\n"
            );
            TestNats::with(TestNatsOptions { extra, ..TestNatsOptions::default() }).await
        };
        let servers = [server(0).await, server(1).await, server(2).await];
        Self { servers, _routes: routes }
    }
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("the files of the store") {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("a file of the store");
        if entry.is_dir() {
            copy_all(&entry, &to.join(name));
        } else {
            std::fs::copy(&entry, to.join(name)).expect("a copy");
        }
    }
}

impl Drop for TestNats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server takes connections and its port is really the one of this server; with accounts it may refuse the login.
async fn ready(url: &str) -> Option<()> {
    TcpStream::connect(url.trim_start_matches("nats://")).await.ok().map(drop)
}
