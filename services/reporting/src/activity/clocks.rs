//! sla-monitor's events: limits that were kept or ran out.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
};
use dafei_kernel::owner::Owner;
use dafei_reporting_core::activity::{Activity, Obligation, Place};

use super::place_and_instant;

/// Types of the events that are read; others need not be parsed.
pub(super) const TOLD: [&str; 4] =
    ["dafei.events.v1.Breached", "dafei.events.v1.Settled", "dafei.events.v1.Cancelled", "dafei.events.v1.Annulled"];

pub(super) fn take(activity: &mut Activity, event: &Event) -> Result<(), ConvertError> {
    let (place, at) = place_and_instant(event)?;
    match event {
        Event::Breached(event) => activity.breached(obligation(event.obligation.as_ref(), place)?),
        Event::Settled(event) => {
            activity.settled(&obligation(event.obligation.as_ref(), place)?, at, event.late_seconds > 0);
        }
        Event::Cancelled(event) => activity.cancelled(&obligation(event.obligation.as_ref(), place)?, at),
        Event::Annulled(event) => activity.annulled(&obligation(event.obligation.as_ref(), place)?, at),
        _ => {}
    }
    Ok(())
}

fn obligation(wire: Option<&pb::Obligation>, place: Place) -> Result<Obligation, ConvertError> {
    let wire = wire.required("obligation")?;
    let direct = Owner::try_from(wire.direct.as_ref().required("obligation.direct")?)?;
    Ok(Obligation {
        id: convert::uuid("obligation.obligation_id", &wire.obligation_id)?,
        clock: convert::bounded("obligation.clock", &wire.clock, 8)?,
        case_id: if wire.case_id.is_empty() { None } else { Some(convert::uuid("obligation.case_id", &wire.case_id)?) },
        place,
        direct,
        due: convert::instant("obligation.due", wire.due)?,
        due_inclusive: wire.due_inclusive,
        period: wire.period.clone(),
    })
}
