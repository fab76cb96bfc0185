//! The rules of intake, pure: the village's steps of a suspicion (clauses C2 to C5), device times, the weeks of patrols (clause C1), the
//! kinds of photos, rewards and their claims (clauses D1, D3, D4), and the roster's files (clause B1). No async, no I/O; clock and ids are
//! arguments.

pub mod code;
pub mod device_time;
pub mod photo;
pub mod reward;
pub mod roster;
pub mod suspicion;
pub mod week;
