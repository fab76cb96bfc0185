//! The contracts of the suite: generated messages and gRPC stubs, the event catalogue with its subjects, CloudEvents headers, and
//! conversions between wire and kernel. No rules, no I/O.

pub mod catalogue;
pub mod chain;
pub mod convert;
pub mod open_steps;
pub mod roster;
pub mod subject;
pub mod timestamp;

mod generated;
mod redacted;

pub use catalogue::{Event, EventKind, KINDS, Stream};
pub use generated::{dispatch, events, intake, ops, reporting, sla, types};

/// The descriptor set of all packages, for reflection and for generated documents.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
