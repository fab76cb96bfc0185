//! What is published of rewards, and what may be announced (clauses D1, D3).

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_testkit::eventually;
use jiff::SignedDuration;
use tonic::Code;

use crate::{
    counter::{
        CITY_OFFICE, CODE, COUNTY, FALSE, GivenTip, OFFICE, RECEIVED, TIP, WAITING, announcement, number, receipt,
        standard,
    },
    tip_desk::CENTRE,
    tips::tip,
    world::{CITY, SOON, World, fields, kinds, new_id, refused, wire},
};

async fn standards(world: &World, region: &str) -> api::GetRewardStandardResponse {
    let message = api::GetRewardStandardRequest { region: Some(wire(region)) };
    world.public().get_reward_standard(message).await.expect("open to everyone").into_inner()
}

#[tokio::test]
async fn everyone_reads_hotlines_and_the_nearest_standards_that_are_in_force() {
    let world = World::with_rewards().await;
    for (caller, region, number) in [(CITY_OFFICE, CITY, "12350"), (OFFICE, COUNTY, "0539-8311234")] {
        let hotline =
            api::Hotline { region: Some(wire(region)), number: number.to_owned(), note: "24小时".to_owned() };
        let message = api::PutHotlineRequest { request_id: new_id(), hotline: Some(hotline), ended: false };
        world.offices().put_hotline(world.request(caller, message)).await.expect("published");
    }
    world.put_standard(CITY_OFFICE, standard(CITY, "all", 1, 2)).await.expect("kept");
    world.put_standard(CITY_OFFICE, standard(CITY, "mine", 5, 6)).await.expect("kept");
    let later = api::RewardStandard { valid_from: "2026-12-01".to_owned(), ..standard(COUNTY, "all", 7, 8) };
    world.put_standard(OFFICE, later).await.expect("kept for later");
    let read = |answer: &api::GetRewardStandardResponse| -> Vec<(String, i64)> {
        answer.standards.iter().map(|standard| (standard.kind.clone(), standard.max_fen)).collect()
    };
    let now = standards(&world, "village:371302001001").await;
    assert_eq!(read(&now), [("all".to_owned(), 10_000_000), ("mine".to_owned(), 6)]);
    let numbers: Vec<&str> = now.hotlines.iter().map(|hotline| hotline.number.as_str()).collect();
    assert_eq!(numbers, ["0539-8311234", "12350"], "the nearest first");
    assert_eq!(read(&standards(&world, "county:371371").await), [("all".to_owned(), 2), ("mine".to_owned(), 6)]);
    world.clock.advance(SignedDuration::from_hours(24 * 8));
    assert_eq!(read(&standards(&world, COUNTY).await), [("all".to_owned(), 8), ("mine".to_owned(), 6)]);
}

