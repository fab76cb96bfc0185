//! What the last messages of a stream are: kept as they are settled, so that a stream that lost its end can be given it back. While it is filled up,
//! what is kept of the messages behind what is left of it is what they were.

use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection};

use super::store::Padding;
use crate::pg::PgInstant;

/// Of how many messages it is kept. What a server loses of what it acknowledged is what it was about to write when its disk failed, or what a
/// copy of the stream lacks that was not known to be behind: far less.
pub(super) const KEPT: u64 = 50_000;

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

/// The positions of the events behind the message `after` in a stream that was filled up to `filled`, in the order of the log and each once. None when
/// not all of these messages are known. One may be known twice, by relays of two versions.
pub(super) fn lost(sent: &[Sent], after: u64, filled: u64) -> Option<Vec<i64>> {
    let mut positions = Vec::new();
    let mut known = after;
    for sent in sent.iter().filter(|sent| sent.through > after && sent.after < filled) {
        if sent.after > known {
            return None;
        }
        let there = usize::try_from(after.saturating_sub(sent.after)).ok()?;
        let to = usize::try_from(filled - sent.after).ok()?;
        positions.extend(sent.positions.iter().take(to).skip(there).filter(|position| **position > 0));
        known = known.max(sent.through);
    }
    positions.sort_unstable();
    positions.dedup();
    (known >= filled).then_some(positions)
}

/// What the message `at` is: its position in the log, 0 when it is no event. None when that is not known.
pub(super) fn position(sent: &[Sent], at: u64) -> Option<i64> {
    let sent = sent.iter().find(|sent| sent.after < at && at <= sent.through)?;
    let index = usize::try_from(at - sent.after - 1).ok()?;
    Some(sent.positions.get(index).copied().unwrap_or_default())
}

/// What is kept of the messages `first` to `last`, in their order.
pub(super) async fn from(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    (first, last): (u64, u64),
) -> sqlx::Result<Vec<Sent>> {
    let rows = sqlx::query!(
        "SELECT after, through, positions FROM relay_sent
         WHERE stream = $1 AND stream_created = $2 AND through >= $3 AND after < $4 ORDER BY after",
        stream,
        PgInstant(created) as PgInstant,
        first.cast_signed(),
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
    /// The last message that it had; of one that is being filled up, the last that was left.
    pub(super) filled: u64,
    /// What is to be published again: positions in the log.
    pub(super) positions: &'a [i64],
    /// What stands before its end, up to `last`, instead of what was published there: a position for each message, 0 for one that is no event.
    pub(super) others: &'a [i64],
}

/// What became of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutBack {
    /// It is in the outbox.
    Done,
    /// The log does not have it all.
    Lacking,
    /// Another relay has been here.
    Moved,
}

/// Puts what was lost back into the outbox, where some of it may be, and has the stream filled up by so many messages `beyond` its old end; all or
/// nothing. One that is being filled up already is filled up to the same number as before.
pub(super) async fn put_back(connection: &mut PgConnection, loss: &Loss<'_>, beyond: u64) -> sqlx::Result<PutBack> {
    let mut tx = connection.begin().await?;
    let moved = sqlx::query!(
        "UPDATE relay_state
         SET pad_from = $4, pad_to = CASE WHEN pad_to > 0 THEN pad_to ELSE last_sequence + $5 END, pad_read = pad_read AND pad_to > 0
         WHERE stream = $1 AND stream_created = $2 AND NOT refilling
             AND CASE WHEN pad_to > 0 THEN pad_from ELSE last_sequence END = $3",
        loss.stream,
        PgInstant(loss.created) as PgInstant,
        loss.filled.cast_signed(),
        loss.last.cast_signed(),
        beyond.cast_signed()
    )
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(PutBack::Moved);
    }
    let known = sqlx::query_scalar!(
        r#"WITH known AS (
             SELECT stream, position, recorded_at FROM event_log WHERE stream = $1 AND position = ANY($2)
         ), boxed AS (
             INSERT INTO outbox (stream, position, recorded_at) SELECT stream, position, recorded_at FROM known ON CONFLICT DO NOTHING
         )
         SELECT count(*) AS "known!" FROM known"#,
        loss.stream,
        loss.positions
    )
    .fetch_one(&mut *tx)
    .await?;
    if known.cast_unsigned() != loss.positions.len() as u64 {
        return Ok(PutBack::Lacking);
    }
    let there = (loss.last - loss.others.len() as u64, loss.last);
    stands(&mut tx, loss.stream, loss.created, there, loss.others).await?;
    tx.commit().await?;
    Ok(PutBack::Done)
}

/// Of a stream that is being filled up the messages behind `padding.from` up to `to` are there, with the events at `positions`; `same` are those of
/// them that stood where they stand, and are taken out of the outbox again. False when another relay has been here.
pub(super) async fn taken_over(
    connection: &mut PgConnection,
    (stream, created): (&str, Instant),
    padding: Padding,
    to: u64,
    positions: &[i64],
    same: &[i64],
) -> sqlx::Result<bool> {
    let mut tx = connection.begin().await?;
    let moved = sqlx::query!(
        "UPDATE relay_state SET pad_from = $5
         WHERE stream = $1 AND stream_created = $2 AND pad_from = $3 AND pad_to = $4 AND NOT refilling",
        stream,
        PgInstant(created) as PgInstant,
        padding.from.cast_signed(),
        padding.to.cast_signed(),
        to.cast_signed()
    )
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!("DELETE FROM outbox WHERE stream = $1 AND position = ANY($2)", stream, same).execute(&mut *tx).await?;
    stands(&mut tx, stream, created, (padding.from, to), positions).await?;
    tx.commit().await?;
    Ok(true)
}

