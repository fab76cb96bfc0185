//! Dispatch on a real PostgreSQL and a real NATS server.

mod access;
mod agency_systems;
mod branches;
mod caller;
mod delivery;
mod feedback;
mod lists;
mod process;
mod replays;
mod routing;
mod suite;
mod tip_links;
mod tips;
