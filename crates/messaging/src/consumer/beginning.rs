//! Where a session begins to read.

use std::time::Duration;

use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection};

use super::{Handler, apply::Applier, run::SessionError, store};

/// For how long a stream may say that it ends before the position until it is believed: a server that was the stream's leader and has not
/// heard yet that it no longer is says so for some seconds.
const BACKWARDS: Duration = Duration::from_secs(60);

/// The position in a stream made at `created` that now ends at `last`. One that is read from its start again does no harm: the marks know what
/// was seen.
pub(super) async fn begin<H: Handler>(
    connection: &mut PgConnection,
    applier: &Applier<H>,
    created: Instant,
    last: u64,
    backwards_for: Option<Duration>,
) -> Result<store::Position, SessionError> {
    let stream = &applier.config.stream;
    let mut tx = connection.begin().await?;
    store::ensure_position(&mut tx, &applier.key, stream).await?;
    let position = store::lock_position(&mut tx, &applier.key, stream).await?.ok_or(SessionError::Stale)?;
    match where_to_begin(&position, created, last, backwards_for) {
        Beginning::Position => return Ok(position),
        Beginning::Later => {
            return Err(SessionError::Backwards { last, position: position.last_sequence });
        }
        Beginning::Start if position.created == Some(created) => tracing::error!(
            consumer = %applier.key, last, position = position.last_sequence,
            "the stream lost its end, as by a restore of an older copy; reading it from its start"
        ),
        Beginning::Start if position.last_sequence > 0 => {
            tracing::warn!(consumer = %applier.key, "the stream was wiped; reading it from its start");
        }
        Beginning::Start => {}
    }
    store::set_position(&mut tx, &applier.key, stream, created, 0).await?;
    tx.commit().await?;
    Ok(store::Position { created: Some(created), last_sequence: 0, ..position })
}

/// Where a stream is read from.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// Behind the position.
    Position,
    /// Its start.
    Start,
    /// What is said of the stream is not believed yet.
    Later,
}

/// A stream that was made anew is read from its start. One that ends before the position and is the same is asked again: one late answer must
/// not have months of messages judged anew. When it has said so for long it is believed, and read from its start as well: a stream that was
/// restored from an older copy keeps the instant at which it was made, and what comes to it gets the numbers of what it lost. Waiting
/// on would pass over that.
fn where_to_begin(
    position: &store::Position,
    created: Instant,
    last: u64,
    backwards_for: Option<Duration>,
) -> Beginning {
    if position.created != Some(created) {
        Beginning::Start
    } else if position.last_sequence <= last {
        Beginning::Position
    } else if backwards_for.is_some_and(|time| time >= BACKWARDS) {
        Beginning::Start
    } else {
        Beginning::Later
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BACKWARDS, Beginning, Instant, store::Position, where_to_begin};

    const MADE: Instant = Instant::UNIX_EPOCH;

    fn read(last_sequence: u64) -> Position {
        Position { created: Some(MADE), last_sequence, caught_up_through: None }
    }

    #[test]
    fn a_stream_is_read_on_from_the_position_and_one_that_was_made_anew_from_its_start() {
        assert_eq!(where_to_begin(&read(10), MADE, 10, None), Beginning::Position);
        assert_eq!(where_to_begin(&read(10), MADE, 11, None), Beginning::Position);
        let anew = MADE + Duration::from_secs(1);
        assert_eq!(where_to_begin(&read(10), anew, 20, None), Beginning::Start);
        assert_eq!(where_to_begin(&Position { created: None, ..read(0) }, MADE, 20, None), Beginning::Start);
    }

    #[test]
    fn one_late_answer_of_the_same_stream_has_nothing_read_again() {
        assert_eq!(where_to_begin(&read(10), MADE, 9, None), Beginning::Later);
        let not_long = BACKWARDS - Duration::from_secs(1);
        assert_eq!(where_to_begin(&read(10), MADE, 9, Some(not_long)), Beginning::Later);
        assert_eq!(where_to_begin(&read(10), MADE, 10, Some(not_long)), Beginning::Position);
    }

    #[test]
    fn a_stream_that_has_long_ended_before_the_position_is_read_from_its_start() {
        assert_eq!(where_to_begin(&read(10), MADE, 9, Some(BACKWARDS)), Beginning::Start);
    }
}
