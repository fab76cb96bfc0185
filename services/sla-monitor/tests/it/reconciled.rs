//! Every open step has exactly one armed obligation, and the reverse: a planted hole is found at the second look, repaired, recorded and told.

use std::sync::Arc;

use dafei_contracts::{
    Event,
    dispatch::v1 as dispatch,
    events::v1::{HoleFound, HoleRepair, HoleSide},
    intake::v1 as intake,
    sla::v1::{self as pb, ObligationState, reconciler_service_client::ReconcilerServiceClient},
};
use dafei_kernel::{
    clock::Clock as _,
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use dafei_shell::roster::RosterView;
use dafei_sla_monitor::{
    grpc::Reconciliation,
    reconciler::{Peers as Asked, Reconciler},
    terms::TermsView,
};
use dafei_testkit::eventually;
use jiff::SignedDuration;
use tonic::{Code, Status, transport::Channel};
use uuid::Uuid;

use crate::{
    accountability::reason,
    events::{CITY, COUNTY, Case, VILLAGE, at, department, wire_post},
    peers::Peers,
    world::{SOON, START, World},
};

const TOLD: &str = "2026-11-23T08:10:00+08:00";

fn new_id() -> Uuid {
    SystemIds.random()
}

/// A monitor with its reconciler, and what intake and dispatch say.
struct Suite {
    world: World,
    peers: Peers,
    client: ReconcilerServiceClient<Channel>,
    /// Another replica's, that never has its turn.
    other: Reconciler,
}

impl Suite {
    async fn start() -> Self {
        let world = World::without_firing(START).await;
        let (peers, settings) = Peers::serve(&world.clock).await;
        let pool = world.db.pool.clone();
        let roster = RosterView::load(&pool).await.unwrap();
        let clock = Arc::new(world.clock.clone());
        let terms = TermsView::open(&pool, clock.now()).await.unwrap();
        let replica = || {
            let asked = Asked::new(&settings).unwrap();
            Reconciler::new(pool.clone(), clock.clone(), roster.clone(), terms.clone(), asked)
        };
        let (reconciler, other) = (replica(), replica());
        let client = world.serve_reconciler(Reconciliation::new(pool, clock, Some(reconciler))).await;
        Self { world, peers, client, other }
    }

    async fn try_run(&self) -> Result<pb::ReconciliationRun, Status> {
        let request = pb::ReconcileRequest { request_id: new_id().to_string() };
        let answer = self.client.clone().reconcile(self.world.request(Role::Admin, CITY, request)).await?;
        Ok(answer.into_inner().run.unwrap())
    }

    /// A run, at which a minute has passed since the last and both publishers have said so.
    async fn run(&self) -> pb::ReconciliationRun {
        self.world.clock.advance(SignedDuration::from_mins(1));
        self.world.watermarks().await;
        self.try_run().await.unwrap()
    }

    async fn holes(&self) -> Vec<pb::ReconciliationHole> {
        let request = self.world.request(Role::Auditor, CITY, pb::ListHolesRequest::default());
        self.client.clone().list_holes(request).await.unwrap().into_inner().holes
    }

    async fn events(&self) -> Vec<HoleFound> {
        let told = self.world.log().await.into_iter().filter_map(|(event, _)| match event {
            Event::HoleFound(hole) => Some(hole),
            _ => None,
        });
        told.collect()
    }

    async fn execute(&self, sql: &'static str, case: Uuid) {
        assert!(sqlx::query(sql).bind(case).execute(&self.world.db.pool).await.unwrap().rows_affected() > 0);
    }

    /// Clock and state of a case's obligations.
    async fn states(&self, case: &Case) -> Vec<(String, ObligationState)> {
        let items = self.world.obligations(case.id).await;
        items.iter().map(|item| (item.obligation.as_ref().unwrap().clock.clone(), item.state())).collect()
    }

    /// The next run counts one hole, after one that only saw it, and there is none left.
    async fn counts_one(&self) -> pb::ReconciliationHole {
        let first = self.run().await;
        assert_eq!((first.sighted, first.holes, first.error.as_str()), (1, 0, ""), "seen once, it does not count");
        assert!(self.holes().await.is_empty() && self.events().await.is_empty());
        let second = self.run().await;
        assert_eq!((second.sighted, second.holes, second.repaired), (0, 1, 1));
        let third = self.run().await;
        assert_eq!((third.sighted, third.holes, third.error.as_str()), (0, 0, ""));
        let mut holes = self.holes().await;
        assert_eq!(holes.len(), 1);
        let hole = holes.remove(0);
        assert!(hole.first_seen < hole.second_seen && hole.closed_at == hole.second_seen && hole.run == second.number);
        hole
    }
}

fn village(case: &Case, sequence: i64, clocks: &[(&str, &str)]) -> Vec<intake::OpenStep> {
    let step = |(clock, started): &(&str, &str)| {
        let role = if *clock == "V1" { "grid-member" } else { "village-secretary" };
        intake::OpenStep {
            case_id: case.id.to_string(),
            sequence,
            clock: (*clock).to_owned(),
            owner: Some(wire_post(role, VILLAGE, "")),
            started_at: Some(at(started).into()),
        }
    };
    clocks.iter().map(step).collect()
}

fn above(case: &Case, version: i64, clock: &str, started: &str) -> dispatch::OpenStep {
    dispatch::OpenStep {
        case_id: case.id.to_string(),
        version,
        clock: clock.to_owned(),
        owner: Some(wire_post("county-department", COUNTY, "emergency-management")),
        instruction_id: Uuid::from_u128(1).to_string(),
        leg: 1,
        started_at: Some(at(started).into()),
    }
}

/// Of a case whose secretary was told the village's two clocks run.
async fn told(suite: &Suite) -> Case {
    let case = Case::new(1).found(START).notified(TOLD);
    suite.world.tell(&case.told).await;
    suite.peers.village(village(&case, 2, &[("V2", TOLD), ("V3", TOLD)]));
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agrees_is_not_listed() {
    let suite = Suite::start().await;
    told(&suite).await;
    let run = suite.run().await;
    assert_eq!((run.compared, run.buckets_agreed, run.sighted, run.error.as_str()), (2, 512, 0, ""));
    assert_eq!(suite.peers.lists(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_that_was_lost_is_stored_again_from_its_facts() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    let before = suite.world.obligations(case.id).await;
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    let hole = suite.counts_one().await;
    assert_eq!((hole.clock.as_str(), hole.side(), hole.repair()), ("V2", HoleSide::Missing, HoleRepair::Recomputed));
    assert_eq!(suite.world.obligations(case.id).await, before);
    let [event] = suite.events().await.try_into().unwrap();
    assert_eq!(
        (event.case_id.clone(), event.clock.as_str(), event.repair()),
        (case.id.to_string(), "V2", HoleRepair::Recomputed)
    );
    assert_eq!(event.obligation_id, hole.obligation_id);
    assert_eq!(event.loop_owner, Some(wire_post("village-secretary", VILLAGE, "")));
    let subject = Event::from(HoleFound {
        meta: event.meta,
        clock: event.clock,
        loop_owner: event.loop_owner,
        ..Default::default()
    });
    assert_eq!(
        subject.subject().unwrap().to_string(),
        "dafei.v1.sla.village.371302.371302001.371302001001.V2.hole-found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_run_has_found_is_told_by_every_replica() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    suite.run().await;
    for holes in [1, 0] {
        assert_eq!(suite.run().await.holes, holes);
        suite.other.read_figures().await.unwrap();
        assert_eq!(suite.other.holes(), holes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_run_has_found_is_told_while_another_goes_on_or_after_it_was_broken_off() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    suite.run().await;
    assert_eq!(suite.run().await.holes, 1);
    let begun = "INSERT INTO reconciliation_run (started_at) VALUES ('2026-11-23T08:15:00+08:00')";
    sqlx::query(begun).execute(&suite.world.db.pool).await.unwrap();
    suite.other.read_figures().await.unwrap();
    assert_eq!(suite.other.holes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_announced_of_an_obligation_that_was_lost_is_not_announced_again() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.world.clock.set(at("2026-11-23T09:30:00+08:00"));
    suite.world.watermarks().await;
    while suite.world.firing.pass().await.unwrap() > 0 {}
    let before = suite.world.obligations(case.id).await;
    assert!(before.iter().any(|item| item.obligation.as_ref().unwrap().clock == "V2" && item.breached));
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    suite.counts_one().await;
    while suite.world.firing.pass().await.unwrap() > 0 {}
    assert_eq!(suite.world.obligations(case.id).await, before);
    let told = suite.world.log().await;
    let red = told.iter().filter(|(event, _)| matches!(event, Event::Breached(_))).count();
    assert_eq!(red, 1, "V2's, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_limit_is_provisional_is_not_told_again_of_an_obligation_that_was_lost() {
    let suite = Suite::start().await;
    // Its fifth working day lies beyond the calendar.
    let start = "2026-12-28T08:00:00+08:00";
    suite.world.clock.set(at(start));
    let lead = || department(1, "emergency-management", true);
    let case = Case::new(2).opened(start).escalated(start).assigned(start, &[lead()]).delivered(start, lead());
    let case = case.responded(start, lead());
    suite.world.tell(&case.told).await;
    let version = i64::try_from(case.told.len()).unwrap();
    suite.peers.above(vec![above(&case, version, "K3", start)]);
    suite.world.clock.set(at("2026-12-28T09:00:00+08:00"));
    suite.world.watermarks().await;
    while suite.world.firing.pass().await.unwrap() > 0 {}
    let provisional = async || {
        let told = suite.world.log().await;
        told.iter().filter(|(event, _)| matches!(event, Event::Provisional(_))).count()
    };
    assert_eq!(provisional().await, 1);
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'K3'", case.id).await;
    suite.counts_one().await;
    while suite.world.firing.pass().await.unwrap() > 0 {}
    assert_eq!(provisional().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconciler_that_never_came_to_its_end_is_late_since_it_began() {
    let suite = Suite::start().await;
    suite.peers.gate.close();
    assert_ne!(suite.run().await.error, "");
    suite.world.clock.advance(SignedDuration::from_mins(239));
    suite.other.read_figures().await.unwrap();
    assert_eq!(suite.other.since_success(), SignedDuration::from_hours(4));
    let suite = Suite::start().await;
    assert_eq!(suite.run().await.error, "");
    suite.world.clock.advance(SignedDuration::from_mins(30));
    suite.other.read_figures().await.unwrap();
    assert_eq!(suite.other.since_success(), SignedDuration::from_mins(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_that_was_ended_in_error_runs_again_and_is_announced() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    let end = "UPDATE obligation SET end_kind = 'settled', ended_at = started_at, end_announced = 'settled', next_fire_at = NULL
               WHERE case_id = $1 AND clock = 'V3'";
    suite.execute(end, case.id).await;
    let hole = suite.counts_one().await;
    assert_eq!((hole.clock.as_str(), hole.repair()), ("V3", HoleRepair::Recomputed));
    suite.world.clock.set(at("2026-11-23T10:30:00+08:00"));
    suite.world.watermarks().await;
    while suite.world.firing.pass().await.unwrap() > 0 {}
    let standing = suite.world.standing(Role::VillageSecretary, VILLAGE).await.unwrap();
    let clocks: Vec<_> = standing.iter().map(|item| item.obligation.as_ref().unwrap().clock.as_str()).collect();
    assert!(clocks.contains(&"V3"), "its limit has passed: {clocks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_that_is_no_longer_armed_is_armed_again() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.execute("UPDATE obligation SET next_fire_at = NULL WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    assert_eq!(suite.counts_one().await.repair(), HoleRepair::Recomputed);
    let next = suite.world.firing.next_due().await.unwrap();
    assert_eq!(next, Some(at("2026-11-23T08:10:00+08:00")), "V1's end comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_fact_was_lost_runs_from_its_start_until_its_event_comes_again() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.execute("DELETE FROM case_fact WHERE case_id = $1 AND sequence = 2", case.id).await;
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'V3'", case.id).await;
    let hole = suite.counts_one().await;
    assert_eq!((hole.clock.as_str(), hole.side(), hole.repair()), ("V3", HoleSide::Missing, HoleRepair::StepFound));
    let items = suite.world.obligations(case.id).await;
    let found =
        items.iter().find(|item| item.obligation.as_ref().unwrap().obligation_id == hole.obligation_id).unwrap();
    let obligation = found.obligation.as_ref().unwrap();
    assert_eq!((found.state(), obligation.started_at), (ObligationState::Open, Some(at(TOLD).into())));
    assert_eq!(crate::world::owner(obligation.direct.as_ref()), "village-secretary@village:371302001001 王书记");
    // The next event of the case ends it.
    let case = case.persuaded("2026-11-23T08:40:00+08:00", true);
    suite.world.tell(&case.told[2..]).await;
    let items = suite.world.obligations(case.id).await;
    let ended =
        items.iter().find(|item| item.obligation.as_ref().unwrap().obligation_id == hole.obligation_id).unwrap();
    assert_eq!(ended.state(), ObligationState::Settled);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_whose_step_is_done_falls_away_at_the_finding() {
    let suite = Suite::start().await;
    let lead = department(1, "emergency-management", true);
    let case =
        Case::new(2).opened(START).escalated(START).assigned(START, std::slice::from_ref(&lead)).delivered(START, lead);
    suite.world.tell(&case.told).await;
    // As if the event of the response had been taken and its fact lost.
    suite.peers.above(vec![above(&case, 4, "K3", START)]);
    let hole = suite.counts_one().await;
    assert_eq!((hole.clock.as_str(), hole.side(), hole.repair()), ("K2", HoleSide::Extra, HoleRepair::StepGone));
    assert_eq!(hole.instruction_id, Uuid::from_u128(1).to_string());
    let open: Vec<_> =
        suite.states(&case).await.into_iter().filter(|(_, state)| *state == ObligationState::Open).collect();
    assert_eq!(open, [("K3".to_owned(), ObligationState::Open)]);
    assert_eq!(suite.events().await[0].side(), HoleSide::Extra);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_that_no_fact_tells_of_falls_away() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.execute("UPDATE obligation SET id = gen_random_uuid() WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    // The facts give it another id: where it is made again there are two, until the stranger falls away.
    suite.execute("UPDATE obligation SET clock = 'V1', end_kind = NULL, ended_at = NULL, next_fire_at = due WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    for _ in 0..2 {
        suite.run().await;
    }
    let open: Vec<_> =
        suite.states(&case).await.into_iter().filter(|(_, state)| *state == ObligationState::Open).collect();
    assert_eq!(open, [("V2".to_owned(), ObligationState::Open), ("V3".to_owned(), ObligationState::Open)]);
    let mut holes: Vec<_> =
        suite.holes().await.into_iter().map(|hole| (hole.clock.clone(), hole.side(), hole.repair())).collect();
    holes.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        holes,
        [
            ("V1".to_owned(), HoleSide::Extra, HoleRepair::Recomputed),
            ("V2".to_owned(), HoleSide::Missing, HoleRepair::Recomputed)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_whose_events_are_on_the_way_is_no_hole() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.peers.village(village(&case, 3, &[("V3", TOLD)]));
    for _ in 0..3 {
        let run = suite.run().await;
        assert_eq!((run.in_flight, run.sighted, run.holes), (1, 0, 0));
    }
    let case = case.persuaded("2026-11-23T08:20:00+08:00", false);
    suite.world.tell(&case.told[2..]).await;
    assert_eq!(suite.run().await.buckets_agreed, 512);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_of_which_an_event_is_missing_before_others_is_no_hole() {
    let suite = Suite::start().await;
    let case =
        told(&suite).await.persuaded("2026-11-23T08:20:00+08:00", false).reported_up("2026-11-23T08:30:00+08:00");
    suite.world.tell(&case.told[3..]).await;
    suite.peers.village(Vec::new());
    for _ in 0..3 {
        let run = suite.run().await;
        assert_eq!(
            (run.in_flight, run.sighted, run.holes),
            (1, 0, 0),
            "it is at the centre, and the monitor cannot know yet"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_seen_twice_without_a_watermark_between_does_not_count_and_what_vanishes_is_forgotten() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.peers.village(village(&case, 2, &[("V3", TOLD)]));
    assert_eq!(suite.run().await.sighted, 1);
    let again = suite.try_run().await.unwrap();
    assert_eq!((again.sighted, again.holes), (1, 0), "no watermark has moved");
    suite.peers.village(village(&case, 2, &[("V2", TOLD), ("V3", TOLD)]));
    assert_eq!(suite.run().await.sighted, 0);
    suite.peers.village(village(&case, 2, &[("V3", TOLD)]));
    let anew = suite.run().await;
    assert_eq!((anew.sighted, anew.holes), (1, 0), "it was not there in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_services_are_away_is_recorded_as_failed_and_changes_nothing() {
    let suite = Suite::start().await;
    let case = told(&suite).await;
    suite.execute("DELETE FROM obligation WHERE case_id = $1 AND clock = 'V2'", case.id).await;
    assert_eq!(suite.run().await.sighted, 1);
    suite.peers.gate.close();
    let failed = suite.run().await;
    assert!(failed.error.contains("intake") && failed.error.contains("away"), "{}", failed.error);
    assert!(failed.ended_at.is_some() && failed.compared == 0 && failed.as_of.is_none());
    assert_eq!(suite.states(&case).await.len(), 2, "V1 and V3");
    let request = suite.world.request(Role::Auditor, CITY, pb::ListRunsRequest { page_size: 1, ..Default::default() });
    let page = suite.client.clone().list_runs(request).await.unwrap().into_inner();
    assert_eq!(page.runs, [failed], "the newest first");
    let next = pb::ListRunsRequest { page_size: 1, page_token: page.next_page_token };
    let page =
        suite.client.clone().list_runs(suite.world.request(Role::Auditor, CITY, next)).await.unwrap().into_inner();
    assert_eq!((page.runs[0].sighted, page.runs[0].error.as_str()), (1, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_one_is_refused() {
    let suite = Suite::start().await;
    told(&suite).await;
    let held = suite.peers.gate.clone().acquire_many_owned(u32::MAX >> 3).await.unwrap();
    let shut = suite.peers.gate.available_permits();
    suite.peers.gate.forget_permits(shut);
    let client = suite.client.clone();
    let request = suite.world.request(Role::Admin, CITY, pb::ReconcileRequest { request_id: new_id().to_string() });
    let first = tokio::spawn(async move { client.clone().reconcile(request).await });
    eventually(SOON, "the first run asks", || async { (suite.peers.digests() > 0).then_some(()) }).await;
    let refused = suite.try_run().await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    drop(held);
    let run = first.await.unwrap().unwrap().into_inner().run.unwrap();
    assert_eq!((run.buckets_agreed, run.error.as_str()), (512, ""));
    assert_eq!(suite.run().await.number, run.number + 1, "the one that was refused left no record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_gets_the_first_answer() {
    let suite = Suite::start().await;
    let request = pb::ReconcileRequest { request_id: new_id().to_string() };
    let mut client = suite.client.clone();
    let first = client.reconcile(suite.world.request(Role::Service, CITY, request.clone())).await.unwrap().into_inner();
    let again = client.reconcile(suite.world.request(Role::Service, CITY, request.clone())).await.unwrap().into_inner();
    assert_eq!(first, again);
    let refused = client.reconcile(suite.world.request(Role::CountyOffice, COUNTY, request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_city_s_admin_service_and_auditor_run_it_and_read_what_it_found() {
    let suite = Suite::start().await;
    let mut client = suite.client.clone();
    for role in [Role::Admin, Role::Service, Role::Auditor] {
        let run = pb::ReconcileRequest { request_id: new_id().to_string() };
        let run = client.reconcile(suite.world.request(role, COUNTY, run)).await.unwrap_err();
        let runs =
            client.list_runs(suite.world.request(role, COUNTY, pb::ListRunsRequest::default())).await.unwrap_err();
        let holes = suite.world.request(role, COUNTY, pb::ListHolesRequest::default());
        let holes = client.list_holes(holes).await.unwrap_err();
        for status in [run, runs, holes] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "OUT_OF_SCOPE"), "{role}");
        }
        client.list_runs(suite.world.request(role, CITY, pb::ListRunsRequest::default())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anybody_to_ask_it_is_refused() {
    let world = World::without_firing(START).await;
    let service = Reconciliation::new(world.db.pool.clone(), Arc::new(world.clock.clone()), None);
    let mut client = world.serve_reconciler(service).await;
    let request = pb::ReconcileRequest { request_id: new_id().to_string() };
    let refused = client.reconcile(world.request(Role::Admin, CITY, request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_many_pages_is_compared_as_a_whole() {
    let suite = Suite::start().await;
    // All of one bucket, and more than a page.
    let cases: Vec<Case> = (0..1_100).map(|number| Case::new(number * 256 + 7).found(START)).collect();
    for case in &cases {
        suite.world.publish(&case.told[0]).await;
    }
    suite.world.caught_up().await;
    suite.peers.village(cases.iter().flat_map(|case| village(case, 1, &[("V1", START)])).collect());
    assert_eq!(suite.run().await.buckets_agreed, 512);
    for lost in [3, 999, 1_000, 1_099] {
        suite.execute("DELETE FROM obligation WHERE case_id = $1", cases[lost].id).await;
    }
    let seen = suite.run().await;
    assert_eq!((seen.sighted, seen.buckets_agreed, suite.peers.lists()), (4, 511, 2));
    assert_eq!(suite.run().await.repaired, 4);
    let run = suite.run().await;
    assert_eq!((run.buckets_agreed, run.compared), (512, 1_100));
}
