//! The village's part of the loop, for a den (clauses C2 to C5).

use dafei_contracts::{Event, events::v1 as ev, intake::v1 as api};
use dafei_testkit::eventually;
use futures::StreamExt as _;
use tonic::{Code, Status};

use crate::world::{Caller, MEMBER, OTHER_VILLAGE, SECRETARY, SOON, World, den, kinds, new_id, refused, wire};
use dafei_kernel::role::Role;

pub(crate) type Answer = Result<api::Suspicion, Status>;

impl World {
    pub(crate) async fn notify(&self, caller: Caller, case_id: &str) -> Answer {
        let message =
            api::NotifySecretaryRequest { request_id: new_id(), case_id: case_id.to_owned(), ..Default::default() };
        let answer = self.suspicions().notify_secretary(self.request(caller, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    pub(crate) async fn persuade(&self, case_id: &str, outcome: ev::PersuasionOutcome) -> Answer {
        let message = api::RecordPersuasionRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            outcome: outcome.into(),
            note: "当面劝导".to_owned(),
            ..Default::default()
        };
        let answer = self.suspicions().record_persuasion(self.request(SECRETARY, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    pub(crate) async fn revisit(&self, case_id: &str, stopped: bool, evidence_ids: Vec<String>) -> Answer {
        let message = api::RecordRevisitRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            stopped,
            note: "已清理".to_owned(),
            evidence_ids,
            ..Default::default()
        };
        let answer = self.suspicions().record_revisit(self.request(MEMBER, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    /// The secretary's report; a member's when there is a cause.
    pub(crate) async fn report_up(&self, caller: Caller, case_id: &str, cause: api::DirectCause) -> Answer {
        self.report_up_because(caller, case_id, cause, "").await
    }

    pub(crate) async fn report_up_because(
        &self,
        caller: Caller,
        case_id: &str,
        cause: api::DirectCause,
        reason: &str,
    ) -> Answer {
        let message = api::ReportUpRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            direct_reason: reason.to_owned(),
            direct_cause: cause.into(),
            expected_version: 0,
        };
        let answer = self.suspicions().report_up(self.request(caller, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    pub(crate) async fn publish(&self, case_id: &str, evidence_ids: Vec<String>) -> Answer {
        let message = api::PublishResultRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            text: "已依法取缔".to_owned(),
            evidence_ids,
            ..Default::default()
        };
        let answer = self.suspicions().publish_result(self.request(SECRETARY, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }

    pub(crate) async fn withdraw(&self, case_id: &str) -> Answer {
        let message = api::WithdrawSuspicionRequest {
            request_id: new_id(),
            case_id: case_id.to_owned(),
            reason: "误报".to_owned(),
            ..Default::default()
        };
        let answer = self.suspicions().withdraw_suspicion(self.request(SECRETARY, message)).await?;
        Ok(answer.into_inner().suspicion.expect("as kept"))
    }
}

pub(crate) const REFUSED: ev::PersuasionOutcome = ev::PersuasionOutcome::Refused;
/// Not past the secretary.
pub(crate) const NOT_DIRECT: api::DirectCause = api::DirectCause::Unspecified;
pub(crate) const HEEDED: ev::PersuasionOutcome = ev::PersuasionOutcome::Heeded;

/// The refusal of a step that does not fit where the suspicion stands.
pub(crate) fn wrong(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

#[tokio::test]
async fn a_secretary_who_finds_a_den_himself_need_not_be_told() {
    let world = World::start().await;
    let answer = world.suspicions().record_suspicion(world.request(SECRETARY, den())).await.expect("recorded");
    let kept = answer.into_inner().suspicion.expect("as kept");
    assert_eq!((kept.state(), kept.version), (api::SuspicionState::Notified, 2));
    assert_eq!(world.notify(MEMBER, &kept.case_id).await.expect("done already"), kept);
    world.persuade(&kept.case_id, ev::PersuasionOutcome::Refused).await.expect("at once");
    let told = ["suspicion-recorded", "secretary-notified", "persuasion-recorded"];
    assert_eq!(kinds(&world.history(&kept.case_id).await), told);
}

#[tokio::test]
async fn a_refused_persuasion_goes_up_and_its_outcome_is_published_in_the_village() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let id = case.case_id.as_str();
    assert_eq!(case.state(), api::SuspicionState::Recorded);
    world.notify(MEMBER, id).await.expect("told");
    world.persuade(id, REFUSED).await.expect("refused");
    let up = world.report_up(SECRETARY, id, NOT_DIRECT).await.expect("up");
    assert_eq!(up.state(), api::SuspicionState::ReportedUp);
    let photo = world.photo().await;
    assert_eq!(refused(world.publish(id, vec![photo.clone()]).await), wrong("OUTCOME_NOT_AVAILABLE"));
    world.outcome(id, 1, "该窝点已取缔").await;
    let told = eventually(SOON, "the outcome", || async {
        Some(world.get(id).await).filter(|case| case.state() == api::SuspicionState::OutcomeAvailable)
    })
    .await;
    assert_eq!(told.public_text, "该窝点已取缔");
    assert_eq!(refused(world.publish(id, Vec::new()).await).1, "PHOTO_REQUIRED");
    let done = world.publish(id, vec![photo.clone()]).await.expect("published");
    assert_eq!((done.state(), done.version), (api::SuspicionState::Published, 6));
    let texts = (done.public_text.as_str(), done.posted_text.as_str());
    assert_eq!(texts, ("该窝点已取缔", "已依法取缔"), "what was told and what was posted are both kept");
    assert_eq!(refused(world.withdraw(id).await), wrong("CASE_CLOSED"));
    let history = world.history(id).await;
    let facts = ["suspicion-recorded", "secretary-notified", "persuasion-recorded", "reported-up", "result-published"];
    assert_eq!(kinds(&history), facts);
}

#[tokio::test]
async fn events_are_on_the_village_s_subjects_with_their_chain() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    world.notify(SECRETARY, &case.case_id).await.expect("told");
    let stream = world.js.get_stream("DAFEI_INTAKE").await.expect("the stream");
    let config = async_nats::jetstream::consumer::pull::Config {
        filter_subject: "dafei.v1.village.371302.371302001.371302001001.>".to_owned(),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    let mut head = String::new();
    for fact in ["suspicion-recorded", "secretary-notified"] {
        let message = tokio::time::timeout(SOON, messages.next()).await.expect("soon").expect("one").expect("read");
        assert!(message.subject.ends_with(fact), "{}", message.subject);
        let event: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
        let before = event["meta"]["chainHead"].as_str().unwrap_or_default();
        assert_eq!(before, head, "{fact} carries the head before it");
        head = dafei_contracts::chain::next_head(&head, &message.payload);
    }
}

#[tokio::test]
async fn heeded_persuasion_closes_in_the_village_only_after_a_revisit_with_a_photo() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let id = case.case_id.as_str();
    assert_eq!(refused(world.persuade(id, HEEDED).await), wrong("NOT_NOTIFIED"));
    world.notify(MEMBER, id).await.expect("told");
    world.persuade(id, HEEDED).await.expect("heeded");
    assert_eq!(refused(world.notify(MEMBER, id).await), wrong("ALREADY_NOTIFIED"));
    assert_eq!(refused(world.report_up(SECRETARY, id, NOT_DIRECT).await), wrong("REVISIT_DUE"));
    assert_eq!(refused(world.revisit(id, true, Vec::new()).await).1, "PHOTO_REQUIRED");
    let photo = world.photo().await;
    let closed = world.revisit(id, true, vec![photo]).await.expect("closed");
    assert_eq!(closed.state(), api::SuspicionState::ClosedAtVillage);
    assert_eq!(refused(world.withdraw(id).await), wrong("CASE_CLOSED"));
}

#[tokio::test]
async fn an_act_that_goes_on_at_the_revisit_goes_up_and_one_of_the_list_is_never_settled_by_persuasion() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let id = case.case_id.as_str();
    world.notify(MEMBER, id).await.expect("told");
    world.persuade(id, HEEDED).await.expect("heeded");
    let photo = world.photo().await;
    let refused_now = world.revisit(id, false, vec![photo]).await.expect("goes on");
    assert_eq!(refused_now.state(), api::SuspicionState::Refused);
    world.report_up(SECRETARY, id, NOT_DIRECT).await.expect("up");

    let fireworks = api::RecordSuspicionRequest { act: "FW-1".to_owned(), ..den() };
    let case = world.record(fireworks).await.expect("recorded");
    world.notify(MEMBER, &case.case_id).await.expect("told");
    assert_eq!(refused(world.persuade(&case.case_id, HEEDED).await), wrong("NEVER_BY_PERSUASION"));
    world.persuade(&case.case_id, REFUSED).await.expect("refused is taken");
}

#[tokio::test]
async fn a_member_reports_directly_with_a_reason_and_a_withdrawal_ends_it_before_it_goes_up() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let id = case.case_id.as_str();
    let no_cause = world.report_up(MEMBER, id, NOT_DIRECT).await.expect_err("no cause");
    assert_eq!(crate::world::fields(&no_cause), ["direct_cause"]);
    let no_reason = world.report_up(MEMBER, id, api::DirectCause::Other).await.expect_err("no reason");
    assert_eq!(crate::world::fields(&no_reason), ["direct_reason"]);
    let not_hers =
        world.report_up(SECRETARY, id, api::DirectCause::SecretaryUnreachable).await.expect_err("a member's");
    assert_eq!(crate::world::fields(&not_hers), ["direct_cause"]);
    assert_eq!(refused(world.report_up(SECRETARY, id, NOT_DIRECT).await), wrong("NOT_NOTIFIED"));
    world.report_up(MEMBER, id, api::DirectCause::SecretaryUnreachable).await.expect("up");
    assert_eq!(refused(world.withdraw(id).await), wrong("ALREADY_REPORTED_UP"));
    let history = world.history(id).await;
    let Some(Event::ReportedUp(up)) = history.last() else { panic!("{history:?}") };
    assert_eq!(up.route(), ev::ReportRoute::Direct);

    let mistake = world.record(den()).await.expect("recorded");
    let gone = world.withdraw(&mistake.case_id).await.expect("withdrawn");
    assert_eq!(gone.state(), api::SuspicionState::Withdrawn);
    assert_eq!(refused(world.notify(MEMBER, &mistake.case_id).await), wrong("CASE_WITHDRAWN"));
}

#[tokio::test]
async fn an_outcome_of_a_case_that_came_from_no_village_changes_nothing_and_a_repeated_one_is_one() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    let id = case.case_id.as_str();
    world.report_up(MEMBER, id, api::DirectCause::SecretaryImplicated).await.expect("up");
    world.outcome(&new_id(), 1, "别处的案件").await;
    world.outcome(id, 1, "已取缔").await;
    world.outcome(id, 2, "已取缔").await;
    let told = eventually(SOON, "the outcome", || async {
        Some(world.get(id).await).filter(|case| case.state() == api::SuspicionState::OutcomeAvailable)
    })
    .await;
    assert_eq!(told.version, 3);
    assert_eq!(kinds(&world.history(id).await), ["suspicion-recorded", "reported-up"]);
}

#[tokio::test]
async fn a_replay_gets_the_first_answer_and_a_reused_request_id_is_refused() {
    let world = World::start().await;
    let request = den();
    let first = world.record(request.clone()).await.expect("recorded");
    world.notify(MEMBER, &first.case_id).await.expect("told");
    let events = world.events().await;
    let again = world.record(request.clone()).await.expect("replayed");
    assert_eq!(again, first);
    let other = api::RecordSuspicionRequest { description: "另一件事".to_owned(), ..request };
    assert_eq!(refused(world.record(other).await), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    assert_eq!(world.events().await, events, "nothing was written");
}

#[tokio::test]
async fn many_reports_at_once_are_each_answered_with_their_own() {
    let world = World::start().await;
    let one = |number: usize| {
        let request = api::RecordSuspicionRequest { description: format!("第{number}件"), ..den() };
        let world = &world;
        async move { world.record(request.clone()).await.map(|kept| kept.description == request.description) }
    };
    let answers = futures::future::join_all((0..200).map(one)).await;
    assert!(answers.into_iter().all(|own| own.expect("recorded")));
    let listed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM suspicion").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(listed, 200);
}

#[tokio::test]
async fn lists_are_newest_first_by_page_and_bounded_by_scope() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        world.clock.advance(jiff::SignedDuration::from_mins(1));
        ids.push(world.record(den()).await.expect("recorded").case_id);
    }
    world.withdraw(&ids[2]).await.expect("withdrawn");
    ids.reverse();
    for (caller, region) in [
        (SECRETARY, crate::world::VILLAGE),
        ((Role::WorkAreaSecretary, crate::world::WORK_AREA), crate::world::WORK_AREA),
        ((Role::TownshipCentre, "township:371302001"), "township:371302001"),
        ((Role::CountyOffice, "county:371302"), "county:371302"),
        ((Role::CityOffice, crate::world::CITY), crate::world::CITY),
    ] {
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = api::ListSuspicionsRequest {
                region: Some(wire(region)),
                page_size: 2,
                page_token,
                ..Default::default()
            };
            let page = world.suspicions().list_suspicions(world.request(caller, message)).await.expect("a page");
            let page = page.into_inner();
            seen.extend(page.suspicions.into_iter().map(|case| case.case_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ids, "{region}");
    }
    let list = |caller, region, state: api::SuspicionState| {
        let message =
            api::ListSuspicionsRequest { region: Some(wire(region)), states: vec![state.into()], ..Default::default() };
        let request = world.request(caller, message);
        async { world.suspicions().list_suspicions(request).await.map(tonic::Response::into_inner) }
    };
    let withdrawn = list(SECRETARY, crate::world::VILLAGE, api::SuspicionState::Withdrawn).await.expect("a page");
    assert_eq!(withdrawn.suspicions.len(), 1);
    let other = list(SECRETARY, OTHER_VILLAGE, api::SuspicionState::Recorded).await;
    assert_eq!(refused(other), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_sent_again_to_another_replica_before_its_commit_gets_the_first_answer() {
    let world = World::start().await;
    let case = world.record(den()).await.expect("recorded");
    world.notify(MEMBER, &case.case_id).await.expect("told");
    let step = api::RecordPersuasionRequest {
        request_id: new_id(),
        case_id: case.case_id,
        outcome: REFUSED.into(),
        note: "当面劝导".to_owned(),
        expected_version: 2,
    };
    let held = world.db.hold_answers().await;
    let (mut here, mut there) = (world.suspicions(), world.suspicions_at_another_replica());
    let send = || world.request(SECRETARY, step.clone());
    let (first, again) = tokio::join!(here.record_persuasion(send()), async {
        world.db.until_waiting(1).await;
        let (again, ()) = tokio::join!(there.record_persuasion(send()), async {
            world.db.until_waiting(2).await;
            held.rollback().await.expect("the first may commit");
        });
        again
    });
    let first = first.expect("recorded").into_inner();
    assert_eq!(again.expect("the first answer").into_inner(), first);
    assert_eq!(first.suspicion.expect("as kept").version, 3);
}
