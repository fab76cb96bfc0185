//! Claims at the counter (clause D4): paid once, to who knows the code, and no refusal tells a stranger anything.

use std::{collections::BTreeSet, time::Duration};

use dafei_contracts::{Event, intake::v1 as api};
use dafei_testkit::eventually;
use futures::{StreamExt as _, future::join_all};
use jiff::SignedDuration;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    counter::{BRANCH, CODE, Counter, OFFICE, TELLER, WRONG, claim},
    world::{SOON, World, kinds, new_id, refused, rewards},
};

fn claim_refused() -> (Code, String) {
    (Code::FailedPrecondition, "CLAIM_REFUSED".to_owned())
}

/// On a slow machine a flood may find no connection: it comes again, with the same request, and not at once.
async fn until_heard<T>(ask: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    loop {
        match ask().await {
            Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(Duration::from_secs(1)).await,
            answer => return answer,
        }
    }
}

/// Fewer at once than there are connections to the database: each finds one.
async fn few_at_once(calls: impl Iterator<Item: Future<Output = ()>>) {
    futures::stream::iter(calls).buffer_unordered(8).for_each(async |()| {}).await;
}

fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

async fn reconciliation(world: &World, office: bool, day: &str) -> api::ListReconciliationResponse {
    let message = api::ListReconciliationRequest { day: day.to_owned(), ..Default::default() };
    let caller = if office { OFFICE } else { TELLER };
    world.counters().list_reconciliation(world.request(caller, message)).await.expect("a page").into_inner()
}

#[tokio::test]
async fn the_code_alone_is_paid_once_and_the_unit_that_accepted_the_tip_is_named() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let (one, other) = (world.counter(1), world.counter(2));
    let held = one.reserve(&number, "ｋ7m2px").await.expect("case and width do not matter");
    assert_eq!(held.amount_fen, 100_000);
    assert_eq!(one.reserve(&number, CODE).await.expect("the same teller").reservation_id, held.reservation_id);
    let id = held.reservation_id.as_str();
    assert_eq!(refused(other.reserve(&number, CODE).await), claim_refused());
    assert_eq!(other.confirm(id, "S-0001").await.expect_err("another's").code(), Code::NotFound);
    world.clock.advance(SignedDuration::from_mins(10));
    let paid = one.confirm(id, "S-0001").await.expect("paid");
    assert_eq!(
        (paid.announcement_number.as_str(), paid.amount_fen, paid.paid_on.as_str()),
        (&*number, 100_000, "2026-11-23")
    );
    assert_eq!(one.confirm(id, "S-0001").await.expect("the same payout"), paid);
    assert_eq!(refused(one.confirm(id, "S-0002").await), precondition("RESERVATION_PAID"));
    assert_eq!(refused(one.cancel(id).await), precondition("RESERVATION_PAID"));
    assert_eq!(refused(one.reserve(&number, CODE).await), claim_refused());

    let history = world.history(&world.reward_id(&number).await).await;
    assert_eq!(kinds(&history), ["announced", "paid"]);
    let Some(Event::RewardPaid(event)) = history.last() else { panic!("{history:?}") };
    let unit = event.unit.as_ref().expect("a unit");
    assert_eq!((unit.role.as_str(), event.act.as_str(), event.amount_fen), ("township-centre", "HC-3", 100_000));
    assert_eq!(event.sector, "hazardous-chemicals");
    let meta = event.meta.as_ref().expect("meta");
    assert!(meta.region_path.ends_with("township:371302001") && meta.actor.is_none(), "{meta:?}");
    let hour: jiff::Timestamp = "2026-11-23T10:00:00+08:00".parse().expect("an instant");
    assert_eq!((event.paid_at, meta.received_at), (Some(hour.into()), Some(hour.into())), "cut to the hour");

    let (bank, office) =
        (reconciliation(&world, false, "2026-11-23").await, reconciliation(&world, true, "2026-11-23").await);
    assert_eq!((bank.count, bank.sum_fen, office.count, office.sum_fen), (1, 100_000, 1, 100_000));
    assert_eq!((bank.payouts[0].bank_serial.as_str(), bank.payouts[0].branch.as_str()), ("S-0001", BRANCH));
    assert_eq!((office.payouts[0].bank_serial.as_str(), office.payouts[0].branch.as_str()), ("", ""));
    assert_eq!(reconciliation(&world, false, "2026-11-24").await.count, 0);
    assert_eq!(world.published(&number).await.state(), api::AnnouncementState::Paid);
}

