//! All SQL of the SLA monitor.

pub(crate) mod accountability;
pub(crate) mod calendars;
pub(crate) mod duties;
pub(crate) mod duty_parts;
pub(crate) mod duty_sweep;
pub(crate) mod duty_units;
pub(crate) mod facts;
pub(crate) mod horizon;
pub(crate) mod obligations;
pub(crate) mod read;
pub(crate) mod reconcile;
pub(crate) mod record;
pub(crate) mod shadow;
pub(crate) mod texts;

/// Channel on which firing is woken: a horizon has moved or obligations have changed.
pub(crate) const WAKE: &str = "dafei_sla_wake";
/// Channel on which the ledger's timer is woken: something waits to become an entry.
pub(crate) const NOTED: &str = "dafei_sla_noted";
