//! All SQL of the service.

pub(crate) mod checklists;
pub(crate) mod evidence;
pub(crate) mod heads;
pub(crate) mod patrol_claims;
pub(crate) mod patrol_months;
pub(crate) mod patrols;
pub(crate) mod suspicions;
