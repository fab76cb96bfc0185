//! Intake and the SLA monitor mean the same by a suspicion's events: whatever was done, the steps that the village has open are the clocks that
//! run.

use std::sync::LazyLock;

use dafei_intake_core::suspicion::{Event, Outcome};
use dafei_kernel::workdays::Calendar;
use dafei_sla_core::{CaseFacts, Fact, Source, Terms, What, obligations};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::fixture::{Run, now};

/// The clocks as they are shipped.
static TERMS: LazyLock<(Terms, Calendar)> = LazyLock::new(|| (Terms::builtin(), Calendar::builtin()));

/// The clocks that the published events leave running are those of the suspicion's state.
pub(crate) fn same_clocks_run(run: &Run) -> Result<(), TestCaseError> {
    let Some(suspicion) = &run.suspicion else { return Ok(()) };
    let mut facts = CaseFacts::new(suspicion.facts.id);
    for (sequence, event) in (1..).zip(run.history.iter().filter(|event| event.is_public())) {
        if let Some(what) = told(event) {
            let at = now() + SignedDuration::from_mins(sequence);
            facts.add(Fact {
                source: Source::Intake,
                sequence,
                at,
                known_at: None,
                path: suspicion.facts.path.clone(),
                what,
            });
        }
    }
    let (terms, calendar) = &*TERMS;
    let running = obligations(&facts, terms, calendar).into_iter().filter(|one| one.end.is_none());
    let mut running: Vec<&str> = running.map(|one| one.clock.code()).collect();
    running.sort_unstable();
    prop_assert_eq!(running, suspicion.state.kind().clocks(), "{:?}", &run.history);
    Ok(())
}

const fn told(event: &Event) -> Option<What> {
    Some(match event {
        Event::Recorded(facts) => {
            What::SuspicionRecorded { finder: None, finder_person: None, sector: None, skewed: facts.skewed }
        }
        Event::Notified => What::SecretaryNotified,
        Event::Persuaded { outcome, .. } => What::PersuasionRecorded { heeded: matches!(outcome, Outcome::Heeded) },
        Event::Revisited { stopped, .. } => What::RevisitRecorded { stopped: *stopped },
        Event::Reopened { .. } => What::SuspicionReopened,
        Event::ReportedUp { .. } => What::ReportedUp,
        Event::Withdrawn { .. } => What::ReportWithdrawn,
        Event::Merged { .. } => What::ReportMerged,
        Event::Published { .. } => What::ResultPublished,
        Event::Helped(_)
        | Event::CrimeSuspected { .. }
        | Event::OutcomeLearned { .. }
        | Event::CaseMerged { .. }
        | Event::CaseWithdrawn { .. }
        | Event::CaseReopened => return None,
    })
}