#[tokio::test]
async fn a_standard_s_wrong_fields_are_named() {
    let world = World::with_rewards().await;
    let good = || standard(COUNTY, "den", 1, 2);
    for (bad, field) in [
        (api::RewardStandard { region: None, ..good() }, "standard.region"),
        (api::RewardStandard { region: Some(wire("township:371302001")), ..good() }, "standard.region.level"),
        (api::RewardStandard { kind: "Den 1".to_owned(), ..good() }, "standard.kind"),
        (api::RewardStandard { title: String::new(), ..good() }, "standard.title"),
        (api::RewardStandard { act: "HC-98".to_owned(), ..good() }, "standard.act"),
        (api::RewardStandard { sector: "cooking".to_owned(), ..good() }, "standard.sector"),
        (api::RewardStandard { min_fen: -1, ..good() }, "standard.min_fen"),
        (api::RewardStandard { min_fen: 3, ..good() }, "standard.max_fen"),
        (api::RewardStandard { valid_from: "2026-11-22".to_owned(), ..good() }, "standard.valid_from"),
        (api::RewardStandard { valid_from: "soon".to_owned(), ..good() }, "standard.valid_from"),
    ] {
        assert_eq!(fields(&world.put_standard(OFFICE, bad).await.expect_err(field)), [field]);
    }
    let theirs = world.put_standard(OFFICE, standard("county:371371", "den", 1, 2)).await;
    assert_eq!(refused(theirs), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}

#[tokio::test]
async fn a_reward_is_announced_once_for_a_true_first_tip_with_a_code() {
    let world = World::with_rewards().await;
    let tip = world.tip(TIP).await;
    world.tip(GivenTip { state: RECEIVED, ..TIP }).await;
    assert_eq!(waiting(&world).await, std::slice::from_ref(&tip));
    let request = announcement(&tip);
    let reward = world.announce(OFFICE, request.clone()).await.expect("announced");
    assert_eq!(world.announce(OFFICE, request).await.expect("replayed"), reward);
    assert_eq!(number(&reward), "371302-2026-0001");
    assert_eq!(reward.unit.as_ref().expect("a unit").role, "township-centre");
    assert!(waiting(&world).await.is_empty());
    let again = world.announce(OFFICE, announcement(&tip)).await;
    assert_eq!(refused(again), (Code::FailedPrecondition, "ALREADY_ANNOUNCED".to_owned()));

    let history = world.history(&world.reward_id(&number(&reward)).await).await;
    assert_eq!(kinds(&history), ["announced"]);
    let json = String::from_utf8(history[0].to_json().expect("JSON")).expect("text");
    for secret in [tip.as_str(), &receipt(&tip), CODE] {
        assert!(!json.contains(secret), "{json}");
    }
}

#[tokio::test]
async fn what_may_not_be_announced_is_refused_with_its_reason_and_nothing_is_written() {
    let world = World::with_rewards().await;
    let (tip, received) = (world.tip(TIP).await, world.tip(GivenTip { state: RECEIVED, ..TIP }).await);
    let waiting = world.tip(GivenTip { state: WAITING, ..TIP }).await;
    let later = world.tip(GivenTip { first: Some(&tip), ..TIP }).await;
    let without = world.tip(GivenTip { code: None, ..TIP }).await;
    let (elsewhere, city) = ("township:371302002", CITY);
    let theirs = world.tip(GivenTip { recipient: elsewhere, ..TIP }).await;
    let of_city = world.tip(GivenTip { recipient: city, ..TIP }).await;
    let before = world.events().await;
    let good = || announcement(&tip);
    let text = |text: String| api::AnnounceRewardRequest { text, ..good() };
    for (request, reason) in [
        (announcement(&waiting), "NOT_FOUND"),
        (announcement(&received), "TIP_NOT_VERIFIED"),
        (announcement(&later), "TIP_NOT_REWARDABLE"),
        (announcement(&without), "TIP_NOT_REWARDABLE"),
        (announcement(&theirs), "OUT_OF_SCOPE"),
        (announcement(&of_city), "OUT_OF_SCOPE"),
        (announcement(&new_id()), "NOT_FOUND"),
        (api::AnnounceRewardRequest { amount_fen: 5_000_001, ..good() }, "OVER_CAP"),
        (api::AnnounceRewardRequest { amount_fen: 9_999, ..good() }, "OUTSIDE_STANDARD"),
        (api::AnnounceRewardRequest { amount_fen: 0, ..good() }, "INVALID"),
        (api::AnnounceRewardRequest { claim_until: "2026-11-23".to_owned(), ..good() }, "OUT_OF_RANGE"),
        (api::AnnounceRewardRequest { claim_until: "2030-01-01".to_owned(), ..good() }, "OUT_OF_RANGE"),
        (text(String::new()), "REQUIRED"),
        (text("长".repeat(2_001)), "TOO_LONG"),
        (text(format!("请凭代码{CODE}领取")), "TELLS_TOO_MUCH"),
        (text("请凭代码ｋ７ｍ２ｐｘ领取".to_owned()), "TELLS_TOO_MUCH"),
        // Another word of that kind is refused alike: the answer is no way to try codes.
        (text("请凭代码ABC123领取".to_owned()), "TELLS_TOO_MUCH"),
        (text(receipt(&tip).chars().map(|one| format!("{one} ")).collect()), "TELLS_TOO_MUCH"),
    ] {
        assert_eq!(refused(world.announce(OFFICE, request.clone()).await).1, reason, "{request:?}");
    }
    assert_eq!(refused(world.announce(CITY_OFFICE, announcement(&theirs)).await).1, "NO_STANDARD");
    world.put_standard(CITY_OFFICE, standard(CITY, "all", 1, 1_000_000)).await.expect("kept");
    assert_eq!(refused(world.announce(CITY_OFFICE, announcement(&theirs)).await).1, "NO_REWARD_BANK");
    assert_eq!(world.events().await, before);
    assert_eq!(number(&world.announce(OFFICE, good()).await.expect("good")), "371302-2026-0001", "no number was lost");
}

/// The tips whose reward can be announced.
pub(crate) async fn waiting(world: &World) -> Vec<String> {
    let message = api::ListAnnounceableTipsRequest { region: Some(wire(COUNTY)), ..Default::default() };
    let page = world.offices().list_announceable_tips(world.request(OFFICE, message)).await.expect("a page");
    page.into_inner().tips.into_iter().map(|tip| tip.tip_id).collect()
}

#[tokio::test]
async fn a_linked_tip_is_rewarded_where_the_first_was_refuted_and_one_alone_of_several() {
    let world = World::with_rewards().await;
    let (open, refuted) =
        (world.tip(GivenTip { state: RECEIVED, ..TIP }).await, world.tip(GivenTip { state: FALSE, ..TIP }).await);
    let behind = world.tip(GivenTip { first: Some(&open), ..TIP }).await;
    let mut linked = Vec::new();
    for _ in 0..3 {
        linked.push(world.tip(GivenTip { first: Some(&refuted), ..TIP }).await);
    }
    linked.sort_unstable();
    assert_eq!(waiting(&world).await, [linked[0].clone()], "of one hour, the least id");
    for tip in [&behind, &linked[1]] {
        assert_eq!(refused(world.announce(OFFICE, announcement(tip)).await).1, "TIP_NOT_REWARDABLE");
    }
    world.announce(OFFICE, announcement(&linked[0])).await.expect("the first that was true");
    assert!(waiting(&world).await.is_empty(), "the matter has its reward");
}

#[tokio::test]
async fn a_first_tip_that_turns_out_to_be_true_gets_no_second_reward_of_its_matter() {
    let world = World::with_rewards().await;
    let case = new_id();
    let first = world.tip(GivenTip { state: FALSE, case: Some(&case), ..TIP }).await;
    let later = world.tip(GivenTip { first: Some(&first), ..TIP }).await;
    let rewarded = number(&world.announce(OFFICE, announcement(&later)).await.expect("the first was refuted"));
    sqlx::query("UPDATE tip SET state = $2 WHERE id = $1::uuid")
        .bind(&first)
        .bind(TIP.state)
        .execute(&world.db.pool)
        .await
        .expect("it turned out to be true");
    // An older one that was verified with it.
    let beside = world.tip(GivenTip { case: Some(&case), ..TIP }).await;
    sqlx::query("UPDATE tip SET received_hour = '2026-11-19T01:00:00Z' WHERE id = $1::uuid")
        .bind(&beside)
        .execute(&world.db.pool)
        .await
        .expect("it came earlier");
    assert!(waiting(&world).await.is_empty(), "the matter has its reward");
    for tip in [&first, &beside] {
        assert_eq!(refused(world.announce(OFFICE, announcement(tip)).await).1, "TIP_NOT_REWARDABLE");
    }
    // It comes in its place should the other one be taken back, once nobody can be paid by that.
    world.withdraw_reward(&rewarded).await.expect("withdrawn");
    assert_eq!(refused(world.announce(OFFICE, announcement(&first)).await).1, "TIP_NOT_REWARDABLE");
    world.pass(SignedDuration::from_mins(31));
    eventually(SOON, "the timer", async || (waiting(&world).await == [beside.clone()]).then_some(())).await;
    world.announce(OFFICE, announcement(&beside)).await.expect("the first of the matter");
    assert!(waiting(&world).await.is_empty());
}

#[tokio::test]
async fn of_true_tips_that_came_together_in_one_case_one_is_rewarded() {
    let world = World::with_rewards().await;
    let given = async || {
        world.submit(tip(), &[]).await.expect("taken");
        world.release().await;
        world.clock.advance(SignedDuration::from_hours(2));
        world.tip_list(CENTRE).await.remove(0)
    };
    let (first, later) = (given().await, given().await);
    // Dispatch merged their cases; nobody linked the tips.
    let joined = api::Tip { case_id: first.case_id.clone(), ..later.clone() };
    world.verified(&joined, 1, ev::TipVerdict::True).await;
    world.verified(&first, 2, ev::TipVerdict::True).await;
    world.until_state(&first.tip_id, api::TipState::VerifiedTrue).await;
    assert_eq!(waiting(&world).await, std::slice::from_ref(&first.tip_id));
    let second = world.announce(OFFICE, announcement(&later.tip_id)).await;
    assert_eq!(refused(second), (Code::FailedPrecondition, "TIP_NOT_REWARDABLE".to_owned()));
    world.announce(OFFICE, announcement(&first.tip_id)).await.expect("the older one");
    assert!(waiting(&world).await.is_empty());
    // One that joins afterwards and came earlier finds the matter rewarded.
    world.tip(GivenTip { case: Some(&first.case_id), ..TIP }).await;
    assert!(waiting(&world).await.is_empty());
}

#[tokio::test]
async fn a_later_tip_of_the_same_hour_and_case_keeps_no_first_one_back() {
    let world = World::with_rewards().await;
    let mut firsts = Vec::new();
    // Ids are random, and by no order of them may both be left out.
    for _ in 0..8 {
        let case = new_id();
        let first = world.tip(GivenTip { case: Some(&case), ..TIP }).await;
        world.tip(GivenTip { case: Some(&case), first: Some(&first), ..TIP }).await;
        firsts.push(first);
    }
    firsts.sort_unstable();
    assert_eq!(waiting(&world).await, firsts);
}

#[tokio::test]
async fn of_one_hour_the_tip_that_was_released_first_is_rewarded_and_no_copy_of_it() {
    let world = World::with_rewards().await;
    let given = async || {
        world.submit(tip(), &[]).await.expect("taken");
        world.release().await;
        world.tip_list(CENTRE).await
    };
    let read = given().await.remove(0);
    // Who has read it sends it again, several times, as his ids may be lucky.
    let mut copies = Vec::new();
    for _ in 0..4 {
        copies = given().await;
    }
    copies.retain(|copy| copy.tip_id != read.tip_id);
    assert!(copies.len() == 4 && copies.iter().all(|copy| copy.received_hour == read.received_hour));
    let linked = world.link(CENTRE, (&read.tip_id, &copies[0].tip_id), false).await;
    assert_eq!(refused(linked).1, "NOT_THE_FIRST");
    let joined = api::Tip { case_id: read.case_id.clone(), ..read.clone() };
    world.verified(&joined, 1, ev::TipVerdict::True).await;
    for (copy, sequence) in copies.iter().zip(2..) {
        let joined = api::Tip { case_id: read.case_id.clone(), ..copy.clone() };
        world.verified(&joined, sequence, ev::TipVerdict::True).await;
        world.until_state(&copy.tip_id, api::TipState::VerifiedTrue).await;
    }
    assert_eq!(waiting(&world).await, [read.tip_id]);
}

#[tokio::test]
async fn a_matter_is_rewarded_once_however_far_its_tips_are_apart() {
    let world = World::with_rewards().await;
    let (case, other) = (new_id(), new_id());
    // The later one stayed in a case of its own, in which it was found true with a third.
    let first = world.tip(GivenTip { case: Some(&case), ..TIP }).await;
    world.tip(GivenTip { case: Some(&other), first: Some(&first), ..TIP }).await;
    let third = world.tip(GivenTip { case: Some(&other), ..TIP }).await;
    world.announce(OFFICE, announcement(&first)).await.expect("the first of the matter");
    let second = world.announce(OFFICE, announcement(&third)).await;
    assert_eq!(refused(second), (Code::FailedPrecondition, "TIP_NOT_REWARDABLE".to_owned()));
}

#[tokio::test]
async fn of_two_announcements_of_a_tip_at_once_one_is_told_that_it_is_announced() {
    let world = World::with_rewards().await;
    for _ in 0..5 {
        let tip = world.tip(TIP).await;
        let (one, other) =
            tokio::join!(world.announce(OFFICE, announcement(&tip)), world.announce(OFFICE, announcement(&tip)));
        let [Ok(_), Err(refusal)] = (if one.is_ok() { [one, other] } else { [other, one] }) else {
            panic!("one of the two");
        };
        assert_eq!(refused::<()>(Err(refusal)).1, "ALREADY_ANNOUNCED");
    }
}

#[tokio::test]
async fn the_city_s_own_tips_are_rewarded_by_the_city() {
    let world = World::with_rewards().await;
    world.put_standard(CITY_OFFICE, standard(CITY, "all", 1, 1_000_000)).await.expect("kept");
    let branch =
        api::BankBranch { code: "CS-01".to_owned(), name: "市行营业部".to_owned(), address: String::new() };
    let bank = api::PutRewardBankRequest {
        request_id: new_id(),
        region: Some(wire(CITY)),
        code: "CSB".to_owned(),
        name: "城商银行".to_owned(),
        branches: vec![branch],
    };
    world.offices().put_reward_bank(world.request(CITY_OFFICE, bank)).await.expect("named");
    let tip = world.tip(GivenTip { recipient: CITY, ..TIP }).await;
    let reward = world.announce(CITY_OFFICE, announcement(&tip)).await.expect("announced");
    assert_eq!(number(&reward), "371300-2026-0001");
    assert_eq!(reward.unit.expect("a unit").role, "city-office");
}

#[tokio::test]
async fn a_token_that_the_public_made_up_is_told_so() {
    let world = World::with_rewards().await;
    let asked = api::ListAnnouncementsRequest { region: Some(wire(COUNTY)), ..Default::default() };
    let micros = jiff::Timestamp::MIN.as_microsecond();
    for cursor in [(0, "\0".to_owned()), (micros, String::new()), (i64::MAX, String::new())] {
        let page_token = dafei_shell::paging::encode(&cursor, &asked);
        let message = api::ListAnnouncementsRequest { page_token, ..asked.clone() };
        let refused = crate::world::refused(world.public().list_announcements(message).await);
        assert_eq!(refused, (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned()), "{cursor:?}");
    }
}

#[tokio::test]
async fn the_public_sees_days_and_no_more_page_by_page() {
    let world = World::with_rewards().await;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        numbers.push(world.announced().await);
    }
    world.withdraw_reward(&numbers[4]).await.expect("withdrawn");
    numbers.pop();
    numbers.reverse();
    let list = |region: &str, states: Vec<i32>, page_token: String| {
        let message = api::ListAnnouncementsRequest { region: Some(wire(region)), states, page_size: 3, page_token };
        async { world.public().list_announcements(message).await.map(tonic::Response::into_inner) }
    };
    for region in [COUNTY, CITY] {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(region, Vec::new(), token).await.expect("a page");
            seen.extend(page.announcements.iter().map(|one| one.number.clone()));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, numbers, "newest first, none withdrawn");
    }
    let one = world.published(&numbers[0]).await;
    assert_eq!((one.announced_on.as_str(), one.claim_until.as_str()), ("2026-11-23", "2026-12-31"));
    assert_eq!((one.bank.as_str(), one.branches.len()), ("兰山农商银行", 3));
    assert!(list("county:371371", Vec::new(), String::new()).await.expect("a page").announcements.is_empty());
    let paid = list(COUNTY, vec![api::AnnouncementState::Paid.into()], String::new()).await.expect("a page");
    assert!(paid.announcements.is_empty());
    let hidden = list(COUNTY, vec![api::AnnouncementState::Withdrawn.into()], String::new()).await;
    assert_eq!(fields(&hidden.expect_err("not public")), ["states[0]"]);
    let message = api::ListRewardsRequest {
        region: Some(wire(COUNTY)),
        states: vec![api::AnnouncementState::Withdrawn.into()],
        ..Default::default()
    };
    let own = world.offices().list_rewards(world.request(OFFICE, message)).await.expect("a page").into_inner();
    assert_eq!(own.rewards.len(), 1, "the office sees it");
}