#[tokio::test]
async fn fifty_tellers_with_the_right_code_at_once_are_one_payout() {
    let mut settings = rewards();
    (settings.announcement, settings.branch) = (1_000, 1_000);
    let world = World::with_reward_settings(settings).await;
    let number = world.announced().await;
    let pay = |teller: usize| {
        let (counter, number) = (world.counter(teller), number.as_str());
        async move {
            let asked = claim(number, CODE);
            let held = until_heard(async || counter.send(asked.clone()).await).await?;
            let serials = [format!("S-{teller:04}"), format!("S-{teller:04}"), format!("T-{teller:04}")];
            let answers = join_all(serials.iter().map(|serial| counter.confirm(&held.reservation_id, serial))).await;
            Ok::<_, Status>(answers.into_iter().filter(Result::is_ok).count())
        }
    };
    let answers = join_all((0..50).map(pay)).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "one reservation");
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refused(answer), claim_refused());
    }
    assert_eq!(kinds(&world.history(&world.reward_id(&number).await).await), ["announced", "paid"]);
    assert_eq!(reconciliation(&world, false, "2026-11-23").await.count, 1);
}

#[tokio::test]
async fn a_thousand_wrong_codes_at_once_get_the_tries_of_the_limit_and_the_right_one_is_paid_after_the_release() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let attempt = |thief: usize| {
        let (counter, asked) = (world.counter(1_000 + thief), claim(&number, &format!("GUESS{thief:04}")));
        async move { until_heard(async || counter.send(asked.clone()).await).await }
    };
    for answer in join_all((0..1_000).map(attempt)).await {
        assert_eq!(refused(answer), claim_refused());
    }
    let (tried, slowed) =
        (world.refused_for(api::RefusalCause::WrongCode).await, world.refused_for(api::RefusalCause::Slowed).await);
    // A slot whose try found no connection is spent all the same: what matters is that no more are looked at.
    assert!(tried <= 5 && tried + slowed == 1_000, "{tried} were looked at, {slowed} were not");
    let taken: i32 = sqlx::query_scalar("SELECT tries FROM throttle WHERE purpose = 'claim-announcement'")
        .fetch_one(&world.db.pool)
        .await
        .expect("the slots");
    assert_eq!(taken, 5, "no more slots than the limit");

    let informant = world.counter(1);
    assert_eq!(refused(informant.reserve(&number, CODE).await), claim_refused(), "slowed like everybody");
    world.pass(SignedDuration::from_mins(59));
    assert_eq!(refused(informant.reserve(&number, CODE).await), claim_refused());
    world.pass(SignedDuration::from_mins(1));
    let held = informant.reserve(&number, CODE).await.expect("the span is over");
    informant.confirm(&held.reservation_id, "S-0001").await.expect("paid");
}

#[tokio::test]
async fn wrong_codes_of_the_bank_s_own_tellers_are_slowed_by_teller_branch_and_announcement() {
    let mut settings = rewards();
    (settings.teller, settings.branch) = (4, 6);
    let world = World::with_reward_settings(settings).await;
    let numbers = [world.announced().await, world.announced().await, world.announced().await];
    let wrong = |teller: usize, number: usize| {
        let (counter, number) = (world.counter(teller), numbers[number].as_str());
        async move { assert_eq!(refused(counter.reserve(number, WRONG).await), claim_refused()) }
    };
    // One teller alone cannot use up an announcement.
    few_at_once((0..30).map(|_| wrong(1, 0))).await;
    assert_eq!(world.refused_for(api::RefusalCause::WrongCode).await, 3);
    let held = world.counter(2).reserve(&numbers[0], CODE).await.expect("another teller is not slowed");
    world.counter(2).cancel(&held.reservation_id).await.expect("given up");
    // The teller has one try left, the branch three.
    few_at_once((0..30).map(|_| wrong(1, 1))).await;
    assert_eq!(world.refused_for(api::RefusalCause::WrongCode).await, 4);
    few_at_once((0..30).map(|at| wrong(10 + at, 2))).await;
    assert_eq!(world.refused_for(api::RefusalCause::WrongCode).await, 6);
    // Right codes cost nothing, and slots come back with time.
    world.pass(SignedDuration::from_hours(1));
    for _ in 0..20 {
        let held = world.counter(1).reserve(&numbers[1], CODE).await.expect("right");
        world.counter(1).cancel(&held.reservation_id).await.expect("given up");
    }
}

