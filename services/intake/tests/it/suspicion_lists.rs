//! Lists by every filter, page by page.

use dafei_contracts::{intake::v1 as api, timestamp::Timestamp, types::v1 as types};
use dafei_kernel::{role::Role, time::Instant};
use jiff::SignedDuration;

use crate::world::{CITY, Caller, MEMBER, SECRETARY, VILLAGE, WORK_AREA, World, den, fields, new_id, wire};

const CENTRE: Caller = (Role::TownshipCentre, "township:371302001");
/// Who reads what region: every level, for every level has its own way through the rows.
const READERS: [Caller; 5] = [
    SECRETARY,
    (Role::WorkAreaSecretary, WORK_AREA),
    CENTRE,
    (Role::CountyOffice, "county:371302"),
    (Role::CityOffice, CITY),
];

impl World {
    /// All ids of a list, in pages of two.
    async fn listed(&self, caller: Caller, asked: &api::ListSuspicionsRequest) -> Vec<String> {
        let (mut ids, mut page_token) = (Vec::new(), String::new());
        loop {
            let message =
                api::ListSuspicionsRequest { region: Some(wire(caller.1)), page_size: 2, page_token, ..asked.clone() };
            let page = self.suspicions().list_suspicions(self.request(caller, message)).await.expect("a page");
            let page = page.into_inner();
            assert!(page.suspicions.len() <= 2);
            ids.extend(page.suspicions.into_iter().map(|case| case.case_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return ids;
            }
        }
    }

    async fn keep(&self, request: api::RecordSuspicionRequest) -> String {
        self.clock.advance(SignedDuration::from_mins(1));
        self.record(api::RecordSuspicionRequest { request_id: new_id(), ..request }).await.expect("recorded").case_id
    }

    fn before_now(&self, hours: i64) -> Option<Timestamp> {
        Some(self.clock_now().checked_sub(SignedDuration::from_hours(hours)).expect("near now").into())
    }
}

fn enterprise() -> api::RecordSuspicionRequest {
    let enterprise = types::Enterprise {
        credit_code: "91350100M000100Y43".to_owned(),
        name: "某化工公司".to_owned(),
        ..Default::default()
    };
    let subject = Some(types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) });
    api::RecordSuspicionRequest { subject, ..den() }
}

fn of_act(act: &str) -> api::RecordSuspicionRequest {
    api::RecordSuspicionRequest { act: act.to_owned(), ..den() }
}

type Asked = api::ListSuspicionsRequest;

