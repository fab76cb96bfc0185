//! Tables made again from the raw log alone.

use std::{sync::Arc, time::Duration};

use dafei_contracts::reporting::v1::{GetRebuildRequest, Rebuild, RebuildState, RebuildTablesRequest};
use dafei_kernel::{clock::Clock as _, role::Role};
use dafei_reporting::{
    rebuild::Rebuilds,
    store::{rebuilds, shadow},
};
use dafei_testkit::eventually;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    accountability::Entry,
    delivery::history,
    events::{CENTRE, Case, EMERGENCY, OFFICE, POLICE_STATION, SECRETARY, fine},
    intake_events::TOWNSHIP,
    world::{CITY_OFFICE, Caller, World, total, unit},
};

const SOON: Duration = Duration::from_secs(20);
const NOON: &str = "2026-11-12T12:00:00+08:00";

async fn begin(world: &World, caller: Caller<'_>, request_id: u128) -> Result<Rebuild, Status> {
    let request = RebuildTablesRequest { request_id: Uuid::from_u128(request_id).to_string() };
    let answer = world.rebuilds().rebuild_tables(world.request(caller, request)).await?.into_inner();
    Ok(answer.rebuild.expect("a rebuild"))
}

async fn get(world: &World, caller: Caller<'_>, rebuild_id: &str) -> Result<Rebuild, Status> {
    let request = GetRebuildRequest { rebuild_id: rebuild_id.to_owned() };
    let answer = world.rebuilds().get_rebuild(world.request(caller, request)).await?.into_inner();
    Ok(answer.rebuild.expect("a rebuild"))
}

/// Waits for the end of a rebuild.
async fn ended(world: &World, rebuild: &Rebuild) -> Rebuild {
    let ended = eventually(SOON, "the rebuild ends", || async {
        let now = get(world, CITY_OFFICE, &rebuild.rebuild_id).await.expect("known");
        (now.state() != RebuildState::Running).then_some(now)
    })
    .await;
    // The lock goes with its session, a moment after the end is noted.
    eventually(SOON, "the lock is free", || async {
        let mut conn = world.db.pool.acquire().await.expect("a connection");
        (!shadow::is_locked(&mut conn).await.expect("PostgreSQL")).then_some(())
    })
    .await;
    ended
}

/// Rebuilds, and waits for the end.
pub(crate) async fn rebuilt(world: &World, request_id: u128) -> Rebuild {
    let rebuild = begin(world, CITY_OFFICE, request_id).await.expect("begun");
    ended(world, &rebuild).await
}

/// A history of all columns, with a decision that an appeal has changed, and one of which nothing stands any more.
async fn told() -> World {
    let world = World::start().await;
    for told in history() {
        world.tell(&told).await;
    }
    let mut changed = Entry::new(1, TOWNSHIP, "fireworks");
    let mut cleared = Entry::new(2, TOWNSHIP, "");
    let decided = [(CENTRE, "赵主任", "held-accountable", true), (CENTRE, "钱副主任", "held-accountable", true)];
    let told = [
        changed.decided(OFFICE, NOON, &decided),
        changed.appeal_decided(
            OFFICE,
            NOON,
            &[(CENTRE, "赵主任", "warning-talk", true), (SECRETARY, "孙支书", "warning-talk", false)],
        ),
        cleared.decided(OFFICE, NOON, &decided),
        cleared.appeal_decided(OFFICE, NOON, &[]),
    ];
    world.tell(&told).await;
    world
}

#[tokio::test]
async fn rebuilt_tables_are_as_served_and_the_served_ones_stay_as_they_are() {
    let world = told().await;
    let before = world.table(unit("city-office", "city:371300", ""), "2026-11").await;
    assert_eq!([9, 10].map(|column| total(&before, column)), [1, 0]);
    let begun = begin(&world, CITY_OFFICE, 1).await.expect("begun");
    assert_eq!(begun.state(), RebuildState::Running);
    let rebuild = ended(&world, &begun).await;
    assert_eq!(rebuild.failure, "");
    assert_eq!(rebuild.state(), RebuildState::Equal);
    assert_eq!(rebuild.started_at, begun.started_at);
    assert!(rebuild.finished_at.is_some());
    let received: i64 =
        sqlx::query_scalar("SELECT count(*) FROM received").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(rebuild.events, received);
    assert!(rebuild.facts > 10 && rebuild.differing_cells == 0 && rebuild.examples.is_empty(), "{rebuild:?}");
    assert_eq!(get(&world, CITY_OFFICE, "").await.expect("the last one"), rebuild);
    let after = world.table(unit("city-office", "city:371300", ""), "2026-11").await;
    assert_eq!((after.rows, after.total), (before.rows, before.total));
}

