//! Checklists and the patrols that answer them (clause B2).

use dafei_contracts::{Event, intake::v1 as api, types::v1 as types};
use dafei_kernel::role::Role;
use tonic::{Code, Status};

use crate::{
    patrols::{get, patrol, record},
    world::{Caller, MEMBER, OTHER_VILLAGE, PNG, VILLAGE, World, den, fields, kinds, new_id, refused, wire},
};

const OFFICE: Caller = (Role::CountyOffice, "county:371302");
const COUNTY: &str = "county:371302";

async fn in_force(world: &World, county: Option<&str>) -> Vec<api::Checklist> {
    let message = api::ListChecklistsRequest { county: county.map(wire) };
    world.checklists().list_checklists(world.request(MEMBER, message)).await.expect("listed").into_inner().checklists
}

async fn put(world: &World, caller: Caller, message: api::PutChecklistRequest) -> Result<api::Checklist, Status> {
    let answer = world.checklists().put_checklist(world.request(caller, message)).await?;
    Ok(answer.into_inner().checklist.expect("as kept"))
}

/// A small checklist of the county for fireworks.
fn own() -> api::PutChecklistRequest {
    let step = |id: &str, required: bool| api::Step {
        id: id.to_owned(),
        text: format!("查看{id}"),
        standard: "符合要求".to_owned(),
        example: "照片".to_owned(),
        required,
        ..Default::default()
    };
    api::PutChecklistRequest {
        request_id: new_id(),
        county: Some(wire(COUNTY)),
        sector: "fireworks".to_owned(),
        title: "兰山区烟花爆竹清单".to_owned(),
        object_kinds: vec![api::ObjectKind { id: "shop".to_owned(), name: "零售点".to_owned() }],
        steps: vec![step("licence", true), step("stock", true), step("talk", false)],
    }
}

fn answer(step: &str, result: api::StepResult) -> api::StepAnswer {
    api::StepAnswer { step_id: step.to_owned(), result: result.into(), ..Default::default() }
}

/// A patrol that answers the county's checklist.
fn answered(answers: Vec<api::StepAnswer>) -> api::RecordPatrolRequest {
    api::RecordPatrolRequest {
        checklist_id: "fireworks@371302".to_owned(),
        checklist_version: 1,
        object_kind: "shop".to_owned(),
        answers,
        ..patrol("零售点")
    }
}

fn problem(act: &str) -> api::Problem {
    let subject = den().subject;
    api::Problem { act: act.to_owned(), subject, description: "超量存放".to_owned(), ..api::Problem::default() }
}

#[tokio::test]
async fn every_sector_has_a_built_in_checklist_and_a_county_s_own_takes_its_place() {
    let world = World::start().await;
    let built_in = in_force(&world, None).await;
    assert_eq!(built_in.len(), 8);
    assert!(built_in.iter().all(|list| list.version == 1 && list.county.is_none() && list.steps.len() >= 7));
    let first = put(&world, OFFICE, own()).await.expect("put");
    assert_eq!((first.checklist_id.as_str(), first.version), ("fireworks@371302", 1));
    let changed = api::PutChecklistRequest { title: "修订版".to_owned(), ..own() };
    assert_eq!(put(&world, OFFICE, changed.clone()).await.expect("put").version, 2);
    assert_eq!(put(&world, OFFICE, changed).await.expect("replayed").version, 2);
    let here = in_force(&world, Some(COUNTY)).await;
    assert_eq!((here.len(), here[0].title.as_str(), here[0].version), (8, "修订版", 2));
    assert_eq!(in_force(&world, Some("county:371371")).await, built_in);
    let old = api::GetChecklistRequest { checklist_id: "fireworks@371302".to_owned(), version: 1 };
    let old = world.checklists().get_checklist(world.request(MEMBER, old)).await.expect("the old one stays");
    assert_eq!(old.into_inner().checklist, Some(first));
}

