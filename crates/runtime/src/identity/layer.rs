//! The door: a tower layer around all gRPC services that lets public paths through and everything else only with a good
//! token, whose principal it puts into the request.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use tonic::Status;
use tower::{Layer, Service};

use super::verifier::{TokenFault, Verifier};
use crate::paths::Paths;

/// Puts [`AuthService`] around a service.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    verifier: Arc<Verifier>,
    public: Paths,
}

impl AuthLayer {
    /// A door with a verifier; `public` paths, health and reflection are open. On an open path a token is not looked at.
    pub fn new(verifier: Arc<Verifier>, public: &Paths) -> Self {
        Self { verifier, public: public.with_infrastructure() }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { inner, door: self.clone() }
    }
}

/// A service behind the door; see [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    door: AuthLayer,
}

impl<S, B, R> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The instance that was made ready is used, a fresh clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        if self.door.public.contains(request.uri().path()) {
            return Box::pin(inner.call(request));
        }
        let verifier = Arc::clone(&self.door.verifier);
        Box::pin(async move {
            let checked = match bearer(request.headers()) {
                Some(token) => verifier.verify(token).await,
                None => Err(TokenFault::Missing),
            };
            match checked {
                Ok(principal) => {
                    request.extensions_mut().insert(principal);
                    inner.call(request).await
                }
                Err(fault) => Ok(Status::from(fault).into_http()),
            }
        })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    // Two tokens are one too many: which one counts must not be a matter of taste.
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
