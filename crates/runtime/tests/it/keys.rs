//! Where keys come from: files that change, URLs, and sets that must not be used.

use std::sync::Arc;

use dafei_runtime::{
    config::{IdentitySettings, JwksLocation},
    identity::{IdentityError, KeyError, Principal, TokenFault, Verifier, mint::Minter},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{AUDIENCE, ISSUER, eventually, good, now};

const RSA_KEY: &[u8] = include_bytes!("rsa-test-key.pem");

fn settings(jwks: JwksLocation) -> IdentitySettings {
    IdentitySettings { jwks, issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() }
}

fn fixed(jwks: &Value) -> Result<Arc<Verifier>, IdentityError> {
    Verifier::from_jwks(&jwks.to_string(), ISSUER, AUDIENCE)
}

fn rsa() -> (EncodingKey, Value) {
    let key = EncodingKey::from_rsa_pem(RSA_KEY).unwrap();
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = json!("rsa");
    (key, jwk)
}

fn signed(algorithm: Algorithm, kid: &str, key: &EncodingKey) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "rsa-bearer", "exp": now().as_second() + 300,
        "role": "auditor", "region": "county:371302",
    });
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims, key).unwrap()
}

fn subject(checked: Result<Arc<Principal>, TokenFault>) -> Result<String, TokenFault> {
    checked.map(|principal| principal.subject.clone())
}

#[tokio::test]
async fn an_rs256_token_passes_and_an_algorithm_its_key_is_not_for_does_not() {
    let (key, jwk) = rsa();
    let minter = Minter::generate().unwrap();
    let ed: Value = serde_json::from_str(&minter.jwks()).unwrap();
    let verifier = fixed(&json!({ "keys": [jwk, ed["keys"][0]] })).unwrap();
    let check = async |token: String| subject(verifier.verify(&token).await);
    assert_eq!(check(signed(Algorithm::RS256, "rsa", &key)).await, Ok("rsa-bearer".to_owned()));
    assert_eq!(check(signed(Algorithm::RS512, "rsa", &key)).await, Err(TokenFault::Algorithm));
    assert_eq!(check(signed(Algorithm::PS256, "rsa", &key)).await, Err(TokenFault::Algorithm));
    assert_eq!(check(signed(Algorithm::RS256, minter.kid(), &key)).await, Err(TokenFault::Algorithm));
    let ed_key = EncodingKey::from_ed_pem(minter.private_pem().as_bytes()).unwrap();
    assert_eq!(check(signed(Algorithm::EdDSA, "rsa", &ed_key)).await, Err(TokenFault::Algorithm));
}

#[tokio::test]
async fn a_replaced_key_file_is_read_again_and_the_old_key_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Minter::generate().unwrap(), Minter::generate().unwrap());
    std::fs::write(&path, old.jwks()).unwrap();
    let verifier = Verifier::load(&settings(JwksLocation::File(path.clone()))).await.unwrap();
    let (old_token, new_token) = (old.sign(&good()).unwrap(), new.sign(&good()).unwrap());
    assert!(verifier.verify(&old_token).await.is_ok());
    assert_eq!(verifier.verify(&new_token).await, Err(TokenFault::KeyUnknown));

    // Half a file changes nothing.
    std::fs::write(&path, "{\"keys\": [").unwrap();
    assert_eq!(verifier.verify(&new_token).await, Err(TokenFault::KeyUnknown));
    assert!(verifier.verify(&old_token).await.is_ok());

    std::fs::write(&path, new.jwks() + "\n").unwrap();
    assert!(verifier.verify(&new_token).await.is_ok(), "an unknown key makes the file read at once");
    assert_eq!(verifier.verify(&old_token).await, Err(TokenFault::KeyUnknown));
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten_though_its_token_was_checked_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Minter::generate().unwrap(), Minter::generate().unwrap());
    std::fs::write(&path, old.jwks()).unwrap();
    let verifier = Verifier::load(&settings(JwksLocation::File(path.clone()))).await.unwrap();
    let token = old.sign(&good()).unwrap();
    assert!(verifier.verify(&token).await.is_ok());
    std::fs::write(&path, new.jwks() + "\n").unwrap();
    eventually(|| async { verifier.verify(&token).await == Err(TokenFault::KeyUnknown) }).await;
}

#[tokio::test]
async fn keys_are_fetched_from_a_url() {
    let minter = Minter::generate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let body = minter.jwks();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let length = stream.read(&mut request).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let url = format!("http://{address}/keys?v=1");
    let verifier = Verifier::load(&settings(JwksLocation::Url(url))).await.unwrap();
    assert!(verifier.verify(&minter.sign(&good()).unwrap()).await.is_ok());
    assert!(server.await.unwrap().starts_with("GET /keys?v=1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn keys_that_cannot_be_had_stop_the_start() {
    let missing = settings(JwksLocation::File("no-such-file.json".into()));
    let error = Verifier::load(&missing).await.unwrap_err();
    assert!(matches!(error, IdentityError::Keys(KeyError::File { .. })));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = settings(JwksLocation::Url(format!("http://{closed}/")));
    let error = Verifier::load(&nobody).await.unwrap_err();
    assert!(matches!(error, IdentityError::Keys(KeyError::Fetch { .. })));
}

#[test]
fn a_set_with_a_private_key_two_equal_kids_or_no_usable_key_is_refused() {
    let ed: Value = serde_json::from_str(&Minter::generate().unwrap().jwks()).unwrap();
    let key = &ed["keys"][0];
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let error = |keys: Value| match fixed(&json!({ "keys": keys })) {
        Err(IdentityError::Keys(error)) => error,
        Ok(_) => panic!("the set was accepted"),
    };
    assert!(matches!(error(json!([with("d", json!("c2VjcmV0"))])), KeyError::Private(_)));
    assert!(matches!(error(json!([key, key])), KeyError::Duplicate(_)));
    // A key that is too short would make the verifier panic; one for encryption or of an open algorithm is not for us.
    for unusable in [
        with("x", json!("c2hvcnQ")),
        with("use", json!("enc")),
        with("alg", json!("HS256")),
        with("alg", Value::Null),
        with("kid", Value::Null),
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "shared" }),
    ] {
        assert!(matches!(error(json!([unusable])), KeyError::Empty), "{unusable}");
        assert!(fixed(&json!({ "keys": [unusable, key] })).is_ok());
    }
}

#[test]
fn a_stored_private_key_gives_the_same_public_key_again() {
    let minter = Minter::generate().unwrap();
    let again = Minter::from_pem(minter.private_pem()).unwrap();
    assert_eq!((minter.kid(), minter.jwks()), (again.kid(), again.jwks()));
    assert_ne!(minter.kid(), Minter::generate().unwrap().kid());
    assert!(Minter::from_pem("not a key").is_err());
}
