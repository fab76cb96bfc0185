//! Notices, broadcasts and leaflets as the API carries them.

use dafei_contracts::{convert::ConvertError, events::v1 as ev, intake::v1 as api};
use dafei_intake_core::{coverage, notices::ClosePair};
use dafei_kernel::region::Region;

use super::{ids, optional_id};
use crate::store::{
    broadcasts::Broadcast,
    leaflets::{Distribution, EnterpriseReached},
    notices::Notice,
};

/// The kind of a notice.
pub(crate) const fn kind(reward: bool) -> ev::NoticeKind {
    if reward { ev::NoticeKind::Reward } else { ev::NoticeKind::Work }
}

/// Whether a reward notice is meant; none where no kind is given.
pub(crate) fn given_kind(value: i32) -> Result<Option<bool>, ConvertError> {
    match ev::NoticeKind::try_from(value) {
        Ok(ev::NoticeKind::Reward) => Ok(Some(true)),
        Ok(ev::NoticeKind::Work) => Ok(Some(false)),
        Ok(ev::NoticeKind::Unspecified) => Ok(None),
        Err(_) => Err(ConvertError::invalid("kind", "is no kind of notice")),
    }
}

/// A notice.
pub(crate) fn notice(notice: &Notice) -> api::Notice {
    let (removed_at, removal_reason) =
        notice.removed.as_ref().map_or((None, ""), |(at, reason)| (Some((*at).into()), reason.as_str()));
    api::Notice {
        notice_id: notice.id.to_string(),
        village: Some((&notice.village).into()),
        kind: kind(notice.reward).into(),
        copies: notice.copies,
        position: Some((&notice.position).into()),
        place: notice.place.clone(),
        posted_at: Some(notice.posted_at.into()),
        evidence_ids: ids(&notice.evidence),
        replaces: optional_id(notice.replaces),
        removed_at,
        removal_reason: removal_reason.to_owned(),
    }
}

/// A pair of notices, its distance to the decimetre.
pub(crate) fn close_pair(pair: &ClosePair) -> api::ClosePair {
    api::ClosePair {
        notice_id: pair.first.to_string(),
        other_notice_id: pair.second.to_string(),
        distance_m: (pair.distance_m * 10.0).round() / 10.0,
        tolerated: pair.tolerated,
    }
}

/// A broadcast.
pub(crate) fn broadcast(broadcast: &Broadcast) -> api::Broadcast {
    api::Broadcast {
        broadcast_id: broadcast.id.to_string(),
        village: Some((&broadcast.village).into()),
        made_at: Some(broadcast.made_at.into()),
        seconds: broadcast.seconds,
        text: broadcast.text.clone(),
    }
}

/// A distribution of leaflets.
pub(crate) fn distribution(distribution: &Distribution) -> api::LeafletDistribution {
    let enterprise = |one: &EnterpriseReached| api::EnterpriseReached {
        credit_code: one.credit_code.clone(),
        employees: one.employees,
    };
    api::LeafletDistribution {
        distribution_id: distribution.id.to_string(),
        village: Some((&distribution.village).into()),
        distributed_at: Some(distribution.distributed_at.into()),
        copies: distribution.copies,
        households: distribution.households,
        enterprises: distribution.enterprises.iter().map(enterprise).collect(),
        round: distribution.round.clone(),
    }
}

/// How much of a region was reached.
pub(crate) fn coverage(region: &Region, name: &str, coverage: &coverage::Coverage) -> api::Coverage {
    api::Coverage {
        region: Some(region.into()),
        name: name.to_owned(),
        households_covered: coverage.households_covered,
        households_total: coverage.households_total,
        villages_without_households: coverage.villages_without_households,
        enterprises_covered: coverage.enterprises_covered,
        enterprises_complete: coverage.enterprises_complete,
        enterprises_total: coverage.enterprises_total,
        employees_covered: coverage.employees_covered,
        employees_total: coverage.employees_total,
    }
}
