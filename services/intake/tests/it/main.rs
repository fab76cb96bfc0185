//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod checklists;
mod enterprise;
mod evidence;
mod patrol_lists;
mod patrol_months;
mod patrols;
mod roster;
mod uploads;
mod village;
mod world;
