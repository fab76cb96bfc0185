//! Moving the exercise clock, and health.

use crate::fakes::{FakeSuite, instant};

const START: &str = "2026-11-23T08:00:00Z";

#[tokio::test]
async fn the_clock_goes_from_due_instant_to_due_instant_and_waits_for_rest_in_between() {
    let suite = FakeSuite::start(START).await;
    let (first, second, beyond) = ("2026-11-23T09:00:00Z", "2026-11-24T00:00:00.000001Z", "2026-12-01T00:00:00Z");
    suite.world().dues.insert("sla-monitor", [first, beyond].map(instant).into());
    suite.world().dues.insert("dispatch", vec![instant(second)]);
    let (done, said) = suite.run(&["clock", "+2d"]).await;
    assert!(done, "{said}");
    let target = instant("2026-11-25T08:00:00Z");
    let world = suite.world();
    assert_eq!(world.moves, [instant(START), instant(first), instant(second), target]);
    assert!(world.clocks.values().all(|clock| *clock == target), "{:?}", world.clocks);
    assert_eq!(world.hasty, 0, "a clock was set before all services were at rest");
    assert!(said.contains("2026-11-23 17:00:00 红灯 K3"), "{said}");
    assert!(said.contains("演练时钟：2026-11-25 16:00:00"), "{said}");
}

#[tokio::test]
async fn a_move_that_was_broken_off_is_taken_up_from_the_latest_clock() {
    let suite = FakeSuite::start(START).await;
    let ahead = instant("2026-11-23T10:00:00Z");
    suite.world().clocks.insert("reporting", ahead);
    let (done, said) = suite.run(&["clock", "set", "2026-11-23T19:00:00+08:00"]).await;
    assert!(done, "{said}");
    assert_eq!(suite.world().moves, [ahead, instant("2026-11-23T11:00:00Z")]);
}

#[tokio::test]
async fn the_clock_never_goes_back_and_a_system_clock_is_not_moved() {
    let suite = FakeSuite::start(START).await;
    let (done, said) = suite.run(&["clock", "set", "2026-11-22T00:00:00Z"]).await;
    assert!(!done && said.contains("never goes back"), "{said}");
    suite.world().exercise = false;
    let (done, said) = suite.run(&["clock", "+1h"]).await;
    assert!(!done && said.contains("system clock"), "{said}");
    assert!(suite.world().clocks.values().all(|clock| *clock == instant(START)));
}

#[tokio::test]
async fn health_tells_by_its_exit_status_whether_all_four_serve() {
    let suite = FakeSuite::start(START).await;
    let (well, said) = suite.run(&["health", "--wait", "60s"]).await;
    assert!(well && said.contains("sla-monitor: serving"), "{said}");
    let output = suite.tool(&["health"]).env("DAFEI_REPORTING_ADDR", "http://127.0.0.1:1").output().await;
    let output = output.expect("the binary runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("reporting"));
}

#[tokio::test]
async fn who_was_given_a_token_needs_no_key_and_can_sign_none() {
    let suite = FakeSuite::start(START).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "given.by.somebody\n").expect("the token");
    let tool = |words: &[&str]| {
        let mut tool = suite.tool(words);
        tool.env_remove("DAFEI_KEYS_DIR").env("DAFEI_TOKEN_FILE", file.path());
        tool
    };
    let moved = tool(&["clock", "+1h"]).output().await.expect("the binary runs");
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let signed = tool(&["token", "--role", "admin", "--region", "city:371300"]).output().await.expect("it runs");
    assert!(!signed.status.success());
    assert!(String::from_utf8_lossy(&signed.stderr).contains("DAFEI_TOKEN_FILE"));
}

#[tokio::test]
async fn a_missing_setting_is_named() {
    let suite = FakeSuite::start(START).await;
    let output = suite.tool(&["clock", "+1h"]).env_remove("DAFEI_KEYS_DIR").output().await.expect("the binary runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("DAFEI_KEYS_DIR"));
}