#[tokio::test]
async fn every_filter_gives_its_own_at_every_level() {
    let world = World::start().await;
    let plain = world.keep(den()).await;
    let (other, mining) = (world.keep(of_act("HC-9")).await, world.keep(of_act("MI-1")).await);
    let company = world.keep(enterprise()).await;
    let crime = world.keep(api::RecordSuspicionRequest { suspected_crime: true, ..den() }).await;
    let off = Some((world.clock_now() + SignedDuration::from_hours(2)).into());
    let skewed = world.keep(api::RecordSuspicionRequest { device_sent_at: off, ..den() }).await;
    let withdrawn = world.keep(den()).await;
    world.withdraw(&withdrawn).await.expect("withdrawn");
    let list = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    let state = |state: api::SuspicionState| vec![i32::from(state)];
    let newest_first = |ids: &[&String]| ids.iter().rev().map(|id| (*id).clone()).collect::<Vec<_>>();
    let cases: Vec<(Asked, Vec<String>)> = vec![
        (Asked { acts: list(&["HC-9"]), ..Asked::default() }, newest_first(&[&other])),
        (Asked { acts: list(&["HC-9", "MI-1"]), ..Asked::default() }, newest_first(&[&other, &mining])),
        (
            Asked { acts: list(&["HC-9"]), sectors: list(&["mines"]), ..Asked::default() },
            newest_first(&[&other, &mining]),
        ),
        (Asked { subject_kind: api::SubjectKind::Enterprise.into(), ..Asked::default() }, newest_first(&[&company])),
        (
            Asked { subject_kind: api::SubjectKind::Den.into(), acts: list(&["HC-3"]), ..Asked::default() },
            newest_first(&[&plain, &crime, &skewed, &withdrawn]),
        ),
        (Asked { credit_code: "91350100M000100Y43".to_owned(), ..Asked::default() }, newest_first(&[&company])),
        (Asked { skewed: Some(true), ..Asked::default() }, newest_first(&[&skewed])),
        (Asked { suspected_crime: Some(true), ..Asked::default() }, newest_first(&[&crime])),
        (
            Asked { suspected_crime: Some(false), skewed: Some(false), acts: list(&["HC-3"]), ..Asked::default() },
            newest_first(&[&plain, &company, &withdrawn]),
        ),
        (Asked { states: state(api::SuspicionState::Withdrawn), ..Asked::default() }, newest_first(&[&withdrawn])),
        (
            Asked { states: state(api::SuspicionState::Recorded), ..Asked::default() },
            newest_first(&[&plain, &other, &mining, &crime, &skewed]),
        ),
        (
            Asked { states: state(api::SuspicionState::Recorded), acts: list(&["MI-1"]), ..Asked::default() },
            newest_first(&[&mining]),
        ),
    ];
    for (asked, expected) in cases {
        for reader in READERS {
            assert_eq!(world.listed(reader, &asked).await, expected, "{reader:?} {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_time_of_finding_is_a_range_and_the_newest_finding_comes_first() {
    let world = World::start().await;
    world.clock.advance(SignedDuration::from_hours(100));
    // Reported one after the other, found in another order.
    let mut found = Vec::new();
    for hours in [5, 30, 10, 20] {
        let request = api::RecordSuspicionRequest { device_time: world.before_now(hours), ..den() };
        found.push((hours, world.keep(request).await));
    }
    let of = |hours: i64| found.iter().find(|(ago, _)| *ago == hours).expect("one").1.clone();
    let asked = |from: Option<i64>, until: Option<i64>| Asked {
        found_from: from.and_then(|hours| world.before_now(hours)),
        found_until: until.and_then(|hours| world.before_now(hours)),
        ..Asked::default()
    };
    for reader in READERS {
        assert_eq!(world.listed(reader, &asked(Some(25), None)).await, [of(5), of(10), of(20)], "{reader:?}");
        assert_eq!(world.listed(reader, &asked(None, Some(8))).await, [of(10), of(20), of(30)], "{reader:?}");
        assert_eq!(world.listed(reader, &asked(Some(25), Some(8))).await, [of(10), of(20)], "{reader:?}");
    }
    let company = world.keep(enterprise()).await;
    let by_code = Asked { credit_code: "91350100M000100Y43".to_owned(), ..asked(Some(25), None) };
    for reader in READERS {
        assert_eq!(world.listed(reader, &by_code).await, std::slice::from_ref(&company), "{reader:?}");
    }
}

type Change = fn(&mut Asked);

#[tokio::test]
async fn a_wrong_filter_is_named() {
    let world = World::start().await;
    let noon: Instant = "2026-11-23T12:00:00+08:00".parse().expect("an instant");
    let cases: [(Change, &str); 8] = [
        (|r| r.acts = vec!["HC-3".to_owned(), "HC-98".to_owned()], "acts[1]"),
        (|r| r.acts = vec!["HC-3".to_owned(); 201], "acts"),
        (|r| r.sectors = vec!["farming".to_owned()], "sectors[0]"),
        (|r| r.states = vec![0], "states[0]"),
        (|r| r.subject_kind = 7, "subject_kind"),
        (|r| r.credit_code = "9135".to_owned(), "credit_code"),
        (|r| r.found_until = r.found_from, "found_until"),
        (|r| r.page_size = -1, "page_size"),
    ];
    for (change, field) in cases {
        let mut message = Asked { region: Some(wire(VILLAGE)), found_from: Some(noon.into()), ..Asked::default() };
        change(&mut message);
        let status = world.suspicions().list_suspicions(world.request(MEMBER, message)).await.expect_err(field);
        assert_eq!(fields(&status), [field]);
    }
}
