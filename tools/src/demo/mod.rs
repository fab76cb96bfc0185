//! The demo: the loop in all its branches on the running suite, told in Chinese, checked as it goes.
//!
//! It is also the shortest complete example of a client: gRPC for people's steps, NATS alone for the agency's system.

mod story;
mod tip;

use anyhow::Context as _;

use crate::client::Suite;

/// Plays the demo and prints what happened.
///
/// # Errors
/// When the suite does not answer as it should: the demo is a check, too.
pub async fn run(suite: &Suite) -> anyhow::Result<()> {
    story::play(suite).await.context("演示未能完成")
}
