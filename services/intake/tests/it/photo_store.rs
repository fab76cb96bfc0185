//! The store of photos: away it stops uploads and nothing else, and what breaks off leaves nothing for long.

use std::{fs, path::PathBuf};

use dafei_intake::{
    app::evidence::{clean_photo, insert, settle, sweep},
    images::clean,
};
use dafei_kernel::role::Role;
use jiff::SignedDuration;
use sqlx::Row as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    evidence::COUNTY,
    images::{phone_jpeg, picture},
    world::{Caller, MEMBER, PNG, VILLAGE, World, den, new_id, refused},
};

impl World {
    fn store(&self) -> PathBuf {
        self.photos.path().join("store")
    }

    /// The files of the store, by kind and name.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.store()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(self.store()).expect("below").display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// From here on the row of a photo cannot be written, as when the process ends before it.
    pub(crate) async fn refuse_photo_rows(&self) {
        let statement =
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$";
        sqlx::query(statement).execute(&self.db.pool).await.expect("a function");
        let statement = "CREATE TRIGGER refuse BEFORE INSERT ON evidence EXECUTE FUNCTION refuse()";
        sqlx::query(statement).execute(&self.db.pool).await.expect("a trigger");
    }

    /// Sweeps when no call holds a name any more; how many were removed. What breaks off rolls back after its answer, and a sweep leaves
    /// out what is still held.
    pub(crate) async fn swept(&self) -> usize {
        let held = sqlx::query("SELECT object FROM evidence_unfinished FOR UPDATE");
        held.fetch_all(&self.db.pool).await.expect("every name was free once");
        sweep(&self.app).await.expect("swept")
    }

    async fn unfinished(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM evidence_unfinished");
        count.fetch_one(&self.db.pool).await.expect("a count")
    }
}

#[tokio::test]
async fn a_photo_has_an_original_and_a_public_copy_under_prefixes_of_their_own() {
    let world = World::start().await;
    world.photo().await;
    let stored = world.stored();
    let [original, public] = stored.as_slice() else { panic!("two objects: {stored:?}") };
    assert!(original.starts_with("originals/") && public.starts_with("public/"), "{stored:?}");
    assert_eq!(fs::read(world.store().join(original)).expect("a file"), *PNG);
    assert_eq!(world.unfinished().await, 0);
}

#[tokio::test]
async fn while_the_store_is_away_an_upload_is_put_off_and_the_rest_goes_on() {
    let world = World::start().await;
    let photo = world.photo().await;
    let aside = world.photos.path().join("aside");
    fs::rename(world.store(), &aside).expect("moved");
    fs::write(world.store(), b"no directory").expect("a file in its place");
    let (id, sent) = (new_id(), phone_jpeg(&picture(9, 8)));
    let status = world.upload(MEMBER, &id, VILLAGE, &sent).await.expect_err("the store is away");
    assert!(status.get_error_details().retry_info().is_some(), "when to come back");
    assert_eq!(refused(Err::<(), _>(status)), (Code::Unavailable, "UNAVAILABLE".to_owned()));
    assert_eq!(world.photo_rows().await, 1);
    assert_eq!(refused(world.copy(MEMBER, &photo).await).0, Code::Unavailable);
    world.record(den()).await.expect("a report needs no store");
    fs::remove_file(world.store()).expect("removed");
    fs::rename(&aside, world.store()).expect("back");
    world.upload(MEMBER, &id, VILLAGE, &sent).await.expect("the same request");
    assert_eq!(world.photo_rows().await, 2);
    world.pass(SignedDuration::from_hours(3));
    assert_eq!(world.swept().await, 1);
    assert_eq!((world.stored().len(), world.unfinished().await), (4, 0));
    world.copy(MEMBER, &photo).await.expect("it is still there");
}

#[tokio::test]
async fn what_a_crash_leaves_in_the_store_is_swept_and_nothing_else() {
    let world = World::start().await;
    let photo = world.photo().await;
    world.refuse_photo_rows().await;
    let broken = world.upload(MEMBER, &new_id(), VILLAGE, &phone_jpeg(&picture(9, 8))).await;
    assert_eq!(refused(broken).0, Code::Internal);
    assert_eq!((world.stored().len(), world.swept().await), (4, 0));
    world.pass(SignedDuration::from_hours(2));
    assert_eq!(world.swept().await, 1);
    assert_eq!((world.stored().len(), world.unfinished().await, world.photo_rows().await), (2, 0, 1));
    world.copy(MEMBER, &photo).await.expect("it is still there");
}

