//! Bad input gives a typed error that names the field, and changes nothing.

use dafei_contracts::{intake::v1 as api, types::v1 as types};
use dafei_kernel::role::Role;
use tonic::Code;

use crate::world::{Caller, MEMBER, OTHER_VILLAGE, SECRETARY, World, den, fields, new_id, refused, wire};

type Change = fn(&mut api::RecordSuspicionRequest);
type PatrolChange = fn(&mut api::RecordPatrolRequest);

/// What is changed, the field that is named, and the reason.
const CASES: &[(&str, Change, &str, &str)] = &[
    ("no request id", |r| r.request_id.clear(), "request_id", "REQUIRED"),
    ("a request id that is none", |r| r.request_id = "1".to_owned(), "request_id", "INVALID"),
    ("no village", |r| r.village = None, "village", "REQUIRED"),
    ("a malformed code", |r| r.village = Some(raw("village", "37130")), "village.code", "INVALID_REGION_CODE"),
    ("an unknown level", |r| r.village = Some(raw("hamlet", "1")), "village.level", "UNKNOWN_LEVEL"),
    ("a township", |r| r.village = Some(wire("township:371302001")), "village.level", "WRONG_LEVEL"),
    ("an unknown village", |r| r.village = Some(wire("village:371302001999")), "village", "UNKNOWN_REGION"),
    ("no act", |r| r.act.clear(), "act", "REQUIRED"),
    ("an unknown act", |r| r.act = "HC-98".to_owned(), "act", "UNKNOWN_ACT"),
    ("an other act without text", |r| r.act = "HC-99".to_owned(), "act_text", "ACT_TEXT_REQUIRED"),
    ("a text of a named act", |r| r.act_text = "说明".to_owned(), "act_text", "ACT_TEXT_NOT_ALLOWED"),
    ("a long act text", |r| r.act_text = "长".repeat(501), "act_text", "TOO_LONG"),
    ("no subject", |r| r.subject = None, "subject", "REQUIRED"),
    ("a den without a place", |r| r.subject = Some(place("")), "subject.den.place", "REQUIRED"),
    ("no description", |r| r.description = " ".to_owned(), "description", "REQUIRED"),
    ("a long description", |r| r.description = "长".repeat(4_001), "description", "TOO_LONG"),
    ("a photo id that is none", |r| r.evidence_ids = vec!["x".to_owned()], "evidence_ids[0]", "INVALID"),
    ("too many photos", |r| r.evidence_ids = vec![new_id(); 21], "evidence_ids", "TOO_MANY"),
    ("an unknown photo", |r| r.evidence_ids = vec![new_id()], "evidence_ids[0]", "EVIDENCE_NOT_FOUND"),
    (
        "a device time out of range",
        |r| r.device_time = Some(dafei_contracts::timestamp::Timestamp { seconds: 0, nanos: -1 }),
        "device_time",
        "INVALID",
    ),
];

fn raw(level: &str, code: &str) -> types::Region {
    types::Region { level: level.to_owned(), code: code.to_owned() }
}

fn place(text: &str) -> types::Subject {
    let den = types::Den { place: text.to_owned(), position: None, industry: String::new() };
    types::Subject { kind: Some(types::subject::Kind::Den(den)) }
}

#[tokio::test]
async fn a_wrong_field_of_a_report_is_named_and_nothing_is_written() {
    let world = World::start().await;
    let before = world.events().await;
    for (what, change, field, reason) in CASES {
        let mut request = den();
        change(&mut request);
        let status = world.record(request).await.expect_err(what);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_eq!(fields(&status), [*field], "{what}");
        assert_eq!(refused(Err::<(), _>(status)).1, *reason, "{what}");
    }
    assert_eq!(world.events().await, before);
}

#[tokio::test]
async fn a_photo_of_another_village_is_no_evidence() {
    let world = World::start().await;
    let theirs: Caller = (Role::GridMember, OTHER_VILLAGE);
    let photo = world.upload(theirs, &new_id(), OTHER_VILLAGE, &crate::world::PNG).await.expect("kept").evidence_id;
    let own = world.photo().await;
    let request = api::RecordSuspicionRequest { evidence_ids: vec![own, photo], ..den() };
    assert_eq!(fields(&world.record(request).await.expect_err("theirs")), ["evidence_ids[1]"]);
}

#[tokio::test]
async fn steps_outside_role_or_village_are_denied_and_an_unknown_case_is_not_found() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let denied = |reason: &str| (Code::PermissionDenied, reason.to_owned());
    let theirs: Caller = (Role::VillageSecretary, OTHER_VILLAGE);
    assert_eq!(refused(world.notify(theirs, &case.case_id).await), denied("OUT_OF_SCOPE"));
    let centre: Caller = (Role::TownshipCentre, "township:371302001");
    assert_eq!(refused(world.notify(centre, &case.case_id).await), denied("ROLE_NOT_ALLOWED"));
    let elsewhere = api::RecordSuspicionRequest { village: Some(wire(OTHER_VILLAGE)), ..den() };
    assert_eq!(refused(world.record(elsewhere).await), denied("OUT_OF_SCOPE"));
    assert_eq!(world.notify(SECRETARY, &new_id()).await.expect_err("unknown").code(), Code::NotFound);
    assert_eq!(fields(&world.notify(SECRETARY, "1").await.expect_err("no id")), ["case_id"]);
    let get = |caller: Caller| {
        let request = world.request(caller, api::GetSuspicionRequest { case_id: case.case_id.clone() });
        async { world.suspicions().get_suspicion(request).await }
    };
    assert_eq!(refused(get(theirs).await), denied("OUT_OF_SCOPE"));
    get(centre).await.expect("the township above sees it");
}

#[tokio::test]
async fn a_work_area_s_secretary_reports_in_the_area_alone() {
    let world = World::start().await;
    let caller: Caller = (Role::WorkAreaSecretary, crate::world::WORK_AREA);
    let record = |request| {
        let request = world.request(caller, request);
        async { world.suspicions().record_suspicion(request).await }
    };
    record(den()).await.expect("a village of the area");
    let outside = api::RecordSuspicionRequest { village: Some(wire(OTHER_VILLAGE)), ..den() };
    assert_eq!(refused(record(outside).await), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}

#[tokio::test]
async fn a_patrol_s_wrong_fields_are_named() {
    let world = World::start().await;
    let good = || api::RecordPatrolRequest {
        request_id: new_id(),
        village: Some(wire(crate::world::VILLAGE)),
        object: "烟花零售点".to_owned(),
        ..Default::default()
    };
    let cases: [(PatrolChange, &str); 5] = [
        (|r| r.object.clear(), "object"),
        (|r| r.object = "长".repeat(201), "object"),
        (|r| r.situation = "长".repeat(4_001), "situation"),
        (|r| r.village = Some(wire("village:371302001999")), "village"),
        (|r| r.evidence_ids = vec![new_id()], "evidence_ids[0]"),
    ];
    for (change, field) in cases {
        let mut request = good();
        change(&mut request);
        let status = world.patrols().record_patrol(world.request(MEMBER, request)).await.expect_err(field);
        assert_eq!(fields(&status), [field]);
    }
}
