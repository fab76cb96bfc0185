//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod bucket;
mod enterprise;
mod evidence;
mod images;
mod originals;
mod patrols;
mod photo_store;
mod public_copies;
mod roster;
mod tip_desk;
mod tip_traces;
mod tips;
mod village;
mod world;
