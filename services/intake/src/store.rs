//! All SQL of the service.

pub(crate) mod evidence;
pub(crate) mod evidence_accesses;
pub(crate) mod heads;
pub(crate) mod officer;
pub(crate) mod patrols;
pub(crate) mod suspicions;
pub(crate) mod tip_secrets;
pub(crate) mod tips;
