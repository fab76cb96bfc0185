//! The rules of intake, pure: the village's steps of a suspicion (clauses C2 to C5), likely duplicates, device times, checklists (clause B2), the weeks of patrols (clause C1), the
//! kinds of photos, and the roster's files (clause B1). No async, no I/O; clock and ids are arguments.

pub mod checklist;
pub mod claimed;
pub mod code;
pub mod coverage;
pub mod device_time;
pub mod duplicates;
pub mod inspection;
pub mod notices;
pub mod photo;
pub mod retention;
pub mod roster;
pub mod suspicion;
pub mod tip;
pub mod week;
