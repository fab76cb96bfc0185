//! The dispatch service: the case from the township centre up, and the agencies' queues.
//!
//! `work` is the heart: one transaction's commands to cases, whether they come by gRPC (`grpc`, through the group commit of
//! `app`), from the bus (`consumers`) or from the clock (`app`). The rules are in `dafei-dispatch-core`.

pub mod app;
pub mod config;
pub mod consumers;
pub mod grpc;
pub mod serve;
pub mod unit;

mod feedback;
mod opening;
mod publisher;
mod store;
mod wire;
mod work;

use sqlx::migrate::Migrator;

/// The tables of dispatch; versions 200 to 299, after messaging's and the roster's.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
