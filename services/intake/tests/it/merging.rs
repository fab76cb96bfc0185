//! Reports about one matter are merged: one goes on, the other ends, and nothing is lost.

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::role::Role;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    village::{Answer, wrong},
    village_steps::CENTRE,
    world::{Caller, MEMBER, OTHER_VILLAGE, SECRETARY, World, den, fields, kinds, new_id, refused, wire},
};

impl World {
    async fn merge(&self, caller: Caller, case_id: &str, into_case_id: &str) -> Answer {
        let message = api::MergeSuspicionRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            into_case_id: into_case_id.to_owned(),
            reason: "同一处窝点，两人先后发现".to_owned(),
            ..Default::default()
        };
        let answer = self.suspicions().merge_suspicion(self.request(caller, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    async fn recorded(&self) -> String {
        self.record(den()).await.expect("recorded").case_id
    }
}

#[tokio::test]
async fn a_merged_report_ends_and_its_photos_are_shown_through_the_one_that_goes_on() {
    let world = World::start().await;
    let photo = world.photo().await;
    let with_photo = api::RecordSuspicionRequest { evidence_ids: vec![photo.clone()], ..den() };
    let loser = world.record(with_photo).await.expect("recorded").case_id;
    let winner = world.recorded().await;
    let ended = world.merge(SECRETARY, &loser, &winner).await.expect("merged");
    assert_eq!((ended.state(), ended.merged_into.as_str()), (api::SuspicionState::Merged, winner.as_str()));
    let shown = world.get_as(MEMBER, &winner).await.expect("it goes on");
    assert_eq!(shown.suspicion.expect("as kept").state(), api::SuspicionState::Recorded);
    let [merged] = shown.merged_reports.as_slice() else { panic!("{:?}", shown.merged_reports) };
    assert_eq!((merged.case_id.as_str(), &merged.evidence_ids), (loser.as_str(), &vec![photo]));
    let history = world.history(&loser).await;
    assert_eq!(kinds(&history), ["suspicion-recorded", "report-merged"]);
    let Some(Event::ReportMerged(event)) = history.last() else { panic!("{history:?}") };
    assert_eq!(event.into_case_id, winner);
    let status = world.notify(MEMBER, &loser).await.expect_err("over");
    let details = status.get_error_details();
    let violation = &details.precondition_failure().expect("a precondition").violations[0];
    assert_eq!(violation.subject, format!("case/{winner}"), "it is told where it goes on");
    assert_eq!(refused(Err::<(), _>(status)), wrong("CASE_MERGED"));
    assert_eq!(world.merge(SECRETARY, &loser, &winner).await.expect("done already"), ended);
}

#[tokio::test]
async fn a_report_is_merged_only_into_one_that_goes_on_and_never_into_a_chain() {
    let world = World::start().await;
    let (a, b, c) = (world.recorded().await, world.recorded().await, world.recorded().await);
    world.merge(SECRETARY, &a, &b).await.expect("merged");
    let status = world.merge(SECRETARY, &c, &a).await.expect_err("a was merged");
    let details = status.get_error_details();
    let violation = &details.precondition_failure().expect("a precondition").violations[0];
    assert_eq!(violation.subject, format!("case/{b}"));
    assert_eq!(refused(Err::<(), _>(status)), wrong("MERGE_TARGET_MERGED"));
    assert_eq!(refused(world.merge(SECRETARY, &b, &c).await), wrong("HAS_MERGED_REPORTS"));
    assert_eq!(fields(&world.merge(SECRETARY, &c, &c).await.expect_err("itself")), ["into_case_id"]);
    assert_eq!(fields(&world.merge(SECRETARY, &c, &new_id()).await.expect_err("unknown")), ["into_case_id"]);
    let gone = world.recorded().await;
    world.withdraw(&gone).await.expect("withdrawn");
    assert_eq!(refused(world.merge(SECRETARY, &c, &gone).await), wrong("MERGE_TARGET_WITHDRAWN"));
    let up = world.up().await;
    assert_eq!(refused(world.merge(SECRETARY, &up, &c).await), wrong("ALREADY_REPORTED_UP"));
    let listed = api::RecordSuspicionRequest { act: "FW-1".to_owned(), ..den() };
    let listed = world.record(listed).await.expect("recorded").case_id;
    assert_eq!(refused(world.merge(SECRETARY, &listed, &c).await), wrong("MERGE_LOSES_DUTY"));
    world.merge(SECRETARY, &listed, &up).await.expect("what is up goes on");
}

#[tokio::test]
async fn a_secretary_merges_in_the_village_and_the_centre_in_the_township() {
    let world = World::start().await;
    let own = world.recorded().await;
    let theirs = api::RecordSuspicionRequest { village: Some(wire(OTHER_VILLAGE)), ..den() };
    let theirs = world.request((Role::GridMember, OTHER_VILLAGE), theirs);
    let theirs = world.suspicions().record_suspicion(theirs).await.expect("recorded").into_inner();
    let theirs = theirs.suspicion.expect("as kept").case_id;
    let denied = |reason: &str| (Code::PermissionDenied, reason.to_owned());
    assert_eq!(refused(world.merge(SECRETARY, &own, &theirs).await), denied("OUT_OF_SCOPE"));
    assert_eq!(refused(world.merge(SECRETARY, &theirs, &own).await), denied("OUT_OF_SCOPE"));
    assert_eq!(refused(world.merge(MEMBER, &own, &theirs).await), denied("ROLE_NOT_ALLOWED"));
    let elsewhere: Caller = (Role::TownshipCentre, "township:371302002");
    assert_eq!(refused(world.merge(elsewhere, &own, &theirs).await), denied("OUT_OF_SCOPE"));
    let ended = world.merge(CENTRE, &own, &theirs).await.expect("merged");
    assert_eq!(ended.merged_into, theirs);
}

#[tokio::test]
async fn of_merges_both_ways_at_once_exactly_one_is_made() {
    let world = World::start().await;
    for _ in 0..10 {
        let (a, b) = (world.recorded().await, world.recorded().await);
        let (forth, back) = tokio::join!(world.merge(SECRETARY, &a, &b), world.merge(CENTRE, &b, &a));
        assert!(forth.is_ok() != back.is_ok(), "{forth:?} {back:?}");
        assert_eq!(refused(if forth.is_ok() { back } else { forth }), wrong("MERGE_TARGET_MERGED"));
    }
}
