//! The rules of the SLA monitor against fixed instants, told stories and random ones.
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod accountability;
mod check;
mod deadlines;
mod duties;
mod duty_members;
mod duty_owed;
mod instants;
mod ledger;
mod lights;
mod oracle;
mod reconcile;
mod rules;
mod support;
mod terms;
mod totals;
mod turns;
