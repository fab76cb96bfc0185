//! Dispatch's events: cases and their turns, and the daily anchor.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
};
use dafei_kernel::owner::Post;
use dafei_reporting_core::activity::{Act, Activity, Anchor, Ended, Opened, Place};
use uuid::Uuid;

use super::place_and_instant;

/// Takes an event. Says whether its aggregate is a case.
pub(super) fn take(activity: &mut Activity, event: &Event) -> Result<bool, ConvertError> {
    let turn = match event {
        Event::CaseOpened(event) => return opened(activity, event).map(|()| true),
        Event::CaseClosed(told) => return ended(activity, event, &told.case_id, Ended::Closed).map(|()| true),
        Event::CaseMerged(told) => return ended(activity, event, &told.case_id, Ended::Merged).map(|()| true),
        Event::CaseWithdrawn(told) => return ended(activity, event, &told.case_id, Ended::Withdrawn).map(|()| true),
        Event::CaseReopened(told) => {
            let (place, at) = place_and_instant(event)?;
            activity.reopened(case(&told.case_id)?, at, &place);
            return Ok(true);
        }
        Event::CasesAnchored(event) => {
            activity.anchors.push(Anchor { day: event.day.clone(), digest: event.digest.clone(), cases: event.cases });
            return Ok(false);
        }
        Event::Escalated(_) => Some((Act::Escalated, None)),
        Event::AuthorityDeclined(event) => Some((Act::Declined, assignee(event.assignee.as_ref())?)),
        Event::AssignmentReturned(event) => Some((Act::Returned, assignee(event.assignee.as_ref())?)),
        Event::ReworkOrdered(event) => Some((Act::Rework, assignee(event.rejected.as_ref())?)),
        Event::ExtensionRequested(event) => Some((Act::ExtensionAsked, assignee(event.assignee.as_ref())?)),
        Event::ExtensionDecided(event) if event.granted => {
            Some((Act::ExtensionGranted, assignee(event.assignee.as_ref())?))
        }
        Event::DepartmentResponded(event) => Some((Act::Responded, assignee(event.assignee.as_ref())?)),
        Event::ResultSubmitted(event) => Some((Act::Result, assignee(event.assignee.as_ref())?)),
        Event::FedBack(_) => Some((Act::FedBack, None)),
        Event::CaseUrged(_) => Some((Act::Urged, None)),
        Event::CaseSupervised(_) => Some((Act::Supervised, None)),
        Event::DirectiveIssued(_)
        | Event::DirectiveAnswered(_)
        | Event::DirectiveClosed(_)
        | Event::DailyWorkReported(_) => return Ok(false),
        _ => None,
    };
    if let Some((act, by)) = turn {
        let (place, at) = place_and_instant(event)?;
        activity.done(act, at, &place, by.as_ref(), 1);
    }
    Ok(true)
}

fn case(id: &str) -> Result<Uuid, ConvertError> {
    convert::uuid("case_id", id)
}

fn assignee(assignee: Option<&pb::Assignee>) -> Result<Option<Post>, ConvertError> {
    let post = assignee.and_then(|assignee| assignee.post.as_ref());
    post.map(|post| Post::try_from(post).map_err(|error| error.under("assignee.post"))).transpose()
}

fn opened(activity: &mut Activity, event: &pb::CaseOpened) -> Result<(), ConvertError> {
    let path = dafei_contracts::Event::from(event.clone()).region_path()?;
    let lowest = match event.village.as_ref().or(event.place.as_ref()).or(event.township.as_ref()) {
        Some(region) => Some(convert::region("village", Some(region))?),
        None => path.regions().last().cloned(),
    };
    let meta = event.meta.as_ref().required("meta")?;
    let at = match event.reached_at {
        Some(at) => convert::instant("reached_at", Some(at))?,
        None => convert::instant("meta.received_at", meta.received_at)?,
    };
    activity.opened(
        case(&event.case_id)?,
        Opened {
            place: Place::of(&path),
            lowest: lowest.map(|region| region.to_string()).unwrap_or_default(),
            sector: event.sector.clone(),
            act: event.act.clone(),
            act_text: event.act_text.clone(),
            at,
        },
    );
    Ok(())
}

fn ended(activity: &mut Activity, event: &Event, case_id: &str, how: Ended) -> Result<(), ConvertError> {
    let (place, at) = place_and_instant(event)?;
    activity.ended(case(case_id)?, at, &place, how);
    Ok(())
}
