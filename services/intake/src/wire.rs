//! Between the core's words and those of the API.

use dafei_contracts::{events::v1::PersuasionOutcome, intake::v1 as api};
use dafei_intake_core::suspicion::{Outcome, Route, StateKind, Suspicion};

use crate::store::{patrols::PatrolRow, suspicions::state_code};

/// A suspicion as callers see it.
pub(crate) fn suspicion(suspicion: &Suspicion) -> api::Suspicion {
    let facts = &suspicion.facts;
    api::Suspicion {
        case_id: facts.id.to_string(),
        village: Some(facts.village().into()),
        state: i32::from(state_code(suspicion.state.kind())),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        subject: Some((&facts.subject).into()),
        description: facts.description.clone(),
        found_at: Some(facts.found_at.into()),
        received_at: Some(facts.received_at.into()),
        skewed: facts.skewed,
        evidence_ids: ids(&facts.evidence),
        public_text: suspicion.state.public_text().unwrap_or_default().to_owned(),
        version: suspicion.version,
    }
}

/// A state of the API; none for "not given" and for numbers that are no state.
pub(crate) fn state(number: i32) -> Option<StateKind> {
    StateKind::ALL.into_iter().find(|kind| i32::from(state_code(*kind)) == number)
}

/// A patrol as callers see it; `village` is the region of the list.
pub(crate) fn patrol(row: &PatrolRow, village: &dafei_contracts::types::v1::Region) -> api::Patrol {
    api::Patrol {
        patrol_id: row.id.to_string(),
        village: Some(village.clone()),
        object: row.object.clone(),
        situation: row.situation.clone(),
        evidence_ids: ids(&row.evidence),
        patrolled_at: Some(row.patrolled_at.into()),
        received_at: Some(row.received_at.into()),
        skewed: row.skewed,
    }
}

/// Ids as text.
pub(crate) fn ids(ids: &[uuid::Uuid]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How persuasion ended, on the bus.
pub(crate) const fn outcome(outcome: Outcome) -> PersuasionOutcome {
    match outcome {
        Outcome::Heeded => PersuasionOutcome::Heeded,
        Outcome::Refused => PersuasionOutcome::Refused,
    }
}

/// By which way a report went up, on the bus.
pub(crate) const fn route(route: Route) -> dafei_contracts::events::v1::ReportRoute {
    use dafei_contracts::events::v1::ReportRoute;
    match route {
        Route::Secretary => ReportRoute::Secretary,
        Route::Direct => ReportRoute::Direct,
        Route::Enterprise => ReportRoute::Enterprise,
    }
}

#[cfg(test)]
mod tests {
    use dafei_contracts::intake::v1::SuspicionState;
    use dafei_intake_core::suspicion::StateKind;

    use super::{state, state_code};

    #[test]
    fn states_have_the_numbers_of_the_api() {
        for kind in StateKind::ALL {
            let number = i32::from(state_code(kind));
            let wire = SuspicionState::try_from(number).expect("a state of the API");
            assert_eq!(wire.as_str_name(), format!("SUSPICION_STATE_{}", kind.code()));
            assert_eq!(state(number), Some(kind));
        }
        assert_eq!(state(SuspicionState::Unspecified.into()), None);
        assert_eq!(state(10), None);
    }
}
