//! Where a session begins to read.

use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection};

use super::{Handler, apply::Applier, run::SessionError, store};

/// The position in a stream made at `created` that now ends at `last`. What is read again does no harm: the marks know what was seen.
pub(super) async fn begin<H: Handler>(
    connection: &mut PgConnection,
    applier: &Applier<H>,
    created: Instant,
    last: u64,
) -> Result<store::Position, SessionError> {
    let stream = &applier.config.stream;
    let mut tx = connection.begin().await?;
    store::ensure_position(&mut tx, &applier.key, stream).await?;
    let position = store::lock_position(&mut tx, &applier.key, stream).await?.ok_or(SessionError::Stale)?;
    let from = where_to_begin(&position, created, last);
    if position.created == Some(created) && position.last_sequence == from {
        return Ok(position);
    }
    if position.created == Some(created) {
        tracing::warn!(
            consumer = %applier.key, last, position = position.last_sequence,
            "the stream lost its end, or a server has yet to hear of it; reading on from what it says it has"
        );
    } else if position.last_sequence > 0 {
        tracing::warn!(consumer = %applier.key, "the stream was wiped; reading it from its start");
    }
    store::set_position(&mut tx, &applier.key, stream, created, from).await?;
    tx.commit().await?;
    Ok(store::Position { created: Some(created), last_sequence: from, ..position })
}

/// Behind which message a stream is read: behind the position, and one that was made anew from its start. One that is the same and ends before the
/// position lost its end, as when it was restored from an older copy: it is read on from where it ends, for what comes may get the numbers of
/// what was lost. Where a server only has not heard yet of all that the stream has, some messages are judged again.
fn where_to_begin(position: &store::Position, created: Instant, last: u64) -> u64 {
    if position.created == Some(created) { position.last_sequence.min(last) } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Instant, store::Position, where_to_begin};

    const MADE: Instant = Instant::UNIX_EPOCH;

    fn read(last_sequence: u64) -> Position {
        Position { created: Some(MADE), last_sequence, caught_up_through: None }
    }

    #[test]
    fn a_stream_is_read_on_from_the_position_and_one_that_was_made_anew_from_its_start() {
        assert_eq!(where_to_begin(&read(10), MADE, 10), 10);
        assert_eq!(where_to_begin(&read(10), MADE, 11), 10);
        let anew = MADE + Duration::from_secs(1);
        assert_eq!(where_to_begin(&read(10), anew, 20), 0);
        assert_eq!(where_to_begin(&Position { created: None, ..read(0) }, MADE, 20), 0);
    }

    #[test]
    fn a_stream_that_ends_before_the_position_is_read_on_from_its_end() {
        assert_eq!(where_to_begin(&read(10), MADE, 9), 9);
        assert_eq!(where_to_begin(&read(10), MADE, 0), 0);
    }
}
