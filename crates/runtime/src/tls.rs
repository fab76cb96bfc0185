//! Which cryptography TLS uses.

use tokio_rustls::rustls::crypto::ring;

/// Makes ring the process's cryptography for TLS, for clients that take what the process has. Twice is once.
pub fn use_ring() {
    // An error means that it was chosen before.
    let _ = ring::default_provider().install_default();
}
