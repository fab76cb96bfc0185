//! What the village's steps come to when somebody is in the way: the secretary himself, a crime, a second device, a promise that was broken.

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::role::Role;
use futures::future::join_all;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    village::{Answer, HEEDED, NOT_DIRECT, REFUSED, wrong},
    world::{
        Caller, MEMBER, OTHER_VILLAGE, SECRETARY, VILLAGE, WORK_AREA, World, den, fields, kinds, new_id, refused, wire,
    },
};

pub(crate) const CENTRE: Caller = (Role::TownshipCentre, "township:371302001");
const OTHER_CENTRE: Caller = (Role::TownshipCentre, "township:371302002");

impl World {
    pub(crate) async fn get_as(&self, caller: Caller, case_id: &str) -> Result<api::GetSuspicionResponse, Status> {
        let request = self.request(caller, api::GetSuspicionRequest { case_id: case_id.to_owned() });
        Ok(self.suspicions().get_suspicion(request).await?.into_inner())
    }

    async fn flag_crime(&self, caller: Caller, case_id: &str) -> Answer {
        let message = api::FlagSuspectedCrimeRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            reason: "查见伪造的许可证".to_owned(),
            ..Default::default()
        };
        let answer = self.suspicions().flag_suspected_crime(self.request(caller, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    async fn reopen(&self, caller: Caller, case_id: &str, evidence_ids: Vec<String>) -> Answer {
        let message = api::ReopenSuspicionRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            reason: "夜间又开工".to_owned(),
            evidence_ids,
            ..Default::default()
        };
        let answer = self.suspicions().reopen_suspicion(self.request(caller, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    async fn help(&self, caller: Caller, message: api::RecordHelpRequest) -> Answer {
        let answer = self.suspicions().record_help(self.request(caller, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    /// A suspicion of which the secretary was told.
    async fn notified(&self) -> String {
        let case = self.record(den()).await.expect("recorded");
        self.notify(MEMBER, &case.case_id).await.expect("told");
        case.case_id
    }

    /// A suspicion that was closed in the village.
    async fn closed(&self) -> String {
        let id = self.notified().await;
        self.persuade(&id, HEEDED).await.expect("heeded");
        let photo = self.photo().await;
        self.revisit(&id, true, vec![photo]).await.expect("closed");
        id
    }

    /// A suspicion at the centre.
    pub(crate) async fn up(&self) -> String {
        let case = self.record(den()).await.expect("recorded");
        self.report_up(MEMBER, &case.case_id, api::DirectCause::SecretaryUnreachable).await.expect("up");
        case.case_id
    }
}

#[tokio::test]
async fn why_a_member_went_past_the_secretary_is_for_no_eye_of_the_village() {
    const PLANTED: &str = "书记的弟弟就在窝点里干活";
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let cause = api::DirectCause::SecretaryImplicated;
    let up = world.report_up_because(MEMBER, &case.case_id, cause, PLANTED).await.expect("up");
    assert!(!format!("{up:?}").contains(PLANTED));
    for caller in [MEMBER, SECRETARY, (Role::WorkAreaSecretary, WORK_AREA), (Role::Admin, "city:371300")] {
        let shown = world.get_as(caller, &case.case_id).await.expect("it is there");
        assert_eq!(shown.direct_report, None, "{caller:?}");
        assert!(!format!("{shown:?}").contains(PLANTED), "{caller:?}");
        let message = api::ListSuspicionsRequest { region: Some(wire(caller.1)), ..Default::default() };
        let listed = world.suspicions().list_suspicions(world.request(caller, message)).await.expect("a page");
        assert!(!format!("{listed:?}").contains(PLANTED), "{caller:?}");
    }
    for caller in [CENTRE, (Role::CountyOffice, "county:371302")] {
        let told = world.get_as(caller, &case.case_id).await.expect("it is there").direct_report.expect("told");
        assert_eq!((told.cause(), told.text.as_str()), (cause, PLANTED));
    }
    for event in world.history(&case.case_id).await {
        let published = event.to_json().expect("JSON");
        let published = String::from_utf8(published).expect("text");
        assert!(!published.contains(PLANTED) && !published.to_lowercase().contains("implicated"), "{published}");
    }
}

#[tokio::test]
async fn a_suspected_crime_always_goes_up_whether_the_finder_or_the_secretary_says_so() {
    let world = World::start().await;
    let found = world.record(api::RecordSuspicionRequest { suspected_crime: true, ..den() }).await.expect("recorded");
    assert!(found.suspected_crime);
    world.notify(MEMBER, &found.case_id).await.expect("told");
    let later = world.notified().await;
    assert_eq!(refused(world.flag_crime(MEMBER, &later).await).1, "ROLE_NOT_ALLOWED");
    let flagged = world.flag_crime(SECRETARY, &later).await.expect("flagged");
    assert!(flagged.suspected_crime && flagged.state() == api::SuspicionState::Notified);
    for id in [found.case_id.as_str(), later.as_str()] {
        assert_eq!(refused(world.persuade(id, HEEDED).await), wrong("SUSPECTED_CRIME"));
        assert_eq!(refused(world.withdraw(id).await), wrong("SUSPECTED_CRIME"));
        world.report_up(SECRETARY, id, NOT_DIRECT).await.expect("up");
        let history = world.history(id).await;
        let Some(Event::ReportedUp(up)) = history.last() else { panic!("{history:?}") };
        assert!(up.suspected_crime, "who takes it over is told");
    }
    let heeded = world.notified().await;
    world.persuade(&heeded, HEEDED).await.expect("heeded");
    assert_eq!(refused(world.flag_crime(SECRETARY, &heeded).await), wrong("REOPEN_FIRST"));
}

#[tokio::test]
async fn of_two_devices_that_say_different_things_one_wins_and_the_other_is_told_where_it_stands() {
    let world = World::start().await;
    let id = world.notified().await;
    let one = |number: usize| {
        let message = api::RecordPersuasionRequest {
            request_id: new_id(),
            case_id: id.clone(),
            outcome: if number.is_multiple_of(2) { HEEDED } else { REFUSED }.into(),
            note: format!("第{number}台设备"),
            ..Default::default()
        };
        let request = world.request(SECRETARY, message);
        let mut client = world.suspicions();
        async move { client.record_persuasion(request).await }
    };
    let answers = join_all((0..8).map(one)).await;
    let lost: Vec<Status> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(lost.len(), 7, "one wins");
    let state = world.get(&id).await.state();
    let told = if state == api::SuspicionState::Heeded { "case/HEEDED" } else { "case/REFUSED" };
    for status in lost {
        let details = status.get_error_details();
        let violation = &details.precondition_failure().expect("a precondition").violations[0];
        assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("ALREADY_PERSUADED", told));
        assert_eq!(refused(Err::<(), _>(status)), wrong("ALREADY_PERSUADED"));
    }
    assert_eq!(kinds(&world.history(&id).await), ["suspicion-recorded", "secretary-notified", "persuasion-recorded"]);
}

#[tokio::test]
async fn two_devices_that_say_the_same_are_both_answered_with_what_is_done() {
    let world = World::start().await;
    let id = world.notified().await;
    let answers = join_all((0..8).map(|_| world.persuade(&id, REFUSED))).await;
    for answer in answers {
        let case = answer.expect("done already");
        assert_eq!((case.state(), case.version), (api::SuspicionState::Refused, 3));
    }
    let answers = join_all((0..8).map(|_| world.report_up(SECRETARY, &id, NOT_DIRECT))).await;
    assert!(answers.into_iter().all(|answer| answer.expect("up already").version == 4));
    let facts = ["suspicion-recorded", "secretary-notified", "persuasion-recorded", "reported-up"];
    assert_eq!(kinds(&world.history(&id).await), facts);
    let member = world.report_up(MEMBER, &id, api::DirectCause::SecretaryUnreachable).await;
    assert_eq!(refused(member), wrong("ALREADY_REPORTED_UP"), "another way is another step");
}

#[tokio::test]
async fn a_step_by_an_old_picture_of_the_suspicion_is_aborted_with_its_version() {
    let world = World::start().await;
    let id = world.notified().await;
    let withdraw = |expected_version| {
        let message = api::WithdrawSuspicionRequest {
            request_id: new_id(),
            case_id: id.clone(),
            reason: "误报".to_owned(),
            expected_version,
        };
        let request = world.request(SECRETARY, message);
        let mut client = world.suspicions();
        async move { client.withdraw_suspicion(request).await }
    };
    let status = withdraw(1).await.expect_err("the secretary has been told since");
    let version = status.get_error_details().error_info().expect("a reason").metadata["version"].clone();
    assert_eq!(version, "2");
    assert_eq!(refused(Err::<(), _>(status)), (Code::Aborted, "VERSION_CONFLICT".to_owned()));
    assert_eq!(fields(&withdraw(-1).await.expect_err("no version")), ["expected_version"]);
    // Of several that have all seen the second version, one is the first.
    let answers = join_all((0..6).map(|_| withdraw(2))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn persuasion_that_proved_false_is_reopened_and_goes_up() {
    let world = World::start().await;
    let (id, photo) = (world.closed().await, world.photo().await);
    assert_eq!(fields(&world.reopen(MEMBER, &id, Vec::new()).await.expect_err("no photo")), ["evidence_ids"]);
    let denied = |reason: &str| (Code::PermissionDenied, reason.to_owned());
    assert_eq!(refused(world.reopen(OTHER_CENTRE, &id, vec![photo.clone()]).await), denied("OUT_OF_SCOPE"));
    let office: Caller = (Role::CountyOffice, "county:371302");
    assert_eq!(refused(world.reopen(office, &id, vec![photo.clone()]).await), denied("ROLE_NOT_ALLOWED"));
    let reopened = world.reopen(CENTRE, &id, vec![photo.clone()]).await.expect("reopened");
    assert_eq!(reopened.state(), api::SuspicionState::Refused);
    assert_eq!(refused(world.persuade(&id, HEEDED).await), wrong("ALREADY_PERSUADED"));
    world.report_up(SECRETARY, &id, NOT_DIRECT).await.expect("up");
    let history = world.history(&id).await;
    assert_eq!(kinds(&history)[3..], ["revisit-recorded", "suspicion-reopened", "reported-up"]);
    let Some(Event::SuspicionReopened(event)) = history.get(4) else { panic!("{history:?}") };
    assert_eq!((event.reason.as_str(), &event.evidence_ids), ("夜间又开工", &vec![photo.clone()]));

    let waiting = world.notified().await;
    assert_eq!(refused(world.reopen(MEMBER, &waiting, vec![photo.clone()]).await), wrong("NOT_SETTLED"));
    world.persuade(&waiting, HEEDED).await.expect("heeded");
    world.reopen(MEMBER, &waiting, vec![photo.clone()]).await.expect("before its re-visit");

    let old = world.closed().await;
    world.clock.advance(jiff::SignedDuration::from_hours(181 * 24));
    assert_eq!(refused(world.reopen(SECRETARY, &old, vec![photo]).await), wrong("REOPEN_WINDOW_PASSED"));
}

fn help(case_id: &str) -> api::RecordHelpRequest {
    api::RecordHelpRequest {
        request_id: new_id(),
        case_id: case_id.to_owned(),
        agency: "fire-rescue".to_owned(),
        note: "带路并看守现场".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn help_is_recorded_with_what_went_up_any_number_of_times_and_shown_with_it() {
    let world = World::start().await;
    let early = world.notified().await;
    assert_eq!(refused(world.help(MEMBER, help(&early)).await), wrong("NOT_REPORTED_UP"));
    let (id, photo) = (world.up().await, world.photo().await);
    world.help(MEMBER, help(&id)).await.expect("helped");
    world.clock.advance(jiff::SignedDuration::from_hours(2));
    let hour_ago = world.clock_now().checked_sub(jiff::SignedDuration::from_hours(1)).expect("near now");
    let second = api::RecordHelpRequest {
        note: "协助清点".to_owned(),
        helped_at: Some(hour_ago.into()),
        evidence_ids: vec![photo.clone()],
        ..help(&id)
    };
    let after = world.help(SECRETARY, second.clone()).await.expect("helped");
    assert_eq!(world.help(SECRETARY, second).await.expect("a replay"), after);
    assert_eq!(after.state(), api::SuspicionState::ReportedUp, "it stands where it stood");
    let shown = world.get_as(CENTRE, &id).await.expect("it is there").helps;
    let brief = |help: &api::Help| (help.note.clone(), help.by.clone(), help.evidence_ids.clone());
    let expected = [
        ("协助清点".to_owned(), "village-secretary".to_owned(), vec![photo]),
        ("带路并看守现场".to_owned(), "grid-member".to_owned(), vec![]),
    ];
    assert_eq!(shown.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(shown[0].helped_at, Some(hour_ago.into()));
    let history = world.history(&id).await;
    assert_eq!(kinds(&history)[2..], ["help-given", "help-given"]);
    let Some(Event::HelpGiven(event)) = history.last() else { panic!("{history:?}") };
    assert_eq!((event.agency.as_str(), event.helped_at), ("fire-rescue", Some(hour_ago.into())));
}

type Change = fn(&mut api::RecordHelpRequest);

#[tokio::test]
async fn a_wrong_field_of_help_is_named_and_help_of_another_village_is_denied() {
    let world = World::start().await;
    let id = world.up().await;
    let cases: [(Change, &str); 6] = [
        (|r| r.agency.clear(), "agency"),
        (|r| r.agency = "nobody".to_owned(), "agency"),
        (|r| r.note = " ".to_owned(), "note"),
        (
            |r| r.helped_at = Some("2099-01-01T00:00:00Z".parse::<dafei_kernel::time::Instant>().expect("one").into()),
            "helped_at",
        ),
        (
            |r| r.helped_at = Some("2020-01-01T00:00:00Z".parse::<dafei_kernel::time::Instant>().expect("one").into()),
            "helped_at",
        ),
        (|r| r.evidence_ids = vec![new_id()], "evidence_ids[0]"),
    ];
    for (change, field) in cases {
        let mut message = help(&id);
        change(&mut message);
        assert_eq!(fields(&world.help(MEMBER, message).await.expect_err(field)), [field]);
    }
    let theirs: Caller = (Role::GridMember, OTHER_VILLAGE);
    assert_eq!(refused(world.help(theirs, help(&id)).await).1, "OUT_OF_SCOPE");
    assert_eq!(refused(world.help(CENTRE, help(&id)).await).1, "ROLE_NOT_ALLOWED");
    assert!(world.get_as(MEMBER, &id).await.expect("there").helps.is_empty());
    assert_eq!(world.get(&id).await.village, Some(wire(VILLAGE)));
}
