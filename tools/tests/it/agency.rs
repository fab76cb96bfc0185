//! Credentials for an agency's system, on a real NATS server.

use std::fs;

use dafei_testkit::{TestNats, TestNatsOptions};
use serde_json::Value;

use crate::fakes::FakeSuite;

#[tokio::test]
async fn credentials_open_the_agency_s_own_feedback_subject_and_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let suite = FakeSuite::start("2026-11-23T08:00:00Z").await;
    let place = dir.path().to_str().expect("a path");
    let (done, said) = suite.run(&["nats-accounts", "--dir", place]).await;
    assert!(done, "{said}");
    // The server takes an include as relative to its own configuration, which lies in a temporary directory beside this one.
    let name = dir.path().file_name().and_then(|name| name.to_str()).expect("a name");
    let extra = format!("pid_file: {:?}\ninclude \"../{name}/accounts.conf\"\n", dir.path().join("nats.pid"));
    let nats = TestNats::with(TestNatsOptions { extra, ..TestNatsOptions::default() }).await;
    let register: Value = read(&fs::read_to_string(dir.path().join("agencies.json")).expect("the register"));
    let services = login(&nats.url(), &register["suite"]).await;
    let js = async_nats::jetstream::new(services);
    let config = async_nats::jetstream::stream::Config {
        name: "DAFEI_FEEDBACK".to_owned(),
        subjects: vec!["dafei.v1.feedback.>".to_owned()],
        ..Default::default()
    };
    js.create_stream(config).await.expect("a stream");

    let arguments = ["agency-creds", "fire-rescue", "county", "371302"];
    let url = nats.url();
    let (done, said) = suite.run_in(&arguments, Some((&url, dir.path()))).await;
    assert!(done, "{said}");
    let credentials = read(&said);
    assert_eq!(credentials["durable"], "A_fire-rescue_county_371302");
    assert_eq!(credentials["api_prefix"], "DAFEI.API");
    assert_eq!(credentials["feedback_prefix"], "dafei.v1.feedback.fire-rescue.county.371302");
    let agency = login(&url, &credentials).await;
    let own = agency.request("dafei.v1.feedback.fire-rescue.county.371302.result", "{}".into()).await;
    assert_eq!(read(&String::from_utf8_lossy(&own.expect("stored").payload))["stream"], "DAFEI_FEEDBACK");
    let other = agency.request("dafei.v1.feedback.postal.county.371302.result", "{}".into()).await;
    assert!(other.is_err(), "another agency's subject: {other:?}");

    // Done again it gives the same credentials, and one more agency leaves the first connected.
    let (_, again) = suite.run_in(&arguments, Some((&url, dir.path()))).await;
    assert_eq!(read(&again), credentials);
    let (done, said) = suite.run_in(&["agency-creds", "postal", "county", "371302"], Some((&url, dir.path()))).await;
    assert!(done, "{said}");
    let own = agency.request("dafei.v1.feedback.fire-rescue.county.371302.result", "{}".into()).await;
    assert!(own.is_ok(), "{own:?}");
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn login(url: &str, login: &Value) -> async_nats::Client {
    let text = |key: &str| login[key].as_str().expect("a text").to_owned();
    async_nats::ConnectOptions::with_user_and_password(text("user"), text("password"))
        .connect(url)
        .await
        .expect("the server lets the user in")
}
