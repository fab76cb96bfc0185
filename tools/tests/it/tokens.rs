//! Keys and tokens.

use std::{fs, os::unix::fs::PermissionsExt as _};

use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, SystemClock},
    role::Role,
};
use dafei_runtime::identity::{
    Verifier,
    mint::{Minter, TokenRequest},
};
use dafei_tools::{client::Caller, keys};

#[tokio::test]
async fn a_token_signed_with_the_private_key_is_accepted_by_the_public_one() {
    let dir = tempfile::tempdir().expect("a directory");
    keys::init(dir.path()).expect("keys");
    let private = dir.path().join("private.pem");
    let mode = fs::metadata(&private).expect("the private key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pem = fs::read_to_string(&private).expect("the private key");
    let caller = Caller::new(Role::CountyDepartment, "county:371302".parse().expect("a region")).of(Agency::Postal);
    let request = TokenRequest {
        subject: caller.subject(),
        name: None,
        role: caller.role,
        region: caller.region.clone(),
        agency: caller.agency,
        work_area: None,
        issuer: "i".to_owned(),
        audience: "a".to_owned(),
        expires: SystemClock.now() + jiff::SignedDuration::from_hours(1),
    };
    let token = Minter::from_pem(&pem).expect("the private key").sign(&request).expect("a token");
    // Made again, the keys stay: tokens in use go on holding.
    keys::init(dir.path()).expect("keys");
    let jwks = fs::read_to_string(dir.path().join("jwks.json")).expect("the public key");
    let principal = Verifier::from_jwks(&jwks, "i", "a").expect("keys").verify(&token).await.expect("accepted");
    assert_eq!((principal.role, principal.agency), (Role::CountyDepartment, Some(Agency::Postal)));
}

#[test]
fn posts_that_could_be_mistaken_for_each_other_have_subjects_of_their_own() {
    let region = || "county:371302".parse().expect("a region");
    let subjects = [
        Caller::new(Role::CountyOffice, region()),
        Caller::new(Role::CountyDepartment, region()).of(Agency::Postal),
        Caller::new(Role::CountyDepartment, region()).of(Agency::Transport),
        Caller::new(Role::WorkAreaSecretary, region()).in_work_area("371302001-a"),
    ]
    .map(|caller| caller.subject());
    let distinct: std::collections::BTreeSet<_> = subjects.iter().collect();
    assert_eq!(distinct.len(), subjects.len());
}
