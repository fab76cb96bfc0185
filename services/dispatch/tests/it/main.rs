//! Dispatch on a real PostgreSQL and a real NATS server.

mod access;
mod agency_systems;
mod branches;
mod caller;
mod daily_work;
mod deliveries;
mod delivery;
mod directives;
mod feedback;
mod inbox;
mod lists;
mod outsiders;
mod process;
mod proof;
mod replays;
mod routing;
mod suite;
mod tip_links;
mod tips;
mod turns;
mod walks;
mod watching;
