//! From the bus's events to what the core counts.

mod accountability;
mod cases;
mod intake;

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    types::v1::{self as types, measure::Kind},
};
use dafei_kernel::{act::Act, owner::Post, region::RegionPath, sector::Sector};
use dafei_reporting_core::{
    Happening,
    happening::{Measure, What},
};

use crate::counting::Counted;

/// Types of the events that count; others need not be parsed.
pub const COUNTED: [&str; 7] = [
    "dafei.events.v1.ActConfirmed",
    "dafei.events.v1.MeasureRecorded",
    "dafei.events.v1.TipVerified",
    "dafei.events.v1.InspectionRecorded",
    "dafei.events.v1.RewardPaid",
    "dafei.events.v1.NoticePosted",
    "dafei.events.v1.LeafletsDistributed",
];

/// Types of sla-monitor's events that say what stands of an entry of the accountability ledger.
pub const DECIDED: [&str; 2] = ["dafei.events.v1.AccountabilityDecided", "dafei.events.v1.AccountabilityAppealDecided"];

pub use accountability::decided;

/// What an event tells; nothing when the table has no column for it.
///
/// # Errors
/// When a field that counting needs is missing or malformed.
pub fn of_event(counted: Counted<'_>, event: &Event) -> Result<Vec<Happening>, ConvertError> {
    let path = event.region_path()?;
    let told = Told { counted, path };
    match event {
        Event::ActConfirmed(event) => cases::act_confirmed(told, event).map(|one| vec![one]),
        Event::MeasureRecorded(event) => cases::measure_recorded(told, event).map(|one| one.into_iter().collect()),
        Event::TipVerified(event) => cases::tip_verified(told, event).map(|one| vec![one]),
        Event::InspectionRecorded(event) => intake::inspection_recorded(&told, event),
        Event::RewardPaid(event) => intake::reward_paid(told, event).map(|one| vec![one]),
        Event::NoticePosted(event) => intake::notice_posted(told, event).map(|one| vec![one]),
        Event::LeafletsDistributed(event) => intake::leaflets_distributed(told, event).map(|one| vec![one]),
        _ => Ok(Vec::new()),
    }
}

/// An event with the path of its meta.
struct Told<'a> {
    counted: Counted<'a>,
    path: RegionPath,
}

/// A measure with its id; none for a kind of a later version, which has no column here. `lead` is that of its case, where one is told.
fn measure(
    wire: &types::Measure,
    subject: Option<&types::Subject>,
    lead: Option<&types::Post>,
) -> Result<Option<What>, ConvertError> {
    let Some(kind) = &wire.kind else {
        return Ok(None);
    };
    let measure = match kind {
        Kind::CloseDown(types::CloseDown { .. }) => Measure::CloseDown,
        Kind::Fine(fine) => Measure::Fine { fen: fine.amount_fen },
        Kind::StopProduction(types::StopProduction { .. }) => Measure::StopProduction,
        Kind::CriminalMeasure(criminal) => Measure::CriminalMeasure { persons: criminal.persons },
        // In no column of 附件2: the criminal measures that follow a transfer are.
        Kind::CriminalTransfer(_) | Kind::CutOff(_) | Kind::Enforcement(_) => return Ok(None),
    };
    Ok(Some(What::Measure {
        measure_id: convert::bounded("measure.measure_id", &wire.measure_id, 200)?,
        measure,
        subject: convert::subject("subject", subject)?,
        lead: lead.map(|lead| post("lead", Some(lead))).transpose()?,
    }))
}

fn post(field: &str, wire: Option<&types::Post>) -> Result<Post, ConvertError> {
    Post::try_from(wire.required(field)?).map_err(|error| error.under(field))
}

fn sector(code: &str) -> Result<Option<Sector>, ConvertError> {
    if code.is_empty() { Ok(None) } else { convert::sector("sector", code).map(Some) }
}

fn act(code: &str) -> Result<Option<Act>, ConvertError> {
    if code.is_empty() { Ok(None) } else { convert::act("act", code).map(Some) }
}
