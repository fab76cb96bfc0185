//! The suspicion as an aggregate: what is found in a village and what the village does with it, until it is closed there, withdrawn, merged into
//! another report, or published after the outcome came back (clauses C2 to C5, C4b, A4).
//!
//! [`decide`] says which events a command makes, [`evolve`] what a suspicion becomes by an event. The case's id is minted when the
//! suspicion is recorded and stays the same up to the city.

mod command;
mod decide;
mod event;
mod evolve;
mod invariants;
mod rejection;
mod state;
mod steps;

pub use command::{Command, Context, Finding, Help, Others, Reporter, Rules};
pub use decide::decide;
pub use event::{Event, Outcome};
pub use evolve::evolve;
pub use invariants::{Broken, check};
pub use rejection::{Reason, Rejection};
pub use state::{DirectCause, DirectReport, Facts, GoneUp, Route, State, StateKind, Suspicion};
