//! Intake's events: inspections, rewards, notices, leaflets.

use dafei_contracts::{
    convert::{self, ConvertError},
    events::v1 as pb,
    types::v1 as types,
};
use dafei_kernel::{act::Act, owner::Post, sector::Sector, time::Instant};
use dafei_reporting_core::{Happening, Source, happening::What};
use uuid::Uuid;

use super::{Told, act, measure, post, sector};

/// The inspection itself, each act that it found and each measure that the inspector took.
pub(super) fn inspection_recorded(
    told: &Told<'_>,
    event: &pb::InspectionRecorded,
) -> Result<Vec<Happening>, ConvertError> {
    let inspection = Inspection {
        told,
        id: convert::uuid("inspection_id", &event.inspection_id)?,
        by: post("by", event.by.as_ref())?,
        sector: sector(&event.sector)?,
    };
    let at = convert::instant("inspected_at", event.inspected_at)?;
    let subject = convert::subject("subject", event.subject.as_ref())?;
    let mut happenings =
        vec![inspection.happening(at, None, None, What::Inspected { enforcement: event.enforcement, subject })];
    for found in &event.acts {
        let act = convert::act("acts.act", &found.act)?;
        let case = if found.case_id.is_empty() { None } else { Some(convert::uuid("acts.case_id", &found.case_id)?) };
        let what = What::ActFound { act, text: found.act_text.clone(), became_case: case.is_some() };
        happenings.push(inspection.happening(at, case, Some(act), what));
    }
    for wire in &event.measures {
        let decided_at = convert::instant("measures.decided_at", wire.decided_at)?;
        let what = measure(wire, event.subject.as_ref(), None)?;
        happenings.extend(what.map(|what| inspection.happening(decided_at, None, None, what)));
    }
    Ok(happenings)
}

/// What all happenings of an inspection share.
struct Inspection<'a> {
    told: &'a Told<'a>,
    id: Uuid,
    by: Post,
    sector: Option<Sector>,
}

impl Inspection<'_> {
    fn happening(&self, at: Instant, case_id: Option<Uuid>, act: Option<Act>, what: What) -> Happening {
        Happening {
            about: self.id,
            case_id,
            event_id: self.told.counted.event_id,
            sequence: self.told.counted.sequence,
            path: self.told.path.clone(),
            by: self.by.clone(),
            at,
            sector: self.sector,
            act,
            source: Some(Source::DailyCheck),
            what,
        }
    }
}

/// At the unit that accepted the tip; which case it was, the event does not say.
pub(super) fn reward_paid(told: Told<'_>, event: &pb::RewardPaid) -> Result<Happening, ConvertError> {
    Ok(Happening {
        about: convert::uuid("announcement_id", &event.announcement_id)?,
        case_id: None,
        event_id: told.counted.event_id,
        sequence: told.counted.sequence,
        path: told.path,
        by: post("unit", event.unit.as_ref())?,
        at: convert::instant("paid_at", event.paid_at)?,
        sector: sector(&event.sector)?,
        act: act(&event.act)?,
        source: Some(Source::PublicTip),
        what: What::RewardPaid { fen: event.amount_fen },
    })
}

pub(super) fn notice_posted(told: Told<'_>, event: &pb::NoticePosted) -> Result<Happening, ConvertError> {
    let id = convert::uuid("notice_id", &event.notice_id)?;
    let at = convert::instant("posted_at", event.posted_at)?;
    let reward = match event.kind() {
        pb::NoticeKind::Reward => true,
        pb::NoticeKind::Work => false,
        pb::NoticeKind::Unspecified => return Err(ConvertError::required("kind")),
    };
    publicity(told, event.meta.as_ref(), id, at, What::NoticePosted { reward, copies: event.copies })
}

pub(super) fn leaflets_distributed(told: Told<'_>, event: &pb::LeafletsDistributed) -> Result<Happening, ConvertError> {
    let id = convert::uuid("distribution_id", &event.distribution_id)?;
    let at = convert::instant("distributed_at", event.distributed_at)?;
    publicity(told, event.meta.as_ref(), id, at, What::LeafletsDistributed { copies: event.copies })
}

/// By whoever recorded it, without a sector.
fn publicity(
    told: Told<'_>,
    meta: Option<&pb::EventMeta>,
    about: Uuid,
    at: Instant,
    what: What,
) -> Result<Happening, ConvertError> {
    let actor: Option<&types::Post> = meta.and_then(|meta| meta.actor.as_ref());
    Ok(Happening {
        about,
        case_id: None,
        event_id: told.counted.event_id,
        sequence: told.counted.sequence,
        path: told.path,
        by: post("meta.actor", actor)?,
        at,
        sector: None,
        act: None,
        source: None,
        what,
    })
}
