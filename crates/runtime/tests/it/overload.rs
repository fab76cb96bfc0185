//! More calls than the process bears: who is refused, how, and who never is.

use std::time::Duration;

use dafei_runtime::{
    config::{Common, Service},
    identity::{Verifier, mint::Minter},
    lifecycle::Lifecycle,
    telemetry::Telemetry,
};
use tokio::task::JoinHandle;
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::support::{
    AUDIENCE, ISSUER, Probe, Served, call, eventually, good, reason, reflection, serve, settings, stream_of, who,
    within,
};

struct Limited {
    served: Served,
    probe: Probe,
    token: String,
    header: String,
}

impl Limited {
    /// A server with one limit lowered.
    async fn by(key: &str, limit: &str) -> Self {
        let minter = Minter::generate().unwrap();
        let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, AUDIENCE).unwrap();
        let common = Common::read(&settings().with(key, limit), Service::Intake).unwrap();
        let probe = Probe::default();
        let served = serve(Lifecycle::new(&common, Telemetry::none()), probe.clone(), verifier).await;
        let token = minter.sign(&good()).unwrap();
        Self { served, probe, header: format!("Bearer {token}"), token }
    }

    /// A call that is in flight until it is let.
    async fn held(&self, channel: &Channel) -> JoinHandle<Result<String, Status>> {
        let (channel, header) = (channel.clone(), self.header.clone());
        let calling = tokio::spawn(async move { call(&channel, "Hold", &[("authorization", &header)]).await });
        within(self.probe.held.arrived.acquire()).await.unwrap().forget();
        calling
    }

    fn let_go(&self, calls: usize) {
        self.probe.held.release.add_permits(calls);
    }
}

async fn healthy(channel: &Channel) -> bool {
    let request = HealthCheckRequest { service: "test.Probe".to_owned() };
    HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner().status == 1
}

#[tokio::test]
async fn above_the_limit_of_the_process_calls_are_refused_at_once_and_below_it_they_pass_again() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "2").await;
    // Each on a connection of its own: the limit is the process's.
    let (one, other) = (limited.served.channel().await, limited.served.channel().await);
    let held = [limited.held(&one).await, limited.held(&other).await];
    let full = within(who(&one, &limited.token)).await.unwrap_err();
    assert_eq!((full.code(), reason(&full).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    let details = full.get_error_details();
    let delay = details.retry_info().expect("when to come back").retry_delay.expect("a time");
    assert!(delay >= Duration::from_secs(1) && delay <= Duration::from_secs(2), "{delay:?}");
    assert_eq!(details.localized_message().unwrap().locale, "zh-CN");
    limited.let_go(2);
    for calling in held {
        assert_eq!(within(calling).await.unwrap().unwrap(), "released");
    }
    eventually(|| async { who(&one, &limited.token).await.is_ok() }).await;
}

#[tokio::test]
async fn health_is_never_refused() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "1").await;
    let channel = limited.served.channel().await;
    let held = limited.held(&channel).await;
    assert_eq!(who(&channel, &limited.token).await.unwrap_err().code(), Code::ResourceExhausted);
    assert!(healthy(&channel).await);
    limited.let_go(1);
    within(held).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_has_no_token_takes_nobodys_place_and_is_told_so() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "1").await;
    let channel = limited.served.channel().await;
    let held = limited.held(&channel).await;
    assert_eq!(call(&channel, "Who", &[]).await.unwrap_err().code(), Code::Unauthenticated);
    limited.let_go(1);
    within(held).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_download_keeps_its_place_until_it_is_sent_or_given_up() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "1").await;
    let channel = limited.served.channel().await;
    let mut download = stream_of(&channel, "Download", &limited.token).await.unwrap();
    assert_eq!(who(&channel, &limited.token).await.unwrap_err().code(), Code::ResourceExhausted);
    limited.let_go(1);
    assert!(within(download.message()).await.unwrap().is_none());
    eventually(|| async { who(&channel, &limited.token).await.is_ok() }).await;
    let given_up = stream_of(&channel, "Download", &limited.token).await.unwrap();
    assert_eq!(who(&channel, &limited.token).await.unwrap_err().code(), Code::ResourceExhausted);
    drop(given_up);
    eventually(|| async { who(&channel, &limited.token).await.is_ok() }).await;
}

#[tokio::test]
async fn a_stream_that_follows_events_takes_no_place_once_it_has_begun() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "1").await;
    let channel = limited.served.channel().await;
    let _first = stream_of(&channel, "Watch", &limited.token).await.unwrap();
    let _second = stream_of(&channel, "Watch", &limited.token).await.unwrap();
    assert_eq!(who(&channel, &limited.token).await.unwrap(), "office-1");
}

#[tokio::test]
async fn above_the_limit_of_a_connection_calls_wait_for_the_others_of_it() {
    let limited = Limited::by("DAFEI_GRPC_CONCURRENCY", "1").await;
    let (crowded, free) = (limited.served.channel().await, limited.served.channel().await);
    let held = limited.held(&crowded).await;
    let mut waiting = {
        let (channel, token) = (crowded.clone(), limited.token.clone());
        tokio::spawn(async move { who(&channel, &token).await })
    };
    for _ in 0..20 {
        assert_eq!(who(&free, &limited.token).await.unwrap(), "office-1");
    }
    let early = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
    assert!(early.is_err(), "answered before its turn: {early:?}");
    limited.let_go(1);
    within(held).await.unwrap().unwrap();
    assert_eq!(within(waiting).await.unwrap().unwrap(), "office-1");
}

#[tokio::test]
async fn who_waits_longer_than_a_call_may_take_is_told_that_its_time_ran_out() {
    let limited = Limited::by("DAFEI_GRPC_TIMEOUT_SECONDS", "1").await;
    let channel = limited.served.channel().await;
    let held = limited.held(&channel).await;
    assert_eq!(within(held).await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn calls_without_a_token_take_a_quarter_of_the_places_and_keep_nobody_out_who_has_one() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "8").await;
    let channel = limited.served.channel().await;
    // Whoever they are, they leave what they are sent unread.
    let unread = [stream_of(&channel, "Listen", "").await.unwrap(), stream_of(&channel, "Listen", "").await.unwrap()];
    let refused = stream_of(&channel, "Listen", "").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    assert_eq!(who(&channel, &limited.token).await.unwrap(), "office-1");
    drop(unread);
    eventually(|| async { stream_of(&channel, "Listen", "").await.is_ok() }).await;
}

#[tokio::test]
async fn calls_without_a_token_are_among_those_that_the_process_bears() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "4").await;
    let channel = limited.served.channel().await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(stream_of(&channel, "Download", &limited.token).await.unwrap());
    }
    assert_eq!(stream_of(&channel, "Listen", "").await.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn streams_of_reflection_are_bounded_and_take_no_place_of_a_call() {
    let limited = Limited::by("DAFEI_GRPC_IN_FLIGHT", "1").await;
    let channel = limited.served.channel().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(within(reflection(&channel)).await.unwrap());
    }
    assert_eq!(within(reflection(&channel)).await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(who(&channel, &limited.token).await.unwrap(), "office-1");
    drop(open);
    eventually(|| async { reflection(&channel).await.is_ok() }).await;
}
