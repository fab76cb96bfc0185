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

#[tokio::test]
async fn a_login_is_changed_while_its_client_goes_over_and_the_others_stay_connected() {
    let dir = tempfile::tempdir().expect("a directory");
    let suite = FakeSuite::start("2026-11-23T08:00:00Z").await;
    let place = dir.path().to_str().expect("a path");
    let (done, said) = suite.run(&["nats-accounts", "--dir", place]).await;
    assert!(done, "{said}");
    let name = dir.path().file_name().and_then(|name| name.to_str()).expect("a name");
    let extra = format!("pid_file: {:?}\ninclude \"../{name}/accounts.conf\"\n", dir.path().join("nats.pid"));
    let nats = TestNats::with(TestNatsOptions { extra, ..TestNatsOptions::default() }).await;
    let url = nats.url();
    let run = async |arguments: &[&str]| {
        let (done, said) = suite.run_in(arguments, Some((&url, dir.path()))).await;
        assert!(done, "{said}");
        read(&said)
    };
    // All 14 agencies of a county, each in its own account.
    let all = run(&["agency-creds-all", "county:371302"]).await;
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 14);
    let of = |agency: &str| all.iter().find(|one| one["agency"] == agency).expect("its credentials");
    let (postal, fire) = (login(&url, of("postal")).await, login(&url, of("fire-rescue")).await);
    let still = |client: &async_nats::Client| client.connection_state() == async_nats::connection::State::Connected;
    let mut events = watched(&url, of("energy")).await;
    let next = run(&["agency-rotate", "postal", "county", "371302"]).await;
    assert_ne!(next["password"], of("postal")["password"]);
    let gone_over = login(&url, &next).await;
    assert!(still(&postal) && still(&fire), "the old login is let in as long as its client needs it");
    login(&url, of("postal")).await;
    let finished = run(&["agency-rotate", "postal", "county", "371302", "--finish"]).await;
    assert_eq!(finished["password"], next["password"]);
    let text = |key: &str| of("postal")[key].as_str().expect("a text").to_owned();
    let old = async_nats::ConnectOptions::with_user_and_password(text("user"), text("password")).connect(&url).await;
    assert!(old.is_err(), "the old login is let in no longer");
    assert!(still(&gone_over) && still(&fire));
    assert!(events.try_recv().is_err(), "another agency's client saw no disconnect");
    let (done, said) =
        suite.run_in(&["agency-rotate", "postal", "county", "371302", "--finish"], Some((&url, dir.path()))).await;
    assert!(!done && said.contains("no change"), "{said}");
    // Each county of the roster; who has a login keeps it.
    let everywhere = run(&["agency-creds-all", "--all-counties"]).await;
    let everywhere = everywhere.as_array().expect("a list");
    let counties = |code: &str| everywhere.iter().filter(|one| one["region"]["code"] == code).count();
    assert_eq!((everywhere.len(), counties("371302"), counties("371311")), (28, 14, 14));
    assert!(everywhere.iter().any(|one| one["password"] == of("fire-rescue")["password"]));
    assert!(!suite.run_in(&["agency-creds-all"], Some((&url, dir.path()))).await.0, "of which regions?");
}

/// A client that notes when it is disconnected.
async fn watched(url: &str, login: &Value) -> tokio::sync::mpsc::Receiver<async_nats::Event> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    let text = |key: &str| login[key].as_str().expect("a text").to_owned();
    let client = async_nats::ConnectOptions::with_user_and_password(text("user"), text("password"))
        .event_callback(move |event| {
            let sender = sender.clone();
            async move {
                if matches!(event, async_nats::Event::Disconnected) {
                    let _ = sender.send(event).await;
                }
            }
        })
        .connect(url)
        .await
        .expect("the server lets the user in");
    // Kept for the test's life: a client that is dropped disconnects.
    std::mem::forget(client);
    receiver
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
