//! All SQL of the service.

pub(crate) mod evidence;
pub(crate) mod heads;
pub(crate) mod patrols;
pub(crate) mod suspicions;
