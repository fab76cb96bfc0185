//! From the bus's events to what the core counts.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
    types::v1::{self as types, measure::Kind},
};
use dafei_kernel::{owner::Post, region::RegionPath, sector::Sector};
use dafei_messaging::consumer::Delivered;
use dafei_reporting_core::{
    Happening, Source,
    happening::{Measure, What},
};

/// Types of the events that count; others need not be parsed.
pub const COUNTED: [&str; 2] = ["dafei.events.v1.ActConfirmed", "dafei.events.v1.MeasureRecorded"];

/// What an event tells; none when the table has no column for it.
///
/// # Errors
/// When a field that counting needs is missing or malformed.
pub fn of_event(delivered: &Delivered, event: &Event) -> Result<Option<Happening>, ConvertError> {
    let path = event.region_path()?;
    match event {
        Event::ActConfirmed(event) => act_confirmed(delivered, path, event).map(Some),
        Event::MeasureRecorded(event) => measure_recorded(delivered, path, event),
        _ => Ok(None),
    }
}

fn act_confirmed(delivered: &Delivered, path: RegionPath, event: &pb::ActConfirmed) -> Result<Happening, ConvertError> {
    let act = convert::act("act", &event.act)?;
    Ok(Happening {
        case_id: convert::uuid("case_id", &event.case_id)?,
        event_id: delivered.event_id,
        sequence: delivered.sequence,
        path,
        by: post(event.by.as_ref())?,
        at: convert::instant("confirmed_at", event.confirmed_at)?,
        sector: sector(&event.sector)?,
        act: Some(act),
        source: source(event.source()),
        what: What::ActConfirmed { act },
    })
}

fn measure_recorded(
    delivered: &Delivered,
    path: RegionPath,
    event: &pb::MeasureRecorded,
) -> Result<Option<Happening>, ConvertError> {
    let wire = event.measure.as_ref().required("measure")?;
    let Some(kind) = &wire.kind else {
        // A kind of a later version: it has no column here.
        return Ok(None);
    };
    let act = if event.act.is_empty() { None } else { Some(convert::act("act", &event.act)?) };
    Ok(Some(Happening {
        case_id: convert::uuid("case_id", &event.case_id)?,
        event_id: delivered.event_id,
        sequence: delivered.sequence,
        path,
        by: post(event.by.as_ref())?,
        at: convert::instant("measure.decided_at", wire.decided_at)?,
        sector: sector(&event.sector)?,
        act,
        source: source(event.source()),
        what: What::Measure {
            measure_id: convert::bounded("measure.measure_id", &wire.measure_id, 200)?,
            measure: measure(kind),
            subject: convert::subject("subject", event.subject.as_ref())?,
        },
    }))
}

fn measure(kind: &Kind) -> Measure {
    match kind {
        Kind::CloseDown(types::CloseDown { .. }) => Measure::CloseDown,
        Kind::Fine(fine) => Measure::Fine { fen: fine.amount_fen },
        Kind::StopProduction(types::StopProduction { .. }) => Measure::StopProduction,
        Kind::CriminalMeasure(criminal) => Measure::CriminalMeasure { persons: criminal.persons },
    }
}

fn post(wire: Option<&types::Post>) -> Result<Post, ConvertError> {
    Post::try_from(wire.required("by")?).map_err(|error| error.under("by"))
}

fn sector(code: &str) -> Result<Option<Sector>, ConvertError> {
    if code.is_empty() {
        return Ok(None);
    }
    code.parse().map(Some).map_err(|_| ConvertError::unknown("sector", "UNKNOWN_SECTOR", code, "领域代码"))
}

const fn source(wire: pb::CaseSource) -> Option<Source> {
    match wire {
        pb::CaseSource::Unspecified => None,
        pb::CaseSource::GridReport => Some(Source::GridReport),
        pb::CaseSource::PublicTip => Some(Source::PublicTip),
        pb::CaseSource::SuperiorSupervision => Some(Source::SuperiorSupervision),
        pb::CaseSource::DailyCheck => Some(Source::DailyCheck),
        pb::CaseSource::Accident => Some(Source::Accident),
    }
}
