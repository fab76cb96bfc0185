//! The village's open steps are the clocks that run.

use dafei_contracts::timestamp::Timestamp;
use dafei_contracts::{
    events::v1::PersuasionOutcome,
    intake::v1::{self as api, open_step_service_client::OpenStepServiceClient},
};
use jiff::SignedDuration;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::world::{CITY, Caller, MEMBER, SECRETARY, World, den, refused};
use dafei_kernel::role::Role;

/// The monitor, as it calls its neighbours.
const MONITOR: Caller = (Role::Service, CITY);

impl World {
    fn open_steps(&self) -> OpenStepServiceClient<Channel> {
        OpenStepServiceClient::new(self.channel.clone())
    }

    /// Owners and starts of a case's open steps.
    async fn owed(&self, case_id: &str) -> Vec<(String, String, Option<Timestamp>)> {
        let message = api::ListOpenStepsRequest { bucket: bucket(case_id), ..Default::default() };
        let answer = self.open_steps().list_open_steps(self.request(MONITOR, message)).await.expect("a list");
        let own = answer.into_inner().steps.into_iter().filter(|step| step.case_id == case_id);
        own.map(|step| (step.clock, step.owner.expect("an owner").role, step.started_at)).collect()
    }

    async fn clocks(&self, case_id: &str) -> Vec<(String, i64)> {
        let message = api::ListOpenStepsRequest { bucket: bucket(case_id), ..Default::default() };
        let answer = self.open_steps().list_open_steps(self.request(MONITOR, message)).await.expect("a list");
        let own = answer.into_inner().steps.into_iter().filter(|step| step.case_id == case_id);
        own.map(|step| (step.clock, step.sequence)).collect()
    }

    async fn digest(&self) -> Vec<api::OpenStepBucket> {
        let request = self.request(MONITOR, api::DigestOpenStepsRequest {});
        self.open_steps().digest_open_steps(request).await.expect("digests").into_inner().buckets
    }
}

fn bucket(case_id: &str) -> u32 {
    let id: Uuid = case_id.parse().expect("an id");
    u32::from(*id.as_bytes().last().expect("16 bytes"))
}

fn pairs(clocks: &[&str], sequence: i64) -> Vec<(String, i64)> {
    clocks.iter().map(|clock| ((*clock).to_owned(), sequence)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_county_s_platform_auditor_or_admin_does_not_read_the_city_s_open_steps() {
    let world = World::start().await;
    for role in [Role::Service, Role::Auditor, Role::Admin] {
        for region in ["county:371302", "township:371302001"] {
            let listed = world.request((role, region), api::ListOpenStepsRequest::default());
            assert_eq!(refused(world.open_steps().list_open_steps(listed).await).1, "OUT_OF_SCOPE", "{role} {region}");
            let digested = world.request((role, region), api::DigestOpenStepsRequest {});
            let digested = world.open_steps().digest_open_steps(digested).await;
            assert_eq!(refused(digested).1, "OUT_OF_SCOPE", "{role} {region}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_steps_of_a_village_are_its_clocks_and_their_digest_moves_with_them() {
    let world = World::start().await;
    assert_eq!(world.digest().await, []);
    let case = world.record(den()).await.expect("recorded").case_id;
    assert_eq!(world.clocks(&case).await, pairs(&["V1"], 1));
    let found = world.digest().await;
    assert_eq!((found[0].bucket, found[0].cases, found[0].steps), (bucket(&case), 1, 1));
    world.notify(MEMBER, &case).await.expect("told");
    assert_eq!(world.clocks(&case).await, pairs(&["V2", "V3"], 2));
    let told = world.digest().await;
    assert_ne!(told, found);
    assert_eq!(world.digest().await, told, "the same steps have the same digest");
    world.persuade(&case, PersuasionOutcome::Refused).await.expect("refused");
    assert_eq!(world.clocks(&case).await, pairs(&["V3"], 3));
    world.report_up(SECRETARY, &case, api::DirectCause::Unspecified).await.expect("reported up");
    assert_eq!(world.clocks(&case).await, []);
    assert_eq!(world.digest().await, [], "the village owes nothing while others have the case");
    let outside = api::ListOpenStepsRequest { bucket: 256, ..Default::default() };
    let answer = world.open_steps().list_open_steps(world.request(MONITOR, outside)).await;
    assert_eq!(refused(answer).1, "OUT_OF_RANGE");
    let answer = world.open_steps().digest_open_steps(world.request(SECRETARY, api::DigestOpenStepsRequest {})).await;
    assert_eq!(refused(answer).1, "ROLE_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_open_step_names_who_owes_it_and_when_its_clock_started() {
    let world = World::start().await;
    let now = || Some(Timestamp::from(world.clock_now()));
    let case = world.record(den()).await.expect("recorded").case_id;
    let step = |clock: &str, role: &str, at: Option<Timestamp>| (clock.to_owned(), role.to_owned(), at);
    assert_eq!(world.owed(&case).await, [step("V1", "grid-member", now())]);
    world.pass(SignedDuration::from_mins(10));
    let told = now();
    world.notify(MEMBER, &case).await.expect("told");
    let secretary = "village-secretary";
    assert_eq!(world.owed(&case).await, [step("V2", secretary, told), step("V3", secretary, told)]);
    world.pass(SignedDuration::from_mins(10));
    let heeded = now();
    world.persuade(&case, PersuasionOutcome::Heeded).await.expect("heeded");
    assert_eq!(world.owed(&case).await, [step("V4", secretary, heeded)]);
    world.pass(SignedDuration::from_hours(30));
    let seen = now();
    world.revisit(&case, false, vec![world.photo().await]).await.expect("a re-visit");
    assert_eq!(world.owed(&case).await, [step("V3", secretary, seen)], "it goes on, and is to go up from then on");
}
