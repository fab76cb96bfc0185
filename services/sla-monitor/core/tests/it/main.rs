//! The rules of the SLA monitor against fixed instants, told stories and random ones.
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod deadlines;
mod duties;
mod duty_members;
mod ledger;
mod lights;
mod rules;
mod support;
mod turns;
