//! Informants' codes turned into what may be kept: argon2id with a salt each and a pepper that no database holds (clause D2). Hashing costs
//! memory and time on purpose, so only a few run at once and few wait: a flood of tries cannot use up the machine.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use dafei_intake_core::code::Code;
use dafei_runtime::{config::Secret, status::Fault};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Bytes of a hash.
pub const HASH: usize = 32;

/// Hashes that are made at the same time.
const AT_ONCE: usize = 2;
/// Calls that may wait for their hash; more are refused.
const WAITING: usize = 64;
/// When a refused call may try again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

/// What a hash costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// 19 MiB and two passes, as OWASP advises for argon2id.
    pub const STANDARD: Self = Self { memory_kib: 19_456, passes: 2 };
    /// As little as there can be: for tests of everything but the hash.
    pub const LEAST: Self = Self { memory_kib: 8, passes: 1 };
}

/// Makes and checks hashes of codes.
#[derive(Clone)]
pub struct Codes {
    hash_key: Arc<[u8; HASH]>,
    request_key: Arc<[u8; HASH]>,
    cost: Cost,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Codes {
    /// With the pepper of the deployment, from which a key is derived for each purpose.
    #[must_use]
    pub fn new(pepper: &Secret, cost: Cost) -> Self {
        let key = |purpose: &str| Arc::new(mac(pepper.expose().as_bytes(), purpose.as_bytes()));
        Self {
            hash_key: key("dafei informant code"),
            request_key: key("dafei tip request"),
            cost,
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
        }
    }

    /// The hash of a code under a salt.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many hashes wait already.
    pub async fn hash(&self, code: &Code, salt: [u8; 16]) -> Result<[u8; HASH], Fault> {
        let exhausted = || Fault::ResourceExhausted { retry_after: RETRY_AFTER };
        let _place = self.waiting.try_acquire().map_err(|_| exhausted())?;
        let turn = self.running.clone().acquire_owned().await.map_err(Fault::internal)?;
        let (key, cost, code) = (Arc::clone(&self.hash_key), self.cost, code.clone());
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hash(&*key, cost, &code, salt)
        })
        .await
        .map_err(Fault::internal)?
        .map_err(|error| Fault::internal(error.to_string()))
    }

    /// Whether a code is the one of a hash. Takes the same time whatever the answer.
    ///
    /// # Errors
    /// As [`Codes::hash`].
    pub async fn matches(&self, code: &Code, salt: [u8; 16], kept: &[u8]) -> Result<bool, Fault> {
        let made = self.hash(code, salt).await?;
        let differing = made.iter().zip(kept).fold(0, |sum, (one, other)| sum | (one ^ other));
        Ok(kept.len() == HASH && differing == 0)
    }

    /// The hash of a request that carries a code, by which a replay with another payload is found: keyed, since a plain hash of a short code
    /// is soon guessed.
    #[must_use]
    pub fn request_hash(&self, request: &[u8]) -> [u8; HASH] {
        mac(&*self.request_key, request)
    }

    /// What is kept of a request's id where nobody is to be found by it: a client's may hold the time, or its device.
    #[must_use]
    pub fn request_id(&self, id: Uuid) -> String {
        hex(&self.request_hash(id.as_bytes()))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(key: &[u8], cost: Cost, code: &Code, salt: [u8; 16]) -> argon2::Result<[u8; HASH]> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(HASH))?;
    let mut made = [0; HASH];
    Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, params)?.hash_password_into(
        code.expose().as_bytes(),
        &salt,
        &mut made,
    )?;
    Ok(made)
}

fn mac(key: &[u8], message: &[u8]) -> [u8; HASH] {
    Hmac::<Sha256>::new_from_slice(key).map_or([0; HASH], |mut mac| {
        mac.update(message);
        mac.finalize().into_bytes().into()
    })
}

#[cfg(test)]
mod tests {
    use dafei_intake_core::code::Code;
    use dafei_runtime::config::Secret;

    use super::{Codes, Cost};

    fn codes(pepper: &str) -> Codes {
        Codes::new(&Secret::new(pepper), Cost::LEAST)
    }

    #[tokio::test]
    async fn a_hash_is_found_again_only_with_the_same_code_salt_and_pepper() {
        let (one, other) = (codes("pepper one"), codes("pepper other"));
        let code = Code::parse("k7m2px").expect("a code");
        let kept = one.hash(&code, [7; 16]).await.expect("a hash");
        assert!(one.matches(&Code::parse("Ｋ７m2PX").expect("a code"), [7; 16], &kept).await.expect("checked"));
        assert!(!one.matches(&Code::parse("K7M2PY").expect("a code"), [7; 16], &kept).await.expect("checked"));
        assert!(!one.matches(&code, [8; 16], &kept).await.expect("checked"));
        assert!(!other.matches(&code, [7; 16], &kept).await.expect("checked"));
        assert!(!one.matches(&code, [7; 16], &[]).await.expect("checked"));
    }

    #[test]
    fn a_request_s_hash_needs_the_pepper() {
        assert_eq!(codes("a").request_hash(b"tip"), codes("a").request_hash(b"tip"));
        assert_ne!(codes("a").request_hash(b"tip"), codes("b").request_hash(b"tip"));
    }
}
