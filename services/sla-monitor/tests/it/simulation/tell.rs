//! A story's acts as the events of intake and dispatch.

use dafei_contracts::{Event, events::v1 as ev, timestamp::Timestamp, types::v1 as types};
use dafei_kernel::time::Instant;
use uuid::Uuid;

use super::{
    Micros,
    city::{Act, Closing, How, Story, Tier, Turn, Work},
};
use crate::events::{Told, wire_post, wire_region};

pub(crate) fn instant(at: Micros) -> Instant {
    Instant::from_microsecond(at).unwrap()
}

pub(crate) fn stamp(at: Micros) -> Option<Timestamp> {
    Some(instant(at).into())
}

/// The events of a story with the instants at which they were recorded.
pub(crate) fn events(story: &Story) -> Vec<(Micros, Told)> {
    let (mut village, mut above) = (0, 0);
    let told = story.acts.iter().map(|act| {
        let (service, sequence) =
            if act.turn.is_villages() { ("intake", &mut village) } else { ("dispatch", &mut above) };
        *sequence += 1;
        let mut event = event(story, act);
        event.set_meta(ev::EventMeta {
            aggregate_id: story.case.to_string(),
            sequence: *sequence,
            region_path: story.place.path.clone(),
            actor: (act.turn == Turn::Found).then(|| wire_post("grid-member", story.place.at("village"), "")),
            received_at: stamp(act.told),
            claimed_at: None,
            chain_head: String::new(),
            person: String::new(),
        });
        (act.told, Told { service, aggregate: story.case, sequence: *sequence, event })
    });
    told.collect()
}

fn wire(tier: Tier) -> i32 {
    match tier {
        Tier::Township => ev::Tier::Township.into(),
        Tier::County => ev::Tier::County.into(),
        Tier::City => ev::Tier::City.into(),
    }
}

fn assignee(story: &Story, work: &Work) -> ev::Assignee {
    let post = work.post(&story.place);
    let (role, rest) = post.split_once('@').unwrap();
    let (region, agency) = rest.split_once('/').unwrap();
    ev::Assignee {
        instruction_id: Uuid::from_u128(story.case.as_u128() + u128::from(work.number)).to_string(),
        post: Some(wire_post(role, region, agency)),
        lead: work.lead,
    }
}

fn event(story: &Story, act: &Act) -> Event {
    if act.turn.is_villages() { of_village(story, act) } else { of_case(story, act) }
}

fn of_village(story: &Story, act: &Act) -> Event {
    let case_id = story.case.to_string();
    match &act.turn {
        Turn::Found => ev::SuspicionRecorded {
            case_id,
            village: Some(wire_region(story.place.at("village"))),
            act: "FW-1".to_owned(),
            found_at: stamp(act.at),
            ..Default::default()
        }
        .into(),
        Turn::Notified => ev::SecretaryNotified { meta: None, case_id }.into(),
        Turn::Persuaded { heeded } => {
            let outcome = if *heeded { ev::PersuasionOutcome::Heeded } else { ev::PersuasionOutcome::Refused };
            ev::PersuasionRecorded { case_id, outcome: outcome.into(), ..Default::default() }.into()
        }
        Turn::Revisited { stopped } => ev::RevisitRecorded { case_id, stopped: *stopped, ..Default::default() }.into(),
        Turn::GoesOn => ev::SuspicionReopened { case_id, ..Default::default() }.into(),
        Turn::ReportedUp => ev::ReportedUp { case_id, ..Default::default() }.into(),
        Turn::Withdrawn => ev::ReportWithdrawn { case_id, ..Default::default() }.into(),
        Turn::MergedAway => ev::ReportMerged { case_id, ..Default::default() }.into(),
        Turn::Helped => ev::HelpGiven { case_id, ..Default::default() }.into(),
        Turn::Published => ev::ResultPublished { case_id, ..Default::default() }.into(),
        other => panic!("{other:?} is not the village's"),
    }
}

