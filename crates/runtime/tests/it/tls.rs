//! Certificates: with a client authority in the settings only clients that it signed get in (mTLS).

use dafei_runtime::{
    config::{Common, Service},
    identity::{Verifier, mint::Minter},
    lifecycle::Lifecycle,
    telemetry::Telemetry,
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::support::{AUDIENCE, ISSUER, Probe, good, serve, settings, who};

// Test certificates: an authority, and a server and a client that it signed.
const AUTHORITY: &str = include_str!("tls/ca.pem");
const CLIENT: (&str, &str) = (include_str!("tls/client.pem"), include_str!("tls/client-key.pem"));
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls");

#[tokio::test]
async fn with_a_client_authority_only_its_clients_get_in() {
    let source = settings()
        .with("DAFEI_TLS_CERT", format!("{FOLDER}/server.pem"))
        .with("DAFEI_TLS_KEY", format!("{FOLDER}/server-key.pem"))
        .with("DAFEI_TLS_CLIENT_CA", format!("{FOLDER}/ca.pem"));
    let common = Common::read(&source, Service::Intake).unwrap();
    let minter = Minter::generate().unwrap();
    let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, AUDIENCE).unwrap();
    let life = Lifecycle::new(&common, Telemetry::none());
    let served = serve(life, Probe::default(), verifier).await;

    let token = minter.sign(&good()).unwrap();
    let endpoint = Endpoint::from_shared(format!("https://localhost:{}", served.address.port())).unwrap();
    let stranger = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(AUTHORITY));
    let known = stranger.clone().identity(Identity::from_pem(CLIENT.0, CLIENT.1));

    let channel = endpoint.clone().tls_config(known).unwrap().connect().await.unwrap();
    assert_eq!(who(&channel, &token).await.unwrap(), "office-1");
    // In TLS 1.3 the client learns of the refusal with its first call.
    let refused = async {
        let channel = endpoint.tls_config(stranger)?.connect().await?;
        Ok::<_, tonic::transport::Error>(who(&channel, &token).await)
    };
    assert!(!matches!(refused.await, Ok(Ok(_))));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_stops_the_start() {
    let source =
        settings().with("DAFEI_TLS_CERT", "no-such-cert.pem").with("DAFEI_TLS_KEY", format!("{FOLDER}/server-key.pem"));
    let common = Common::read(&source, Service::Intake).unwrap();
    let verifier = Verifier::from_jwks(&Minter::generate().unwrap().jwks(), ISSUER, AUDIENCE).unwrap();
    let served = serve(Lifecycle::new(&common, Telemetry::none()), Probe::default(), verifier).await;
    assert_eq!(served.exit.await.unwrap(), std::process::ExitCode::FAILURE);
}
