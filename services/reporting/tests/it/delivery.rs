//! However the events come, the tables are the same.

use dafei_contracts::events::v1::{NoticeKind, TipVerdict};
use dafei_kernel::ids;

use crate::{
    events::{CENTRE, Case, EMERGENCY, POLICE_STATION, SECRETARY, Told, close, criminal, fine, kind, stop},
    intake_events::{Book, Inspection, TOWNSHIP, reward_paid},
    world::{World, total, unit},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";

/// Of dispatch, case by case, and of intake.
pub(crate) fn history() -> Vec<Vec<Told>> {
    let tip = ids::derived(&["tip", "1"]);
    let cases = vec![
        Case::open(1, "FW-1").confirmed(POLICE_STATION, NOON).measure(POLICE_STATION, "m", NOON, close()),
        Case::open(2, "HC-2").confirmed(EMERGENCY, NOON).measure(EMERGENCY, "m", NOON, fine(7)).measure(
            EMERGENCY,
            "n",
            NOON,
            criminal(2),
        ),
        Case::open(3, "MI-1").of_enterprise("91371302MA3C000015").measure(EMERGENCY, "m", NOON, stop()),
        Case::open(4, "FW-1").verified(POLICE_STATION, tip, TipVerdict::True, NOON),
    ];
    let inspection = Inspection::of_enterprise(1, EMERGENCY, NOON, "91371302MA3C000015")
        .act("HC-1", None)
        .measure("m", NOON, fine(9))
        .told();
    let book = Book::default()
        .notice(SECRETARY, NoticeKind::Reward, 3, NOON)
        .notice(SECRETARY, NoticeKind::Work, 1, NOON)
        .leaflets(CENTRE, 40, NOON);
    let intake = [vec![inspection, reward_paid(1, CENTRE, TOWNSHIP, NOON, 500_000)], book.told];
    cases.into_iter().map(|case| case.told).chain(intake).collect()
}

async fn tables(world: &World) -> Vec<dafei_contracts::reporting::v1::GetMonthlyTableResponse> {
    let mut tables = Vec::new();
    for unit in [
        unit("township", "township:371302001", ""),
        unit("county-department", "county:371302", "emergency-management"),
        unit("county-office", "county:371302", ""),
        unit("city-office", "city:371300", ""),
    ] {
        tables.push(world.table(unit, NOVEMBER).await);
    }
    tables
}

#[tokio::test]
async fn repeated_and_reordered_events_give_the_same_tables() {
    let (ordered, mixed) = (World::start().await, World::start().await);
    for told in history() {
        ordered.tell(&told).await;
    }
    // Backwards and all of it twice: what comes too early waits until the gap before it is filled.
    let told: Vec<Told> = history().into_iter().flatten().collect();
    for event in told.iter().rev().chain(&told) {
        mixed.publish(event).await;
    }
    mixed.caught_up().await;
    assert_eq!(mixed.parked().await, 0);
    let expected = tables(&ordered).await;
    let filled = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12].map(|column| total(&expected[3], column));
    assert_eq!(filled, [1, 3, 1, 16, 2, 1, 1, 500_000, 3, 40]);
    assert_eq!(tables(&mixed).await, expected);
}

#[tokio::test]
async fn a_rebuilt_projection_is_equal_to_the_old_one() {
    let world = World::start().await;
    for told in history() {
        world.tell(&told).await;
    }
    let before = tables(&world).await;
    let facts = dump(&world).await;
    dafei_reporting::consumer::rebuild(&world.db.pool).await.expect("forgotten");
    // A consumer that had nothing more to read finds out with the next message, of whatever kind.
    world.watermarks().await;
    world.read_again().await;
    assert_eq!(tables(&world).await, before);
    assert_eq!(dump(&world).await, facts);
    // And it goes on from there.
    world.tell(&Case::open(9, "HC-2").confirmed(EMERGENCY, NOON).told).await;
    assert_eq!(total(&tables(&world).await[3], 2), total(&before[3], 2) + 1);
}

/// Every row of the projection, as text.
async fn dump(world: &World) -> Vec<String> {
    let mut rows = Vec::new();
    for table in ["unit", "fact", "counted_key", "cell"] {
        let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
        let found: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&world.db.pool).await.expect("rows");
        rows.extend(found);
    }
    rows
}

#[tokio::test]
async fn an_event_that_cannot_be_counted_falls_out_alone_and_holds_up_only_its_case() {
    let world = World::start().await;
    let broken = Case::open(1, "HC-2").confirmed(EMERGENCY, NOON).measure(EMERGENCY, "m", NOON, fine(1));
    let sound = Case::open(2, "HC-2").confirmed(EMERGENCY, NOON);
    world.publish(&broken.told[0]).await;
    assert_eq!(kind(&broken.told[1]), "dafei.events.v1.ActConfirmed");
    let subject = broken.told[1].event.subject().expect("a subject").to_string();
    world.publish_bytes(&broken.told[1], subject, b"{\"act\":".to_vec()).await;
    world.publish(&broken.told[2]).await;
    world.tell(&sound.told).await;
    let table = world.table(unit("county-office", "county:371302", ""), NOVEMBER).await;
    assert_eq!([total(&table, 2), total(&table, 4)], [1, 0]);
    let letters: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letter").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(letters, 1);
    assert_eq!(world.parked().await, 1);
}
