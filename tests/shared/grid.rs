//! What a village's grid does by itself, as its phones and its agencies' systems see it: patrols by checklist, uploads, reports that come back,
//! notices, broadcasts, leaflets, inspections; and what the table makes of it.

use dafei_contracts::{
    dispatch::v1::CaseState,
    events::v1::{NoticeKind, PersuasionOutcome},
    intake::v1::{
        self as api, SuspicionState, checklist_service_client::ChecklistServiceClient,
        inspection_service_client::InspectionServiceClient, patrol_service_client::PatrolServiceClient,
        public_reward_service_client::PublicRewardServiceClient, publicity_service_client::PublicityServiceClient,
        reward_office_service_client::RewardOfficeServiceClient, roster_service_client::RosterServiceClient,
        suspicion_service_client::SuspicionServiceClient,
    },
    types::v1::{self as types, Position},
};
use dafei_kernel::{
    agency::Agency,
    ids::{IdSource as _, SystemIds},
    role::Role,
    time::civil_date,
};
use dafei_tests::{Place, World, cells, den, enterprise, month, refusal, wire};
use dafei_tools::{
    client::{Authed, Caller, Service},
    exercise,
};
use jiff::SignedDuration;
use tonic::Code;

const PATROLLED: Place =
    Place { county: "county:371324", township: "township:371324002", village: "village:371324002201" };
const PUBLICISED: Place =
    Place { county: "county:371326", township: "township:371326001", village: "village:371326001001" };
const CREDIT_CODE: &str = "91350100M000100Y43";

fn id() -> String {
    SystemIds.random().to_string()
}

impl Grid for World {
    fn intake(&self, caller: &Caller) -> Authed {
        self.suite.with(Service::Intake, &self.keys.bearer(caller).expect("a token"))
    }
}

trait Grid {
    /// Intake's services for a caller.
    fn intake(&self, caller: &Caller) -> Authed;
}

fn caller(role: Role, region: &str) -> Caller {
    Caller::new(role, region.parse().expect("a region"))
}

