//! The rules of intake, pure: the village's steps of a suspicion (clauses C2 to C5), device times, checklists (clause B2), the weeks of patrols
//! (clause C1) and how long they are kept, the kinds of photos, and the roster's files (clause B1). No async, no I/O; clock and ids are arguments.

pub mod checklist;
pub mod device_time;
pub mod photo;
pub mod retention;
pub mod roster;
pub mod suspicion;
pub mod week;
