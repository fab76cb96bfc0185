//! What a case records again, as it is known later: an accident, or what became of an order (clauses E4, E5). It opens no second entry of one who is
//! charged with it already. What nobody has decided on follows the last record; where that shows that others held the post, it is withdrawn, and
//! they are charged. What was decided stays as it was decided.

use dafei_kernel::ids;
use dafei_sla_core::accountability::{Basis, Conduct, Draft, Entry, State};
use uuid::Uuid;

use super::reports::{Report, What};
use crate::store::accountability::entries::Kept;

/// What a report makes of the entries of its case.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// To be opened.
    pub(crate) opened: Vec<Draft>,
    /// As they rest on this record, to be written. No event carries what happened, so their version stays.
    pub(crate) amended: Vec<Kept>,
    /// To be withdrawn.
    pub(crate) withdrawn: Vec<Kept>,
}

impl Report {
    /// What it makes of the entries that its case has, which are locked: nothing where one rests on this record already, or on a later one.
    pub(crate) fn settle(&self, drafts: Vec<Draft>, of_case: Vec<Kept>) -> Settled {
        let mut known: Vec<Kept> = of_case.into_iter().filter(|kept| self.is_matter_of(&kept.entry)).collect();
        let mut settled = Settled::default();
        if known.iter().any(|kept| self.is_known_to(&kept.entry.basis)) {
            return settled;
        }
        for draft in drafts {
            let (own, others) = known.into_iter().partition(|kept| kept.entry.is_of(&draft.charge));
            known = others;
            settled.take(draft, own, self.event);
        }
        settled
    }

    /// Whether an entry of its case rests on the same accident or order.
    fn is_matter_of(&self, entry: &Entry) -> bool {
        match (&self.what, &entry.basis) {
            (What::Accident { .. }, Basis::Accident { .. }) => true,
            (
                What::Conduct { measure: Some(measure), text, .. },
                Basis::Conduct { kind: Conduct::CutOffDefied, text: before, event: Some(_), order, .. },
            ) => match order {
                Some(order) => order.measure == *measure,
                // It was opened before orders were told apart.
                None => order_of(text) == order_of(before),
            },
            _ => false,
        }
    }

    /// Whether what an entry rests on is this record or a later one.
    fn is_known_to(&self, basis: &Basis) -> bool {
        basis.event() == Some(self.event) || (self.sequence > 0 && basis.sequence() >= self.sequence)
    }
}

/// The order that the text of an entry begins with.
fn order_of(text: &str) -> &str {
    text.split_once('：').map_or(text, |(order, _)| order)
}

impl Settled {
    /// One who is to be charged, and the entries that charge him, or his post, already.
    fn take(&mut self, draft: Draft, own: Vec<Kept>, event: Uuid) {
        // The id is that of the one who was charged first, also where that was withdrawn.
        let id = if own.is_empty() {
            draft.id
        } else {
            ids::derived(&["accountability", "again", &draft.id.to_string(), &event.to_string()])
        };
        let mut stands = false;
        for mut kept in own.into_iter().filter(|kept| kept.entry.state != State::Withdrawn) {
            if !kept.entry.is_undecided() {
                stands = true;
            } else if charges_others(&kept.entry, &draft) {
                self.withdrawn.push(kept);
            } else {
                kept.entry.basis = draft.basis.clone();
                self.amended.push(kept);
                stands = true;
            }
        }
        if !stands {
            self.opened.push(Draft { id, ..draft });
        }
    }
}

/// Whether an entry charges others than those who held the post then, because it happened at another time than was recorded.
fn charges_others(entry: &Entry, draft: &Draft) -> bool {
    entry.basis.happened_at() != draft.basis.happened_at() && !entry.charges_as(&draft.charge)
}
