//! What the shells of the four services share: start-up and wiring, the roster's projection, scope checks, faults, page tokens,
//! operations. One way of doing each thing.

mod copies;
pub mod faults;
mod gauges;
pub mod once;
pub mod ops;
pub mod paging;
pub mod probe;
pub mod publish;
pub mod roster;
pub mod scope;
pub mod start;
pub mod timer;
mod traced;
pub mod upkeep;
pub mod watch;
