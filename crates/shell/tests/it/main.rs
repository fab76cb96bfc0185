//! The roster's projection on a real PostgreSQL.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod database;
mod once;
mod probe;
mod roster_notices;
mod upkeep;

use dafei_contracts::events::v1::RosterSnapshot;
use dafei_kernel::{
    region::Region,
    role::Role,
    roster::{Holder, RegionEntry, RosterIndex},
    time::Instant,
};
use dafei_shell::roster::{MIGRATOR, RosterPart, RosterView};
use dafei_testkit::TestDb;

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn entry(text: &str, parent: Option<&str>) -> RegionEntry {
    RegionEntry {
        region: region(text),
        name: text.to_owned(),
        parent: parent.map(region),
        work_area: None,
        households: 7,
    }
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

#[tokio::test]
async fn a_snapshot_whose_savepoint_is_rolled_back_is_not_there_once_the_transaction_is_committed() {
    let (db, view) = fresh().await;
    take(&db, &view, &upper()).await;
    let snapshot = RosterSnapshot::from(&township(&["village:371302001001"], Vec::new()));
    let mut tx = db.pool.begin().await.expect("begins");
    let mut savepoint = sqlx::Connection::begin(&mut *tx).await.expect("a savepoint");
    view.apply(&mut savepoint, &[&snapshot]).await.expect("applies");
    savepoint.rollback().await.expect("rolls back");
    tx.commit().await.expect("commits");
    view.reload(&db.pool).await.expect("reloads");
    assert_eq!(view.current().len(), 2);
}

#[tokio::test]
async fn what_a_transaction_has_put_into_a_view_stays_there_until_it_ends_whatever_was_committed_before() {
    let (db, view) = fresh().await;
    take(&db, &view, &upper()).await;
    let village = "village:371302001001";
    let held_by = |person: &str| township(&[village], vec![secretary(village, person)]);
    // By another process, and not yet read by this one.
    let other = RosterView::load(&db.pool).await.expect("loads");
    take(&db, &other, &[held_by("王")]).await;
    for (person, committed) in [("李", false), ("赵", true)] {
        let snapshot = RosterSnapshot::from(&held_by(person));
        let mut tx = db.pool.begin().await.expect("begins");
        view.apply(&mut tx, &[&snapshot]).await.expect("applies");
        view.reload(&db.pool).await.expect("reloads");
        assert_eq!(names(&view.current(), village), [person]);
        if committed {
            tx.commit().await.expect("commits");
        } else {
            tx.rollback().await.expect("rolls back");
        }
        view.reload(&db.pool).await.expect("reloads");
        assert_eq!(names(&view.current(), village), [if committed { person } else { "王" }]);
    }
}

#[tokio::test]
async fn a_view_reads_only_what_has_changed_since_and_is_as_one_that_reads_all() {
    let (db, view) = fresh().await;
    let other = RosterView::load(&db.pool).await.expect("loads");
    take(&db, &view, &upper()).await;
    take(&db, &view, &[township(&["village:371302001001"], vec![secretary("village:371302001001", "王")])]).await;
    other.reload(&db.pool).await.expect("reloads");
    assert_eq!(other.current(), view.current());
    // Behind the back of the revisions: what is not said to have changed is not read.
    sqlx::query("UPDATE roster_region SET name = 'x' WHERE level = 'city'").execute(&db.pool).await.expect("updates");
    take(&db, &view, &[township(&[], Vec::new())]).await;
    other.reload(&db.pool).await.expect("reloads");
    assert!(other.current().get(&region("village:371302001001")).is_none());
    assert_eq!(other.current().get(&region("city:371300")).expect("there").name, "city:371300");
    let gone = RosterPart { regions: Vec::new(), ..township(&[], Vec::new()) };
    take(&db, &view, &[gone]).await;
    other.reload(&db.pool).await.expect("reloads");
    assert_eq!((other.current(), other.current().len()), (view.current(), 2), "a part that is gone is gone everywhere");
}

#[tokio::test]
async fn a_village_that_moves_twice_within_a_batch_is_where_it_came_last() {
    let (db, view) = fresh().await;
    take(&db, &view, &upper()).await;
    let village = "village:371302001001";
    let other = |villages: &[&str], person: &str| {
        let mut regions = vec![entry("township:371302002", Some("county:371302"))];
        regions.extend(villages.iter().map(|village| entry(village, Some("township:371302002"))));
        let holders = villages.iter().map(|village| secretary(village, person)).collect();
        RosterPart { region: region("township:371302002"), regions, holders, enterprises: Vec::new() }
    };
    let (here, there) = (township(&[village], vec![secretary(village, "王")]), other(&[village], "李"));
    take(&db, &view, &[township(&[], Vec::new()), there.clone(), other(&[], ""), here, there]).await;
    let read = RosterView::load(&db.pool).await.expect("loads");
    assert_eq!(read.current(), view.current());
    assert_eq!(names(&read.current(), village), ["李"]);
    let path = read.current().path(&region(village)).expect("a path");
    assert!(path.is_within(&region("township:371302002")));
}

#[tokio::test]
async fn revisions_follow_the_order_of_the_commits() {
    let (db, view) = fresh().await;
    take(&db, &view, &upper()).await;
    let mut first = db.pool.begin().await.expect("begins");
    dafei_shell::roster::lock(&mut first).await.expect("alone");
    let (pool, part) = (db.pool.clone(), township(&["village:371302001001"], Vec::new()));
    let second = tokio::spawn(async move {
        let mut tx = pool.begin().await.expect("begins");
        dafei_shell::roster::lock(&mut tx).await.expect("waits");
        let revision = dafei_shell::roster::replace(&mut tx, &[part]).await.expect("replaces");
        tx.commit().await.expect("commits");
        revision
    });
    let mine = dafei_shell::roster::replace(&mut first, &upper()).await.expect("replaces");
    first.commit().await.expect("commits");
    assert!(second.await.expect("ends") > mine);
}
