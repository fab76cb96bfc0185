//! All SQL of the service.

pub(crate) mod evidence;
pub(crate) mod evidence_accesses;
pub(crate) mod heads;
pub(crate) mod patrols;
pub(crate) mod suspicions;