/// The open stream, which ends at `from`, is to be filled up to `to` before anything is published to it. False when another relay has been here.
pub(super) async fn to_be_padded(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    from: u64,
    to: u64,
) -> sqlx::Result<bool> {
    let moved = sqlx::query!(
        "UPDATE relay_state SET pad_from = $3, pad_to = $4, pad_read = false
         WHERE stream = $1 AND stream_created = $2 AND last_sequence = $3 AND pad_to = 0 AND NOT refilling",
        stream,
        PgInstant(created) as PgInstant,
        from.cast_signed(),
        to.cast_signed()
    )
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() > 0)
}

/// Whether somebody `may` have read of the filling, from now on. False when another relay has been here.
pub(super) async fn may_be_read(
    connection: &mut PgConnection,
    stream: &str,
    padding: Padding,
    may: bool,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE relay_state SET pad_read = $4 WHERE stream = $1 AND pad_from = $2 AND pad_to = $3 AND NOT refilling",
        stream,
        padding.from.cast_signed(),
        padding.to.cast_signed(),
        may
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The stream is filled up. False when another relay has been here.
pub(super) async fn padded(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    padding: Padding,
) -> sqlx::Result<bool> {
    let mut tx = connection.begin().await?;
    let moved = sqlx::query!(
        "UPDATE relay_state SET last_sequence = GREATEST(last_sequence, $4), pad_from = 0, pad_to = 0, pad_read = false
         WHERE stream = $1 AND stream_created = $2 AND pad_from = $3 AND pad_to = $4 AND NOT refilling",
        stream,
        PgInstant(created) as PgInstant,
        padding.from.cast_signed(),
        padding.to.cast_signed()
    )
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    stands(&mut tx, stream, created, (padding.from, padding.to), &[]).await?;
    tx.commit().await?;
    Ok(true)
}

/// Keeps that the messages behind `from` up to `to` are those at `positions` now, none of them an event when there are none, whatever was kept of them.
async fn stands(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    (from, to): (u64, u64),
    positions: &[i64],
) -> sqlx::Result<()> {
    if from >= to {
        return Ok(());
    }
    for at in [from, to] {
        split(connection, stream, created, at).await?;
    }
    sqlx::query!(
        "DELETE FROM relay_sent WHERE stream = $1 AND stream_created = $2 AND after >= $3 AND after < $4",
        stream,
        PgInstant(created) as PgInstant,
        from.cast_signed(),
        to.cast_signed()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO relay_sent (stream, stream_created, after, through, positions) VALUES ($1, $2, $3, $4, $5)",
        stream,
        PgInstant(created) as PgInstant,
        from.cast_signed(),
        to.cast_signed(),
        positions
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sees to it that nothing is kept in one row of messages up to `at` and of messages behind it.
async fn split(connection: &mut PgConnection, stream: &str, created: Instant, at: u64) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO relay_sent (stream, stream_created, after, through, positions)
         SELECT stream, stream_created, $3, through, positions[$3 - after + 1:]
         FROM relay_sent WHERE stream = $1 AND stream_created = $2 AND after < $3 AND through > $3
         ON CONFLICT DO NOTHING",
        stream,
        PgInstant(created) as PgInstant,
        at.cast_signed()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE relay_sent SET through = $3, positions = positions[1:$3 - after]
         WHERE stream = $1 AND stream_created = $2 AND after < $3 AND through > $3",
        stream,
        PgInstant(created) as PgInstant,
        at.cast_signed()
    )
    .execute(connection)
    .await?;
    Ok(())
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
        "DELETE FROM relay_sent WHERE stream = $1 AND (stream_created, after) < ($2, $3) AND (stream_created < $2 OR through <= $3)",
        stream,
        PgInstant(created) as PgInstant,
        last.saturating_sub(KEPT).cast_signed()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets all that is kept of a stream's messages: it is made anew.
pub(crate) async fn forget_all(connection: &mut PgConnection, stream: &str) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM relay_sent WHERE stream = $1", stream).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Sent, lost, position};

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
        assert_eq!(lost(&[], 3, 6), None);
    }

    #[test]
    fn what_stood_behind_the_end_is_not_lost_a_second_time() {
        assert_eq!(lost(&three(), 1, 5), Some(vec![12, 13]));
        assert_eq!(lost(&three(), 1, 3), Some(vec![12]));
        assert_eq!(lost(&three(), 1, 2), Some(vec![12]));
    }

    #[test]
    fn a_message_that_two_relays_have_kept_is_lost_as_either_says() {
        assert_eq!(
            lost(&[sent(0, 4, &[11, 12, 13, 14]), sent(2, 6, &[]), sent(4, 5, &[15])], 3, 6),
            Some(vec![14, 15])
        );
    }

    #[test]
    fn what_stood_at_two_numbers_is_lost_once_and_in_the_order_of_the_log() {
        assert_eq!(lost(&[sent(0, 2, &[12, 13]), sent(2, 6, &[0, 11, 12, 13])], 0, 6), Some(vec![11, 12, 13]));
    }

    #[test]
    fn what_a_message_is_is_known_by_its_number() {
        let known: Vec<Option<i64>> = (0..=7).map(|at| position(&three(), at)).collect();
        assert_eq!(known, [None, Some(11), Some(12), Some(0), Some(13), Some(0), Some(15), None]);
    }

    #[test]
    fn nothing_is_lost_where_only_watermarks_are() {
        assert_eq!(lost(&[sent(4, 5, &[]), sent(5, 6, &[])], 4, 6), Some(Vec::new()));
    }
}
