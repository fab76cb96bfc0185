//! The rules of intake, without any shell.

mod duplicates;
mod fixture;
mod roster;
mod suspicion_cases;
mod suspicion_properties;
mod suspicion_rules;
mod week_and_photo;
