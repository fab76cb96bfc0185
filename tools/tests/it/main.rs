//! The tool against what it works on: this workspace, a NATS server, and services that answer as the real ones do.

mod agency;
mod check_deadline;
mod check_restore;
mod documents;
mod exercise;
mod fake_roster;
mod fakes;
mod refill;
mod tls;
mod tokens;
