//! Making the stored obligations of a case what its facts say, also where rows were lost: what was announced of them is read from the event log, so
//! that nothing is announced twice.

use std::collections::HashMap;

use dafei_contracts::{Event, chain};
use dafei_kernel::{roster::RosterIndex, time::Instant};
use dafei_messaging::log::{self, LoggedEvent};
use dafei_sla_core::{
    Announced, CaseFacts, End, EndKind, Obligation, Source, lights::next_fire, obligations, reconcile::publisher,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    ledger,
    store::{
        calendars,
        obligations::{self as rows, Change, Fired},
        reconcile::{self as store, Arming},
        record::Record,
    },
    terms::InForce,
};

/// The most events of one obligation that are read at once: the reminders of a breach that stays open for nine years.
const HISTORY: i64 = 500;

/// Makes the obligations of a publisher's steps of a case again from its facts: what was lost is stored anew, what was changed is as the facts
/// say, what runs is armed, and what no fact tells of falls away now. For repairs; under [`facts::lock`].
pub(super) async fn restore(
    conn: &mut PgConnection,
    in_force: &InForce,
    roster: &RosterIndex,
    (set, of): (&CaseFacts, Source),
    now: Instant,
) -> sqlx::Result<()> {
    let clocks = |clock| publisher(clock) == of;
    ledger::bring_in_line(conn, in_force, roster, std::slice::from_ref(set), clocks).await?;
    let told: HashMap<Uuid, Obligation> =
        obligations(set, &in_force.rules, &in_force.calendar).into_iter().map(|one| (one.id, one)).collect();
    let stored = rows::of_cases(conn, &[set.case()]).await?;
    recall(conn, &stored, now).await?;
    let records = rows::of_cases(conn, &[set.case()]).await?;
    let (mut armings, mut strangers) = (Vec::new(), Vec::new());
    let of_publisher = |record: &&Record| record.clock.parse().is_ok_and(clocks);
    for record in records.iter().filter(|record| record.end().is_none()).filter(of_publisher) {
        match told.get(&record.id) {
            Some(one) => {
                let announced = Announced { ended: None, ..record.announced() };
                let next_fire_at = next_fire(&record.timing(), None, &announced);
                armings.push(Arming { id: record.id, instruction: one.instruction, next_fire_at });
            }
            None => {
                let end = Some(End { kind: EndKind::Cancelled, at: now });
                strangers.push(Change {
                    id: record.id,
                    leg: u32::try_from(record.leg).unwrap_or(0),
                    sector: record.sector.clone(),
                    direct: record.direct.0.clone(),
                    loop_owner: record.loop_owner.0.clone(),
                    end,
                    next_fire_at: next_fire(&record.timing(), end, &record.announced()),
                });
            }
        }
    }
    store::arm(conn, &armings).await?;
    if !strangers.is_empty() {
        rows::update(conn, &strangers).await?;
    }
    Ok(())
}

/// Rows that were stored anew get back what had been announced of them.
async fn recall(conn: &mut PgConnection, records: &[Record], now: Instant) -> sqlx::Result<()> {
    let mut recalled = Vec::new();
    for record in records.iter().filter(|record| record.sequence == 0) {
        let history = log::history(conn, record.id, 0, HISTORY).await?;
        recalled.extend(announced_before(record, &history));
    }
    if recalled.is_empty() {
        return Ok(());
    }
    rows::save_fired(conn, &recalled).await?;
    let provisional: Vec<Uuid> = recalled.iter().filter(|fired| fired.provisional).map(|fired| fired.id).collect();
    if provisional.is_empty() { Ok(()) } else { calendars::provisional_told(conn, &provisional, now).await }
}

/// What the events of an obligation say was announced of it; none when there are none.
fn announced_before(record: &Record, history: &[LoggedEvent]) -> Option<Fired> {
    let last = history.last()?;
    let (mut announced, mut warned_at, mut chain_head) = (Announced::default(), None, String::new());
    let (mut warned_told, mut breached_told) = (None, None);
    for logged in history {
        chain_head = chain::next_head(&chain_head, &logged.payload);
        let Ok(Some(event)) = Event::from_json(&logged.event_type, &logged.payload) else { continue };
        match &event {
            Event::Warned(_) => {
                announced.warned = true;
                warned_at = event.meta().and_then(|meta| Instant::try_from(meta.received_at?).ok());
                warned_told = Some(logged.recorded_at);
            }
            Event::Breached(_) => {
                announced.breached = true;
                breached_told = Some(logged.recorded_at);
            }
            Event::Provisional(_) => announced.provisional = true,
            Event::Reminded(reminder) => announced.reminders = reminder.number,
            Event::Settled(_) => announced.ended = Some(EndKind::Settled),
            Event::Cancelled(_) => announced.ended = Some(EndKind::Cancelled),
            Event::Annulled(_) => announced.annulled = true,
            _ => {}
        }
    }
    Some(Fired {
        id: record.id,
        provisional: announced.provisional,
        warned_at,
        warned_told,
        breached_told,
        breached: announced.breached,
        reminders: announced.reminders,
        end_announced: announced.ended.map(EndKind::code),
        annulled: announced.annulled,
        next_fire_at: next_fire(&record.timing(), record.end(), &announced),
        sequence: last.sequence,
        chain_head,
    })
}
