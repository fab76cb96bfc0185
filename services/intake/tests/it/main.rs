//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod claims;
mod counter;
mod enterprise;
mod evidence;
mod patrols;
mod reward_locks;
mod rewards;
mod roster;
mod village;
mod world;
