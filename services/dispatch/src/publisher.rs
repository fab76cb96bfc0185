//! From the core's events to those of the catalogue: the one place where a private event becomes a public one.

use dafei_contracts::{Event as Public, events::v1 as ev};
use dafei_dispatch_core::case::{Assignee, Case, Cause, Delivery, Event, Facts, Instruction, Tier, Verdict};
use dafei_kernel::{owner::Post, time::Instant};
use uuid::Uuid;

use crate::wire;

mod notices;
mod turns;

/// A public event with the aggregate that it belongs to; without its `meta`.
pub(crate) struct Translated {
    pub(crate) event: Public,
    pub(crate) of: Aggregate,
}

/// Whose sequence an event counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// The case's own events, on DAFEI_DISPATCH.
    Case,
    /// An instruction as its agency gets it, on DAFEI_AGENCY, and the notices that follow: which, and its sequence.
    Instruction(Uuid, i64),
}

/// The public events of a private one; `case` is the case after it, `told` how many notices each of its instructions had had before it. None for
/// what is kept and not published.
pub(crate) fn translate(told: &[u32], case: &Case, event: &Event) -> Vec<Translated> {
    if let Event::Resent { instruction, .. } = event {
        return case.instruction(*instruction).map(|one| notices::again(case, one)).into_iter().collect();
    }
    if !case.publishes(event) {
        return Vec::new();
    }
    let mut events: Vec<Translated> =
        of_case(case, event).map(|event| Translated { event, of: Aggregate::Case }).into_iter().collect();
    let issued: &[Assignee] = match event {
        Event::AgencyInstructed { assignee, .. } | Event::ReworkOrdered { assignee, .. } => {
            std::slice::from_ref(assignee)
        }
        Event::DepartmentInstructed { assignees, .. } => assignees,
        _ => &[],
    };
    events.extend(issued.iter().filter_map(|assignee| case.instruction(assignee.instruction)).map(|instruction| {
        Translated { event: instruction_event(case, instruction).into(), of: Aggregate::Instruction(instruction.id, 1) }
    }));
    events.extend(notices::of(told, case, event));
    events
}

