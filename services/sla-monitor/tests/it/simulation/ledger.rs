//! What the service keeps and what it has announced.

use std::collections::BTreeMap;

use dafei_contracts::Event;
use dafei_kernel::owner::Owner;
use dafei_messaging::pg::PgInstant;
use sqlx::types::Json;
use uuid::Uuid;

use super::Micros;
use crate::world::{World, obligation};

/// An obligation as the service keeps it.
#[derive(sqlx::FromRow)]
pub(crate) struct Kept {
    pub(crate) id: Uuid,
    pub(crate) case_id: Option<Uuid>,
    pub(crate) unit: Option<String>,
    pub(crate) period: Option<String>,
    pub(crate) clock: String,
    pub(crate) leg: i32,
    pub(crate) rule_version: String,
    pub(crate) calendar_version: String,
    pub(crate) started_at: PgInstant,
    pub(crate) due: PgInstant,
    pub(crate) end_kind: Option<String>,
    pub(crate) ended_at: Option<PgInstant>,
    pub(crate) breached: bool,
    pub(crate) annulled: bool,
    pub(crate) direct: Json<Owner>,
    pub(crate) loop_owner: Json<Owner>,
}

/// What the service keeps.
pub(crate) struct Ledger {
    /// Of cases.
    pub(crate) cases: BTreeMap<Uuid, Vec<Kept>>,
    /// Of duties, by clock, unit and period.
    pub(crate) duties: BTreeMap<(String, String, String), Vec<Kept>>,
}

impl Ledger {
    /// The whole of it, of thousands of cases: the lists' requests would take longer than all else.
    pub(crate) async fn read(world: &World) -> Self {
        let rows: Vec<Kept> = sqlx::query_as(
            "SELECT id, case_id, unit, period, clock, leg, rule_version, calendar_version, started_at, due, end_kind, ended_at,
                    breached, annulled, direct, loop_owner
             FROM obligation",
        )
        .fetch_all(&world.db.pool)
        .await
        .unwrap();
        let mut ledger = Self { cases: BTreeMap::new(), duties: BTreeMap::new() };
        for row in rows {
            if let Some(case) = row.case_id {
                ledger.cases.entry(case).or_default().push(row);
            } else {
                let (unit, period) = (row.unit.clone().unwrap_or_default(), row.period.clone().unwrap_or_default());
                ledger.duties.entry((row.clock.clone(), unit, period)).or_default().push(row);
            }
        }
        ledger
    }
}

/// A light as it was announced.
pub(crate) struct Seen {
    pub(crate) fact: &'static str,
    pub(crate) at: Micros,
    /// When it was told.
    pub(crate) recorded: Micros,
    pub(crate) sequence: i64,
    /// Of a reminder.
    pub(crate) number: u32,
    /// Of a settlement.
    pub(crate) late_seconds: i64,
    /// Of a limit that was moved.
    pub(crate) previous_due: Option<Micros>,
}

fn micros(stamp: Option<dafei_contracts::timestamp::Timestamp>) -> Micros {
    let at: dafei_kernel::time::Instant = stamp.unwrap().try_into().unwrap();
    at.as_microsecond()
}

/// The lights of each obligation, in the order of the log.
pub(crate) async fn announced(world: &World) -> BTreeMap<String, Vec<Seen>> {
    let mut lights: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for (event, recorded) in world.whole_log().await {
        let meta = event.meta().unwrap();
        let seen = Seen {
            fact: event.kind().fact,
            at: micros(meta.received_at),
            recorded: recorded.as_microsecond(),
            sequence: meta.sequence,
            number: if let Event::Reminded(event) = &event { event.number } else { 0 },
            late_seconds: if let Event::Settled(event) = &event { event.late_seconds } else { 0 },
            previous_due: if let Event::Extended(event) = &event { Some(micros(event.previous_due)) } else { None },
        };
        lights.entry(obligation(&event).obligation_id.clone()).or_default().push(seen);
    }
    lights
}
