//! Events of what is done and left undone, as the services tell them.

use dafei_contracts::{
    Event,
    events::v1 as pb,
    types::v1::{self as types, Owner},
};
use dafei_kernel::ids;
use uuid::Uuid;

use crate::events::{By, Told, at, meta, post, region, told};

pub(crate) const TOWNSHIP: &str = "city:371300/county:371302/township:371302001";
/// 东关村.
pub(crate) const EAST: &str = "village:371302001001";
/// 西关村.
pub(crate) const WEST: &str = "village:371302001002";

/// 兰山街道 with two villages, two principals and the secretary of the first village.
pub(crate) fn township_with_villages() -> Told {
    let aggregate = ids::derived(&["roster", "township:371302001"]);
    let entry = |code: &str, name: &str, parent: &str| pb::RosterRegion {
        region: Some(region(code)),
        name: name.to_owned(),
        parent: Some(region(parent)),
        work_area: String::new(),
        households: 100,
    };
    let holder = |by: By, person: &str| pb::RosterHolder {
        post: Some(post(by)),
        person: person.to_owned(),
        valid_from: Some(at("2020-06-20T00:00:00+08:00").into()),
        valid_until: None,
    };
    let principal = By("township-principal", "township:371302001", "");
    let event = pb::RosterSnapshot {
        meta: Some(meta(aggregate, 2, TOWNSHIP)),
        region: Some(region("township:371302001")),
        regions: vec![
            entry("township:371302001", "兰山街道", "county:371302"),
            entry(EAST, "东关村", "township:371302001"),
            entry(WEST, "西关村", "township:371302001"),
        ],
        holders: vec![
            holder(principal, "赵书记"),
            holder(principal, "钱镇长"),
            holder(By("village-secretary", EAST, ""), "孙支书"),
        ],
        enterprises: Vec::new(),
    };
    told("intake", aggregate, 2, event.into())
}

/// An event of an aggregate's own, the first of it.
pub(crate) fn first(service: &'static str, name: &str, path: &str, event: impl Into<Event>) -> Told {
    nth(service, name, 1, path, event)
}

/// The nth event of an aggregate.
pub(crate) fn nth(service: &'static str, name: &str, sequence: i64, path: &str, event: impl Into<Event>) -> Told {
    let aggregate = ids::derived(&["of-a-test", name]);
    let mut event = event.into();
    event.set_meta(meta(aggregate, sequence, path));
    told(service, aggregate, sequence, event)
}

/// The same event, received at another instant.
pub(crate) fn received(mut told: Told, when: &str) -> Told {
    let meta = told.event.meta().cloned().expect("meta");
    told.event.set_meta(pb::EventMeta { received_at: Some(at(when).into()), ..meta });
    told
}

/// An obligation of a case, or of a duty where there is none.
pub(crate) fn obligation(name: &str, clock: &str, case: Option<Uuid>, by: By, due: &str) -> pb::Obligation {
    let owner = Owner { post: Some(post(by)), persons: vec!["孙支书".to_owned()] };
    pb::Obligation {
        obligation_id: ids::derived(&["of-a-test", name]).to_string(),
        clock: clock.to_owned(),
        case_id: case.map(|id| id.to_string()).unwrap_or_default(),
        leg: 1,
        direct: Some(owner.clone()),
        loop_owner: Some(owner),
        started_at: Some(at("2026-11-09T00:00:00+08:00").into()),
        due: Some(at(due).into()),
        due_inclusive: case.is_some(),
        rule_version: "linyi-2020-17.5".to_owned(),
        period: if case.is_some() { String::new() } else { "2026-W46".to_owned() },
        ..pb::Obligation::default()
    }
}

/// 红灯.
pub(crate) fn breached(name: &str, path: &str, obligation: pb::Obligation) -> Told {
    let due = obligation.due;
    let mut told =
        first("sla-monitor", name, path, pb::Breached { obligation: Some(obligation), ..Default::default() });
    let meta = told.event.meta().cloned().expect("meta");
    told.event.set_meta(pb::EventMeta { received_at: due, ..meta });
    told
}

/// Done, so many seconds late.
pub(crate) fn settled(
    name: &str,
    sequence: i64,
    path: &str,
    obligation: pb::Obligation,
    when: &str,
    late_seconds: i64,
) -> Told {
    let event = pb::Settled { obligation: Some(obligation), late_seconds, ..Default::default() };
    received(nth("sla-monitor", name, sequence, path, event), when)
}

/// Patrols of a village.
pub(crate) fn patrols(village: &str, when: &[&str]) -> Told {
    let patrols = when.iter().enumerate().map(|(number, when)| pb::PatrolItem {
        patrol_id: ids::derived(&["patrol", village, &number.to_string()]).to_string(),
        patrolled_at: Some(at(when).into()),
        counts: true,
        inspector: "李网格".to_owned(),
        ..pb::PatrolItem::default()
    });
    let event = pb::PatrolsRecorded { meta: None, village: Some(region(village)), patrols: patrols.collect() };
    first("intake", &format!("patrols of {village}"), &format!("{TOWNSHIP}/{village}"), event)
}

/// How a village stands with its notices.
pub(crate) fn notices(village: &str, valid_places: u32) -> Told {
    notices_with(village, valid_places, 0)
}

/// The same with pairs that hang too close to each other.
pub(crate) fn notices_with(village: &str, valid_places: u32, close_pairs: u32) -> Told {
    let path = format!("{TOWNSHIP}/{village}");
    let event = pb::NoticePosted {
        notice_id: ids::derived(&["notice", village]).to_string(),
        village: Some(region(village)),
        kind: pb::NoticeKind::Reward.into(),
        copies: 1,
        posted_at: Some(at("2026-11-10T09:00:00+08:00").into()),
        standing: Some(pb::NoticeStanding { valid_places, close_pairs, required: 10 }),
        ..Default::default()
    };
    let mut told = first("intake", &format!("notices of {village}"), &path, event);
    let meta = told.event.meta().cloned().expect("meta");
    let actor =
        types::Post { role: "village-secretary".to_owned(), region: Some(region(village)), agency: String::new() };
    told.event.set_meta(pb::EventMeta { actor: Some(actor), ..meta });
    told
}
