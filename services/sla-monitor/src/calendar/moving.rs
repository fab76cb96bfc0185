//! Moving open deadlines, a batch after the other.

use std::collections::HashMap;

use dafei_kernel::{
    time::{Instant, start_of_day},
    workdays::Calendar,
};
use dafei_messaging::{event::NewEvent, log, tx};
use dafei_shell::timer::{Due, Round};
use dafei_sla_core::{Inputs, lights::next_fire};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Calendars, MoveError};
use crate::{
    publisher,
    store::{
        calendars::{self, Load, Move, Recomputed},
        facts, obligations,
        record::Record,
    },
};

/// The most obligations of one transaction.
const BATCH: usize = 500;

impl Calendars {
    /// Moves the next open deadlines, in one transaction: the deadlines, their events, and how far the moving has come. None when nothing
    /// is being moved.
    ///
    /// # Errors
    /// As [`MoveError`] says; nothing of the failed transaction is done then, or all of it.
    pub async fn batch(&self) -> Result<Option<Round>, MoveError> {
        self.batch_of(BATCH).await
    }

    /// As [`Calendars::batch`], of so many at most.
    ///
    /// # Errors
    /// As there.
    pub async fn batch_of(&self, most: usize) -> Result<Option<Round>, MoveError> {
        let mut tx = tx::begin_write(&self.pool).await?;
        // No fact is taken meanwhile, and no other replica moves.
        facts::lock(&mut tx).await?;
        let Some(mut load) = calendars::moving(&mut *tx).await? else { return Ok(None) };
        let now = self.clock.now();
        let in_force = self.in_force(&mut tx).await?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let open = calendars::open_after(&mut tx, load.after, in_force.calendar.version(), limit).await?;
        let done = open.len() < most;
        let (recomputed, moves, events) = all_by(&mut tx, &in_force.calendar, open, &mut load, now).await?;
        if !recomputed.is_empty() {
            calendars::recompute(&mut tx, &recomputed).await?;
        }
        if !moves.is_empty() {
            calendars::add_moves(&mut tx, load.revision, &moves).await?;
        }
        calendars::progress(&mut tx, &load, i64::try_from(moves.len()).unwrap_or(i64::MAX), done).await?;
        obligations::wake(&mut tx).await?;
        if !events.is_empty() {
            log::append(&mut tx, &events).await?;
        }
        tx::commit(tx).await?;
        tracing::debug!(looked_at = recomputed.len(), moved = moves.len(), done, "deadlines moved to the calendar");
        Ok(Some(if done { Round::Done } else { Round::More }))
    }

    /// A page of what a calendar that is not in force would move, after the last that was looked at; says where to go on, none at the end.
    pub(super) async fn would_move(
        &self,
        conn: &mut PgConnection,
        calendar: &Calendar,
        after: (Instant, Uuid),
        most: usize,
    ) -> sqlx::Result<(Vec<Move>, Option<(Instant, Uuid)>)> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let open = calendars::look_after(conn, after, calendar.version(), limit).await?;
        let next = open.last().filter(|_| open.len() == most).map(|last| (last.due.0, last.id));
        let mut known = inputs_of(conn, &open).await?;
        let moves = open.iter().filter_map(|record| {
            let inputs = known.remove(&record.id)?.by(calendar);
            (inputs.timing.due != record.due.0).then(|| moved(record, &inputs))
        });
        Ok((moves.collect(), next))
    }
}

impl Due for Calendars {
    type Error = MoveError;

    fn name(&self) -> &'static str {
        "calendar"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        Ok(calendars::moving(&self.pool).await?.map(|load| load.loaded))
    }

    async fn round(&self, _now: Instant) -> Result<Round, MoveError> {
        Ok(self.batch().await?.unwrap_or(Round::Done))
    }
}

/// From where on a calendar may move something: what ends before the first day that differs stays.
pub(super) fn first_moved(calendar: &Calendar, in_force: &Calendar, now: Instant) -> Option<Instant> {
    let first = calendar.differences(in_force).into_iter().map(start_of_day).next()?;
    Some(first.max(now))
}

async fn inputs_of(conn: &mut PgConnection, open: &[Record]) -> sqlx::Result<HashMap<Uuid, Inputs>> {
    let ids: Vec<Uuid> = open.iter().map(|record| record.id).collect();
    Ok(calendars::inputs(conn, &ids).await?.into_iter().collect())
}

/// The deadlines of obligations by a calendar, what of them moves, and its events.
async fn all_by(
    conn: &mut PgConnection,
    calendar: &Calendar,
    open: Vec<Record>,
    load: &mut Load,
    now: Instant,
) -> Result<(Vec<Recomputed>, Vec<Move>, Vec<NewEvent>), MoveError> {
    let mut known = inputs_of(conn, &open).await?;
    let (mut recomputed, mut moves, mut events) = (Vec::with_capacity(open.len()), Vec::new(), Vec::new());
    for mut record in open {
        load.after = (record.due.0, record.id);
        let Some(inputs) = known.remove(&record.id) else { continue };
        let inputs = inputs.by(calendar);
        let (previous_due, previous_version) = (record.due.0, record.calendar_version.clone());
        if inputs.timing.due != previous_due {
            moves.push(moved(&record, &inputs));
        }
        record.set_deadline(&inputs);
        if inputs.timing.due != previous_due {
            let id = record.id;
            let event = publisher::extended(&mut record, previous_due, previous_version, load.loaded, now);
            events.push(event.map_err(|source| MoveError::Event { id, source })?);
        }
        recomputed.push(Recomputed {
            id: record.id,
            next_fire_at: next_fire(&record.timing(), record.end(), &record.announced()),
            inputs,
            sequence: record.sequence,
            chain_head: record.chain_head,
        });
    }
    Ok((recomputed, moves, events))
}

fn moved(record: &Record, inputs: &Inputs) -> Move {
    Move {
        obligation: record.id,
        clock: record.clock.clone(),
        case_id: record.case_id,
        region_path: record.region_path.clone(),
        previous_due: record.due.0,
        due: inputs.timing.due,
        previous_version: record.calendar_version.clone(),
    }
}
