//! A case and its instructions as the API shows them.

use dafei_contracts::{dispatch::v1 as api, types::v1 as types};
use dafei_dispatch_core::case::{Case, Extension, Instruction, learns_of_tips};
use dafei_kernel::owner::Post;

use super::{instruction_state, result_kind, source, state, tier};

/// A case as the API shows it to this post. Of public tips nobody below the township learns, and who does not handle
/// one does not read its words.
pub(crate) fn case(case: &Case, reader: &Post) -> api::Case {
    let facts = &case.facts;
    let route = case.route.as_ref();
    let ground = case.ground.as_ref();
    // An id is enough to know a tip's case by.
    let duplicates = if learns_of_tips(reader.region.level()) { case.duplicates.as_slice() } else { &[] };
    api::Case {
        case_id: facts.id.to_string(),
        state: state(case.stage.kind()).into(),
        source: source(facts.source).into(),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        sector: facts.act.sector().code().to_owned(),
        subject: Some((&facts.subject).into()),
        village: facts.village.as_ref().map(Into::into),
        township: facts.township.as_ref().map(Into::into),
        county: facts.county.as_ref().map(Into::into),
        description: if case.shows_words(reader) { facts.description.clone() } else { String::new() },
        found_at: Some(facts.found_at.into()),
        reached_at: Some(facts.reached_at.into()),
        instructions: case.instructions.iter().map(|one| instruction(case, one)).collect(),
        public_text: case.stage.public_text().to_owned(),
        version: case.sequence,
        place: facts.place.as_ref().map(Into::into),
        tier: tier(case.tier()).into(),
        confirmed_acts: case.confirmed.iter().map(|act| act.code().to_owned()).collect(),
        outside_scope: case.outside_scope,
        measures: measures(case),
        exemptions: case.exemptions.iter().map(Into::into).collect(),
        route_rule: route.map(|route| route.rule.clone()).unwrap_or_default(),
        route_version: route.map(|route| route.version.clone()).unwrap_or_default(),
        returns: case.returns,
        demands: demands(case),
        accessories: case.accessories.iter().map(Into::into).collect(),
        accident: case.accident.as_ref().map(Into::into),
        exposure: case.exposure.as_ref().map(|exposure| exposure.text.clone()).unwrap_or_default(),
        reopening: case.reopening.as_ref().map(|request| api::Reopening {
            by: Some((&request.by).into()),
            reason: request.reason.clone(),
            at: Some(request.at.into()),
        }),
        reopened: case.reopened,
        merged_into: case.told_merged_into().map(|id| id.to_string()).unwrap_or_default(),
        duplicates: duplicates.iter().map(ToString::to_string).collect(),
        closed_at: case.closed_at.map(Into::into),
        authority_entry: ground.map(|ground| ground.entry.clone()).unwrap_or_default(),
        authority_version: ground.map(|ground| ground.version.clone()).unwrap_or_default(),
    }
}

fn measures(case: &Case) -> Vec<api::TakenMeasure> {
    let taken = case.measures.iter().map(|(id, measure)| api::TakenMeasure {
        measure: Some(measure.into()),
        instruction_id: case.taken_by.get(id).map(ToString::to_string).unwrap_or_default(),
        compliance: case.compliance.get(id).map(|compliance| (id.as_str(), compliance).into()),
    });
    taken.collect()
}

/// 督办 and 催办, oldest first.
fn demands(case: &Case) -> Vec<api::Demand> {
    let supervisions = case.supervisions.iter().map(|one| (one.at, &one.by, None, &one.text));
    let urgings = case.urgings.iter().map(|one| (one.at, &one.by, Some(&one.to), &one.text));
    let mut all: Vec<_> = supervisions.chain(urgings).collect();
    all.sort_by_key(|(at, ..)| *at);
    let demand = |(at, by, to, text): (_, &_, Option<&_>, &String)| {
        let at: dafei_kernel::time::Instant = at;
        api::Demand {
            by: Some(types::Post::from(by)),
            to: to.map(types::Post::from),
            text: text.clone(),
            at: Some(at.into()),
        }
    };
    all.into_iter().map(demand).collect()
}

/// An instruction as the API shows it.
pub(crate) fn instruction(case: &Case, instruction: &Instruction) -> api::Instruction {
    let response = instruction.response.as_ref();
    let result = instruction.result.as_ref();
    api::Instruction {
        instruction_id: instruction.id.to_string(),
        case_id: case.facts.id.to_string(),
        post: Some((&instruction.post).into()),
        lead: instruction.lead,
        leg: instruction.leg,
        state: instruction_state(instruction.state()).into(),
        text: instruction.text.clone(),
        issued_at: Some(instruction.issued_at.into()),
        delivered_at: instruction.delivery.map(|delivery| delivery.at.into()),
        responded_at: response.map(|response| response.at.into()),
        plan: response.map(|response| response.plan.clone()).unwrap_or_default(),
        result_at: result.map(|given| given.first_at.into()),
        result_kind: result.map_or(types::ResultKind::Unspecified, |given| result_kind(given.kind)).into(),
        result_text: result.map(|given| given.text.clone()).unwrap_or_default(),
        own: instruction.own,
        binding: instruction.binding,
        rework_of: instruction.rework_of.map(|id| id.to_string()).unwrap_or_default(),
        extensions: instruction.extensions.iter().map(extension).collect(),
    }
}

fn extension(extension: &Extension) -> api::Extension {
    let answer = extension.answer.as_ref();
    api::Extension {
        requested_at: Some(extension.asked_at.into()),
        working_days: extension.working_days,
        reason: extension.reason.clone(),
        decided_at: answer.map(|answer| answer.at.into()),
        granted_days: answer.and_then(|answer| answer.working_days).unwrap_or_default(),
        decision_reason: answer.map(|answer| answer.reason.clone()).unwrap_or_default(),
    }
}
