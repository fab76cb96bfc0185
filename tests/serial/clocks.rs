//! With the exercise clock: a case left alone gives exactly the warnings and breaches of the clocks, once each, at the right instant, with the
//! right owners.

use std::time::Duration;

use dafei_contracts::{
    dispatch::v1::Case,
    events::v1::{Breached, Warned},
    sla::v1::{ObligationItem, PreviewDeadlineRequest, deadline_service_client::DeadlineServiceClient},
    timestamp::Timestamp,
};
use dafei_kernel::{
    agency::Agency,
    region::Region,
    role::Role,
    time::{Instant, civil_date, end_of_day},
};
use dafei_tests::{PATIENCE, World, den};
use dafei_tools::{
    client::{Caller, Service},
    exercise::{self, Target},
    refill,
};
use futures::StreamExt as _;
use jiff::{SignedDuration, civil::date};

const COUNTY: &str = "county:371311";
const TOWNSHIP: &str = "township:371311002";
const VILLAGE: &str = "village:371311002009";

fn hours(from: Instant, hours: i64) -> Instant {
    minutes(from, hours * 60)
}

fn minutes(from: Instant, minutes: i64) -> Instant {
    from.checked_add(SignedDuration::from_mins(minutes)).expect("in range")
}

fn at(wire: Option<Timestamp>) -> Option<Instant> {
    wire.and_then(|wire| wire.try_into().ok())
}

async fn pass(world: &World, by: Duration) -> Instant {
    exercise::run(&world.suite, &world.keys, Target::By(by)).await.expect("the clock moves")
}

fn of<'a>(ledger: &'a [ObligationItem], clock: &str) -> &'a ObligationItem {
    ledger.iter().find(|item| item.obligation.as_ref().is_some_and(|o| o.clock == clock)).expect("the clock runs")
}

fn due(item: &ObligationItem) -> Instant {
    at(item.obligation.as_ref().expect("an obligation").due).expect("due")
}

fn owners(item: &ObligationItem) -> (String, String) {
    let obligation = item.obligation.as_ref().expect("an obligation");
    let role = |owner: &Option<dafei_contracts::types::v1::Owner>| {
        let post = owner.as_ref().and_then(|owner| owner.post.as_ref()).expect("a post");
        let region = post.region.as_ref().expect("a region");
        format!("{}@{}:{}", post.role, region.level, region.code)
    };
    (role(&obligation.direct), role(&obligation.loop_owner))
}

/// Warnings and breaches of a case, as a reader of the bus gets them: fact, clock, instant of the light.
async fn lights(case_id: &str) -> Vec<(String, String, Instant)> {
    let bus = refill::connect_bus().await.expect("the bus");
    let stream = async_nats::jetstream::new(bus).get_stream("DAFEI_SLA").await.expect("the stream");
    // All subjects: that the last message has come, of whatever kind, says that nothing was left out.
    let reader = async_nats::jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(reader).await.expect("a reader");
    let last = stream.cached_info().state.last_sequence;
    let mut messages = consumer.messages().await.expect("messages");
    let mut found = Vec::new();
    loop {
        let next = tokio::time::timeout(PATIENCE, messages.next()).await.expect("the stream goes on");
        let message = next.expect("it does not end").expect("a message");
        let fact = message.subject.rsplit('.').next().unwrap_or_default().to_owned();
        let told = match fact.as_str() {
            "warned" => serde_json::from_slice::<Warned>(&message.payload).ok().map(|e| (e.meta, e.obligation)),
            "breached" => serde_json::from_slice::<Breached>(&message.payload).ok().map(|e| (e.meta, e.obligation)),
            _ => None,
        };
        if let Some((Some(meta), Some(obligation))) = told
            && obligation.case_id == case_id
        {
            found.push((fact, obligation.clock, at(meta.received_at).expect("an instant")));
        }
        if message.info().expect("its place").stream_sequence >= last {
            return found;
        }
    }
}

