//! The suspicion as an aggregate: what is found in a village and what the village does with it, until it is closed there, withdrawn, or
//! published after the outcome came back (clauses C2 to C5, C4b, A4).
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

pub use command::{Command, Context, Finding, Reporter, Rules};
pub use decide::decide;
pub use event::{Event, Outcome};
pub use evolve::evolve;
pub use invariants::{Broken, check};
pub use rejection::{Reason, Rejection};
pub use state::{Facts, GoneUp, Route, State, StateKind, Suspicion};
