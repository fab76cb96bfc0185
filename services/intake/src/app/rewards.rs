//! Announcing a reward and withdrawing it (clause D3), by the office. The office's part of the transaction runs under the officer's role of the
//! database, which sees neither codes nor claims.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::reward::{
    claim::{self, Claim, Command, Standing},
    publication::{self, Tells},
    standard::{self, AmountError},
};
use dafei_kernel::{
    money::Fen,
    region::{Level, Region, RegionPath},
    time::{Instant, civil_date, format_local, start_of_day},
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    scope,
};
use uuid::Uuid;

use super::{
    reward_events::{self, Outgoing},
    reward_timer,
};
use crate::{
    app::App,
    store::{
        heads, reward_data,
        rewardable::{self, Tip},
        rewards::{self, Reward, state},
        roles::{Acting, Officer},
    },
    wire::rewards as wire,
};

/// A reward to announce.
pub(crate) struct Announce {
    pub(crate) request: RequestKey,
    pub(crate) payload_hash: [u8; 32],
    pub(crate) officer: Principal,
    pub(crate) tip: Uuid,
    pub(crate) amount: Fen,
    pub(crate) text: String,
    /// End of the claim window, exclusive.
    pub(crate) until: Instant,
}

/// Announces the reward of a tip: once, or anew when nobody can be paid any more by an announcement that was withdrawn.
///
/// # Errors
/// When the tip is none of the office's, was not found true, is not the first of its matter, has no code, has its announcement or had one until
/// lately; when the amount or the text cannot be; or the database.
pub(crate) async fn announce(app: &App, ask: Announce) -> Result<api::AnnounceRewardResponse, Fault> {
    // A tip whose wait is over is free, whether the timer has come or not.
    reward_timer::end_due(app).await?;
    let mut once = match Once::begin(&app.pool, &*app.clock, ask.request.clone(), &ask.payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    // What one announcement decides, another must not decide at the same time: they may be of one matter.
    rewardable::one_at_a_time(once.conn()).await.map_err(faults::database)?;
    // Read by the service itself, and told to nobody.
    let receipt = rewardable::receipt(once.conn(), ask.tip).await.map_err(faults::database)?.unwrap_or_default();
    let mut officer = Acting::<Officer>::take(once.conn()).await.map_err(faults::database)?;
    let reward = draft(app, &mut officer, &ask, &receipt, now).await?;
    rewards::make_room(&mut officer, ask.tip).await.map_err(faults::database)?;
    if !rewards::insert(&mut officer, &reward).await.map_err(faults::database)? {
        return Err(announced_already(ask.tip));
    }
    if !rewards::take_code(&mut officer, reward.id).await.map_err(faults::database)? {
        return Err(not_rewardable(ask.tip));
    }
    rewardable::mark(&mut officer, ask.tip).await.map_err(faults::database)?;
    let kept = rewards::by_number(&mut officer, &reward.number).await.map_err(faults::database)?;
    let kept = kept.ok_or_else(|| Fault::internal("an announcement that was written is there"))?;
    officer.leave().await.map_err(faults::database)?;
    let head = heads::lock(once.conn(), &[reward.id]).await.map_err(faults::database)?.remove(&reward.id);
    let event = reward_events::announced(&reward);
    let event = Outgoing { event, at: now, actor: Some(scope::post(&ask.officer)), reward };
    reward_events::append(app, once.conn(), now, vec![(event, head.unwrap_or_default())]).await?;
    once.finish(api::AnnounceRewardResponse { reward: Some(wire::reward(&kept, now)) }).await
}

/// The announcement to be, checked.
async fn draft(
    app: &App,
    officer: &mut Acting<'_, Officer>,
    ask: &Announce,
    receipt: &str,
    now: Instant,
) -> Result<Reward, Fault> {
    let tip = tip(app, officer, ask, now).await?;
    publication::check_text(&ask.text, receipt).map_err(text_error)?;
    let roster = app.roster.current();
    let path = roster.path(&tip.recipient);
    let path = path.ok_or_else(|| Fault::internal("the region that accepted a tip is in the roster"))?;
    let unit = publication::unit(&tip.recipient);
    let unit = unit.ok_or_else(|| Fault::internal("a tip is accepted by a township, a county or the city"))?;
    let nearest: Vec<Region> = offices(&path);
    let current = reward_data::standards(officer, &nearest, now).await.map_err(faults::database)?;
    standard::check(&standard::nearest(current, &path), tip.act, ask.amount, app.rewards.cap).map_err(amount_error)?;
    let bank_region = reward_data::bank_of(officer, &nearest).await.map_err(faults::database)?;
    let bank_region = bank_region.ok_or_else(|| {
        let region = nearest.first().map(ToString::to_string).unwrap_or_default();
        Fault::precondition("NO_REWARD_BANK", region, "no bank is named", "还没有指定奖励办理银行，请先登记")
    })?;
    let today = civil_date(now);
    let home = nearest.first().ok_or_else(|| Fault::internal("a path begins with a city"))?;
    let series = format!("{}-{}", home.code(), today.year());
    let running = rewards::next_number(officer, &series).await.map_err(faults::database)?;
    Ok(Reward {
        id: app.ids.random(),
        number: publication::number(home, today.year(), running),
        tip: tip.id,
        unit,
        path,
        act: tip.act,
        amount_fen: ask.amount.get(),
        text: ask.text.clone(),
        state: state::OPEN,
        announced_day: start_of_day(today),
        claim_until: ask.until,
        settled_day: None,
        withdrawn_reason: String::new(),
        bank_region,
        bank: String::new(),
        branches: Vec::new(),
    })
}

/// County and city of a path, the nearest first.
pub(crate) fn offices(path: &RegionPath) -> Vec<Region> {
    [Level::County, Level::City].into_iter().filter_map(|level| path.at(level).cloned()).collect()
}

async fn tip(app: &App, officer: &mut Acting<'_, Officer>, ask: &Announce, now: Instant) -> Result<Tip, Fault> {
    let found = rewardable::tip(officer, ask.tip).await.map_err(faults::database)?;
    let (tip, standing) = found.ok_or_else(|| Fault::not_found("tip", ask.tip.to_string(), "没有这条举报"))?;
    if !scope::contains(&ask.officer, &app.roster.current(), &tip.recipient) {
        return Err(scope::out_of_scope());
    }
    match standing {
        // The list of what can be announced looks one step far; here it is looked to the end.
        rewardable::Standing::Rewardable
            if rewardable::is_matter_rewarded(officer, ask.tip).await.map_err(faults::database)? =>
        {
            Err(not_rewardable(ask.tip))
        }
        rewardable::Standing::Rewardable => Ok(tip),
        rewardable::Standing::NotRewardable => Err(not_rewardable(ask.tip)),
        rewardable::Standing::Announced => Err(announced_already(ask.tip)),
        rewardable::Standing::Withdrawn(from) if from > now => Err(withdrawn_lately(from)),
        // A reservation is left all the same, made for longer than was set at the withdrawal.
        rewardable::Standing::Withdrawn(_) => Err(withdrawn_lately(claim::free_from(now, app.rewards.reservation))),
        rewardable::Standing::NotVerified => Err(Fault::precondition(
            "TIP_NOT_VERIFIED",
            format!("tip/{}", ask.tip),
            "the tip was not found true",
            "举报尚未查实，不能公告奖励",
        )),
    }
}

fn not_rewardable(tip: Uuid) -> Fault {
    Fault::precondition(
        "TIP_NOT_REWARDABLE",
        format!("tip/{tip}"),
        "the tip is not the first of its matter, or has no code",
        "不是同一事项的首次有效举报，或举报人没有设代码，不能公告奖励",
    )
}

fn announced_already(tip: Uuid) -> Fault {
    Fault::precondition("ALREADY_ANNOUNCED", format!("tip/{tip}"), "the reward is announced", "该举报的奖励已经公告")
}

fn withdrawn_lately(from: Instant) -> Fault {
    Fault::precondition(
        "WITHDRAWN_LATELY",
        format!("from/{from}"),
        format!("the reward's announcement was withdrawn, and another one can follow from {from} on"),
        format!("原公告撤回不久，{}起方可重新公告", format_local(from)),
    )
}

fn text_error(tells: Tells) -> Fault {
    let zh = match tells {
        Tells::PossibleCode => "公告不得出现六位以上的数字或字母串（可能是举报人代码；电话请分段书写）",
        Tells::Receipt => "公告不得出现举报回执号",
    };
    Fault::field("text", "TELLS_TOO_MUCH", tells.to_string(), zh)
}

fn amount_error(error: AmountError) -> Fault {
    let (reason, zh) = match error {
        AmountError::OverCap(cap) => ("OVER_CAP", format!("超过与银行约定的单笔上限（{}分）", cap.get())),
        AmountError::NoStandard => ("NO_STANDARD", "没有适用于该行为的奖励标准，请先公布标准".to_owned()),
        AmountError::OutsideStandard { min, max } => {
            ("OUTSIDE_STANDARD", format!("不在奖励标准之内（{}分至{}分）", min.get(), max.get()))
        }
    };
    Fault::field("amount_fen", reason, error.to_string(), zh)
}

/// An announcement to withdraw.
pub(crate) struct Withdraw {
    pub(crate) request: RequestKey,
    pub(crate) payload_hash: [u8; 32],
    pub(crate) officer: Principal,
    pub(crate) number: String,
    pub(crate) reason: String,
}

/// Withdraws an announcement: no new claim is taken. Its tip may have another one once no claim of it can be left, whether there is one or not.
///
/// # Errors
/// When it is none of the office's, or not open; or the database.
pub(crate) async fn withdraw(app: &App, ask: Withdraw) -> Result<api::WithdrawAnnouncementResponse, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, ask.request.clone(), &ask.payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    let found = find(&mut once, &ask.number).await?;
    if !scope::contains(&ask.officer, &app.roster.current(), found.path.leaf()) {
        return Err(scope::out_of_scope());
    }
    heads::lock(once.conn(), &[found.id]).await.map_err(faults::database)?;
    let current = find(&mut once, &ask.number).await?;
    claim::decide(&claim_of(&current), &Command::Withdraw, now).map_err(|refusal| {
        let subject = format!("announcement/{}", ask.number);
        Fault::precondition("NOT_OPEN", subject, refusal.to_string(), "公告已兑付、过期或撤回，不能再撤回")
    })?;
    let mut officer = Acting::<Officer>::take(once.conn()).await.map_err(faults::database)?;
    let today = start_of_day(civil_date(now));
    let free_at = claim::free_from(now, app.rewards.reservation);
    rewards::withdraw(&mut officer, current.id, &ask.reason, (today, free_at)).await.map_err(faults::database)?;
    officer.leave().await.map_err(faults::database)?;
    let kept = find(&mut once, &ask.number).await?;
    once.finish(api::WithdrawAnnouncementResponse { reward: Some(wire::reward(&kept, now)) }).await
}

/// Reads an announcement as the office.
async fn find(once: &mut Once, number: &str) -> Result<Reward, Fault> {
    let mut officer = Acting::<Officer>::take(once.conn()).await.map_err(faults::database)?;
    let found = rewards::by_number(&mut officer, number).await.map_err(faults::database)?;
    officer.leave().await.map_err(faults::database)?;
    found.ok_or_else(|| Fault::not_found("announcement", number, "没有这个公告"))
}

/// The claim as far as the office knows it: whether somebody stands at the counter is not known here, and does not matter.
fn claim_of(reward: &Reward) -> Claim {
    let mut claim = Claim::new(reward.claim_until);
    claim.withdrawn = reward.state == state::WITHDRAWN;
    match reward.state {
        state::PAID => {
            claim.standing = Standing::Paid { reservation: Uuid::nil(), teller: String::new(), serial: String::new() };
        }
        state::EXPIRED => claim.standing = Standing::Expired,
        _ => {}
    }
    claim
}
