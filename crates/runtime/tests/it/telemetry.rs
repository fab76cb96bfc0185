//! Traces and metrics: they carry on the caller's trace, reach a collector before the process ends, and a silent method
//! leaves none.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use dafei_runtime::{
    config::{Common, Service as Which},
    identity::{Verifier, mint::Minter},
    lifecycle::Lifecycle,
    telemetry,
};
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::support::{AUDIENCE, ISSUER, Probe, call, good, serve, settings};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A collector that keeps the bytes it was sent.
#[derive(Clone)]
struct Collector<const TRACES: bool> {
    kept: Arc<Mutex<Vec<u8>>>,
}

impl NamedService for Collector<true> {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl NamedService for Collector<false> {
    const NAME: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
}

impl<const TRACES: bool> Service<http::Request<Body>> for Collector<TRACES> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let kept = Arc::clone(&self.kept);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            kept.lock().unwrap().extend_from_slice(&bytes);
            let request = http::Request::from_parts(head, Body::new(Full::new(bytes)));
            Ok(Grpc::new(ProstCodec::<(), ()>::default()).unary(Thanks, request).await)
        })
    }
}

struct Thanks;

impl UnaryService<()> for Thanks {
    type Response = ();
    type Future = std::future::Ready<Result<Response<()>, Status>>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::ready(Ok(Response::new(())))
    }
}

fn holds(kept: &Mutex<Vec<u8>>, text: &[u8]) -> bool {
    kept.lock().unwrap().windows(text.len()).any(|window| window == text)
}

// The only test that sets up logging for the whole process. With one thread a span is closed before its answer leaves.
#[tokio::test]
async fn traces_and_metrics_reach_the_collector_and_a_silent_method_leaves_none() {
    let (traces, metrics) = (Arc::default(), Arc::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let routes = Routes::new(Collector::<true> { kept: Arc::clone(&traces) })
        .add_service(Collector::<false> { kept: Arc::clone(&metrics) });
    let collector = tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(TcpIncoming::from(listener)));

    let source = settings().with("DAFEI_OTLP_ENDPOINT", endpoint).with("DAFEI_LOG_FORMAT", "human");
    let common = Common::read(&source, Which::Intake).unwrap();
    let guard = telemetry::init(&common).unwrap();
    telemetry::metrics::gauge_callback("outbox.age", "s", "Age.", &[("stream", "events")], || Some(1.5));
    let minter = Minter::generate().unwrap();
    let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, AUDIENCE).unwrap();
    let served = serve(Lifecycle::new(&common, guard), Probe::default(), verifier).await;
    let channel = served.channel().await;
    let header = format!("Bearer {}", minter.sign(&good()).unwrap());

    let caller = [("authorization", header.as_str()), ("traceparent", PARENT)];
    let inside = call(&channel, "Trace", &caller).await.unwrap();
    assert!(inside.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{inside}");
    assert_eq!(call(&channel, "Whisper", &[("traceparent", PARENT)]).await.unwrap(), "");
    drop(channel);
    served.end().await;

    assert!(holds(&traces, b"test.Probe/Trace"));
    assert!(holds(&traces, b"dafei-intake"));
    assert!(holds(&metrics, b"rpc.server.duration"));
    assert!(holds(&metrics, b"outbox.age"));
    for kept in [&traces, &metrics] {
        assert!(!holds(kept, b"Whisper"));
        assert!(!holds(kept, header.as_bytes()));
    }
    collector.abort();
}
