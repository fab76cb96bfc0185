//! The roster's projection on a real PostgreSQL.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use dafei_contracts::events::v1::RosterSnapshot;
use dafei_kernel::{
    region::Region,
    role::Role,
    roster::{Holder, RosterIndex},
    time::Instant,
};
use dafei_shell::roster::{MIGRATOR, RosterPart, RosterRegion, RosterView};
use dafei_testkit::TestDb;

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn entry(text: &str, parent: Option<&str>) -> RosterRegion {
    RosterRegion { region: region(text), name: text.to_owned(), parent: parent.map(region), work_area: None }
}

fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

fn secretary(village: &str, person: &str) -> Holder {
    Holder {
        role: Role::VillageSecretary,
        region: region(village),
        agency: None,
        person: person.to_owned(),
        valid_from: at("2026-01-01T00:00:00Z"),
        valid_until: None,
    }
}

fn township(villages: &[&str], holders: Vec<Holder>) -> RosterPart {
    let mut regions = vec![entry("township:371302001", Some("county:371302"))];
    regions.extend(villages.iter().map(|village| entry(village, Some("township:371302001"))));
    RosterPart { region: region("township:371302001"), regions, holders, enterprises: Vec::new() }
}

fn upper() -> Vec<RosterPart> {
    let part = |text: &str, parent: Option<&str>| RosterPart {
        region: region(text),
        regions: vec![entry(text, parent)],
        holders: Vec::new(),
        enterprises: Vec::new(),
    };
    vec![part("city:371300", None), part("county:371302", Some("city:371300"))]
}

async fn take(db: &TestDb, view: &RosterView, parts: &[RosterPart]) {
    let snapshots: Vec<RosterSnapshot> = parts.iter().map(Into::into).collect();
    let mut tx = db.pool.begin().await.expect("begins");
    view.apply(&mut tx, &snapshots.iter().collect::<Vec<_>>()).await.expect("applies");
    tx.commit().await.expect("commits");
}

fn names(index: &RosterIndex, village: &str) -> Vec<String> {
    index
        .holders_at(Role::VillageSecretary, &region(village), None, at("2026-11-01T00:00:00Z"))
        .iter()
        .map(|holder| holder.person.clone())
        .collect()
}

async fn fresh() -> (TestDb, RosterView) {
    let db = TestDb::new(&[&dafei_messaging::MIGRATOR, &MIGRATOR]).await;
    let view = RosterView::load(&db.pool).await.expect("loads");
    (db, view)
}

#[tokio::test]
async fn a_snapshot_replaces_what_was_known_of_its_township() {
    let (db, view) = fresh().await;
    take(&db, &view, &upper()).await;
    let first = township(
        &["village:371302001001", "village:371302001002"],
        vec![secretary("village:371302001001", "王"), secretary("village:371302001002", "李")],
    );
    take(&db, &view, &[first]).await;
    assert_eq!(names(&view.current(), "village:371302001002"), ["李"]);

    let second = township(&["village:371302001001"], vec![secretary("village:371302001001", "赵")]);
    take(&db, &view, std::slice::from_ref(&second)).await;
    take(&db, &view, &[second]).await;

    let read = RosterView::load(&db.pool).await.expect("loads");
    for index in [view.current(), read.current()] {
        assert_eq!(names(&index, "village:371302001001"), ["赵"]);
        assert!(index.get(&region("village:371302001002")).is_none());
        assert!(names(&index, "village:371302001002").is_empty());
        assert!(index.contains(&region("city:371300"), &region("village:371302001001")));
    }
}

#[tokio::test]
async fn a_snapshot_that_is_rolled_back_leaves_the_tables_as_they_were() {
    let (db, view) = fresh().await;
    take(&db, &view, &upper()).await;
    let snapshot = RosterSnapshot::from(&township(&["village:371302001001"], Vec::new()));
    let mut tx = db.pool.begin().await.expect("begins");
    view.apply(&mut tx, &[&snapshot]).await.expect("applies");
    tx.rollback().await.expect("rolls back");
    let read = RosterView::load(&db.pool).await.expect("loads");
    assert!(read.current().get(&region("village:371302001001")).is_none());
    view.reload(&db.pool).await.expect("reloads");
    assert_eq!(view.current().len(), 2);
}
