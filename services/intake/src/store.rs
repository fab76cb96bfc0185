//! All SQL of the service.

pub(crate) mod duplicates;
pub(crate) mod evidence;
pub(crate) mod heads;
pub(crate) mod helps;
pub(crate) mod patrols;
pub(crate) mod suspicion_lists;
pub(crate) mod suspicions;