#[tokio::test]
async fn a_checklist_that_cannot_be_used_or_is_another_county_s_is_refused() {
    let world = World::start().await;
    type Change = fn(&mut api::PutChecklistRequest);
    let cases: [(Change, &str); 9] = [
        (|r| r.sector = "farming".to_owned(), "sector"),
        (|r| r.title.clear(), "title"),
        (|r| r.object_kinds.clear(), "object_kinds"),
        (|r| r.object_kinds[0].id = "Shop!".to_owned(), "object_kinds[0].id"),
        (|r| r.steps[1].id = "licence".to_owned(), "steps[1].id"),
        (|r| r.steps[2].standard.clear(), "steps[2].standard"),
        (|r| r.steps[2].object_kinds = vec!["cave".to_owned()], "steps[2].object_kinds"),
        (|r| r.steps[0].example_evidence_id = "x".to_owned(), "steps[0].example_evidence_id"),
        (|r| r.county = Some(wire(VILLAGE)), "county.level"),
    ];
    for (change, field) in cases {
        let mut request = own();
        change(&mut request);
        assert_eq!(fields(&put(&world, OFFICE, request).await.expect_err(field)), [field]);
    }
    let elsewhere = api::PutChecklistRequest { county: Some(wire("county:371371")), ..own() };
    assert_eq!(refused(put(&world, OFFICE, elsewhere).await).1, "OUT_OF_SCOPE");
    assert_eq!(refused(put(&world, MEMBER, own()).await), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
}

#[tokio::test]
async fn a_patrol_keeps_its_answers_and_the_version_that_it_answered() {
    let world = World::start().await;
    put(&world, OFFICE, own()).await.expect("put");
    put(&world, OFFICE, own()).await.expect("a newer one");
    let photo = world.photo().await;
    let noted = api::StepAnswer {
        note: "本店不存货".to_owned(),
        evidence_ids: vec![photo.clone()],
        ..answer("stock", api::StepResult::NotApplicable)
    };
    let id = record(&world, answered(vec![answer("licence", api::StepResult::Ok), noted])).await.patrol_id;
    let kept = get(&world, MEMBER, &id).await.expect("there");
    assert_eq!((kept.checklist_id.as_str(), kept.checklist_version), ("fireworks@371302", 1));
    assert_eq!(kept.object_kind, "shop");
    assert_eq!(kept.answers[1].note, "本店不存货");
    assert_eq!(kept.answers[1].evidence_ids, [photo]);
}

#[tokio::test]
async fn a_problem_starts_a_suspicion_in_the_same_call() {
    let world = World::start().await;
    put(&world, OFFICE, own()).await.expect("put");
    let photo = world.photo().await;
    let found = api::StepAnswer {
        evidence_ids: vec![photo.clone()],
        problem: Some(problem("FW-2")),
        ..answer("stock", api::StepResult::Problem)
    };
    let request = answered(vec![answer("licence", api::StepResult::Ok), found]);
    let answer = record(&world, request.clone()).await;
    assert_eq!(answer.case_ids.len(), 1);
    let case = world.get(&answer.case_ids[0]).await;
    assert_eq!((case.act.as_str(), case.description.as_str()), ("FW-2", "超量存放"));
    assert_eq!((case.evidence_ids, case.state), (vec![photo], api::SuspicionState::Recorded.into()));
    assert_eq!(case.found_at, answer.patrolled_at);
    let history = world.history(&answer.case_ids[0]).await;
    assert_eq!(kinds(&history), ["suspicion-recorded"]);
    let kept = get(&world, MEMBER, &answer.patrol_id).await.expect("there");
    assert_eq!(kept.answers[1].case_id, answer.case_ids[0]);
    // Sent again under another request: the same patrol, the same case, nothing new.
    let before = world.events().await;
    let again = api::RecordPatrolRequest { request_id: new_id(), patrol_key: request.request_id.clone(), ..request };
    assert_eq!(record(&world, again).await, answer);
    assert_eq!(world.events().await, before);
}

#[tokio::test]
async fn an_enterprise_s_problem_is_at_the_centre_in_the_same_call_and_the_book_says_how_many() {
    let world = World::start().await;
    put(&world, OFFICE, own()).await.expect("put");
    let enterprise = types::Enterprise {
        credit_code: "91371300MA3C000018".to_owned(),
        name: "烟花公司".to_owned(),
        industry: "general".to_owned(),
        ..Default::default()
    };
    let subject = types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) };
    let found = |step: &str, subject: Option<types::Subject>| api::StepAnswer {
        problem: Some(api::Problem { subject, ..problem("FW-2") }),
        ..answer(step, api::StepResult::Problem)
    };
    let both = record(&world, answered(vec![found("licence", Some(subject)), found("stock", den().subject)])).await;
    assert_eq!(both.case_ids.len(), 2);
    assert_eq!(kinds(&world.history(&both.case_ids[0]).await), ["suspicion-recorded", "reported-up"]);
    let book = dafei_kernel::ids::derived(&["patrol-book", "371302001001"]).to_string();
    let history = world.history(&book).await;
    let Some(Event::PatrolsRecorded(event)) = history.last() else { panic!("{history:?}") };
    assert_eq!((event.patrols[0].problems, event.patrols[0].checklist_version), (2, 1));
    assert_eq!(event.patrols[0].checklist_id, "fireworks@371302");
}

