//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod enterprise;
mod evidence;
mod images;
mod patrols;
mod roster;
mod tip_desk;
mod tip_traces;
mod tips;
mod village;
mod world;
