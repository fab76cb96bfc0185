//! Who is charged where the roster is read later than what the case tells: the two come by streams of their own.

use std::sync::Arc;

use dafei_contracts::events::v1 as ev;
use dafei_kernel::{clock::Clock as _, roster::RosterIndex, time::Instant};
use dafei_shell::{
    roster::RosterView,
    timer::{Due as _, Round},
};
use dafei_sla_monitor::{
    accountability::{EntryTimer, Ledger},
    firing::Firing,
};

use crate::{
    accountability::{CITY_OFFICE, charge},
    accountability_opened::of_region,
    duty_offices::in_force,
    events::{CITY, COUNTY, Case, TOWNSHIP, Told, VILLAGE, at, snapshot, stamp, wire_post},
    villages::township,
    world::{START, World, obligation, owner},
};

const OLD: &str = "2026-01-01T00:00:00+08:00";
/// Before [`START`].
const CHANGE: &str = "2026-11-23T07:00:00+08:00";

fn holder(role: &str, region: &str, person: &str, from: &str, until: Option<&str>) -> ev::RosterHolder {
    ev::RosterHolder {
        post: Some(wire_post(role, region, "")),
        person: person.to_owned(),
        valid_from: stamp(from),
        valid_until: until.and_then(stamp),
    }
}

/// The centre was handed over before [`START`], and the village has another grid member since then.
fn handed_over() -> Told {
    let holders = vec![
        holder("township-centre", TOWNSHIP, "赵主任", OLD, Some(CHANGE)),
        holder("township-centre", TOWNSHIP, "钱主任", CHANGE, None),
        holder("grid-member", VILLAGE, "张网格", OLD, None),
        holder("grid-member", VILLAGE, "刘网格", CHANGE, None),
    ];
    township(2, CHANGE, &[VILLAGE], holders)
}

/// `clock fact directly responsible / loop owner` of all that was announced of a case.
async fn charged(world: &World, case: &Case) -> Vec<String> {
    let mut all = Vec::new();
    for (event, _) in world.log().await {
        let of = obligation(&event);
        if of.case_id == case.id.to_string() {
            let name = |of: Option<&dafei_contracts::types::v1::Owner>| of.unwrap().persons.join("、");
            let (direct, loop_owner) = (name(of.direct.as_ref()), name(of.loop_owner.as_ref()));
            all.push(format!("{} {} {direct}/{loop_owner}", of.clock, event.kind().fact));
        }
    }
    all
}

