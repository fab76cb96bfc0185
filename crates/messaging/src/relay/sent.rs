//! What the last messages of a stream are: kept as they are settled, so that a stream that lost its end can be given it back.

use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection};

use crate::pg::PgInstant;

/// Of how many messages it is kept. What a server loses of what it acknowledged is what it was about to write when its disk failed, or what a
/// copy of the stream lacks that was not known to be behind: far less.
pub(super) const KEPT: u64 = 100_000;

/// Messages of a stream that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The number before the first.
    pub(super) after: u64,
    /// The number of the last.
    pub(super) through: u64,
    /// The position in the log of each, 0 for one that is no event; empty when none is.
    pub(super) positions: Vec<i64>,
}

/// The positions of the events behind `last` in a stream that was filled up to `filled`, in their order. None when not all of these messages are
/// known.
pub(super) fn lost(sent: &[Sent], last: u64, filled: u64) -> Option<Vec<i64>> {
    let mut positions = Vec::new();
    let mut known = last;
    for sent in sent {
        if sent.after > known || sent.through <= known {
            return None;
        }
        let there = usize::try_from(known - sent.after).ok()?;
        positions.extend(sent.positions.iter().skip(there).filter(|position| **position > 0));
        known = sent.through;
    }
    (known == filled).then_some(positions)
}

/// What is kept of the messages behind `last`, in their order.
pub(super) async fn behind(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    last: u64,
) -> sqlx::Result<Vec<Sent>> {
    let rows = sqlx::query!(
        "SELECT after, through, positions FROM relay_sent WHERE stream = $1 AND stream_created = $2 AND through > $3 ORDER BY after",
        stream,
        PgInstant(created) as PgInstant,
        last.cast_signed()
    )
    .fetch_all(connection)
    .await?;
    let sent = rows.into_iter().map(|row| Sent {
        after: row.after.cast_unsigned(),
        through: row.through.cast_unsigned(),
        positions: row.positions,
    });
    Ok(sent.collect())
}

/// A stream that was filled up to `filled` ends at `last`, and what it lost is to be published again.
#[derive(Debug)]
pub(super) struct Loss<'a> {
    pub(super) stream: &'a str,
    pub(super) created: Instant,
    pub(super) last: u64,
    pub(super) filled: u64,
    /// The number that the stream must reach before anything is published.
    pub(super) pad_to: u64,
    /// What it lost.
    pub(super) positions: &'a [i64],
}

/// Puts what was lost back into the outbox and the fence to the end of the stream, all or nothing. False when the log does not have it all, or
/// another one has been here.
pub(super) async fn put_back(connection: &mut PgConnection, loss: &Loss<'_>) -> sqlx::Result<bool> {
    let mut tx = connection.begin().await?;
    let moved = sqlx::query!(
        "UPDATE relay_state SET last_sequence = $4, pad_to = GREATEST(pad_to, $5)
         WHERE stream = $1 AND stream_created = $2 AND last_sequence = $3 AND NOT refilling",
        loss.stream,
        PgInstant(loss.created) as PgInstant,
        loss.filled.cast_signed(),
        loss.last.cast_signed(),
        loss.pad_to.cast_signed()
    )
    .execute(&mut *tx)
    .await?;
    let boxed = sqlx::query!(
        "INSERT INTO outbox (stream, position, recorded_at)
         SELECT stream, position, recorded_at FROM event_log WHERE stream = $1 AND position = ANY($2)",
        loss.stream,
        loss.positions
    )
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 || boxed.rows_affected() != loss.positions.len() as u64 {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE relay_sent SET through = $3, positions = positions[1:$3 - after]
         WHERE stream = $1 AND stream_created = $2 AND after < $3 AND through > $3",
        loss.stream,
        PgInstant(loss.created) as PgInstant,
        loss.last.cast_signed()
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM relay_sent WHERE stream = $1 AND stream_created = $2 AND after >= $3",
        loss.stream,
        PgInstant(loss.created) as PgInstant,
        loss.last.cast_signed()
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// Forgets what is kept of the messages before the last [`KEPT`] of a stream that ends at `last`, and of a stream of this name that was made
/// earlier.
pub(super) async fn forget(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    last: u64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM relay_sent WHERE stream = $1 AND (stream_created, after) < ($2, $3)",
        stream,
        PgInstant(created) as PgInstant,
        last.saturating_sub(KEPT).cast_signed()
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Sent, lost};

    fn sent(after: u64, through: u64, positions: &[i64]) -> Sent {
        Sent { after, through, positions: positions.to_vec() }
    }

    /// Two events, a watermark, a message that is no event between two.
    fn three() -> [Sent; 3] {
        [sent(0, 2, &[11, 12]), sent(2, 3, &[]), sent(3, 6, &[13, 0, 15])]
    }

    #[test]
    fn what_is_lost_is_all_that_stands_behind_the_end() {
        assert_eq!(lost(&three(), 0, 6), Some(vec![11, 12, 13, 15]));
        assert_eq!(lost(&three()[1..], 2, 6), Some(vec![13, 15]));
        assert_eq!(lost(&three()[2..], 3, 6), Some(vec![13, 15]));
    }

    #[test]
    fn of_a_batch_that_is_there_in_part_only_the_rest_is_lost() {
        assert_eq!(lost(&three(), 1, 6), Some(vec![12, 13, 15]));
        assert_eq!(lost(&three()[2..], 4, 6), Some(vec![15]));
        assert_eq!(lost(&three()[2..], 5, 6), Some(vec![15]));
    }

    #[test]
    fn where_messages_are_unknown_it_is_not_known_what_is_lost() {
        assert_eq!(lost(&three()[1..], 1, 6), None, "the first is not known");
        assert_eq!(lost(&[sent(0, 2, &[11, 12]), sent(3, 6, &[13, 0, 15])], 0, 6), None, "one between is not known");
        assert_eq!(lost(&three(), 0, 7), None, "the last is not known");
        assert_eq!(lost(&three(), 0, 5), None, "more is known than was published");
        assert_eq!(lost(&[sent(0, 4, &[]), sent(2, 6, &[])], 5, 6), None, "what is known twice");
        assert_eq!(lost(&[], 3, 6), None);
    }

    #[test]
    fn nothing_is_lost_where_only_watermarks_are() {
        assert_eq!(lost(&[sent(4, 5, &[]), sent(5, 6, &[])], 4, 6), Some(Vec::new()));
    }
}
