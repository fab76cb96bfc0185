//! The other side of the door, for the command-line tool and for tests: an Ed25519 key pair, its JWKS, and tokens.
//! Deployments have an issuer of their own; services never call this.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dafei_kernel::{agency::Agency, region::Region, role::Role, time::Instant};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};

use super::claims::Claims;

/// PKCS #8 (RFC 8410) around the 32 bytes of an Ed25519 private key.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why a key or a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The machine gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The key is not an Ed25519 private key in PKCS #8 PEM.
    #[error("not an Ed25519 private key in PKCS #8 PEM")]
    Key(#[source] jsonwebtoken::errors::Error),
    /// The token cannot be signed.
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// What a token shall say.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Stable id of the bearer.
    pub subject: String,
    /// Name of the bearer.
    pub name: Option<String>,
    /// What the bearer is.
    pub role: Role,
    /// Where.
    pub region: Region,
    /// For which agency.
    pub agency: Option<Agency>,
    /// The work area of a work-area role; a door takes it only where `region` is the same.
    pub work_area: Option<String>,
    /// Who issues it.
    pub issuer: String,
    /// For whom.
    pub audience: String,
    /// Until when, exclusive, in real time.
    pub expires: Instant,
}

/// An Ed25519 key pair that signs tokens. Its `kid` is the thumbprint of the public key (RFC 7638).
pub struct Minter {
    pem: String,
    key: EncodingKey,
    jwk: Jwk,
    kid: String,
}

impl Minter {
    /// A new key pair.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn generate() -> Result<Self, MintError> {
        let mut der = [0; 48];
        der[..16].copy_from_slice(&PKCS8_PREFIX);
        getrandom::fill(&mut der[16..]).map_err(MintError::Random)?;
        let body = STANDARD.encode(der);
        Self::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
    }

    /// The key pair of a private key that was stored.
    ///
    /// # Errors
    /// When it is not an Ed25519 private key in PKCS #8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, MintError> {
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(MintError::Key)?;
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(MintError::Key)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(MintError::Key)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { pem: pem.to_owned(), key, jwk, kid })
    }

    /// The private key, PKCS #8 PEM. Store it with rights for its owner alone.
    pub fn private_pem(&self) -> &str {
        &self.pem
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWKS with one key.
    pub fn jwks(&self) -> String {
        serde_json::json!({ "keys": [self.jwk] }).to_string()
    }

    /// A signed token. What it says is not checked: tests need tokens that are refused.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, request: &TokenRequest) -> Result<String, MintError> {
        let claims = Claims {
            iss: request.issuer.clone(),
            aud: request.audience.clone().into(),
            sub: request.subject.clone(),
            exp: request.expires.as_microsecond() as f64 / 1e6,
            nbf: None,
            iat: None,
            name: request.name.clone(),
            role: request.role.to_string(),
            region: request.region.to_string(),
            agency: request.agency.as_ref().map(ToString::to_string),
            work_area: request.work_area.clone(),
        };
        self.sign_claims(&claims)
    }

    /// A token signed over claims of any shape.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_claims(&self, claims: &impl serde::Serialize) -> Result<String, MintError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(MintError::Sign)
    }
}
