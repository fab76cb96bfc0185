//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod enterprise;
mod evidence;
mod inspections;
mod leaflets;
mod notices;
mod patrols;
mod roster;
mod village;
mod world;
