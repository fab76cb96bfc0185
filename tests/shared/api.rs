//! Bad input through the front door: a typed error that names the field, and nothing changed.

use dafei_contracts::{
    events::v1::PersuasionOutcome,
    intake::v1::{
        self as pb, SuspicionState, evidence_service_client::EvidenceServiceClient,
        patrol_service_client::PatrolServiceClient, suspicion_service_client::SuspicionServiceClient,
    },
    timestamp::Timestamp,
    types::v1::Region,
};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use dafei_tests::{World, den, enterprise, refusal, wire};
use dafei_tools::client::{Authed, Caller, Service};
use tonic::{Code, Status};

const VILLAGE: &str = "village:371325101201";
const ELSEWHERE: &str = "village:371326101211";

fn client(world: &World, role: Role, region: &str) -> SuspicionServiceClient<Authed> {
    let caller = Caller::new(role, region.parse().expect("a region"));
    let bearer = world.keys.bearer(&caller).expect("a token");
    SuspicionServiceClient::new(world.suite.with(Service::Intake, &bearer))
}

fn id() -> String {
    SystemIds.random().to_string()
}

fn good() -> pb::RecordSuspicionRequest {
    pb::RecordSuspicionRequest {
        request_id: id(),
        village: Some(wire(VILLAGE).expect("a village")),
        act: "HC-9".to_owned(),
        subject: Some(den("院内")),
        description: "充装液化气".to_owned(),
        ..Default::default()
    }
}

type Change = fn(&mut pb::RecordSuspicionRequest);

#[tokio::test]
async fn every_kind_of_bad_suspicion_is_refused_with_its_field_and_reason() {
    let world = World::from_env().expect("the suite");
    let mut member = client(&world, Role::GridMember, VILLAGE);
    let cases: &[(&str, Change, &str, &str)] = &[
        ("no request id", |r| r.request_id.clear(), "request_id", "REQUIRED"),
        ("a request id that is none", |r| r.request_id = "seven".to_owned(), "request_id", "INVALID"),
        ("no village", |r| r.village = None, "village", "REQUIRED"),
        (
            "a level that is none",
            |r| r.village.as_mut().unwrap().level = "hamlet".to_owned(),
            "village.level",
            "UNKNOWN_LEVEL",
        ),
        (
            "a code that is none",
            |r| r.village.as_mut().unwrap().code = "37".to_owned(),
            "village.code",
            "INVALID_REGION_CODE",
        ),
        (
            "a village that is not in the roster",
            |r| r.village.as_mut().unwrap().code = "371325101999".to_owned(),
            "village",
            "UNKNOWN_REGION",
        ),
        ("an act that is none", |r| r.act = "HC-77".to_owned(), "act", "UNKNOWN_ACT"),
        ("an other act without a text", |r| r.act = "HC-99".to_owned(), "act_text", "ACT_TEXT_REQUIRED"),
        ("no subject", |r| r.subject = None, "subject", "REQUIRED"),
        ("a den without a place", |r| r.subject = Some(den(" ")), "subject.den.place", "REQUIRED"),
        (
            "a credit code that is none",
            |r| r.subject = Some(enterprise("123", "")),
            "subject.enterprise.credit_code",
            "INVALID_CREDIT_CODE",
        ),
        (
            "a regulator that is none",
            |r| r.subject = Some(enterprise("91350100M000100Y43", "police")),
            "subject.enterprise.regulator",
            "UNKNOWN_AGENCY",
        ),
        ("no description", |r| r.description.clear(), "description", "REQUIRED"),
        ("a text that is too long", |r| r.description = "长".repeat(4_001), "description", "TOO_LONG"),
        ("a photo that is none", |r| r.evidence_ids = vec![id()], "evidence_ids[0]", "EVIDENCE_NOT_FOUND"),
    ];
    for (what, change, field, reason) in cases {
        let mut request = good();
        change(&mut request);
        let status = member.record_suspicion(request).await.expect_err(what);
        let (code, told, fields) = refusal(&status);
        assert_eq!((code, told.as_str()), (Code::InvalidArgument, *reason), "{what}: {status:?}");
        assert_eq!(fields, [*field], "{what}");
    }
}

