//! The opening of a case.

use dafei_kernel::region::Level;

use super::{
    Facts,
    event::Event,
    instruction::{Delivery, Means},
    rejection::{Reason, Rejection},
};

/// A report, a tip or an office's own opening starts at its tier; what an agency found itself is with the agency at once.
///
/// # Errors
/// When the facts do not fit together: a bug of whoever made them.
pub(super) fn open(facts: &Facts) -> Result<Vec<Event>, Rejection> {
    let path = &facts.path;
    let whole = path.at(Level::City).is_some()
        && path.at(Level::County) == facts.county.as_ref()
        && path.at(Level::Township) == facts.township.as_ref();
    if !whole {
        return Err(Rejection::field(Reason::PathDoesNotFit, "path"));
    }
    let mut events = vec![Event::Opened(Box::new(facts.clone()))];
    if let Some(finder) = &facts.finder {
        let delivery = Delivery { at: facts.reached_at, means: Means::OwnFinding };
        events.push(Event::Delivered { instruction: finder.instruction, delivery });
    }
    Ok(events)
}
