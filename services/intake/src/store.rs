//! All SQL of the service.

pub(crate) mod claims;
pub(crate) mod evidence;
pub(crate) mod heads;
pub(crate) mod patrols;
pub(crate) mod payouts;
pub(crate) mod reward_data;
pub(crate) mod rewardable;
pub(crate) mod rewards;
pub(crate) mod roles;
pub(crate) mod suspicions;
pub(crate) mod throttle;