#[tokio::test]
async fn whoever_is_not_of_the_village_or_has_no_token_is_refused() {
    let world = World::from_env().expect("the suite");
    let status = client(&world, Role::GridMember, ELSEWHERE).record_suspicion(good()).await.expect_err("elsewhere");
    assert_eq!((status.code(), refusal(&status).1.as_str()), (Code::PermissionDenied, "OUT_OF_SCOPE"));
    let status =
        client(&world, Role::CountyOffice, "county:371325").record_suspicion(good()).await.expect_err("a role");
    assert_eq!((status.code(), refusal(&status).1.as_str()), (Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    let status = SuspicionServiceClient::new(world.suite.anonymous(Service::Intake))
        .record_suspicion(good())
        .await
        .expect_err("no token");
    assert_eq!((status.code(), refusal(&status).1.as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
}

#[tokio::test]
async fn a_replayed_request_gets_the_first_answer_and_another_payload_an_error() {
    let world = World::from_env().expect("the suite");
    let mut member = client(&world, Role::GridMember, VILLAGE);
    let request = good();
    let first = member.record_suspicion(request.clone()).await.expect("recorded").into_inner();
    let again = member.record_suspicion(request.clone()).await.expect("replayed").into_inner();
    assert_eq!(first, again);
    let other = pb::RecordSuspicionRequest { description: "别的".to_owned(), ..request };
    let status = member.record_suspicion(other).await.expect_err("another payload");
    assert_eq!((status.code(), refusal(&status).1.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
}

#[tokio::test]
async fn a_step_out_of_order_or_on_a_closed_report_changes_nothing() {
    let world = World::from_env().expect("the suite");
    let mut member = client(&world, Role::GridMember, VILLAGE);
    let mut secretary = client(&world, Role::VillageSecretary, VILLAGE);
    let recorded = member.record_suspicion(good()).await.expect("recorded").into_inner().suspicion.expect("it");
    let case_id = recorded.case_id;
    let persuade = |case_id: &str| pb::RecordPersuasionRequest {
        request_id: id(),
        case_id: case_id.to_owned(),
        outcome: PersuasionOutcome::Refused.into(),
        note: "不听".to_owned(),
    };
    let early = secretary.record_persuasion(persuade(&case_id)).await.expect_err("not told yet");
    assert_eq!(refusal(&early).0, Code::FailedPrecondition);
    let publish = pb::PublishResultRequest {
        request_id: id(),
        case_id: case_id.clone(),
        text: "结果".to_owned(),
        evidence_ids: Vec::new(),
    };
    assert!(secretary.publish_result(publish).await.is_err());
    let withdraw =
        pb::WithdrawSuspicionRequest { request_id: id(), case_id: case_id.clone(), reason: "误报".to_owned() };
    secretary.withdraw_suspicion(withdraw).await.expect("withdrawn");
    let late = member
        .notify_secretary(pb::NotifySecretaryRequest { request_id: id(), case_id: case_id.clone() })
        .await
        .expect_err("withdrawn");
    assert_eq!(refusal(&late).0, Code::FailedPrecondition);
    let kept = member.get_suspicion(pb::GetSuspicionRequest { case_id }).await.expect("there").into_inner();
    let kept = kept.suspicion.expect("it");
    assert_eq!((kept.state(), kept.version), (SuspicionState::Withdrawn, 2));
    let unknown = member
        .notify_secretary(pb::NotifySecretaryRequest { request_id: id(), case_id: id() })
        .await
        .expect_err("unknown");
    assert_eq!(refusal(&unknown).0, Code::NotFound);
}

#[tokio::test]
async fn a_file_that_is_no_photo_or_too_large_is_refused() {
    let world = World::from_env().expect("the suite");
    let bearer =
        world.keys.bearer(&Caller::new(Role::GridMember, VILLAGE.parse().expect("a village"))).expect("a token");
    let mut client = EvidenceServiceClient::new(world.suite.with(Service::Intake, &bearer));
    let part = |chunk: Vec<u8>| pb::UploadEvidenceRequest {
        request_id: id(),
        place: Some(wire(VILLAGE).expect("a village")),
        chunk: chunk.into(),
    };
    let status = client.upload_evidence(tokio_stream::iter([part(b"#!/bin/sh".to_vec())])).await.expect_err("no photo");
    assert_eq!(refusal(&status), (Code::InvalidArgument, "NOT_AN_IMAGE".to_owned(), vec!["chunk".to_owned()]));
    let first = part([b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; 1_000_000]].concat());
    let more =
        (0..9).map(move |_| pb::UploadEvidenceRequest { chunk: vec![0; 1_000_000].into(), ..Default::default() });
    let status: Status =
        client.upload_evidence(tokio_stream::iter(std::iter::once(first).chain(more))).await.expect_err("too large");
    assert_eq!(refusal(&status).1, "TOO_LARGE", "{status:?}");
}

#[tokio::test]
async fn a_phone_with_a_wrong_clock_is_believed_as_far_as_its_offset_shows_and_marked() {
    let world = World::from_env().expect("the suite");
    let bearer =
        world.keys.bearer(&Caller::new(Role::GridMember, VILLAGE.parse().expect("a village"))).expect("a token");
    let now = dafei_tools::exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let ahead = |minutes: i64| now.checked_add(jiff::SignedDuration::from_mins(minutes)).map(Timestamp::from).ok();
    let mut client = PatrolServiceClient::new(world.suite.with(Service::Intake, &bearer));
    // The phone is an hour ahead and says that the patrol was twenty minutes ago.
    let request = pb::RecordPatrolRequest {
        request_id: id(),
        village: Some(wire(VILLAGE).expect("a village")),
        object: "厂房".to_owned(),
        situation: "正常".to_owned(),
        device_time: ahead(40),
        device_sent_at: ahead(60),
        ..Default::default()
    };
    let answer = client.record_patrol(request).await.expect("recorded").into_inner();
    assert_eq!(answer.patrolled_at, ahead(-20));
    let list = pb::ListPatrolsRequest {
        village: Some(Region::clone(&wire(VILLAGE).expect("a village"))),
        ..Default::default()
    };
    let patrols = client.list_patrols(list).await.expect("listed").into_inner().patrols;
    assert!(patrols.iter().any(|patrol| patrol.patrol_id == answer.patrol_id && patrol.skewed));
}