#[tokio::test]
async fn a_photo_whose_objects_were_given_up_meanwhile_is_not_kept() {
    let world = World::start().await;
    let statement = "CREATE FUNCTION sweep() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN DELETE FROM evidence_unfinished WHERE object = NEW.object; RETURN NULL; END $$";
    sqlx::query(statement).execute(&world.db.pool).await.expect("a function");
    let statement = "CREATE TRIGGER sweep AFTER INSERT ON evidence_unfinished FOR EACH ROW EXECUTE FUNCTION sweep()";
    sqlx::query(statement).execute(&world.db.pool).await.expect("a trigger");
    let late = world.upload(MEMBER, &new_id(), VILLAGE, &PNG).await;
    assert_eq!(refused(late), (Code::Aborted, "UPLOAD_GIVEN_UP".to_owned()));
    assert_eq!(world.photo_rows().await, 0);
}

#[tokio::test]
async fn two_that_send_the_same_photo_at_the_same_time_get_the_same_and_one_is_kept() {
    let world = World::start().await;
    let sent = phone_jpeg(&picture(60, 50));
    let ids: Vec<String> = (0..6).map(|_| new_id()).collect();
    let uploads = ids.iter().map(|id| world.upload(MEMBER, id, VILLAGE, &sent));
    let mut kept: Vec<String> = Vec::new();
    for answer in futures::future::join_all(uploads).await {
        kept.push(answer.expect("kept").evidence_id);
    }
    kept.dedup();
    assert_eq!((kept.len(), world.photo_rows().await), (1, 1));
    world.pass(SignedDuration::from_hours(3));
    world.swept().await;
    assert_eq!((world.stored().len(), world.unfinished().await), (2, 0));
    world.copy(MEMBER, &kept[0]).await.expect("the one that was kept has its bytes");
}

#[tokio::test]
async fn a_photo_of_a_tip_has_no_original_no_place_no_exact_time_and_no_reader_here() {
    let world = World::start().await;
    world.clock.advance(SignedDuration::from_secs(754));
    let photo = clean_photo(&world.app, clean(&phone_jpeg(&picture(9, 8))).expect("a photo"));
    let mut conn = world.db.pool.acquire().await.expect("a connection");
    insert(&mut conn, &photo).await.expect("kept");
    assert_eq!(photo.id().get_version_num(), 4);
    let row = sqlx::query("SELECT region, sha256, extract(epoch FROM uploaded_at)::bigint AS at FROM evidence")
        .fetch_one(&mut *conn)
        .await
        .expect("its row");
    let (region, sha256): (Option<String>, Option<Vec<u8>>) = (row.get("region"), row.get("sha256"));
    assert_eq!((region, sha256, row.get::<i64, _>("at") % 3_600), (None, None, 0));
    let office: Caller = (Role::CountyOffice, COUNTY);
    assert_eq!(refused(world.copy(office, &photo.id().to_string()).await).0, Code::NotFound);
}

#[tokio::test]
async fn photos_of_tips_go_to_the_store_when_their_hour_is_over_and_all_together() {
    let world = World::start().await;
    let mut conn = world.db.pool.acquire().await.expect("a connection");
    for side in [9, 10] {
        world.clock.advance(SignedDuration::from_mins(20));
        let photo = clean_photo(&world.app, clean(&phone_jpeg(&picture(side, 8))).expect("a photo"));
        insert(&mut conn, &photo).await.expect("kept, whether the store is there or not");
        assert_eq!((settle(&world.app).await.expect("too early"), world.stored().len()), (0, 0));
    }
    world.clock.advance(SignedDuration::from_mins(20));
    assert_eq!(settle(&world.app).await.expect("moved"), 2);
    let stored = world.stored();
    assert!(stored.len() == 2 && stored.iter().all(|name| name.starts_with("public/")), "{stored:?}");
    let held: i64 =
        sqlx::query_scalar("SELECT count(held) FROM evidence").fetch_one(&mut *conn).await.expect("a count");
    assert_eq!((held, settle(&world.app).await.expect("nothing left")), (0, 0));
    world.pass(SignedDuration::from_hours(3));
    assert_eq!((world.swept().await, world.stored()), (0, stored));
}
