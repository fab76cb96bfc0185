//! Inspections that an agency's own system told of by NATS: dispatch has taken them, intake records them once (clauses B5, C19).

use std::time::Duration;

use dafei_contracts::{Event, events::v1 as ev, intake::v1 as api, types::v1 as types};
use dafei_kernel::role::Role;
use dafei_messaging::dead_letters;
use dafei_testkit::eventually;

use crate::{
    inspections::{FACTORY, act, enterprise, fine, start, time},
    world::{VILLAGE, World, new_id, wire},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn reported(id: &str) -> ev::DailyWorkReported {
    ev::DailyWorkReported {
        meta: None,
        inspection_id: id.to_owned(),
        by: Some(types::Post {
            role: Role::CountyDepartment.code().to_owned(),
            region: Some(wire("county:371302")),
            agency: "emergency-management".to_owned(),
        }),
        inspection: Some(ev::InspectionReport {
            region: Some(wire(VILLAGE)),
            subject: enterprise(FACTORY),
            sector: "hazardous-chemicals".to_owned(),
            enforcement: true,
            inspected_at: time("2026-11-23T09:00:00+08:00"),
            situation: "超范围储存".to_owned(),
            acts: vec![act("HC-1")],
            measures: vec![fine("a", 300_000, "2026-11-23T09:30:00+08:00")],
            outside_scope: true,
        }),
    }
}

async fn tell(world: &World, event: ev::DailyWorkReported) {
    let id = event.inspection_id.clone();
    world.dispatch_tells(&id, 1, Event::from(event)).await;
}

/// The inspections of the city, once there are so many.
async fn kept(world: &World, count: usize) -> Vec<api::Inspection> {
    eventually(PATIENCE, "the inspections are recorded", || async {
        let request = api::ListInspectionsRequest { region: Some(wire("city:371300")), ..Default::default() };
        let request = world.request((Role::CityDepartment, "city:371300"), request);
        let found = world.inspections().list_inspections(request).await.expect("a page").into_inner().inspections;
        (found.len() >= count).then_some(found)
    })
    .await
}

#[tokio::test]
async fn an_inspection_told_twice_is_recorded_and_counted_once() {
    let world = start().await;
    let (first, second) = (new_id(), new_id());
    for id in [&first, &first] {
        tell(&world, reported(id)).await;
    }
    // As after a rebuild of the consumer, which then does not know what it has taken.
    world.dispatch_tells(&new_id(), 1, Event::from(reported(&first))).await;
    tell(&world, reported(&second)).await;
    let found = kept(&world, 2).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let one = found.iter().find(|one| one.inspection_id == first).expect("under the id that dispatch gave it");
    let Some(types::subject::Kind::Enterprise(known)) = one.subject.clone().and_then(|subject| subject.kind) else {
        panic!("an enterprise");
    };
    assert_eq!(known.name, "某化工公司", "what the roster knows is filled in");
    assert_eq!((one.acts.len(), one.measures.len(), one.situation.as_str()), (1, 1, "超范围储存"));
    for id in [&first, &second] {
        let history = world.history(id).await;
        let [event @ Event::InspectionRecorded(told)] = history.as_slice() else { panic!("{history:?}") };
        let subject = event.subject().expect("a subject").to_string();
        assert_eq!(subject, "dafei.v1.inspection.county.371302.inspection-recorded");
        assert!(told.enforcement && told.outside_scope);
        assert_eq!(told.by.as_ref().expect("a post").agency, "emergency-management");
    }
}

#[tokio::test]
async fn what_intake_cannot_record_becomes_a_dead_letter_with_its_reason_and_the_next_is_taken() {
    let world = start().await;
    let with = |change: fn(&mut ev::InspectionReport)| {
        let mut event = reported(&new_id());
        change(event.inspection.as_mut().expect("an inspection"));
        event
    };
    // Dispatch's roster was another: the village is gone, the enterprise is gone, the village has another county.
    let unfit = [
        (with(|report| report.region = Some(wire("village:371302001999"))), "region"),
        (with(|report| report.subject = enterprise("91371302MA3C000015")), "subject.enterprise.name"),
        (with(|report| report.region = Some(wire("village:371302002001"))), "region"),
        (with(|report| report.acts = vec![act("FW-1")]), "acts[0].act"),
    ];
    for (event, _) in &unfit {
        tell(&world, event.clone()).await;
    }
    let good = new_id();
    tell(&world, reported(&good)).await;
    let found = kept(&world, 1).await;
    assert_eq!(found.iter().map(|one| one.inspection_id.as_str()).collect::<Vec<_>>(), [good.as_str()]);
    let mut conn = world.db.pool.acquire().await.expect("a connection");
    let mut letters = dead_letters::list(&mut conn, "intake/DAFEI_DISPATCH", 0, 100).await.expect("a list");
    letters.sort_by_key(|letter| letter.stream_sequence);
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons.len(), unfit.len(), "{reasons:?}");
    for (reason, (_, field)) in reasons.iter().zip(&unfit) {
        assert!(reason.starts_with(field), "{reason} names {field}");
    }
}
