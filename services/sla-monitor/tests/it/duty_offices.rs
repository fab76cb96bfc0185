//! What offices owe by reporting's word: briefings, tables, evaluations (clauses C9, C14, C18, E1). The shipped rules have these clocks
//! turned off; here they are turned on.

use std::time::Duration;

use dafei_contracts::{Event, events::v1 as ev};
use dafei_shell::timer::{Due as _, Round};
use dafei_testkit::eventually;
use uuid::Uuid;

use crate::{
    events::{COUNTY, TOWNSHIP, Told, stamp, wire_post, wire_region},
    world::World,
};

/// How long something may take.
const SOON: Duration = Duration::from_secs(20);
const RULES: &str = include_str!("../../../../data/clocks/default.json");
const COUNTY_PATH: &str = "city:371300/county:371302";
const TOWNSHIP_PATH: &str = "city:371300/county:371302/township:371302001";

/// The shipped rules with these duties, and no others, in force.
pub(crate) fn in_force(clocks: &[&str]) -> String {
    let mut rules = RULES.replace("\"in_force\": true", "\"in_force\": false");
    for clock in clocks {
        let (before, after) = rules.split_once(&format!("\"clock\": \"{clock}\"")).unwrap();
        rules =
            format!("{before}\"clock\": \"{clock}\"{}", after.replacen("\"in_force\": false", "\"in_force\": true", 1));
    }
    rules
}

fn told(number: u128, path: &str, event: impl Into<Event>) -> Told {
    let aggregate = Uuid::from_u128(number);
    let mut event: Event = event.into();
    event.set_meta(ev::EventMeta {
        aggregate_id: aggregate.to_string(),
        sequence: 1,
        region_path: path.to_owned(),
        ..Default::default()
    });
    Told { service: "reporting", aggregate, sequence: 1, event }
}

fn briefed(number: u128, unit: &str, path: &str, period: &str, when: &str) -> Told {
    let (unit, period, released_at) = (Some(wire_region(unit)), period.to_owned(), stamp(when));
    told(number, path, ev::BriefingReleased { meta: None, unit, period, released_at, sha256: String::new() })
}

