//! Public tips (clauses C16 and D2) as intake tells them: a case at the township's centre, or at the county office.

use dafei_contracts::{
    convert::{self, ConvertError, Field},
    events::v1 as ev,
};
use dafei_dispatch_core::case::{Command, Facts, Means, Source};
use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    role::Role,
};
use dafei_messaging::consumer::Delivered;

use super::links::Link;
use crate::work::Order;

/// The order that a tip gives; none for one to the city's office, which is no case of a county yet: intake keeps it.
///
/// Its clock starts at the instant at which intake recorded the event. All times within the event are cut to the hour, and the event
/// leaves only after a random delay, so that nobody can be told apart by them: a clock from there would blame the centre for time in which
/// it could not know of the tip.
///
/// What leads back to the sender stays out: there is no actor and no trace.
///
/// # Errors
/// Names the field that is missing, malformed, or does not fit the recipient.
pub(super) fn opening(delivered: &Delivered, tip: &ev::TipReceived) -> Result<Option<Order>, ConvertError> {
    let recipient = Post::try_from(tip.recipient.as_ref().required("recipient")?);
    let recipient = recipient.map_err(|error| error.under("recipient"))?;
    let path: RegionPath = tip
        .meta
        .as_ref()
        .required("meta")?
        .region_path
        .parse()
        .map_err(|_| ConvertError::invalid("meta.region_path", "is no region path"))?;
    if path.leaf() != &recipient.region {
        return Err(ConvertError::invalid("meta.region_path", "does not end at the recipient's region"));
    }
    let facts = Facts {
        id: convert::uuid("case_id", &tip.case_id)?,
        source: Source::PublicTip,
        act: convert::act("act", &tip.act)?,
        act_text: tip.act_text.clone(),
        subject: convert::subject("subject", tip.subject.as_ref())?,
        village: None,
        township: path.at(Level::Township).cloned(),
        county: match recipient.role {
            Role::TownshipCentre | Role::CountyOffice => {
                Some(path.at(Level::County).cloned().required("meta.region_path")?)
            }
            Role::CityOffice => return Ok(None),
            _ => return Err(ConvertError::invalid("recipient.role", "takes no tips")),
        },
        description: tip.text.clone(),
        found_at: convert::instant("received_hour", tip.received_hour)?,
        reached_at: delivered.recorded_at,
        tip: Some(convert::uuid("tip_id", &tip.tip_id)?),
        path,
        place: None,
        opened_by: None,
        finder: None,
    };
    Ok(Some(Order {
        case: Some(facts.id),
        at: Some(facts.reached_at),
        command: Command::Open(Box::new(facts)),
        actor: None,
        guarded: false,
        expected_version: None,
        then: None,
        means: Means::Rpc,
        traceparent: None,
    }))
}

/// That two tips are of one matter; it counts from when intake recorded it.
///
/// # Errors
/// Names the id that is malformed.
pub(super) fn link(delivered: &Delivered, linked: &ev::TipLinked) -> Result<Link, ConvertError> {
    Ok(Link {
        tip: convert::uuid("tip_id", &linked.tip_id)?,
        case: convert::uuid("case_id", &linked.case_id)?,
        into: convert::uuid("into_case_id", &linked.into_case_id)?,
        at: delivered.recorded_at,
    })
}
