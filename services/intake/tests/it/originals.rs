//! Originals under lock: who sees one is on record before its first byte leaves.

use dafei_contracts::intake::v1 as api;
use dafei_kernel::role::Role;
use jiff::SignedDuration;
use tonic::{Code, Status};

use crate::{
    evidence::{CENTRE, COUNTY, TOWNSHIP},
    images::{phone_jpeg, picture},
    world::{ADMIN, CITY, Caller, MEMBER, SECRETARY, VILLAGE, World, fields, new_id, refused, wire},
};

const AUDITOR: Caller = (Role::Auditor, CITY);

type Page = (Vec<api::EvidenceAccess>, String);

impl World {
    async fn original(&self, caller: Caller, evidence_id: &str, reason: &str) -> Result<(String, Vec<u8>), Status> {
        let body = api::GetOriginalRequest { evidence_id: evidence_id.to_owned(), reason: reason.to_owned() };
        let mut parts = self.evidence().get_original(self.request(caller, body)).await?.into_inner();
        let first = parts.message().await?.expect("what it is");
        let mut bytes = first.chunk.to_vec();
        while let Some(part) = parts.message().await? {
            bytes.extend_from_slice(&part.chunk);
        }
        assert_eq!(first.size, bytes.len() as u64);
        Ok((first.media_type, bytes))
    }

    async fn accesses(&self, caller: Caller, body: api::ListEvidenceAccessesRequest) -> Result<Page, Status> {
        let page = self.evidence().list_evidence_accesses(self.request(caller, body)).await?.into_inner();
        Ok((page.accesses, page.next_page_token))
    }
}

fn of(region: &str) -> api::ListEvidenceAccessesRequest {
    api::ListEvidenceAccessesRequest { region: Some(wire(region)), ..Default::default() }
}

#[tokio::test]
async fn an_original_is_given_as_it_was_sent_and_its_access_is_on_record() {
    let world = World::start().await;
    let sent = phone_jpeg(&picture(40, 30));
    let photo = world.upload(MEMBER, &new_id(), VILLAGE, &sent).await.expect("kept").evidence_id;
    let (media_type, bytes) = world.original(CENTRE, &photo, "核对拍摄地点").await.expect("the original");
    assert_eq!((media_type.as_str(), bytes == sent), ("image/jpeg", true));
    let (accesses, _) = world.accesses(AUDITOR, of(VILLAGE)).await.expect("a list");
    let [access] = accesses.as_slice() else { panic!("one access: {accesses:?}") };
    assert_eq!((access.evidence_id.as_str(), access.reason.as_str()), (photo.as_str(), "核对拍摄地点"));
    assert_eq!(access.subject, format!("township-centre@{TOWNSHIP}"));
    assert_eq!(access.post.as_ref().map(|post| post.role.as_str()), Some("township-centre"));
    for change in ["UPDATE evidence_access SET reason = ''", "DELETE FROM evidence_access", "TRUNCATE evidence_access"]
    {
        let error = sqlx::query(change).execute(&world.db.pool).await.expect_err(change).to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn an_original_needs_a_post_above_the_village_and_a_reason() {
    let world = World::start().await;
    let photo = world.photo().await;
    for caller in [MEMBER, SECRETARY, (Role::CountyCommander, COUNTY), ADMIN] {
        let denied = world.original(caller, &photo, "核对").await;
        assert_eq!(refused(denied), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    }
    let elsewhere: Caller = (Role::TownshipCentre, "township:371302002");
    let denied = world.original(elsewhere, &photo, "核对").await;
    assert_eq!(refused(denied), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    for (id, reason, field) in
        [(&*photo, " ", "reason"), (&photo, &"长".repeat(501), "reason"), ("1", "核对", "evidence_id")]
    {
        assert_eq!(fields(&world.original(CENTRE, id, reason).await.expect_err(field)), [field]);
    }
    assert_eq!(refused(world.original(CENTRE, &new_id(), "核对").await).0, Code::NotFound);
    assert!(world.accesses(AUDITOR, of(CITY)).await.expect("a list").0.is_empty());
}

#[tokio::test]
async fn no_byte_of_an_original_leaves_when_its_access_cannot_be_written_down() {
    let world = World::start().await;
    let photo = world.photo().await;
    sqlx::query("ALTER TABLE evidence_access RENAME TO elsewhere").execute(&world.db.pool).await.expect("renamed");
    assert_eq!(world.original(CENTRE, &photo, "核对").await.expect_err("nothing").code(), Code::Internal);
}

#[tokio::test]
async fn accesses_are_listed_by_region_and_by_photo_page_by_page() {
    let world = World::start().await;
    let photo = world.photo().await;
    let other = world.upload(CENTRE, &new_id(), TOWNSHIP, &crate::world::PNG).await.expect("kept").evidence_id;
    for (number, id) in [&photo, &photo, &other, &photo].into_iter().enumerate() {
        world.clock.advance(SignedDuration::from_mins(1));
        world.original(CENTRE, id, &format!("第{number}次")).await.expect("the original");
    }
    let reasons = |accesses: &[api::EvidenceAccess]| -> Vec<String> {
        accesses.iter().map(|access| access.reason.clone()).collect()
    };
    let (first, token) =
        world.accesses(AUDITOR, api::ListEvidenceAccessesRequest { page_size: 3, ..of(CITY) }).await.expect("a page");
    assert_eq!(reasons(&first), ["第3次", "第2次", "第1次"]);
    let next = api::ListEvidenceAccessesRequest { page_size: 3, page_token: token, ..of(CITY) };
    let (last, token) = world.accesses(ADMIN, next).await.expect("a page");
    assert_eq!((reasons(&last), token), (vec!["第0次".to_owned()], String::new()));
    for (region, count) in [(COUNTY, 4), (TOWNSHIP, 4), (VILLAGE, 3), (crate::world::WORK_AREA, 3)] {
        assert_eq!(world.accesses(AUDITOR, of(region)).await.expect("a list").0.len(), count, "{region}");
    }
    let by_photo = api::ListEvidenceAccessesRequest { evidence_id: other, ..Default::default() };
    assert_eq!(reasons(&world.accesses(AUDITOR, by_photo.clone()).await.expect("a list").0), ["第2次"]);
    let both = api::ListEvidenceAccessesRequest { region: Some(wire(CITY)), ..by_photo };
    for wrong in [both, api::ListEvidenceAccessesRequest::default()] {
        assert_eq!(refused(world.accesses(AUDITOR, wrong).await).1, "ONE_OF_TWO");
    }
    let denied = |reason: &str| (Code::PermissionDenied, reason.to_owned());
    assert_eq!(refused(world.accesses(CENTRE, of(TOWNSHIP)).await), denied("ROLE_NOT_ALLOWED"));
    let elsewhere: Caller = (Role::Auditor, "county:371371");
    assert_eq!(refused(world.accesses(elsewhere, of(VILLAGE)).await), denied("OUT_OF_SCOPE"));
}
