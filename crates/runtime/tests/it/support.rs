//! A small gRPC service that says who called it, a server around it, and a client.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use dafei_kernel::{
    clock::{Clock, SystemClock},
    time::Instant,
};
use dafei_runtime::{
    config::{Common, MapSource, Service as Which},
    identity::{
        Verifier,
        mint::{Minter, TokenRequest},
        principal,
    },
    lifecycle::{GrpcServer, Lifecycle},
    paths::Paths,
    telemetry::{Telemetry, current_traceparent},
};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    client::Grpc as Client,
    metadata::MetadataMap,
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
    service::Routes,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::HealthCheckRequest as Text;
use tonic_prost::ProstCodec;
use tower::Service;

pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "dafei";
/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Methods: `Who` (the subject), `Trace` (the traceparent), `Hold` (answers when let), `Whisper` (public and silent; the
/// traceparent), `Open` (public; the subject), `Download`, `Listen` and `Watch` (a stream of one message that ends when let; of the
/// three, `Listen` is public and `Watch` follows events).
#[derive(Clone, Default)]
pub(crate) struct Probe {
    pub(crate) held: Arc<Held>,
}

pub(crate) struct Held {
    pub(crate) arrived: Semaphore,
    pub(crate) release: Semaphore,
}

impl Default for Held {
    fn default() -> Self {
        Self { arrived: Semaphore::new(0), release: Semaphore::new(0) }
    }
}

impl NamedService for Probe {
    const NAME: &'static str = "test.Probe";
}

impl Service<http::Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let streams = matches!(method.as_str(), "Download" | "Listen" | "Watch");
        let answer = Answer { method, held: Arc::clone(&self.held) };
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Text, Text>::default());
            Ok(if streams { grpc.server_streaming(answer, request).await } else { grpc.unary(answer, request).await })
        })
    }
}

struct Answer {
    method: String,
    held: Arc<Held>,
}

impl UnaryService<Text> for Answer {
    type Response = Text;
    type Future = BoxFuture<Result<Response<Text>, Status>>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        let (method, held) = (self.method.clone(), Arc::clone(&self.held));
        Box::pin(async move {
            let service = match method.as_str() {
                "Who" | "Open" => principal(&request)?.subject.clone(),
                "Trace" | "Whisper" => current_traceparent().unwrap_or_default(),
                "Hold" => {
                    held.arrived.add_permits(1);
                    held.release.acquire().await.unwrap().forget();
                    "released".to_owned()
                }
                _ => return Err(Status::unimplemented("no such method")),
            };
            Ok(Response::new(Text { service }))
        })
    }
}

impl ServerStreamingService<Text> for Answer {
    type Response = Text;
    type ResponseStream = BoxStream<'static, Result<Text, Status>>;
    type Future = BoxFuture<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Text>) -> Self::Future {
        let held = Arc::clone(&self.held);
        let first = stream::once(async { Ok(Text { service: "first".to_owned() }) });
        let end = stream::once(async move { held.release.acquire().await.unwrap().forget() });
        Box::pin(async { Ok(Response::new(first.chain(end.filter_map(|()| async { None })).boxed())) })
    }
}

