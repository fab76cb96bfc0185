//! The check of a token: signature by a key pinned to its algorithm, issuer, audience, expiry in real time without leeway.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use dafei_kernel::{
    clock::{Clock, SystemClock},
    time::Instant,
};
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use sha2::{Digest, Sha256};
use tonic::Status;

use super::{
    Principal,
    cache::{TokenCache, TokenHash},
    claims::{self, Claims},
    keys::{Key, KeyError, KeySet, KeySource},
};
use crate::{
    config::IdentitySettings,
    status::{Fault, chain},
};

/// Longest token that is looked at, bytes.
const MAX_TOKEN_BYTES: usize = 8_192;
/// Tokens kept after their check.
const CACHE_CAPACITY: usize = 20_000;

/// Why identity cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The keys cannot be used.
    #[error("the keys that sign tokens cannot be loaded")]
    Keys(#[from] KeyError),
}

/// Why a token is refused. Each is a stable reason in ErrorInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none, or not as `authorization: Bearer …`.
    #[error("no bearer token")]
    Missing,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    Immature,
    /// It names a key that nobody knows, or none.
    #[error("the token's key is not known")]
    KeyUnknown,
    /// Its algorithm is not the one of its key.
    #[error("the token's algorithm is not the one of its key")]
    Algorithm,
    /// It comes from another issuer.
    #[error("the token comes from another issuer")]
    Issuer,
    /// It is meant for another audience.
    #[error("the token is meant for another audience")]
    Audience,
    /// A claim is missing or makes no sense together with the others; the claim is named.
    #[error("the claim `{0}` is missing or wrong")]
    Claims(&'static str),
    /// It is not a token, or its signature is wrong.
    #[error("the token is not valid")]
    Invalid,
}

impl TokenFault {
    /// The stable reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::Expired => "TOKEN_EXPIRED",
            Self::Immature => "TOKEN_NOT_YET_VALID",
            Self::KeyUnknown => "TOKEN_KEY_UNKNOWN",
            Self::Algorithm => "TOKEN_ALGORITHM",
            Self::Issuer => "TOKEN_ISSUER",
            Self::Audience => "TOKEN_AUDIENCE",
            Self::Claims(_) => "TOKEN_CLAIMS",
            Self::Invalid => "TOKEN_INVALID",
        }
    }

    fn description_zh(self) -> &'static str {
        match self {
            Self::Missing => "请先登录",
            Self::Expired => "登录已过期，请重新登录",
            Self::Immature
            | Self::KeyUnknown
            | Self::Algorithm
            | Self::Issuer
            | Self::Audience
            | Self::Claims(_)
            | Self::Invalid => "登录凭证无效，请重新登录",
        }
    }
}

impl From<TokenFault> for Status {
    fn from(fault: TokenFault) -> Self {
        let mut status = Self::from(Fault::Unauthenticated {
            reason: fault.reason().into(),
            description_zh: fault.description_zh().into(),
        });
        // RFC 6750: the challenge that belongs to a refusal.
        status.metadata_mut().insert("www-authenticate", tonic::metadata::MetadataValue::from_static("Bearer"));
        status
    }
}

struct Refresh {
    source: KeySource,
    checked: std::time::Instant,
}

/// Checks tokens and remembers those that were good.
pub struct Verifier {
    keys: ArcSwap<KeySet>,
    refresh: tokio::sync::Mutex<Refresh>,
    issuer: String,
    audience: String,
    cache: Mutex<TokenCache>,
    /// Real time: an exercise's clock must not prolong a token.
    now: fn() -> Instant,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Loads the keys and makes a verifier that keeps them fresh.
    ///
    /// # Errors
    /// When the keys cannot be had or none can be used. Later failures are logged, and the keys at hand stay.
    pub async fn load(settings: &IdentitySettings) -> Result<Arc<Self>, IdentityError> {
        let mut source = KeySource::new(&settings.jwks);
        let keys = source.load().await?.ok_or(KeyError::Empty)?;
        Ok(Self::build(keys, source, &settings.issuer, &settings.audience))
    }

    /// A verifier with fixed keys.
    ///
    /// # Errors
    /// When no key of the set can be used.
    pub fn from_jwks(jwks: &str, issuer: &str, audience: &str) -> Result<Arc<Self>, IdentityError> {
        Ok(Self::build(KeySet::parse(jwks.as_bytes())?, KeySource::Fixed, issuer, audience))
    }