/// Assigns a department at an instant, has it read its instruction at once, and lets nobody do anything for three weeks: the K3 of the lead.
async fn k3_left_alone(world: &World, start: Instant) -> (Case, ObligationItem) {
    exercise::run(&world.suite, &world.keys, Target::At(start)).await.expect("to the start");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let id = member.suspect("FW-1", den("砖厂"), "制作烟花").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    world.actor(Role::VillageSecretary, VILLAGE).expect("a secretary").report_up(&id).await.expect("up");
    world.actor(Role::TownshipCentre, TOWNSHIP).expect("a centre").escalate(&id, "超出职权").await.expect("escalated");
    let office = world.actor(Role::CountyOffice, COUNTY).expect("an office");
    office.propose(&id).await.expect("a proposal");
    let case = office.assign(&id, "处置").await.expect("assigned");
    let lead = case.instructions.iter().find(|instruction| instruction.lead).expect("a lead");
    let agency = lead.post.as_ref().expect("a post").agency.parse().expect("an agency");
    let department = world.agency(Role::CountyDepartment, COUNTY, agency).expect("a department");
    department.read(&lead.instruction_id).await.expect("read");
    pass(world, Duration::from_secs(21 * 24 * 3_600)).await;
    let is_leads = |item: &ObligationItem| {
        let obligation = item.obligation.as_ref().expect("an obligation");
        let post = obligation.direct.as_ref().and_then(|owner| owner.post.as_ref()).expect("a post");
        obligation.clock == "K3" && post.agency == agency.code()
    };
    let ledger =
        world.obligations(&id, |list| list.iter().any(|item| is_leads(item) && item.breached)).await.expect("a ledger");
    (case, ledger.into_iter().find(|item| is_leads(item)).expect("the lead's K3"))
}

#[tokio::test]
async fn a_breach_of_k3_comes_after_five_working_days_over_festivals_and_weekends() {
    let world = World::from_env().expect("the suite");
    // Start (local noon), fourth and fifth counted day: Spring Festival with its make-up Saturdays, a weekend, National Day.
    let rows = [
        (date(2026, 2, 11), date(2026, 2, 24), date(2026, 2, 25)),
        (date(2026, 3, 19), date(2026, 3, 25), date(2026, 3, 26)),
        (date(2026, 9, 29), date(2026, 10, 10), date(2026, 10, 12)),
    ];
    for (start, fourth, fifth) in rows {
        let noon = hours(dafei_kernel::time::start_of_day(start), 12);
        let (case, k3) = k3_left_alone(&world, noon).await;
        assert_eq!(at(k3.obligation.as_ref().expect("it").started_at), Some(noon), "read at once");
        assert_eq!((due(&k3), at(k3.warned_at)), (end_of_day(fifth), Some(end_of_day(fourth))), "{start}");
        // The co-handlers' clocks start half an hour later, the same day: their lights go on with the lead's.
        let lights = lights(&case.case_id).await;
        let count = |fact: &str, day| {
            let light = (fact.to_owned(), "K3".to_owned(), end_of_day(day));
            lights.iter().filter(|told| **told == light).count()
        };
        let each = case.instructions.len();
        assert_eq!((count("warned", fourth), count("breached", fifth)), (each, each), "once each: {lights:?}");
        assert_eq!(lights.iter().filter(|(_, clock, _)| clock == "K3").count(), 2 * each, "and no other");
    }
}

#[tokio::test]
async fn a_suspicion_of_which_nobody_tells_the_secretary_gives_one_yellow_and_one_red_light() {
    let world = World::from_env().expect("the suite");
    let start = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let id = member.suspect("HC-9", den("院内"), "充装").await.expect("a suspicion").case_id;
    pass(&world, Duration::from_secs(90 * 60)).await;
    let ledger = world.obligations(&id, |list| list.iter().any(|item| item.breached)).await.expect("a ledger");
    assert_eq!(ledger.len(), 1);
    let v1 = of(&ledger, "V1");
    assert_eq!((due(v1), at(v1.warned_at)), (hours(start, 1), Some(minutes(start, 45))));
    assert_eq!(owners(v1), (format!("grid-member@{VILLAGE}"), format!("village-secretary@{VILLAGE}")));
    assert_eq!(
        lights(&id).await,
        [
            ("warned".to_owned(), "V1".to_owned(), minutes(start, 45)),
            ("breached".to_owned(), "V1".to_owned(), hours(start, 1)),
        ]
    );
}

