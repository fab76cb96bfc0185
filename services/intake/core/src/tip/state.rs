//! What a tip says, which never changes, where it stands, and which steps are allowed. Nothing here says who sent it.

use std::cmp::Ordering;

use dafei_kernel::{act::Act, owner::Post, region::Region, roster::RosterIndex, subject::Subject, time::Instant};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, forwarded};

/// What a tip says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its id, random.
    pub id: Uuid,
    /// Its case, random.
    pub case_id: Uuid,
    /// The act (附件1).
    pub act: Act,
    /// What it is, for an act xx-99; else empty.
    pub act_text: String,
    /// Enterprise or den (clause A3).
    pub subject: Subject,
    /// The lowest region that the informant knows.
    pub place: Region,
    /// The units that it accuses.
    pub accused: Vec<Region>,
    /// What the informant says.
    pub text: String,
    /// When it came, cut to the hour.
    pub received_hour: Instant,
    /// Photos, without metadata.
    pub evidence: Vec<Uuid>,
}

/// Where a tip stands. A linked one is verified with the case that it ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody sees it yet.
    Waiting,
    /// With its recipient.
    Received,
    /// Of one matter with an earlier tip.
    Linked,
    /// Verified as true.
    VerifiedTrue,
    /// Verified as not true.
    VerifiedFalse,
}

/// What an informant is told of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// 已受理.
    Accepted,
    /// 办理中.
    InHandling,
    /// 已核实属实.
    VerifiedTrue,
    /// 经核实不实.
    VerifiedFalse,
    /// 奖励已公告.
    RewardAnnounced,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Received, Self::Linked, Self::VerifiedTrue, Self::VerifiedFalse];

    /// What the informant is told: less than the handling unit knows. `announced` says whether the tip's reward is.
    #[must_use]
    pub const fn progress(self, announced: bool) -> Progress {
        match self {
            Self::VerifiedTrue if announced => Progress::RewardAnnounced,
            Self::Waiting => Progress::Accepted,
            Self::Received | Self::Linked => Progress::InHandling,
            Self::VerifiedTrue => Progress::VerifiedTrue,
            Self::VerifiedFalse => Progress::VerifiedFalse,
        }
    }
}

impl Progress {
    /// What the informant reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Accepted => "已受理",
            Self::InHandling => "办理中",
            Self::VerifiedTrue => "已核实属实",
            Self::VerifiedFalse => "经核实不实",
            Self::RewardAnnounced => "已核实属实，奖励已公告，请凭代码到指定银行领取",
        }
    }
}

/// What dispatch told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it is true.
    pub holds: bool,
    /// The post that verified.
    pub by: Post,
    /// When, cut to the hour.
    pub hour: Instant,
    /// The case in which it was verified; none of what was told before that was kept.
    #[serde(default)]
    pub case: Option<Uuid>,
}

/// That a tip is of one matter with an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The first tip of the matter.
    pub first_tip_id: Uuid,
    /// Whether this one adds something of use.
    pub adds: bool,
}

/// Where a tip stands, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Who handles it.
    pub recipient: Recipient,
    /// The first tip of its matter, when that is another one.
    #[serde(flatten)]
    pub link: Option<Link>,
    /// What dispatch told of it, once it did.
    pub verdict: Option<Verdict>,
    /// Its turn among all releases; none before it, and none of those of which that was not kept. Of tips of one hour it says which was there first: a copy of
    /// what somebody has read is released after it. Nobody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<i64>,
}

/// A tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// What it says.
    pub facts: Facts,
    /// Where it stands.
    pub state: State,
    /// What belongs to that.
    pub body: Body,
    /// Sequence of its last event.
    pub version: i64,
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// It is linked already.
    #[error("the tip is linked already")]
    AlreadyLinked,
    /// It was verified already.
    #[error("the tip was verified already")]
    AlreadyVerified,
    /// The first tip is not true, or is itself linked to another: only a valid first tip is the rewarded one.
    #[error("the first tip is not true, or is linked to another itself")]
    FirstUnfit,
    /// A tip cannot be linked to itself, directly or through another.
    #[error("the tip cannot be linked to itself")]
    Itself,
    /// The one that is called the first came later.
    #[error("the first tip came later than the other")]
    NotTheFirst,
    /// It is with the city office, and no case was opened of it.
    #[error("the tip is with the city office: it is to be handed to a county first")]
    NotForwarded,
    /// A unit that one of the tips accuses would learn of it.
    #[error("a unit that one of the tips accuses would learn of it")]
    AccusedWouldKnow,
    /// Only what is with the city office can be handed on.
    #[error("the tip is not with the city office")]
    NotAtCity,
    /// The county is accused, or is none.
    #[error("the county is accused by the tip, or is no county of the roster")]
    CountyUnfit,
}