#[tokio::test]
async fn a_call_that_is_cut_after_its_slot_was_taken_still_leaves_its_line_for_the_auditor() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let mut busy = world.db.pool.begin().await.expect("a transaction");
    sqlx::query("SELECT 1 FROM event_head WHERE aggregate_id = $1::uuid FOR UPDATE")
        .bind(world.reward_id(&number).await)
        .execute(&mut *busy)
        .await
        .expect("the announcement's head");
    let request = world.counter(1).request(claim(&number, WRONG));
    let mut counters = world.counters();
    let call = tokio::spawn(async move { counters.reserve_claim(request).await });
    // Its slot is taken, and it waits for the head.
    world.db.until_waiting(1).await;
    call.abort();
    assert!(call.await.expect_err("cut").is_cancelled());
    eventually(SOON, "its slot", async || {
        let slots = sqlx::query_scalar::<_, i32>("SELECT tries FROM throttle WHERE purpose = 'claim-announcement'");
        slots.fetch_optional(&world.db.pool).await.expect("the slots").filter(|slots| *slots == 1)
    })
    .await;
    assert_eq!(world.refusals().await.len(), 0, "the code is not judged yet");
    busy.rollback().await.expect("the head is free");
    eventually(SOON, "the line", async || (world.refused_for(api::RefusalCause::WrongCode).await == 1).then_some(()))
        .await;
}

/// What a stranger sees of a refusal, without its number; the number.
fn seen(status: &Status) -> (String, String) {
    let details = status.get_error_details();
    let words = &details.localized_message().expect("words").message;
    let number: String = words.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(number.len(), 12, "{words}");
    let info = details.error_info().expect("a reason");
    let shown = format!("{:?} {} {words} {} {:?}", status.code(), status.message(), info.reason, info.metadata);
    let violations = &details.precondition_failure().expect("a precondition").violations;
    (format!("{shown} {violations:?}").replace(&number, "#"), number)
}

#[tokio::test]
async fn every_refused_claim_gets_one_answer_and_its_cause_is_the_auditor_s_alone() {
    let world = World::with_rewards().await;
    let one = world.counter(1);
    let (open, paid, withdrawn, reserved) =
        (world.announced().await, world.announced().await, world.announced().await, world.announced().await);
    let expired = world.announced().await;
    sqlx::query("UPDATE reward SET claim_until = '2026-11-23T01:00:00Z' WHERE number = $1")
        .bind(&expired)
        .execute(&world.db.pool)
        .await
        .expect("its window is over");
    let held = one.reserve(&paid, CODE).await.expect("right");
    one.confirm(&held.reservation_id, "S-0001").await.expect("paid");
    world.withdraw_reward(&withdrawn).await.expect("withdrawn");
    world.counter(3).reserve(&reserved, CODE).await.expect("right");
    let mut elsewhere = claim(&open, CODE);
    elsewhere.branch = "XX-99".to_owned();
    let foreign = async {
        let caller = (TELLER.0, "county:371371");
        let request = world.request_of("teller-elsewhere".to_owned(), caller, claim(&open, CODE));
        world.counters().reserve_claim(request).await.map(tonic::Response::into_inner)
    };
    let answers = [
        (one.reserve(&open, WRONG).await, api::RefusalCause::WrongCode),
        (one.reserve("371302-2026-9999", CODE).await, api::RefusalCause::Unknown),
        (one.reserve(&paid, CODE).await, api::RefusalCause::Paid),
        (one.reserve(&expired, CODE).await, api::RefusalCause::Expired),
        (one.reserve(&withdrawn, CODE).await, api::RefusalCause::Withdrawn),
        (world.counter(2).reserve(&reserved, CODE).await, api::RefusalCause::Reserved),
        (foreign.await, api::RefusalCause::OutOfScope),
        (world.counter(2).send(elsewhere).await, api::RefusalCause::WrongBranch),
        (exhausted(&one, &open).await, api::RefusalCause::Slowed),
    ];
    let mut shown = BTreeSet::new();
    let causes = world.refusals().await;
    for (answer, cause) in answers {
        let (words, number) = seen(&answer.expect_err("refused"));
        shown.insert(words);
        let kept = causes.iter().find(|refusal| refusal.refusal_number == number).expect("it is recorded");
        assert_eq!(kept.cause(), cause);
    }
    assert_eq!(shown.len(), 1, "one answer: {shown:?}");
}

