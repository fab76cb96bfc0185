//! The service against a real PostgreSQL and a real NATS: events come over the bus as intake and dispatch publish them, the clock is the
//! exercise's, and what is announced is read where it is written, by gRPC and from the stream.
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod accountability;
mod accountability_evaluated;
mod accountability_lists;
mod accountability_opened;
mod announced;
mod calendars;
mod county_start;
mod delivery;
mod duties;
mod duty_offices;
mod duty_roster;
mod duty_rules;
mod duty_shown;
mod events;
mod firing;
mod look_ups;
mod owners;
mod peers;
mod process;
mod reconciled;
mod rules;
mod shown;
mod simulation;
mod turns;
mod villages;
mod watched;
mod world;
