//! Events as intake and dispatch publish them.

use dafei_contracts::{Event, events::v1 as ev, timestamp::Timestamp, types::v1 as types};
use dafei_kernel::{ids, time::Instant};
use uuid::Uuid;

pub(crate) const CITY: &str = "city:371300";
pub(crate) const COUNTY: &str = "county:371302";
pub(crate) const TOWNSHIP: &str = "township:371302001";
pub(crate) const VILLAGE: &str = "village:371302001001";
/// The same levels elsewhere.
pub(crate) const OTHER_COUNTY: &str = "county:371311";
pub(crate) const OTHER_PATH: &str = "city:371300/county:371311/township:371311001/village:371311001001";
pub(crate) const PATH: &str = "city:371300/county:371302/township:371302001/village:371302001001";

/// An event with what its headers say.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) service: &'static str,
    pub(crate) aggregate: Uuid,
    pub(crate) sequence: i64,
    pub(crate) event: Event,
}

impl Told {
    pub(crate) fn id(&self) -> Uuid {
        ids::derived(&["told", self.service, &self.aggregate.to_string(), &self.sequence.to_string()])
    }
}

pub(crate) fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

pub(crate) fn wire_region(text: &str) -> types::Region {
    let (level, code) = text.split_once(':').unwrap();
    types::Region { level: level.to_owned(), code: code.to_owned() }
}

pub(crate) fn wire_post(role: &str, region: &str, agency: &str) -> types::Post {
    types::Post { role: role.to_owned(), region: Some(wire_region(region)), agency: agency.to_owned() }
}

pub(crate) fn department(number: u128, agency: &str, lead: bool) -> ev::Assignee {
    ev::Assignee {
        instruction_id: Uuid::from_u128(number).to_string(),
        post: Some(wire_post("county-department", COUNTY, agency)),
        lead,
    }
}

/// A case whose events are told one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: Uuid,
    path: String,
    intake: i64,
    dispatch: i64,
    pub(crate) told: Vec<Told>,
}

impl Case {
    pub(crate) fn new(number: u128) -> Self {
        Self::at_path(number, PATH)
    }

    pub(crate) fn at_path(number: u128, path: &str) -> Self {
        let id = Uuid::from_u128(0xca5e_0000_0000_0000 + number);
        Self { id, path: path.to_owned(), intake: 0, dispatch: 0, told: Vec::new() }
    }

    fn tell(mut self, service: &'static str, when: &str, actor: Option<types::Post>, event: impl Into<Event>) -> Self {
        let sequence = if service == "intake" { &mut self.intake } else { &mut self.dispatch };
        *sequence += 1;
        let mut event: Event = event.into();
        event.set_meta(ev::EventMeta {
            aggregate_id: self.id.to_string(),
            sequence: *sequence,
            region_path: self.path.clone(),
            actor,
            received_at: stamp(when),
            claimed_at: None,
            chain_head: String::new(),
            person: String::new(),
        });
        self.told.push(Told { service, aggregate: self.id, sequence: *sequence, event });
        self
    }

    fn case_id(&self) -> String {
        self.id.to_string()
    }

    pub(crate) fn found(self, when: &str) -> Self {
        let village = self.path.rsplit('/').next().unwrap().to_owned();
        let event = ev::SuspicionRecorded {
            case_id: self.case_id(),
            village: Some(wire_region(&village)),
            act: "FW-1".to_owned(),
            found_at: stamp(when),
            ..Default::default()
        };
        self.tell("intake", when, Some(wire_post("grid-member", &village, "")), event)
    }

    /// Found by one of the village's grid members, whom the event names.
    pub(crate) fn found_by(self, when: &str, person: &str) -> Self {
        let mut case = self.found(when);
        let told = case.told.last_mut().unwrap();
        let mut meta = told.event.meta().unwrap().clone();
        meta.person = person.to_owned();
        told.event.set_meta(meta);
        case
    }