#[tokio::test]
async fn an_act_at_the_very_limit_is_in_time_and_a_microsecond_later_is_late() {
    let world = World::from_env().expect("the suite");
    let start = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let in_time = member.suspect("HC-9", den("甲处"), "充装").await.expect("a suspicion").case_id;
    let late = member.suspect("HC-9", den("乙处"), "充装").await.expect("a suspicion").case_id;
    exercise::run(&world.suite, &world.keys, Target::At(hours(start, 1))).await.expect("to the limit");
    member.notify(&in_time).await.expect("told at the limit");
    let after = hours(start, 1).checked_add(SignedDuration::from_micros(1)).expect("in range");
    exercise::run(&world.suite, &world.keys, Target::At(after)).await.expect("past the limit");
    member.notify(&late).await.expect("told late");
    let stopped = |list: &[ObligationItem]| list.iter().any(|item| item.stopped_at.is_some());
    let ledger = world.obligations(&in_time, stopped).await.expect("a ledger");
    assert!(!of(&ledger, "V1").breached);
    let ledger = world.obligations(&late, stopped).await.expect("a ledger");
    assert!(of(&ledger, "V1").breached);
}

#[tokio::test]
async fn a_case_that_stays_at_the_centre_then_at_the_office_then_with_the_department_blames_each_for_its_own() {
    let world = World::from_env().expect("the suite");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let secretary = world.actor(Role::VillageSecretary, VILLAGE).expect("a secretary");
    let centre = world.actor(Role::TownshipCentre, TOWNSHIP).expect("a centre");
    let office = world.actor(Role::CountyOffice, COUNTY).expect("an office");
    let id = member.suspect("FW-1", den("砖厂"), "制作烟花").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.report_up(&id).await.expect("up");
    centre.case_in(&id, dafei_contracts::dispatch::v1::CaseState::AtCentre).await.expect("opened");
    let reached = exercise::now(&world.suite, &world.keys).await.expect("a clock");

    let escalated = pass(&world, Duration::from_secs(3_600)).await;
    centre.escalate(&id, "超出职权").await.expect("escalated");
    let assigned = pass(&world, Duration::from_secs(5 * 3_600)).await;
    office.propose(&id).await.expect("a proposal");
    let case = office.assign(&id, "处置").await.expect("assigned");
    let lead = case.instructions.iter().find(|instruction| instruction.lead).expect("a lead").clone();
    // Nobody reads the instruction: half an hour after its issue it counts as delivered, and the clocks start then.
    let delivered = minutes(assigned, 30);
    pass(&world, Duration::from_secs(14 * 24 * 3_600)).await;

    let ledger =
        world.obligations(&id, |list| list.iter().filter(|item| item.breached).count() >= 4).await.expect("a ledger");
    let of_lead = |clock: &str| {
        ledger
            .iter()
            .find(|item| {
                let obligation = item.obligation.as_ref().expect("an obligation");
                let post = obligation.direct.as_ref().and_then(|owner| owner.post.as_ref()).expect("a post");
                obligation.clock == clock && post.agency == lead.post.as_ref().expect("a post").agency
            })
            .expect("the lead's clock")
    };
    let (t1, k1, k2, k3) = (of(&ledger, "T1"), of(&ledger, "K1"), of_lead("K2"), of_lead("K3"));
    assert_eq!((due(t1), t1.breached, t1.late_seconds), (minutes(reached, 30), true, 1_800));
    assert_eq!(owners(t1), (format!("township-centre@{TOWNSHIP}"), format!("township-centre@{TOWNSHIP}")));
    assert_eq!((due(k1), k1.breached, k1.late_seconds), (hours(escalated, 4), true, 3_600));
    assert_eq!(owners(k1), (format!("county-office@{COUNTY}"), format!("county-office@{COUNTY}")));
    assert_eq!((due(k2), k2.breached), (hours(delivered, 12), true));
    assert_eq!(owners(k2), (format!("county-department@{COUNTY}"), format!("county-office@{COUNTY}")));
    let calendar = dafei_kernel::workdays::Calendar::builtin();
    assert_eq!((due(k3), k3.breached), (calendar.deadline_after(delivered, 5).due, true));
    assert!(!of(&ledger, "V1").breached && !of(&ledger, "V3").breached);

    let lights = lights(&id).await;
    let mut seen = lights.iter().map(|(fact, clock, _)| (fact.clone(), clock.clone())).collect::<Vec<_>>();
    seen.sort();
    let of_departments = case.instructions.len();
    let count = |fact: &str, clock: &str| seen.iter().filter(|(f, c)| f == fact && c == clock).count();
    for (clock, times) in [("T1", 1), ("K1", 1), ("K2", of_departments), ("K3", of_departments)] {
        assert_eq!((count("warned", clock), count("breached", clock)), (times, times), "{clock}: {seen:?}");
    }
    assert!(lights.contains(&("breached".to_owned(), "K1".to_owned(), hours(escalated, 4))));
    assert!(lights.contains(&("warned".to_owned(), "K1".to_owned(), hours(escalated, 3))));
    // With a department's late response the red light goes out, and the lateness stays.
    let agency: Agency = lead.post.as_ref().expect("a post").agency.parse().expect("an agency");
    let department = world.agency(Role::CountyDepartment, COUNTY, agency).expect("a department");
    department.work_off(&lead.instruction_id, Some("处置"), "已取缔", &["FW-1"], Vec::new()).await.expect("late");
    let ledger = world
        .obligations(&id, |list| list.iter().any(|item| item.obligation.as_ref().is_some_and(|o| o.clock == "K4")))
        .await
        .expect("a ledger");
    let late = ledger.iter().filter(|item| item.stopped_at.is_some() && item.late_seconds > 0).count();
    assert_eq!(late, 4, "T1, K1, and the lead's K2 and K3");
}