fn of_case(case: &Case, event: &Event) -> Option<Public> {
    let case_id = case.facts.id.to_string();
    Some(match event {
        Event::Opened(facts) => opened(facts).into(),
        Event::AgencyInstructed { assignee, leg, ground, text, .. } => ev::AgencyInstructed {
            meta: None,
            case_id,
            assignee: Some(wire::assignee(assignee)),
            leg: *leg,
            text: text.clone(),
            authority_entry: ground.entry.clone(),
            authority_version: ground.version.clone(),
        }
        .into(),
        Event::Delivered { instruction, delivery } => delivered(case, *instruction, *delivery).into(),
        Event::Reached { .. }
        | Event::Resent { .. }
        | Event::Accepted { .. }
        | Event::TipAttached { .. }
        | Event::TipsHandedOver { .. }
        | Event::DuplicateAbsorbed { .. } => return None,
        Event::Responded { instruction, at, .. } => responded(case, *instruction, *at).into(),
        Event::ResultSubmitted { instruction, kind, text, exemptions, at } => {
            let by = By::of(case, *instruction);
            ev::ResultSubmitted {
                meta: None,
                case_id,
                assignee: by.assignee(),
                tier: by.tier().into(),
                leg: by.leg(),
                kind: wire::result_kind(*kind).into(),
                text: text.clone(),
                submitted_at: Some((*at).into()),
                exemptions: exemptions.iter().map(|(which, reason)| (which, reason).into()).collect(),
            }
            .into()
        }
        Event::ActConfirmed { instruction, act, outside_scope, at } => ev::ActConfirmed {
            meta: None,
            case_id,
            act: act.code().to_owned(),
            sector: act.sector().code().to_owned(),
            by: By::of(case, *instruction).post(),
            confirmed_at: Some((*at).into()),
            source: wire::source(case.facts.source).into(),
            outside_scope: *outside_scope,
        }
        .into(),
        Event::MeasureRecorded { instruction, measure, .. } => {
            let by = By::of(case, *instruction);
            ev::MeasureRecorded {
                meta: None,
                case_id,
                measure: Some(measure.into()),
                by: by.post(),
                sector: case.facts.act.sector().code().to_owned(),
                act: case.facts.act.code().to_owned(),
                subject: Some((&case.facts.subject).into()),
                source: wire::source(case.facts.source).into(),
                lead: by.lead(case),
            }
            .into()
        }
        Event::AuthorityDeclined { instruction, reason, .. } => {
            let by = By::of(case, *instruction);
            ev::AuthorityDeclined {
                meta: None,
                case_id,
                assignee: by.assignee(),
                leg: by.leg(),
                reason: reason.clone(),
            }
            .into()
        }
        Event::Escalated { reason, .. } => {
            let county = case.facts.county.as_ref().map(Into::into);
            ev::Escalated { meta: None, case_id, county, reason: reason.clone() }.into()
        }
        Event::DepartmentInstructed { assignees, leg, route, deviation_reason, text, binding, .. } => {
            ev::DepartmentInstructed {
                meta: None,
                case_id,
                assignees: assignees.iter().map(wire::assignee).collect(),
                leg: *leg,
                route_rule: route.rule.clone(),
                route_version: route.version.clone(),
                deviation_reason: deviation_reason.clone(),
                text: text.clone(),
                binding: *binding,
            }
            .into()
        }
        Event::AssignmentReturned { instruction, reason, legal_basis, at } => {
            let by = By::of(case, *instruction);
            ev::AssignmentReturned {
                meta: None,
                case_id,
                assignee: by.assignee(),
                leg: by.leg(),
                reason: reason.clone(),
                legal_basis: legal_basis.clone(),
                returned_at: Some((*at).into()),
            }
            .into()
        }
        Event::FedBack { leg, text, .. } => {
            let tier = wire::tier(case.tier()).into();
            ev::FedBack { meta: None, case_id, leg: *leg, text: text.clone(), tier }.into()
        }
        Event::OutcomeAvailable { public_text, .. } => ev::OutcomeAvailable {
            meta: None,
            case_id,
            village: case.facts.village.as_ref().map(Into::into),
            public_text: public_text.clone(),
        }
        .into(),
        Event::TipVerified { tip, verdict, instruction, at } => {
            verified(case, (*tip, *verdict), *instruction, *at).into()
        }
        Event::Closed { tier, cause, reason, .. } => closed(case_id, *tier, *cause, reason),
        Event::ExtensionRequested { .. }
        | Event::ExtensionDecided { .. }
        | Event::ReworkOrdered { .. }
        | Event::ComplianceRecorded { .. }
        | Event::Urged { .. }
        | Event::Supervised { .. }
        | Event::AccidentRecorded { .. }
        | Event::AccessoryRecorded { .. }
        | Event::Exposed { .. }
        | Event::ExposureRetracted { .. }
        | Event::ReopeningRequested { .. }
        | Event::ReopeningRefused { .. }
        | Event::Reopened { .. } => return turns::of(case, event),
    })
}

/// The end of a case, by its cause.
fn closed(case_id: String, tier: Tier, cause: Cause, reason: &str) -> Public {
    let tier = wire::tier(tier).into();
    let because = match cause {
        Cause::Published => ev::CloseCause::Published,
        Cause::NoVillage => ev::CloseCause::Settled,
        Cause::OwnFinding => ev::CloseCause::OwnFinding,
        Cause::Withdrawn => {
            return ev::CaseWithdrawn { meta: None, case_id, tier, reason: reason.to_owned() }.into();
        }
        Cause::Merged { into, told } => {
            let into_case_id = if told { into.to_string() } else { String::new() };
            return ev::CaseMerged { meta: None, case_id, into_case_id, tier, reason: reason.to_owned() }.into();
        }
    };
    ev::CaseClosed { meta: None, case_id, tier, cause: because.into() }.into()
}

fn opened(facts: &Facts) -> ev::CaseOpened {
    ev::CaseOpened {
        meta: None,
        case_id: facts.id.to_string(),
        source: wire::source(facts.source).into(),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        sector: facts.act.sector().code().to_owned(),
        subject: Some((&facts.subject).into()),
        village: facts.village.as_ref().map(Into::into),
        township: facts.township.as_ref().map(Into::into),
        found_at: Some(facts.found_at.into()),
        reached_at: Some(facts.reached_at.into()),
        tier: wire::tier(facts.start()).into(),
        finder: facts.finder.as_ref().map(|finder| ev::Assignee {
            instruction_id: finder.instruction.to_string(),
            post: Some((&finder.post).into()),
            lead: true,
        }),
        place: facts.place.as_ref().map(Into::into),
    }
}

