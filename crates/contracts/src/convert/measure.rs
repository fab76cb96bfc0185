//! Measures, what became of them, and who helped (clauses F3, E4, E5): wire <-> kernel.

use dafei_kernel::{
    conduct::{Accessory, AccessoryKind, Accident},
    measure::{
        Compliance, ComplianceOutcome, EnforcedBy, Measure, MeasureFlaw, MeasureKind, Utility, WithoutException,
    },
    money::Fen,
};

use super::{ConvertError, Field, bounded, instant, optional_instant, optional_text, pb};

/// Longest id or number that an agency chooses for a measure, in characters.
const NUMBER: usize = 64;
/// Longest name of a party, in characters.
const NAME: usize = 200;
/// Longest text of a measure, in characters.
const MEASURE_TEXT: usize = 1_000;
/// Longest account of what happened, in characters.
const ACCOUNT: usize = 2_000;

/// A measure; whether it can be one is said by [`Measure::check`].
///
/// # Errors
/// When a part is missing or malformed, or a fine is below zero.
pub fn measure(wire: &pb::Measure) -> Result<Measure, ConvertError> {
    Ok(Measure {
        id: bounded("measure_id", &wire.measure_id, NUMBER)?,
        decided_at: instant("decided_at", wire.decided_at)?,
        comply_by: optional_instant("comply_by", wire.comply_by)?,
        kind: kind(wire.kind.as_ref().required("kind")?)?,
    })
}

fn kind(wire: &pb::measure::Kind) -> Result<MeasureKind, ConvertError> {
    use pb::measure::Kind;
    Ok(match wire {
        Kind::CloseDown(close) => {
            MeasureKind::CloseDown { note: optional_text("close_down.note", &close.note, MEASURE_TEXT)? }
        }
        Kind::Fine(fine) => MeasureKind::Fine {
            amount: Fen::new(fine.amount_fen).map_err(|_| ConvertError {
                field: "fine.amount_fen".to_owned(),
                reason: MeasureFlaw::FineNotPositive.code(),
                description: "is below zero".to_owned(),
                description_zh: MeasureFlaw::FineNotPositive.zh().to_owned(),
            })?,
            decision_number: optional_text("fine.decision_number", &fine.decision_number, NUMBER)?,
            mitigation: optional_text("fine.mitigation", &fine.mitigation, MEASURE_TEXT)?,
        },
        Kind::StopProduction(stop) => MeasureKind::StopProduction {
            order_number: optional_text("stop_production.order_number", &stop.order_number, NUMBER)?,
        },
        Kind::CriminalMeasure(criminal) => MeasureKind::CriminalMeasure { persons: criminal.persons },
        Kind::CriminalTransfer(transfer) => MeasureKind::CriminalTransfer {
            document_number: bounded("criminal_transfer.document_number", &transfer.document_number, NUMBER)?,
            persons: transfer.persons,
        },
        Kind::CutOff(cut) => MeasureKind::CutOff {
            utility: match cut.utility() {
                pb::Utility::Water => Utility::Water,
                pb::Utility::Power => Utility::Power,
                pb::Utility::Unspecified => return Err(ConvertError::required("cut_off.utility")),
            },
            addressee: bounded("cut_off.addressee", &cut.addressee, NAME)?,
            order_number: optional_text("cut_off.order_number", &cut.order_number, NUMBER)?,
        },
        Kind::Enforcement(enforcement) => MeasureKind::Enforcement {
            by: match enforcement.by() {
                pb::EnforcedBy::Agency => EnforcedBy::Agency,
                pb::EnforcedBy::Court => EnforcedBy::Court,
                pb::EnforcedBy::Unspecified => return Err(ConvertError::required("enforcement.by")),
            },
            decision_number: bounded("enforcement.decision_number", &enforcement.decision_number, NUMBER)?,
        },
    })
}

impl From<&Measure> for pb::Measure {
    fn from(measure: &Measure) -> Self {
        Self {
            measure_id: measure.id.clone(),
            decided_at: Some(measure.decided_at.into()),
            comply_by: measure.comply_by.map(Into::into),
            kind: Some((&measure.kind).into()),
        }
    }
}

impl From<&MeasureKind> for pb::measure::Kind {
    fn from(kind: &MeasureKind) -> Self {
        match kind {
            MeasureKind::CloseDown { note } => Self::CloseDown(pb::CloseDown { note: note.clone() }),
            MeasureKind::Fine { amount, decision_number, mitigation } => Self::Fine(pb::Fine {
                amount_fen: amount.get(),
                decision_number: decision_number.clone(),
                mitigation: mitigation.clone(),
            }),
            MeasureKind::StopProduction { order_number } => {
                Self::StopProduction(pb::StopProduction { order_number: order_number.clone() })
            }
            MeasureKind::CriminalMeasure { persons } => {
                Self::CriminalMeasure(pb::CriminalMeasure { persons: *persons })
            }
            MeasureKind::CriminalTransfer { document_number, persons } => {
                Self::CriminalTransfer(pb::CriminalTransfer {
                    document_number: document_number.clone(),
                    persons: *persons,
                })
            }
            MeasureKind::CutOff { utility, addressee, order_number } => Self::CutOff(pb::CutOff {
                utility: match utility {
                    Utility::Water => pb::Utility::Water,
                    Utility::Power => pb::Utility::Power,
                }
                .into(),
                addressee: addressee.clone(),
                order_number: order_number.clone(),
            }),
            MeasureKind::Enforcement { by, decision_number } => Self::Enforcement(pb::Enforcement {
                by: match by {
                    EnforcedBy::Agency => pb::EnforcedBy::Agency,
                    EnforcedBy::Court => pb::EnforcedBy::Court,
                }
                .into(),
                decision_number: decision_number.clone(),
            }),
        }
    }
}

