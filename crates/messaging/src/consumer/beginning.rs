//! Where a session begins to read.

use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection};

use super::{
    Handler,
    apply::Applier,
    run::{Doubt, SessionError},
    store,
};

/// The position in a stream made at `created` that now ends at `last`. What is read again of the suite's own events does no harm: the marks know
/// what was seen.
pub(super) async fn begin<H: Handler>(
    connection: &mut PgConnection,
    applier: &Applier<H>,
    created: Instant,
    last: u64,
    doubt: Option<Doubt>,
) -> Result<store::Position, SessionError> {
    let stream = &applier.config.stream;
    let mut tx = connection.begin().await?;
    store::ensure_position(&mut tx, &applier.key, stream).await?;
    let position = store::lock_position(&mut tx, &applier.key, stream).await?.ok_or(SessionError::Stale)?;
    let believed = doubt.filter(|doubt| doubt.since.elapsed() >= applier.config.doubt).map(|doubt| doubt.least);
    let from = match where_to_begin(&position, created, last, believed) {
        Beginning::Position => return Ok(position),
        Beginning::Later => return Err(SessionError::Short { last, position: position.last_sequence }),
        Beginning::End(least) => {
            tracing::error!(
                consumer = %applier.key, least, last, position = position.last_sequence,
                "the stream lost its end; reading on behind what was left of it"
            );
            least
        }
        Beginning::Start => {
            if position.last_sequence > 0 {
                tracing::warn!(consumer = %applier.key, "the stream was wiped; reading it from its start");
            }
            0
        }
    };
    store::set_position(&mut tx, &applier.key, stream, created, from).await?;
    tx.commit().await?;
    Ok(store::Position { created: Some(created), last_sequence: from, ..position })
}

/// Where a stream is read from.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// Behind the position.
    Position,
    /// Its start.
    Start,
    /// Where it ended after it had lost its end.
    End(u64),
    /// What is said of the stream is not believed yet.
    Later,
}

/// A stream that was made anew is read from its start. One that ends before the position and is the same is asked again: by one late answer outsiders'
/// messages would be judged anew. When that is `believed` it is read on from the earliest end that was named, for what came since may have got the numbers
/// of what was lost.
fn where_to_begin(position: &store::Position, created: Instant, last: u64, believed: Option<u64>) -> Beginning {
    if position.created != Some(created) {
        Beginning::Start
    } else if position.last_sequence <= last {
        Beginning::Position
    } else {
        believed.map_or(Beginning::Later, |least| Beginning::End(least.min(last)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Beginning, Instant, store::Position, where_to_begin};

    const MADE: Instant = Instant::UNIX_EPOCH;

    fn read(last_sequence: u64) -> Position {
        Position { created: Some(MADE), last_sequence, caught_up_through: None }
    }

    #[test]
    fn a_stream_is_read_on_from_the_position_and_one_that_was_made_anew_from_its_start() {
        assert_eq!(where_to_begin(&read(10), MADE, 10, None), Beginning::Position);
        assert_eq!(where_to_begin(&read(10), MADE, 11, Some(9)), Beginning::Position);
        let anew = MADE + Duration::from_secs(1);
        assert_eq!(where_to_begin(&read(10), anew, 20, None), Beginning::Start);
        assert_eq!(where_to_begin(&Position { created: None, ..read(0) }, MADE, 20, None), Beginning::Start);
    }

    #[test]
    fn a_stream_that_ends_before_the_position_is_read_on_from_its_end_when_that_is_believed() {
        assert_eq!(where_to_begin(&read(10), MADE, 9, None), Beginning::Later);
        assert_eq!(where_to_begin(&read(10), MADE, 9, Some(9)), Beginning::End(9));
        assert_eq!(where_to_begin(&read(10), MADE, 9, Some(7)), Beginning::End(7), "8 and 9 are new");
    }
}