#[tokio::test]
async fn a_cell_that_was_changed_lost_or_made_up_is_found() {
    let world = told().await;
    for statement in [
        "UPDATE cell SET value = value + 5 WHERE col = 12",
        "DELETE FROM cell WHERE col = 8",
        "INSERT INTO cell SELECT unit_id, 202609, 'mines', 2, 3 FROM unit WHERE kind = 'county-office'",
    ] {
        sqlx::query(statement).execute(&world.db.pool).await.expect("changed");
    }
    let rebuild = rebuilt(&world, 1).await;
    assert_eq!((rebuild.state(), rebuild.differing_cells), (RebuildState::Different, 3));
    let found: Vec<_> = rebuild
        .examples
        .iter()
        .map(|example| {
            let (unit, cell) = (example.unit.clone().expect("a unit"), example.cell.clone().expect("a cell"));
            (example.month.as_str(), unit.kind, cell.sector, cell.column, cell.filed, cell.now)
        })
        .collect();
    let expected = [
        ("2026-09", "county-office", "mines", 2, 3, 0),
        ("2026-11", "township", "", 12, 45, 40),
        ("2026-11", "township", "fireworks", 8, 0, 500_000),
    ]
    .map(|(month, kind, sector, column, filed, now)| (month, kind.to_owned(), sector.to_owned(), column, filed, now));
    assert_eq!(found, expected);
    assert_eq!(rebuilds::last_differences(&world.db.pool).await.expect("a count"), Some(3));
}

#[tokio::test]
async fn what_a_rebuild_has_found_is_told_by_every_replica() {
    let world = told().await;
    let clock = Arc::new(world.clock.clone());
    let other = Rebuilds::open(world.db.pool.clone(), clock).await.expect("another replica");
    assert_eq!(other.differences(), None);
    sqlx::query("UPDATE cell SET value = value + 5 WHERE col = 12").execute(&world.db.pool).await.expect("changed");
    let found = rebuilt(&world, 1).await.differing_cells;
    assert!(found > 0);
    other.look().await.expect("a look");
    assert_eq!(other.differences(), Some(found));
}

#[tokio::test]
async fn a_note_below_the_form_that_was_changed_or_lost_is_found() {
    let world = told().await;
    let served = world.table(unit("city-office", "city:371300", ""), "2026-11").await;
    assert_eq!((served.verified_true, served.secretaries_warned), (1, 1), "the history has both");
    for statement in ["UPDATE tip_note SET verified_true = verified_true + 1", "DELETE FROM secretary_note"] {
        sqlx::query(statement).execute(&world.db.pool).await.expect("changed");
    }
    let rebuild = rebuilt(&world, 1).await;
    let cells = rebuild.examples.iter().map(|example| example.cell.clone().expect("a cell"));
    let found: Vec<_> = cells.map(|cell| (cell.column, cell.filed, cell.now)).collect();
    assert_eq!(found, [(109, 0, 1), (106, 2, 1)]);
}

#[tokio::test]
async fn a_raw_log_of_more_than_a_page_is_counted_whole() {
    let world = told().await;
    // Copies of one event, each under an id of its own: an act that was confirmed in a case counts once in it.
    sqlx::query(
        "INSERT INTO received (source, event_id, aggregate_id, sequence, event_type, recorded_at, received_at, stream, payload)
         SELECT source, gen_random_uuid(), aggregate_id, 1000 + n, event_type, recorded_at, received_at, stream, payload
         FROM (SELECT * FROM received WHERE event_type = 'dafei.events.v1.ActConfirmed' LIMIT 1) one, generate_series(1, 9000) AS s (n)",
    )
    .execute(&world.db.pool)
    .await
    .expect("kept");
    let rebuild = rebuilt(&world, 1).await;
    assert_eq!((rebuild.state(), rebuild.failure.as_str()), (RebuildState::Equal, ""));
    assert!(rebuild.events > 9000, "{rebuild:?}");
}

#[tokio::test]
async fn of_many_cells_that_differ_the_first_hundred_are_kept() {
    let world = told().await;
    let statement =
        "INSERT INTO cell SELECT unit_id, 202501, number::text, 2, 1 FROM unit, generate_series(1, 150) AS n (number)
                     WHERE kind = 'township'";
    let made_up = sqlx::query(statement).execute(&world.db.pool).await.expect("changed").rows_affected();
    let rebuild = rebuilt(&world, 1).await;
    assert_eq!(rebuild.differing_cells, i64::try_from(made_up).expect("few"));
    assert_eq!(rebuild.examples.len(), 100);
}

#[tokio::test]
async fn what_counts_while_a_rebuild_runs_makes_no_difference() {
    let world = told().await;
    let telling = async {
        for number in 100..160 {
            let case =
                Case::open(number, "HC-2").confirmed(EMERGENCY, NOON).measure(POLICE_STATION, "m", NOON, fine(7));
            for told in &case.told {
                world.publish(told).await;
            }
        }
        world.caught_up().await;
    };
    let rebuilding = async {
        let mut events = Vec::new();
        for request_id in 1..=6 {
            let rebuild = rebuilt(&world, request_id).await;
            assert_eq!(rebuild.state(), RebuildState::Equal, "{rebuild:?}");
            events.push(rebuild.events);
        }
        events
    };
    let ((), events) = tokio::join!(telling, rebuilding);
    assert!(events.is_sorted(), "{events:?}");
    assert_eq!(rebuilt(&world, 9).await.state(), RebuildState::Equal);
}