/// A stream of the probe, of which the first message has come.
pub(crate) async fn stream_of(channel: &Channel, method: &str, token: &str) -> Result<Streaming<Text>, Status> {
    let mut client = Client::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = format!("/test.Probe/{method}").parse().unwrap();
    let mut request = Request::new(Text::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let answer = client.server_streaming(request, path, ProstCodec::<Text, Text>::default()).await?;
    let mut messages = answer.into_inner();
    assert_eq!(messages.message().await?.unwrap().service, "first");
    Ok(messages)
}

/// A stream of reflection, on which nothing is asked; it ends with what is returned.
pub(crate) async fn reflection(channel: &Channel) -> Result<(Streaming<Text>, mpsc::Sender<Text>), Status> {
    let mut client = Client::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".parse().unwrap();
    let (asks, mut asked) = mpsc::channel(1);
    let asked = Request::new(stream::poll_fn(move |context| asked.poll_recv(context)));
    Ok((client.streaming(asked, path, ProstCodec::<Text, Text>::default()).await?.into_inner(), asks))
}

/// A call of the probe.
pub(crate) async fn call(channel: &Channel, method: &str, metadata: &[(&'static str, &str)]) -> Result<String, Status> {
    let mut client = Client::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = format!("/test.Probe/{method}").parse().unwrap();
    let mut request = Request::new(Text::default());
    let headers: &mut MetadataMap = request.metadata_mut();
    for (key, value) in metadata {
        headers.append(*key, value.parse().unwrap());
    }
    let answer: Response<Text> = client.unary(request, path, ProstCodec::<Text, Text>::default()).await?;
    Ok(answer.into_inner().service)
}

/// A call of `Who` with a token.
pub(crate) async fn who(channel: &Channel, token: &str) -> Result<String, Status> {
    call(channel, "Who", &[("authorization", &format!("Bearer {token}"))]).await
}

/// The settings a service cannot do without.
pub(crate) fn settings() -> MapSource {
    MapSource::from([
        ("DAFEI_INTAKE_LISTEN", "127.0.0.1:0"),
        ("DAFEI_INTAKE_DATABASE_URL", "postgres://intake:pw-8d1f@localhost:5432/intake"),
        ("DAFEI_NATS_URL", "nats://localhost:4222"),
        ("DAFEI_JWKS", "jwks.json"),
        ("DAFEI_JWT_ISSUER", ISSUER),
        ("DAFEI_JWT_AUDIENCE", AUDIENCE),
        ("DAFEI_ENVIRONMENT", "test"),
        ("DAFEI_SHUTDOWN_SECONDS", "60"),
    ])
}

pub(crate) fn common() -> Common {
    Common::read(&settings(), Which::Intake).unwrap()
}

pub(crate) fn now() -> Instant {
    SystemClock.now()
}

/// A token request that is good for five minutes.
pub(crate) fn good() -> TokenRequest {
    TokenRequest {
        subject: "office-1".to_owned(),
        name: Some("县打非办".to_owned()),
        role: "county-office".parse().unwrap(),
        region: "county:371302".parse().unwrap(),
        agency: None,
        work_area: None,
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        expires: now() + jiff::SignedDuration::from_secs(300),
    }
}

/// A served probe.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) trigger: CancellationToken,
    pub(crate) exit: JoinHandle<ExitCode>,
}

impl Served {
    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// Asks for the end and waits for it.
    pub(crate) async fn end(self) -> ExitCode {
        self.trigger.cancel();
        within(self.exit).await.unwrap()
    }
}

/// Serves a probe under a supervisor.
pub(crate) async fn serve(life: Lifecycle, probe: Probe, verifier: Arc<Verifier>) -> Served {
    let bound = life.bind().await.unwrap();
    let (address, trigger) = (bound.local_addr(), life.trigger());
    let server = GrpcServer {
        verifier,
        public: Paths::new(["/test.Probe/Whisper", "/test.Probe/Open", "/test.Probe/Listen"]),
        silent: Paths::new(["/test.Probe/Whisper"]),
        watches: Paths::new(["/test.Probe/Watch"]),
        descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
        names: &["test.Probe"],
    };
    let exit = tokio::spawn(life.serve(bound, Routes::new(probe), server));
    Served { address, trigger, exit }
}

/// Serves a plain probe whose tokens the minter signs.
pub(crate) async fn serve_plain(minter: &Minter) -> Served {
    let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, AUDIENCE).unwrap();
    serve(Lifecycle::new(&common(), Telemetry::none()), Probe::default(), verifier).await
}

/// Waits for what must come.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it came within the deadline")
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually<Fut: Future<Output = bool>>(mut ask: impl FnMut() -> Fut) {
    within(async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// The stable reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}
