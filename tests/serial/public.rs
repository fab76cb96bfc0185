//! A public tip from the informant to the money: nobody but the informant can tell whose it is, the accused never see it, and the table counts it.

use std::time::Duration;

use dafei_contracts::{
    intake::v1::TipProgress,
    types::v1::{CloseDown, Measure, measure::Kind},
};
use dafei_kernel::{agency::Agency, role::Role, time::civil_date};
use dafei_tests::{World, cells, den, month, refusal, wire};
use dafei_tools::{
    actors,
    exercise::{self, Target},
    public::{Informant, announcements},
};
use tonic::Code;

const COUNTY: &str = "county:371312";
const TOWNSHIP: &str = "township:371312001";
const VILLAGE: &str = "village:371312001001";
const BRANCH: &str = "B01";

#[tokio::test]
async fn a_tip_is_handled_verified_announced_and_paid_against_its_code_alone() {
    let world = World::from_env().expect("the suite");
    let centre = world.actor(Role::TownshipCentre, TOWNSHIP).expect("a centre");
    let office = world.actor(Role::CountyOffice, COUNTY).expect("an office");
    let bank = world.actor(Role::Bank, COUNTY).expect("a bank");
    let station = world.agency(Role::TownshipAgency, TOWNSHIP, Agency::MarketRegulation).expect("an agency");
    let informant = Informant::with_offered_code(&world.suite).await.expect("a code");

    let place = (wire(VILLAGE).expect("a village"), Vec::new());
    let receipt = informant
        .tip("HC-9", den("村北院内"), place, "夜间充装液化气", actors::photo_bytes(7))
        .await
        .expect("a receipt");
    let wrong = Informant::with_offered_code(&world.suite).await.expect("another code");
    assert_eq!(wrong.status(&receipt).await.expect_err("not his").code(), Code::NotFound);
    assert!(centre.tips().await.expect("a desk").iter().all(|tip| tip.text != "夜间充装液化气"), "it still waits");
    // The longest delay after which a tip leaves intake.
    let now = exercise::run(&world.suite, &world.keys, Target::By(Duration::from_secs(3_600))).await.expect("an hour");

    let tip =
        centre.tips().await.expect("a desk").into_iter().find(|tip| tip.text == "夜间充装液化气").expect("it came");
    for (role, region) in [(Role::VillageSecretary, VILLAGE), (Role::GridMember, VILLAGE)] {
        let below = world.actor(role, region).expect("a village");
        assert_eq!(below.tips().await.expect_err("nothing for the village").code(), Code::PermissionDenied);
        assert!(below.case_now(&tip.case_id).await.is_err(), "{role} must not see it");
    }
    let case = centre.instruct(&tip.case_id, "market-regulation", "查处").await.expect("instructed");
    let instruction = case.instructions.last().expect("an instruction").instruction_id.clone();
    let close = Measure {
        measure_id: "close".to_owned(),
        decided_at: Some(now.into()),
        comply_by: None,
        kind: Some(Kind::CloseDown(CloseDown { note: "拆除".to_owned() })),
    };
    station.work_off(&instruction, None, "已取缔", &["HC-9"], vec![close]).await.expect("a result");
    centre.accept_result(&tip.case_id, "已取缔").await.expect("accepted");
    exercise::settle(&world.suite, &world.keys).await.expect("all is told");
    assert_eq!(informant.status(&receipt).await.expect("his").progress(), TipProgress::VerifiedTrue);

    let today = civil_date(now);
    let until = today.saturating_add(jiff::ToSpan::days(60)).to_string();
    office.prepare_rewards(500_000, BRANCH, &today.to_string()).await.expect("standard and bank");
    let waiting = office.announceable().await.expect("a list");
    assert!(waiting.iter().any(|one| one.tip_id == tip.tip_id), "{waiting:?}");
    let number = office.announce(&tip.tip_id, 300_000, &until).await.expect("announced");
    let shown = announcements(&world.suite, wire(COUNTY).expect("a county")).await.expect("public");
    assert!(shown.iter().any(|one| one.number == number && one.amount_fen == 300_000), "{shown:?}");
    let told = informant.status(&receipt).await.expect("his");
    assert_eq!((told.progress(), told.announcement_number.as_str()), (TipProgress::RewardAnnounced, number.as_str()));

    let (code, reason, _) = refusal(&bank.reserve(&number, &wrong.code, BRANCH).await.expect_err("not the code"));
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CLAIM_REFUSED"));
    assert_eq!(
        office.reserve(&number, &informant.code, BRANCH).await.expect_err("no bank").code(),
        Code::PermissionDenied
    );
    assert_eq!(bank.tips().await.expect_err("no tips for the bank").code(), Code::PermissionDenied);
    let reserved = bank.reserve(&number, &informant.code, BRANCH).await.expect("the code");
    assert_eq!(bank.pay(&reserved.reservation_id, "2026-000001").await.expect("paid"), 300_000);
    let (code, reason, _) = refusal(&bank.reserve(&number, &informant.code, BRANCH).await.expect_err("once"));
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CLAIM_REFUSED"));

    let wanted = [(2, 1), (6, 1), (7, 1), (8, 300_000)];
    world
        .table("township", TOWNSHIP, "", &month(now), |table| {
            wanted
                .iter()
                .all(|(column, value)| cells(table).get(&("hazardous-chemicals".to_owned(), *column)) == Some(value))
        })
        .await
        .expect("the table");
}
