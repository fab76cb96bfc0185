//! Random walks of commands: whatever was done to the cases, their histories are whole; and one changed byte or missing row is found.

use dafei_contracts::{Stream, dispatch::v1 as api, events::v1 as ev, types::v1 as types};
use dafei_kernel::{agency::Agency, role::Role};
use jiff::SignedDuration;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    caller::{Caller, lead},
    directives,
    proof::{flaw, verify},
    suite::{CITY, COUNTY, Suite, den, new_id},
    turns::{merge, open, opening, rework},
};

/// Of each walk the cases, and the commands to each.
const CASES: usize = 20;
const COMMANDS: usize = 20;
/// Another seed is another walk.
const SEED: u64 = 20_260_302;

/// Numbers by a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides = u64::try_from(sides).expect("few");
        usize::try_from((mixed ^ (mixed >> 31)) % sides).expect("fewer")
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// A refusal is what a walk meets everywhere; what is no refusal is a fault.
fn or_refused<T>(answer: Result<T, Status>) -> bool {
    match answer {
        Ok(_) => true,
        Err(status) => {
            let refusals = [Code::FailedPrecondition, Code::InvalidArgument, Code::PermissionDenied, Code::NotFound];
            assert!(refusals.contains(&status.code()), "{status:?}");
            false
        }
    }
}

/// The caller for whose unit an instruction is.
fn unit(suite: &Suite, instruction: &api::Instruction) -> Caller {
    let post = instruction.post.as_ref().expect("a post");
    let region = post.region.as_ref().expect("a region");
    let role: Role = post.role.parse().expect("a role");
    suite.caller(role, &format!("{}:{}", region.level, region.code), post.agency.parse().ok())
}

/// A step of the agency that has one of the case's instructions.
async fn step(suite: &Suite, dice: &mut Dice, case: &api::Case) -> bool {
    if case.instructions.is_empty() {
        return false;
    }
    let instruction = dice.pick(&case.instructions);
    let (id, caller) = (instruction.instruction_id.as_str(), unit(suite, instruction));
    let kinds = [types::ResultKind::Interim, types::ResultKind::Final, types::ResultKind::Unfounded];
    match dice.roll(9) {
        0 => or_refused(caller.read(id).await),
        1 => or_refused(caller.accept(id).await),
        2 => or_refused(caller.respond(id).await),
        3 => or_refused(caller.decline(id, "责任办法第三条").await),
        4 => {
            let request = api::RequestExtensionRequest {
                request_id: new_id(),
                instruction_id: id.to_owned(),
                working_days: 3,
                reason: "等待鉴定".to_owned(),
            };
            or_refused(caller.agency().request_extension(request).await)
        }
        5 => {
            let request = api::DecideExtensionRequest {
                request_id: new_id(),
                case_id: case.case_id.clone(),
                instruction_id: id.to_owned(),
                working_days: 2,
                reason: "情况属实".to_owned(),
                expected_version: 0,
            };
            or_refused(suite.office().county().decide_extension(request).await)
        }
        _ => or_refused(caller.submit(id, *dice.pick(&kinds), Vec::new()).await),
    }
}

/// What is asked of a case beside its way through the tiers.
async fn turn(suite: &Suite, dice: &mut Dice, case: Uuid) -> bool {
    let (request_id, case_id, expected_version) = (new_id(), case.to_string(), 0);
    let mut turns = dice.pick(&[suite.office(), suite.caller(Role::CityOffice, CITY, None)]).turns();
    let reason = "说明".to_owned();
    match dice.roll(4) {
        0 => {
            let request = api::SuperviseCaseRequest { request_id, case_id, text: reason, expected_version };
            or_refused(turns.supervise_case(request).await)
        }
        1 => {
            let request = api::UrgeCaseRequest { request_id, case_id, text: reason, ..Default::default() };
            or_refused(turns.urge_case(request).await)
        }
        2 => {
            let retract = dice.roll(3) == 0;
            let public_text = if retract { String::new() } else { reason };
            let request = api::ExposeCaseRequest { request_id, case_id, public_text, retract, expected_version };
            or_refused(turns.expose_case(request).await)
        }
        _ => {
            let accident = Some(types::Accident {
                happened_at: Some(suite.app.clock.now().into()),
                deaths: 0,
                injured: 1,
                major_impact: false,
                description: reason,
            });
            let request = api::RecordAccidentRequest { request_id, case_id, accident, expected_version };
            or_refused(turns.record_accident(request).await)
        }
    }
}

/// The office asks that a case be taken up again, and the city decides.
async fn reopen(suite: &Suite, case: Uuid, granted: bool) -> bool {
    let (case_id, reason, expected_version) = (case.to_string(), "死灰复燃".to_owned(), 0);
    let asked = api::RequestReopeningRequest {
        request_id: new_id(),
        case_id: case_id.clone(),
        reason: reason.clone(),
        expected_version,
    };
    let decided = api::DecideReopeningRequest { request_id: new_id(), case_id, granted, reason, expected_version };
    let city = suite.caller(Role::CityOffice, CITY, None);
    or_refused(suite.office().turns().request_reopening(asked).await)
        && or_refused(city.turns().decide_reopening(decided).await)
}

