//! Rewards for tips: what is published (clause D1), what may be announced (clause D3), and who is paid (clause D4).

pub mod claim;
pub mod publication;
pub mod standard;