    fn build(keys: KeySet, source: KeySource, issuer: &str, audience: &str) -> Arc<Self> {
        Arc::new(Self {
            keys: ArcSwap::from_pointee(keys),
            refresh: tokio::sync::Mutex::new(Refresh { source, checked: std::time::Instant::now() }),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            cache: Mutex::new(TokenCache::new(CACHE_CAPACITY)),
            now: || SystemClock.now(),
        })
    }

    /// The principal of a token.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn verify(self: &Arc<Self>, token: &str) -> Result<Arc<Principal>, TokenFault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::Invalid);
        }
        self.refresh_when_old().await;
        let hash: TokenHash = Sha256::digest(token.as_bytes()).into();
        let now = (self.now)();
        if let Some(principal) = self.cache().get(&hash, now) {
            return Ok(principal);
        }
        let keys = self.keys.load_full();
        let (principal, expires) = match self.check(&keys, token, now) {
            // The issuer may have a new key: look once, and try again.
            Err(TokenFault::KeyUnknown) => {
                self.refresh_now().await;
                self.check(&self.keys.load_full(), token, now)?
            }
            checked => checked?,
        };
        let principal = Arc::new(principal);
        let mut cache = self.cache();
        // Keys that changed meanwhile have emptied the cache; a token of the old ones must not come back into it.
        if Arc::ptr_eq(&keys, &self.keys.load()) {
            cache.insert(hash, Arc::clone(&principal), expires);
        }
        Ok(principal)
    }

    fn check(&self, keys: &KeySet, token: &str, now: Instant) -> Result<(Principal, Instant), TokenFault> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenFault::Invalid)?;
        // RFC 7515: an extension that must be understood and is not makes the token invalid.
        if header.crit.is_some() {
            return Err(TokenFault::Invalid);
        }
        let Key { algorithm, decoding } =
            header.kid.as_deref().and_then(|kid| keys.get(kid)).ok_or(TokenFault::KeyUnknown)?;
        if header.alg != *algorithm {
            return Err(TokenFault::Algorithm);
        }
        let validation = self.validation(*algorithm);
        let claims =
            jsonwebtoken::decode::<Claims>(token, decoding, &validation).map_err(|error| refusal(error.kind()))?.claims;
        let expires = claims::instant(claims.exp);
        if now >= expires {
            return Err(TokenFault::Expired);
        }
        if claims.nbf.is_some_and(|begin| now < claims::instant(begin)) {
            return Err(TokenFault::Immature);
        }
        let principal = claims.principal().map_err(TokenFault::Claims)?;
        Ok((principal, expires))
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked here, by our own clock and without leeway.
        validation.validate_exp = false;
        validation.leeway = 0;
        validation
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, TokenCache> {
        // The cache is whole after every operation, so a panic elsewhere leaves it usable.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh_when_old(self: &Arc<Self>) {
        // Whoever finds the lock taken goes on with the keys at hand: somebody looks already.
        let Ok(mut refresh) = self.refresh.try_lock() else {
            return;
        };
        if refresh.checked.elapsed() < refresh.source.interval() {
            return;
        }
        match refresh.source {
            KeySource::File { .. } | KeySource::Fixed => self.reload(&mut refresh).await,
            // A call must not wait for a far server while the keys at hand are good.
            KeySource::Url(_) => {
                drop(refresh);
                let this = Arc::clone(self);
                tokio::spawn(async move { this.refresh_now().await });
            }
        }
    }

    async fn refresh_now(&self) {
        let mut refresh = self.refresh.lock().await;
        if refresh.checked.elapsed() >= refresh.source.min_interval() {
            self.reload(&mut refresh).await;
        }
    }

    async fn reload(&self, refresh: &mut Refresh) {
        refresh.checked = std::time::Instant::now();
        match refresh.source.load().await {
            Ok(Some(keys)) => {
                self.keys.store(Arc::new(keys));
                self.cache().clear();
                tracing::info!("the keys that sign tokens were read again");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = chain(&error), "the keys that sign tokens cannot be read; the old ones stay");
            }
        }
    }
}

fn refusal(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::Immature,
        ErrorKind::InvalidAlgorithm => TokenFault::Algorithm,
        ErrorKind::MissingRequiredClaim(claim) => TokenFault::Claims(known_claim(claim)),
        ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => TokenFault::Claims("format"),
        // The type is open; whatever else goes wrong, the token is not good.
        _ => TokenFault::Invalid,
    }
}

fn known_claim(claim: &str) -> &'static str {
    ["exp", "iss", "aud", "sub"].into_iter().find(|known| *known == claim).unwrap_or("format")
}
