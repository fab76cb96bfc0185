//! What cases record of people: accessories, orders that were defied, accidents (clauses E4, E5); and results of the quarterly evaluation below the
//! mark (clause E1). The consumer notes it; the timer opens entries.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
    types::v1 as types,
};
use dafei_kernel::{
    ids,
    owner::Owner,
    region::{Region, RegionPath},
    roster::RosterIndex,
    sector::Sector,
    time::Instant,
};
use dafei_messaging::consumer::Delivered;
use dafei_sla_core::accountability::{Basis, Charge, Conduct, Draft, Order};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{evaluations::Low, work::accident_owners};
use crate::facts::FactError;

/// Types of the events that report; others need not be parsed.
const REPORTING: [&str; 3] =
    ["dafei.events.v1.AccessoryRecorded", "dafei.events.v1.ComplianceRecorded", "dafei.events.v1.AccidentRecorded"];

/// What a case recorded, or what an evaluation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The event that told it.
    pub(crate) event: Uuid,
    /// Its sequence; 0 where the report was noted before sequences were.
    #[serde(default)]
    pub(crate) sequence: i64,
    /// None of an evaluation.
    pub(crate) case_id: Option<Uuid>,
    /// Regions from the city down to where the case is, or to the county that was evaluated.
    pub(crate) path: RegionPath,
    pub(crate) recorded_at: Instant,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub(crate) enum What {
    /// Somebody outside the roster.
    Conduct {
        kind: Conduct,
        name: String,
        text: String,
        happened_at: Instant,
        /// Of an order that was defied: its measure, as the case names it.
        #[serde(default)]
        measure: Option<String>,
    },
    /// An accident or a major impact.
    Accident {
        text: String,
        happened_at: Instant,
        /// Where the case lies, where its path does not say it.
        #[serde(default)]
        place: Option<Region>,
    },
    /// Results below the mark.
    Evaluation { quarter: String, ended_at: Instant, mark: u32, low: Vec<Low> },
}

/// What an event reports; none when it charges nobody.
///
/// # Errors
/// When the event lacks what an entry needs.
pub(crate) fn of_event(delivered: &Delivered) -> Result<Option<Report>, FactError> {
    if !REPORTING.contains(&delivered.event_type.as_str()) {
        return Ok(None);
    }
    let Some(event) = Event::from_json(&delivered.event_type, &delivered.payload)? else { return Ok(None) };
    let received_at = convert::instant("meta.received_at", event.meta().required("meta")?.received_at)?;
    let (case, what) = match &event {
        Event::AccessoryRecorded(event) => (&event.case_id, Some(accessory(event, received_at)?)),
        Event::ComplianceRecorded(event) => (&event.case_id, defied(event)?),
        Event::AccidentRecorded(event) => (&event.case_id, Some(accident(event)?)),
        _ => return Ok(None),
    };
    let Some(what) = what else { return Ok(None) };
    Ok(Some(Report {
        event: delivered.event_id,
        sequence: delivered.sequence,
        case_id: Some(convert::uuid("case_id", case)?),
        path: event.region_path()?,
        recorded_at: received_at,
        what,
    }))
}

fn accessory(event: &pb::AccessoryRecorded, at: Instant) -> Result<What, ConvertError> {
    let accessory = convert::accessory(event.accessory.as_ref().required("accessory")?)
        .map_err(|error| error.under("accessory"))?;
    let kind = match accessory.kind {
        dafei_kernel::conduct::AccessoryKind::Concealed => Conduct::Concealed,
        _ => Conduct::Support,
    };
    Ok(What::Conduct { kind, name: accessory.name, text: accessory.note, happened_at: at, measure: None })
}

