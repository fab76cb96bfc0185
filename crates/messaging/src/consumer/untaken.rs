//! What a stream holds that has not taken effect, whichever replica takes it.

use std::time::Duration;

use async_nats::jetstream::Context;
use dafei_kernel::time::Instant;
use sqlx::PgPool;

use super::store::{self, Position};
use crate::{
    relay,
    silence::{self, Loan},
};

/// Why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum UntakenError {
    /// The database.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The server or the way to it.
    #[error("NATS: {0}")]
    Nats(String),
}

/// How many messages that were in `stream` at the call have not taken effect by its end; `consumer` is the key of who takes them
/// ([`super::key`]). The stream is asked first: what comes between the two questions may count as taken, and never the other way round. The
/// database's answer is waited for `within` that time.
///
/// # Errors
/// When either server does not answer, or there is no such stream.
pub async fn untaken(
    js: &Context,
    pool: &PgPool,
    within: Duration,
    consumer: &str,
    stream: &str,
) -> Result<u64, UntakenError> {
    let found = js.get_stream(stream).await.map_err(|error| UntakenError::Nats(error.to_string()))?;
    let created = relay::created(&found).map_err(UntakenError::Nats)?;
    let last = found.cached_info().state.last_sequence;
    let mut connection = Loan::of(pool).await?;
    let position = silence::answer(within, store::position(&mut connection, consumer, stream)).await?;
    connection.give_back();
    Ok(behind(created, last, position.as_ref()))
}

/// How far `position` is behind a stream made at `created` that ends at `last`.
fn behind(created: Instant, last: u64, position: Option<&Position>) -> u64 {
    let Some((known, sequence)) = position.and_then(|position| Some((position.created?, position.last_sequence)))
    else {
        return last;
    };
    // Of a stream that was made anew nothing has been taken, and the consumer has yet to notice.
    if known == created { last.saturating_sub(sequence) } else { last.max(1) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Instant, Position, behind};

    const MADE: Instant = Instant::UNIX_EPOCH;

    fn read(last_sequence: u64) -> Position {
        Position { created: Some(MADE), last_sequence, caught_up_through: None }
    }

    #[test]
    fn what_came_after_the_position_is_not_taken() {
        assert_eq!(behind(MADE, 12, Some(&read(10))), 2);
        assert_eq!(behind(MADE, 10, Some(&read(10))), 0);
        assert_eq!(behind(MADE, 10, Some(&read(11))), 0, "it came and was taken since the stream was asked");
    }

    #[test]
    fn of_a_stream_that_nobody_has_begun_with_nothing_is_taken() {
        assert_eq!(behind(MADE, 3, None), 3);
        assert_eq!(behind(MADE, 3, Some(&Position { created: None, ..read(0) })), 3);
        assert_eq!(behind(MADE, 0, None), 0);
    }

    #[test]
    fn a_position_in_the_stream_before_this_one_says_nothing() {
        let anew = MADE + Duration::from_secs(1);
        assert_eq!(behind(anew, 7, Some(&read(10))), 7);
        assert_eq!(behind(anew, 0, Some(&read(10))), 1, "not taken until the consumer has noticed");
    }
}
