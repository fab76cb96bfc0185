//! A port for a server that is started later, or again.

use tokio::net::TcpSocket;

/// A port of this machine that is given to nobody who asks for any, as long as this value lives. A server that binds with `SO_REUSEADDR`, as
/// those of Go and tokio do, may listen on it, end, and listen on it again.
#[derive(Debug)]
pub struct ReservedPort(TcpSocket);

impl ReservedPort {
    /// A port that is free now.
    ///
    /// # Panics
    /// When none is to be had.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        // It never listens: that is the server's to do.
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        Self(socket)
    }

    /// Its number.
    ///
    /// # Panics
    /// When the system does not tell it.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }
}