fn filed(number: u128, role: &str, agency: &str, when: &str) -> Told {
    let region = if role == "township-centre" { TOWNSHIP } else { COUNTY };
    let (unit, month) = (Some(wire_post(role, region, agency)), "2026-11".to_owned());
    told(number, COUNTY_PATH, ev::TableFiled { meta: None, unit, month, filed_at: stamp(when), version: 1 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_that_does_not_brief_in_time_has_one_final_breach_whatever_it_does_later() {
    let world = World::with_rules("2026-11-16T00:00:00+08:00", &in_force(&["W3"])).await;
    world.tell(&[briefed(1, TOWNSHIP, TOWNSHIP_PATH, "2026-W47", "2026-11-24T10:00:00+08:00")]).await;
    world.go("2026-12-08T10:00:00+08:00").await;
    world.tell(&[briefed(2, TOWNSHIP, TOWNSHIP_PATH, "2026-W48", "2026-12-07T00:00:00+08:00")]).await;
    world.go("2026-12-10T10:00:00+08:00").await;
    let line = |when: &str, period: &str, fact: &str| format!("{when} township:371302001 W3 {period} {fact}");
    assert_eq!(
        world.duties(&["W3"]).await,
        [
            line("2026-11-21 06:00:00", "2026-W46", "warned"),
            line("2026-11-23 00:00:00", "2026-W46", "breached"),
            line("2026-12-05 06:00:00", "2026-W48", "warned"),
            line("2026-12-07 00:00:00", "2026-W48", "breached"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_months_table_is_owed_by_the_third_fourth_and_fifth_and_its_breach_stays_open_until_it_is_filed() {
    let world = World::with_rules("2026-11-30T08:00:00+08:00", &in_force(&["M1", "M2"])).await;
    world.go("2026-12-02T10:00:00+08:00").await;
    world.tell(&[filed(1, "township-centre", "", "2026-12-02T10:00:00+08:00")]).await;
    world.go("2026-12-07T10:00:00+08:00").await;
    let late = filed(2, "county-department", "emergency-management", "2026-12-07T10:00:00+08:00");
    // Released in time, and told late.
    world.tell(&[late, briefed(3, COUNTY, COUNTY_PATH, "2026-11", "2026-12-05T23:59:59+08:00")]).await;
    world.go("2026-12-11T10:00:00+08:00").await;
    let department = "county:371302emergency-management";
    let mut told = world.duties(&["M1", "M2"]).await;
    told.retain(|line| !line.contains("county:371311"));
    let line = |when: &str, unit: &str, clock: &str, fact: &str| format!("{when} {unit} {clock} 2026-11 {fact}");
    assert_eq!(
        told,
        [
            line("2026-12-03 00:00:00", department, "M1", "warned"),
            line("2026-12-04 00:00:00", "county:371302", "M1", "warned"),
            line("2026-12-04 00:00:00", department, "M1", "breached"),
            line("2026-12-04 18:00:00", "city:371300", "M1", "warned"),
            line("2026-12-04 18:00:00", "county:371302", "M2", "warned"),
            line("2026-12-05 00:00:00", "county:371302", "M1", "breached"),
            line("2026-12-05 23:59:59", "county:371302", "M2", "settled"),
            line("2026-12-06 00:00:00", "city:371300", "M1", "breached"),
            line("2026-12-06 00:00:00", "county:371302", "M2", "breached"),
            line("2026-12-07 00:00:00", department, "M1", "reminded"),
            line("2026-12-07 10:00:00", "county:371302", "M2", "annulled"),
            line("2026-12-07 10:00:00", department, "M1", "settled"),
            line("2026-12-09 00:00:00", "county:371302", "M1", "reminded"),
            line("2026-12-11 00:00:00", "city:371300", "M1", "reminded"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarters_evaluation_is_owed_by_the_fifteenth_after_it() {
    let world = World::with_rules("2026-10-01T00:00:00+08:00", &in_force(&["Q1"])).await;
    let evaluated = |number, quarter: &str, when: &str| {
        let (county, quarter) = (Some(wire_region(COUNTY)), quarter.to_owned());
        told(number, COUNTY_PATH, ev::EvaluationComplete { meta: None, county, quarter, completed_at: stamp(when) })
    };
    // Of the quarter before nothing was owed: the county was not in the roster then.
    world.tell(&[evaluated(1, "2026-Q3", "2026-10-10T10:00:00+08:00")]).await;
    world.go("2027-01-17T10:00:00+08:00").await;
    world.tell(&[evaluated(2, "2026-Q4", "2027-01-16T10:00:00+08:00")]).await;
    world.done().await;
    let mut told = world.duties(&["Q1"]).await;
    told.retain(|line| line.contains("county:371302"));
    let line = |when: &str, fact: &str| format!("{when} county:371302 Q1 2026-Q4 {fact}");
    assert_eq!(
        told,
        [
            line("2026-12-20 06:00:00", "warned"),
            line("2027-01-16 00:00:00", "breached"),
            line("2027-01-16 10:00:00", "settled"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_due_before_the_roster_is_read_again_is_not_lost() {
    let world = World::at_rest("2026-11-30T08:00:00+08:00", &in_force(&["M1"])).await;
    let now = crate::events::at("2026-12-05T10:00:00+08:00");
    // As during a rebuild: reporting's stream is read, and intake's, which has the roster, is not.
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    world.set_clock(now);
    world.watermark("reporting", now).await;
    eventually(SOON, "reporting's word is taken", || async {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM watermark WHERE service = 'reporting' AND through > '2026-12-05'",
        )
        .fetch_one(&world.db.pool)
        .await
        .unwrap()
        .eq(&1)
        .then_some(())
    })
    .await;
    while world.sweeps.round(now).await.unwrap() == Round::More {}
    world.sweep();
    tokio::spawn(world.firing.clone().run(world.stop.clone()));
    world.watermarks().await;
    world.done().await;
    let told = world.duties(&["M1"]).await;
    assert!(told.iter().any(|line| line.contains("emergency-management") && line.ends_with("breached")), "{told:?}");
}
