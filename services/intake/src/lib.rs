//! The intake service: the roster, patrols, photos, and what villages find and do about it (clauses A3, A4, B1, C1 to C5, C4b).

pub mod app;
pub mod config;
pub mod consumer;
pub mod grpc;
pub mod store;

mod publisher;
mod wire;
