//! Photos (clause C1): checked by their bytes, kept for their place, read by those who may.

use dafei_contracts::intake::v1 as api;
use dafei_kernel::role::Role;
use tonic::{Code, Status};

use crate::{
    images::{jpeg, markers, phone_jpeg, picture, png_claiming, webp},
    world::{Caller, MEMBER, OTHER_VILLAGE, PNG, SECRETARY, VILLAGE, WORK_AREA, World, den, fields, new_id, refused},
};

pub(crate) const TOWNSHIP: &str = "township:371302001";
pub(crate) const COUNTY: &str = "county:371302";
pub(crate) const CENTRE: Caller = (Role::TownshipCentre, TOWNSHIP);

impl World {
    /// The public copy, put together from its parts.
    pub(crate) async fn copy(&self, caller: Caller, evidence_id: &str) -> Result<Vec<u8>, Status> {
        let request = self.request(caller, api::GetEvidenceRequest { evidence_id: evidence_id.to_owned() });
        let mut parts = self.evidence().get_evidence(request).await?.into_inner();
        let first = parts.message().await?.expect("what it is");
        assert_eq!(first.media_type, "image/jpeg");
        let mut bytes = first.chunk.to_vec();
        while let Some(part) = parts.message().await? {
            bytes.extend_from_slice(&part.chunk);
        }
        assert_eq!(first.size, bytes.len() as u64);
        Ok(bytes)
    }

    /// Rows of photos.
    pub(crate) async fn photo_rows(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM evidence").fetch_one(&self.db.pool).await.expect("a count")
    }
}

#[tokio::test]
async fn the_same_bytes_of_a_village_have_one_id_and_each_kind_of_image_is_known_by_its_bytes() {
    let world = World::start().await;
    let first = world.upload(MEMBER, &new_id(), VILLAGE, &PNG).await.expect("kept");
    let again = world.upload(MEMBER, &new_id(), VILLAGE, &PNG).await.expect("kept");
    assert_eq!(first, again);
    assert_eq!(first.media_type, "image/png");
    for (bytes, media_type) in [(jpeg(&picture(9, 8)), "image/jpeg"), (webp(&picture(9, 8)), "image/webp")] {
        let kept = world.upload(MEMBER, &new_id(), VILLAGE, &bytes).await.expect("kept");
        assert_eq!(kept.media_type, media_type);
    }
    assert_eq!(world.photo_rows().await, 3);
    let theirs: Caller = (Role::GridMember, OTHER_VILLAGE);
    let elsewhere = world.upload(theirs, &new_id(), OTHER_VILLAGE, &PNG).await.expect("kept");
    assert_ne!(elsewhere.evidence_id, first.evidence_id);
    assert_eq!(elsewhere.sha256, first.sha256);
}

