//! Samples and checks on the wire.

use dafei_contracts::reporting::v1 as pb;
use dafei_reporting_core::spot_check::{Kind, Means, Outcome};
use dafei_runtime::status::Fault;

use crate::store::spot_checks::{Check, Drawn, Sample};

const fn kind(kind: Kind) -> pb::SampleKind {
    match kind {
        Kind::Village => pb::SampleKind::Village,
        Kind::Case => pb::SampleKind::Case,
    }
}

/// A sample without what was drawn. Before all of it is checked the seed and the hash of the list are shown only to those who know who was drawn
/// anyway: the hash would tell of a guessed list whether it is the right one.
pub(super) fn sample(row: &Sample, beforehand: bool) -> Result<pb::Sample, Fault> {
    let of = Kind::from_code(&row.kind).ok_or_else(|| Fault::internal(format!("no kind: {}", row.kind)))?;
    let shown = |text: &str| if beforehand || row.unchecked == 0 { text.to_owned() } else { String::new() };
    Ok(pb::Sample {
        sample_id: row.sample_id.to_string(),
        region: Some((&row.region).into()),
        kind: kind(of).into(),
        seed: shown(&row.seed),
        drawn_at: Some(row.drawn_at.into()),
        population: u32::try_from(row.population).unwrap_or_default(),
        population_sha256: shown(&row.population_sha256),
        drawn: Vec::new(),
    })
}

/// Drawn ones, each with its checks.
pub(super) fn drawn(rows: Vec<Drawn>, checks: &[Check]) -> Result<Vec<pb::Drawn>, Fault> {
    let one = |row: Drawn| {
        let own = checks.iter().filter(|check| check.number == row.number).map(check);
        Ok(pb::Drawn {
            number: u32::try_from(row.number).unwrap_or_default(),
            id: row.id,
            region: Some((&row.place).into()),
            name: row.name,
            weight: u32::try_from(row.weight).unwrap_or_default(),
            checks: own.collect::<Result<_, Fault>>()?,
        })
    };
    rows.into_iter().map(one).collect()
}

fn check(row: &Check) -> Result<pb::SpotCheck, Fault> {
    let means = match row.means.as_str() {
        "phone" => pb::CheckMeans::Phone,
        "visit" => pb::CheckMeans::Visit,
        other => return Err(Fault::internal(format!("no means: {other}"))),
    };
    let outcome = match row.outcome.as_str() {
        "in-order" => pb::CheckOutcome::InOrder,
        "problem" => pb::CheckOutcome::Problem,
        "unreachable" => pb::CheckOutcome::Unreachable,
        other => return Err(Fault::internal(format!("no outcome: {other}"))),
    };
    Ok(pb::SpotCheck {
        means: means.into(),
        outcome: outcome.into(),
        note: row.note.clone(),
        checked_at: Some(row.checked_at.into()),
        recorded_by: Some((&row.recorded_by).into()),
    })
}

/// The kind of a request.
pub(super) fn asked_kind(code: i32) -> Result<Kind, Fault> {
    match pb::SampleKind::try_from(code) {
        Ok(pb::SampleKind::Village) => Ok(Kind::Village),
        Ok(pb::SampleKind::Case) => Ok(Kind::Case),
        other => Err(none("kind", other.is_ok(), "UNKNOWN_KIND", "没有这种抽查对象")),
    }
}

/// The means of a request.
pub(super) fn asked_means(code: i32) -> Result<Means, Fault> {
    match pb::CheckMeans::try_from(code) {
        Ok(pb::CheckMeans::Phone) => Ok(Means::Phone),
        Ok(pb::CheckMeans::Visit) => Ok(Means::Visit),
        other => Err(none("means", other.is_ok(), "UNKNOWN_MEANS", "没有这种抽查方式")),
    }
}

/// The outcome of a request.
pub(super) fn asked_outcome(code: i32) -> Result<Outcome, Fault> {
    match pb::CheckOutcome::try_from(code) {
        Ok(pb::CheckOutcome::InOrder) => Ok(Outcome::InOrder),
        Ok(pb::CheckOutcome::Problem) => Ok(Outcome::Problem),
        Ok(pb::CheckOutcome::Unreachable) => Ok(Outcome::Unreachable),
        other => Err(none("outcome", other.is_ok(), "UNKNOWN_OUTCOME", "没有这种抽查结果")),
    }
}

/// Not given, or none of those that there are.
fn none(field: &str, unspecified: bool, reason: &'static str, zh: &'static str) -> Fault {
    if unspecified {
        Fault::field(field, "REQUIRED", "is required", "必须填写")
    } else {
        Fault::field(field, reason, "is none of those that there are", zh)
    }
}
