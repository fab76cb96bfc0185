//! Tests that move the clock or end processes of the suite: run one after the other on a suite of their own.

mod clocks;
mod faults;
mod filing;
mod public;
mod reconciler;
mod traces;