/// Which of the four does not apply, and why.
///
/// # Errors
/// When a part is missing or too long.
pub fn exemption(wire: &pb::Exemption) -> Result<(WithoutException, String), ConvertError> {
    let which = match wire.measure() {
        pb::WithoutException::CloseDown => WithoutException::CloseDown,
        pb::WithoutException::MaximumFine => WithoutException::MaximumFine,
        pb::WithoutException::StopProduction => WithoutException::StopProduction,
        pb::WithoutException::LegalLiability => WithoutException::LegalLiability,
        pb::WithoutException::Unspecified => return Err(ConvertError::required("measure")),
    };
    Ok((which, bounded("reason", &wire.reason, MEASURE_TEXT)?))
}

impl From<(&WithoutException, &String)> for pb::Exemption {
    fn from((which, reason): (&WithoutException, &String)) -> Self {
        let measure = match which {
            WithoutException::CloseDown => pb::WithoutException::CloseDown,
            WithoutException::MaximumFine => pb::WithoutException::MaximumFine,
            WithoutException::StopProduction => pb::WithoutException::StopProduction,
            WithoutException::LegalLiability => pb::WithoutException::LegalLiability,
        };
        Self { measure: measure.into(), reason: reason.clone() }
    }
}

/// What became of which measure.
///
/// # Errors
/// When a part is missing or malformed.
pub fn compliance(wire: &pb::Compliance) -> Result<(String, Compliance), ConvertError> {
    let outcome = match wire.outcome() {
        pb::ComplianceOutcome::Complied => ComplianceOutcome::Complied,
        pb::ComplianceOutcome::Refused => ComplianceOutcome::Refused,
        pb::ComplianceOutcome::Perfunctory => ComplianceOutcome::Perfunctory,
        pb::ComplianceOutcome::Unspecified => return Err(ConvertError::required("outcome")),
    };
    let compliance = Compliance {
        outcome,
        established_at: instant("established_at", wire.established_at)?,
        note: optional_text("note", &wire.note, MEASURE_TEXT)?,
    };
    Ok((bounded("measure_id", &wire.measure_id, NUMBER)?, compliance))
}

impl From<(&str, &Compliance)> for pb::Compliance {
    fn from((measure_id, compliance): (&str, &Compliance)) -> Self {
        let outcome = match compliance.outcome {
            ComplianceOutcome::Complied => pb::ComplianceOutcome::Complied,
            ComplianceOutcome::Refused => pb::ComplianceOutcome::Refused,
            ComplianceOutcome::Perfunctory => pb::ComplianceOutcome::Perfunctory,
        };
        Self {
            measure_id: measure_id.to_owned(),
            outcome: outcome.into(),
            established_at: Some(compliance.established_at.into()),
            note: compliance.note.clone(),
        }
    }
}

/// A party that helped.
///
/// # Errors
/// When a part is missing or too long.
pub fn accessory(wire: &pb::Accessory) -> Result<Accessory, ConvertError> {
    let kind = match wire.kind() {
        pb::AccessoryKind::Premises => AccessoryKind::Premises,
        pb::AccessoryKind::Water => AccessoryKind::Water,
        pb::AccessoryKind::Power => AccessoryKind::Power,
        pb::AccessoryKind::Other => AccessoryKind::Other,
        pb::AccessoryKind::Concealed => AccessoryKind::Concealed,
        pb::AccessoryKind::Unspecified => return Err(ConvertError::required("kind")),
    };
    Ok(Accessory { name: bounded("name", &wire.name, NAME)?, kind, note: bounded("note", &wire.note, ACCOUNT)? })
}

impl From<&Accessory> for pb::Accessory {
    fn from(accessory: &Accessory) -> Self {
        let kind = match accessory.kind {
            AccessoryKind::Premises => pb::AccessoryKind::Premises,
            AccessoryKind::Water => pb::AccessoryKind::Water,
            AccessoryKind::Power => pb::AccessoryKind::Power,
            AccessoryKind::Other => pb::AccessoryKind::Other,
            AccessoryKind::Concealed => pb::AccessoryKind::Concealed,
        };
        Self { name: accessory.name.clone(), kind: kind.into(), note: accessory.note.clone() }
    }
}

/// What an illegal operation caused.
///
/// # Errors
/// When a part is missing or too long.
pub fn accident(wire: &pb::Accident) -> Result<Accident, ConvertError> {
    Ok(Accident {
        happened_at: instant("happened_at", wire.happened_at)?,
        deaths: wire.deaths,
        injured: wire.injured,
        major_impact: wire.major_impact,
        description: bounded("description", &wire.description, ACCOUNT)?,
    })
}

impl From<&Accident> for pb::Accident {
    fn from(accident: &Accident) -> Self {
        Self {
            happened_at: Some(accident.happened_at.into()),
            deaths: accident.deaths,
            injured: accident.injured,
            major_impact: accident.major_impact,
            description: accident.description.clone(),
        }
    }
}
