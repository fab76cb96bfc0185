//! What counts is kept as it was received.

use dafei_reporting::{consumer, counting};
use uuid::Uuid;

use crate::{
    accountability::Entry,
    delivery::history,
    events::{CENTRE, OFFICE, Told, kind},
    intake_events::TOWNSHIP,
    world::World,
};

const NOON: &str = "2026-11-12T12:00:00+08:00";

/// All that counts, and the accountability ledger's word.
fn told() -> Vec<Told> {
    let decided =
        Entry::new(1, TOWNSHIP, "fireworks").decided(OFFICE, NOON, &[(CENTRE, "赵主任", "warning-talk", true)]);
    history().into_iter().flatten().chain([decided]).collect()
}

/// Event id, source, aggregate, sequence, type, stream, payload.
type Row = (Uuid, String, Uuid, i64, String, String, Vec<u8>);

async fn kept(world: &World) -> Vec<Row> {
    sqlx::query_as(
        "SELECT event_id, source, aggregate_id, sequence, event_type, stream, payload FROM received ORDER BY event_id",
    )
    .fetch_all(&world.db.pool)
    .await
    .expect("rows")
}

#[tokio::test]
async fn what_counts_is_kept_as_it_was_received_and_what_comes_again_adds_nothing() {
    let world = World::start().await;
    let told = told();
    world.tell(&told).await;
    let mut expected: Vec<Row> = told
        .iter()
        .filter(|told| counting::counts(kind(told)))
        .map(|told| {
            let stream = told.event.kind().stream.name().to_owned();
            let payload = told.event.to_json().expect("JSON");
            let source = dafei_shell::publish::source(told.service).to_string();
            (told.event_id, source, told.aggregate, told.sequence, kind(told).to_owned(), stream, payload)
        })
        .collect();
    expected.sort();
    assert!(expected.len() < told.len(), "a case's opening does not count");
    assert_eq!(kept(&world).await, expected);
    world.tell(&told).await;
    assert_eq!(kept(&world).await, expected);
    consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    assert_eq!(kept(&world).await, expected);
}

#[tokio::test]
async fn events_of_an_aggregate_are_kept_in_its_order_however_they_come() {
    let world = World::start().await;
    for event in told().iter().rev() {
        world.publish(event).await;
    }
    world.caught_up().await;
    let reversed: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM received a JOIN received b USING (source, aggregate_id)
         WHERE a.sequence < b.sequence AND a.position > b.position",
    )
    .fetch_one(&world.db.pool)
    .await
    .expect("a count");
    assert_eq!(reversed, 0);
}

#[tokio::test]
async fn nothing_that_was_received_can_be_changed_or_deleted() {
    let world = World::start().await;
    world.tell(&told()).await;
    for statement in ["DELETE FROM received", "UPDATE received SET sequence = 0", "TRUNCATE received"] {
        let refused = sqlx::query(statement).execute(&world.db.pool).await.expect_err("append-only");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}
