//! The turns of a case, told over the bus as dispatch tells them.

use crate::{
    events::{Case, at, department},
    world::{START, World, owner, said},
};

const PATH: &str = "city:371300/county:371302";

#[tokio::test(flavor = "multi_thread")]
async fn a_departments_own_finding_runs_under_k3_alone_and_the_department_owns_the_loop() {
    let world = World::start().await;
    let finder = department(1, "transport", true);
    let case = Case::at_path(1, PATH).own_finding(START, finder.clone());
    world.tell(&case.told).await;
    world.go("2026-11-24T08:00:00+08:00").await;
    let items = world.obligations(case.id).await;
    let [item] = &items[..] else { panic!("K3 alone: {items:?}") };
    let obligation = item.obligation.as_ref().unwrap();
    assert_eq!(obligation.clock, "K3");
    assert!(owner(obligation.loop_owner.as_ref()).starts_with("county-department@county:371302"));
    let done = "2026-11-24T09:00:00+08:00";
    let case = case.result(done, finder).closed(done);
    world.tell(&case.told).await;
    world.go("2026-12-07T08:00:00+08:00").await;
    let lights = world.announced(&case, &["T1", "K1", "K2", "K3", "K4"]).await;
    let last = lights.last().cloned();
    assert_eq!(last, Some(said("K3", 1, "settled", done)));
    assert!(lights.iter().all(|said| said.clock == "K3"), "{lights:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rework_cancels_k4_and_the_new_instruction_has_a_k3_and_no_k2() {
    let world = World::start().await;
    let (first, again) = (department(1, "transport", true), department(2, "transport", true));
    let case = Case::at_path(1, PATH)
        .opened(START)
        .assigned("2026-11-23T08:10:00+08:00", std::slice::from_ref(&first))
        .delivered("2026-11-23T08:20:00+08:00", first.clone())
        .result("2026-11-23T09:00:00+08:00", first.clone())
        .rework("2026-11-23T09:30:00+08:00", first, again.clone())
        .delivered_again("2026-11-23T09:40:00+08:00", again);
    world.tell(&case.told).await;
    world.go("2026-11-24T00:00:00+08:00").await;
    let lights = world.announced(&case, &["K2", "K3", "K4"]).await;
    let expected = [
        said("K2", 1, "settled", "2026-11-23T09:00:00+08:00"),
        said("K3", 1, "settled", "2026-11-23T09:00:00+08:00"),
        said("K4", 1, "cancelled", "2026-11-23T09:30:00+08:00"),
    ];
    assert_eq!(lights, expected, "and the second K3 runs in silence");
    let clocks: Vec<_> =
        world.obligations(case.id).await.into_iter().map(|item| item.obligation.unwrap().clock).collect();
    assert_eq!(clocks, ["K1", "K2", "K3", "K4", "K3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_waited_while_dispatch_was_away_is_in_time_and_its_office_has_its_hour_from_when_dispatch_had_it()
{
    let world = World::start().await;
    let lead = department(1, "transport", true);
    let case = Case::at_path(1, PATH)
        .opened(START)
        .assigned("2026-11-23T08:10:00+08:00", std::slice::from_ref(&lead))
        .delivered("2026-11-23T08:20:00+08:00", lead.clone());
    world.tell(&case.told).await;
    let (sent, had) = ("2026-11-23T09:00:00+08:00", "2026-11-23T15:00:00+08:00");
    let case = case.result(sent, lead);
    world.set_clock(at(had));
    world.publish_recorded(case.told.last().unwrap(), at(had)).await;
    world.go("2026-11-23T16:30:00+08:00").await;
    let expected = [
        said("K3", 1, "settled", sent),
        said("K4", 1, "warned", "2026-11-23T15:45:00+08:00"),
        said("K4", 1, "breached", "2026-11-23T16:00:00+08:00"),
    ];
    assert_eq!(world.announced(&case, &["K3", "K4"]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_or_tip_that_waited_while_dispatch_was_away_gives_its_office_the_whole_time_from_when_it_can_be_seen()
{
    let world = World::start().await;
    // The report reached the suite at eight, and dispatch had it at eleven; so had it the tip.
    let (report, tip) = (Case::new(1).opened(START), Case::at_path(2, "city:371300/county:371302").opened(START));
    let had = "2026-11-23T11:00:00+08:00";
    world.set_clock(at(had));
    for case in [&report, &tip] {
        world.publish_recorded(&case.told[0], at(had)).await;
    }
    world.go("2026-11-23T15:00:01+08:00").await;
    let expected = [
        said("T1", 1, "warned", "2026-11-23T11:22:30+08:00"),
        said("T1", 1, "breached", "2026-11-23T11:30:00+08:00"),
        said("T1", 1, "reminded", "2026-11-23T12:00:00+08:00"),
        said("T1", 1, "reminded", "2026-11-23T13:00:00+08:00"),
        said("T1", 1, "reminded", "2026-11-23T15:00:00+08:00"),
    ];
    assert_eq!(world.announced(&report, &["T1"]).await, expected);
    let expected =
        [said("K1", 1, "warned", "2026-11-23T14:00:00+08:00"), said("K1", 1, "breached", "2026-11-23T15:00:00+08:00")];
    assert_eq!(world.announced(&tip, &["K1"]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_case_owes_k1_again_and_its_merging_cancels_it() {
    let world = World::start().await;
    let first = department(1, "transport", true);
    let case = Case::at_path(1, PATH)
        .opened(START)
        .assigned("2026-11-23T08:10:00+08:00", std::slice::from_ref(&first))
        .closed("2026-11-23T09:00:00+08:00")
        .reopened_above("2026-11-23T10:00:00+08:00");
    world.tell(&case.told).await;
    world.go("2026-11-23T14:30:00+08:00").await;
    let expected = [
        said("K1", 1, "settled", "2026-11-23T08:10:00+08:00"),
        said("K1", 2, "warned", "2026-11-23T13:00:00+08:00"),
        said("K1", 2, "breached", "2026-11-23T14:00:00+08:00"),
    ];
    assert_eq!(world.announced(&case, &["K1"]).await, expected);
    let merged = "2026-11-23T15:00:00+08:00";
    let case = case.merged_above(merged);
    world.tell(&case.told).await;
    world.go("2026-11-23T15:30:00+08:00").await;
    let last = world.announced(&case, &["K1"]).await.pop();
    assert_eq!(last, Some(said("K1", 2, "cancelled", merged)));
}
