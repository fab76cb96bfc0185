//! What opens entries: breaches, what cases record, offices; and a county's rules for its villages.

use std::collections::BTreeSet;

use dafei_contracts::{
    events::v1 as ev,
    sla::v1::{
        AccountabilityEntry, GetVillageRulesRequest, ListEntriesRequest, OpenEntryRequest, OpenForBreachesRequest,
        ReplaceVillageRulesRequest, open_entry_request::Charged,
    },
    types::v1 as types,
};
use dafei_testkit::eventually;
use tonic::{Code, Status};

use crate::{
    accountability::{CENTRE, CITY_OFFICE, Caller, MEMBER, OFFICE, SECRETARY, charge, outcome, reason, request_id},
    events::{
        CITY, COUNTY, Case, OTHER_COUNTY, OTHER_PATH, TOWNSHIP, Told, VILLAGE, at, stamp, wire_post, wire_region,
    },
    villages::township,
    world::{SOON, START, World, owner},
};

pub(crate) fn of_region(region: &str) -> ListEntriesRequest {
    ListEntriesRequest { region: Some(wire_region(region)), ..ListEntriesRequest::default() }
}

fn conduct(kind: &str, charged: Charged) -> OpenEntryRequest {
    OpenEntryRequest {
        request_id: request_id(),
        conduct: kind.to_owned(),
        text: "明知院内加工鞭炮而不报告".to_owned(),
        happened_at: Some(at("2026-11-22T10:00:00+08:00").into()),
        charged: Some(charged),
        ..OpenEntryRequest::default()
    }
}

