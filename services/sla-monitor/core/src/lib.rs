//! The rules of the SLA monitor: which clocks run for a case, until when, who answers for them, and what is announced of them. Pure: no
//! I/O, and time is an argument.
//!
//! - [`rules`]: the clocks as a checked data file.
//! - [`terms`]: the rules of all times and counties.
//! - [`calendar`]: what must hold of a calendar before it is put in force.
//! - [`deadline`]: when a clock that started runs out, with the reason line by line.
//! - [`fact`]: what happened to a case, as a set.
//! - [`duty`]: what villages, townships and offices owe each week, month or quarter.
//! - [`ledger`]: the obligations that follow from that set, whatever the order in which it came.
//! - [`reconcile`]: whether the ledger fits what the services say of their open steps.
//! - [`lights`]: what is to be announced of an obligation up to an instant.
//! - [`accountability`]: who is charged with a breach or with conduct, is heard, decided on and may appeal (clauses E4, E5).
//! - [`quiet`]: when people are not to be disturbed by it.
//! - [`steady`]: how far a machine's clock is believed.

pub mod accountability;
pub mod calendar;
pub mod clock;
pub mod deadline;
pub mod duty;
pub mod fact;
pub mod ledger;
pub mod lights;
pub mod obligation;
pub mod quiet;
pub mod reconcile;
pub mod rules;
pub mod steady;
pub mod terms;

pub use clock::Clock;
pub use deadline::{Deadline, Inputs};
pub use fact::{CaseFacts, Fact, FactKind, Source, What};
pub use ledger::obligations;
pub use lights::{Announced, Announcement, Light, Timing};
pub use obligation::{End, EndKind, Notice, Obligation};
pub use rules::{CountyRules, Limit, Rule, Rules};
pub use terms::Terms;
