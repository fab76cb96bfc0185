//! Cases that are left alone, and cases that go on: which lights come, when, and who is named.

use dafei_contracts::{Event, events::v1 as ev, sla::v1::ObligationState};

use crate::{
    events::{Case, PATH, VILLAGE, department, stamp, wire_post},
    villages::township,
    world::{START, World, obligation, owner, said},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_case_left_alone_gives_exactly_its_lights_once_each_with_the_right_owners() {
    let world = World::start().await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T16:30:00+08:00").await;
    let expected = [
        said("V1", 1, "warned", "2026-11-23T08:45:00+08:00"),
        // The breach carries the limit itself.
        said("V1", 1, "breached", "2026-11-23T09:00:00+08:00"),
        said("V1", 1, "reminded", "2026-11-23T10:00:00+08:00"),
        said("V1", 1, "reminded", "2026-11-23T12:00:00+08:00"),
        said("V1", 1, "reminded", "2026-11-23T16:00:00+08:00"),
    ];
    assert_eq!(world.announced(&case, &["V1"]).await, expected);
    for (event, recorded_at) in world.log().await {
        let named = obligation(&event);
        assert_eq!(owner(named.direct.as_ref()), "grid-member@village:371302001001 张网格");
        assert_eq!(owner(named.loop_owner.as_ref()), "village-secretary@village:371302001001 王书记");
        assert_eq!(named.sector, "fireworks");
        if let Event::Breached(_) = event {
            let one_later = crate::events::at("2026-11-23T09:00:00.000001+08:00");
            assert_eq!(recorded_at, one_later, "the first instant at which an act would be late");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_grid_members_the_one_who_found_it_answers_for_it() {
    let world = World::start().await;
    let second = "village:371302001002";
    let member = |village: &str, person: &str| ev::RosterHolder {
        post: Some(wire_post("grid-member", village, "")),
        person: person.to_owned(),
        valid_from: stamp("2026-01-01T00:00:00+08:00"),
        valid_until: None,
    };
    let members = ["张网格", "王网格"].map(|person| member(VILLAGE, person)).to_vec();
    world.tell(&[township(2, START, &[VILLAGE], members.clone())]).await;
    let (one, another, nobody) =
        (Case::new(1).found_by(START, "王网格"), Case::new(2).found_by(START, "周网格"), Case::new(3).found(START));
    // The roster knows this village later than the finding.
    let early = Case::at_path(4, &PATH.replace(VILLAGE, second)).found_by(START, "刘网格");
    for case in [&one, &another, &nobody, &early] {
        world.tell(&case.told).await;
    }
    let late = ["刘网格", "赵网格"].map(|person| member(second, person));
    world.tell(&[township(3, START, &[VILLAGE, second], [members, late.to_vec()].concat())]).await;
    let early = early.notified("2026-11-23T08:10:00+08:00");
    world.tell(&early.told[1..]).await;
    let finder = async |case: &Case| {
        let all = world.obligations(case.id).await.into_iter().filter_map(|item| item.obligation);
        let first = all.into_iter().find(|one| one.clock == "V1").unwrap();
        owner(first.direct.as_ref()).split_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(finder(&one).await, "王网格");
    assert_eq!(finder(&another).await, "张网格、王网格", "the roster has nobody of that name");
    assert_eq!(finder(&nobody).await, "张网格、王网格");
    assert_eq!(finder(&early).await, "刘网格");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_steps_are_breaches_with_their_lateness_and_the_next_clocks_go_on() {
    let world = World::start().await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T09:30:00+08:00").await;
    let case = case.notified("2026-11-23T09:30:00+08:00");
    world.tell(&case.told[1..]).await;
    world.go("2026-11-23T10:00:00+08:00").await;
    let case = case.persuaded("2026-11-23T10:00:00+08:00", false).reported_up("2026-11-23T10:00:00+08:00");
    world.tell(&case.told[2..]).await;
    world.go("2026-11-23T20:00:00+08:00").await;
    assert_eq!(
        world.announced(&case, &["V1", "V2", "V3"]).await,
        [
            said("V1", 1, "warned", "2026-11-23T08:45:00+08:00"),
            said("V1", 1, "breached", "2026-11-23T09:00:00+08:00"),
            said("V1", 1, "settled", "2026-11-23T09:30:00+08:00"),
            said("V2", 1, "settled", "2026-11-23T10:00:00+08:00"),
            said("V3", 1, "settled", "2026-11-23T10:00:00+08:00"),
        ]
    );
    let late: Vec<i64> = world
        .log()
        .await
        .into_iter()
        .filter_map(|(event, _)| if let Event::Settled(event) = event { Some(event.late_seconds) } else { None })
        .collect();
    assert_eq!(late, [1_800, 0, 0]);
    let items = world.obligations(case.id).await;
    assert_eq!(
        items.iter().map(|item| (item.breached, item.late_seconds)).collect::<Vec<_>>(),
        [(true, 1_800), (false, 0), (false, 0)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn persuasion_that_proved_false_gives_the_secretary_two_hours_again() {
    let world = World::start().await;
    let case = Case::new(1)
        .found(START)
        .notified("2026-11-23T08:10:00+08:00")
        .persuaded("2026-11-23T08:30:00+08:00", true)
        .reopened("2026-11-23T12:00:00+08:00");
    world.tell(&case.told).await;
    world.go("2026-11-23T14:30:00+08:00").await;
    let case = case.reported_up("2026-11-23T14:30:00+08:00").helped("2026-11-23T14:30:00+08:00");
    world.tell(&case.told[4..]).await;
    world.go("2026-11-23T15:00:00+08:00").await;
    assert_eq!(
        world.announced(&case, &["V2", "V3", "V4"]).await,
        [
            said("V2", 1, "settled", "2026-11-23T08:30:00+08:00"),
            said("V3", 1, "settled", "2026-11-23T08:30:00+08:00"),
            said("V4", 1, "cancelled", "2026-11-23T12:00:00+08:00"),
            said("V3", 2, "warned", "2026-11-23T13:30:00+08:00"),
            said("V3", 2, "breached", "2026-11-23T14:00:00+08:00"),
            said("V3", 2, "settled", "2026-11-23T14:30:00+08:00"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_report_owes_nothing_more() {
    let world = World::start().await;
    let case = Case::new(1).found(START).notified("2026-11-23T08:10:00+08:00").merged("2026-11-23T08:20:00+08:00");
    world.tell(&case.told).await;
    world.go("2026-11-24T08:00:00+08:00").await;
    assert_eq!(
        world.announced(&case, &["V1", "V2", "V3", "V4"]).await,
        [
            said("V1", 1, "settled", "2026-11-23T08:10:00+08:00"),
            said("V2", 1, "cancelled", "2026-11-23T08:20:00+08:00"),
            said("V3", 1, "cancelled", "2026-11-23T08:20:00+08:00"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_an_obligation_is_the_holder_of_its_start() {
    let world = World::without_firing("2026-11-23T23:30:00+08:00").await;
    let case = Case::new(1).found("2026-11-23T23:00:00+08:00").notified("2026-11-23T23:30:00+08:00");
    world.tell(&case.told).await;
    world.clock.set(crate::events::at("2026-11-24T00:10:00+08:00"));
    let next = Case::new(2).found("2026-11-24T00:00:00+08:00").notified("2026-11-24T00:10:00+08:00");
    world.tell(&next.told).await;
    let secretary = |items: Vec<dafei_contracts::sla::v1::ObligationItem>| {
        let found = items.into_iter().map(|item| item.obligation.unwrap()).find(|one| one.clock == "V2").unwrap();
        owner(found.direct.as_ref())
    };
    assert_eq!(secretary(world.obligations(case.id).await), "village-secretary@village:371302001001 王书记");
    assert_eq!(secretary(world.obligations(next.id).await), "village-secretary@village:371302001001 李书记");
}

/// K3 of an instruction delivered at `start`, left alone for a while.
async fn k3_left_alone(start: &str, yellow: &str, red: &str) {
    let world = World::without_firing(start).await;
    tokio::spawn(world.firing.clone().run(world.ending.clone()));
    let case = Case::new(1).delivered(start, department(1, "emergency-management", true));
    world.tell(&case.told).await;
    world.go(red).await;
    assert_eq!(
        world.announced(&case, &["K3"]).await,
        [said("K3", 1, "warned", yellow), said("K3", 1, "breached", red)]
    );
    let (event, _) = world.log().await.into_iter().rfind(|(event, _)| matches!(event, Event::Breached(_))).unwrap();
    let named = obligation(&event);
    assert_eq!(owner(named.direct.as_ref()), "county-department@county:371302/emergency-management 孙局长");
    assert_eq!(owner(named.loop_owner.as_ref()), "county-office@county:371302 陈主任");
    assert_eq!(named.calendar_version, "cn-2026.1");
    assert!(!named.due_inclusive);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_working_days_run_over_a_weekend() {
    k3_left_alone("2026-11-25T16:00:00+08:00", "2026-12-02T00:00:00+08:00", "2026-12-03T00:00:00+08:00").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_working_days_run_over_spring_festival_with_its_make_up_saturdays() {
    k3_left_alone("2026-02-12T10:00:00+08:00", "2026-02-26T00:00:00+08:00", "2026-02-27T00:00:00+08:00").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_working_days_that_end_on_the_make_up_saturday_after_spring_festival() {
    k3_left_alone("2026-02-22T10:00:00+08:00", "2026-02-28T00:00:00+08:00", "2026-03-01T00:00:00+08:00").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_working_days_run_over_national_day() {
    k3_left_alone("2026-09-29T10:00:00+08:00", "2026-10-11T00:00:00+08:00", "2026-10-13T00:00:00+08:00").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_is_handled_in_time_gives_no_yellow_and_no_red_light() {
    let world = World::start().await;
    let (lead, helper) = (department(1, "emergency-management", true), department(2, "fire-rescue", false));
    let case = Case::new(1)
        .found(START)
        .notified("2026-11-23T08:10:00+08:00")
        .persuaded("2026-11-23T08:20:00+08:00", false)
        .reported_up("2026-11-23T08:30:00+08:00")
        .opened("2026-11-23T08:30:00+08:00")
        .escalated("2026-11-23T08:40:00+08:00")
        .assigned("2026-11-23T09:00:00+08:00", &[lead.clone(), helper.clone()])
        .delivered("2026-11-23T09:00:00+08:00", lead.clone())
        .delivered("2026-11-23T09:00:00+08:00", helper)
        .responded("2026-11-23T09:30:00+08:00", lead.clone())
        .result("2026-11-23T11:00:00+08:00", lead)
        .fed_back("2026-11-23T11:10:00+08:00")
        .published("2026-11-23T11:40:00+08:00")
        .closed("2026-11-23T11:40:00+08:00");
    for told in &case.told {
        let received = told.event.meta().unwrap().received_at.unwrap();
        world.go(&dafei_kernel::time::Instant::try_from(received).unwrap().to_string()).await;
        world.tell(std::slice::from_ref(told)).await;
    }
    world.go("2026-12-31T00:00:00+08:00").await;
    let all = ["V1", "V2", "V3", "V4", "T1", "T2", "T3", "K1", "K2", "K3", "K4", "P1"];
    let announced = world.announced(&case, &all).await;
    let facts: Vec<_> = announced.iter().map(|said| (said.clock.as_str(), said.leg, said.fact.as_str())).collect();
    assert_eq!(
        facts,
        [
            ("V1", 1, "settled"),
            ("V2", 1, "settled"),
            ("V3", 1, "settled"),
            ("T1", 1, "settled"),
            ("K1", 1, "settled"),
            ("K2", 1, "settled"),
            ("K3", 1, "settled"),
            ("K4", 1, "settled"),
            // The co-handler neither responded nor had to: the case was closed before.
            ("K2", 2, "cancelled"),
            ("K3", 2, "cancelled"),
            ("P1", 1, "settled"),
        ]
    );
    let open = ObligationState::Open;
    assert!(world.obligations(case.id).await.iter().all(|item| item.state() != open), "nothing stays to be announced");
}