/// An order to cut off water or power that its addressee refused or carried out for show.
fn defied(event: &pb::ComplianceRecorded) -> Result<Option<What>, ConvertError> {
    let wire = event.compliance.as_ref().required("compliance")?;
    let Some(types::measure::Kind::CutOff(order)) = event.measure.as_ref().and_then(|measure| measure.kind.as_ref())
    else {
        return Ok(None);
    };
    let how = match wire.outcome() {
        types::ComplianceOutcome::Refused => "拒不履行",
        types::ComplianceOutcome::Perfunctory => "敷衍应付",
        types::ComplianceOutcome::Complied | types::ComplianceOutcome::Unspecified => return Ok(None),
    };
    let what = match order.utility() {
        types::Utility::Water => "停水",
        types::Utility::Power => "停电",
        types::Utility::Unspecified => "停水停电",
    };
    Ok(Some(What::Conduct {
        kind: Conduct::CutOffDefied,
        name: convert::bounded("measure.cut_off.addressee", &order.addressee, 200)?,
        text: format!("{what}指令{}：{how}。{}", order.order_number, wire.note),
        happened_at: convert::instant("compliance.established_at", wire.established_at)?,
        measure: Some(wire.measure_id.clone()),
    }))
}

fn accident(event: &pb::AccidentRecorded) -> Result<What, ConvertError> {
    let accident =
        convert::accident(event.accident.as_ref().required("accident")?).map_err(|error| error.under("accident"))?;
    let impact = if accident.major_impact { "，造成较大影响" } else { "" };
    let text = format!("死亡{}人，受伤{}人{impact}。{}", accident.deaths, accident.injured, accident.description);
    let place = event.place.as_ref().map(|place| convert::region("place", Some(place))).transpose()?;
    Ok(What::Accident { text, happened_at: accident.happened_at, place })
}

impl Report {
    /// The entries that it opens where its case has none of the matter yet. Their ids follow from the matter and from whom they charge: an accident
    /// and an order are one each, however often the case records what is known of them.
    pub(crate) fn drafts(&self, sector: Option<Sector>, roster: &RosterIndex) -> Vec<Draft> {
        let case = self.case_id.map(|case| case.to_string()).unwrap_or_default();
        let draft = |id: &[&str], path: &RegionPath, basis: Basis, charge: Charge| Draft {
            id: ids::derived(id),
            basis,
            charge,
            path: path.clone(),
            case_id: self.case_id,
            sector,
        };
        match &self.what {
            What::Conduct { kind, name, text, happened_at, measure } => {
                let basis = Basis::Conduct {
                    kind: *kind,
                    text: text.clone(),
                    happened_at: *happened_at,
                    reported_by: None,
                    event: Some(self.event),
                    order: measure.clone().map(|measure| Order { measure, sequence: self.sequence }),
                };
                let charge = Charge::Outside { name: name.clone() };
                let event = self.event.to_string();
                vec![match measure {
                    Some(measure) => {
                        draft(&["accountability", "order", &case, measure, name], &self.path, basis, charge)
                    }
                    None => draft(&["accountability", "event", &event, ""], &self.path, basis, charge),
                }]
            }
            What::Accident { text, happened_at, place } => {
                let path = self.down_to(place.as_ref(), roster);
                let owners = accident_owners(&path, roster, *happened_at).into_iter();
                let entry = |owner: Owner| {
                    let basis = Basis::Accident {
                        text: text.clone(),
                        happened_at: *happened_at,
                        event: self.event,
                        sequence: self.sequence,
                    };
                    let post = owner.post.to_string();
                    let charge = Charge::Post { direct: owner, loop_owner: None };
                    draft(&["accountability", "accident", &case, &post], &path, basis, charge)
                };
                owners.map(entry).collect()
            }
            What::Evaluation { quarter, ended_at, mark, low } => {
                low.iter().filter_map(|low| self.low(low, quarter, (*ended_at, *mark), roster)).collect()
            }
        }
    }

    /// Regions from the city down to where an accident was: on from those of the case, which end where it was opened.
    fn down_to(&self, place: Option<&Region>, roster: &RosterIndex) -> RegionPath {
        let Some(place) = place.filter(|place| !self.path.is_within(place)) else { return self.path.clone() };
        if let Some(path) = roster.path(place).filter(|path| path.is_within(self.path.leaf())) {
            return path;
        }
        tracing::warn!(event = %self.event, %place, "the roster does not have an accident's place in its case's region");
        // Through whoever has the case, wherever the roster has the place by now.
        let below = RegionPath::new([self.path.regions(), std::slice::from_ref(place)].concat());
        below.unwrap_or_else(|_| self.path.clone())
    }
}
