//! The bus of the suite, without knowing any particular event: the event log and outbox of a service's database, the relay that
//! publishes them in atomic fenced batches, the consumer loop that gives their effects exactly once, dead letters, refilling a wiped
//! NATS, rebuilding a projection, and the group commit by which commands come in.
//!
//! PostgreSQL is the record; NATS carries it and can be filled from it again.

pub mod backoff;
pub mod batch;
pub mod consumer;
pub mod crash;
pub mod dead_letters;
pub mod event;
pub mod exercise;
pub mod log;
pub mod migrate;
mod pace;
pub mod pg;
pub mod rebuild;
pub mod refill;
pub mod relay;
pub mod requests;
pub mod sessions;
pub mod silence;
pub mod streams;
pub mod tx;

mod headers;
mod lock;
mod publish;

pub use migrate::{MIGRATOR, ensure_partitions, migrate};
