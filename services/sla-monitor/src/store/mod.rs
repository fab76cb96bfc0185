//! All SQL of the SLA monitor.

pub(crate) mod duties;
pub(crate) mod duty_sweep;
pub(crate) mod duty_units;
pub(crate) mod facts;
pub(crate) mod horizon;
pub(crate) mod obligations;
pub(crate) mod read;
pub(crate) mod record;

/// Channel on which firing is woken: a horizon has moved or obligations have changed.
pub(crate) const WAKE: &str = "dafei_sla_wake";
/// Channel on which watchers are woken: something was announced.
pub(crate) const ANNOUNCED: &str = "dafei_sla_announced";