/// Whom the ledger's entries charge.
async fn accident_charges(world: &World) -> Vec<String> {
    let entries = world.list(CITY_OFFICE, of_region(CITY)).await.unwrap();
    entries.iter().map(|entry| owner(charge(entry).direct.as_ref())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_handed_over_a_post_before_is_not_charged_though_the_monitor_reads_of_it_later() {
    let world = World::start().await;
    let case = Case::new(1).opened(START);
    world.tell(&case.told).await;
    let before = world.obligations(case.id).await.remove(0).obligation.unwrap();
    assert_eq!(owner(before.direct.as_ref()), "township-centre@township:371302001 赵主任");
    // What intake recorded an hour earlier is read now.
    world.tell(&[handed_over()]).await;
    world.go("2026-11-23T08:35:00+08:00").await;
    assert_eq!(charged(&world, &case).await, ["T1 warned 钱主任/钱主任", "T1 breached 钱主任/钱主任"]);
    let after = world.obligations(case.id).await.remove(0).obligation.unwrap();
    assert_eq!(owner(after.direct.as_ref()), "township-centre@township:371302001 钱主任");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_not_heard_of_a_hand_over_that_another_has_taken_charges_the_right_one() {
    let world = World::without_firing(START).await;
    let (clock, view) = (Arc::new(world.clock.clone()), RosterView::load(&world.db.pool).await.unwrap());
    let firing = Firing::new(world.db.pool.clone(), clock.clone(), world.terms.clone(), view.clone());
    let case = Case::new(1).opened(START).accident(START, "2026-11-23T07:30:00+08:00");
    world.tell(&case.told).await;
    world.tell(&[handed_over()]).await;
    world.set_clock(at("2026-11-23T08:25:00+08:00"));
    world.watermarks().await;
    while firing.pass().await.unwrap() > 0 {}
    assert_eq!(charged(&world, &case).await, ["T1 warned 钱主任/钱主任"]);
    let view = RosterView::for_test(RosterIndex::new());
    let ledger = Ledger::new(world.db.pool.clone(), clock, view, world.terms.clone());
    assert_eq!(EntryTimer::new(ledger).round(world.clock.now()).await.unwrap(), Round::More);
    assert!(accident_charges(&world).await.contains(&"township-centre@township:371302001 钱主任".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_of_a_yellow_light_stays_the_owner_whatever_the_roster_says_later() {
    let world = World::start().await;
    let case = Case::new(1).opened(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T08:25:00+08:00").await;
    world.tell(&[handed_over()]).await;
    world.go("2026-11-23T08:35:00+08:00").await;
    assert_eq!(charged(&world, &case).await, ["T1 warned 赵主任/赵主任", "T1 breached 赵主任/赵主任"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_grid_members_he_who_found_the_act_is_charged_also_where_the_roster_names_him_later() {
    let world = World::start().await;
    let case = Case::new(1).found_by(START, "刘网格");
    world.tell(&case.told).await;
    world.tell(&[handed_over()]).await;
    world.go("2026-11-23T08:50:00+08:00").await;
    // The village's secretary is none of this snapshot's.
    assert_eq!(charged(&world, &case).await, ["V1 warned 刘网格/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finder_who_is_one_of_two_secretaries_is_charged_alone_for_his_telling_and_both_for_what_the_secretaries_owe()
{
    let world = World::start().await;
    let case = Case::new(1).found_by(START, "王书记").notified(START);
    world.tell(&case.told[..1]).await;
    let holders = vec![
        holder("grid-member", VILLAGE, "张网格", OLD, None),
        holder("grid-member", VILLAGE, "王书记", OLD, None),
        holder("village-secretary", VILLAGE, "王书记", OLD, None),
        holder("village-secretary", VILLAGE, "李书记", OLD, None),
    ];
    world.tell(&[township(2, CHANGE, &[VILLAGE], holders)]).await;
    world.tell(&case.told[1..]).await;
    world.go("2026-11-23T08:50:00+08:00").await;
    let both = "李书记、王书记";
    let expected = [format!("V1 settled 王书记/{both}"), format!("V2 warned {both}/{both}")];
    assert_eq!(charged(&world, &case).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_meant_of_several_stays_known_while_the_facts_are_read_again() {
    let world = World::without_firing(START).await;
    world.tell(&[handed_over()]).await;
    let case = Case::new(1).found_by(START, "刘网格");
    world.tell(&case.told).await;
    world.consuming.cancel();
    sqlx::query("DELETE FROM case_fact").execute(&world.db.pool).await.unwrap();
    let now = at("2026-11-23T08:50:00+08:00");
    world.set_clock(now);
    sqlx::query("INSERT INTO watermark SELECT unnest(ARRAY['intake', 'dispatch']), $1::text::timestamptz ON CONFLICT (service) DO UPDATE SET through = excluded.through")
        .bind(now.to_string())
        .execute(&world.db.pool)
        .await
        .unwrap();
    while world.firing.pass().await.unwrap() > 0 {}
    assert_eq!(charged(&world, &case).await, ["V1 warned 刘网格/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_region_that_left_the_roster_meanwhile_the_owner_is_whom_it_had() {
    let world = World::start().await;
    let case = Case::new(1).opened(START);
    world.tell(&case.told).await;
    let path = format!("city:371300/{COUNTY}/{TOWNSHIP}");
    world.tell(&[snapshot((4, 2), TOWNSHIP, &path, START, Vec::new(), Vec::new())]).await;
    world.go("2026-11-23T08:25:00+08:00").await;
    assert_eq!(charged(&world, &case).await, ["T1 warned 赵主任/赵主任"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accident_charges_nobody_before_the_roster_is_known_up_to_its_record() {
    let world = World::start().await;
    let case = Case::new(1).opened(START).accident(START, "2026-11-23T07:30:00+08:00");
    world.watermark("intake", at("2026-11-23T07:59:59+08:00")).await;
    world.tell(&case.told).await;
    let timer = EntryTimer::new(world.ledger.clone());
    let now: Instant = at(START);
    assert_eq!(timer.round(now).await.unwrap(), Round::Waits);
    assert_eq!(accident_charges(&world).await, [""; 0]);
    world.tell(&[handed_over()]).await;
    world.watermark("intake", now).await;
    world.caught_up().await;
    assert_eq!(timer.round(now).await.unwrap(), Round::More);
    let charged = accident_charges(&world).await;
    assert!(charged.contains(&"township-centre@township:371302001 钱主任".to_owned()), "{charged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_township_that_left_before_the_end_of_the_week_is_not_breached_while_intake_is_behind() {
    let world = World::with_rules(START, &in_force(&["W3"])).await;
    world.go("2026-12-06T12:00:00+08:00").await;
    let (left, later) = ("2026-12-06T20:00:00+08:00", at("2026-12-07T09:00:00+08:00"));
    world.set_clock(later);
    for service in ["dispatch", "reporting"] {
        world.watermark(service, later).await;
    }
    world.caught_up().await;
    while world.firing.pass().await.unwrap() > 0 {}
    let path = format!("city:371300/{COUNTY}/{TOWNSHIP}");
    world.tell(&[snapshot((4, 2), TOWNSHIP, &path, left, Vec::new(), Vec::new())]).await;
    world.go("2026-12-07T10:00:00+08:00").await;
    assert_eq!(
        world.duties(&["W3"]).await,
        [
            format!("2026-12-05 06:00:00 {TOWNSHIP} W3 2026-W48 warned"),
            format!("2026-12-06 20:00:00 {TOWNSHIP} W3 2026-W48 cancelled"),
        ]
    );
}
