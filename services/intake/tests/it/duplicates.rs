//! Likely duplicates are suggested with what is recorded, and to whom may see them.

use dafei_contracts::{
    intake::v1::{self as api, duplicate::Why},
    types::v1 as types,
};
use dafei_kernel::role::Role;

use crate::{
    village_steps::CENTRE,
    world::{Caller, MEMBER, OTHER_VILLAGE, REGIONS, SECRETARY, VILLAGE, World, den, new_id, refused, wire},
};

const NEIGHBOUR: &str = "village:371302003001";
const OFFICE: Caller = (Role::CountyOffice, "county:371302");

/// A den of the village, some 1e-7 degrees north of a place.
fn den_at(village: &str, north_e7: i32) -> api::RecordSuspicionRequest {
    let position = types::Position { latitude_e7: 350_000_000 + north_e7, longitude_e7: 1_183_000_000 };
    let den_there = types::Den { place: "河边".to_owned(), position: Some(position), industry: String::new() };
    let subject = types::Subject { kind: Some(types::subject::Kind::Den(den_there)) };
    api::RecordSuspicionRequest { request_id: new_id(), village: Some(wire(village)), subject: Some(subject), ..den() }
}

fn enterprise(village: &str) -> api::RecordSuspicionRequest {
    let enterprise = types::Enterprise {
        credit_code: "91350100M000100Y43".to_owned(),
        name: "某化工公司".to_owned(),
        ..Default::default()
    };
    let subject = types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) };
    api::RecordSuspicionRequest { subject: Some(subject), ..den_at(village, 0) }
}

impl World {
    /// As [`World::start`], with a second township in the county.
    async fn with_neighbours() -> Self {
        let world = Self::empty().await;
        let more = "township,371302003,银雀山街道,371302,\nvillage,371302003001,四村,371302003,\n";
        world.import(api::RosterFile::Regions, &format!("{REGIONS}{more}")).await.expect("a good file");
        world
    }

    async fn record_there(&self, request: api::RecordSuspicionRequest) -> api::RecordSuspicionResponse {
        let village = request.village.clone().expect("a village").code;
        let place =
            [VILLAGE, OTHER_VILLAGE, NEIGHBOUR].into_iter().find(|place| place.ends_with(&village)).expect("one");
        let request = self.request((Role::GridMember, place), request);
        self.suspicions().record_suspicion(request).await.expect("recorded").into_inner()
    }

    async fn id_of(&self, request: api::RecordSuspicionRequest) -> String {
        self.record_there(request).await.suspicion.expect("as kept").case_id
    }

    async fn duplicates(&self, caller: Caller, case_id: &str) -> Vec<(String, Option<Why>)> {
        let request = self.request(caller, api::FindDuplicatesRequest { case_id: case_id.to_owned() });
        let found = self.suspicions().find_duplicates(request).await.expect("looked for").into_inner().duplicates;
        found.into_iter().map(|duplicate| (duplicate.case_id, duplicate.why)).collect()
    }
}

fn apart(case_id: &str, metres: u32) -> (String, Option<Why>) {
    (case_id.to_owned(), Some(Why::DistanceM(metres)))
}

#[tokio::test]
async fn a_report_is_answered_with_the_likely_duplicates_of_its_township_and_no_more_of_them_than_where_they_stand() {
    let world = World::with_neighbours().await;
    let near = world.id_of(den_at(VILLAGE, 5_000)).await;
    let nearer = world.id_of(den_at(OTHER_VILLAGE, 1_000)).await;
    world.id_of(den_at(VILLAGE, 30_000)).await;
    world.id_of(api::RecordSuspicionRequest { act: "HC-9".to_owned(), ..den_at(VILLAGE, 0) }).await;
    world.id_of(den_at(NEIGHBOUR, 2_000)).await;
    let withdrawn = world.id_of(den_at(VILLAGE, 100)).await;
    world.withdraw(&withdrawn).await.expect("withdrawn");
    let answer = world.record_there(den_at(VILLAGE, 0)).await;
    let [first, second] = answer.likely_duplicates.as_slice() else { panic!("{:?}", answer.likely_duplicates) };
    let expected = api::Duplicate {
        case_id: nearer,
        village: Some(wire(OTHER_VILLAGE)),
        act: "HC-3".to_owned(),
        state: api::SuspicionState::Recorded.into(),
        why: Some(Why::DistanceM(11)),
    };
    assert_eq!(first, &expected);
    assert_eq!((second.case_id.as_str(), &second.why), (near.as_str(), &Some(Why::DistanceM(56))));
}

#[tokio::test]
async fn the_county_sees_duplicates_across_townships_and_the_township_and_village_their_own() {
    let world = World::with_neighbours().await;
    let theirs = world.id_of(den_at(NEIGHBOUR, 1_000)).await;
    let own = world.id_of(den_at(OTHER_VILLAGE, 2_000)).await;
    let id = world.id_of(den_at(VILLAGE, 0)).await;
    for caller in [MEMBER, SECRETARY, CENTRE] {
        assert_eq!(world.duplicates(caller, &id).await, [apart(&own, 22)], "{caller:?}");
    }
    assert_eq!(world.duplicates(OFFICE, &id).await, [apart(&theirs, 11), apart(&own, 22)]);
    let request = api::FindDuplicatesRequest { case_id: id };
    let request = world.request((Role::GridMember, OTHER_VILLAGE), request);
    assert_eq!(refused(world.suspicions().find_duplicates(request).await).1, "OUT_OF_SCOPE");
}

#[tokio::test]
async fn one_enterprise_s_act_is_a_duplicate_wherever_it_was_found_and_after_a_month_no_more() {
    let world = World::with_neighbours().await;
    let first = world.id_of(enterprise(VILLAGE)).await;
    world.id_of(api::RecordSuspicionRequest { act: "HC-9".to_owned(), ..enterprise(VILLAGE) }).await;
    let answer = world.record_there(enterprise(OTHER_VILLAGE)).await;
    let found: Vec<_> = answer.likely_duplicates.into_iter().map(|one| (one.case_id, one.why)).collect();
    assert_eq!(found, [(first, Some(Why::SameEnterprise(true)))]);
    world.clock.advance(jiff::SignedDuration::from_hours(31 * 24));
    assert!(world.record_there(enterprise(OTHER_VILLAGE)).await.likely_duplicates.is_empty());
}

#[tokio::test]
async fn a_replay_suggests_what_is_likely_by_then() {
    let world = World::with_neighbours().await;
    let request = den_at(VILLAGE, 0);
    assert!(world.record_there(request.clone()).await.likely_duplicates.is_empty());
    let later = world.id_of(den_at(OTHER_VILLAGE, 1_000)).await;
    let again = world.record_there(request).await.likely_duplicates;
    assert_eq!(again.into_iter().map(|one| one.case_id).collect::<Vec<_>>(), [later]);
}
