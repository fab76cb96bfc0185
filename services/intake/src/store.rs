//! All SQL of the service.

pub(crate) mod broadcasts;
pub(crate) mod checklists;
pub(crate) mod claims;
pub(crate) mod duplicates;
pub(crate) mod evidence;
pub(crate) mod evidence_accesses;
pub(crate) mod heads;
pub(crate) mod helps;
pub(crate) mod inspections;
pub(crate) mod leaflets;
pub(crate) mod notices;
mod of_region;
pub(crate) mod open_matters;
pub(crate) mod open_steps;
pub(crate) mod patrol_claims;
pub(crate) mod patrol_months;
pub(crate) mod patrols;
pub(crate) mod payouts;
pub(crate) mod reward_data;
pub(crate) mod rewardable;
pub(crate) mod rewards;
pub(crate) mod roles;
pub(crate) mod suspicion_lists;
pub(crate) mod suspicions;
pub(crate) mod throttle;
pub(crate) mod tip_secrets;
pub(crate) mod tips;

pub(crate) use of_region::OfRegion;