fn verified(case: &Case, (tip, verdict): (Uuid, Verdict), instruction: Uuid, at: Instant) -> ev::TipVerified {
    ev::TipVerified {
        meta: None,
        case_id: case.facts.id.to_string(),
        tip_id: tip.to_string(),
        verdict: wire::verdict(verdict).into(),
        by: By::of(case, instruction).post(),
        verified_at: Some(at.into()),
        sector: case.facts.act.sector().code().to_owned(),
        act: case.facts.act.code().to_owned(),
    }
}

fn delivered(case: &Case, instruction: Uuid, delivery: Delivery) -> ev::InstructionDelivered {
    let by = By::of(case, instruction);
    ev::InstructionDelivered {
        meta: None,
        case_id: case.facts.id.to_string(),
        assignee: by.assignee(),
        tier: by.tier().into(),
        leg: by.leg(),
        issued_at: by.0.map(|instruction| instruction.issued_at.into()),
        delivered_at: Some(delivery.at.into()),
        means: wire::means(delivery.means).into(),
        rework: by.0.is_some_and(|instruction| instruction.rework_of.is_some()),
    }
}

fn responded(case: &Case, instruction: Uuid, at: Instant) -> ev::DepartmentResponded {
    let by = By::of(case, instruction);
    let plan = by.0.and_then(|instruction| instruction.response.as_ref()).map(|response| response.plan.clone());
    ev::DepartmentResponded {
        meta: None,
        case_id: case.facts.id.to_string(),
        assignee: by.assignee(),
        leg: by.leg(),
        plan: plan.unwrap_or_default(),
        responded_at: Some(at.into()),
    }
}

/// An instruction as its agency gets it.
fn instruction_event(case: &Case, instruction: &Instruction) -> ev::Instruction {
    let facts = &case.facts;
    ev::Instruction {
        meta: None,
        instruction_id: instruction.id.to_string(),
        case_id: facts.id.to_string(),
        assignee: Some(wire::assignee(&instruction.assignee())),
        tier: wire::tier(instruction.tier()).into(),
        act: facts.act.code().to_owned(),
        act_name: facts.act.name_zh().to_owned(),
        act_text: facts.act_text.clone(),
        subject: Some((&facts.subject).into()),
        village: facts.village.as_ref().or(facts.place.as_ref()).map(Into::into),
        description: facts.description.clone(),
        text: instruction.text.clone(),
        issued_at: Some(instruction.issued_at.into()),
        leg: instruction.leg,
        binding: instruction.binding,
        rework: instruction.rework_of.is_some(),
    }
}

/// The instruction that an event names. The core makes no event about one that the case does not have; were it so, the event
/// would lack its assignee and be refused where its subject is built.
struct By<'a>(Option<&'a Instruction>);

impl<'a> By<'a> {
    fn of(case: &'a Case, instruction: Uuid) -> Self {
        Self(case.instruction(instruction))
    }

    fn assignee(&self) -> Option<ev::Assignee> {
        self.0.map(|instruction| wire::assignee(&instruction.assignee()))
    }

    fn post(&self) -> Option<dafei_contracts::types::v1::Post> {
        self.0.map(|instruction| (&instruction.post).into())
    }

    fn lead(&self, case: &Case) -> Option<dafei_contracts::types::v1::Post> {
        self.0.and_then(|instruction| case.lead_of(instruction)).map(|lead| (&lead.post).into())
    }

    fn tier(&self) -> ev::Tier {
        self.0.map_or(ev::Tier::Unspecified, |instruction| wire::tier(instruction.tier()))
    }

    fn leg(&self) -> u32 {
        self.0.map_or(0, |instruction| instruction.leg)
    }
}

/// What every event of a case carries.
pub(crate) struct Meta {
    pub(crate) aggregate: Uuid,
    pub(crate) sequence: i64,
    pub(crate) region_path: String,
    pub(crate) actor: Option<Post>,
    pub(crate) received_at: Instant,
    pub(crate) chain_head: String,
}

impl Meta {
    pub(crate) fn wire(self) -> ev::EventMeta {
        ev::EventMeta {
            aggregate_id: self.aggregate.to_string(),
            sequence: self.sequence,
            region_path: self.region_path,
            actor: self.actor.as_ref().map(Into::into),
            received_at: Some(self.received_at.into()),
            claimed_at: None,
            chain_head: self.chain_head,
            person: String::new(),
        }
    }
}
