//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod bucket;
mod enterprise;
mod evidence;
mod images;
mod inspections;
mod leaflets;
mod notices;
mod originals;
mod patrols;
mod photo_store;
mod public_copies;
mod roster;
mod village;
mod world;
