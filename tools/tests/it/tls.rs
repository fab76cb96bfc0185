//! Services that speak TLS.

use tokio::{net::TcpListener, process::Command};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

// Test certificates of the runtime: an authority, and a server and a client that it signed.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/runtime/tests/it/tls");

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/{name}")).expect("a certificate")
}

/// Asks four services at one address for their health, with these settings beside; whether all serve, and what was said.
async fn health(address: &str, settings: &[(&str, String)]) -> (bool, String) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_dafei"));
    tool.env_clear().arg("health");
    for service in ["INTAKE", "DISPATCH", "SLA_MONITOR", "REPORTING"] {
        tool.env(format!("DAFEI_{service}_ADDR"), address);
    }
    let done = tool.envs(settings.iter().cloned()).output().await.expect("the tool runs");
    (done.status.success(), [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat())
}

#[tokio::test]
async fn the_tool_reaches_services_that_speak_tls_with_the_certificates_of_the_settings() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("server.pem"), read("server-key.pem")))
        .client_ca_root(Certificate::from_pem(read("ca.pem")));
    let (_reporter, health_service) = tonic_health::server::health_reporter();
    let server = Server::builder().tls_config(tls).expect("certificates").add_service(health_service);
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let file = |name: &str| format!("{FOLDER}/{name}");
    let known = [
        ("DAFEI_PEER_CA", file("ca.pem")),
        ("DAFEI_TLS_CERT", file("client.pem")),
        ("DAFEI_TLS_KEY", file("client-key.pem")),
    ];
    let (serving, said) = health(&address, &known).await;
    assert!(serving, "{said}");
    let (serving, said) = health(&address, &known[..1]).await;
    assert!(!serving, "the services let in whom the authority has signed: {said}");
    let (serving, said) = health(&address, &[]).await;
    assert!(!serving && said.contains("DAFEI_PEER_CA is not set"), "{said}");
    let (serving, said) = health(&address, &[("DAFEI_PEER_CA", file("none.pem"))]).await;
    assert!(!serving && said.contains("none.pem"), "{said}");
    server.abort();
}
