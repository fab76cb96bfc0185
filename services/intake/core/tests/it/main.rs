//! The rules of intake, without any shell.

mod fixture;
mod roster;
mod suspicion_properties;
mod suspicion_rules;
mod tips;
mod week_and_photo;
