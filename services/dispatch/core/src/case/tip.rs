//! The public tips of a case (群众举报, clauses C16 and D3): which it has, what came of them, and what happens when two are of one matter.
//!
//! A tip is verified when the result that decides is accepted by the centre or fed back by the office, or when it comes after that: an act is
//! confirmed, or the lead has found none in the end. What was done first (先期处置) decides nothing by itself. An untrue tip becomes true once a later
//! result confirms an act; a true one stays so, since a reward may have been announced on it.

use dafei_kernel::time::Instant;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Case,
    command::Context,
    ending::closed,
    event::{Cause, Event},
    instruction::ResultKind,
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

/// What a case's verification has come to; a tip that is attached afterwards gets the same verdict.
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

    /// What the results say of the matter so far: true once an act is confirmed, untrue where this lead has found none in the end.
    pub(super) fn finding(&self, lead: Uuid) -> Option<Verdict> {
        if !self.confirmed.is_empty() {
            return Some(Verdict::True);
        }
        without_acts(self.instruction(lead)?.result.as_ref()?.kind)
    }

    /// The lead on whose result the verification rests, once that was accepted or fed back; none while the case is worked on. Nothing is verified
    /// by a case that was withdrawn or ended in another, but what it had concluded before is set right all the same.
    pub(super) fn verifier(&self) -> Option<Uuid> {
        let over = match &self.stage {
            Stage::OutcomeAvailable { .. }
            | Stage::Closed { cause: Cause::Published | Cause::NoVillage | Cause::OwnFinding, .. } => true,
            Stage::Closed { cause: Cause::Withdrawn | Cause::Merged { .. }, .. } => self.conclusion.is_some(),
            Stage::AtCentre
            | Stage::WithTownshipAgency { .. }
            | Stage::Declined { .. }
            | Stage::TownshipResult { .. }
            | Stage::AtOffice
            | Stage::WithDepartment { .. }
            | Stage::DepartmentResult { .. } => false,
        };
        let lead = self.instructions.iter().rev().find(|instruction| instruction.lead)?;
        (over && lead.result.is_some()).then_some(lead.id)
    }

    /// Since when it is closed and tips of it wait for their verdict: its result was an interim one, and no final one has followed. None while it
    /// may be taken up again on a request, which brings another result.
    #[must_use]
    pub fn unverified_since(&self) -> Option<Instant> {
        let waits = self.conclusion.is_none()
            && self.reopening.is_none()
            && self.verifier().is_some()
            && self.tips.iter().any(|tip| tip.verdict.is_none());
        self.closed_at.filter(|_| waits)
    }
}

/// What a result of this kind says where no act is confirmed: an interim one leaves it open.
pub(super) const fn without_acts(kind: ResultKind) -> Option<Verdict> {
    match kind {
        ResultKind::Interim => None,
        ResultKind::Final | ResultKind::Unfounded => Some(Verdict::False),
    }
}

/// Whether a verdict says more than what is known: the first one, or true after untrue.
pub(super) fn adds(known: Option<Verdict>, verdict: Verdict) -> bool {
    known.is_none_or(|known| (known, verdict) == (Verdict::False, Verdict::True))
}

/// What follows from a later tip being of the same matter as the first tip of another case; `own` is the later tip's case, none where the
/// tip was never dispatch's.
///
/// A case that was opened at the county office, because its tip may accuse the township, does not end in one that the township's centre
/// has: the accused would decide on it. Nor does any case end in one that was closed without a verdict or as untrue: nobody would look into the fresh
/// report.
///
/// # Errors
/// [`Reason::NoSuchTip`] when the case never had the tip.
pub fn link(own: Option<&Case>, first: &Case, tip: Uuid) -> Result<Link, Rejection> {
    let found = first.conclusion.is_some_and(|conclusion| conclusion.verdict == Verdict::True);
    let in_vain = matches!(first.stage, Stage::Closed { .. }) && !found;
    let Some(own) = own else {
        return Ok(if in_vain || first.has_tip(tip) { Link::Apart } else { Link::Join(vec![tip]) });
    };
    if own.facts.tip != Some(tip) {
        return Err(Rejection::absent(Reason::NoSuchTip));
    }
    let downwards = own.facts.start() != Tier::Township && first.facts.start() == Tier::Township;
    let tips = own.free_tips();
    if own.facts.id == first.facts.id || downwards || in_vain || tips.is_empty() {
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

/// The verdict on each tip of the case to which it says more than is known, by the result of this instruction.
pub(super) fn verify(case: &Case, verdict: Verdict, instruction: Uuid, at: Instant) -> Vec<Event> {
    let told = case.tips.iter().filter(|tip| adds(tip.verdict, verdict));
    told.map(|tip| Event::TipVerified { tip: tip.id, verdict, instruction, at }).collect()
}

/// What a result gives or sets right that comes after the verification. It counts at the lead's post, whoever confirmed the act; that there is none
/// is for the lead alone to say.
pub(super) fn follow(case: &Case, by: Uuid, found: Option<Verdict>, at: Instant) -> Vec<Event> {
    let (Some(lead), Some(verdict)) = (case.verifier(), found) else { return Vec::new() };
    let says = verdict == Verdict::True || by == lead;
    let known = case.conclusion.map(|conclusion| conclusion.verdict);
    if says && adds(known, verdict) { verify(case, verdict, lead, at) } else { Vec::new() }
}

/// The verdict on tips that no final result has come for: once the case can no longer be taken up again it is said by what is known, and set right
/// should the final result come after all.
pub(super) fn end_verification(case: &Case, context: &Context<'_>) -> Vec<Event> {
    let (Some(since), Some(lead)) = (case.unverified_since(), case.verifier()) else { return Vec::new() };
    if context.at.duration_since(since) < context.limits.reopen_within {
        return Vec::new();
    }
    verify(case, case.finding(lead).unwrap_or(Verdict::False), lead, context.at)
}
