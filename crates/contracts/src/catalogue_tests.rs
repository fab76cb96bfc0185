use std::collections::BTreeSet;

use prost_types::FileDescriptorSet;

use super::*;
use crate::{timestamp::Timestamp, types::v1 as types};

fn meta(path: &str) -> pb::EventMeta {
    pb::EventMeta { aggregate_id: "a".to_owned(), sequence: 1, region_path: path.to_owned(), ..Default::default() }
}

const VILLAGE: &str = "city:371300/county:371302/township:371302001/village:371302001001";

#[test]
fn an_event_goes_to_json_and_back_with_its_subject() {
    let event = Event::from(pb::ReportedUp {
        meta: Some(meta(VILLAGE)),
        case_id: "c".to_owned(),
        route: pb::ReportRoute::Secretary.into(),
        act: "HC-9".to_owned(),
        found_at: Some(Timestamp { seconds: 1_767_225_600, nanos: 500_000_000 }),
        ..Default::default()
    });
    let json = event.to_json().expect("json");
    let text = String::from_utf8(json.clone()).expect("utf-8");
    assert!(text.contains(r#""foundAt":"2026-01-01T00:00:00.500Z""#), "{text}");
    assert!(text.contains(r#""route":"REPORT_ROUTE_SECRETARY""#), "{text}");
    assert_eq!(Event::from_json(event.kind().event_type, &json).expect("reads"), Some(event.clone()));
    assert_eq!(
        event.subject().expect("subject").to_string(),
        "dafei.v1.village.371302.371302001.371302001001.reported-up"
    );
}

#[test]
fn an_event_by_tier_goes_to_the_tier_that_acted() {
    let by = |role: &str, level: &str, code: &str| {
        Event::from(pb::ActConfirmed {
            meta: Some(meta(VILLAGE)),
            by: Some(types::Post {
                role: role.to_owned(),
                region: Some(types::Region { level: level.to_owned(), code: code.to_owned() }),
                agency: "fire-rescue".to_owned(),
            }),
            ..Default::default()
        })
        .subject()
        .expect("subject")
        .to_string()
    };
    assert_eq!(by("county-department", "county", "371302"), "dafei.v1.county.371302.act-confirmed");
    assert_eq!(by("township-agency", "township", "371302001"), "dafei.v1.township.371302.371302001.act-confirmed");
}

#[test]
fn a_case_is_opened_on_the_subject_of_the_tier_that_has_it() {
    let opened = |path: &str, tier: pb::Tier| {
        let event = pb::CaseOpened { meta: Some(meta(path)), tier: tier.into(), ..Default::default() };
        Event::from(event).subject().map(|subject| subject.to_string()).ok()
    };
    let at = |subject: &str| Some(format!("dafei.v1.{subject}.case-opened"));
    assert_eq!(opened(VILLAGE, pb::Tier::Township), at("township.371302.371302001"));
    assert_eq!(opened("city:371300/county:371302", pb::Tier::County), at("county.371302"));
    assert_eq!(opened("city:371300/county:371302", pb::Tier::Township), None, "the path names no township");
    assert_eq!(opened(VILLAGE, pb::Tier::Unspecified), None);
}

#[test]
fn an_event_of_a_later_version_is_known_to_be_unknown_and_a_later_field_is_passed_over() {
    assert_eq!(Event::from_json("dafei.events.v1.NotYet", b"{}").expect("reads"), None);
    let known = Event::from_json("dafei.events.v1.SecretaryNotified", br#"{"caseId":"c","later":1}"#);
    assert!(matches!(known, Ok(Some(Event::SecretaryNotified(_)))));
}

#[test]
fn a_feedback_with_an_unknown_field_is_refused() {
    let read = |json: &str| serde_json::from_str::<pb::Feedback>(json);
    assert!(read(r#"{"feedbackId":"f","response":{"plan":"p"}}"#).is_ok());
    assert!(read(r#"{"feedbackId":"f","response":{"plam":"p"}}"#).is_err());
    assert!(read(r#"{"feedbackId":"f","answer":{"plan":"p"}}"#).is_err());
}

#[test]
fn every_event_message_is_in_the_catalogue_and_its_stream_stores_its_subject() {
    let set = <FileDescriptorSet as prost::Message>::decode(crate::DESCRIPTORS).expect("descriptors");
    let with_meta: BTreeSet<String> = set
        .file
        .iter()
        .filter(|file| file.package() == "dafei.events.v1")
        .flat_map(|file| &file.message_type)
        .filter(|message| message.field.iter().any(|field| field.name() == "meta"))
        .map(|message| format!("dafei.events.v1.{}", message.name()))
        .collect();
    let listed: BTreeSet<String> = KINDS.iter().map(|kind| kind.event_type.to_owned()).collect();
    assert_eq!(with_meta, listed);
    for kind in KINDS {
        let family = match kind.family {
            Family::Roster => "roster",
            Family::Village => "village",
            Family::Township | Family::ByTier => "township",
            Family::County => "county",
            Family::Agency => "agency",
            Family::Sla => "sla",
            Family::Tip => "tip",
            Family::Reward => "reward",
            Family::Inspection => "inspection",
            Family::Publicity => "publicity",
            Family::Accountability => "accountability",
            Family::Reporting => "reporting",
        };
        let pattern = format!("dafei.v1.{family}.>");
        assert!(kind.stream.subjects().contains(&pattern.as_str()), "{}", kind.event_type);
    }
}

#[test]
fn a_table_is_filed_on_the_subject_of_its_unit() {
    let filed = |role: &str, level: &str, code: &str, agency: &str| {
        let post = types::Post {
            role: role.to_owned(),
            region: Some(types::Region { level: level.to_owned(), code: code.to_owned() }),
            agency: agency.to_owned(),
        };
        let meta = Some(meta("city:371300/county:371302"));
        let event = Event::from(pb::TableFiled { meta, unit: Some(post), ..Default::default() });
        event.subject().expect("subject").to_string()
    };
    assert_eq!(
        filed("county-department", "county", "371302", "fire-rescue"),
        "dafei.v1.reporting.county-department.371302-fire-rescue.table-filed"
    );
    assert_eq!(filed("county-office", "county", "371302", ""), "dafei.v1.reporting.county.371302.table-filed");
}