/// One command at random to one of the cases; whether it was taken.
async fn command(suite: &Suite, dice: &mut Dice, cases: &[Uuid], case: Uuid) -> bool {
    let (centre, office) = (suite.centre(), suite.office());
    match dice.roll(20) {
        0 | 1 => or_refused(centre.instruct(case, Agency::PublicSecurity).await),
        2 => or_refused(centre.escalate(case).await),
        3 => or_refused(centre.accept_result(case).await),
        4..=6 => or_refused(office.assign(case).await),
        7 | 8 => or_refused(office.feed_back(case).await),
        9 => or_refused(rework(&centre, case).await) || or_refused(rework(&office, case).await),
        10 if dice.roll(4) == 0 => {
            let into = *dice.pick(cases);
            or_refused(merge(&centre, case, into).await) || or_refused(merge(&office, case, into).await)
        }
        11 => {
            let commander = suite.caller(Role::CountyCommander, COUNTY, None);
            or_refused(directives::issue(&commander, directives::draft(suite, &[case])).await)
        }
        12 => reopen(suite, case, dice.roll(3) > 0).await,
        10 | 13 => turn(suite, dice, case).await,
        _ => {
            let shown = suite.admin().case(case).await.expect("the case");
            step(suite, dice, &shown).await
        }
    }
}

/// Half are a village's reports, half the office's own, which close without a village.
async fn begun(suite: &Suite) -> Vec<Uuid> {
    let mut cases = Vec::new();
    for number in 0..CASES {
        let reported = number % 2 == 0;
        let id = if reported {
            new_id()
        } else {
            open(&suite.office(), opening(ev::CaseSource::DailyCheck)).await.expect("opened").case_id
        };
        let case = id.parse().expect("an id");
        if reported {
            suite.report_again(case, 1, den()).await;
        }
        cases.push(case);
    }
    for case in cases.iter().step_by(2) {
        suite.state(*case, api::CaseState::AtCentre).await;
    }
    cases
}

/// What chance seldom comes to, in three of the cases: merging, rework, reopening.
async fn rare_turns(suite: &Suite, cases: &[Uuid]) {
    merge(&suite.centre(), cases[0], cases[2]).await.expect("merged");
    let (office, case) = (suite.office(), cases[1]);
    let submit = async |assigned: &api::Case| {
        let instruction = lead(assigned);
        let (agency, id) = (unit(suite, instruction), &instruction.instruction_id);
        agency.submit(id, types::ResultKind::Interim, Vec::new()).await.expect("a result");
    };
    submit(&office.assign(case).await.expect("assigned")).await;
    submit(&rework(&office, case).await.expect("ordered again")).await;
    office.feed_back(case).await.expect("settled");
    assert!(reopen(suite, case, true).await, "taken up again");
}

/// Changes a byte of an event of a case, or takes the event away, with the superuser's rights; says what was done.
async fn tamper(suite: &Suite, dice: &mut Dice, case: Uuid, events: i64) -> String {
    let sequence = i64::try_from(dice.roll(usize::try_from(events).expect("few"))).expect("few") + 1;
    let byte = i32::try_from(dice.roll(1_000_000)).expect("small");
    let (what, statement) = if dice.roll(2) == 0 {
        ("a byte of", "UPDATE event_log SET payload = set_byte(payload, $4 % length(payload), get_byte(payload, $4 % length(payload)) # 1)
                       WHERE aggregate_id = $1 AND stream = $2 AND sequence = $3")
    } else {
        ("the row of", "DELETE FROM event_log WHERE aggregate_id = $1 AND stream = $2 AND sequence = $3 AND $4 >= 0")
    };
    let mut tx = suite.db.pool.begin().await.expect("a transaction");
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("a superuser");
    let done = sqlx::query(statement)
        .bind(case)
        .bind(Stream::Dispatch.name())
        .bind(sequence)
        .bind(byte)
        .execute(&mut *tx)
        .await
        .expect("done");
    assert_eq!(done.rows_affected(), 1, "{what} event {sequence} of {case}");
    tx.commit().await.expect("committed");
    format!("{what} event {sequence} of {events}")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_walk_every_history_is_whole_and_what_is_changed_in_it_is_found() {
    let suite = Suite::start().await;
    let auditor = suite.caller(Role::Auditor, CITY, None);
    let mut dice = Dice(SEED);
    let cases = begun(&suite).await;
    rare_turns(&suite, &cases).await;
    let mut taken = 0;
    for _ in 0..CASES * COMMANDS {
        let case = *dice.pick(&cases);
        taken += usize::from(command(&suite, &mut dice, &cases, case).await);
        suite.advance(SignedDuration::from_secs(30));
    }
    assert!(taken > CASES * COMMANDS / 5, "the walk went nowhere: {taken}");
    for case in &cases {
        let checked = verify(&auditor, *case).await.expect("checked");
        assert_eq!(flaw(&checked), None, "case {case}: {checked:?}");
        let what = tamper(&suite, &mut dice, *case, checked.events).await;
        let found = verify(&auditor, *case).await.expect("checked");
        assert!(flaw(&found).is_some(), "case {case}: {what} was changed and not found");
    }
}