/// A patrol of an idle plant by the checklist, whose last step found a problem.
fn problem_found(checklist: &api::Checklist) -> api::RecordPatrolRequest {
    let steps = checklist
        .steps
        .iter()
        .filter(|step| step.object_kinds.is_empty() || step.object_kinds.iter().any(|kind| kind == "idle-plant"));
    let mut answers: Vec<api::StepAnswer> = steps
        .map(|step| api::StepAnswer {
            step_id: step.id.clone(),
            result: api::StepResult::Ok.into(),
            ..Default::default()
        })
        .collect();
    let last = answers.last_mut().expect("a step");
    last.result = api::StepResult::Problem.into();
    last.problem = Some(api::Problem {
        act: "HC-11".to_owned(),
        subject: Some(den("村西闲置厂房")),
        description: "有反应釜和刺激性气味".to_owned(),
        ..Default::default()
    });
    api::RecordPatrolRequest {
        village: Some(wire(PATROLLED.village).expect("a village")),
        object: "村西闲置厂房".to_owned(),
        patrol_key: id(),
        checklist_id: checklist.checklist_id.clone(),
        checklist_version: checklist.version,
        object_kind: "idle-plant".to_owned(),
        answers,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_problem_of_an_uploaded_patrol_becomes_a_report_once_and_comes_back_when_persuasion_proved_false() {
    let world = World::from_env().expect("the suite");
    let member = caller(Role::GridMember, PATROLLED.village);
    let checklist = ChecklistServiceClient::new(world.intake(&member))
        .get_checklist(api::GetChecklistRequest {
            checklist_id: "hazardous-chemicals".to_owned(),
            ..Default::default()
        })
        .await
        .expect("a checklist")
        .into_inner()
        .checklist
        .expect("as kept");
    let patrol = problem_found(&checklist);
    let mut cases = Vec::new();
    for round in 0..3 {
        let upload = api::UploadPatrolsRequest { patrols: vec![patrol.clone()] };
        let mut client = PatrolServiceClient::new(world.intake(&member));
        let mut answers = client.upload_patrols(tokio_stream::iter([upload])).await.expect("taken").into_inner();
        let answer = answers.message().await.expect("an answer").expect("one");
        let expected = if round == 0 { api::PatrolOutcome::Recorded } else { api::PatrolOutcome::AlreadyThere };
        assert_eq!(answer.results[0].outcome(), expected, "{answer:?}");
        cases.extend(answer.results[0].case_ids.clone());
    }
    cases.dedup();
    assert_eq!(cases.len(), 1, "one patrol, one report: {cases:?}");
    let case = cases.remove(0);

    let secretary = world.actor(Role::VillageSecretary, PATROLLED.village).expect("a secretary");
    let finder = world.actor(Role::GridMember, PATROLLED.village).expect("a member");
    finder.notify(&case).await.expect("told");
    secretary.persuade(&case, true, "已停产，三日内拆除").await.expect("heeded");
    let photo = finder.photo().await.expect("a photo");
    let mut suspicions = SuspicionServiceClient::new(world.intake(&member));
    let reopened = suspicions
        .reopen_suspicion(api::ReopenSuspicionRequest {
            request_id: id(),
            case_id: case.clone(),
            reason: "夜间仍在生产".to_owned(),
            evidence_ids: vec![photo],
            ..Default::default()
        })
        .await
        .expect("reopened")
        .into_inner()
        .suspicion
        .expect("as kept");
    assert_eq!(reopened.state(), SuspicionState::Refused);
    let again = api::RecordPersuasionRequest {
        request_id: id(),
        case_id: case.clone(),
        outcome: PersuasionOutcome::Heeded.into(),
        note: "又答应了".to_owned(),
        ..Default::default()
    };
    let secretaries = caller(Role::VillageSecretary, PATROLLED.village);
    let refused = SuspicionServiceClient::new(world.intake(&secretaries)).record_persuasion(again).await;
    assert_eq!(refusal(&refused.expect_err("it is to go up")).0, Code::FailedPrecondition);
    secretary.report_up(&case).await.expect("up");
    let centre = world.actor(Role::TownshipCentre, PATROLLED.township).expect("a centre");
    centre.case_in(&case, CaseState::AtCentre).await.expect("a case");
    suspicions
        .record_help(api::RecordHelpRequest {
            request_id: id(),
            case_id: case.clone(),
            agency: Agency::EmergencyManagement.code().to_owned(),
            note: "带路并指认".to_owned(),
            ..Default::default()
        })
        .await
        .expect("helped");
    let ledger = world
        .obligations(&case, |list| {
            list.iter().filter(|item| item.obligation.as_ref().is_some_and(|o| o.clock == "V3")).count() == 2
        })
        .await
        .expect("V3 twice");
    assert!(
        ledger.iter().any(|item| item.obligation.as_ref().is_some_and(|o| o.clock == "V4")),
        "the re-visit's clock"
    );
}

#[tokio::test]
async fn who_held_a_post_on_a_date_is_known_and_a_wrong_row_of_an_import_is_named() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let admin = caller(Role::Admin, "city:371300");
    let mut roster = RosterServiceClient::new(world.intake(&admin));
    let post = types::Post {
        role: Role::VillageSecretary.code().to_owned(),
        region: Some(wire("village:371324002202").expect("a village")),
        agency: String::new(),
    };
    let day = |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days)).expect("in range");
    for (person, from, until) in [("王一", day(400), Some(day(100))), ("李二", day(100), None)] {
        let request = api::AppointHolderRequest {
            request_id: id(),
            post: Some(post.clone()),
            person: person.to_owned(),
            valid_from: Some(from.into()),
            valid_until: until.map(Into::into),
        };
        roster.appoint_holder(request).await.expect("appointed");
    }
    for (at, person) in [(day(200), "王一"), (day(100), "李二"), (now, "李二")] {
        let request =
            api::GetHoldersRequest { region: post.region.clone(), role: post.role.clone(), at: Some(at.into()) };
        let held = roster.get_holders(request).await.expect("told").into_inner().tenures;
        assert_eq!(held.iter().map(|one| one.person.as_str()).collect::<Vec<_>>(), [person]);
    }
    let file = "role,level,code,agency,person,valid_from\nvillage-secretary,village,371324002203,,张三,2026-01-01T00:00:00Z\n\
                village-secretary,village,371324999999,,李四,2026-01-01T00:00:00Z\n";
    let part = api::ImportRosterRequest {
        request_id: id(),
        file: api::RosterFile::Holders.into(),
        chunk: file.as_bytes().to_vec().into(),
        ..Default::default()
    };
    let status = roster.import_roster(tokio_stream::iter([part])).await.expect_err("a bad row");
    let (code, _, fields) = refusal(&status);
    assert_eq!((code, fields), (Code::InvalidArgument, vec!["row 3, column code".to_owned()]));
    let request = api::GetHoldersRequest {
        region: Some(wire("village:371324002203").expect("a village")),
        role: String::new(),
        at: None,
    };
    assert!(roster.get_holders(request).await.expect("told").into_inner().tenures.is_empty(), "all or nothing");
}

