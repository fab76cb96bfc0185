//! The rules of dispatch, pure: the case from the township centre up, the routing to the 14 agencies, and what lies within a
//! township's authority. No clock, no ids of its own, no I/O.

pub mod authority;
pub mod case;
pub mod pattern;
pub mod problem;
pub mod routing;
