//! The relay: order, all or nothing, no doubles, servers that go away.

use dafei_messaging::{event::NewEvent, log, relay::RelayConfig, streams::StreamSpec, tx};
use dafei_testkit::eventually;

use crate::support::{
    Bus, PATIENCE, STREAM, TRACE, Until, by_aggregate, config, event, event_id, headers, spec, start_of_tests,
};

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_the_stream_once_and_in_the_order_of_each_aggregate() {
    let bus = Bus::start().await;
    let _relay = bus.relay();
    let writers = (1..=6_u128).map(|aggregate| {
        let (pool, clock) = (bus.db.pool.clone(), bus.clock.clone());
        tokio::spawn(async move {
            for sequence in 1..=25 {
                crate::support::write(&pool, &*clock, &[(aggregate, sequence)]).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("written");
    }
    bus.drained().await;
    let stored = by_aggregate(&bus.stored().await);
    assert_eq!(stored.len(), 6);
    for sequences in stored.values() {
        assert_eq!(*sequences, (1..=25).collect::<Vec<i64>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_carries_cloudevents_headers_the_trace_and_its_bytes() {
    let bus = Bus::start().await;
    let _relay = bus.relay();
    bus.write(&[(7, 1)]).await;
    bus.drained().await;
    let message =
        bus.messages().await.into_iter().find(|message| !crate::support::is_watermark(message)).expect("the event");
    let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned());
    let id = crate::support::event_id(7, 1).to_string();
    assert_eq!(message.subject.as_str(), "t.intake.7");
    assert_eq!(message.payload.as_ref(), b"7/1");
    assert_eq!(header("ce-specversion").as_deref(), Some("1.0"));
    assert_eq!(header("ce-id"), Some(id.clone()));
    assert_eq!(header("Nats-Msg-Id"), Some(id));
    assert_eq!(header("ce-type").as_deref(), Some("t.Happened"));
    assert_eq!(header("ce-source").as_deref(), Some("intake"));
    assert_eq!(header("ce-time"), Some(start_of_tests().to_string()));
    assert_eq!(header("ce-subject"), Some(uuid::Uuid::from_u128(7).to_string()));
    assert_eq!(header("ce-sequence").as_deref(), Some("1"));
    assert_eq!(header("traceparent").as_deref(), Some(TRACE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let bus = Bus::start().await;
    let mut tx = tx::begin_write(&bus.db.pool).await.expect("a transaction");
    let astray = NewEvent { subject: "nowhere.x".to_owned(), ..event(1, 2, start_of_tests()) };
    let events = [event(1, 1, start_of_tests()), astray, event(1, 3, start_of_tests())];
    log::append(&mut tx, &events).await.expect("appended");
    tx::commit(tx).await.expect("committed");
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.last_error.is_some()).await;
    assert_eq!(bus.stored().await, [], "no part of a batch that cannot be stored whole");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&bus.db.pool).await.expect("a count");
    assert_eq!(left, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_settling_was_lost_is_not_published_again() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    relay.stop().await;
    // The publishing succeeds, the settling behind it does not: as after a kill between the two.
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .execute(&bus.db.pool)
    .await
    .expect("a trigger");
    bus.write(&[(1, 2), (1, 3)]).await;
    let relay = bus.relay();
    eventually(PATIENCE, "the batch is in the stream", async || (bus.stored().await.len() >= 3).then_some(())).await;
    relay.kill().await;
    sqlx::raw_sql("DROP TRIGGER refuse ON outbox").execute(&bus.db.pool).await.expect("the trigger is gone");
    bus.write(&[(1, 4)]).await;
    let _relay = bus.relay();
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 4)]);
}

/// How often an event of the log was looked for by its aggregate, as the server has counted so far.
async fn looked_for_by_aggregate(bus: &Bus) -> i64 {
    sqlx::query_scalar(
        "SELECT COALESCE(sum(s.idx_scan), 0)::bigint
         FROM pg_stat_user_indexes s JOIN pg_inherits i ON i.inhrelid = s.indexrelid
         WHERE i.inhparent = 'event_log_by_aggregate'::regclass",
    )
    .fetch_one(&bus.db.pool)
    .await
    .expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_stream_already_is_found_in_a_long_log_by_its_aggregate() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    sqlx::raw_sql(
        "INSERT INTO event_log
             (event_id, aggregate_id, sequence, recorded_at, stream, subject, event_type, source, payload)
         SELECT gen_random_uuid(), gen_random_uuid(), 1, '2026-03-02T08:00:00Z', 'OTHER', 's', 't', 'x', ''
         FROM generate_series(1, 20000);
         ANALYZE event_log",
    )
    .execute(&bus.db.pool)
    .await
    .expect("a long log");
    // Published and not settled, as after a kill between the two.
    let published = [(1, 1), (1, 2), (2, 1)];
    bus.write(&published).await;
    for (aggregate, sequence) in published {
        let mut headers = headers(aggregate, sequence);
        headers.insert("Nats-Msg-Id", event_id(aggregate, sequence).to_string());
        bus.publish_headers(headers, format!("{aggregate}/{sequence}")).await;
    }
    let _relay = bus.relay();
    bus.drained().await;
    assert_eq!(bus.stored().await, published);
    // Each is looked for once.
    eventually(PATIENCE, "no more than that is read of the log", async || {
        (looked_for_by_aggregate(&bus).await >= 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_relay_neither_loses_nor_doubles() {
    let bus = Bus::start().await;
    for round in 0..8_i64 {
        let relay = bus.relay();
        let first = round * 40 + 1;
        for sequence in first..first + 40 {
            bus.write(&[(1, sequence)]).await;
        }
        relay.kill().await;
    }
    let _relay = bus.relay();
    bus.drained().await;
    assert_eq!(by_aggregate(&bus.stored().await)[&1], (1..=320).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_goes_on_after_nats_was_killed() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    for sequence in 1..=20 {
        bus.write(&[(1, sequence)]).await;
    }
    bus.nats.kill();
    for sequence in 21..=40 {
        bus.write(&[(1, sequence)]).await;
    }
    relay.handle.watch().until(|status| status.last_error.is_some()).await;
    bus.nats.restart().await;
    bus.drained().await;
    assert_eq!(by_aggregate(&bus.stored().await)[&1], (1..=40).collect::<Vec<i64>>());
    relay.handle.watch().until(|status| status.last_error.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_goes_on_after_its_database_connections_were_cut() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    relay.handle.watch().until(|status| status.active).await;
    bus.db.cut_connections().await;
    eventually(PATIENCE, "a write goes through again", async || {
        let mut tx = tx::begin_write(&bus.db.pool).await.ok()?;
        log::append(&mut tx, &[event(1, 2, start_of_tests())]).await.ok()?;
        tx::commit(tx).await.ok()
    })
    .await;
    eventually(PATIENCE, "the relay publishes again", async || (bus.stored().await.len() == 2).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_batch_of_events_goes_out_in_several() {
    let bus = Bus::start().await;
    let events: Vec<(u128, i64)> = (1..=2_500).map(|sequence| (1, sequence)).collect();
    bus.write(&events).await;
    let relay = bus.relay();
    bus.drained().await;
    assert_eq!(bus.stored().await, events);
    relay.handle.watch().until(|status| status.published == 2_500).await;
    let state: i64 = sqlx::query_scalar("SELECT last_sequence FROM relay_state WHERE stream = $1")
        .bind(STREAM)
        .fetch_one(&bus.db.pool)
        .await
        .expect("the fence");
    assert!(state >= 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_cannot_be_had_keep_nothing_from_being_published() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    // A single server has room for one.
    let wished = StreamSpec { replicas: 3, ..spec() };
    let _relay = bus.relay_with(RelayConfig { streams: vec![wished], ..config() });
    bus.write(&[(1, 1), (2, 1)]).await;
    bus.drained().await;
    assert_eq!(bus.stored().await.len(), 2);
}
