//! The rules of intake, without any shell.

mod claims;
mod fixture;
mod roster;
mod suspicion_properties;
mod suspicion_rules;
mod week_and_photo;
