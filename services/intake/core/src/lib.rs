//! The rules of intake, pure: the village's steps of a suspicion (clauses C2 to C5), likely duplicates, device times, checklists (clause B2), the
//! weeks of patrols (clause C1), notices and leaflets (clauses D5 to D7), public tips and their codes (clause D2), rewards and
//! their claims (clauses D1, D3, D4), photos, and the roster's files and changes (clause B1). No async, no I/O; clock and ids are arguments.

pub mod checklist;
pub mod code;
pub mod coverage;
pub mod device_time;
pub mod duplicates;
pub mod notices;
pub mod photo;
pub mod retention;
pub mod reward;
pub mod roster;
pub mod suspicion;
pub mod tip;
pub mod week;
