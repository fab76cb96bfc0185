//! Streams of cases: nothing is lost or repeated between a list, a stream, and the stream after it.

use dafei_contracts::{
    Event, Stream,
    dispatch::v1::{self as api, InboxKind},
};
use dafei_kernel::role::Role;
use dafei_messaging::streams::ensure_streams;
use dafei_testkit::eventually;
use jiff::SignedDuration;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    access::reason,
    suite::{CITY, COUNTY, Caller, OTHER_COUNTY, PATIENCE, Suite, TOWNSHIP, VILLAGE, WATCHERS, streams, wire_region},
    tips::Tip,
};

pub(crate) type Changes = Streaming<api::WatchCasesResponse>;

pub(crate) async fn watch(caller: &Caller, region: &str, token: &str) -> Result<Changes, Status> {
    let request = api::WatchCasesRequest { region: Some(wire_region(region)), watch_token: token.to_owned() };
    Ok(caller.inboxes().watch_cases(request).await?.into_inner())
}

async fn message(changes: &mut Changes) -> Result<Option<api::WatchCasesResponse>, Status> {
    timeout(PATIENCE, changes.message()).await.expect("in time")
}

/// The next change with the token behind it; heartbeats are passed over.
pub(crate) async fn next(changes: &mut Changes) -> (api::WatchCasesResponse, String) {
    loop {
        let message = message(changes).await.expect("goes on").expect("goes on");
        if !message.case_id.is_empty() {
            let token = message.watch_token.clone();
            return (message, token);
        }
    }
}

