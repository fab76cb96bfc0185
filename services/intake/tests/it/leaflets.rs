//! Leaflets, and whom they have reached (clause D7).

use dafei_contracts::{Event, intake::v1 as api, timestamp::Timestamp};
use dafei_kernel::{ids, role::Role, time::Instant};
use tonic::{Code, Status};

use crate::world::{Caller, MEMBER, SECRETARY, VILLAGE, World, fields, new_id, refused, wire};

/// One in the village, one of the township that names no village, one in another township.
const ENTERPRISES: &str = "credit_code,name,industry,regulator,level,code,employees\n\
    91350100M000100Y43,某化工公司,coal,energy,village,371302001001,30\n\
    91371302MA3C000015,某运输公司,general,,township,371302001,5\n\
    91371302MA3C00002X,某商店,general,,village,371302002001,3\n";
const FACTORY: &str = "91350100M000100Y43";
const CARRIER: &str = "91371302MA3C000015";
const OFFICE: Caller = (Role::CityOffice, "city:371300");

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse::<Instant>().expect("an instant").into())
}

fn reached(credit_code: &str, employees: u32) -> api::EnterpriseReached {
    api::EnterpriseReached { credit_code: credit_code.to_owned(), employees }
}

fn leaflets(households: u32, enterprises: Vec<api::EnterpriseReached>) -> api::DistributeLeafletsRequest {
    api::DistributeLeafletsRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        distributed_at: time("2026-11-20T09:00:00+08:00"),
        copies: 500,
        households,
        enterprises,
        round: String::new(),
    }
}

async fn start() -> World {
    let world = World::start().await;
    world.import(api::RosterFile::Enterprises, ENTERPRISES).await.expect("a good file");
    world
}

async fn distribute(
    world: &World,
    caller: Caller,
    request: api::DistributeLeafletsRequest,
) -> Result<api::LeafletDistribution, Status> {
    let answer = world.publicity().distribute_leaflets(world.request(caller, request)).await?;
    Ok(answer.into_inner().distribution.expect("as kept"))
}

async fn coverage(world: &World, region: &str, year: i32) -> api::GetPublicityCoverageResponse {
    let request = api::GetPublicityCoverageRequest { region: Some(wire(region)), year };
    world.publicity().get_publicity_coverage(world.request(OFFICE, request)).await.expect("a coverage").into_inner()
}

/// Households; enterprises reached, reached whole, and all; employees reached and all.
fn figures(coverage: &api::Coverage) -> (u64, [u64; 3], [u64; 2]) {
    (
        coverage.households_covered,
        [coverage.enterprises_covered, coverage.enterprises_complete, coverage.enterprises_total],
        [coverage.employees_covered, coverage.employees_total],
    )
}

