//! One small enum for everything that can go wrong in a call, and one match that turns it into `google.rpc.Status`:
//! a stable reason for programs (ErrorInfo), the field or precondition at fault, when to come back (RetryInfo), and a
//! sentence in Chinese that a clerk understands (LocalizedMessage zh-CN).
//!
//! Services map their own errors to a [`Fault`] where the use case ends; nothing else in the suite makes a `Status`.

mod details;

use std::{borrow::Cow, time::Duration};

use crate::BoxError;
use details::summary;

pub(crate) use details::chain;
pub use details::{ERROR_DOMAIN, LOCALE};

/// A fixed or a made text.
pub type Text = Cow<'static, str>;

/// When to come back after a failure of PostgreSQL or NATS that ends by itself.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// One thing wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request, dots between: `village.code`.
    pub field: String,
    /// Stable reason, upper snake case: `UNKNOWN_REGION`.
    pub reason: Text,
    /// What is wrong, English.
    pub description: Text,
    /// What is wrong, for a clerk.
    pub description_zh: Text,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request itself is wrong, whatever the state: `INVALID_ARGUMENT`.
    #[error("invalid argument: {}", summary(violations))]
    InvalidArgument {
        /// What is wrong, field by field; not empty.
        violations: Vec<Violation>,
    },
    /// What the request names is not there, or not for this caller's eyes: `NOT_FOUND`.
    #[error("{resource} not found")]
    NotFound {
        /// Kind of the thing: `case`.
        resource: Text,
        /// The id that was asked for.
        id: String,
        /// For a clerk.
        description_zh: Text,
    },
    /// The caller may not do this: `PERMISSION_DENIED`.
    #[error("permission denied: {reason}")]
    PermissionDenied {
        /// Stable reason: `OUT_OF_SCOPE`.
        reason: Text,
        /// For a clerk.
        description_zh: Text,
    },
    /// The state does not allow it: `FAILED_PRECONDITION`.
    #[error("failed precondition: {description}")]
    FailedPrecondition {
        /// Stable reason: `CASE_CLOSED`.
        reason: Text,
        /// What is in the wrong state: `case/0192…`.
        subject: String,
        /// What was expected, English.
        description: Text,
        /// For a clerk.
        description_zh: Text,
    },
    /// Another change came between: `ABORTED`. Read again, decide again.
    #[error("aborted: {reason}")]
    Aborted {
        /// Stable reason: `VERSION_CONFLICT`.
        reason: Text,
    },
    /// It has another version than the caller has seen: `ABORTED` with `VERSION_CONFLICT` and the current version in the metadata.
    #[error("aborted: the current version is {current}")]
    OtherVersion {
        /// Its version now.
        current: i64,
    },
    /// It is there already, and different: `ALREADY_EXISTS`.
    #[error("already exists: {reason}")]
    AlreadyExists {
        /// Stable reason: `REQUEST_ID_REUSED`.
        reason: Text,
        /// For a clerk.
        description_zh: Text,
    },
    /// The queue is full or the caller too quick: `RESOURCE_EXHAUSTED`.
    #[error("resource exhausted")]
    ResourceExhausted {
        /// When to come back.
        retry_after: Duration,
    },
    /// PostgreSQL or NATS is away, nothing was done: `UNAVAILABLE`.
    #[error("unavailable")]
    Unavailable {
        /// When to come back.
        retry_after: Duration,
    },
    /// Nobody knows who calls: `UNAUTHENTICATED`.
    #[error("unauthenticated: {reason}")]
    Unauthenticated {
        /// Stable reason: `TOKEN_EXPIRED`.
        reason: Text,
        /// For a clerk.
        description_zh: Text,
    },
    /// A fault of the program: `INTERNAL`. Logged when it is turned into a status, and not told to the caller.
    #[error("internal error: {0}")]
    Internal(#[source] BoxError),
}

impl Fault {
    /// One field is wrong.
    pub fn field(
        field: impl Into<String>,
        reason: impl Into<Text>,
        description: impl Into<Text>,
        description_zh: impl Into<Text>,
    ) -> Self {
        Self::InvalidArgument { violations: vec![Violation::new(field, reason, description, description_zh)] }
    }

    /// Something named by the request is not there.
    pub fn not_found(resource: impl Into<Text>, id: impl Into<String>, description_zh: impl Into<Text>) -> Self {
        Self::NotFound { resource: resource.into(), id: id.into(), description_zh: description_zh.into() }
    }

    /// The caller may not.
    pub fn denied(reason: impl Into<Text>, description_zh: impl Into<Text>) -> Self {
        Self::PermissionDenied { reason: reason.into(), description_zh: description_zh.into() }
    }

    /// The state does not allow it.
    pub fn precondition(
        reason: impl Into<Text>,
        subject: impl Into<String>,
        description: impl Into<Text>,
        description_zh: impl Into<Text>,
    ) -> Self {
        Self::FailedPrecondition {
            reason: reason.into(),
            subject: subject.into(),
            description: description.into(),
            description_zh: description_zh.into(),
        }
    }

    /// What the call needs is away; the caller is asked to come back in a second.
    pub fn unavailable() -> Self {
        Self::Unavailable { retry_after: DEFAULT_RETRY }
    }

    /// A fault of the program.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::Internal(source.into())
    }

    /// The same fault with a prefix before every field: a part of a request was checked by itself.
    pub fn under(mut self, prefix: &str) -> Self {
        if let Self::InvalidArgument { violations } = &mut self {
            for violation in violations {
                violation.field = format!("{prefix}.{}", violation.field);
            }
        }
        self
    }
}

impl Violation {
    /// One thing wrong with one field.
    pub fn new(
        field: impl Into<String>,
        reason: impl Into<Text>,
        description: impl Into<Text>,
        description_zh: impl Into<Text>,
    ) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
            description: description.into(),
            description_zh: description_zh.into(),
        }
    }
}
