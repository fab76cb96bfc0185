//! Events as dispatch and intake tell them.

use dafei_contracts::{
    Event,
    events::v1 as pb,
    types::v1::{self as types, Measure, measure::Kind},
};
use dafei_kernel::{act::Act, ids, time::Instant};
use uuid::Uuid;

/// An event with what its headers say.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) service: &'static str,
    pub(crate) aggregate: Uuid,
    pub(crate) sequence: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event: Event,
}

/// 371302 with two townships, 371371 with a township that is coded under 371311.
const REGIONS: [(&str, &str, Option<&str>, &str); 7] = [
    ("city:371300", "临沂市", None, "city:371300"),
    ("county:371302", "兰山区", Some("city:371300"), "city:371300/county:371302"),
    ("county:371311", "罗庄区", Some("city:371300"), "city:371300/county:371311"),
    ("county:371371", "高新区", Some("city:371300"), "city:371300/county:371371"),
    ("township:371302001", "兰山街道", Some("county:371302"), "city:371300/county:371302/township:371302001"),
    ("township:371302002", "银雀山街道", Some("county:371302"), "city:371300/county:371302/township:371302002"),
    ("township:371311004", "罗西街道", Some("county:371371"), "city:371300/county:371371/township:371311004"),
];

/// The snapshots of the roster.
pub(crate) fn roster() -> Vec<Told> {
    REGIONS.iter().map(|(code, name, parent, path)| snapshot(code, name, *parent, path)).collect()
}

fn snapshot(code: &str, name: &str, parent: Option<&str>, path: &str) -> Told {
    let aggregate = ids::derived(&["roster", code]);
    let event = pb::RosterSnapshot {
        meta: Some(pb::EventMeta {
            received_at: Some(at("2020-06-20T00:00:00+08:00").into()),
            ..meta(aggregate, 1, path)
        }),
        region: Some(region(code)),
        regions: vec![pb::RosterRegion {
            region: Some(region(code)),
            name: name.to_owned(),
            parent: parent.map(region),
            work_area: String::new(),
            households: 0,
        }],
        holders: departments(code),
        enterprises: Vec::new(),
    };
    told("intake", aggregate, 1, event.into())
}

/// The snapshot of a region that an instant brings; what it names is there from then on.
pub(crate) fn snapshot_since(sequence: i64, code: &str, name: &str, parent: &str, when: &str) -> Told {
    let parents = REGIONS.iter().find(|(known, ..)| *known == parent).expect("a region of the roster").3;
    let told = snapshot(code, name, Some(parent), &format!("{parents}/{code}"));
    of_then(told, sequence, when)
}

/// The snapshot that says of a township of 兰山区 that it is gone.
pub(crate) fn gone_since(sequence: i64, code: &str, when: &str) -> Told {
    let aggregate = ids::derived(&["roster", code]);
    let path = format!("city:371300/county:371302/{code}");
    let (meta, region) = (Some(meta(aggregate, sequence, &path)), Some(region(code)));
    let event = pb::RosterSnapshot { meta, region, ..Default::default() };
    of_then(told("intake", aggregate, sequence, event.into()), sequence, when)
}

/// An event of another place in its aggregate's order, and of another instant.
fn of_then(told: Told, sequence: i64, when: &str) -> Told {
    let mut event = told.event;
    let meta = event.meta().cloned().expect("every event has it");
    event.set_meta(pb::EventMeta { sequence, received_at: Some(at(when).into()), ..meta });
    self::told(told.service, told.aggregate, sequence, event)
}

/// A township's snapshot once another county administers it.
pub(crate) fn moved_township(sequence: i64, code: &str, county: &str) -> Told {
    let path = format!("city:371300/{county}/{code}");
    let told = snapshot(code, "银雀山街道", Some(county), &path);
    let mut event = told.event;
    event.set_meta(meta(told.aggregate, sequence, &path));
    self::told("intake", told.aggregate, sequence, event)
}

