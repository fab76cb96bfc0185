//! Who sees which entries, page by page, and who is seen to have looked.

use dafei_contracts::sla::v1::{
    Access, AccountabilityEntry, GetLedgerRequest, ListAccessRequest, ListEntriesRequest, OpenEntryRequest,
    open_entry_request::Charged,
};
use dafei_kernel::role::Role;
use tonic::Status;

use crate::{
    accountability::{
        AUDITOR, CENTRE, CITY_OFFICE, Caller, DEPARTMENT, MEMBER, OFFICE, SECRETARY, charge, outcome, reason,
        request_id,
    },
    events::{CITY, COUNTY, OTHER_COUNTY, TOWNSHIP, VILLAGE, at, wire_post, wire_region},
    world::World,
};

const OTHER_OFFICE: Caller = Caller(Role::CountyOffice, OTHER_COUNTY, None);

/// Conduct of a post, reported at an instant.
async fn reported(world: &World, when: &str, role: &str, region: &str) -> AccountabilityEntry {
    world.set(when);
    let message = OpenEntryRequest {
        request_id: request_id(),
        conduct: "other".to_owned(),
        text: "擅离职守".to_owned(),
        happened_at: Some(at("2026-11-22T10:00:00+08:00").into()),
        charged: Some(Charged::Post(wire_post(role, region, ""))),
        ..OpenEntryRequest::default()
    };
    let request = world.as_caller(OFFICE, message);
    world.accountability().open_entry(request).await.unwrap().into_inner().entry.unwrap()
}

fn of_region(region: &str) -> ListEntriesRequest {
    ListEntriesRequest { region: Some(wire_region(region)), ..ListEntriesRequest::default() }
}

