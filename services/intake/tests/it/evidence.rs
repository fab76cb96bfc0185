//! Photos (clause C1): checked by their bytes.

use tonic::Code;

use crate::{
    images::{jpeg, picture, webp},
    world::{MEMBER, OTHER_VILLAGE, PNG, VILLAGE, World, fields, new_id, refused},
};

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
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM evidence").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(count, 3);
}

#[tokio::test]
async fn a_replayed_upload_is_answered_and_one_with_other_bytes_refused() {
    let world = World::start().await;
    let id = new_id();
    let first = world.upload(MEMBER, &id, VILLAGE, &PNG).await.expect("kept");
    assert_eq!(world.upload(MEMBER, &id, VILLAGE, &PNG).await.expect("replayed"), first);
    let other = world.upload(MEMBER, &id, VILLAGE, &jpeg(&picture(9, 8))).await;
    assert_eq!(refused(other), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
}

#[tokio::test]
async fn what_is_no_image_or_too_large_or_of_another_village_is_refused() {
    let world = World::start().await;
    let status = world.upload(MEMBER, &new_id(), VILLAGE, b"%PDF-1.7").await.expect_err("no image");
    assert_eq!(fields(&status), ["chunk"]);
    assert_eq!(refused(Err::<(), _>(status)).1, "NOT_AN_IMAGE");
    let large = vec![0; 8 * 1024 * 1024 + 1];
    let status = world.upload(MEMBER, &new_id(), VILLAGE, &large).await.expect_err("too large");
    assert_eq!(fields(&status), ["chunk"]);
    assert_eq!(refused(Err::<(), _>(status)).1, "TOO_LARGE");
    let other = world.upload(MEMBER, &new_id(), OTHER_VILLAGE, &PNG).await;
    assert_eq!(refused(other), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}