#[tokio::test]
async fn notices_broadcasts_leaflets_and_inspections_are_kept_and_counted_where_they_were_made() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let village = Some(wire(PUBLICISED.village).expect("a village"));
    let secretary = caller(Role::VillageSecretary, PUBLICISED.village);
    let photo = world.actor(Role::VillageSecretary, PUBLICISED.village).expect("one").photo().await.expect("a photo");
    let mut publicity = PublicityServiceClient::new(world.intake(&secretary));
    // The second stands about 33 m from the first, the third about 111 m from both.
    for latitude_e7 in [355_000_000, 355_003_000, 355_013_000] {
        let request = api::PostNoticeRequest {
            request_id: id(),
            village: village.clone(),
            kind: NoticeKind::Reward.into(),
            copies: 2,
            position: Some(Position { latitude_e7, longitude_e7: 1_179_000_000 }),
            place: "村口".to_owned(),
            posted_at: Some(now.into()),
            evidence_ids: vec![photo.clone()],
            replaces: String::new(),
        };
        publicity.post_notice(request).await.expect("posted");
    }
    let request = api::GetNoticeStandingRequest { village: village.clone() };
    let answer = publicity.get_notice_standing(request).await.expect("told").into_inner();
    let standing = answer.standing.as_ref().expect("a standing");
    assert_eq!((standing.valid_places, standing.required, answer.close_pairs.len()), (2, 10, 1), "{answer:?}");

    let request = api::RecordBroadcastRequest {
        request_id: id(),
        village: village.clone(),
        made_at: Some(now.into()),
        seconds: 600,
        text: "有奖举报宣传".to_owned(),
    };
    publicity.record_broadcast(request).await.expect("recorded");
    let request = api::DistributeLeafletsRequest {
        request_id: id(),
        village: village.clone(),
        distributed_at: Some(now.into()),
        copies: 120,
        households: 100,
        ..Default::default()
    };
    publicity.distribute_leaflets(request).await.expect("handed out");

    let inspector = caller(Role::TownshipAgency, PUBLICISED.township).of(Agency::EmergencyManagement);
    let mut inspections = InspectionServiceClient::new(world.intake(&inspector));
    for _ in 0..2 {
        let request = api::RecordInspectionRequest {
            request_id: id(),
            region: village.clone(),
            subject: Some(enterprise(CREDIT_CODE, "")),
            sector: "hazardous-chemicals".to_owned(),
            enforcement: true,
            inspected_at: Some(now.into()),
            situation: "未见异常".to_owned(),
            ..Default::default()
        };
        inspections.record_inspection(request).await.expect("recorded");
    }
    // Twice the same enterprise counts once; six copies of reward notices; 120 leaflets.
    let wanted = [
        (("hazardous-chemicals".to_owned(), 1), 1),
        (("total".to_owned(), 1), 1),
        (("total".to_owned(), 11), 6),
        (("total".to_owned(), 12), 120),
    ];
    world
        .table("township", PUBLICISED.township, "", &month(now), |table| {
            cells(table) == wanted.clone().into_iter().collect()
        })
        .await
        .expect("the table");
}

