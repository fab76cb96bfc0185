//! The steps of a case that are open and have a clock (docs of the clocks: T1 to T3, K1 to K4, P1): what the monitor must have armed, said by the
//! one who knows the case.

use dafei_kernel::{owner::Post, time::Instant};
use uuid::Uuid;

use super::{
    Case,
    instruction::{Instruction, InstructionState},
    stage::{Stage, Tier},
};

/// A step that somebody owes, with its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStep {
    /// Code of the clock.
    pub clock: &'static str,
    /// Who owes it.
    pub owner: Post,
    /// The instruction, where it is one's.
    pub instruction: Option<Uuid>,
    /// Number of the assignment; 0 where there is none.
    pub leg: u32,
    /// When the clock started; none in a case stored before that was kept.
    pub since: Option<Instant>,
}

impl Case {
    /// All open steps that have a clock. The office of the city has none (it is in no clause), nor has the centre while a result waits for it.
    #[must_use]
    pub fn clocks(&self) -> Vec<OpenStep> {
        let mut steps: Vec<OpenStep> = self.stage_clock().into_iter().collect();
        for instruction in self.instructions.iter().filter(|instruction| instruction.is_open()) {
            steps.extend(instruction.clocks());
        }
        steps
    }

    fn stage_clock(&self) -> Option<OpenStep> {
        let city = self.facts.county.is_none();
        let step = |clock| {
            let owner = self.stage_owner()?;
            Some(OpenStep { clock, owner, instruction: None, leg: 0, since: self.since })
        };
        match &self.stage {
            Stage::AtCentre => step("T1"),
            Stage::Declined { .. } => step("T3"),
            Stage::AtOffice if !city => step("K1"),
            Stage::DepartmentResult { lead } if !city => {
                let instruction = self.instruction(*lead)?;
                let since = instruction.result.as_ref().map(|result| result.first_at);
                let of_lead = step("K4")?;
                Some(OpenStep { instruction: Some(*lead), leg: instruction.leg, since, ..of_lead })
            }
            Stage::OutcomeAvailable { .. } if self.facts.village.is_some() => step("P1"),
            Stage::AtOffice
            | Stage::DepartmentResult { .. }
            | Stage::OutcomeAvailable { .. }
            | Stage::WithTownshipAgency { .. }
            | Stage::TownshipResult { .. }
            | Stage::WithDepartment { .. }
            | Stage::Closed { .. } => None,
        }
    }
}

impl Instruction {
    /// T2; K2 until the response and K3 until the result. None before the delivery.
    fn clocks(&self) -> Vec<OpenStep> {
        let Some(delivery) = self.delivery else { return Vec::new() };
        let step = |clock| OpenStep {
            clock,
            owner: self.post.clone(),
            instruction: Some(self.id),
            leg: self.leg,
            since: Some(delivery.at),
        };
        match self.tier() {
            Tier::Township => vec![step("T2")],
            Tier::City => vec![step("K3")],
            Tier::County => {
                let owes_response = match self.state() {
                    InstructionState::Issued | InstructionState::Delivered | InstructionState::Accepted => {
                        !self.own && self.rework_of.is_none()
                    }
                    InstructionState::Responded
                    | InstructionState::Done
                    | InstructionState::Declined
                    | InstructionState::Cancelled => false,
                };
                if owes_response { vec![step("K2"), step("K3")] } else { vec![step("K3")] }
            }
        }
    }
}
