//! sla-monitor's events: what stands of an entry of the accountability ledger.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
    timestamp::Timestamp,
    types::v1 as types,
};
use dafei_kernel::{owner::Post, role::Role};
use dafei_reporting_core::{
    Decided,
    decided::{Person, Sanction},
};

use super::{post, sector};
use crate::counting::Counted;

/// What an event says of an entry; nothing when it is none of [`super::DECIDED`].
///
/// # Errors
/// When a field that counting needs is missing or malformed.
pub fn decided(counted: Counted<'_>, event: &Event) -> Result<Option<Decided>, ConvertError> {
    let path = event.region_path()?;
    let (charge, persons, by, at) = match event {
        Event::AccountabilityDecided(event) => {
            let by: (&str, Option<&types::Post>) = ("decided_by", event.decided_by.as_ref());
            (&event.charge, &event.persons, by, event.counted_at)
        }
        Event::AccountabilityAppealDecided(event) => {
            (&event.charge, &event.persons, ("counted_by", event.counted_by.as_ref()), event.counted_at)
        }
        _ => return Ok(None),
    };
    let charge = charge.as_ref().required("charge")?;
    let at: Option<Timestamp> = at;
    Ok(Some(Decided {
        entry: convert::uuid("charge.entry_id", &charge.entry_id)?,
        case_id: if charge.case_id.is_empty() { None } else { Some(convert::uuid("charge.case_id", &charge.case_id)?) },
        event_id: counted.event_id,
        sequence: counted.sequence,
        path,
        by: post(by.0, by.1)?,
        at: convert::instant("counted_at", at)?,
        sector: sector(&charge.sector)?,
        persons: persons.iter().map(person).collect::<Result<_, _>>()?,
    }))
}

fn person(wire: &pb::AccountabilityOutcome) -> Result<Person, ConvertError> {
    let sanction = match wire.outcome.as_str() {
        "warning-talk" => Some(Sanction::WarningTalk),
        "held-accountable" => Some(Sanction::HeldAccountable),
        "not-pursued" | "exempted" | "reduced" => None,
        other => {
            return Err(ConvertError::unknown("persons.outcome", "UNKNOWN_OUTCOME", other, "处理种类"));
        }
    };
    let post = wire.post.as_ref().map(Post::try_from).transpose().map_err(|error| error.under("persons.post"))?;
    Ok(Person {
        responsibility: wire.responsibility.clone(),
        name: wire.person.clone(),
        sanction,
        leading: wire.leading_cadre,
        village_secretary: post.is_some_and(|post| post.role == Role::VillageSecretary),
    })
}
