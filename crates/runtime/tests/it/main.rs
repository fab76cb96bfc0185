//! The runtime as a process uses it: a real gRPC server on a loopback port, real tokens, real signals of its end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod config;
mod door;
mod keys;
mod lifecycle;
mod overload;
mod support;
mod telemetry;
mod tls;