/// Who holds the departments' posts: of 兰山区 and of the city, 应急管理 and 公安.
fn departments(code: &str) -> Vec<pb::RosterHolder> {
    let role = match code {
        "city:371300" => "city-department",
        "county:371302" => "county-department",
        _ => return Vec::new(),
    };
    let holder = |agency: &str| pb::RosterHolder {
        post: Some(types::Post { role: role.to_owned(), region: Some(region(code)), agency: agency.to_owned() }),
        person: "李科长".to_owned(),
        valid_from: Some(at("2020-06-20T00:00:00+08:00").into()),
        valid_until: None,
    };
    vec![holder("emergency-management"), holder("public-security")]
}

pub(crate) fn told(service: &'static str, aggregate: Uuid, sequence: i64, event: Event) -> Told {
    let event_id = ids::derived(&["event", &aggregate.to_string(), &sequence.to_string()]);
    Told { service, aggregate, sequence, event_id, event }
}

pub(crate) fn meta(aggregate: Uuid, sequence: i64, path: &str) -> pb::EventMeta {
    pb::EventMeta {
        aggregate_id: aggregate.to_string(),
        sequence,
        region_path: path.to_owned(),
        actor: None,
        received_at: Some(at("2026-11-10T09:00:00+08:00").into()),
        claimed_at: None,
        chain_head: String::new(),
        person: String::new(),
    }
}

pub(crate) fn region(text: &str) -> types::Region {
    let (level, code) = text.split_once(':').expect("level:code");
    types::Region { level: level.to_owned(), code: code.to_owned() }
}

pub(crate) fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

/// A case that tells its events one after the other.
pub(crate) struct Case {
    pub(crate) id: Uuid,
    act: Act,
    path: String,
    enterprise: Option<&'static str>,
    source: pb::CaseSource,
    sequence: i64,
    pub(crate) told: Vec<Told>,
}

/// Who does something.
#[derive(Clone, Copy)]
pub(crate) struct By(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str);

/// A township's police station.
pub(crate) const POLICE_STATION: By = By("township-agency", "township:371302001", "public-security");
/// Its centre.
pub(crate) const CENTRE: By = By("township-centre", "township:371302001", "");
/// The secretary of a village of it.
pub(crate) const SECRETARY: By = By("village-secretary", "village:371302001001", "");
/// 兰山区应急管理.
pub(crate) const EMERGENCY: By = By("county-department", "county:371302", "emergency-management");
/// 兰山区公安.
pub(crate) const POLICE: By = By("county-department", "county:371302", "public-security");
/// 兰山区安委会办公室.
pub(crate) const OFFICE: By = By("county-office", "county:371302", "");
impl By {
    /// 市安委会办公室.
    pub(crate) const CITY_OFFICE: Self = Self("city-office", "city:371300", "");
}
/// 市应急管理.
pub(crate) const CITY_EMERGENCY: By = By("city-department", "city:371300", "emergency-management");
/// A township agency of the township that another county administers than its code says.
pub(crate) const ZONE_STATION: By = By("township-agency", "township:371311004", "public-security");

impl Case {
    /// Opened in a village of 371302001.
    pub(crate) fn open(number: u32, act: &str) -> Self {
        Self::open_in(number, act, "city:371300/county:371302/township:371302001")
    }

    /// Opened in a township, or at a county office where the path ends there.
    pub(crate) fn open_in(number: u32, act: &str, path: &str) -> Self {
        let id = ids::derived(&["case", &number.to_string()]);
        let act = act.parse().expect("an act");
        let source = pb::CaseSource::GridReport;
        let mut case = Self { id, act, path: path.to_owned(), enterprise: None, source, sequence: 0, told: Vec::new() };
        let township = path.rsplit('/').next().filter(|region| region.starts_with("township:"));
        let tier = if township.is_some() { pb::Tier::Township } else { pb::Tier::County };
        case.tell(pb::CaseOpened {
            meta: None,
            case_id: id.to_string(),
            source: pb::CaseSource::GridReport.into(),
            act: case.act.code().to_owned(),
            act_text: String::new(),
            sector: case.act.sector().code().to_owned(),
            subject: Some(case.subject()),
            village: None,
            township: township.map(region),
            found_at: Some(at("2026-11-10T08:00:00+08:00").into()),
            reached_at: Some(at("2026-11-10T08:30:00+08:00").into()),
            tier: tier.into(),
            ..Default::default()
        });
        case
    }

