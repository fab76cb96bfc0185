//! The keys that sign tokens: reading a JWKS, with each key pinned to one algorithm, from a file or a URL.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm},
};
use serde::Deserialize;

use super::fetch::{self, FetchError};
use crate::config::JwksLocation;

/// Bytes of an Ed25519 public key.
const ED25519_BYTES: usize = 32;
/// Smallest RSA modulus that is accepted, bytes (2,048 bits).
const MIN_RSA_BYTES: usize = 256;

/// Why a set of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The URL cannot be fetched.
    #[error("cannot fetch the keys from {url}")]
    Fetch {
        /// The URL.
        url: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// It is not a JWKS.
    #[error("not a JSON Web Key Set")]
    Format(#[from] serde_json::Error),
    /// Two keys share an id.
    #[error("two keys have the kid {0}")]
    Duplicate(String),
    /// The set holds a private key, which must never be here.
    #[error("the key set contains a private key ({0})")]
    Private(String),
    /// No key of the set can be used.
    #[error("no key for EdDSA or RS256 with `kid` and `alg` in the key set")]
    Empty,
}

/// One public key and the one algorithm it is for.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys by their `kid`.
pub(super) struct KeySet(HashMap<String, Key>);

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a JWKS. Keys for other purposes (encryption, other algorithms) are passed over.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let raw: RawSet = serde_json::from_slice(json)?;
        let mut keys = HashMap::new();
        for value in raw.keys {
            let kid = value.get("kid").and_then(|kid| kid.as_str()).unwrap_or("no kid").to_owned();
            if value.get("d").is_some() {
                return Err(KeyError::Private(kid));
            }
            match Key::from_json(value) {
                Some(_) if keys.contains_key(&kid) => return Err(KeyError::Duplicate(kid)),
                Some(key) => drop(keys.insert(kid, key)),
                None => tracing::warn!(kid, "a key of the key set cannot be used and is passed over"),
            }
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self(keys)) }
    }

    /// The key of an id.
    pub(super) fn get(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }
}

impl Key {
    fn from_json(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        jwk.common.key_id.as_ref()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != jsonwebtoken::jwk::PublicKeyUse::Signature)
        {
            return None;
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let algorithm = match (jwk.common.key_algorithm?, &jwk.algorithm) {
            (KeyAlgorithm::EdDSA, AlgorithmParameters::OctetKeyPair(pair)) => {
                // The length is checked here because the verifier slices the key without a check.
                let fits = decoding.try_get_as_bytes().is_ok_and(|key| key.len() == ED25519_BYTES);
                (fits && pair.curve == EllipticCurve::Ed25519).then_some(Algorithm::EdDSA)?
            }
            (KeyAlgorithm::RS256, AlgorithmParameters::RSA(_)) => {
                (modulus_bytes(&decoding) >= MIN_RSA_BYTES).then_some(Algorithm::RS256)?
            }
            _ => return None,
        };
        Some(Self { algorithm, decoding })
    }
}

fn modulus_bytes(key: &DecodingKey) -> usize {
    match key.kind() {
        jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => {
            n.len() - n.iter().take_while(|byte| **byte == 0).count()
        }
        jsonwebtoken::DecodingKeyKind::SecretOrDer(_) => 0,
    }
}

/// What a file looked like when it was read: a cheap sign that it has not changed.
type Stamp = (Option<SystemTime>, u64);

/// Where the keys come from, with what was seen there last.
pub(super) enum KeySource {
    File { path: PathBuf, seen: Option<Stamp> },
    Url(String),
    Fixed,
}

impl KeySource {
    pub(super) fn new(location: &JwksLocation) -> Self {
        match location {
            JwksLocation::File(path) => Self::File { path: path.clone(), seen: None },
            JwksLocation::Url(url) => Self::Url(url.clone()),
        }
    }

    /// How old the keys may be before they are looked at again.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::File { .. } => Duration::from_secs(1),
            Self::Url(_) => Duration::from_secs(300),
            Self::Fixed => Duration::MAX,
        }
    }

    /// How old they must be before an unknown `kid` makes them looked at again: a flood of bad tokens must not become a
    /// flood of requests.
    pub(super) fn min_interval(&self) -> Duration {
        match self {
            Self::File { .. } => Duration::ZERO,
            Self::Url(_) => Duration::from_secs(10),
            Self::Fixed => Duration::MAX,
        }
    }

    /// The keys, or `None` when they have not changed since the last call.
    pub(super) async fn load(&mut self) -> Result<Option<KeySet>, KeyError> {
        match self {
            Self::Fixed => Ok(None),
            Self::Url(url) => {
                let body = fetch::get(url).await;
                let body = body.map_err(|source| KeyError::Fetch { url: url.clone(), source })?;
                KeySet::parse(&body).map(Some)
            }
            Self::File { path, seen } => {
                let stamp = stamp(path).await?;
                if *seen == Some(stamp) {
                    return Ok(None);
                }
                let body = tokio::fs::read(&*path).await;
                let body = body.map_err(|source| KeyError::File { path: path.clone(), source })?;
                let keys = KeySet::parse(&body)?;
                // Only what could be read counts as seen: a file caught while it was written is tried again.
                *seen = Some(stamp);
                Ok(Some(keys))
            }
        }
    }
}

async fn stamp(path: &Path) -> Result<Stamp, KeyError> {
    let about = tokio::fs::metadata(path).await;
    let about = about.map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    Ok((about.modified().ok(), about.len()))
}
