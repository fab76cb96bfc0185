//! The intake service: what a village finds and does (clauses C1 to C5), its photos, and the roster (clause B1).
//!
//! `work` is the heart: one transaction's commands to suspicions and patrols, whether they come by gRPC (`grpc`, through the group
//! commit of `app`) or from the bus (`consumer`). The rules are in `dafei-intake-core`.

pub mod app;
pub mod codes;
pub mod config;
pub mod consumer;
pub mod grpc;
pub mod images;
pub mod objects;
pub mod photos;
pub mod serve;

mod acting;
mod publisher;
mod store;
mod wire;
mod work;

use sqlx::migrate::Migrator;

/// The tables of intake; versions 100 to 199, after messaging's and the roster's.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
