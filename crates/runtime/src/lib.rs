//! What every Dafei process needs around its domain: settings from the environment, logs, traces and metrics, the caller's
//! identity, health, an ordered shutdown, and one translation of failures into `google.rpc.Status`.
//!
//! Nothing here knows what a case or a tip is. The only words of the domain are those a token carries: role, region, agency.

pub mod client;
pub mod config;
pub mod health;
pub mod identity;
pub mod lifecycle;
pub mod ops;
pub mod paths;
pub mod status;
pub mod telemetry;
pub mod tls;

/// An error of any layer, as the supervisor of background tasks and [`status::Fault::Internal`] carry it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
