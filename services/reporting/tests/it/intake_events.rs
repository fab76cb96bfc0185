//! Events as intake tells them: inspections, rewards, and a village's publicity.

use dafei_contracts::{
    events::v1 as pb,
    types::v1::{Measure, measure::Kind},
};
use dafei_kernel::ids;
use uuid::Uuid;

use crate::events::{By, Told, at, den, enterprise, meta, post, region, told};

/// 兰山街道 with a village of it.
pub(crate) const TOWNSHIP: &str = "city:371300/county:371302/township:371302001";
const VILLAGE: &str = "village:371302001001";

/// An inspection on its way.
pub(crate) struct Inspection {
    id: Uuid,
    by: By,
    path: &'static str,
    event: pb::InspectionRecorded,
}

impl Inspection {
    /// An enforcement inspection of an enterprise, of hazardous chemicals.
    pub(crate) fn of_enterprise(number: u32, by: By, when: &str, credit_code: &str) -> Self {
        let id = ids::derived(&["inspection", &number.to_string()]);
        let event = pb::InspectionRecorded {
            meta: None,
            inspection_id: id.to_string(),
            by: Some(post(by)),
            subject: Some(enterprise(credit_code)),
            sector: "hazardous-chemicals".to_owned(),
            enforcement: true,
            inspected_at: Some(at(when).into()),
            acts: Vec::new(),
            measures: Vec::new(),
            outside_scope: false,
            evidence_ids: Vec::new(),
        };
        Self { id, by, path: TOWNSHIP, event }
    }

    /// The same of a den.
    pub(crate) fn of_den(number: u32, by: By, when: &str) -> Self {
        let mut inspection = Self::of_enterprise(number, by, when, "");
        inspection.event.subject = Some(den());
        inspection
    }

    /// The same elsewhere, of another sector.
    pub(crate) fn elsewhere(mut self, path: &'static str, sector: &str) -> Self {
        self.path = path;
        sector.clone_into(&mut self.event.sector);
        self
    }

    /// 日常检查.
    pub(crate) fn daily(mut self) -> Self {
        self.event.enforcement = false;
        self
    }

    /// An act of it; with a case, that case's.
    pub(crate) fn act(mut self, act: &str, case: Option<Uuid>) -> Self {
        self.event.acts.push(pb::InspectionAct {
            act: act.to_owned(),
            act_text: String::new(),
            case_id: case.map(|id| id.to_string()).unwrap_or_default(),
        });
        self
    }

    /// A measure of it.
    pub(crate) fn measure(mut self, id: &str, when: &str, kind: Kind) -> Self {
        self.event.measures.push(Measure {
            measure_id: id.to_owned(),
            decided_at: Some(at(when).into()),
            comply_by: None,
            kind: Some(kind),
        });
        self
    }

    /// The event.
    pub(crate) fn told(mut self) -> Told {
        self.event.meta = Some(pb::EventMeta { actor: Some(post(self.by)), ..meta(self.id, 1, self.path) });
        told("intake", self.id, 1, self.event.into())
    }
}

/// A reward that was paid for a tip that a unit had accepted.
pub(crate) fn reward_paid(number: u32, unit: By, path: &str, when: &str, amount_fen: i64) -> Told {
    let id = ids::derived(&["announcement", &number.to_string()]);
    let event = pb::RewardPaid {
        // The announcement came before it.
        meta: Some(meta(id, 1, path)),
        announcement_id: id.to_string(),
        number: format!("2026-{number:04}"),
        amount_fen,
        paid_at: Some(at(when).into()),
        unit: Some(post(unit)),
        sector: "fireworks".to_owned(),
        act: "FW-1".to_owned(),
    };
    told("intake", id, 1, event.into())
}

/// A village's publicity book.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) told: Vec<Told>,
}

impl Book {
    fn tell(&mut self, by: By, tell: impl FnOnce(pb::EventMeta, String) -> dafei_contracts::Event) {
        let id = ids::derived(&["publicity-book", VILLAGE]);
        let sequence = i64::try_from(self.told.len()).expect("few") + 1;
        let path = format!("{TOWNSHIP}/{VILLAGE}");
        let meta = pb::EventMeta { actor: Some(post(by)), ..meta(id, sequence, &path) };
        let thing = ids::derived(&["thing", &sequence.to_string()]).to_string();
        self.told.push(told("intake", id, sequence, tell(meta, thing)));
    }

    /// A notice with its copies.
    pub(crate) fn notice(mut self, by: By, kind: pb::NoticeKind, copies: u32, when: &str) -> Self {
        self.tell(by, |meta, notice_id| {
            let event = pb::NoticePosted {
                meta: Some(meta),
                notice_id,
                village: Some(region(VILLAGE)),
                kind: kind.into(),
                copies,
                position: None,
                place: "村口".to_owned(),
                posted_at: Some(at(when).into()),
                replaces: String::new(),
                standing: None,
            };
            event.into()
        });
        self
    }

    /// Leaflets.
    pub(crate) fn leaflets(mut self, by: By, copies: u32, when: &str) -> Self {
        self.tell(by, |meta, distribution_id| {
            let event = pb::LeafletsDistributed {
                meta: Some(meta),
                distribution_id,
                village: Some(region(VILLAGE)),
                copies,
                households: copies,
                enterprises: Vec::new(),
                employees: 0,
                distributed_at: Some(at(when).into()),
            };
            event.into()
        });
        self
    }
}
