//! Why a write was not done; nothing has changed.

use dafei_contracts::catalogue::EventError;
use dafei_intake_core::{
    roster::RowError,
    suspicion::{Reason, Rejection},
};
use dafei_kernel::region::Region;
use dafei_runtime::status::{Fault, Violation};
use dafei_shell::scope;
use uuid::Uuid;

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The rules stand against it.
    #[error("case {case}: {rejection}")]
    Rejected {
        /// Which case.
        case: Uuid,
        /// Why.
        rejection: Rejection,
    },
    /// The case is of another village.
    #[error("the case is of another village")]
    OutOfScope,
    /// The request id stands for another payload.
    #[error("the request id was used with another payload")]
    RequestIdReused,
    /// There is no such photo of the village.
    #[error("evidence_ids[{0}] is no photo of the village")]
    EvidenceNotFound(usize),
    /// A file of the roster has errors.
    #[error("the file has {} errors", .0.len())]
    Rows(Vec<RowError>),
    /// A part of the roster is too large to be announced in one event.
    #[error("{0} holds too much for one event")]
    TooMuch(Region),
    /// An event could not be made: a bug.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The stored answer is not one: a bug.
    #[error(transparent)]
    Answer(#[from] prost::DecodeError),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected { case, rejection } => rejected(case, rejection),
            Refusal::OutOfScope => scope::out_of_scope(),
            Refusal::RequestIdReused => Self::AlreadyExists {
                reason: "REQUEST_ID_REUSED".into(),
                description_zh: "请求编号已用于另一项内容".into(),
            },
            Refusal::EvidenceNotFound(index) => Self::field(
                format!("evidence_ids[{index}]"),
                "EVIDENCE_NOT_FOUND",
                "is no photo of this village",
                format!("第{}张照片不存在或不属于本村", index + 1),
            ),
            Refusal::Rows(errors) => Self::InvalidArgument { violations: errors.into_iter().map(violation).collect() },
            Refusal::TooMuch(region) => Self::field(
                "chunk",
                "UNIT_TOO_LARGE",
                format!("{region} holds too much for one event"),
                format!("{}登记的内容过多，请拆分", region.code()),
            ),
            Refusal::Event(error) => Self::internal(error),
            Refusal::Answer(error) => Self::internal(error),
        }
    }
}

fn rejected(case: Uuid, rejection: Rejection) -> Fault {
    let reason = rejection.reason;
    match (reason, reason.field()) {
        (Reason::NoSuchCase, _) => Fault::not_found("case", case.to_string(), reason.zh()),
        (_, Some(field)) => Fault::field(field, reason.code(), rejection.to_string(), reason.zh()),
        (_, None) => Fault::precondition(reason.code(), format!("case/{case}"), rejection.to_string(), reason.zh()),
    }
}

fn violation(error: RowError) -> Violation {
    let zh = format!("第{}行 {}：{}", error.row, error.column, error.description_zh);
    Violation::new(format!("row {}, column {}", error.row, error.column), error.reason, error.description, zh)
}