#[tokio::test]
async fn a_member_passes_by_a_secretary_who_is_implicated_and_no_eye_of_the_village_learns_why() {
    const VILLAGE: &str = "village:371324002203";
    let world = World::from_env().expect("the suite");
    let finder = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let case = finder.suspect("HC-9", den("支部书记家院内"), "充装液化气").await.expect("a suspicion").case_id;
    let member = caller(Role::GridMember, VILLAGE);
    let request = api::ReportUpRequest {
        request_id: id(),
        case_id: case.clone(),
        direct_cause: api::DirectCause::SecretaryImplicated.into(),
        ..Default::default()
    };
    SuspicionServiceClient::new(world.intake(&member)).report_up(request).await.expect("up");
    let told = async |caller: &Caller| {
        let request = api::GetSuspicionRequest { case_id: case.clone() };
        SuspicionServiceClient::new(world.intake(caller)).get_suspicion(request).await.expect("read").into_inner()
    };
    let centre = told(&caller(Role::TownshipCentre, PATROLLED.township)).await;
    let cause = centre.direct_report.expect("the centre knows").cause();
    assert_eq!(cause, api::DirectCause::SecretaryImplicated);
    for below in [caller(Role::VillageSecretary, VILLAGE), member] {
        assert_eq!(told(&below).await.direct_report, None);
    }
    let ledger = world
        .obligations(&case, |list| list.iter().any(|item| item.obligation.as_ref().is_some_and(|o| o.clock == "T1")))
        .await
        .expect("a ledger");
    let village = |clock: &str| ledger.iter().any(|item| item.obligation.as_ref().is_some_and(|o| o.clock == clock));
    assert!(!village("V2") && !village("V3"), "the secretary owes nothing of it");
}

#[tokio::test]
async fn a_check_by_the_work_area_is_kept_and_does_not_count_to_the_village_s_three() {
    const AREA: &str = "371324002-east";
    const VILLAGE: &str = "village:371324002204";
    let world = World::from_env().expect("the suite");
    let admin = caller(Role::Admin, "city:371300");
    let request = api::PutWorkAreaRequest {
        request_id: id(),
        work_area: Some(types::Region { level: "work-area".to_owned(), code: AREA.to_owned() }),
        name: "东片工作区".to_owned(),
        villages: vec![wire(VILLAGE).expect("a village")],
    };
    RosterServiceClient::new(world.intake(&admin)).put_work_area(request).await.expect("put");
    let patrol = |village: &str| api::RecordPatrolRequest {
        request_id: id(),
        village: Some(wire(village).expect("a village")),
        object: "村内商铺".to_owned(),
        ..Default::default()
    };
    let area = caller(Role::WorkAreaSecretary, &format!("work-area:{AREA}")).in_work_area(AREA);
    let mut patrols = PatrolServiceClient::new(world.intake(&area));
    let answer = patrols.record_patrol(patrol(VILLAGE)).await.expect("a check").into_inner();
    assert_eq!(answer.patrols_this_week, 0);
    let elsewhere = patrols.record_patrol(patrol("village:371324002205")).await.expect_err("not its area");
    assert_eq!(refusal(&elsewhere).0, Code::PermissionDenied);
    let member = caller(Role::GridMember, VILLAGE);
    let own = PatrolServiceClient::new(world.intake(&member)).record_patrol(patrol(VILLAGE)).await.expect("a patrol");
    assert_eq!(own.into_inner().patrols_this_week, 1);
}

#[tokio::test]
async fn hotlines_and_reward_standards_are_for_everyone_to_read() {
    const COUNTY: &str = "county:371325";
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let office = caller(Role::CountyOffice, COUNTY);
    let mut offices = RewardOfficeServiceClient::new(world.intake(&office));
    let region = Some(wire(COUNTY).expect("a county"));
    let hotline = api::Hotline { region: region.clone(), number: "0539-12350".to_owned(), note: "全天".to_owned() };
    let request = api::PutHotlineRequest { request_id: id(), hotline: Some(hotline), ended: false };
    offices.put_hotline(request).await.expect("published");
    let standard = api::RewardStandard {
        region,
        kind: "verified".to_owned(),
        title: "举报属实".to_owned(),
        min_fen: 10_000,
        max_fen: 500_000,
        basis: "举报奖励办法".to_owned(),
        valid_from: civil_date(now).to_string(),
        ..Default::default()
    };
    let request = api::PutRewardStandardRequest { request_id: id(), standard: Some(standard) };
    offices.put_reward_standard(request).await.expect("in force");
    let township = Some(wire("township:371325106").expect("a township"));
    let answer = PublicRewardServiceClient::new(world.suite.anonymous(Service::Intake))
        .get_reward_standard(api::GetRewardStandardRequest { region: township })
        .await
        .expect("without a token")
        .into_inner();
    assert!(answer.hotlines.iter().any(|one| one.number == "0539-12350"), "{answer:?}");
    assert!(answer.standards.iter().any(|one| one.max_fen == 500_000), "{answer:?}");
}