#[tokio::test]
async fn wrong_answers_are_named_and_neither_patrol_nor_suspicion_is_kept() {
    let world = World::start().await;
    put(&world, OFFICE, own()).await.expect("put");
    let theirs: Caller = (Role::GridMember, OTHER_VILLAGE);
    let photo = world.upload(theirs, &new_id(), OTHER_VILLAGE, &PNG).await.expect("kept").evidence_id;
    let before = world.events().await;
    let ok = api::StepResult::Ok;
    let good = || answered(vec![answer("licence", ok), answer("stock", ok)]);
    let found = |problem: Option<api::Problem>| {
        answered(vec![api::StepAnswer { problem, ..answer("licence", api::StepResult::Problem) }, answer("stock", ok)])
    };
    let with = |change: fn(&mut api::RecordPatrolRequest)| {
        let mut request = good();
        change(&mut request);
        request
    };
    let cases: Vec<(api::RecordPatrolRequest, &str, &str)> = vec![
        (answered(vec![answer("licence", ok)]), "answers[stock]", "STEP_MISSING"),
        (with(|r| r.answers[0].step_id = "gate".to_owned()), "answers[0].step_id", "INVALID_FIELDS"),
        (with(|r| r.answers.push(answer("gate", api::StepResult::Ok))), "answers[2].step_id", "UNKNOWN_STEP"),
        (with(|r| r.answers[1].result = 0), "answers[1].result", "REQUIRED"),
        (with(|r| r.answers[1].result = 3), "answers[1].note", "NOTE_REQUIRED"),
        (with(|r| r.object_kind = "cave".to_owned()), "object_kind", "UNKNOWN_KIND"),
        (with(|r| r.checklist_version = 9), "checklist_id", "UNKNOWN_CHECKLIST"),
        (with(|r| r.checklist_id.clear()), "checklist_id", "REQUIRED"),
        (found(None), "answers[0].problem", "REQUIRED"),
        (found(Some(problem("FW-77"))), "answers[0].problem.act", "UNKNOWN_ACT"),
        (found(Some(problem("FW-99"))), "answers[0].problem.act_text", "ACT_TEXT_REQUIRED"),
        (found(Some(api::Problem { subject: None, ..problem("FW-2") })), "answers[0].problem.subject", "REQUIRED"),
        (with(|r| r.answers[0].problem = Some(problem("FW-2"))), "answers[0].problem", "NOT_ALLOWED"),
        (
            answered(vec![
                answer("licence", ok),
                api::StepAnswer { evidence_ids: vec![photo.clone()], ..answer("stock", ok) },
            ]),
            "answers[1].evidence_ids[0]",
            "EVIDENCE_NOT_FOUND",
        ),
    ];
    for (request, field, reason) in cases {
        let status = world.patrols().record_patrol(world.request(MEMBER, request.clone())).await.expect_err(field);
        assert!(fields(&status).contains(&field.to_owned()), "{field}: {status:?}");
        assert_eq!(refused(Err::<(), _>(status)).1, reason, "{field}");
    }
    assert_eq!(world.events().await, before);
    let suspicions: i64 =
        sqlx::query_scalar("SELECT count(*) FROM suspicion").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(suspicions, 0);
    record(&world, good()).await;
}

#[tokio::test]
async fn a_checklist_is_neither_asked_for_nor_put_by_characters_that_no_table_takes() {
    let world = World::start().await;
    for (id, reason) in
        [("fire\0works".to_owned(), "INVALID"), ("x".repeat(81), "TOO_LONG"), (String::new(), "REQUIRED")]
    {
        let request = world.request(MEMBER, api::GetChecklistRequest { checklist_id: id, version: 0 });
        let status = world.checklists().get_checklist(request).await.expect_err(reason);
        assert_eq!(fields(&status), ["checklist_id"]);
        assert_eq!(refused(Err::<(), _>(status)), (Code::InvalidArgument, reason.to_owned()));
    }
    let mut message = own();
    message.steps[0].text.push('\0');
    let status = put(&world, OFFICE, message).await.expect_err("a NUL");
    assert_eq!(fields(&status), ["steps[0].text"]);
    assert_eq!(refused(Err::<(), _>(status)), (Code::InvalidArgument, "INVALID".to_owned()));
}
