//! An enterprise's case skips persuasion (clause A4).

use dafei_contracts::{Event, events::v1 as ev, intake::v1 as api, types::v1 as types};
use tonic::Code;

use crate::world::{MEMBER, World, den, kinds, refused};

const ENTERPRISES: &str = "credit_code,name,industry,regulator,level,code,employees\n\
    91350100M000100Y43,某化工公司,coal,energy,village,371302001001,30\n";

fn finding(enterprise: types::Enterprise) -> api::RecordSuspicionRequest {
    let kind = Some(types::subject::Kind::Enterprise(enterprise));
    api::RecordSuspicionRequest { subject: Some(types::Subject { kind }), ..den() }
}

fn by_code() -> types::Enterprise {
    types::Enterprise { credit_code: "91350100M000100Y43".to_owned(), ..Default::default() }
}

fn kept(case: &api::Suspicion) -> types::Enterprise {
    match case.subject.clone().and_then(|subject| subject.kind) {
        Some(types::subject::Kind::Enterprise(enterprise)) => enterprise,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_enterprise_s_case_is_up_in_the_same_call_with_what_the_roster_knows_of_it() {
    let world = World::start().await;
    world.import(api::RosterFile::Enterprises, ENTERPRISES).await.expect("a good file");
    let case = world.record(finding(by_code())).await.expect("recorded");
    assert_eq!((case.state(), case.version), (api::SuspicionState::ReportedUp, 2));
    let enterprise = kept(&case);
    let shown = (enterprise.name.as_str(), enterprise.industry.as_str(), enterprise.regulator.as_str());
    assert_eq!(shown, ("某化工公司", "coal", "energy"));
    let history = world.history(&case.case_id).await;
    assert_eq!(kinds(&history), ["suspicion-recorded", "reported-up"]);
    let Some(Event::ReportedUp(up)) = history.last() else { panic!("{history:?}") };
    assert_eq!(up.route(), ev::ReportRoute::Enterprise);
    let told = world.notify(MEMBER, &case.case_id).await;
    assert_eq!(refused(told), (Code::FailedPrecondition, "ALREADY_REPORTED_UP".to_owned()));
}

#[tokio::test]
async fn what_the_caller_says_of_an_enterprise_stands_and_one_unknown_to_the_roster_needs_its_name() {
    let world = World::start().await;
    world.import(api::RosterFile::Enterprises, ENTERPRISES).await.expect("a good file");
    let said = types::Enterprise { industry: "school".to_owned(), ..by_code() };
    let case = world.record(finding(said)).await.expect("recorded");
    assert_eq!(kept(&case).industry, "school");
    let unknown = types::Enterprise { credit_code: "91350100M000100Y44".to_owned(), ..Default::default() };
    let status = world.record(finding(unknown)).await.expect_err("nameless");
    assert_eq!(crate::world::fields(&status), ["subject.enterprise.name"]);
}
