//! Columns 9 and 10: what stands of the entries of the accountability ledger.

use dafei_contracts::{
    events::v1 as pb,
    reporting::v1::{FilingUnit, ListCellFactsRequest},
};
use dafei_kernel::ids;
use dafei_reporting::consumer;

use crate::{
    events::{By, CENTRE, OFFICE, SECRETARY, Told, at, meta, post, told},
    world::{World, row, total, unit, value},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";
const TOWNSHIP: &str = "city:371300/county:371302/township:371302001";
const CITY_OFFICE: By = By::CITY_OFFICE;

fn county() -> FilingUnit {
    unit("county-office", "county:371302", "")
}

fn city() -> FilingUnit {
    unit("city-office", "city:371300", "")
}

/// An entry of the ledger, whose decisions are told one after the other.
pub(crate) struct Entry {
    number: u32,
    path: &'static str,
    sector: &'static str,
    sequence: i64,
}

/// A person: post, name, outcome, leading cadre.
pub(crate) type Person = (By, &'static str, &'static str, bool);

impl Entry {
    pub(crate) fn new(number: u32, path: &'static str, sector: &'static str) -> Self {
        // The notice and a statement came before.
        Self { number, path, sector, sequence: 0 }
    }

    fn told(&mut self, event: impl Into<dafei_contracts::Event>) -> Told {
        self.sequence += 1;
        let aggregate = ids::derived(&["entry", &self.number.to_string()]);
        let mut event = event.into();
        event.set_meta(meta(aggregate, self.sequence, self.path));
        told("sla-monitor", aggregate, self.sequence, event)
    }

    fn charge(&self) -> Option<pb::AccountabilityCharge> {
        Some(pb::AccountabilityCharge {
            entry_id: ids::derived(&["entry", &self.number.to_string()]).to_string(),
            sector: self.sector.to_owned(),
            ..pb::AccountabilityCharge::default()
        })
    }

    pub(crate) fn opened(&mut self) -> Told {
        let charge = self.charge();
        self.told(pb::AccountabilityOpened { charge, ..pb::AccountabilityOpened::default() })
    }

    pub(crate) fn decided(&mut self, by: By, when: &str, persons: &[Person]) -> Told {
        let event = pb::AccountabilityDecided {
            charge: self.charge(),
            persons: outcomes(persons),
            decided_by: Some(post(by)),
            decided_at: Some(at(when).into()),
            counted_at: Some(at(when).into()),
            ..pb::AccountabilityDecided::default()
        };
        self.told(event)
    }

    /// Decided on appeal a month later, by the city's office.
    pub(crate) fn appeal_decided(&mut self, by: By, when: &str, persons: &[Person]) -> Told {
        let event = pb::AccountabilityAppealDecided {
            charge: self.charge(),
            changed: true,
            persons: outcomes(persons),
            decided_by: Some(post(CITY_OFFICE)),
            decided_at: Some(at("2026-12-10T12:00:00+08:00").into()),
            counted_by: Some(post(by)),
            counted_at: Some(at(when).into()),
            ..pb::AccountabilityAppealDecided::default()
        };
        self.told(event)
    }
}

fn outcomes(persons: &[Person]) -> Vec<pb::AccountabilityOutcome> {
    persons
        .iter()
        .map(|(by, person, outcome, leading)| pb::AccountabilityOutcome {
            responsibility: "direct".to_owned(),
            post: Some(post(*by)),
            person: (*person).to_owned(),
            outcome: (*outcome).to_owned(),
            leading_cadre: *leading,
        })
        .collect()
}

async fn figures(world: &World, of: FilingUnit, month: &str) -> [i64; 4] {
    let table = world.table(of, month).await;
    [total(&table, 9), total(&table, 10), table.secretaries_warned, table.secretaries_held_accountable]
}

#[tokio::test]
async fn leading_cadres_count_at_the_office_that_decided_and_village_secretaries_in_a_note() {
    let world = World::start().await;
    let mut case = Entry::new(1, TOWNSHIP, "fireworks");
    let mut duty = Entry::new(2, TOWNSHIP, "");
    let mut village = Entry::new(3, "city:371300/county:371302/township:371302001/village:371302001001", "fireworks");
    let persons = [
        (CENTRE, "赵主任", "held-accountable", true),
        (CENTRE, "钱副主任", "warning-talk", true),
        (CENTRE, "孙干事", "warning-talk", false),
        (CENTRE, "李副主任", "reduced", true),
    ];
    let told = [
        case.opened(),
        case.decided(OFFICE, NOON, &persons),
        duty.decided(OFFICE, NOON, &[(CENTRE, "赵主任", "warning-talk", true)]),
        village.decided(CENTRE, NOON, &[(SECRETARY, "王书记", "warning-talk", false)]),
    ];
    world.tell(&told).await;
    assert_eq!(figures(&world, county(), NOVEMBER).await, [2, 1, 1, 0]);
    assert_eq!(figures(&world, unit("township", "township:371302001", ""), NOVEMBER).await, [0, 0, 1, 0]);
    let table = world.table(county(), NOVEMBER).await;
    let fireworks = row(&table, "fireworks");
    assert_eq!((value(fireworks, 9), value(fireworks, 10)), (1, 1));
    assert_eq!(table.without_sector.as_ref().map(|row| value(row, 9)), Some(1), "a duty names no sector");
    let request = ListCellFactsRequest {
        unit: Some(county()),
        month: NOVEMBER.to_owned(),
        column: 9,
        ..ListCellFactsRequest::default()
    };
    assert_eq!(world.facts(request).await.expect("facts").facts.len(), 2);
}

#[tokio::test]
async fn an_appeal_makes_the_columns_of_the_decision_s_month_what_it_decided() {
    let world = World::start().await;
    world.clock.set(at("2026-12-20T12:00:00+08:00"));
    let mut entry = Entry::new(1, TOWNSHIP, "fireworks");
    let first = [(CENTRE, "赵主任", "held-accountable", true), (CENTRE, "钱副主任", "held-accountable", true)];
    let milder = [(CENTRE, "赵主任", "warning-talk", true), (CENTRE, "钱副主任", "not-pursued", true)];
    let decided = entry.decided(OFFICE, NOON, &first);
    world.tell(std::slice::from_ref(&decided)).await;
    assert_eq!(figures(&world, county(), NOVEMBER).await, [0, 2, 0, 0]);
    let appealed = entry.appeal_decided(OFFICE, NOON, &milder);
    world.tell(&[appealed.clone(), decided.clone(), appealed.clone()]).await;
    assert_eq!(figures(&world, county(), NOVEMBER).await, [1, 0, 0, 0]);
    assert_eq!(figures(&world, city(), NOVEMBER).await, [1, 0, 0, 0]);
    assert_eq!(figures(&world, county(), "2026-12").await, [0; 4], "the month is the decision's");
    // What was disproved is decided anew, and blames nobody.
    let cleared = entry.decided(OFFICE, NOON, &[(CENTRE, "赵主任", "not-pursued", true)]);
    world.tell(&[cleared]).await;
    assert_eq!(figures(&world, county(), NOVEMBER).await, [0; 4]);
}

#[tokio::test]
async fn a_village_secretary_s_note_follows_his_appeal_and_a_rebuilt_projection_is_the_same() {
    let world = World::start().await;
    let path = "city:371300/county:371302/township:371302001/village:371302001001";
    let (mut entry, mut other) = (Entry::new(1, path, ""), Entry::new(2, TOWNSHIP, "fireworks"));
    let told = [
        entry.decided(CENTRE, NOON, &[(SECRETARY, "王书记", "held-accountable", false)]),
        entry.appeal_decided(CENTRE, NOON, &[(SECRETARY, "王书记", "warning-talk", false)]),
        other.decided(OFFICE, NOON, &[(CENTRE, "赵主任", "held-accountable", true)]),
        other.appeal_decided(OFFICE, NOON, &[(CENTRE, "赵主任", "warning-talk", true)]),
    ];
    world.tell(&told).await;
    let before = world.table(county(), NOVEMBER).await;
    assert_eq!(figures(&world, county(), NOVEMBER).await, [1, 0, 1, 0]);
    consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    let after = world.table(county(), NOVEMBER).await;
    assert_eq!((after.rows, after.total), (before.rows, before.total));
    assert_eq!(figures(&world, county(), NOVEMBER).await, [1, 0, 1, 0]);
}

#[tokio::test]
async fn a_decision_of_an_unknown_kind_is_put_aside_and_counts_nothing() {
    let world = World::start().await;
    let mut entry = Entry::new(1, TOWNSHIP, "fireworks");
    let strange = entry.decided(OFFICE, NOON, &[(CENTRE, "赵主任", "banished", true)]);
    let mut fine = Entry::new(2, TOWNSHIP, "fireworks");
    let known = fine.decided(OFFICE, NOON, &[(CENTRE, "赵主任", "warning-talk", true)]);
    world.tell(&[strange, known]).await;
    assert_eq!(figures(&world, county(), NOVEMBER).await, [1, 0, 0, 0]);
    let letters: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letter").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(letters, 1);
}