fn of_case(story: &Story, act: &Act) -> Event {
    let case_id = story.case.to_string();
    match &act.turn {
        Turn::Opened { tier, own } => ev::CaseOpened {
            case_id,
            tier: wire(*tier),
            sector: "fireworks".to_owned(),
            reached_at: stamp(act.at),
            finder: own.then(|| finder(story)),
            ..Default::default()
        }
        .into(),
        Turn::AgencyInstructed => ev::AgencyInstructed { case_id, ..Default::default() }.into(),
        Turn::Escalated => ev::Escalated { case_id, ..Default::default() }.into(),
        Turn::FedBack { leg, tier } => {
            ev::FedBack { case_id, leg: *leg, tier: wire(*tier), ..Default::default() }.into()
        }
        Turn::Outcome { village } => {
            let village = village.then(|| wire_region(story.place.at("village")));
            ev::OutcomeAvailable { case_id, village, ..Default::default() }.into()
        }
        Turn::Closed { how, tier } => {
            let tier = wire(*tier);
            match how {
                Closing::Closed => ev::CaseClosed { case_id, tier, ..Default::default() }.into(),
                Closing::Merged => {
                    let into_case_id = Uuid::nil().to_string();
                    ev::CaseMerged { case_id, into_case_id, tier, ..Default::default() }.into()
                }
                Closing::Withdrawn => ev::CaseWithdrawn { case_id, tier, ..Default::default() }.into(),
            }
        }
        Turn::TakenUpAgain { tier } => ev::CaseReopened { case_id, tier: wire(*tier), ..Default::default() }.into(),
        _ => of_work(story, act),
    }
}

/// The agency that found the case itself.
fn finder(story: &Story) -> ev::Assignee {
    let works = story.acts.iter().find_map(|act| match &act.turn {
        Turn::Delivered { work, .. } => Some(work),
        _ => None,
    });
    assignee(story, works.unwrap())
}

fn of_work(story: &Story, act: &Act) -> Event {
    let case_id = story.case.to_string();
    let to = |work: &Work| Some(assignee(story, work));
    match &act.turn {
        Turn::Delivered { work, how } => ev::InstructionDelivered {
            case_id,
            assignee: to(work),
            tier: wire(work.tier),
            leg: work.leg,
            delivered_at: stamp(act.at),
            means: match how {
                How::Delivered | How::Rework => ev::DeliveryMeans::Consumer.into(),
                How::Assumed => ev::DeliveryMeans::Assumed.into(),
                How::OwnFinding => ev::DeliveryMeans::OwnFinding.into(),
            },
            rework: *how == How::Rework,
            ..Default::default()
        }
        .into(),
        Turn::Result { work } => ev::ResultSubmitted {
            case_id,
            assignee: to(work),
            tier: wire(work.tier),
            leg: work.leg,
            kind: types::ResultKind::Interim.into(),
            submitted_at: stamp(act.at),
            ..Default::default()
        }
        .into(),
        Turn::Declined { work } => {
            ev::AuthorityDeclined { case_id, assignee: to(work), leg: work.leg, ..Default::default() }.into()
        }
        Turn::DepartmentInstructed { works } => ev::DepartmentInstructed {
            case_id,
            assignees: works.iter().map(|work| assignee(story, work)).collect(),
            leg: works[0].leg,
            ..Default::default()
        }
        .into(),
        Turn::Responded { work } => ev::DepartmentResponded {
            case_id,
            assignee: to(work),
            leg: work.leg,
            responded_at: stamp(act.at),
            ..Default::default()
        }
        .into(),
        Turn::Returned { work } => ev::AssignmentReturned {
            case_id,
            assignee: to(work),
            leg: work.leg,
            returned_at: stamp(act.at),
            ..Default::default()
        }
        .into(),
        Turn::Rework { rejected, work } => ev::ReworkOrdered {
            case_id,
            rejected: to(rejected),
            assignee: to(work),
            leg: work.leg,
            tier: wire(work.tier),
            ..Default::default()
        }
        .into(),
        Turn::Extension { work, granted, days, asked } => ev::ExtensionDecided {
            case_id,
            assignee: to(work),
            leg: work.leg,
            granted: *granted,
            working_days: if *granted { u32::try_from(*days).unwrap() } else { 0 },
            requested_at: stamp(*asked),
            ..Default::default()
        }
        .into(),
        other => panic!("{other:?} is no work"),
    }
}