/// The answer once a teller has no try left.
async fn exhausted(counter: &Counter<'_>, number: &str) -> Result<api::ReserveClaimResponse, Status> {
    for _ in 0..10 {
        refused(counter.reserve(number, WRONG).await);
    }
    counter.reserve(number, CODE).await
}

#[tokio::test]
async fn a_refusal_takes_its_time_whatever_the_cause() {
    let mut settings = rewards();
    settings.refusal_after = std::time::Duration::from_millis(150);
    let world = World::with_reward_settings(settings).await;
    let number = world.announced().await;
    for (number, code) in [(number.as_str(), WRONG), ("371302-2026-9999", WRONG)] {
        let began = std::time::Instant::now();
        refused(world.counter(1).reserve(number, code).await);
        assert!(began.elapsed() >= std::time::Duration::from_millis(150));
    }
}

#[tokio::test]
async fn a_reservation_runs_out_and_a_late_payment_counts_unless_somebody_came_in_between() {
    let world = World::with_rewards().await;
    let (one, other) = (world.counter(1), world.counter(2));
    let number = world.announced().await;
    let first = one.reserve(&number, CODE).await.expect("right");
    world.pass(SignedDuration::from_mins(30));
    let second = other.reserve(&number, CODE).await.expect("free again");
    assert_eq!(refused(one.confirm(&first.reservation_id, "S-0001").await), precondition("RESERVATION_LAPSED"));
    other.cancel(&second.reservation_id).await.expect("given up");
    assert_eq!(refused(other.confirm(&second.reservation_id, "S-0002").await), precondition("RESERVATION_CANCELLED"));
    one.confirm(&first.reservation_id, "S-0001").await.expect("late, and nobody holds it");

    let number = world.announced().await;
    let held = one.reserve(&number, CODE).await.expect("right");
    assert_eq!(refused(one.confirm(&held.reservation_id, "S-0001").await).1, "SERIAL_IN_USE", "of another payment");
    one.confirm(&held.reservation_id, "S-0003").await.expect("its own serial");
}

#[tokio::test]
async fn an_unclaimed_reward_expires_and_is_announced_as_such() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let id = world.reward_id(&number).await;
    world.counter(1).reserve(&number, CODE).await.expect("right, and never paid");
    world.pass(SignedDuration::from_hours(24 * 39));
    eventually(SOON, "the expiry", || async {
        Some(world.history(&id).await).filter(|history| kinds(history) == ["announced", "expired"])
    })
    .await;
    assert_eq!(world.published(&number).await.state(), api::AnnouncementState::Expired);
    assert_eq!(refused(world.counter(1).reserve(&number, CODE).await), claim_refused());
    let exact: i64 = sqlx::query_scalar("SELECT count(*) FROM reward_claim WHERE until IS NOT NULL")
        .fetch_one(&world.db.pool)
        .await
        .expect("a count");
    assert_eq!(exact, 0, "no exact time stays behind");
    assert_eq!(world.telling_answers().await.1, Vec::<String>::new());
}

impl World {
    /// How many answers to calls at the counter are kept, and which of them tell when in its hour the call came: by their own time, by what
    /// was answered, or by an id that may hold the time.
    async fn telling_answers(&self) -> (usize, Vec<String>) {
        let rows: Vec<(String, String, Vec<u8>, bool)> = sqlx::query_as(
            "SELECT method, request_id, answer, recorded_at = date_trunc('hour', recorded_at) FROM request
             WHERE method IN ('ReserveClaim', 'ConfirmPayout', 'CancelClaim')",
        )
        .fetch_all(&self.db.pool)
        .await
        .expect("answers");
        let kept = rows.len();
        let tells = |(method, id, answer, on_the_hour): (String, String, Vec<u8>, bool)| {
            let ends = method == "ReserveClaim"
                && api::ReserveClaimResponse::decode(&*answer).expect("an answer").expires_at.is_some();
            (ends || uuid::Uuid::parse_str(&id).is_ok() || !on_the_hour).then(|| format!("{method} {id}"))
        };
        (kept, rows.into_iter().filter_map(tells).collect())
    }
}

