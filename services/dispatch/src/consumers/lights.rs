//! The monitor's lights: what the inboxes show as due soon and overdue. One clock, one verdict: dispatch shows what the monitor said and computes
//! no deadline of its own.

use std::collections::BTreeMap;

use dafei_contracts::{
    Event,
    catalogue::EventError,
    convert::{self, Field},
    events::v1 as ev,
};
use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::consumer::{Delivered, Handler, HandlerError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    consumers::NAME,
    store::lights::{self, Light},
};

/// Clocks of the steps that are dispatch's.
const CLOCKS: [&str; 7] = ["T1", "T2", "T3", "K1", "K2", "K3", "K4"];

/// CloudEvents type of a moved limit.
const EXTENDED: &str = "dafei.events.v1.Extended";

/// Takes DAFEI_SLA.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lights;

impl Handler for Lights {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        // The last word on each obligation counts.
        let mut now: BTreeMap<Uuid, Option<Light>> = BTreeMap::new();
        let mut limits: BTreeMap<Uuid, Instant> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            let reject = |error: EventError| HandlerError::Reject { index, reason: error.to_string() };
            limits.extend(moved(event).map_err(reject)?);
            let told = light(event).map_err(reject)?;
            if let Some((obligation, light)) = told {
                now.insert(obligation, light);
            }
        }
        let off: Vec<Uuid> = now.iter().filter(|(_, light)| light.is_none()).map(|(id, _)| *id).collect();
        let on: Vec<Light> = now.into_values().flatten().collect();
        lights::off(conn, &off).await?;
        lights::on(conn, &on).await?;
        let limits: Vec<(Uuid, Instant)> = limits.into_iter().collect();
        lights::moved(conn, &limits).await?;
        Ok(())
    }
}

/// The limit that a calendar has moved.
fn moved(delivered: &Delivered) -> Result<Option<(Uuid, Instant)>, EventError> {
    if delivered.event_type != EXTENDED {
        return Ok(None);
    }
    let Some(Event::Extended(event)) = Event::from_json(&delivered.event_type, &delivered.payload)? else {
        return Ok(None);
    };
    let obligation = event.obligation.as_ref().required("obligation")?;
    let id = convert::uuid("obligation.obligation_id", &obligation.obligation_id)?;
    Ok(Some((id, convert::instant("obligation.due", obligation.due)?)))
}

/// Which obligation an event is about, and its light; none where it is out. None for what concerns no step of dispatch.
fn light(delivered: &Delivered) -> Result<Option<(Uuid, Option<Light>)>, EventError> {
    let Some(event) = Event::from_json(&delivered.event_type, &delivered.payload)? else { return Ok(None) };
    let (obligation, red) = match event {
        Event::Warned(event) => (event.obligation, Some(false)),
        Event::Breached(event) => (event.obligation, Some(true)),
        Event::Settled(event) => (event.obligation, None),
        Event::Cancelled(event) => (event.obligation, None),
        Event::Annulled(event) => (event.obligation, None),
        // A reminder says what the red light has said.
        _ => return Ok(None),
    };
    let obligation = obligation.as_ref().required("obligation")?;
    if !CLOCKS.contains(&obligation.clock.as_str()) {
        return Ok(None);
    }
    let id = convert::uuid("obligation.obligation_id", &obligation.obligation_id)?;
    let light = red.map(|red| lit(id, obligation, red)).transpose()?;
    Ok(Some((id, light)))
}

fn lit(id: Uuid, obligation: &ev::Obligation, red: bool) -> Result<Light, EventError> {
    let owner = obligation.direct.as_ref().and_then(|owner| owner.post.as_ref());
    Ok(Light {
        obligation: id,
        case: convert::uuid("obligation.case_id", &obligation.case_id)?,
        clock: obligation.clock.clone(),
        owner: Post::try_from(owner.required("obligation.direct.post")?)?,
        red,
        due: convert::instant("obligation.due", obligation.due)?,
    })
}
