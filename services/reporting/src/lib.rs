//! The reporting service: facts by filing unit, and the monthly table of 附件2 made of them (clauses F1, F2).

pub mod activity;
mod brief;
pub mod config;
pub mod consumer;
pub mod counting;
mod draft;
pub mod exposure;
mod footing;
pub mod form;
pub mod grpc;
pub mod happening;
mod publisher;
pub mod rebuild;
pub mod serve;
pub mod store;
pub mod work;

/// The service's name, as events name their source.
pub const SERVICE: &str = "reporting";
