//! Photos through the front door: others see a copy without metadata, and who sees an original is on record (clauses C1, D2).

use dafei_contracts::intake::v1::{self as pb, evidence_service_client::EvidenceServiceClient};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use dafei_tests::{World, refusal, wire};
use dafei_tools::{
    actors::photo_bytes,
    client::{Authed, Caller, Service},
};
use tonic::Code;

const VILLAGE: &str = "village:371325101201";
const TOWNSHIP: &str = "township:371325101";
const CITY: &str = "city:371300";
const PLANTED: &[u8] = b"the name of the phone's owner";

fn client(world: &World, role: Role, region: &str) -> EvidenceServiceClient<Authed> {
    let bearer = world.keys.bearer(&Caller::new(role, region.parse().expect("a region"))).expect("a token");
    EvidenceServiceClient::new(world.suite.with(Service::Intake, &bearer))
}

/// A photo with an EXIF part of its own.
fn sent() -> Vec<u8> {
    let exif = [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0".as_slice(), PLANTED, SystemIds.random().as_bytes()].concat();
    let size = u16::try_from(exif.len() + 2).expect("small").to_be_bytes();
    let photo = photo_bytes(0);
    [&photo[..2], &[0xff, 0xe1], &size, &exif, &photo[2..]].concat()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn others_see_a_photo_without_metadata_and_an_original_only_on_record() {
    let world = World::from_env().expect("the suite");
    let (mut member, mut centre) =
        (client(&world, Role::GridMember, VILLAGE), client(&world, Role::TownshipCentre, TOWNSHIP));
    let sent = sent();
    let part = pb::UploadEvidenceRequest {
        request_id: SystemIds.random().to_string(),
        place: Some(wire(VILLAGE).expect("a village")),
        chunk: sent.clone().into(),
    };
    let kept = member.upload_evidence(tokio_stream::iter([part])).await.expect("kept").into_inner();

    let ask = pb::GetEvidenceRequest { evidence_id: kept.evidence_id.clone() };
    let mut parts = centre.get_evidence(ask).await.expect("the copy").into_inner();
    let mut copy = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        copy.extend_from_slice(&part.chunk);
    }
    assert!(copy.starts_with(&[0xff, 0xd8, 0xff]) && !holds(&copy, PLANTED) && !holds(&copy, b"Exif"));

    let reason = format!("核对{}", kept.evidence_id);
    let ask = pb::GetOriginalRequest { evidence_id: kept.evidence_id.clone(), reason: reason.clone() };
    let denied = member.get_original(ask.clone()).await.expect_err("not for the village");
    assert_eq!(refusal(&denied).0, Code::PermissionDenied);
    let mut parts = centre.get_original(ask).await.expect("the original").into_inner();
    let mut original = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        original.extend_from_slice(&part.chunk);
    }
    assert_eq!(original, sent);

    let ask = pb::ListEvidenceAccessesRequest { evidence_id: kept.evidence_id, ..Default::default() };
    let mut auditor = client(&world, Role::Auditor, CITY);
    let accesses = auditor.list_evidence_accesses(ask).await.expect("a list").into_inner().accesses;
    let [access] = accesses.as_slice() else { panic!("one access: {accesses:?}") };
    assert_eq!(
        (&access.reason, access.post.as_ref().map(|post| post.role.as_str())),
        (&reason, Some("township-centre"))
    );
}
