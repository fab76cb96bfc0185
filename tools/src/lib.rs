//! What the command-line tool does, a module for each subcommand; `client` is how all of them reach the services.

use tonic::Status;
use tonic_types::StatusExt as _;

pub mod accounts;
pub mod actors;
pub mod agency;
pub mod agency_system;
pub mod asyncapi;
pub mod bench;
pub mod check_deadline;
pub mod check_restore;
pub mod client;
mod databases;
pub mod demo;
pub mod duration;
pub mod exercise;
pub mod faults;
pub mod health;
pub mod keys;
pub mod layering;
pub mod public;
pub mod refill;
pub mod roster;

/// A service's refusal as a sentence: what it tells clerks, its reason, and the fields at fault.
#[must_use]
pub fn refusal(status: Status) -> anyhow::Error {
    let details = status.get_error_details();
    let sentence = details.localized_message().map_or_else(|| status.message().to_owned(), |text| text.message.clone());
    let reason = details.error_info().map(|info| format!(" [{}]", info.reason)).unwrap_or_default();
    let fields: Vec<String> = details
        .bad_request()
        .into_iter()
        .flat_map(|bad| &bad.field_violations)
        .map(|violation| format!("\n  {}: {}", violation.field, violation.description))
        .collect();
    anyhow::anyhow!("{:?}: {sentence}{reason}{}", status.code(), fields.concat())
}