#[tokio::test]
async fn the_preview_of_k3_knows_weekends_spring_festival_and_national_day() {
    let world = World::from_env().expect("the suite");
    let caller = Caller::new(Role::CountyOffice, COUNTY.parse::<Region>().expect("a county"));
    let bearer = world.keys.bearer(&caller).expect("a token");
    let mut client = DeadlineServiceClient::new(world.suite.with(Service::SlaMonitor, &bearer));
    // Start (local noon), fourth and fifth counted day.
    let rows = [
        (date(2026, 3, 19), date(2026, 3, 25), date(2026, 3, 26)),
        (date(2026, 2, 11), date(2026, 2, 24), date(2026, 2, 25)),
        (date(2026, 2, 24), date(2026, 2, 28), date(2026, 3, 2)),
        (date(2026, 9, 29), date(2026, 10, 10), date(2026, 10, 12)),
    ];
    for (start, fourth, fifth) in rows {
        let noon = hours(dafei_kernel::time::start_of_day(start), 12);
        let request = PreviewDeadlineRequest { clock: "K3".to_owned(), start: Some(noon.into()), ..Default::default() };
        let answer = client.preview_deadline(request).await.expect("a preview").into_inner();
        assert_eq!(civil_date(noon), start);
        assert_eq!(at(answer.due), Some(end_of_day(fifth)), "due of {start}");
        assert_eq!(at(answer.warn_at), Some(end_of_day(fourth)), "yellow of {start}");
        assert!(!answer.due_inclusive && !answer.provisional && !answer.lines.is_empty());
    }
}
