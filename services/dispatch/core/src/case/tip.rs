//! The public tips of a case (群众举报, clauses C16 and D3): which it has, what came of them, and what happens when two are of one matter.
//!
//! A tip is verified once: when the result in which its case ends is accepted by the centre, or fed back by the office. What a later final
//! result adds to the case changes no verdict that was given; a reward may have been announced on it by then.

use dafei_kernel::time::Instant;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Case,
    ending::closed,
    event::{Cause, Event},
    rejection::{Reason, Rejection},
    stage::{Stage, Tier},
};

/// What became of a tip (核实举报线索, column 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 属实: an illegal act was confirmed in the case.
    True,
    /// 不实: none was.
    False,
}

/// A tip as its case keeps it: its id alone. What it says stands in the case's description, and who gave it nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// Intake's id of it, random.
    pub id: Uuid,
    /// What became of it; none as long as the verification goes on.
    pub verdict: Option<Verdict>,
}

/// The end of a case's verification; a tip that is attached afterwards gets the same verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// What became of the matter.
    pub verdict: Verdict,
    /// The instruction whose result it was: column 6 counts at its post.
    pub instruction: Uuid,
}

/// What follows for the cases of two tips that are of one matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Nothing: both go their own ways, or it is done already.
    Apart,
    /// These tips go over to the first tip's case.
    Join(Vec<Uuid>),
}

impl Case {
    /// The tips that can still go over to another case: all, until the case has a result. From then on it is this result that is about
    /// them, and the case verifies them itself.
    #[must_use]
    pub fn free_tips(&self) -> Vec<Uuid> {
        if self.instructions.iter().any(|instruction| instruction.result.is_some()) {
            return Vec::new();
        }
        self.tips.iter().filter(|tip| tip.verdict.is_none()).map(|tip| tip.id).collect()
    }

    /// The case in which this one ended as a duplicate.
    #[must_use]
    pub const fn merged_into(&self) -> Option<Uuid> {
        match &self.stage {
            Stage::Closed { cause: Cause::Merged { into, .. }, .. } => Some(*into),
            _ => None,
        }
    }

    /// As [`Case::merged_into`], where those who see this case may know it.
    #[must_use]
    pub const fn told_merged_into(&self) -> Option<Uuid> {
        match &self.stage {
            Stage::Closed { cause: Cause::Merged { into, told: true }, .. } => Some(*into),
            _ => None,
        }
    }

    pub(super) fn has_tip(&self, id: Uuid) -> bool {
        self.tips.iter().any(|tip| tip.id == id)
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.confirmed.is_empty() { Verdict::False } else { Verdict::True }
    }
}

/// What follows from a later tip being of the same matter as the first tip of another case; `own` is the later tip's case, none where the
/// tip was never dispatch's.
///
/// A case that was opened at the county office, because its tip may accuse the township, does not end in one that the township's centre
/// has: the accused would decide on it. Nor does any case end in one that was closed without a verdict: the matter would be lost.
///
/// # Errors
/// [`Reason::NoSuchTip`] when the case never had the tip.
pub fn link(own: Option<&Case>, first: &Case, tip: Uuid) -> Result<Link, Rejection> {
    let without_verdict = matches!(first.stage, Stage::Closed { .. }) && first.conclusion.is_none();
    let Some(own) = own else {
        return Ok(if without_verdict || first.has_tip(tip) { Link::Apart } else { Link::Join(vec![tip]) });
    };
    if own.facts.tip != Some(tip) {
        return Err(Rejection::absent(Reason::NoSuchTip));
    }
    let downwards = own.facts.start() != Tier::Township && first.facts.start() == Tier::Township;
    let tips = own.free_tips();
    if own.facts.id == first.facts.id || downwards || without_verdict || tips.is_empty() {
        return Ok(Link::Apart);
    }
    Ok(Link::Join(tips))
}

/// The later case gives its tips away and ends, unless it has ended.
pub(super) fn hand_over(case: &Case, into: Uuid, at: Instant) -> Vec<Event> {
    if case.free_tips().is_empty() {
        return Vec::new();
    }
    let mut events = vec![Event::TipsHandedOver { into, at }];
    if !matches!(case.stage, Stage::Closed { .. }) {
        events.push(closed(case.tier(), Cause::Merged { into, told: false }, "", at));
    }
    events
}

/// The first tip's case takes others; once its verification is concluded they are verified with it.
pub(super) fn attach(case: &Case, tips: &[Uuid], at: Instant) -> Result<Vec<Event>, Rejection> {
    if case.merged_into().is_some() {
        return Err(Rejection::stage(Reason::CaseClosed, case.stage.kind()));
    }
    let mut events: Vec<Event> = Vec::new();
    for (place, tip) in tips.iter().copied().enumerate() {
        if case.has_tip(tip) || tips[..place].contains(&tip) {
            continue;
        }
        events.push(match case.conclusion {
            None => Event::TipAttached { tip, at },
            Some(Conclusion { verdict, instruction }) => Event::TipVerified { tip, verdict, instruction, at },
        });
    }
    Ok(events)
}

/// The verdict on each tip of the case, by the result of this instruction.
pub(super) fn verify(case: &Case, verdict: Verdict, instruction: Uuid, at: Instant) -> Vec<Event> {
    let waiting = case.tips.iter().filter(|tip| tip.verdict.is_none());
    waiting.map(|tip| Event::TipVerified { tip: tip.id, verdict, instruction, at }).collect()
}
