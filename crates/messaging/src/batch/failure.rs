//! What a database error means for what was being done: is it these data, is the database away, is the outcome unknown?

use crate::log::AppendError;

/// A batch that was not written, or of which that is not known.
#[derive(Debug, thiserror::Error)]
pub enum BatchFailure {
    /// The database refuses these data: the commands are tried singly, so that only the one at fault falls out.
    #[error("the database refuses the data: {0}")]
    Data(#[source] sqlx::Error),
    /// A statement took longer than it may, or waited too long for a lock, and nothing was written: one of the commands may ask too much, or for
    /// what another holds, so they are tried singly.
    #[error("a statement took too long: {0}")]
    TooLong(#[source] sqlx::Error),
    /// The database is not to be had; nothing was written.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The outcome is unknown (a lost COMMIT), or the database asks for another try (deadlock): the batch is run again.
    #[error("the outcome of the transaction is unknown: {0}")]
    Unknown(#[source] sqlx::Error),
}

impl BatchFailure {
    /// Classifies an error of the COMMIT itself.
    #[must_use]
    pub fn at_commit(error: sqlx::Error) -> Self {
        match severity(&error) {
            Severity::Data => Self::Data(error),
            Severity::TooLong | Severity::Locked | Severity::Conflict | Severity::Unavailable => Self::Unknown(error),
        }
    }
}

/// Classifies an error before the COMMIT, so that `?` does the right thing there.
impl From<sqlx::Error> for BatchFailure {
    fn from(error: sqlx::Error) -> Self {
        match severity(&error) {
            Severity::Data => Self::Data(error),
            Severity::TooLong | Severity::Locked => Self::TooLong(error),
            Severity::Conflict => Self::Unknown(error),
            Severity::Unavailable => Self::Unavailable(error),
        }
    }
}

impl From<AppendError> for BatchFailure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Sql(error) => error.into(),
            AppendError::TooLarge { .. } | AppendError::Unpublishable { .. } => {
                Self::Data(sqlx::Error::Encode(Box::new(error)))
            }
        }
    }
}

/// What kind of error PostgreSQL or the way to it reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The data or the statement: the same again fails again.
    Data,
    /// The statement was ended because it took too long: the server has too much to do, or these data are too much.
    TooLong,
    /// A lock was not to be had in time: whoever holds it, a migration for example, lets it go some day, and these data are not at fault.
    Locked,
    /// Serialization failure, deadlock: the same again may succeed.
    Conflict,
    /// The connection, the pool, the server's resources or its shutdown: later it will succeed.
    Unavailable,
}

/// Classifies an sqlx error.
#[must_use]
pub fn severity(error: &sqlx::Error) -> Severity {
    match error {
        sqlx::Error::Database(database) => of_code(database.code().as_deref().unwrap_or_default()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Severity::Unavailable,
        _ => Severity::Data,
    }
}

/// By SQLSTATE class: 08 connection, 53 resources, 57 operator intervention, of it 57014 `statement_timeout`, 58 system error, 25006 a standby;
/// 40 and 55 conflicts, of them 55P03 `lock_timeout`.
fn of_code(code: &str) -> Severity {
    match code.get(..2).unwrap_or_default() {
        _ if code == "57014" => Severity::TooLong,
        _ if code == "55P03" => Severity::Locked,
        "08" | "53" | "57" | "58" => Severity::Unavailable,
        "40" | "55" => Severity::Conflict,
        _ if code == "25006" => Severity::Unavailable,
        _ => Severity::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchFailure, Severity, of_code};

    #[test]
    fn sqlstates_tell_bad_data_from_an_absent_database() {
        assert_eq!(of_code("23505"), Severity::Data);
        assert_eq!(of_code("22P02"), Severity::Data);
        assert_eq!(of_code("40P01"), Severity::Conflict);
        assert_eq!(of_code("57P01"), Severity::Unavailable);
        assert_eq!(of_code("57014"), Severity::TooLong);
        assert_eq!(of_code("55P03"), Severity::Locked);
        assert_eq!(of_code("55006"), Severity::Conflict);
        assert_eq!(of_code("53300"), Severity::Unavailable);
        assert_eq!(of_code(""), Severity::Data);
    }

    #[test]
    fn a_connection_lost_at_commit_leaves_the_outcome_unknown() {
        let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(BatchFailure::from(lost()), BatchFailure::Unavailable(_)));
        assert!(matches!(BatchFailure::at_commit(lost()), BatchFailure::Unknown(_)));
    }
}
