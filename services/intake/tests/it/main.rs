//! Intake on a real PostgreSQL and a real NATS server, driven by gRPC with tokens.

mod bad_input;
mod bucket;
mod checklists;
mod duplicates;
mod enterprise;
mod evidence;
mod images;
mod inspections;
mod leaflets;
mod merging;
mod notices;
mod originals;
mod patrol_lists;
mod patrol_months;
mod patrols;
mod photo_store;
mod public_copies;
mod roster;
mod roster_changes;
mod suspicion_lists;
mod uploads;
mod village;
mod village_steps;
mod world;
