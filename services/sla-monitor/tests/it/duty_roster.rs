//! Duties and a roster that changes, and the notices that stand (clause D5).

use dafei_contracts::{Event, events::v1 as ev, sla::v1::ListDutiesRequest};
use dafei_kernel::role::Role;

use crate::{
    duty_offices::in_force,
    events::{COUNTY, OTHER_COUNTY, PATH, TOWNSHIP, VILLAGE, at, snapshot, stamp, wire_post, wire_region},
    villages::{Village, entry, secretary, township},
    world::{World, obligation, owner},
};

const SECOND: &str = "village:371302001002";
const MIDWEEK: &str = "2026-12-02T10:00:00+08:00";

#[tokio::test(flavor = "multi_thread")]
async fn a_village_that_is_new_in_mid_week_owes_its_first_whole_week_and_its_notices_at_once() {
    let world = World::start().await;
    world.go(MIDWEEK).await;
    world.tell(&[township(2, MIDWEEK, &[VILLAGE, SECOND], Vec::new())]).await;
    world.go("2027-01-04T12:00:00+08:00").await;
    let told: Vec<String> =
        world.duties(&["W1", "N1"]).await.into_iter().filter(|line| line.contains(SECOND)).collect();
    let starts = "2026-12-02T02:00:00Z";
    let expected = [
        "2026-12-12 06:00:00 village:371302001002 W1 2026-W50 warned".to_owned(),
        "2026-12-14 00:00:00 village:371302001002 W1 2026-W50 breached".to_owned(),
        "2026-12-19 06:00:00 village:371302001002 W1 2026-W51 warned".to_owned(),
        "2026-12-21 00:00:00 village:371302001002 W1 2026-W51 breached".to_owned(),
    ];
    assert_eq!(&told[..4], &expected);
    let notices: Vec<&String> = told.iter().filter(|line| line.contains("N1")).collect();
    // 30 natural days: to the end of New Year's Day; three quarters of that time is the yellow light.
    assert_eq!(notices[1], &format!("2027-01-02 00:00:00 village:371302001002 N1 {starts} breached"));
    assert!(notices[0].ends_with("warned") && notices.len() == 2, "{notices:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_township_and_a_county_owe_the_table_of_the_month_in_which_they_came_and_none_from_before() {
    let world = World::with_rules("2026-10-20T08:00:00+08:00", &in_force(&["M1"])).await;
    // After November, and before the yellow light of its table.
    world.go(MIDWEEK).await;
    let (centre, county) = ("township:371302009", "county:371312");
    let path = format!("city:371300/{county}");
    world.tell(&[snapshot((5, 1), county, &path, MIDWEEK, vec![entry(county, "city:371300")], Vec::new())]).await;
    let path = format!("city:371300/{COUNTY}/{centre}");
    world.tell(&[snapshot((6, 1), centre, &path, MIDWEEK, vec![entry(centre, COUNTY)], Vec::new())]).await;
    world.go("2027-01-05T10:00:00+08:00").await;
    let mut told = world.duties(&["M1"]).await;
    told.retain(|line| line.contains(centre) || line.contains(county));
    assert_eq!(
        told,
        [
            format!("2027-01-03 00:00:00 {centre} M1 2026-12 warned"),
            format!("2027-01-04 00:00:00 {county} M1 2026-12 warned"),
            format!("2027-01-04 00:00:00 {centre} M1 2026-12 breached"),
            format!("2027-01-05 00:00:00 {county} M1 2026-12 breached"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_whose_first_holder_begins_when_a_month_is_over_owes_no_table_of_it() {
    let world = World::with_rules("2026-10-20T08:00:00+08:00", &in_force(&["M1"])).await;
    let entered = "2026-11-25T10:00:00+08:00";
    world.go(entered).await;
    let holder = |agency, from| ev::RosterHolder {
        post: Some(wire_post("county-department", COUNTY, agency)),
        person: "李科长".to_owned(),
        valid_from: stamp(from),
        valid_until: None,
    };
    // Both are entered in November; one of them held the post in its last second.
    let holders = vec![holder("postal", "2026-12-01T00:00:00+08:00"), holder("energy", "2026-11-30T23:59:59+08:00")];
    let path = format!("city:371300/{COUNTY}");
    world.tell(&[snapshot((2, 2), COUNTY, &path, entered, vec![entry(COUNTY, "city:371300")], holders)]).await;
    world.go("2026-12-02T10:00:00+08:00").await;
    let listed = async |agency: &str, period: &str| {
        let (region, agency) = (Some(wire_region(COUNTY)), agency.to_owned());
        let message = ListDutiesRequest { region, agency, period: period.to_owned(), ..Default::default() };
        let request = world.request(Role::CountyOffice, COUNTY, message);
        world.deadlines().list_duties(request).await.unwrap().into_inner().duties.len()
    };
    for period in ["", "2026-11"] {
        assert_eq!((listed("postal", period).await, listed("energy", period).await), (0, 1), "{period}");
    }
    assert_eq!(listed("postal", "2026-12").await, 1);
    world.go("2027-01-04T10:00:00+08:00").await;
    let mut told = world.duties(&["M1"]).await;
    told.retain(|line| (line.contains("postal") || line.contains("energy")) && !line.contains("reminded"));
    let line = |when: &str, agency: &str, rest: &str| format!("{when} {COUNTY}{agency} M1 {rest}");
    assert_eq!(
        told,
        [
            line("2026-12-03 00:00:00", "energy", "2026-11 warned"),
            line("2026-12-04 00:00:00", "energy", "2026-11 breached"),
            line("2027-01-03 00:00:00", "energy", "2026-12 warned"),
            line("2027-01-03 00:00:00", "postal", "2026-12 warned"),
            line("2027-01-04 00:00:00", "energy", "2026-12 breached"),
            line("2027-01-04 00:00:00", "postal", "2026-12 breached"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_that_is_dissolved_owes_the_table_of_the_last_month_in_which_its_post_was_held_and_none_after() {
    let world = World::with_rules("2026-10-20T08:00:00+08:00", &in_force(&["M1"])).await;
    let entered = "2026-11-25T10:00:00+08:00";
    world.go(entered).await;
    let holder = |agency, from, until: Option<&str>| ev::RosterHolder {
        post: Some(wire_post("county-department", COUNTY, agency)),
        person: "李科长".to_owned(),
        valid_from: stamp(from),
        valid_until: until.and_then(stamp),
    };
    let old = "2026-01-01T00:00:00+08:00";
    let holders = vec![
        // Dissolved with October.
        holder("postal", old, Some("2026-11-01T00:00:00+08:00")),
        holder("energy", old, Some("2026-11-10T00:00:00+08:00")),
        // Vacant for all of November, and held again before its table is due.
        holder("fire-rescue", old, Some("2026-10-25T00:00:00+08:00")),
        holder("fire-rescue", "2026-12-03T00:00:00+08:00", None),
    ];
    let path = format!("city:371300/{COUNTY}");
    world.tell(&[snapshot((2, 2), COUNTY, &path, entered, vec![entry(COUNTY, "city:371300")], holders)]).await;
    world.go("2026-12-02T10:00:00+08:00").await;
    let listed = async |agency: &str| {
        let (region, agency) = (Some(wire_region(COUNTY)), agency.to_owned());
        let message = ListDutiesRequest { region, agency, period: "2026-11".to_owned(), ..Default::default() };
        let request = world.request(Role::CountyOffice, COUNTY, message);
        world.deadlines().list_duties(request).await.unwrap().into_inner().duties.len()
    };
    assert_eq!((listed("postal").await, listed("energy").await, listed("fire-rescue").await), (0, 1, 1));
    world.go("2027-01-04T10:00:00+08:00").await;
    let mut told = world.duties(&["M1"]).await;
    told.retain(|line| ["postal", "energy", "fire-rescue"].iter().any(|agency| line.contains(agency)));
    told.retain(|line| !line.contains("reminded"));
    let line = |when: &str, agency: &str, rest: &str| format!("{when} {COUNTY}{agency} M1 {rest}");
    assert_eq!(
        told,
        [
            line("2026-12-03 00:00:00", "energy", "2026-11 warned"),
            line("2026-12-03 00:00:00", "fire-rescue", "2026-11 warned"),
            line("2026-12-04 00:00:00", "energy", "2026-11 breached"),
            line("2026-12-04 00:00:00", "fire-rescue", "2026-11 breached"),
            line("2027-01-03 00:00:00", "fire-rescue", "2026-12 warned"),
            line("2027-01-04 00:00:00", "fire-rescue", "2026-12 breached"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_week_is_who_held_the_post_when_it_began() {
    let world = World::start().await;
    world.go(MIDWEEK).await;
    let holders = vec![
        secretary(VILLAGE, "李书记", "2026-11-24T00:00:00+08:00", Some(MIDWEEK)),
        secretary(VILLAGE, "周书记", MIDWEEK, None),
    ];
    world.tell(&[township(2, MIDWEEK, &[VILLAGE], holders)]).await;
    world.go("2026-12-14T12:00:00+08:00").await;
    let mut named = Vec::new();
    for (event, _) in world.log().await {
        let of = obligation(&event);
        if of.clock == "W1" && matches!(event, Event::Breached(_)) {
            named.push((of.period.clone(), owner(of.direct.as_ref())));
        }
    }
    let post = "village-secretary@village:371302001001";
    assert_eq!(
        named,
        [("2026-W49".to_owned(), format!("{post} 李书记")), ("2026-W50".to_owned(), format!("{post} 周书记"))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_that_is_taken_out_of_the_roster_owes_nothing_more() {
    let world = World::start().await;
    let leaves = "2026-12-05T12:00:00+08:00";
    world.go(leaves).await;
    world.tell(&[township(2, leaves, &[], Vec::new())]).await;
    world.go("2027-01-08T12:00:00+08:00").await;
    let mut told = world.duties(&["W1", "W2", "N1"]).await;
    told.retain(|line| !line.ends_with("warned"));
    assert_eq!(
        told,
        [
            "2026-12-05 12:00:00 village:371302001001 N1 2026-11-23T00:00:00Z cancelled",
            "2026-12-05 12:00:00 village:371302001001 W1 2026-W49 cancelled",
            "2026-12-05 12:00:00 village:371302001001 W2 2026-W49 cancelled",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_that_moves_under_another_county_goes_on_owing_where_it_was_when_the_week_began() {
    let world = World::start().await;
    let (other, moves) = ("township:371311001", "2026-12-05T12:00:00+08:00");
    world.go("2026-12-05T11:59:00+08:00").await;
    // The part that it leaves is told of before the one that it comes to, and on its own.
    world.tell(&[township(2, moves, &[], Vec::new())]).await;
    let path = format!("city:371300/{OTHER_COUNTY}/{other}");
    let there = vec![entry(other, OTHER_COUNTY), entry(VILLAGE, other)];
    world.tell(&[snapshot((5, 1), other, &path, moves, there, Vec::new())]).await;
    world.go("2026-12-14T12:00:00+08:00").await;
    let mut paths = Vec::new();
    for (event, _) in world.log().await {
        let of = obligation(&event);
        assert!(!matches!(event, Event::Cancelled(_)), "{event:?}");
        if of.clock == "W1" && matches!(event, Event::Breached(_)) {
            paths.push((of.period.clone(), event.meta().unwrap().region_path.clone()));
        }
    }
    assert_eq!(paths, [("2026-W49".to_owned(), PATH.to_owned()), ("2026-W50".to_owned(), format!("{path}/{VILLAGE}"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_township_that_comes_under_another_county_takes_its_villages_along() {
    let world = World::start().await;
    let moves = "2026-12-02T12:00:00+08:00";
    world.go(moves).await;
    let path = format!("city:371300/{OTHER_COUNTY}/{TOWNSHIP}");
    let there = vec![entry(TOWNSHIP, OTHER_COUNTY), entry(VILLAGE, TOWNSHIP)];
    world.tell(&[snapshot((4, 2), TOWNSHIP, &path, moves, there, Vec::new())]).await;
    world.go("2026-12-12T12:00:00+08:00").await;
    let mut paths = Vec::new();
    for (event, _) in world.log().await {
        if obligation(&event).clock == "W2" && matches!(event, Event::Warned(_)) {
            paths.push(event.meta().unwrap().region_path.clone());
        }
    }
    assert_eq!(paths, [PATH.to_owned(), format!("{path}/{VILLAGE}")]);
    assert!(!paths[1].contains(COUNTY));
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_owed_for_the_entry_and_again_for_each_shortfall() {
    let world = World::start().await;
    let mut village = Village::known();
    world.tell(&[village.posted("2026-11-24T09:00:00+08:00", 9, 0)]).await;
    // Ten places, two of which are too close: not yet.
    world.tell(&[village.posted("2026-11-25T09:00:00+08:00", 10, 1)]).await;
    world.go("2026-12-16T00:00:00+08:00").await;
    world.tell(&[village.posted("2026-12-15T10:00:00+08:00", 10, 0)]).await;
    world.go("2026-12-20T00:00:00+08:00").await;
    world.tell(&[village.removed("2026-12-18T10:00:00+08:00", 9)]).await;
    world.go("2026-12-27T00:00:00+08:00").await;
    // Posted within the seven days and told after them.
    world.tell(&[village.posted("2026-12-25T10:00:00+08:00", 10, 0)]).await;
    world.go("2026-12-28T00:00:00+08:00").await;
    world.tell(&[village.removed("2026-12-27T10:00:00+08:00", 8)]).await;
    world.go("2027-01-06T00:00:00+08:00").await;
    world.tell(&[village.posted("2027-01-05T10:00:00+08:00", 11, 0)]).await;
    world.go("2027-03-01T00:00:00+08:00").await;
    let told: Vec<String> = world.duties(&["N1"]).await.into_iter().filter(|line| !line.ends_with("warned")).collect();
    let line = |when: &str, start: &str, fact: &str| format!("{when} village:371302001001 N1 {start} {fact}");
    assert_eq!(
        told,
        [
            line("2026-12-15 10:00:00", "2026-11-23T00:00:00Z", "settled"),
            line("2026-12-25 10:00:00", "2026-12-18T02:00:00Z", "settled"),
            line("2026-12-26 00:00:00", "2026-12-18T02:00:00Z", "breached"),
            line("2026-12-27 00:00:00", "2026-12-18T02:00:00Z", "annulled"),
            line("2027-01-04 00:00:00", "2026-12-27T02:00:00Z", "breached"),
            line("2027-01-05 10:00:00", "2026-12-27T02:00:00Z", "settled"),
        ]
    );
    let numbers: Vec<u32> = world
        .log()
        .await
        .iter()
        .filter(|(event, _)| obligation(event).clock == "N1" && matches!(event, Event::Settled(_)))
        .map(|(event, _)| obligation(event).leg)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(world.firing.next_due().await.unwrap().filter(|next| *next < at("2027-03-01T00:00:00+08:00")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_lets_nobody_enter_before_he_was_told_of() {
    let world = World::start().await;
    let (late, there) = ("2026-12-20T10:00:00+08:00", "township:371302003");
    world.go(late).await;
    let (path, village) = (format!("city:371300/{COUNTY}/{there}"), "village:371302003001");
    let regions = vec![entry(there, COUNTY), entry(village, there)];
    world.tell(&[snapshot((6, 1), there, &path, late, regions, Vec::new())]).await;
    let stays = async || {
        sqlx::query_as::<_, (String, String)>("SELECT unit, since::text FROM duty_unit ORDER BY kind, unit, since")
            .fetch_all(&world.db.pool)
            .await
            .unwrap()
    };
    let before = stays().await;
    assert!(before.iter().any(|(unit, _)| unit == village));
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    world.watermarks().await;
    dafei_testkit::eventually(std::time::Duration::from_secs(20), "the roster is read again", || async {
        (stays().await.len() == before.len()).then_some(())
    })
    .await;
    assert_eq!(stays().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_village_owes_since_it_came_back_does_not_fall_away_when_its_old_leaving_is_read_again() {
    let world = World::start().await;
    let back = "2026-12-03T10:00:00+08:00";
    world.go(MIDWEEK).await;
    world.tell(&[township(2, MIDWEEK, &[], Vec::new())]).await;
    world.go(back).await;
    world.tell(&[township(3, back, &[VILLAGE], Vec::new())]).await;
    // The patrols of the week are warned of, the notices since its coming back are breached: both are open.
    world.go("2027-01-09T12:00:00+08:00").await;
    let all = ["W1", "W2", "N1"];
    let before = world.duties(&all).await;
    for open in [
        "2027-01-03 00:00:00 village:371302001001 N1 2026-12-03T02:00:00Z breached",
        "2027-01-09 06:00:00 village:371302001001 W1 2027-W01 warned",
    ] {
        assert!(before.iter().any(|line| line == open), "{before:?}");
    }
    let stays = async || {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM duty_unit").fetch_one(&world.db.pool).await.unwrap()
    };
    let known = stays().await;
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    world.watermarks().await;
    dafei_testkit::eventually(std::time::Duration::from_secs(20), "the roster is read again", || async {
        (stays().await == known).then_some(())
    })
    .await;
    world.done().await;
    assert_eq!(world.duties(&all).await, before);
    world.go("2027-01-11T12:00:00+08:00").await;
    let mut told = world.duties(&all).await;
    told.retain(|line| !before.contains(line) && !line.contains("reminded"));
    assert_eq!(
        told,
        [
            "2027-01-11 00:00:00 village:371302001001 W1 2027-W01 breached",
            "2027-01-11 00:00:00 village:371302001001 W2 2027-W01 breached",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaving_that_is_told_late_ends_what_had_begun_before_it() {
    let world = World::start().await;
    // Warned of on Saturday; it had left on Friday evening.
    world.go("2026-12-06T12:00:00+08:00").await;
    world.tell(&[township(2, "2026-12-04T20:00:00+08:00", &[], Vec::new())]).await;
    world.go("2026-12-20T12:00:00+08:00").await;
    let mut told = world.duties(&["W1", "W2", "N1"]).await;
    told.retain(|line| !line.ends_with("warned"));
    assert_eq!(
        told,
        [
            "2026-12-04 20:00:00 village:371302001001 N1 2026-11-23T00:00:00Z cancelled",
            "2026-12-04 20:00:00 village:371302001001 W1 2026-W49 cancelled",
            "2026-12-04 20:00:00 village:371302001001 W2 2026-W49 cancelled",
        ]
    );
}