/// With a token that nobody was given, of an instant that there is not.
fn forged(asked: ListEntriesRequest) -> ListEntriesRequest {
    ListEntriesRequest { page_token: dafei_shell::paging::encode(&(i64::MAX, uuid::Uuid::nil()), &asked), ..asked }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_listed_newest_first_page_by_page_and_by_what_is_asked() {
    let world = World::start().await;
    let member = reported(&world, "2026-11-23T09:00:00+08:00", "grid-member", VILLAGE).await;
    let centre = reported(&world, "2026-11-23T10:00:00+08:00", "township-centre", TOWNSHIP).await;
    let office = reported(&world, "2026-12-01T10:00:00+08:00", "county-office", COUNTY).await;
    let ids = |entries: &[AccountabilityEntry]| -> Vec<String> {
        entries.iter().map(|entry| charge(entry).entry_id.clone()).collect()
    };
    let all = ids(&[office, centre.clone(), member.clone()]);
    let page = async |message: ListEntriesRequest| {
        world
            .accountability()
            .list_entries(world.as_caller(CITY_OFFICE, message))
            .await
            .map(tonic::Response::into_inner)
    };
    let first = page(ListEntriesRequest { page_size: 2, ..of_region(CITY) }).await.unwrap();
    assert_eq!(ids(&first.entries), all[..2]);
    let token = first.next_page_token;
    let second = ListEntriesRequest { page_size: 2, page_token: token.clone(), ..of_region(CITY) };
    let second = page(second).await.unwrap();
    assert_eq!((ids(&second.entries), second.next_page_token.as_str()), (all[2..].to_vec(), ""));
    let other = page(ListEntriesRequest { page_token: token, ..of_region(COUNTY) }).await.unwrap_err();
    assert_eq!(reason(&other), "page_token INVALID_PAGE_TOKEN");
    let decided = world.state(MEMBER, &member).await.unwrap();
    world.decide(CENTRE, &decided, &[outcome("direct", "张网格", "warning-talk")]).await.unwrap();
    let asked = [
        (of_region(COUNTY), 3),
        (of_region(TOWNSHIP), 2),
        (of_region(VILLAGE), 1),
        (of_region("work-area:371302001-east"), 1),
        (of_region(OTHER_COUNTY), 0),
        (ListEntriesRequest { state: "decided".to_owned(), ..of_region(CITY) }, 1),
        (ListEntriesRequest { source: "conduct".to_owned(), ..of_region(CITY) }, 3),
        (ListEntriesRequest { source: "breach".to_owned(), ..of_region(CITY) }, 0),
        (ListEntriesRequest { month: "2026-11".to_owned(), ..of_region(CITY) }, 2),
        (ListEntriesRequest { person: "赵主任".to_owned(), ..of_region(CITY) }, 1),
        (ListEntriesRequest { person: "赵主任".to_owned(), ..of_region(VILLAGE) }, 0),
        (ListEntriesRequest { post: Some(wire_post("grid-member", VILLAGE, "")), ..of_region(CITY) }, 1),
        (ListEntriesRequest { post: Some(wire_post("grid-member", VILLAGE, "")), ..of_region(OTHER_COUNTY) }, 0),
        (ListEntriesRequest { awaiting_me: true, ..ListEntriesRequest::default() }, 1),
    ];
    for (message, count) in asked {
        assert_eq!(page(message.clone()).await.unwrap().entries.len(), count, "{message:?}");
    }
    for (message, expected) in [
        (ListEntriesRequest { state: "lost".to_owned(), ..of_region(CITY) }, "state UNKNOWN_STATE"),
        (ListEntriesRequest { source: "rumour".to_owned(), ..of_region(CITY) }, "source UNKNOWN_SOURCE"),
        (ListEntriesRequest { month: "11".to_owned(), ..of_region(CITY) }, "month INVALID_MONTH"),
        (ListEntriesRequest { person: "a\0".to_owned(), ..of_region(CITY) }, "person INVALID"),
        (ListEntriesRequest { person: "长".repeat(201), ..of_region(CITY) }, "person TOO_LONG"),
        (forged(of_region(CITY)), "page_token INVALID_PAGE_TOKEN"),
    ] {
        assert_eq!(reason(&page(message).await.unwrap_err()), expected);
    }
    let ledger = GetLedgerRequest {
        post: Some(wire_post("grid-member", VILLAGE, "")),
        person: "a\0".to_owned(),
        ..GetLedgerRequest::default()
    };
    let ledger = world.accountability().get_ledger(world.as_caller(CITY_OFFICE, ledger)).await.unwrap_err();
    assert_eq!(reason(&ledger), "person INVALID");
    let waiting = ListEntriesRequest { awaiting_me: true, ..ListEntriesRequest::default() };
    let waiting = world.list(OFFICE, waiting).await.unwrap();
    assert_eq!(ids(&waiting), ids(&[centre]), "the member's is decided, the office's own waits for the city");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_what_charges_him_and_who_watches_over_a_region_what_lies_in_it() {
    let world = World::start().await;
    let entry = reported(&world, "2026-11-23T09:00:00+08:00", "township-centre", TOWNSHIP).await;
    let id = &charge(&entry).entry_id;
    for caller in [CENTRE, OFFICE, CITY_OFFICE, AUDITOR] {
        assert!(world.entry(caller, id).await.is_ok(), "{caller:?}");
    }
    for caller in [MEMBER, SECRETARY, DEPARTMENT, OTHER_OFFICE, Caller(Role::Bank, CITY, None)] {
        assert_eq!(reason(&world.entry(caller, id).await.unwrap_err()), "OUT_OF_SCOPE", "{caller:?}");
        assert!(world.list(caller, ListEntriesRequest::default()).await.unwrap().is_empty(), "{caller:?}");
    }
    assert_eq!(reason(&world.list(SECRETARY, of_region(VILLAGE)).await.unwrap_err()), "ROLE_NOT_ALLOWED");
    assert_eq!(reason(&world.list(OTHER_OFFICE, of_region(COUNTY)).await.unwrap_err()), "OUT_OF_SCOPE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_counts_by_person_what_became_of_what_a_post_was_charged_with() {
    let world = World::start().await;
    let first = reported(&world, "2026-11-23T09:00:00+08:00", "township-centre", TOWNSHIP).await;
    reported(&world, "2026-11-23T10:00:00+08:00", "township-centre", TOWNSHIP).await;
    let heard = world.state(CENTRE, &first).await.unwrap();
    world.decide(OFFICE, &heard, &[outcome("direct", "赵主任", "warning-talk")]).await.unwrap();
    let ledger = async |caller: Caller, role: &str, region: &str, person: &str| {
        let message = GetLedgerRequest {
            post: Some(wire_post(role, region, "")),
            person: person.to_owned(),
            ..GetLedgerRequest::default()
        };
        world.accountability().get_ledger(world.as_caller(caller, message)).await.map(tonic::Response::into_inner)
    };
    let own = ledger(CENTRE, "township-centre", TOWNSHIP, "").await.unwrap();
    let counts: Vec<_> =
        own.counts.iter().map(|one| (one.person.as_str(), one.outcome.as_str(), one.entries)).collect();
    assert_eq!(counts, [("赵主任", "", 1), ("赵主任", "warning-talk", 1)]);
    assert_eq!(own.entries.len(), 2);
    assert!(ledger(OFFICE, "township-centre", TOWNSHIP, "钱主任").await.unwrap().entries.is_empty());
    let above = ledger(CENTRE, "county-office", COUNTY, "").await.unwrap_err();
    assert_eq!(reason(&above), "OUT_OF_SCOPE");
    let beside = ledger(SECRETARY, "grid-member", VILLAGE, "").await.unwrap_err();
    assert_eq!(reason(&beside), "ROLE_NOT_ALLOWED");
}

async fn accesses(world: &World, caller: Caller, region: &str, entry: &str) -> Result<Vec<Access>, Status> {
    let message = ListAccessRequest {
        region: Some(wire_region(region)),
        entry_id: entry.to_owned(),
        ..ListAccessRequest::default()
    };
    let request = world.as_caller(caller, message);
    Ok(world.accountability().list_access(request).await?.into_inner().accesses)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_is_logged_for_the_auditor_and_the_office_above_and_never_changed() {
    let world = World::start().await;
    let entry = reported(&world, "2026-11-23T09:00:00+08:00", "township-centre", TOWNSHIP).await;
    let id = charge(&entry).entry_id.clone();
    world.entry(CENTRE, &id).await.unwrap();
    world.list(OFFICE, of_region(COUNTY)).await.unwrap();
    world.list(OFFICE, of_region(VILLAGE)).await.unwrap();
    let message = GetLedgerRequest { post: Some(wire_post("township-centre", TOWNSHIP, "")), ..Default::default() };
    world.accountability().get_ledger(world.as_caller(CITY_OFFICE, message)).await.unwrap();
    world.entry(DEPARTMENT, &id).await.unwrap_err();
    let seen = accesses(&world, AUDITOR, CITY, "").await.unwrap();
    let mut said: Vec<(String, String, bool)> =
        seen.iter().map(|one| (one.subject.clone(), one.what.clone(), one.entry_id == id)).collect();
    said.sort();
    let expected = [
        ("city-office@city:371300", "ledger", true),
        ("county-office@county:371302", "list", false),
        ("county-office@county:371302", "list", true),
        ("township-centre@township:371302001", "entry", true),
    ];
    assert_eq!(said, expected.map(|(who, what, entry)| (who.to_owned(), what.to_owned(), entry)));
    let ledger = seen.iter().find(|one| one.what == "ledger").unwrap();
    assert_eq!(ledger.ledger, "township-centre@township:371302001");
    assert_eq!(accesses(&world, AUDITOR, CITY, &id).await.unwrap().len(), 3);
    assert_eq!(accesses(&world, OFFICE, TOWNSHIP, "").await.unwrap().len(), 1);
    assert_eq!(accesses(&world, CITY_OFFICE, COUNTY, "").await.unwrap().len(), 3);
    assert_eq!(reason(&accesses(&world, OFFICE, COUNTY, "").await.unwrap_err()), "NOT_ABOVE");
    assert_eq!(reason(&accesses(&world, CENTRE, COUNTY, "").await.unwrap_err()), "OUT_OF_SCOPE");
    assert_eq!(reason(&accesses(&world, SECRETARY, VILLAGE, "").await.unwrap_err()), "ROLE_NOT_ALLOWED");
    for statement in ["UPDATE accountability_access SET subject = ''", "DELETE FROM accountability_access"] {
        assert!(sqlx::query(statement).execute(&world.db.pool).await.is_err(), "{statement}");
    }
}