impl Rejection {
    /// Stable reason.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyLinked => "ALREADY_LINKED",
            Self::AlreadyVerified => "ALREADY_VERIFIED",
            Self::FirstUnfit => "FIRST_UNFIT",
            Self::Itself => "LINKED_TO_ITSELF",
            Self::NotTheFirst => "NOT_THE_FIRST",
            Self::NotForwarded => "NOT_FORWARDED",
            Self::AccusedWouldKnow => "ACCUSED_WOULD_KNOW",
            Self::NotAtCity => "NOT_AT_CITY",
            Self::CountyUnfit => "COUNTY_UNFIT",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::AlreadyLinked => "该举报已并案",
            Self::AlreadyVerified => "该举报已核实",
            Self::FirstUnfit => "首报不实或已并入他案，不能并案",
            Self::Itself => "不能与本举报并案",
            Self::NotTheFirst => "首报的受理时间不得晚于本举报",
            Self::NotForwarded => "举报尚在市安委会办公室，应先转办",
            Self::AccusedWouldKnow => "并案后被举报单位可能知悉举报内容，不能并案",
            Self::NotAtCity => "该举报不在市安委会办公室",
            Self::CountyUnfit => "不能转给被举报的县区",
        }
    }
}

impl Tip {
    /// A tip that was just taken.
    #[must_use]
    pub fn taken(facts: Facts, recipient: Recipient) -> Self {
        let body = Body { recipient, link: None, verdict: None, turn: None };
        Self { facts, state: State::Waiting, body, version: 0 }
    }

    /// Links this tip to the first of its matter, which itself is linked to none.
    ///
    /// # Errors
    /// When the states forbid it, the order is wrong, or a unit that one of the two accuses would learn of it through the other.
    pub fn link(&mut self, first: &Self, adds: bool, roster: &RosterIndex) -> Result<(), Rejection> {
        let city = |tip: &Self| tip.body.recipient.path.regions().len() == 1;
        if self.facts.id == first.facts.id {
            return Err(Rejection::Itself);
        }
        match self.state {
            State::Waiting | State::Received if self.body.link.is_none() => {}
            State::Waiting | State::Received | State::Linked => return Err(Rejection::AlreadyLinked),
            State::VerifiedTrue | State::VerifiedFalse => return Err(Rejection::AlreadyVerified),
        }
        if !matches!(first.state, State::Received | State::VerifiedTrue) || first.body.link.is_some() {
            return Err(Rejection::FirstUnfit);
        }
        if city(self) || city(first) {
            return Err(Rejection::NotForwarded);
        }
        self.may_follow(first, roster)?;
        if self.was_before(first) {
            return Err(Rejection::NotTheFirst);
        }
        self.body.link = Some(Link { first_tip_id: first.facts.id, adds });
        self.state = State::Linked;
        Ok(())
    }

    /// Whether this tip came before another one, as far as that is known: by their hours, and within an hour by their releases.
    fn was_before(&self, other: &Self) -> bool {
        match self.facts.received_hour.cmp(&other.facts.received_hour) {
            Ordering::Less => true,
            Ordering::Equal => matches!((self.body.turn, other.body.turn), (Some(own), Some(other)) if own < other),
            Ordering::Greater => false,
        }
    }

    /// Whether this tip may be of one matter with a first one. Asked again of what was linked to a tip that is linked to another: it follows,
    /// and who may not have it directly must not get it in two steps.
    ///
    /// # Errors
    /// When a unit that one of the two accuses would learn of it through the other.
    pub fn may_follow(&self, first: &Self, roster: &RosterIndex) -> Result<(), Rejection> {
        let hidden = |recipient: &Recipient, from: &Self| !recipient.is_of(roster, &from.facts.accused);
        let fits = hidden(&first.body.recipient, self) && hidden(&self.body.recipient, first);
        if fits { Ok(()) } else { Err(Rejection::AccusedWouldKnow) }
    }

    /// The city office hands the tip to a county's.
    ///
    /// # Errors
    /// When it is not with the city office, or the county is accused or unknown.
    pub fn forward(&mut self, county: &Region, roster: &RosterIndex) -> Result<(), Rejection> {
        if self.state != State::Received || self.body.recipient.path.regions().len() > 1 {
            return Err(Rejection::NotAtCity);
        }
        self.body.recipient = forwarded(roster, county, &self.facts.accused).ok_or(Rejection::CountyUnfit)?;
        Ok(())
    }

    /// Takes what dispatch tells; a later verdict replaces an earlier one.
    pub fn verify(&mut self, verdict: Verdict) {
        self.state = if verdict.holds { State::VerifiedTrue } else { State::VerifiedFalse };
        self.body.verdict = Some(verdict);
    }
}
