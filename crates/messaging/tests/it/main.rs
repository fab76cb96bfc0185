//! Messaging against a real PostgreSQL and a real NATS server.

mod batch;
mod consumer;
mod copies;
mod dead_letters;
mod floor;
mod gaps;
mod late_answers;
mod log;
mod outages;
mod outsiders;
mod padding;
mod parted;
mod published;
mod queue;
mod rebuild;
mod regained;
mod relay;
mod replicas;
mod sessions;
mod silence;
mod streams;
mod support;
mod watermark;
mod wiped;
