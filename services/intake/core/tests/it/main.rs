//! The rules of intake, without any shell.

mod agreement;
mod checklists;
mod claims;
mod coverage;
mod duplicates;
mod fixture;
mod notices;
mod roster;
mod roster_changes;
mod suspicion_above;
mod suspicion_cases;
mod suspicion_properties;
mod suspicion_rules;
mod tips;
mod week_and_photo;