#[tokio::test]
async fn a_rebuild_is_done_once_for_its_request_and_one_at_a_time() {
    let world = told().await;
    let first = rebuilt(&world, 1).await;
    let again = begin(&world, CITY_OFFICE, 1).await.expect("the first answer");
    assert_eq!((again.state(), again.rebuild_id), (RebuildState::Running, first.rebuild_id));
    let running = shadow::lock(&world.db.pool).await.expect("PostgreSQL").expect("none runs");
    let refused = begin(&world, CITY_OFFICE, 2).await.expect_err("one at a time");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("another rebuild"), "{refused:?}");
    drop(running);
    let next = eventually(SOON, "the lock is free", || async { begin(&world, CITY_OFFICE, 3).await.ok() }).await;
    assert_eq!(ended(&world, &next).await.state(), RebuildState::Equal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_asked_for_again_before_its_row_is_committed_is_the_one_that_was_begun() {
    let world = told().await;
    let held = world.db.hold_answers().await;
    let (first, again) = tokio::join!(begin(&world, CITY_OFFICE, 1), async {
        world.db.until_waiting(1).await;
        let (again, ()) = tokio::join!(begin(&world, CITY_OFFICE, 1), async {
            world.db.until_waiting(2).await;
            held.rollback().await.expect("the first may commit");
        });
        again
    });
    let first = first.expect("begun");
    assert_eq!(again.expect("the first answer"), first);
    assert_eq!(ended(&world, &first).await.state(), RebuildState::Equal);
}

#[tokio::test]
async fn a_rebuild_that_a_restart_broke_off_is_shown_as_failed_and_the_next_one_runs() {
    let world = told().await;
    let id = Uuid::from_u128(77);
    let mut conn = world.db.pool.acquire().await.expect("a connection");
    rebuilds::begin(&mut conn, id, world.clock.now()).await.expect("noted");
    let running = shadow::lock(&world.db.pool).await.expect("PostgreSQL").expect("none runs");
    assert_eq!(get(&world, CITY_OFFICE, "").await.expect("known").state(), RebuildState::Running);
    drop(running);
    let failed = ended(&world, &Rebuild { rebuild_id: id.to_string(), ..Rebuild::default() }).await;
    assert_eq!(failed.state(), RebuildState::Failed);
    assert!(failed.failure.contains("broken off") && failed.finished_at.is_some(), "{failed:?}");
    assert_eq!(rebuilt(&world, 1).await.state(), RebuildState::Equal);
}

#[tokio::test]
async fn an_event_that_can_no_longer_be_counted_breaks_a_rebuild_off_and_is_named() {
    let world = told().await;
    let id = Uuid::from_u128(5);
    sqlx::query(
        "INSERT INTO received (source, event_id, aggregate_id, sequence, event_type, recorded_at, received_at, stream, payload)
         VALUES ('//dafei/dispatch', $1, $1, 1, 'dafei.events.v1.ActConfirmed', now(), now(), 'DAFEI_DISPATCH', '{}')",
    )
    .bind(id)
    .execute(&world.db.pool)
    .await
    .expect("kept");
    let rebuild = rebuilt(&world, 1).await;
    assert_eq!(rebuild.state(), RebuildState::Failed);
    assert!(rebuild.failure.contains(&id.to_string()), "{}", rebuild.failure);
}

#[tokio::test]
async fn only_the_city_s_office_auditors_services_and_admins_rebuild() {
    let world = World::start().await;
    let refused = [
        ((Role::TownshipCentre, "township:371302001", None), Code::PermissionDenied),
        ((Role::CountyOffice, "county:371302", None), Code::PermissionDenied),
        ((Role::Auditor, "county:371302", None), Code::PermissionDenied),
        ((Role::Service, "county:371302", None), Code::PermissionDenied),
        ((Role::Admin, "township:371302001", None), Code::PermissionDenied),
    ];
    for (caller, code) in refused {
        assert_eq!(begin(&world, caller, 1).await.expect_err("refused").code(), code);
        assert_eq!(get(&world, caller, "").await.expect_err("refused").code(), code);
    }
    for role in [Role::CityOffice, Role::Auditor, Role::Service, Role::Admin] {
        let missing = get(&world, (role, "city:371300", None), "").await.expect_err("none yet");
        assert_eq!(missing.code(), Code::NotFound);
    }
    assert_eq!(get(&world, CITY_OFFICE, "x").await.expect_err("no id").code(), Code::InvalidArgument);
    let no_id = world.request(CITY_OFFICE, RebuildTablesRequest::default());
    let refused = world.rebuilds().rebuild_tables(no_id).await.expect_err("no id");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
