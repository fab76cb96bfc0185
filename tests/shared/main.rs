//! Tests that share one running suite, each in a county of its own. None of them moves the clock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod flows;
mod integration;
