//! Every error of a shell becomes a [`Fault`] here, once.

use std::time::Duration;

use dafei_contracts::convert::{self, ConvertError};
use dafei_kernel::time::Instant;
use dafei_messaging::batch::{Severity, SubmitError, severity};
use dafei_runtime::status::Fault;
use jiff::SignedDuration;
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::roster::RosterError;

/// How far ahead of the suite's clock a claimed time may be.
const CLAIM_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// When a client may try again after the database was away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A field of the request that is missing or malformed.
#[must_use]
pub fn convert(error: ConvertError) -> Fault {
    Fault::field(error.field, error.reason, error.description, error.description_zh)
}

/// What PostgreSQL answered. `UNAVAILABLE` with a hint when to retry: it is away, no connection to it came free in time, a statement took too
/// long or waited too long for a lock, or two transactions were in each other's way; nothing was done then. Anything else is a fault of ours.
#[must_use]
pub fn database(error: sqlx::Error) -> Fault {
    match severity(&error) {
        Severity::Data => Fault::internal(error),
        Severity::TooLong | Severity::Locked | Severity::Conflict | Severity::Unavailable => {
            tracing::warn!(%error, "the database cannot do it now");
            Fault::Unavailable { retry_after: RETRY_AFTER }
        }
    }
}

/// Why the roster cannot be read.
#[must_use]
pub fn roster(error: RosterError) -> Fault {
    match error {
        RosterError::Sql(error) => database(error),
        error => Fault::internal(error),
    }
}

/// Whether the error means that PostgreSQL cannot be reached (or is going down or starting), not that a statement is wrong.
#[must_use]
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Class 57P: operator intervention (shutdown, starting up); 08: connection; 53: out of connections.
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code.starts_with("53")),
        _ => false,
    }
}

/// What became of a command that was put in the queue.
#[must_use]
pub fn submit<E: Into<Fault> + std::fmt::Debug>(error: SubmitError<E>) -> Fault {
    match error {
        SubmitError::Overloaded { retry_after } => Fault::ResourceExhausted { retry_after },
        SubmitError::Unavailable { retry_after, reason } => {
            tracing::warn!(%reason, "the database is away");
            Fault::Unavailable { retry_after }
        }
        SubmitError::Closed => Fault::Unavailable { retry_after: RETRY_AFTER },
        error @ SubmitError::Broken(_) => Fault::internal(error.to_string()),
        SubmitError::Data(error) => Fault::internal(error.to_string()),
        SubmitError::Rejected(error) => error.into(),
    }
}

/// The request id of a write (AIP-155).
///
/// # Errors
/// `REQUIRED` or `INVALID` on `request_id`.
pub fn request_id(text: &str) -> Result<Uuid, Fault> {
    convert::uuid("request_id", text).map_err(self::convert)
}

/// SHA-256 of a request, by which a replay with another payload is found.
#[must_use]
pub fn payload_hash(request: &impl Message) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}

/// A claimed time may be at most five minutes ahead.
///
/// # Errors
/// `TIME_IN_FUTURE` on the field.
pub fn check_claimed(field: &str, claimed: Instant, now: Instant) -> Result<(), Fault> {
    if claimed > now.checked_add(CLAIM_TOLERANCE).unwrap_or(Instant::MAX) {
        return Err(Fault::field(
            field,
            "TIME_IN_FUTURE",
            "is more than 5 minutes ahead",
            "时间晚于当前时间五分钟以上",
        ));
    }
    Ok(())
}
