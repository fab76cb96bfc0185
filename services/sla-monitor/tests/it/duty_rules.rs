//! Duties and rules that offices replace: a period goes by the text in force at its start.

use dafei_contracts::sla::v1::{ListDutiesRequest, ObligationState, ReplaceRulesRequest};
use dafei_kernel::role::Role;

use crate::{
    duty_offices::in_force,
    events::{VILLAGE, at, wire_region},
    rules::replacement,
    villages::{Village, township},
    world::{START, World},
};

/// A text of the rules under a label of its own.
fn labelled(text: &str, version: &str) -> String {
    text.replacen("linyi-2020-17.5", version, 1)
}

/// With `from` for a duty.
fn beginning(text: &str, clock: &str, from: &str) -> String {
    let (before, after) = text.split_once(&format!("\"clock\": \"{clock}\"")).unwrap();
    format!("{before}\"clock\": \"{clock}\", \"from\": \"{from}\"{after}")
}

async fn of_village(world: &World, clocks: &[&str]) -> Vec<String> {
    let mut told = world.duties(clocks).await;
    for line in &mut told {
        *line = line.replace(" village:371302001001", "");
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_that_a_kind_of_unit_owes_no_more_holds_up_no_other_duty() {
    let rules = in_force(&["W1", "M1"]);
    let world = World::with_rules(START, &rules).await;
    let township = r#"{ "kind": "township", "days": 3, "local_default": true },"#;
    assert!(rules.contains(township));
    // The townships' pointer is set, and no text has a limit for them any more.
    world.replace(replacement(1, labelled(&rules.replacen(township, "", 1), "v2"))).await.unwrap();
    world.go("2026-12-07T12:00:00+08:00").await;
    assert_eq!(
        of_village(&world, &["W1"]).await,
        ["2026-12-05 06:00:00 W1 2026-W49 warned", "2026-12-07 00:00:00 W1 2026-W49 breached"]
    );
    let told = world.duties(&["M1"]).await;
    assert!(!told.is_empty() && !told.iter().any(|line| line.contains("township:")), "{told:?}");
    // They owe it again.
    let again = labelled(&rules, "v3");
    world.replace(replacement(2, again)).await.unwrap();
    world.go("2027-01-05T12:00:00+08:00").await;
    let told = world.duties(&["M1"]).await;
    let told: Vec<&str> = told.iter().filter(|line| line.contains("township:371302001 ")).map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "2027-01-03 00:00:00 township:371302001 M1 2026-12 warned",
            "2027-01-04 00:00:00 township:371302001 M1 2026-12 breached",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_yet_to_come_in_force_takes_nothing_away_of_what_starts_before_it() {
    let rules = in_force(&["W1", "W2"]);
    let world = World::with_rules(START, &rules).await;
    // From the week of 14 December on: patrols no more, broadcasts from the week after the next on.
    let text = labelled(&beginning(&in_force(&["W2"]), "W2", "2026-12-21"), "v2");
    let from = Some(at("2026-12-14T00:00:00+08:00").into());
    world.replace(ReplaceRulesRequest { in_force_from: from, ..replacement(1, text) }).await.unwrap();
    world.go("2026-12-28T12:00:00+08:00").await;
    let mut told = of_village(&world, &["W1", "W2"]).await;
    told.retain(|line| line.ends_with("breached"));
    assert_eq!(
        told,
        [
            "2026-12-07 00:00:00 W1 2026-W49 breached",
            "2026-12-07 00:00:00 W2 2026-W49 breached",
            "2026-12-14 00:00:00 W1 2026-W50 breached",
            "2026-12-14 00:00:00 W2 2026-W50 breached",
            "2026-12-28 00:00:00 W2 2026-W52 breached",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_that_is_turned_off_is_off_at_once_and_on_again_from_the_day_that_the_rules_say() {
    let rules = in_force(&["W1"]);
    let world = World::with_rules(START, &rules).await;
    world.go("2026-12-02T12:00:00+08:00").await;
    world.replace(replacement(1, labelled(&in_force(&[]), "v2"))).await.unwrap();
    world.go("2026-12-10T12:00:00+08:00").await;
    assert_eq!(of_village(&world, &["W1"]).await, [""; 0]);
    world.replace(replacement(2, labelled(&beginning(&rules, "W1", "2026-12-21"), "v3"))).await.unwrap();
    world.go("2026-12-28T12:00:00+08:00").await;
    assert_eq!(
        of_village(&world, &["W1"]).await,
        ["2026-12-26 06:00:00 W1 2026-W52 warned", "2026-12-28 00:00:00 W1 2026-W52 breached"]
    );
}

/// How often the village has patrolled in a week, how often it is to, and how that stands.
async fn patrols(world: &World, period: &str) -> (u32, u32, ObligationState) {
    let message =
        ListDutiesRequest { region: Some(wire_region(VILLAGE)), period: period.to_owned(), ..Default::default() };
    let request = world.request(Role::VillageSecretary, VILLAGE, message);
    let duties = world.deadlines().list_duties(request).await.unwrap().into_inner().duties;
    let one = duties.iter().find(|duty| duty.clock == "W1").unwrap();
    (one.done, one.needed, one.state())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_asks_for_as_many_patrols_as_the_rules_of_its_start_whatever_comes_in_force_within_it() {
    let three = in_force(&["W1"]);
    assert!(three.contains(r#""runs": "within", "count": 3"#));
    let four = three.replacen(r#""runs": "within", "count": 3"#, r#""runs": "within", "count": 4"#, 1);
    let world = World::with_rules(START, &three).await;
    let mut village = Village::known();
    // The week of 30 November begins with three and ends with four.
    world.go("2026-12-02T12:00:00+08:00").await;
    world.replace(replacement(1, labelled(&four, "v2"))).await.unwrap();
    world.tell(&[village.patrolled(&["2026-11-30T09:00:00+08:00", "2026-12-01T09:00:00+08:00"])]).await;
    world.go("2026-12-06T12:00:00+08:00").await;
    assert_eq!(patrols(&world, "2026-W49").await, (2, 3, ObligationState::Open));
    world.tell(&[village.patrolled(&["2026-12-06T09:00:00+08:00"])]).await;
    // The next begins with four and ends with three.
    world.go("2026-12-09T12:00:00+08:00").await;
    world.replace(replacement(2, labelled(&three, "v3"))).await.unwrap();
    world.tell(&[village.patrolled(&["2026-12-07T09:00:00+08:00", "2026-12-08T09:00:00+08:00"])]).await;
    world.go("2026-12-11T12:00:00+08:00").await;
    world.tell(&[village.patrolled(&["2026-12-10T09:00:00+08:00"])]).await;
    assert_eq!(patrols(&world, "").await, (3, 4, ObligationState::Open));
    world.tell(&[village.patrolled(&["2026-12-11T09:00:00+08:00"])]).await;
    assert_eq!(patrols(&world, "2026-W50").await, (4, 4, ObligationState::Settled));
    world.go("2026-12-15T12:00:00+08:00").await;
    assert_eq!(patrols(&world, "").await, (0, 3, ObligationState::Open));
    assert_eq!(
        of_village(&world, &["W1"]).await,
        ["2026-12-05 06:00:00 W1 2026-W49 warned", "2026-12-06 09:00:00 W1 2026-W49 settled"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_not_owed_for_what_starts_before_the_day_from_which_they_count() {
    let rules = beginning(&in_force(&["N1"]), "N1", "2026-12-01");
    let world = World::with_rules(START, &rules).await;
    world.go("2026-12-02T12:00:00+08:00").await;
    let second = "village:371302001002";
    world.tell(&[township(2, "2026-12-02T12:00:00+08:00", &[VILLAGE, second], Vec::new())]).await;
    world.go("2027-01-03T12:00:00+08:00").await;
    let start = "2026-12-02T04:00:00Z";
    assert_eq!(
        world.duties(&["N1"]).await,
        [
            format!("2026-12-25 09:00:00 {second} N1 {start} warned"),
            format!("2027-01-02 00:00:00 {second} N1 {start} breached"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_that_are_turned_off_before_their_yellow_light_are_not_told_of_and_a_light_that_was_told_goes_on() {
    let world = World::with_rules(START, &in_force(&["N1"])).await;
    world.go("2026-12-10T12:00:00+08:00").await;
    let second = "village:371302001002";
    world.tell(&[township(2, "2026-12-10T12:00:00+08:00", &[VILLAGE, second], Vec::new())]).await;
    // The first village was warned, the second is not yet.
    world.go("2026-12-20T12:00:00+08:00").await;
    world.replace(replacement(1, labelled(&in_force(&[]), "v2"))).await.unwrap();
    world.go("2027-01-20T12:00:00+08:00").await;
    let mut told = world.duties(&["N1"]).await;
    told.retain(|line| !line.ends_with("reminded"));
    let start = "2026-11-23T00:00:00Z";
    assert_eq!(
        told,
        [
            format!("2026-12-16 08:00:00 {VILLAGE} N1 {start} warned"),
            format!("2026-12-24 00:00:00 {VILLAGE} N1 {start} breached"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_notices_that_are_turned_off_nothing_is_told_when_the_village_has_its_places_later() {
    let world = World::with_rules(START, &in_force(&["N1"])).await;
    world.go("2026-12-01T12:00:00+08:00").await;
    world.replace(replacement(1, labelled(&in_force(&[]), "v2"))).await.unwrap();
    world.go("2026-12-10T12:00:00+08:00").await;
    let mut village = Village::known();
    world.tell(&[village.posted("2026-12-10T12:00:00+08:00", 10, 0)]).await;
    world.go("2027-01-20T12:00:00+08:00").await;
    assert_eq!(world.duties(&["N1"]).await, [""; 0]);
}
