//! A public tip and its reward: seen by nobody whom it accuses, paid against the code alone.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use dafei_contracts::{
    intake::v1::{Tip, TipState},
    types::v1::{CloseDown, Den, Measure, Region, Subject, measure::Kind, subject},
};
use dafei_kernel::{agency::Agency, money::Fen, region, role::Role, time::civil_date};
use jiff::ToSpan as _;

use crate::{
    actors::{Actor, photo_bytes},
    client::{Keys, Suite},
    exercise::{self, Target},
    public::{Informant, announcements},
};

const COUNTY: &str = "county:371302";
const TOWNSHIP: &str = "township:371302101";
const VILLAGE: &str = "village:371302101208";
const BRANCH: &str = "B01";
const REWARD_FEN: i64 = 300_000;
/// How far the clock is moved at a time while the tip waits: the centre is to have it in time.
const STEP: Duration = Duration::from_secs(300);
/// Steps within which any tip leaves intake.
const STEPS: u32 = 12;

fn wire(text: &str) -> anyhow::Result<Region> {
    Ok((&text.parse::<region::Region>()?).into())
}

pub(super) async fn play(suite: &Suite, keys: &Keys) -> anyhow::Result<()> {
    if !exercise::is_on(suite, keys).await? {
        println!("\n八、群众匿名举报与奖励：举报须随机延时，系统时钟下不演示");
        return Ok(());
    }
    println!("\n八、群众匿名举报与奖励（只凭举报人代码）");
    let centre = Actor::new(suite, keys, Role::TownshipCentre, TOWNSHIP)?;
    let secretary = Actor::new(suite, keys, Role::VillageSecretary, VILLAGE)?;
    let informant = Informant::with_offered_code(suite).await?;
    let receipt = submit(&informant).await?;
    println!("  举报人选用系统给出的代码，举报已受理，回执号 {receipt}（不留身份、地址和准确时间）");
    let tip = arrived(suite, keys, &centre).await?;
    ensure!(secretary.tips().await.is_err(), "村居不得看到举报");
    println!("  随机延时后到达乡镇网格化服务中心；村居、工作区看不到举报内容和来源");
    handle(suite, keys, &centre, &tip.case_id).await?;
    println!("  查实：{}", informant.status(&receipt).await?.progress_zh);
    reward(suite, keys, &informant, &tip.tip_id).await
}

/// The tip, once its random delay has passed.
async fn arrived(suite: &Suite, keys: &Keys, centre: &Actor<'_>) -> anyhow::Result<Tip> {
    for _ in 0..STEPS {
        exercise::run(suite, keys, Target::By(STEP)).await?;
        let received = |tip: &Tip| tip.state() == TipState::Received;
        if let Some(tip) = centre.tips().await?.into_iter().find(received) {
            return Ok(tip);
        }
    }
    bail!("乡镇中心没有收到举报")
}

async fn submit(informant: &Informant) -> anyhow::Result<String> {
    let den = Subject {
        kind: Some(subject::Kind::Den(Den {
            place: "镇东头物流院内".to_owned(),
            position: None,
            industry: String::new(),
        })),
    };
    let place = (wire(VILLAGE)?, Vec::new());
    Ok(informant.tip("HC-9", den, place, "夜间充装液化气钢瓶", photo_bytes(1)).await?)
}

async fn handle(suite: &Suite, keys: &Keys, centre: &Actor<'_>, case_id: &str) -> anyhow::Result<()> {
    let station = Actor::agency(suite, keys, Role::TownshipAgency, TOWNSHIP, Agency::MarketRegulation)?;
    let case = centre.instruct(case_id, Agency::MarketRegulation.code(), "立即查处").await?;
    let instruction = case.instructions.last().context("没有指令")?.instruction_id.clone();
    let now = exercise::now(suite, keys).await?;
    let close = Measure {
        measure_id: "close".to_owned(),
        decided_at: Some(now.into()),
        comply_by: None,
        kind: Some(Kind::CloseDown(CloseDown { note: "查封充装设备".to_owned() })),
    };
    station.work_off(&instruction, None, "举报属实，已取缔", &["HC-9"], vec![close]).await?;
    centre.accept_result(case_id, "已取缔").await?;
    exercise::settle(suite, keys).await
}

async fn reward(suite: &Suite, keys: &Keys, informant: &Informant, tip_id: &str) -> anyhow::Result<()> {
    let office = Actor::new(suite, keys, Role::CountyOffice, COUNTY)?;
    let bank = Actor::new(suite, keys, Role::Bank, COUNTY)?;
    let today = civil_date(exercise::now(suite, keys).await?);
    office.prepare_rewards(500_000, BRANCH, &today.to_string()).await?;
    let until = today.checked_add(90.days())?.to_string();
    let number = office.announce(tip_id, REWARD_FEN, &until).await?;
    ensure!(announcements(suite, wire(COUNTY)?).await?.iter().any(|one| one.number == number), "公告没有公开");
    println!("  县区安委会办公室公告：{number}，奖励 {} 元，{until} 前领取", Fen::new(REWARD_FEN)?.get() / 100);
    let wrong = Informant::with_offered_code(suite).await?;
    ensure!(bank.reserve(&number, &wrong.code, BRANCH).await.is_err(), "错误代码不得领取");
    let reserved = bank.reserve(&number, &informant.code, BRANCH).await?;
    let paid =
        bank.pay(&reserved.reservation_id, &format!("YH{}", number.replace(|c: char| !c.is_ascii_digit(), ""))).await?;
    ensure!(bank.reserve(&number, &informant.code, BRANCH).await.is_err(), "不得重复领取");
    println!("  指定银行只凭代码核对并兑现 {} 元；错误代码被拒，同一奖励只付一次", paid / 100);
    exercise::settle(suite, keys).await
}
