//! An obligation as it is stored, with what was announced of it.

use dafei_kernel::owner::Owner;
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{Announced, End, EndKind, Inputs, Timing};
use sqlx::types::Json;
use uuid::Uuid;

/// A row of `obligation`, without the inputs of its deadline.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: Uuid,
    /// None for a periodic duty, which has a unit and a period.
    pub(crate) case_id: Option<Uuid>,
    pub(crate) unit: Option<String>,
    pub(crate) period: Option<String>,
    pub(crate) clock: String,
    pub(crate) leg: i32,
    pub(crate) region_path: String,
    pub(crate) direct: Json<Owner>,
    pub(crate) loop_owner: Json<Owner>,
    pub(crate) sector: String,
    pub(crate) notice: Option<String>,
    pub(crate) rule_version: String,
    pub(crate) calendar_version: String,
    pub(crate) provisional: bool,
    pub(crate) started_at: PgInstant,
    pub(crate) warn_at: PgInstant,
    pub(crate) due: PgInstant,
    pub(crate) due_inclusive: bool,
    pub(crate) first_reminder: PgInstant,
    pub(crate) end_kind: Option<String>,
    pub(crate) ended_at: Option<PgInstant>,
    pub(crate) warned_at: Option<PgInstant>,
    pub(crate) warned_told: Option<PgInstant>,
    pub(crate) breached_told: Option<PgInstant>,
    pub(crate) breached: bool,
    pub(crate) reminders: i32,
    pub(crate) end_announced: Option<String>,
    pub(crate) annulled: bool,
    pub(crate) provisional_told: Option<PgInstant>,
    pub(crate) sequence: i64,
    pub(crate) chain_head: String,
}

/// Reads [`Record`]s; the argument continues the statement after `FROM obligation`.
macro_rules! records {
    ($tail:literal $(+ $more:literal)*, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            crate::store::record::Record,
            r#"SELECT id, case_id, unit, period, clock, leg, region_path, direct AS "direct: sqlx::types::Json<dafei_kernel::owner::Owner>",
                      loop_owner AS "loop_owner: sqlx::types::Json<dafei_kernel::owner::Owner>", sector, notice, rule_version,
                      calendar_version, provisional, started_at AS "started_at: dafei_messaging::pg::PgInstant",
                      warn_at AS "warn_at: dafei_messaging::pg::PgInstant", due AS "due: dafei_messaging::pg::PgInstant",
                      due_inclusive, first_reminder AS "first_reminder: dafei_messaging::pg::PgInstant", end_kind,
                      ended_at AS "ended_at: dafei_messaging::pg::PgInstant",
                      warned_at AS "warned_at: dafei_messaging::pg::PgInstant",
                      warned_told AS "warned_told: dafei_messaging::pg::PgInstant",
                      breached_told AS "breached_told: dafei_messaging::pg::PgInstant", breached, reminders, end_announced, annulled,
                      provisional_told AS "provisional_told: dafei_messaging::pg::PgInstant", sequence, chain_head
               FROM obligation "# + $tail $(+ $more)*,
            $($argument),*
        )
    };
}
pub(crate) use records;

/// How and when an obligation ended, of its two columns.
pub(crate) fn ended(kind: Option<&str>, at: Option<PgInstant>) -> Option<End> {
    Some(End { kind: EndKind::from_code(kind?)?, at: at?.0 })
}

impl Record {
    pub(crate) const fn timing(&self) -> Timing {
        Timing {
            started_at: self.started_at.0,
            warn_at: self.warn_at.0,
            due: self.due.0,
            due_inclusive: self.due_inclusive,
            first_reminder: self.first_reminder.0,
            provisional: self.provisional,
        }
    }

    /// Puts another deadline in place of its own.
    pub(crate) fn set_deadline(&mut self, inputs: &Inputs) {
        let timing = &inputs.timing;
        self.warn_at = PgInstant(timing.warn_at);
        self.due = PgInstant(timing.due);
        self.first_reminder = PgInstant(timing.first_reminder);
        self.provisional = timing.provisional;
        inputs.calendar_version().clone_into(&mut self.calendar_version);
    }

    pub(crate) fn end(&self) -> Option<End> {
        ended(self.end_kind.as_deref(), self.ended_at)
    }

    pub(crate) fn announced(&self) -> Announced {
        Announced {
            provisional: self.provisional_told.is_some(),
            warned: self.warned_at.is_some(),
            breached: self.breached,
            reminders: u32::try_from(self.reminders).unwrap_or(0),
            ended: self.end_announced.as_deref().and_then(EndKind::from_code),
            annulled: self.annulled,
        }
    }
}
