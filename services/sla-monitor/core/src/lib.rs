//! The rules of the SLA monitor: which clocks run for a case, until when, who answers for them, and what is announced of them. Pure: no
//! I/O, and time is an argument.
//!
//! - [`rules`]: the clocks as a checked data file.
//! - [`deadline`]: when a clock that started runs out, with the reason line by line.
//! - [`fact`]: what happened to a case, as a set.
//! - [`duty`]: what villages, townships and offices owe each week, month or quarter.
//! - [`ledger`]: the obligations that follow from that set, whatever the order in which it came.
//! - [`lights`]: what is to be announced of an obligation up to an instant.

pub mod clock;
pub mod deadline;
pub mod duty;
pub mod fact;
pub mod ledger;
pub mod lights;
pub mod obligation;
pub mod rules;

pub use clock::Clock;
pub use deadline::{Deadline, Inputs};
pub use fact::{CaseFacts, Fact, FactKind, Source, What};
pub use ledger::obligations;
pub use lights::{Announced, Announcement, Light, Timing};
pub use obligation::{End, EndKind, Notice, Obligation};
pub use rules::{Limit, Rule, Rules, RulesError};