#[tokio::test]
async fn a_replayed_upload_is_answered_and_one_with_other_bytes_refused() {
    let world = World::start().await;
    let id = new_id();
    let sent = phone_jpeg(&picture(9, 8));
    let first = world.upload(MEMBER, &id, VILLAGE, &sent).await.expect("kept");
    assert_eq!(world.upload(MEMBER, &id, VILLAGE, &sent).await.expect("replayed"), first);
    let other = world.upload(MEMBER, &id, VILLAGE, &jpeg(&picture(9, 8))).await;
    assert_eq!(refused(other), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
}

#[tokio::test]
async fn the_uploader_is_offered_the_camera_s_place_and_time_and_the_copy_has_neither() {
    let world = World::start().await;
    let kept = world.upload(MEMBER, &new_id(), VILLAGE, &phone_jpeg(&picture(40, 30))).await.expect("kept");
    let position = kept.position.expect("a position");
    assert_eq!((position.latitude_e7, position.longitude_e7), (350_660_000, 1_183_450_000));
    let taken = kept.taken_at.expect("a time");
    assert_eq!(taken, "2026-11-23T08:30:15+08:00".parse::<jiff::Timestamp>().expect("an instant").into());
    let copy = world.copy(MEMBER, &kept.evidence_id).await.expect("the copy");
    assert!(!markers(&copy).contains(&0xe1));
    let plain = world.upload(MEMBER, &new_id(), VILLAGE, &PNG).await.expect("kept");
    assert_eq!((plain.position, plain.taken_at), (None, None));
}

#[tokio::test]
async fn what_is_no_image_or_too_large_or_hostile_is_refused_and_leaves_nothing() {
    let world = World::start().await;
    let large = vec![0; 8 * 1024 * 1024 + 1];
    let heic = [b"\0\0\0\x18ftypheic".as_slice(), &[0; 64]].concat();
    let zip = [PNG.as_slice(), b"PK\x03\x04"].concat();
    let bomb = png_claiming(&PNG, 100_000, 100_000);
    let cases: [(&[u8], &str); 5] = [
        (b"%PDF-1.7", "NOT_AN_IMAGE"),
        (&large, "TOO_LARGE"),
        (&heic, "HEIC_NOT_TAKEN"),
        (&zip, "IMAGE_TRAILING_DATA"),
        (&bomb, "IMAGE_TOO_MANY_PIXELS"),
    ];
    for (bytes, reason) in cases {
        let status = world.upload(MEMBER, &new_id(), VILLAGE, bytes).await.expect_err(reason);
        assert_eq!(fields(&status), ["chunk"], "{reason}");
        assert_eq!(refused(Err::<(), _>(status)), (Code::InvalidArgument, reason.to_owned()));
    }
    let part = api::UploadEvidenceRequest {
        request_id: new_id(),
        place: Some(crate::world::wire(VILLAGE)),
        chunk: vec![0; 1024 * 1024 + 1].into(),
    };
    let request = world.request(MEMBER, tokio_stream::iter([part]));
    let status = world.evidence().upload_evidence(request).await.expect_err("a message that is too large");
    assert_eq!(refused(Err::<(), _>(status)).1, "TOO_LARGE");
    assert_eq!(world.photo_rows().await, 0);
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn a_post_uploads_for_what_lies_in_its_region_and_for_nothing_else() {
    let world = World::start().await;
    let area: Caller = (Role::WorkAreaSecretary, WORK_AREA);
    let county: Caller = (Role::CountyOffice, COUNTY);
    let agency: Caller = (Role::CityOffice, crate::world::CITY);
    for (caller, place) in
        [(SECRETARY, VILLAGE), (area, VILLAGE), (CENTRE, TOWNSHIP), (county, COUNTY), (agency, crate::world::CITY)]
    {
        world.upload(caller, &new_id(), place, &PNG).await.unwrap_or_else(|status| panic!("{place}: {status}"));
    }
    for (caller, place) in [
        (MEMBER, OTHER_VILLAGE),
        (MEMBER, TOWNSHIP),
        (area, OTHER_VILLAGE),
        (CENTRE, COUNTY),
        (county, crate::world::CITY),
    ] {
        let denied = world.upload(caller, &new_id(), place, &PNG).await;
        assert_eq!(refused(denied), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()), "{place}");
    }
    let bank: Caller = (Role::Bank, COUNTY);
    let denied = world.upload(bank, &new_id(), COUNTY, &PNG).await;
    assert_eq!(refused(denied), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let status = world.upload(area, &new_id(), WORK_AREA, &PNG).await.expect_err("no place of a photo");
    assert_eq!(fields(&status), ["place.level"]);
    let status = world.upload(MEMBER, &new_id(), "village:371302001999", &PNG).await.expect_err("unknown");
    assert_eq!(fields(&status), ["place"]);
}

#[tokio::test]
async fn a_village_s_act_takes_no_photo_of_its_township() {
    let world = World::start().await;
    let photo = world.upload(CENTRE, &new_id(), TOWNSHIP, &PNG).await.expect("kept").evidence_id;
    let request = api::RecordSuspicionRequest { evidence_ids: vec![photo], ..den() };
    assert_eq!(fields(&world.record(request).await.expect_err("the township's")), ["evidence_ids[0]"]);
}

#[tokio::test]
async fn a_copy_is_read_by_those_who_may_read_the_place() {
    let world = World::start().await;
    let photo = world.photo().await;
    for caller in [MEMBER, CENTRE, (Role::Auditor, COUNTY)] {
        assert!(!world.copy(caller, &photo).await.expect("the copy").is_empty());
    }
    let theirs: Caller = (Role::VillageSecretary, OTHER_VILLAGE);
    assert_eq!(refused(world.copy(theirs, &photo).await), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    let bank: Caller = (Role::Bank, COUNTY);
    assert_eq!(refused(world.copy(bank, &photo).await), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    assert_eq!(refused(world.copy(MEMBER, &new_id()).await).0, Code::NotFound);
    assert_eq!(fields(&world.copy(MEMBER, "1").await.expect_err("no id")), ["evidence_id"]);
}
