//! Rewards on the wire, and what offices and tellers write checked by its form.

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1 as api,
};
use dafei_intake_core::reward::{
    publication,
    standard::{Scope, Standard},
};
use dafei_kernel::{
    act::Act,
    money::Fen,
    region::Region,
    sector::Sector,
    time::{Instant, civil_date},
};
use jiff::{SignedDuration, civil::Date};

use crate::store::{
    reward_data::{Branch, Hotline},
    rewardable::Tip,
    rewards::{Published, Reward, state},
};

/// A day as it is written.
pub(crate) fn day(at: Instant) -> String {
    civil_date(at).to_string()
}

/// The last day of what ends, exclusive, at an instant.
fn last_day(until: Instant) -> String {
    day(until.checked_sub(SignedDuration::from_micros(1)).unwrap_or(until))
}

/// A day of a request.
pub(crate) fn date(field: &str, text: &str) -> Result<Date, ConvertError> {
    if text.is_empty() {
        return Err(ConvertError::required(field));
    }
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse::<Date>()
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| ConvertError::invalid(field, "is no day such as 2026-11-23"))
}

/// A code of some length whose characters a rule allows.
pub(crate) fn token(
    field: &str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: fn(u8) -> bool,
) -> Result<String, ConvertError> {
    if text.is_empty() {
        return Err(ConvertError::required(field));
    }
    if length.contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let (least, most) = (length.start(), length.end());
    Err(ConvertError::invalid(field, &format!("is no code of {least} to {most} allowed characters")))
}

/// Characters of kinds of standards.
pub(crate) fn small(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Characters of codes of banks and branches.
pub(crate) fn capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Characters of serials.
pub(crate) fn serial(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// Characters of telephone numbers.
pub(crate) fn dialled(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-' || byte == b'+'
}

/// A public number by its form. Whether there is such an announcement is not said here.
pub(crate) fn number(field: &str, text: &str) -> Result<String, ConvertError> {
    if text.is_empty() {
        return Err(ConvertError::required(field));
    }
    if publication::is_number(text) {
        return Ok(text.to_owned());
    }
    Err(ConvertError::invalid(field, "is no public number such as 371302-2026-0001"))
}

/// An amount of money.
pub(crate) fn fen(field: &str, amount: i64) -> Result<Fen, ConvertError> {
    Fen::new(amount).map_err(|error| ConvertError::invalid(field, &error.to_string()))
}

/// The acts that a standard is for.
pub(crate) fn scope(standard: &api::RewardStandard) -> Result<Scope, ConvertError> {
    match (standard.sector.as_str(), standard.act.as_str()) {
        ("", "") => Ok(Scope::All),
        ("", act) => convert::act("standard.act", act).map(Scope::Act),
        (sector, "") => sector
            .parse::<Sector>()
            .map(Scope::Sector)
            .map_err(|_| ConvertError::unknown("standard.sector", "UNKNOWN_SECTOR", sector, "领域代码")),
        (sector, act) => {
            // Both may be given when they say the same.
            let parsed: Act = convert::act("standard.act", act)?;
            if parsed.sector().code() == sector {
                Ok(Scope::Act(parsed))
            } else {
                Err(ConvertError::invalid("standard.sector", "is not the act's"))
            }
        }
    }
}

/// States of a filter; `most` leaves out those behind it.
pub(crate) fn states(values: &[i32], most: api::AnnouncementState) -> Result<Vec<i16>, ConvertError> {
    let known = |(at, value): (usize, &i32)| {
        i16::try_from(*value)
            .ok()
            .filter(|_| (1..=i32::from(most)).contains(value))
            .ok_or_else(|| ConvertError::invalid(&format!("states[{at}]"), "is no state of this list"))
    };
    values.iter().enumerate().map(known).collect()
}

/// The state as it is now: an announcement whose window has ended is expired before the timer has come.
fn state_now(kept: i16, until: Instant, now: Instant) -> i32 {
    if kept == state::OPEN && now >= until { i32::from(state::EXPIRED) } else { i32::from(kept) }
}

fn branches(branches: &[Branch]) -> Vec<api::BankBranch> {
    let branch = |branch: &Branch| api::BankBranch {
        code: branch.code.clone(),
        name: branch.name.clone(),
        address: branch.address.clone(),
    };
    branches.iter().map(branch).collect()
}

/// What the public sees.
pub(crate) fn announcement(published: &Published, now: Instant) -> api::Announcement {
    api::Announcement {
        number: published.number.clone(),
        text: published.text.clone(),
        amount_fen: published.amount_fen,
        announced_on: day(published.announced_day),
        claim_until: last_day(published.claim_until),
        state: state_now(published.state, published.claim_until, now),
        bank: published.bank.clone(),
        branches: branches(&published.branches),
    }
}

/// What the office sees.
pub(crate) fn reward(reward: &Reward, now: Instant) -> api::Reward {
    let announcement = api::Announcement {
        number: reward.number.clone(),
        text: reward.text.clone(),
        amount_fen: reward.amount_fen,
        announced_on: day(reward.announced_day),
        claim_until: last_day(reward.claim_until),
        state: state_now(reward.state, reward.claim_until, now),
        bank: reward.bank.clone(),
        branches: branches(&reward.branches),
    };
    api::Reward {
        announcement: Some(announcement),
        tip_id: reward.tip.to_string(),
        unit: Some((&reward.unit).into()),
        act: reward.act.code().to_owned(),
        settled_on: reward.settled_day.map(day).unwrap_or_default(),
        withdrawn_reason: reward.withdrawn_reason.clone(),
    }
}

/// A tip that waits for its announcement.
pub(crate) fn tip(tip: &Tip) -> api::AnnounceableTip {
    api::AnnounceableTip {
        tip_id: tip.id.to_string(),
        case_id: tip.case_id.to_string(),
        act: tip.act.code().to_owned(),
        unit: publication::unit(&tip.recipient).as_ref().map(Into::into),
        received_on: day(tip.received_hour),
    }
}

/// A hotline.
pub(crate) fn hotline(hotline: &Hotline) -> api::Hotline {
    api::Hotline { region: Some((&hotline.region).into()), number: hotline.number.clone(), note: hotline.note.clone() }
}

/// A standard.
pub(crate) fn standard(standard: &Standard) -> api::RewardStandard {
    let (sector, act) = match standard.scope {
        Scope::All => (String::new(), String::new()),
        Scope::Sector(sector) => (sector.code().to_owned(), String::new()),
        Scope::Act(act) => (act.sector().code().to_owned(), act.code().to_owned()),
    };
    api::RewardStandard {
        region: Some((&standard.region).into()),
        kind: standard.kind.clone(),
        title: standard.title.clone(),
        sector,
        act,
        min_fen: standard.min.get(),
        max_fen: standard.max.get(),
        basis: standard.basis.clone(),
        valid_from: day(standard.valid_from),
    }
}

/// The nearest region first.
pub(crate) fn by_nearness(hotlines: &mut [Hotline], nearest: &[Region]) {
    hotlines.sort_by_key(|hotline| nearest.iter().position(|region| *region == hotline.region));
}
