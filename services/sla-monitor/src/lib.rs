//! The SLA monitor: every clock of the loop, its obligations, its lights.
//!
//! `terms` are the rules and the calendar in force, `calendar` loads another. `consumers` turn the events of the other services into facts,
//! `ledger` keeps what follows from a case's facts, `duties` what is owed each period, `firing` announces what is due up to the publishers'
//! watermarks, `reconciler` proves that nothing is missing, `accountability` charges for what was late, `grpc` shows it. The rules are in
//! `dafei-sla-core`.

pub mod accountability;
pub mod calendar;
pub mod config;
pub mod consumers;
pub mod duties;
pub mod facts;
pub mod firing;
pub mod grpc;
pub mod ledger;
pub mod reconciler;
pub mod serve;
pub mod terms;

mod measured;
mod publisher;
mod store;

use sqlx::migrate::Migrator;

/// Name of the service.
pub const SERVICE: &str = "sla-monitor";

/// The tables of the SLA monitor; versions 300 to 399, after messaging's and the roster's.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
