//! Intake's events: what villages do, and how they stand with their notices.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError},
    events::v1 as pb,
};
use dafei_reporting_core::activity::{Act, Activity, Notices, Place};

use super::place_and_instant;

pub(super) fn take(activity: &mut Activity, event: &Event) -> Result<(), ConvertError> {
    let act = match event {
        Event::PatrolsRecorded(told) => {
            let place = Place::of(&event.region_path()?);
            for patrol in told.patrols.iter().filter(|patrol| patrol.counts) {
                let at = convert::instant("patrols.patrolled_at", patrol.patrolled_at)?;
                activity.done(Act::Patrol, at, &place, None, 1);
            }
            return Ok(());
        }
        Event::BroadcastMade(told) => {
            let at = convert::instant("made_at", told.made_at)?;
            activity.done(Act::Broadcast, at, &Place::of(&event.region_path()?), None, 1);
            return Ok(());
        }
        Event::NoticePosted(told) => return notices(activity, event, told.standing.as_ref()),
        Event::NoticeRemoved(told) => return notices(activity, event, told.standing.as_ref()),
        Event::SuspicionRecorded(_) => Act::Suspicion,
        Event::PersuasionRecorded(told) => match told.outcome() {
            pb::PersuasionOutcome::Heeded => Act::Heeded,
            pb::PersuasionOutcome::Refused => Act::Refused,
            pb::PersuasionOutcome::Unspecified => return Err(ConvertError::required("outcome")),
        },
        Event::ReportedUp(_) => Act::ReportedUp,
        Event::ResultPublished(_) => Act::ResultPosted,
        _ => return Ok(()),
    };
    let (place, at) = place_and_instant(event)?;
    activity.done(act, at, &place, None, 1);
    Ok(())
}

fn notices(activity: &mut Activity, event: &Event, standing: Option<&pb::NoticeStanding>) -> Result<(), ConvertError> {
    let Some(standing) = standing else {
        return Ok(());
    };
    let place = Place::of(&event.region_path()?);
    let notices = Notices {
        place: place.clone(),
        valid: standing.valid_places,
        required: standing.required,
        close_pairs: standing.close_pairs,
    };
    activity.notices.insert(place.village, notices);
    Ok(())
}
