//! Public tips (群众举报, clause D2): whom a tip goes to, its receipt's number, how long it waits, when two are of one matter, and its states.

mod delay;
mod likeness;
mod receipt;
mod recipient;
mod state;

pub use delay::Delay;
pub use likeness::{Likeness, WINDOW_DAYS, likeness};
pub use receipt::{Receipt, ReceiptError};
pub use recipient::{Accused, Recipient, forwarded, recipient};
pub use state::{Body, Facts, Link, Progress, Rejection, State, Tip, Verdict};