    /// The same case about an enterprise.
    pub(crate) fn of_enterprise(mut self, credit_code: &'static str) -> Self {
        self.enterprise = Some(credit_code);
        self
    }

    /// The same case of another source.
    pub(crate) fn from(mut self, source: pb::CaseSource) -> Self {
        self.source = source;
        self
    }

    fn subject(&self) -> types::Subject {
        self.enterprise.map_or_else(den, enterprise)
    }

    pub(crate) fn tell(&mut self, event: impl Into<Event>) {
        self.sequence += 1;
        let mut event = event.into();
        event.set_meta(meta(self.id, self.sequence, &self.path));
        self.told.push(told("dispatch", self.id, self.sequence, event));
    }

    /// 查出非法行为.
    pub(crate) fn confirmed(mut self, by: By, when: &str) -> Self {
        self.tell(pb::ActConfirmed {
            meta: None,
            case_id: self.id.to_string(),
            act: self.act.code().to_owned(),
            sector: self.act.sector().code().to_owned(),
            by: Some(post(by)),
            confirmed_at: Some(at(when).into()),
            source: self.source.into(),
            ..Default::default()
        });
        self
    }

    /// The verification of a tip is concluded.
    pub(crate) fn verified(mut self, by: By, tip: Uuid, verdict: pb::TipVerdict, when: &str) -> Self {
        self.tell(pb::TipVerified {
            meta: None,
            case_id: self.id.to_string(),
            tip_id: tip.to_string(),
            verdict: verdict.into(),
            by: Some(post(by)),
            verified_at: Some(at(when).into()),
            sector: self.act.sector().code().to_owned(),
            act: self.act.code().to_owned(),
        });
        self
    }

    /// A measure of the lead.
    pub(crate) fn measure(self, by: By, id: &str, when: &str, kind: Kind) -> Self {
        self.led_measure(by, Some(by), id, when, kind)
    }

    /// A measure in an assignment with this lead; none is told as events of before did.
    pub(crate) fn led_measure(mut self, by: By, lead: Option<By>, id: &str, when: &str, kind: Kind) -> Self {
        self.tell(pb::MeasureRecorded {
            meta: None,
            case_id: self.id.to_string(),
            measure: Some(Measure {
                measure_id: id.to_owned(),
                decided_at: Some(at(when).into()),
                comply_by: None,
                kind: Some(kind),
            }),
            by: Some(post(by)),
            sector: self.act.sector().code().to_owned(),
            act: self.act.code().to_owned(),
            subject: Some(self.subject()),
            source: self.source.into(),
            lead: lead.map(post),
        });
        self
    }
}

/// An enterprise as the subject of something.
pub(crate) fn enterprise(credit_code: &str) -> types::Subject {
    let enterprise = types::Enterprise {
        credit_code: credit_code.to_owned(),
        name: "临沂某厂".to_owned(),
        ..types::Enterprise::default()
    };
    types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) }
}

/// A den as the subject of something.
pub(crate) fn den() -> types::Subject {
    let den = types::Den { place: "村东头".to_owned(), position: None, industry: String::new() };
    types::Subject { kind: Some(types::subject::Kind::Den(den)) }
}

pub(crate) fn post(By(role, of, agency): By) -> types::Post {
    types::Post { role: role.to_owned(), region: Some(region(of)), agency: agency.to_owned() }
}

/// 行政处罚.
pub(crate) fn fine(amount_fen: i64) -> Kind {
    Kind::Fine(types::Fine { amount_fen, ..types::Fine::default() })
}

/// 停产整顿.
pub(crate) fn stop() -> Kind {
    Kind::StopProduction(types::StopProduction::default())
}

/// 关闭取缔.
pub(crate) fn close() -> Kind {
    Kind::CloseDown(types::CloseDown::default())
}

/// 采取刑事措施.
pub(crate) fn criminal(persons: u32) -> Kind {
    Kind::CriminalMeasure(types::CriminalMeasure { persons })
}

/// The type of a told event.
pub(crate) fn kind(told: &Told) -> &'static str {
    told.event.kind().event_type
}
