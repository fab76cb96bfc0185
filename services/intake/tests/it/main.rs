//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod duplicates;
mod enterprise;
mod evidence;
mod merging;
mod patrols;
mod roster;
mod suspicion_lists;
mod village;
mod village_steps;
mod world;
