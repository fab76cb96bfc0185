//! The door, over a real gRPC connection: which tokens pass, and why the others do not.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dafei_runtime::identity::mint::{Minter, TokenRequest};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tonic::{Code, transport::Channel};

use crate::support::{AUDIENCE, ISSUER, call, good, now, reason, serve_plain, who};

async fn refused(channel: &Channel, token: &str) -> String {
    let status = who(channel, token).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    reason(&status)
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "office-1", "exp": now().as_second() + 300,
        "role": "county-office", "region": "county:371302",
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

#[tokio::test]
async fn a_good_token_passes_and_names_its_bearer() {
    let minter = Minter::generate().unwrap();
    let served = serve_plain(&minter).await;
    let channel = served.channel().await;
    let token = minter.sign(&good()).unwrap();
    assert_eq!(who(&channel, &token).await.unwrap(), "office-1");
    // And again, from the cache.
    assert_eq!(who(&channel, &token).await.unwrap(), "office-1");
    let header = format!("bearer {token}");
    assert_eq!(call(&channel, "Who", &[("authorization", &header)]).await.unwrap(), "office-1");
}

#[tokio::test]
async fn without_exactly_one_bearer_token_nobody_passes() {
    let minter = Minter::generate().unwrap();
    let served = serve_plain(&minter).await;
    let channel = served.channel().await;
    let token = format!("Bearer {}", minter.sign(&good()).unwrap());
    for metadata in [
        vec![],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Basic dTpw")],
        vec![("authorization", token.as_str()), ("authorization", token.as_str())],
    ] {
        let status = call(&channel, "Who", &metadata).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
    }
}

#[tokio::test]
async fn public_methods_health_and_reflection_need_no_token_and_get_no_principal() {
    let minter = Minter::generate().unwrap();
    let served = serve_plain(&minter).await;
    let channel = served.channel().await;
    assert_eq!(call(&channel, "Whisper", &[]).await.unwrap(), "");
    let token = format!("Bearer {}", minter.sign(&good()).unwrap());
    let status = call(&channel, "Open", &[("authorization", &token)]).await.unwrap_err();
    assert_eq!(reason(&status), "TOKEN_MISSING");
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let request = tonic_health::pb::HealthCheckRequest { service: "test.Probe".to_owned() };
    assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
}

#[tokio::test]
async fn a_token_that_expired_this_second_is_refused() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let token = minter.sign(&TokenRequest { expires: now(), ..good() }).unwrap();
    assert_eq!(refused(&channel, &token).await, "TOKEN_EXPIRED");
    let later = now().as_second() + 100;
    let token = minter.sign_claims(&with("nbf", json!(later))).unwrap();
    assert_eq!(refused(&channel, &token).await, "TOKEN_NOT_YET_VALID");
}

#[tokio::test]
async fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let other = |token: TokenRequest| minter.sign(&token).unwrap();
    let issuer = other(TokenRequest { issuer: "https://elsewhere".to_owned(), ..good() });
    assert_eq!(refused(&channel, &issuer).await, "TOKEN_ISSUER");
    let audience = other(TokenRequest { audience: "bank".to_owned(), ..good() });
    assert_eq!(refused(&channel, &audience).await, "TOKEN_AUDIENCE");
    let many = minter.sign_claims(&with("aud", json!(["bank", AUDIENCE]))).unwrap();
    assert_eq!(who(&channel, &many).await.unwrap(), "office-1");
}

#[tokio::test]
async fn a_token_of_an_unknown_key_is_refused() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let stranger = Minter::generate().unwrap().sign(&good()).unwrap();
    assert_eq!(refused(&channel, &stranger).await, "TOKEN_KEY_UNKNOWN");
    let key = EncodingKey::from_ed_pem(minter.private_pem().as_bytes()).unwrap();
    let nameless = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims(), &key).unwrap();
    assert_eq!(refused(&channel, &nameless).await, "TOKEN_KEY_UNKNOWN");
}

#[tokio::test]
async fn a_public_key_used_as_a_shared_secret_opens_nothing() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let jwks: Value = serde_json::from_str(&minter.jwks()).unwrap();
    let x = jwks["keys"][0]["x"].as_str().unwrap();
    let raw = URL_SAFE_NO_PAD.decode(x).unwrap();
    for secret in [x.as_bytes(), &raw, minter.jwks().as_bytes()] {
        let secret = EncodingKey::from_secret(secret);
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(minter.kid().to_owned());
        let forged = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
        assert_eq!(refused(&channel, &forged).await, "TOKEN_ALGORITHM");
    }
}

#[tokio::test]
async fn a_token_without_a_signature_or_with_a_changed_claim_is_refused() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let token = minter.sign(&good()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let admin = URL_SAFE_NO_PAD.encode(with("sub", json!("admin")).to_string());
    let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": minter.kid() }).to_string());
    for bad in [
        format!("{}.{admin}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        "abc".to_owned(),
        "a".repeat(9_000),
    ] {
        assert_eq!(refused(&channel, &bad).await, "TOKEN_INVALID", "{bad}");
    }
}

#[tokio::test]
async fn claims_that_make_no_sense_are_refused() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    for claims in [
        without("sub"),
        without("exp"),
        without("iss"),
        without("aud"),
        without("role"),
        without("region"),
        with("role", json!("emperor")),
        with("region", json!("371302")),
        with("region", json!("township:371302001")),
        with("role", json!("county-department")),
        with("agency", json!("circus")),
        with("sub", json!(" ")),
        with("sub", json!("长".repeat(201))),
        with("sub", json!("office\u{0}")),
        with("name", json!("办\u{0}")),
        with("exp", json!("tomorrow")),
    ] {
        let token = minter.sign_claims(&claims).unwrap();
        assert_eq!(refused(&channel, &token).await, "TOKEN_CLAIMS", "{claims}");
    }
}

#[tokio::test]
async fn a_work_area_that_is_not_the_token_s_region_is_refused_whatever_the_role() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let token = |role: &str, region: &str, area: &str| {
        let mut claims = with("role", json!(role));
        claims["region"] = json!(region);
        claims["work_area"] = json!(area);
        minter.sign_claims(&claims).unwrap()
    };
    let (secretary, area) = ("work-area-secretary", "work-area:371302001-east");
    assert_eq!(who(&channel, &token(secretary, area, "371302001-east")).await.unwrap(), "office-1");
    for (role, region, claimed) in [
        (secretary, area, "371302001-west"),
        (secretary, area, "371302002-east"),
        (secretary, area, "east"),
        (secretary, area, ""),
        (secretary, area, "work-area:371302001-east"),
        ("grid-member", "village:371302001001", "371302001-east"),
        ("township-centre", "township:371302001", "371302001-east"),
        ("county-office", "county:371302", "somewhere"),
        ("admin", "city:371300", "371302001-east"),
    ] {
        assert_eq!(refused(&channel, &token(role, region, claimed)).await, "TOKEN_CLAIMS", "{role} {region} {claimed}");
    }
}

#[tokio::test]
async fn a_token_that_demands_an_extension_is_refused() {
    let minter = Minter::generate().unwrap();
    let channel = serve_plain(&minter).await.channel().await;
    let key = EncodingKey::from_ed_pem(minter.private_pem().as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(minter.kid().to_owned());
    header.crit = Some(vec!["proof".to_owned()]);
    let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert_eq!(refused(&channel, &token).await, "TOKEN_INVALID");
}
