//! Tests that share one running suite, each in a county of its own. None of them moves the clock.

mod api;
mod flows;
mod grid;
mod integration;
mod photos;
mod tracing;