fn seen(change: &api::WatchCasesResponse) -> (String, i64, String) {
    let event = Event::from_json(&change.r#type, change.payload_json.as_bytes()).expect("JSON of its type");
    (change.case_id.clone(), change.version, event.expect("of the catalogue").kind().fact.to_owned())
}

fn expected(case: Uuid, sequence: i64, fact: &str) -> (String, i64, String) {
    (case.to_string(), sequence, fact.to_owned())
}

/// The watch token of the centre's inbox, once there is one.
async fn listed(suite: &Suite) -> String {
    listed_by(&suite.centre()).await
}

pub(crate) async fn listed_by(caller: &Caller) -> String {
    eventually(PATIENCE, "a watch token", || async {
        let request = api::ListInboxRequest { kind: InboxKind::Open.into(), ..Default::default() };
        let page = caller.inboxes().list_inbox(request).await.expect("a page").into_inner();
        (!page.watch_token.is_empty()).then_some(page.watch_token)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_goes_on_behind_its_list_and_behind_its_last_message() {
    let suite = Suite::start().await;
    let token = listed(&suite).await;
    let first = suite.report().await;
    let mut changes = watch(&suite.centre(), TOWNSHIP, &token).await.expect("a stream");
    let (change, _) = next(&mut changes).await;
    assert_eq!(seen(&change), expected(first, 1, "case-opened"));
    assert_eq!(change.r#type, "dafei.events.v1.CaseOpened");
    suite.centre().escalate(first).await.expect("escalated");
    let (change, token) = next(&mut changes).await;
    assert_eq!(seen(&change), expected(first, 2, "escalated"), "the county's part of its case, too");
    drop(changes);
    // While nobody watches.
    let second = suite.report().await;
    suite.office().assign(first).await.expect("assigned");
    let mut changes = watch(&suite.centre(), TOWNSHIP, &token).await.expect("a stream");
    let pair = [next(&mut changes).await.0, next(&mut changes).await.0];
    let wanted = [expected(second, 1, "case-opened"), expected(first, 3, "department-instructed")];
    assert_eq!(pair.each_ref().map(seen), wanted);
    let third = suite.report().await;
    assert_eq!(seen(&next(&mut changes).await.0), expected(third, 1, "case-opened"), "and goes on live");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_says_so() {
    let suite = Suite::start().await;
    let token = listed(&suite).await;
    let mut changes = watch(&suite.office(), COUNTY, "").await.expect("a stream");
    let case = suite.report().await;
    assert_eq!(seen(&next(&mut changes).await.0), expected(case, 1, "case-opened"));
    suite.js.delete_stream(Stream::Dispatch.name()).await.expect("deleted");
    let ended = loop {
        match message(&mut changes).await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(ended.expect_err("it says so").code(), Code::Unavailable);
    ensure_streams(&suite.js, &streams()).await.expect("made anew");
    let stale = watch(&suite.centre(), TOWNSHIP, &token).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "WATCH_TOKEN_STALE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_its_region_alone_and_no_township_a_case_that_may_accuse_it() {
    let suite = Suite::start().await;
    let token = listed(&suite).await;
    let mut below = watch(&suite.centre(), TOWNSHIP, &token).await.expect("a stream");
    let mut above = watch(&suite.office(), COUNTY, "").await.expect("a stream");
    let secretary = suite.caller(Role::VillageSecretary, VILLAGE, None);
    let mut village = watch(&secretary, VILLAGE, "").await.expect("a stream");
    let at_office = Tip::to_office().opened(&suite).await;
    let at_centre = Tip::to_centre().opened(&suite).await;
    let report = suite.report().await;
    let opened = |case| expected(case, 1, "case-opened");
    for case in [at_office.case, at_centre.case, report] {
        assert_eq!(seen(&next(&mut above).await.0), opened(case));
    }
    for case in [at_centre.case, report] {
        assert_eq!(seen(&next(&mut below).await.0), opened(case), "not the one at the office");
    }
    assert_eq!(seen(&next(&mut village).await.0), opened(report), "no tip");
    drop((above, below, village));

    let outside = watch(&suite.centre(), COUNTY, "").await.expect_err("above it");
    assert_eq!((outside.code(), reason(&outside).as_str()), (Code::PermissionDenied, "OUT_OF_SCOPE"));
    let bank = watch(&suite.caller(Role::Bank, CITY, None), CITY, "").await.expect_err("no reader");
    assert_eq!(reason(&bank), "ROLE_NOT_ALLOWED");
    for (region, token) in [(COUNTY, token.as_str()), (OTHER_COUNTY, token.as_str()), (TOWNSHIP, "7b7d")] {
        let refused = watch(&suite.admin(), region, token).await.expect_err("not of this region");
        assert_eq!(reason(&refused), "INVALID_WATCH_TOKEN");
        let details = refused.get_error_details();
        assert_eq!(details.bad_request().expect("a field").field_violations[0].field, "watch_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_watch_and_a_place_is_free_when_one_goes() {
    let suite = Suite::start().await;
    listed(&suite).await;
    let mut watching = Vec::new();
    for _ in 0..WATCHERS {
        watching.push(watch(&suite.office(), COUNTY, "").await.expect("a place"));
    }
    let full = watch(&suite.office(), COUNTY, "").await.expect_err("no place");
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert!(full.get_error_details().retry_info().expect("when to come back").retry_delay.is_some());
    watching.pop();
    eventually(PATIENCE, "a free place", || async { watch(&suite.office(), COUNTY, "").await.ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_and_with_the_service() {
    let suite = Suite::start().await;
    listed(&suite).await;
    // A slow machine may take longer than the token is good for.
    let mut seconds = 3;
    let mut expiring = loop {
        let soon = SignedDuration::from_secs(seconds);
        let short = suite.for_a_time("short", (Role::CountyOffice, COUNTY, None), soon);
        if let Ok(mut stream) = watch(&short, COUNTY, "").await
            && let Ok(Some(heartbeat)) = message(&mut stream).await
        {
            assert!(heartbeat.case_id.is_empty() && !heartbeat.watch_token.is_empty());
            break stream;
        }
        seconds *= 3;
        assert!(seconds < 100, "no stream as long as the token is good");
    };
    let ended = loop {
        match message(&mut expiring).await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    let status = ended.expect_err("the token is over");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    let mut ending = watch(&suite.office(), COUNTY, "").await.expect("a stream");
    message(&mut ending).await.expect("goes on").expect("a heartbeat");
    suite.token.cancel();
    while let Some(heartbeat) = message(&mut ending).await.expect("a clean end") {
        assert!(heartbeat.case_id.is_empty());
    }
}
