//! Results of the quarterly evaluation below the mark open entries (clause E1).

use dafei_contracts::{events::v1 as ev, sla::v1::ListEntriesRequest};
use dafei_kernel::ids;
use dafei_testkit::eventually;

use crate::{
    accountability::{CENTRE, CITY_OFFICE, OFFICE, charge, outcome, reason},
    events::{COUNTY, TOWNSHIP, Told, at, snapshot, wire_post, wire_region},
    world::{SOON, World, owner},
};

const COUNTY_PATH: &str = "city:371300/county:371302";
const CLOSED_AT: &str = "2027-01-05T10:00:00+08:00";

fn result(evaluated: dafei_contracts::types::v1::Post, score: u32) -> ev::EvaluationResult {
    ev::EvaluationResult { evaluated: Some(evaluated), score, sheets: 2, place: 1, below_mark: score < 6_000 }
}

fn closed(quarter: &str) -> Told {
    let aggregate = ids::derived(&["evaluation", "371302", quarter]);
    let meta = ev::EventMeta {
        aggregate_id: aggregate.to_string(),
        sequence: 1,
        region_path: COUNTY_PATH.to_owned(),
        actor: Some(wire_post("county-office", COUNTY, "")),
        received_at: Some(at(CLOSED_AT).into()),
        ..ev::EventMeta::default()
    };
    let event = ev::EvaluationClosed {
        meta: Some(meta),
        county: Some(wire_region(COUNTY)),
        quarter: quarter.to_owned(),
        closed_at: Some(at(CLOSED_AT).into()),
        mark: 6_000,
        results: vec![
            result(wire_post("township-centre", TOWNSHIP, ""), 5_833),
            result(wire_post("county-department", COUNTY, "public-security"), 6_000),
            result(wire_post("county-department", COUNTY, "emergency-management"), 905),
        ],
        missing_sheets: 0,
    };
    Told { service: "reporting", aggregate, sequence: 1, event: event.into() }
}

/// The emergency department is handed over with the new year.
fn succession() -> Told {
    let entry = ev::RosterRegion {
        region: Some(wire_region(COUNTY)),
        name: "兰山区".to_owned(),
        parent: Some(wire_region("city:371300")),
        ..ev::RosterRegion::default()
    };
    let holder = |person: &str, from: &str, until: Option<&str>| ev::RosterHolder {
        post: Some(wire_post("county-department", COUNTY, "emergency-management")),
        person: person.to_owned(),
        valid_from: Some(at(from).into()),
        valid_until: until.map(|until| at(until).into()),
    };
    let (old, change) = ("2026-01-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00");
    let holders = vec![holder("孙局长", old, Some(change)), holder("周局长", change, None)];
    snapshot((2, 2), COUNTY, COUNTY_PATH, CLOSED_AT, vec![entry], holders)
}

fn evaluations() -> ListEntriesRequest {
    let region = Some(wire_region("city:371300"));
    ListEntriesRequest { region, source: "evaluation".to_owned(), ..ListEntriesRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_below_the_mark_charge_the_post_as_held_when_the_quarter_ended_once() {
    let world = World::start().await;
    world.set(CLOSED_AT);
    world.tell(&[succession(), closed("2026-Q4")]).await;
    world.open_entries().await;
    let entries = world.list(CITY_OFFICE, evaluations()).await.unwrap();
    let mut told: Vec<(String, String, String)> = entries
        .iter()
        .map(|entry| {
            let decider = charge(entry).decider.as_ref().unwrap().role.clone();
            (owner(charge(entry).direct.as_ref()), decider, entry.text.clone())
        })
        .collect();
    told.sort();
    let expected = [
        (
            "county-department@county:371302/emergency-management 孙局长",
            "city-office",
            "2026-Q4季度双向评议得分9.05分，低于60.00分",
        ),
        ("township-centre@township:371302001 赵主任", "county-office", "2026-Q4季度双向评议得分58.33分，低于60.00分"),
    ];
    assert_eq!(told, expected.map(|(one, two, three)| (one.to_owned(), two.to_owned(), three.to_owned())));
    for entry in &entries {
        assert_eq!((charge(entry).source.as_str(), charge(entry).case_id.as_str()), ("evaluation", ""));
        assert_eq!(entry.happened_at, Some(at("2027-01-01T00:00:00+08:00").into()));
    }

    // Told again, as after a refill that the consumer was reset for.
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    world.watermarks().await;
    eventually(SOON, "the closing is reported again", || async {
        let waiting = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM accountability_report");
        (waiting.fetch_one(&world.db.pool).await.unwrap() == 1).then_some(())
    })
    .await;
    world.open_entries().await;
    let again = world.list(CITY_OFFICE, evaluations()).await.unwrap();
    assert_eq!(again, entries);
    for entry in &again {
        assert_eq!(world.events_of(entry).await.len(), 1, "one notice each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn such_an_entry_goes_the_way_of_every_other_and_the_post_is_heard() {
    let world = World::start().await;
    world.set(CLOSED_AT);
    world.tell(&[closed("2026-Q4")]).await;
    world.open_entries().await;
    let own = world.own(CENTRE).await;
    let early = world.decide(OFFICE, &own, &[outcome("direct", "赵主任", "warning-talk")]).await.unwrap_err();
    assert_eq!(reason(&early), "NOT_HEARD");
    let stated = world.state(CENTRE, &own).await.unwrap();
    let decided = world.decide(OFFICE, &stated, &[outcome("direct", "赵主任", "warning-talk")]).await.unwrap();
    assert_eq!(decided.state, "decided");
    let of_county = |source: &str| ListEntriesRequest {
        region: Some(wire_region(COUNTY)),
        source: source.to_owned(),
        ..ListEntriesRequest::default()
    };
    assert_eq!(world.list(OFFICE, of_county("evaluation")).await.unwrap().len(), 2);
    assert!(world.list(OFFICE, of_county("accident")).await.unwrap().is_empty());
    assert_eq!(reason(&world.list(OFFICE, of_county("rumour")).await.unwrap_err()), "source UNKNOWN_SOURCE");
}
