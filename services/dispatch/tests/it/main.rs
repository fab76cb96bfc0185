//! Dispatch on a real PostgreSQL and a real NATS server.

mod access;
mod agency_systems;
mod branches;
mod caller;
mod daily_work;
mod delivery;
mod directives;
mod feedback;
mod lists;
mod process;
mod replays;
mod suite;
mod tip_links;
mod tips;
mod turns;
