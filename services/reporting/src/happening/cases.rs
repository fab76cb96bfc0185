//! Dispatch's events: acts, measures and tips of cases.

use dafei_contracts::{
    convert::{self, ConvertError, Field},
    events::v1 as pb,
};
use dafei_reporting_core::{
    Happening, Source,
    happening::{Verdict, What},
};

use super::{Told, act, measure, post, sector};

pub(super) fn act_confirmed(told: Told<'_>, event: &pb::ActConfirmed) -> Result<Happening, ConvertError> {
    let act = convert::act("act", &event.act)?;
    let case = convert::uuid("case_id", &event.case_id)?;
    Ok(Happening {
        about: case,
        case_id: Some(case),
        event_id: told.counted.event_id,
        sequence: told.counted.sequence,
        path: told.path,
        by: post("by", event.by.as_ref())?,
        at: convert::instant("confirmed_at", event.confirmed_at)?,
        sector: sector(&event.sector)?,
        act: Some(act),
        source: source(event.source()),
        what: What::ActConfirmed { act },
    })
}

pub(super) fn measure_recorded(told: Told<'_>, event: &pb::MeasureRecorded) -> Result<Option<Happening>, ConvertError> {
    let wire = event.measure.as_ref().required("measure")?;
    let Some(what) = measure(wire, event.subject.as_ref(), event.lead.as_ref())? else {
        return Ok(None);
    };
    let case = convert::uuid("case_id", &event.case_id)?;
    Ok(Some(Happening {
        about: case,
        case_id: Some(case),
        event_id: told.counted.event_id,
        sequence: told.counted.sequence,
        path: told.path,
        by: post("by", event.by.as_ref())?,
        at: convert::instant("measure.decided_at", wire.decided_at)?,
        sector: sector(&event.sector)?,
        act: act(&event.act)?,
        source: source(event.source()),
        what,
    }))
}

/// About the tip, not the case: a tip that was merged into another's case is still one of its own.
pub(super) fn tip_verified(told: Told<'_>, event: &pb::TipVerified) -> Result<Happening, ConvertError> {
    let verdict = match event.verdict() {
        pb::TipVerdict::True => Verdict::True,
        pb::TipVerdict::False => Verdict::False,
        pb::TipVerdict::Unspecified => return Err(ConvertError::required("verdict")),
    };
    Ok(Happening {
        about: convert::uuid("tip_id", &event.tip_id)?,
        case_id: Some(convert::uuid("case_id", &event.case_id)?),
        event_id: told.counted.event_id,
        sequence: told.counted.sequence,
        path: told.path,
        by: post("by", event.by.as_ref())?,
        at: convert::instant("verified_at", event.verified_at)?,
        sector: sector(&event.sector)?,
        act: act(&event.act)?,
        source: Some(Source::PublicTip),
        what: What::TipVerified { verdict },
    })
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
