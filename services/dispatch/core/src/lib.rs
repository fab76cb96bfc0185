//! The rules of dispatch, pure: the case from the township centre up, the routing to the 14 agencies, what lies within a
//! township's authority, and the directives of a command. No clock, no ids of its own, no I/O.

pub mod authority;
pub mod case;
pub mod directive;
pub mod pattern;
pub mod problem;
pub mod routing;