async fn open(world: &World, caller: Caller, message: OpenEntryRequest) -> Result<AccountabilityEntry, Status> {
    let request = world.as_caller(caller, message);
    Ok(world.accountability().open_entry(request).await?.into_inner().entry.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accident_charges_the_posts_of_township_and_county_as_held_on_that_date_once() {
    let world = World::start().await;
    let case = Case::new(1).opened(START).accident(START, "2026-11-22T15:00:00+08:00");
    world.tell(&case.told).await;
    world.open_entries().await;
    // Told again, as after a refill that the consumer was reset for.
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    world.watermarks().await;
    eventually(SOON, "the accident is reported again", || async {
        let waiting = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM accountability_report");
        (waiting.fetch_one(&world.db.pool).await.unwrap() == 1).then_some(())
    })
    .await;
    world.open_entries().await;
    let entries = world.list(CITY_OFFICE, of_region("city:371300")).await.unwrap();
    let charged: BTreeSet<String> = entries.iter().map(|entry| owner(charge(entry).direct.as_ref())).collect();
    let expected = [
        "county-commander@county:371302 ",
        "county-office@county:371302 陈主任",
        "township-centre@township:371302001 赵主任",
        "township-principal@township:371302001 ",
    ];
    assert_eq!(charged.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(entries.len(), 4);
    for entry in &entries {
        assert_eq!((charge(entry).source.as_str(), charge(entry).sector.as_str()), ("accident", "fireworks"));
        assert!(entry.text.contains("死亡1人"), "{}", entry.text);
    }
    // Where the roster named nobody, the office names who held the post.
    let commander = entries.iter().find(|entry| owner(charge(entry).direct.as_ref()).starts_with("county-commander"));
    world.set("2026-11-27T00:00:00+08:00");
    let decided = world.decide(CITY_OFFICE, commander.unwrap(), &[outcome("direct", "刘指挥", "warning-talk")]).await;
    assert_eq!(decided.unwrap().decisions[0].persons[0].person, "刘指挥");
}

/// What is told of a case beyond what was told before.
fn since(before: &Case, case: Case) -> Vec<Told> {
    let mut told = case.told;
    told.split_off(before.told.len())
}

/// The township's centre was another's until 18 November.
fn centre_changed() -> Told {
    let holder = |person: &str, from: &str, until: Option<&str>| ev::RosterHolder {
        post: Some(wire_post("township-centre", TOWNSHIP, "")),
        person: person.to_owned(),
        valid_from: stamp(from),
        valid_until: until.and_then(stamp),
    };
    let change = "2026-11-18T00:00:00+08:00";
    let holders = vec![holder("钱主任", "2026-01-01T00:00:00+08:00", Some(change)), holder("赵主任", change, None)];
    township(2, START, &[VILLAGE], holders)
}

/// The entries of accidents in the city.
async fn of_accidents(world: &World) -> Vec<AccountabilityEntry> {
    let mut entries = world.list(CITY_OFFICE, of_region(CITY)).await.unwrap();
    entries.retain(|entry| charge(entry).source == "accident");
    entries
}

/// The same as `whom state text`, in order.
async fn entries(world: &World) -> Vec<String> {
    let entries = of_accidents(world).await;
    let mut said: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {} {}", owner(charge(entry).direct.as_ref()), entry.state, entry.text))
        .collect();
    said.sort();
    said
}

/// All of it told to the consumers again.
async fn told_again(world: &World, reports: i64) {
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    world.watermarks().await;
    eventually(SOON, "what the case recorded is reported again", || async {
        let waiting = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM accountability_report");
        (waiting.fetch_one(&world.db.pool).await.unwrap() == reports).then_some(())
    })
    .await;
    world.open_entries().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_accident_charges_nobody_twice_and_what_is_undecided_follows_it() {
    let world = World::start().await;
    let first = Case::new(1).opened(START).accident(START, "2026-11-22T15:00:00+08:00");
    world.tell(&first.told).await;
    world.open_entries().await;
    world.set("2026-11-27T00:00:00+08:00");
    let office = of_accidents(&world).await;
    let office = office.iter().find(|entry| owner(charge(entry).direct.as_ref()).contains("陈主任")).unwrap();
    world.decide(CITY_OFFICE, office, &[outcome("direct", "陈主任", "warning-talk")]).await.unwrap();
    // Two corrections that are read at once: the later one counts.
    let corrected = first
        .clone()
        .accident_of("2026-11-26T09:00:00+08:00", "2026-11-22T15:30:00+08:00", 2, None)
        .accident_of("2026-11-26T09:00:00+08:00", "2026-11-22T15:30:00+08:00", 3, None);
    world.tell(&since(&first, corrected)).await;
    world.open_entries().await;
    let expected = [
        "county-commander@county:371302  opened 死亡3人，受伤0人。爆炸",
        "county-office@county:371302 陈主任 decided 死亡1人，受伤0人。爆炸",
        "township-centre@township:371302001 赵主任 opened 死亡3人，受伤0人。爆炸",
        "township-principal@township:371302001  opened 死亡3人，受伤0人。爆炸",
    ];
    assert_eq!(entries(&world).await, expected);
    told_again(&world, 3).await;
    assert_eq!(entries(&world).await, expected, "nothing goes back to what was known first");
    for entry in of_accidents(&world).await {
        let told = if entry.state == "decided" { 2 } else { 1 };
        assert_eq!(world.events_of(&entry).await.len(), told, "one notice each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_were_opened_by_the_event_are_found_by_their_case_and_post() {
    let world = World::start().await;
    let first = Case::new(1).opened(START).accident(START, "2026-11-22T15:00:00+08:00");
    world.tell(&first.told).await;
    world.open_entries().await;
    // As they were kept before sequences were noted, under ids of another making.
    for statement in [
        "ALTER TABLE accountability_person DROP CONSTRAINT accountability_person_entry_id_fkey",
        "UPDATE accountability_person SET entry_id = md5(entry_id::text)::uuid",
        "UPDATE accountability_entry SET id = md5(id::text)::uuid,
             body = jsonb_set(body #- '{basis,sequence}', '{id}', to_jsonb(md5(id::text)::uuid::text))",
    ] {
        sqlx::query(statement).execute(&world.db.pool).await.unwrap();
    }
    told_again(&world, 1).await;
    assert_eq!(entries(&world).await.len(), 4, "the same record again");
    let corrected = first.clone().accident_of(START, "2026-11-22T15:00:00+08:00", 2, None);
    world.tell(&since(&first, corrected)).await;
    world.open_entries().await;
    let entries = entries(&world).await;
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert!(entries.iter().all(|entry| entry.contains("死亡2人")), "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_accident_happened_earlier_than_was_recorded_who_held_the_post_then_is_charged() {
    let world = World::start().await;
    world.tell(&[centre_changed()]).await;
    let first = Case::new(1).opened(START).accident(START, "2026-11-19T15:00:00+08:00");
    world.tell(&first.told).await;
    world.open_entries().await;
    let second = first.clone().accident_of(START, "2026-11-17T15:00:00+08:00", 1, None);
    world.tell(&since(&first, second.clone())).await;
    world.open_entries().await;
    let centres = async || {
        let mut entries = entries(&world).await;
        let all = entries.len();
        entries.retain(|entry| entry.starts_with("township-centre"));
        assert_eq!(all - entries.len(), 3, "the others are charged as before");
        entries
    };
    let (qian, zhao) = ("township-centre@township:371302001 钱主任", "township-centre@township:371302001 赵主任");
    let text = "死亡1人，受伤0人。爆炸";
    assert_eq!(centres().await, [format!("{zhao} withdrawn {text}"), format!("{qian} opened {text}")]);
    told_again(&world, 2).await;
    assert_eq!(centres().await.len(), 2);
    // And it was as was recorded first, after all.
    let third = second.clone().accident_of(START, "2026-11-19T15:00:00+08:00", 1, None);
    world.tell(&since(&second, third)).await;
    world.open_entries().await;
    let expected =
        [format!("{zhao} opened {text}"), format!("{zhao} withdrawn {text}"), format!("{qian} withdrawn {text}")];
    assert_eq!(centres().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accident_of_a_case_opened_at_an_office_charges_the_posts_of_the_place_as_held_on_that_date() {
    let world = World::start().await;
    world.tell(&[centre_changed()]).await;
    let happened = "2026-11-17T15:00:00+08:00";
    let charged = async |case: Case| -> Vec<String> {
        let id = case.id.to_string();
        world.tell(&case.told).await;
        world.open_entries().await;
        let entries = of_accidents(&world).await;
        let own = entries.iter().filter(|entry| charge(entry).case_id == id);
        let mut own: Vec<String> = own.map(|entry| owner(charge(entry).direct.as_ref())).collect();
        own.sort();
        own
    };
    let county = ["county-commander@county:371302 ", "county-office@county:371302 陈主任"];
    let all =
        [county[0], county[1], "township-centre@township:371302001 钱主任", "township-principal@township:371302001 "];
    let at_county = |number| Case::at_path(number, "city:371300/county:371302").opened(START);
    assert_eq!(charged(at_county(1).accident_of(START, happened, 1, Some(TOWNSHIP))).await, all);
    assert_eq!(charged(at_county(2).accident_of(START, happened, 1, Some(VILLAGE))).await, all);
    assert_eq!(charged(at_county(3).accident_of(START, happened, 1, None)).await, county, "nobody knows the township");
    let at_city = |number| Case::at_path(number, CITY).opened(START);
    assert_eq!(charged(at_city(4).accident_of(START, happened, 1, Some(TOWNSHIP))).await, all);
    assert_eq!(charged(at_city(5).accident_of(START, happened, 1, Some(COUNTY))).await, county);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_defied_again_opens_no_second_entry_and_another_order_does() {
    let world = World::start().await;
    let case = Case::new(1)
        .opened(START)
        .cut_off(START, types::ComplianceOutcome::Perfunctory)
        .cut_off(START, types::ComplianceOutcome::Refused)
        .cut_off_by("n", START, types::ComplianceOutcome::Refused);
    world.tell(&case.told).await;
    world.open_entries().await;
    told_again(&world, 3).await;
    let entries = world.list(OFFICE, of_region(COUNTY)).await.unwrap();
    let mut said: Vec<_> = entries.iter().map(|entry| (charge(entry).outside.as_str(), entry.text.as_str())).collect();
    said.sort_unstable();
    assert_eq!(said, [("供电所", "停电指令7号：拒不履行。"); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn accessories_and_defied_orders_charge_those_outside_the_roster_and_no_township_sees_it() {
    let world = World::start().await;
    let case = Case::new(1)
        .opened(START)
        .accessory(START, types::AccessoryKind::Premises, "房东孙某")
        .accessory(START, types::AccessoryKind::Concealed, "邻居钱某")
        .cut_off(START, types::ComplianceOutcome::Complied)
        .cut_off(START, types::ComplianceOutcome::Perfunctory);
    world.tell(&case.told).await;
    world.open_entries().await;
    let entries = world.list(OFFICE, of_region(COUNTY)).await.unwrap();
    let charged: BTreeSet<(&str, &str)> =
        entries.iter().map(|entry| (charge(entry).conduct.as_str(), charge(entry).outside.as_str())).collect();
    assert_eq!(
        charged.into_iter().collect::<Vec<_>>(),
        [("concealed", "邻居钱某"), ("cut-off-defied", "供电所"), ("support", "房东孙某")]
    );
    assert!(world.list(CENTRE, of_region(TOWNSHIP)).await.unwrap().is_empty());
    let supplier = entries.iter().find(|entry| charge(entry).outside == "供电所").unwrap();
    assert_eq!(supplier.text, "停电指令7号：敷衍应付。");
    let heard = world.state(OFFICE, supplier).await.unwrap();
    world.decide(OFFICE, &heard, &[outcome("direct", "供电所", "held-accountable")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_reports_conduct_of_its_region_and_nothing_beyond() {
    let world = World::start().await;
    let secretary = || Charged::Post(wire_post("village-secretary", VILLAGE, ""));
    let entry = open(&world, CENTRE, conduct("concealed", secretary())).await.unwrap();
    assert_eq!(owner(charge(&entry).direct.as_ref()), "village-secretary@village:371302001001 王书记");
    assert_eq!(entry.reported_by, Some(wire_post("township-centre", TOWNSHIP, "")));
    assert_eq!(entry.state, "opened");
    let named = OpenEntryRequest { persons: vec!["李书记".to_owned()], ..conduct("concealed", secretary()) };
    let named = open(&world, CENTRE, named).await.unwrap_err();
    assert_eq!(reason(&named), "persons[0] NOT_A_HOLDER", "he came later");
    for (caller, message, expected) in [
        (MEMBER, conduct("concealed", secretary()), "ROLE_NOT_ALLOWED"),
        (CENTRE, conduct("concealed", Charged::Post(wire_post("county-office", COUNTY, ""))), "OUT_OF_SCOPE"),
        (OFFICE, conduct("rumour", secretary()), "conduct UNKNOWN_CONDUCT"),
        (OFFICE, OpenEntryRequest { text: String::new(), ..conduct("other", secretary()) }, "text REQUIRED"),
        (OFFICE, OpenEntryRequest { charged: None, ..conduct("other", secretary()) }, "post REQUIRED"),
        (OFFICE, conduct("other", Charged::Outside("供电所".to_owned())), "region REQUIRED"),
        (OFFICE, conduct("other", Charged::Post(wire_post("grid-member", COUNTY, ""))), "post INVALID_POST"),
        (OFFICE, conduct("other", Charged::Post(wire_post("bank", COUNTY, ""))), "post.role ROLE_NOT_CHARGEABLE"),
        (
            OFFICE,
            OpenEntryRequest {
                happened_at: Some(at("2026-11-24T10:00:00+08:00").into()),
                ..conduct("other", secretary())
            },
            "happened_at TIME_IN_FUTURE",
        ),
    ] {
        assert_eq!(reason(&open(&world, caller, message).await.unwrap_err()), expected);
    }
    let (known, elsewhere) = (Case::new(1).opened(START), Case::at_path(2, OTHER_PATH).opened(START));
    world.tell(&known.told).await;
    world.tell(&elsewhere.told).await;
    for case in [elsewhere.id.to_string(), uuid::Uuid::from_u128(9).to_string()] {
        let about = OpenEntryRequest { case_id: case, ..conduct("concealed", secretary()) };
        assert_eq!(reason(&open(&world, CENTRE, about).await.unwrap_err()), "case_id NO_SUCH_CASE");
    }
    let about = OpenEntryRequest {
        case_id: known.id.to_string(),
        text: "明知案件在办而隐瞒".to_owned(),
        ..conduct("concealed", secretary())
    };
    let about = open(&world, CENTRE, about).await.unwrap();
    assert_eq!(
        (charge(&about).case_id.as_str(), charge(&about).sector.as_str()),
        (&*known.id.to_string(), "fireworks")
    );
    let outside = OpenEntryRequest {
        region: Some(wire_region(TOWNSHIP)),
        ..conduct("support", Charged::Outside("某冷库".to_owned()))
    };
    let outside = open(&world, CENTRE, outside).await.unwrap();
    assert_eq!(charge(&outside).decider, Some(wire_post("county-office", COUNTY, "")));
    assert_eq!(world.list(CITY_OFFICE, of_region("city:371300")).await.unwrap().len(), 3, "refusals left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_opens_for_breaches_that_are_its_to_decide_and_the_timer_opens_nothing_twice() {
    let world = World::start().await;
    let (first, second) = (Case::new(1).opened(START), Case::new(2).opened(START));
    world.tell(&first.told).await;
    world.tell(&second.told).await;
    world.go("2026-11-23T08:20:00+08:00").await;
    let id = async |case: &Case| world.obligations(case.id).await.remove(0).obligation.unwrap().obligation_id;
    let ids = vec![id(&first).await, id(&second).await];
    let open = async |caller: Caller, obligation_ids: Vec<String>| {
        let message = OpenForBreachesRequest { request_id: request_id(), obligation_ids };
        let request = world.as_caller(caller, message);
        world.accountability().open_for_breaches(request).await.map(tonic::Response::into_inner)
    };
    let running = open(OFFICE, ids.clone()).await.unwrap_err();
    assert_eq!(reason(&running), "obligation_ids[0] NOT_BREACHED");
    world.go("2026-11-23T08:40:00+08:00").await;
    assert_eq!(reason(&open(CENTRE, ids.clone()).await.unwrap_err()), "obligation_ids[0] NOT_DECIDER");
    let twice = vec![ids[0].clone(), ids[0].clone()];
    assert_eq!(reason(&open(OFFICE, twice).await.unwrap_err()), "obligation_ids[1] DUPLICATE_OBLIGATION");
    let many = open(OFFICE, vec![ids[0].clone(); 501]).await.unwrap_err();
    assert_eq!((many.code(), reason(&many).as_str()), (Code::InvalidArgument, "obligation_ids TOO_MANY"));
    let opened = open(OFFICE, vec![ids[0].clone()]).await.unwrap();
    assert_eq!(opened.opened, 1);
    world.open_entries().await;
    let both = open(OFFICE, ids).await.unwrap();
    assert_eq!((both.opened, both.entry_ids.len()), (0, 2), "the timer has opened the other");
    assert_eq!(both.entry_ids[0], opened.entry_ids[0]);
    let entries = world.list(OFFICE, of_region(TOWNSHIP)).await.unwrap();
    assert_eq!(entries.len(), 2);
    for entry in &entries {
        assert_eq!(world.events_of(entry).await.len(), 1, "one notice each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_county_lays_down_how_its_villages_are_handled_and_what_was_open_keeps_its_rules() {
    let world = World::start().await;
    let get = async |caller: Caller, county: &str| {
        let request = world.as_caller(caller, GetVillageRulesRequest { county: Some(wire_region(county)) });
        world.accountability().get_village_rules(request).await.map(tonic::Response::into_inner)
    };
    let default = get(MEMBER, COUNTY).await.unwrap();
    let rules = default.rules.unwrap();
    assert_eq!((rules.version, rules.decider.as_str(), rules.statement_working_days), (0, "township-centre", 3));
    assert_eq!(reason(&get(CENTRE, OTHER_COUNTY).await.unwrap_err()), "OUT_OF_SCOPE");
    let before = open(&world, CENTRE, conduct("concealed", Charged::Post(wire_post("village-secretary", VILLAGE, ""))));
    let before = before.await.unwrap();
    let new = |expected_version: i64| ReplaceVillageRulesRequest {
        request_id: request_id(),
        expected_version,
        decider: "county-office".to_owned(),
        outcomes: vec!["not-pursued".to_owned(), "warning-talk".to_owned()],
        statement_working_days: 1,
    };
    let replace = async |caller: Caller, message: ReplaceVillageRulesRequest| {
        let request = world.as_caller(caller, message);
        world.accountability().replace_village_rules(request).await.map(|answer| answer.into_inner().rules.unwrap())
    };
    assert_eq!(reason(&replace(CENTRE, new(0)).await.unwrap_err()), "ROLE_NOT_ALLOWED");
    let uncleared = ReplaceVillageRulesRequest { outcomes: vec!["warning-talk".to_owned()], ..new(0) };
    assert_eq!(reason(&replace(OFFICE, uncleared).await.unwrap_err()), "outcomes NOT_PURSUED_REQUIRED");
    assert_eq!(replace(OFFICE, new(0)).await.unwrap().version, 1);
    assert_eq!(replace(OFFICE, new(0)).await.unwrap_err().code(), Code::Aborted);
    let again = ReplaceVillageRulesRequest { statement_working_days: 2, ..new(1) };
    assert_eq!(replace(OFFICE, again).await.unwrap().version, 2);
    let history = get(CITY_OFFICE, COUNTY).await.unwrap();
    assert_eq!((history.rules.unwrap().version, history.history[0].version), (2, 1));
    let after = open(&world, CENTRE, conduct("concealed", Charged::Post(wire_post("grid-member", VILLAGE, ""))));
    let after = after.await.unwrap();
    assert_eq!(charge(&after).decider, Some(wire_post("county-office", COUNTY, "")));
    assert_eq!(after.outcomes_allowed, ["not-pursued", "warning-talk"]);
    assert_eq!(after.statement_until, Some(at("2026-11-26T00:00:00+08:00").into()));
    let still = world.entry(SECRETARY, &charge(&before).entry_id).await.unwrap();
    assert_eq!(charge(&still).decider, Some(wire_post("township-centre", TOWNSHIP, "")));
}