#[tokio::test]
async fn of_a_visit_that_was_paid_or_broken_off_no_exact_time_stays_behind_and_a_replay_names_none() {
    let world = World::with_rewards().await;
    world.clock.advance(SignedDuration::from_secs(1_357));
    let (paid, left) = (world.announced().await, world.announced().await);
    let one = world.counter(1);
    let request = claim(&paid, CODE);
    let held = one.send(request.clone()).await.expect("right");
    let ends = held.expires_at;
    assert!(ends.is_some(), "the teller sees it");
    assert_eq!(one.send(request.clone()).await.expect("replayed").expires_at, ends, "as long as it stands");
    one.confirm(&held.reservation_id, "S-0001").await.expect("paid");
    let replayed = one.send(request).await.expect("replayed");
    assert_eq!(replayed, api::ReserveClaimResponse { expires_at: None, ..held });
    let held = one.reserve(&left, CODE).await.expect("right");
    one.cancel(&held.reservation_id).await.expect("given up");
    assert_eq!(world.telling_answers().await, (4, Vec::new()));
}

#[tokio::test]
async fn a_withdrawal_takes_no_new_claims_and_spares_the_one_at_the_counter() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let held = world.counter(1).reserve(&number, CODE).await.expect("right");
    let withdrawn = world.withdraw_reward(&number).await.expect("the office learns nothing of the claim");
    assert_eq!(withdrawn.withdrawn_reason, "金额有误");
    assert_eq!(refused(world.withdraw_reward(&number).await), precondition("NOT_OPEN"));
    assert_eq!(refused(world.counter(2).reserve(&number, CODE).await), claim_refused());
    world.counter(1).confirm(&held.reservation_id, "S-0001").await.expect("he has the money in hand");
    assert_eq!(world.published(&number).await.state(), api::AnnouncementState::Paid);
}

#[tokio::test]
async fn a_replay_gets_the_first_answer_and_wrong_fields_are_named_without_a_try() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let one = world.counter(1);
    let request = claim(&number, CODE);
    let first = one.send(request.clone()).await.expect("right");
    assert_eq!(one.send(request.clone()).await.expect("replayed"), first);
    let reused = api::ReserveClaimRequest { code: Some(api::InformantCode { text: WRONG.to_owned() }), ..request };
    assert_eq!(refused(one.send(reused).await), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    let good = || claim(&number, CODE);
    for (bad, field) in [
        (api::ReserveClaimRequest { request_id: String::new(), ..good() }, "request_id"),
        (api::ReserveClaimRequest { announcement_number: "1".to_owned(), ..good() }, "announcement_number"),
        (api::ReserveClaimRequest { code: Some(api::InformantCode { text: "SHORT".to_owned() }), ..good() }, "code"),
        (
            api::ReserveClaimRequest { code: Some(api::InformantCode { text: "NOT A CODE".to_owned() }), ..good() },
            "code",
        ),
        (api::ReserveClaimRequest { branch: "支行".to_owned(), ..good() }, "branch"),
    ] {
        let status = one.send(bad).await.expect_err(field);
        assert_eq!(crate::world::fields(&status), [field]);
        assert!(!format!("{status:?}").contains("NOT A CODE"), "a code is not repeated");
    }
    let id = first.reservation_id.as_str();
    assert_eq!(crate::world::fields(&one.confirm(id, "§").await.expect_err("no serial")), ["bank_serial"]);
    assert_eq!(crate::world::fields(&one.confirm("1", "S-0001").await.expect_err("no id")), ["reservation_id"]);
    assert_eq!(one.confirm(&new_id(), "S-0001").await.expect_err("none").code(), Code::NotFound);
    let message = api::ListReconciliationRequest { day: "23.11.2026".to_owned(), ..Default::default() };
    let status = world.counters().list_reconciliation(world.request(TELLER, message)).await.expect_err("no day");
    assert_eq!(crate::world::fields(&status), ["day"]);
    assert_eq!(world.refusals().await.len(), 0, "none of these was a try");
    assert_eq!(world.published(&number).await.state(), api::AnnouncementState::Open);
}
