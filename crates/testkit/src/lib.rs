//! What integration tests stand on: a PostgreSQL database and a NATS server of their own, and waiting on conditions instead of
//! sleeping. A dev-dependency only.

mod db;
mod nats;
mod network;
mod port;
mod wait;

pub use db::TestDb;
pub use nats::{TestCluster, TestNats, TestNatsOptions};
pub use network::TestWay;
pub use port::ReservedPort;
pub use wait::eventually;

/// The value of an environment variable that `./dev test` sets.
///
/// # Panics
/// With one sentence that says what to run, when it is not set.
#[must_use]
pub fn required_env(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run these tests with `./dev test`, which starts the servers they need"),
    }
}
