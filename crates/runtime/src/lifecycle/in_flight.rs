//! The limit of calls in flight: a tower layer that takes as many calls as the process can bear and refuses every other at once, with
//! `RESOURCE_EXHAUSTED` and when to come back. Who waits in a queue that is too long waits for nothing: the caller's deadline passes, and the
//! work is done for nobody.
//!
//! A call keeps its place until its response has been sent, so that downloads to slow clients count. Streams that follow events are open for
//! hours and have a limit of their own; they give their place back when they begin. Health is never refused: a replica that has much to do
//! must not be taken for a dead one, or its load falls on the others. Nor are the operators, who look for what is wrong.
//!
//! Whom nobody knows can leave a response unread for as long as he likes. So calls without a token take a part of the places at the most, and
//! reflection, whose streams end when the client ends them, has some of its own: neither keeps anybody out who has a token.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use opentelemetry::KeyValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes},
};
use tower::{Layer, Service};

use crate::{
    config,
    paths::Paths,
    status::Fault,
    telemetry::metrics::{self, Counter},
};

/// Services that are never refused.
const ALWAYS: [&str; 2] = ["/grpc.health.v1.Health/", "/dafei.ops.v1.OpsService/"];
/// Reflection, and how many of its streams there may be: a client asks once what there is.
const REFLECTION: [&str; 2] = ["/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];
const REFLECTIONS: usize = 16;
/// The part of the places that calls without a token may take: one in so many.
const OPEN_PART: usize = 4;
/// When to come back: by then the calls that fill the limit are answered. What a client gets is spread, as every such delay.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Puts [`InFlight`] around a service.
#[derive(Clone, Debug)]
pub(super) struct InFlightLayer {
    places: Arc<Semaphore>,
    /// Of those, the ones that calls without a token may take.
    open_places: Arc<Semaphore>,
    reflections: Arc<Semaphore>,
    always: Paths,
    reflection: Paths,
    open: Paths,
    watches: Paths,
    silent: Paths,
    shed: Counter<u64>,
    service: KeyValue,
}

impl InFlightLayer {
    /// A limit for the whole process. `open` paths need no token; `watches` give their place back when their response begins; `silent` paths are
    /// not counted.
    pub(super) fn new(service: config::Service, limit: usize, open: Paths, watches: Paths, silent: Paths) -> Self {
        let places = Arc::new(Semaphore::new(limit));
        let free = Arc::clone(&places);
        let labels = [("service", service.name())];
        metrics::gauge_callback("dafei.calls.in_flight", "{call}", "Calls in flight", &labels, move || {
            Some(limit.saturating_sub(free.available_permits()) as f64)
        });
        Self {
            places,
            open_places: Arc::new(Semaphore::new((limit / OPEN_PART).max(1))),
            reflections: Arc::new(Semaphore::new(REFLECTIONS)),
            always: Paths::new(ALWAYS),
            reflection: Paths::new(REFLECTION),
            open,
            watches,
            silent,
            shed: metrics::counter("dafei.calls.shed", "Calls refused because too many were in flight"),
            service: KeyValue::new("service", service.name()),
        }
    }

    /// The place of a call, or none when it is refused.
    fn admit(&self, path: &str) -> Option<Place> {
        let needed = if self.always.contains(path) {
            return Some(Place { permits: [None, None], until_sent: false });
        } else if self.reflection.contains(path) {
            [Some(&self.reflections), None]
        } else if self.open.contains(path) {
            [Some(&self.open_places), Some(&self.places)]
        } else {
            [None, Some(&self.places)]
        };
        let mut permits = [None, None];
        for (permit, places) in permits.iter_mut().zip(needed) {
            let Some(places) = places else { continue };
            let Ok(taken) = Arc::clone(places).try_acquire_owned() else {
                if !self.silent.contains(path) {
                    self.shed.add(1, std::slice::from_ref(&self.service));
                }
                return None;
            };
            *permit = Some(taken);
        }
        Some(Place { permits, until_sent: !self.watches.contains(path) })
    }
}

/// What a call in flight takes: until its response begins, or until it is sent.
struct Place {
    permits: Permits,
    until_sent: bool,
}

/// Of places of a kind, and of all; none where a call needs none.
type Permits = [Option<OwnedSemaphorePermit>; 2];

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlight { inner, layer: self.clone() }
    }
}

/// A service with a limit; see [`InFlightLayer`].
#[derive(Clone, Debug)]
pub(super) struct InFlight<S> {
    inner: S,
    layer: InFlightLayer,
}

impl<S, B> Service<Request<B>> for InFlight<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(place) = self.layer.admit(request.uri().path()) else {
            let fault = Fault::ResourceExhausted { retry_after: RETRY_AFTER };
            return Box::pin(std::future::ready(Ok(Status::from(fault).into_http())));
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(if place.until_sent {
                response.map(|inner| Body::new(Kept { inner, _places: place.permits }))
            } else {
                response
            })
        })
    }
}

/// A response's body that keeps its call's place until it is sent or nobody wants it any more.
struct Kept {
    inner: Body,
    _places: Permits,
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.inner.size_hint()
    }
}
