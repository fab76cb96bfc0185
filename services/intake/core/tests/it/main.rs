//! The rules of intake, without any shell.

mod fixture;
mod roster;
mod roster_changes;
mod suspicion_properties;
mod suspicion_rules;
mod week_and_photo;