#[tokio::test]
async fn a_distribution_is_kept_told_and_listed_and_a_replay_reaches_nobody_twice() {
    let world = start().await;
    let request = leaflets(200, vec![reached(FACTORY, 20), reached(CARRIER, 5)]);
    let kept = distribute(&world, SECRETARY, request.clone()).await.expect("recorded");
    assert_eq!((kept.copies, kept.households, kept.round.as_str()), (500, 200, "2026年第4季度"));
    assert_eq!(distribute(&world, SECRETARY, request).await.expect("replayed"), kept);
    let book = ids::derived(&["publicity-book", "371302001001"]).to_string();
    let events = world.history(&book).await;
    let [Event::LeafletsDistributed(told)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((told.copies, told.households, told.employees), (500, 200, 25));
    assert_eq!(told.enterprises, [FACTORY, CARRIER]);
    let list = api::ListLeafletsRequest { region: Some(wire("county:371302")), ..Default::default() };
    let page = world.publicity().list_leaflets(world.request(OFFICE, list)).await.expect("a page").into_inner();
    assert_eq!(page.distributions, [kept]);
    assert_eq!(coverage(&world, VILLAGE, 0).await.total.expect("a total").households_covered, 200);
}

#[tokio::test]
async fn a_round_is_added_up_the_best_round_of_the_year_counts_and_no_enterprise_has_more_than_its_employees() {
    let world = start().await;
    let spring = |households, employees| api::DistributeLeafletsRequest {
        distributed_at: time("2026-03-10T09:00:00+08:00"),
        round: "春季".to_owned(),
        ..leaflets(households, vec![reached(FACTORY, employees)])
    };
    for request in [
        spring(100, 10),
        spring(80, 15),
        leaflets(150, vec![reached(FACTORY, 40), reached(CARRIER, 2)]),
        api::DistributeLeafletsRequest {
            distributed_at: time("2025-12-31T23:59:59+08:00"),
            ..leaflets(400, Vec::new())
        },
    ] {
        distribute(&world, MEMBER, request).await.expect("recorded");
    }
    let county = coverage(&world, "county:371302", 2026).await;
    let total = county.total.expect("a total");
    // Spring's two distributions reached 180 households, autumn's one 150; all 30 of the factory, 2 of 5 of the carrier.
    assert_eq!(figures(&total), (180, [2, 1, 2], [32, 35]));
    assert_eq!(county.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["兰山街道"]);
    let township = coverage(&world, "township:371302001", 2026).await;
    assert_eq!(figures(&township.total.expect("a total")), (180, [2, 1, 2], [32, 35]));
    let parts: Vec<_> = township.parts.iter().map(|part| (part.name.as_str(), figures(part))).collect();
    // The carrier is of the township alone.
    assert_eq!(parts, [("一村", (180, [1, 1, 1], [30, 30])), ("二村", (0, [0, 0, 0], [0, 0]))]);
    let city = coverage(&world, "city:371300", 2026).await;
    assert_eq!(figures(&city.total.expect("a total")), (180, [2, 1, 3], [32, 38]));
    assert_eq!(city.parts.len(), 2);
    let before = coverage(&world, "city:371300", 2025).await;
    assert_eq!((before.year, figures(&before.total.expect("a total"))), (2025, (400, [0, 0, 3], [0, 38])));
}

type Change = fn(&mut api::DistributeLeafletsRequest);

/// What is changed, the field that is named, and the reason.
const CASES: &[(&str, Change, &str, &str)] = &[
    ("no copies", |r| r.copies = 0, "copies", "OUT_OF_RANGE"),
    ("fewer than were reached", |r| r.copies = 30, "copies", "FEWER_THAN_REACHED"),
    ("no time", |r| r.distributed_at = None, "distributed_at", "REQUIRED"),
    ("tomorrow", |r| r.distributed_at = time("2026-11-24T09:00:00+08:00"), "distributed_at", "TIME_IN_FUTURE"),
    ("no credit code", |r| r.enterprises[0].credit_code.clear(), "enterprises[0].credit_code", "INVALID_CREDIT_CODE"),
    (
        "an enterprise of elsewhere",
        |r| r.enterprises.push(reached("91371302MA3C00002X", 1)),
        "enterprises[1].credit_code",
        "ENTERPRISE_NOT_OF_VILLAGE",
    ),
    ("nobody of an enterprise", |r| r.enterprises[0].employees = 0, "enterprises[0].employees", "OUT_OF_RANGE"),
    (
        "an enterprise twice",
        |r| r.enterprises.push(reached(FACTORY, 1)),
        "enterprises[1].credit_code",
        "ENTERPRISE_REPEATED",
    ),
    ("too many enterprises", |r| r.enterprises = vec![reached(FACTORY, 1); 501], "enterprises", "TOO_MANY"),
    ("a long round", |r| r.round = "长".repeat(33), "round", "TOO_LONG"),
];

#[tokio::test]
async fn a_wrong_field_of_a_distribution_is_named_and_nothing_is_written() {
    let world = start().await;
    let before = world.events().await;
    for (what, change, field, reason) in CASES {
        let mut request = leaflets(25, vec![reached(FACTORY, 10)]);
        change(&mut request);
        let status = distribute(&world, SECRETARY, request).await.expect_err(what);
        assert_eq!(fields(&status), [*field], "{what}");
        assert_eq!(refused(Err::<(), _>(status)).1, *reason, "{what}");
    }
    let elsewhere =
        api::DistributeLeafletsRequest { village: Some(wire("village:371302002001")), ..leaflets(1, Vec::new()) };
    let denied = (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned());
    assert_eq!(refused(distribute(&world, SECRETARY, elsewhere).await), denied);
    assert_eq!(world.events().await, before);
    let year = api::GetPublicityCoverageRequest { region: Some(wire(VILLAGE)), year: 1999 };
    let status = world.publicity().get_publicity_coverage(world.request(OFFICE, year)).await.expect_err("a year");
    assert_eq!(fields(&status), ["year"]);
    let above = api::GetPublicityCoverageRequest { region: Some(wire("township:371302001")), year: 0 };
    let answer = world.publicity().get_publicity_coverage(world.request(MEMBER, above)).await;
    assert_eq!(refused(answer), denied);
}