    pub(crate) fn notified(self, when: &str) -> Self {
        let event = ev::SecretaryNotified { meta: None, case_id: self.case_id() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn persuaded(self, when: &str, heeded: bool) -> Self {
        let outcome = if heeded { ev::PersuasionOutcome::Heeded } else { ev::PersuasionOutcome::Refused };
        let event = ev::PersuasionRecorded { case_id: self.case_id(), outcome: outcome.into(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn reported_up(self, when: &str) -> Self {
        let event = ev::ReportedUp { case_id: self.case_id(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn reopened(self, when: &str) -> Self {
        let event = ev::SuspicionReopened { case_id: self.case_id(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn merged(self, when: &str) -> Self {
        let event = ev::ReportMerged { case_id: self.case_id(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn withdrawn(self, when: &str) -> Self {
        let event = ev::ReportWithdrawn { case_id: self.case_id(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn helped(self, when: &str) -> Self {
        let event = ev::HelpGiven { case_id: self.case_id(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    pub(crate) fn published(self, when: &str) -> Self {
        let event = ev::ResultPublished { case_id: self.case_id(), ..Default::default() };
        self.tell("intake", when, None, event)
    }

    /// A path that ends at the county or the city is that of a case that was opened there.
    fn tier(&self) -> ev::Tier {
        match self.path.matches('/').count() {
            0 => ev::Tier::City,
            1 => ev::Tier::County,
            _ => ev::Tier::Township,
        }
    }

    pub(crate) fn opened(self, when: &str) -> Self {
        let event = ev::CaseOpened {
            case_id: self.case_id(),
            tier: self.tier().into(),
            sector: "fireworks".to_owned(),
            reached_at: stamp(when),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn escalated(self, when: &str) -> Self {
        let event = ev::Escalated { case_id: self.case_id(), ..Default::default() };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn assigned(self, when: &str, assignees: &[ev::Assignee]) -> Self {
        let event = ev::DepartmentInstructed {
            case_id: self.case_id(),
            assignees: assignees.to_vec(),
            leg: 1,
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn delivered(self, when: &str, assignee: ev::Assignee) -> Self {
        let event = ev::InstructionDelivered {
            case_id: self.case_id(),
            assignee: Some(assignee),
            tier: ev::Tier::County.into(),
            leg: 1,
            delivered_at: stamp(when),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    /// An instruction of which nothing shows that it was delivered.
    pub(crate) fn taken_as_delivered(self, when: &str, assignee: ev::Assignee) -> Self {
        let event = ev::InstructionDelivered {
            case_id: self.case_id(),
            assignee: Some(assignee),
            tier: ev::Tier::County.into(),
            leg: 1,
            delivered_at: stamp(when),
            means: ev::DeliveryMeans::Assumed.into(),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    /// An instruction for work that is to be done again.
    pub(crate) fn delivered_again(self, when: &str, assignee: ev::Assignee) -> Self {
        let event = ev::InstructionDelivered {
            case_id: self.case_id(),
            assignee: Some(assignee),
            tier: ev::Tier::County.into(),
            leg: 2,
            delivered_at: stamp(when),
            rework: true,
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn responded(self, when: &str, assignee: ev::Assignee) -> Self {
        let event = ev::DepartmentResponded {
            case_id: self.case_id(),
            assignee: Some(assignee),
            leg: 1,
            responded_at: stamp(when),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn result(self, when: &str, assignee: ev::Assignee) -> Self {
        let event = ev::ResultSubmitted {
            case_id: self.case_id(),
            assignee: Some(assignee),
            tier: ev::Tier::County.into(),
            leg: 1,
            kind: types::ResultKind::Interim.into(),
            submitted_at: stamp(when),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn fed_back(self, when: &str) -> Self {
        let event =
            ev::FedBack { case_id: self.case_id(), leg: 1, tier: ev::Tier::County.into(), ..Default::default() };
        let outcome =
            ev::OutcomeAvailable { case_id: self.case_id(), village: Some(wire_region(VILLAGE)), ..Default::default() };
        self.tell("dispatch", when, None, event).tell("dispatch", when, None, outcome)
    }

    /// Fed back where there is no centre to be told: the case is closed with it.
    pub(crate) fn settled(self, when: &str) -> Self {
        let event =
            ev::FedBack { case_id: self.case_id(), leg: 1, tier: ev::Tier::County.into(), ..Default::default() };
        self.tell("dispatch", when, None, event).closed(when)
    }

    /// A county's department found it itself.
    pub(crate) fn own_finding(self, when: &str, finder: ev::Assignee) -> Self {
        let tier = ev::Tier::County.into();
        let event = ev::CaseOpened {
            case_id: self.case_id(),
            tier,
            sector: "fireworks".to_owned(),
            reached_at: stamp(when),
            finder: Some(finder.clone()),
            ..Default::default()
        };
        let delivered = ev::InstructionDelivered {
            case_id: self.case_id(),
            assignee: Some(finder),
            tier,
            leg: 1,
            delivered_at: stamp(when),
            means: ev::DeliveryMeans::OwnFinding.into(),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event).tell("dispatch", when, None, delivered)
    }

    pub(crate) fn rework(self, when: &str, rejected: ev::Assignee, assignee: ev::Assignee) -> Self {
        let event = ev::ReworkOrdered {
            case_id: self.case_id(),
            rejected: Some(rejected),
            assignee: Some(assignee),
            leg: 2,
            tier: ev::Tier::County.into(),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn merged_above(self, when: &str) -> Self {
        let event = ev::CaseMerged {
            case_id: self.case_id(),
            into_case_id: Uuid::nil().to_string(),
            tier: ev::Tier::County.into(),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn reopened_above(self, when: &str) -> Self {
        let event = ev::CaseReopened { case_id: self.case_id(), tier: ev::Tier::County.into(), ..Default::default() };
        self.tell("dispatch", when, None, event)
    }

    /// An accident on the day before.
    pub(crate) fn accident(self, when: &str, happened: &str) -> Self {
        self.accident_of(when, happened, 1, None)
    }

    /// An accident with so many deaths, where it was if the case's path does not say it.
    pub(crate) fn accident_of(self, when: &str, happened: &str, deaths: u32, place: Option<&str>) -> Self {
        let accident = types::Accident {
            happened_at: stamp(happened),
            deaths,
            description: "爆炸".to_owned(),
            ..Default::default()
        };
        let event = ev::AccidentRecorded {
            case_id: self.case_id(),
            tier: self.tier().into(),
            accident: Some(accident),
            place: place.map(wire_region),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn accessory(self, when: &str, kind: types::AccessoryKind, name: &str) -> Self {
        let accessory = types::Accessory { name: name.to_owned(), kind: kind.into(), note: "出租院落".to_owned() };
        let event = ev::AccessoryRecorded {
            case_id: self.case_id(),
            tier: ev::Tier::Township.into(),
            accessory: Some(accessory),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    /// What became of an order to cut off power.
    pub(crate) fn cut_off(self, when: &str, outcome: types::ComplianceOutcome) -> Self {
        self.cut_off_by("m", when, outcome)
    }

    /// What became of an order to cut off power, which is this measure.
    pub(crate) fn cut_off_by(self, measure_id: &str, when: &str, outcome: types::ComplianceOutcome) -> Self {
        let order = types::CutOff {
            utility: types::Utility::Power.into(),
            addressee: "供电所".to_owned(),
            order_number: "7号".to_owned(),
        };
        let measure = types::Measure { kind: Some(types::measure::Kind::CutOff(order)), ..types::Measure::default() };
        let compliance = types::Compliance {
            measure_id: measure_id.to_owned(),
            outcome: outcome.into(),
            established_at: stamp(when),
            note: String::new(),
        };
        let event = ev::ComplianceRecorded {
            case_id: self.case_id(),
            measure: Some(measure),
            by: Some(wire_post("township-agency", TOWNSHIP, "emergency-management")),
            compliance: Some(compliance),
            ..Default::default()
        };
        self.tell("dispatch", when, None, event)
    }

    pub(crate) fn closed(self, when: &str) -> Self {
        let event =
            ev::CaseClosed { meta: None, case_id: self.case_id(), tier: ev::Tier::County.into(), ..Default::default() };
        self.tell("dispatch", when, None, event)
    }
}

pub(crate) fn stamp(when: &str) -> Option<Timestamp> {
    Some(at(when).into())
}

/// Snapshots of the city, two counties and a township with its village, with holders who changed on 2026-11-24; all there from `since` on.
pub(crate) fn roster(since: &str) -> Vec<Told> {
    let entry = |region: &str, name: &str, parent: Option<&str>| ev::RosterRegion {
        region: Some(wire_region(region)),
        name: name.to_owned(),
        parent: parent.map(wire_region),
        work_area: if region == VILLAGE { "371302001-east".to_owned() } else { String::new() },
        households: 0,
    };
    let holder =
        |role: &str, region: &str, agency: &str, person: &str, from: &str, until: Option<&str>| ev::RosterHolder {
            post: Some(wire_post(role, region, agency)),
            person: person.to_owned(),
            valid_from: stamp(from),
            valid_until: until.and_then(stamp),
        };
    let snapshot = |number, region: &str, path: &str, regions, holders| {
        snapshot((number, 1), region, path, since, regions, holders)
    };
    let (old, change) = ("2026-01-01T00:00:00+08:00", "2026-11-24T00:00:00+08:00");
    vec![
        snapshot(1, CITY, CITY, vec![entry(CITY, "临沂市", None)], vec![]),
        snapshot(
            2,
            COUNTY,
            "city:371300/county:371302",
            vec![entry(COUNTY, "兰山区", Some(CITY))],
            vec![
                holder("county-office", COUNTY, "", "陈主任", old, None),
                holder("county-department", COUNTY, "emergency-management", "孙局长", old, None),
            ],
        ),
        snapshot(3, OTHER_COUNTY, "city:371300/county:371311", vec![entry(OTHER_COUNTY, "罗庄区", Some(CITY))], vec![]),
        snapshot(
            4,
            TOWNSHIP,
            "city:371300/county:371302/township:371302001",
            vec![
                entry(TOWNSHIP, "兰山街道", Some(COUNTY)),
                entry("work-area:371302001-east", "东片", Some(TOWNSHIP)),
                entry(VILLAGE, "前园村", Some(TOWNSHIP)),
            ],
            vec![
                holder("township-centre", TOWNSHIP, "", "赵主任", old, None),
                holder("village-secretary", VILLAGE, "", "王书记", old, Some(change)),
                holder("village-secretary", VILLAGE, "", "李书记", change, None),
                holder("grid-member", VILLAGE, "", "张网格", old, None),
            ],
        ),
    ]
}

/// A snapshot by its aggregate and sequence.
pub(crate) fn snapshot(
    (number, sequence): (u128, i64),
    region: &str,
    path: &str,
    received: &str,
    regions: Vec<ev::RosterRegion>,
    holders: Vec<ev::RosterHolder>,
) -> Told {
    let aggregate = Uuid::from_u128(number);
    let event = ev::RosterSnapshot {
        meta: Some(ev::EventMeta {
            aggregate_id: aggregate.to_string(),
            sequence,
            region_path: path.to_owned(),
            received_at: stamp(received),
            ..Default::default()
        }),
        region: Some(wire_region(region)),
        regions,
        holders,
        enterprises: vec![],
    };
    Told { service: "intake", aggregate, sequence, event: event.into() }
}
