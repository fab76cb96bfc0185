//! The way of an entry: notice, statement, decision, appeal; and what a disproved breach makes of it.

use dafei_contracts::{
    Event, chain,
    events::v1::AccountabilityCharge,
    sla::v1::{
        AccountabilityEntry, AppealRequest, DecideAppealRequest, DecideRequest, GetEntryRequest, ListEntriesRequest,
        PersonOutcome, SubmitStatementRequest,
    },
};
use dafei_kernel::{agency::Agency, role::Role};
use dafei_messaging::log;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::{
    events::{CITY, COUNTY, Case, TOWNSHIP, VILLAGE, department},
    world::{START, World, owner},
};

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) Role, pub(crate) &'static str, pub(crate) Option<Agency>);

pub(crate) const MEMBER: Caller = Caller(Role::GridMember, VILLAGE, None);
pub(crate) const SECRETARY: Caller = Caller(Role::VillageSecretary, VILLAGE, None);
pub(crate) const CENTRE: Caller = Caller(Role::TownshipCentre, TOWNSHIP, None);
pub(crate) const DEPARTMENT: Caller = Caller(Role::CountyDepartment, COUNTY, Some(Agency::EmergencyManagement));
pub(crate) const OFFICE: Caller = Caller(Role::CountyOffice, COUNTY, None);
pub(crate) const CITY_OFFICE: Caller = Caller(Role::CityOffice, CITY, None);
pub(crate) const AUDITOR: Caller = Caller(Role::Auditor, CITY, None);

pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let field = details.bad_request().and_then(|bad| bad.field_violations.first().cloned());
    match field {
        Some(violation) => format!("{} {}", violation.field, violation.reason),
        None => details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
    }
}

pub(crate) fn request_id() -> String {
    dafei_kernel::ids::IdSource::random(&dafei_kernel::ids::SystemIds).to_string()
}

pub(crate) fn charge(entry: &AccountabilityEntry) -> &AccountabilityCharge {
    entry.charge.as_ref().unwrap()
}

pub(crate) fn outcome(responsibility: &str, person: &str, outcome: &str) -> PersonOutcome {
    PersonOutcome {
        responsibility: responsibility.to_owned(),
        person: person.to_owned(),
        outcome: outcome.to_owned(),
        ..PersonOutcome::default()
    }
}

pub(crate) fn leading(responsibility: &str, person: &str, what: &str) -> PersonOutcome {
    PersonOutcome { leading_cadre: true, ..outcome(responsibility, person, what) }
}

/// What callers do; each call with a request id of its own.
impl World {
    pub(crate) fn as_caller<T>(&self, Caller(role, region, agency): Caller, message: T) -> tonic::Request<T> {
        self.request_of(role, region, agency, None, message)
    }

    pub(crate) async fn list(
        &self,
        caller: Caller,
        message: ListEntriesRequest,
    ) -> Result<Vec<AccountabilityEntry>, Status> {
        let request = self.as_caller(caller, message);
        Ok(self.accountability().list_entries(request).await?.into_inner().entries)
    }

    /// The only entry that charges the caller.
    pub(crate) async fn own(&self, caller: Caller) -> AccountabilityEntry {
        let mut own = self.list(caller, ListEntriesRequest::default()).await.unwrap();
        assert_eq!(own.len(), 1);
        own.remove(0)
    }

    pub(crate) async fn entry(&self, caller: Caller, id: &str) -> Result<AccountabilityEntry, Status> {
        let request = self.as_caller(caller, GetEntryRequest { entry_id: id.to_owned() });
        Ok(self.accountability().get_entry(request).await?.into_inner().entry.unwrap())
    }

    pub(crate) async fn state(
        &self,
        caller: Caller,
        entry: &AccountabilityEntry,
    ) -> Result<AccountabilityEntry, Status> {
        let message = SubmitStatementRequest {
            request_id: request_id(),
            entry_id: charge(entry).entry_id.clone(),
            expected_version: entry.version,
            text: "当日雨大路断".to_owned(),
        };
        let request = self.as_caller(caller, message);
        Ok(self.accountability().submit_statement(request).await?.into_inner().entry.unwrap())
    }

    pub(crate) async fn decide(
        &self,
        caller: Caller,
        entry: &AccountabilityEntry,
        persons: &[PersonOutcome],
    ) -> Result<AccountabilityEntry, Status> {
        let message = DecideRequest {
            request_id: request_id(),
            entry_id: charge(entry).entry_id.clone(),
            expected_version: entry.version,
            grounds: "经查属实".to_owned(),
            persons: persons.to_vec(),
        };
        let request = self.as_caller(caller, message);
        Ok(self.accountability().decide(request).await?.into_inner().entry.unwrap())
    }

    pub(crate) async fn appeal(
        &self,
        caller: Caller,
        entry: &AccountabilityEntry,
    ) -> Result<AccountabilityEntry, Status> {
        let message = AppealRequest {
            request_id: request_id(),
            entry_id: charge(entry).entry_id.clone(),
            expected_version: entry.version,
            text: "处理过重".to_owned(),
        };
        let request = self.as_caller(caller, message);
        Ok(self.accountability().appeal(request).await?.into_inner().entry.unwrap())
    }

    pub(crate) async fn decide_appeal(
        &self,
        caller: Caller,
        entry: &AccountabilityEntry,
        changes: &[PersonOutcome],
    ) -> Result<AccountabilityEntry, Status> {
        let message = DecideAppealRequest {
            request_id: request_id(),
            entry_id: charge(entry).entry_id.clone(),
            expected_version: entry.version,
            grounds: "复查认为从轻".to_owned(),
            changes: changes.to_vec(),
        };
        let request = self.as_caller(caller, message);
        Ok(self.accountability().decide_appeal(request).await?.into_inner().entry.unwrap())
    }

    /// The events of an entry, in their order.
    pub(crate) async fn events_of(&self, entry: &AccountabilityEntry) -> Vec<(Event, String)> {
        let id: Uuid = charge(entry).entry_id.parse().unwrap();
        let mut conn = self.db.pool.acquire().await.unwrap();
        let logged = log::history(&mut conn, id, 0, 100).await.unwrap();
        let mut head = String::new();
        for (number, event) in logged.iter().enumerate() {
            assert_eq!(event.sequence, i64::try_from(number).unwrap() + 1);
            let read = Event::from_json(&event.event_type, &event.payload).unwrap().unwrap();
            assert_eq!(read.meta().unwrap().chain_head, head);
            head = chain::next_head(&head, &event.payload);
        }
        let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
        logged
            .iter()
            .map(|event| {
                let read = Event::from_json(&event.event_type, &event.payload).unwrap().unwrap();
                (read, format!("{} {}", event.subject, text(&event.payload)))
            })
            .collect()
    }

    pub(crate) fn set(&self, when: &str) {
        self.clock.set(crate::events::at(when));
    }
}

/// A department that answered neither in 12 hours nor later: its breach of K2, with its entry.
async fn charged_department(world: &World) -> AccountabilityEntry {
    let case = Case::new(1).opened(START).delivered(START, department(1, "emergency-management", true));
    world.tell(&case.told).await;
    world.go("2026-11-23T20:30:00+08:00").await;
    world.open_entries().await;
    let found = world.list(DEPARTMENT, ListEntriesRequest::default()).await.unwrap();
    assert_eq!(found.len(), 1, "K2 alone");
    found.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_charges_both_who_are_heard_before_the_office_above_decides_and_appeal_one_level_higher() {
    let world = World::start().await;
    world.tell(&Case::new(1).found(START).told).await;
    world.go("2026-11-23T09:30:00+08:00").await;
    world.open_entries().await;
    let entry = world.own(MEMBER).await;
    assert_eq!(owner(charge(&entry).direct.as_ref()), "grid-member@village:371302001001 张网格");
    assert_eq!(owner(charge(&entry).loop_owner.as_ref()), "village-secretary@village:371302001001 王书记");
    assert_eq!((charge(&entry).clock.as_str(), charge(&entry).sector.as_str()), ("V1", "fireworks"));
    assert_eq!(charge(&entry).decider, Some(crate::events::wire_post("township-centre", TOWNSHIP, "")));
    let persons = [outcome("direct", "张网格", "held-accountable"), outcome("loop", "王书记", "warning-talk")];
    assert_eq!(reason(&world.decide(CENTRE, &entry, &persons).await.unwrap_err()), "NOT_HEARD");
    assert_eq!(reason(&world.state(CENTRE, &entry).await.unwrap_err()), "NOT_CHARGED");
    let first = world.state(MEMBER, &entry).await.unwrap();
    let stale = world.state(SECRETARY, &entry).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "VERSION_CONFLICT"));
    for stranger in [OFFICE, CENTRE] {
        let blind = world.state(stranger, &entry).await.unwrap_err();
        assert_eq!(reason(&blind), "NOT_CHARGED", "how far it is, is not told to whom it does not charge");
    }
    let second = world.state(SECRETARY, &first).await.unwrap();
    assert_eq!((second.state.as_str(), second.statements.len()), ("stated", 2));
    for other in [MEMBER, SECRETARY, OFFICE, CITY_OFFICE] {
        assert_eq!(reason(&world.decide(other, &second, &persons).await.unwrap_err()), "NOT_DECIDER");
    }
    let unnamed = world.decide(CENTRE, &second, &persons[1..]).await.unwrap_err();
    assert_eq!(reason(&unnamed), "persons PERSONS_MISSING");
    let cadre = [persons[0].clone(), leading("loop", "王书记", "warning-talk")];
    let cadre = world.decide(CENTRE, &second, &cadre).await.unwrap_err();
    assert_eq!(reason(&cadre), "persons[1].leading_cadre NO_LEADING_CADRE");
    let decided = world.decide(CENTRE, &second, &persons).await.unwrap();
    assert_eq!((decided.state.as_str(), decided.awaits.as_ref()), ("decided", None));
    let appealed = world.appeal(MEMBER, &decided).await.unwrap();
    assert_eq!(appealed.awaits, Some(crate::events::wire_post("county-office", COUNTY, "")));
    let milder = [outcome("direct", "张网格", "not-pursued")];
    assert_eq!(reason(&world.decide_appeal(CENTRE, &appealed, &milder).await.unwrap_err()), "NOT_APPEAL_DECIDER");
    let ended = world.decide_appeal(OFFICE, &appealed, &milder).await.unwrap();
    let person = &ended.decisions[0].persons[0];
    assert_eq!((person.outcome.as_str(), person.before_appeal.as_str()), ("not-pursued", "held-accountable"));
    let events = world.events_of(&ended).await;
    let facts: Vec<&str> = events.iter().map(|(event, _)| event.kind().fact).collect();
    assert_eq!(facts, ["opened", "stated", "stated", "decided", "appealed", "appeal-decided"]);
    for (_, text) in &events {
        assert!(text.starts_with("dafei.v1.accountability.371302."), "{text}");
        for said in ["当日雨大路断", "经查属实", "处理过重", "复查认为从轻"] {
            assert!(!text.contains(said), "events carry no statement: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_of_a_decision_says_what_the_table_counts_and_that_of_an_appeal_what_it_becomes() {
    let world = World::start().await;
    let entry = charged_department(&world).await;
    assert_eq!(owner(charge(&entry).loop_owner.as_ref()), "county-office@county:371302 陈主任");
    world.set("2026-11-27T00:00:00+08:00");
    let persons = [leading("direct", "孙局长", "held-accountable"), leading("loop", "陈主任", "warning-talk")];
    let decided = world.decide(CITY_OFFICE, &entry, &persons).await.unwrap();
    let (event, _) = world.events_of(&decided).await.pop().unwrap();
    let Event::AccountabilityDecided(event) = event else { panic!("{event:?}") };
    assert_eq!(event.decided_by, Some(crate::events::wire_post("city-office", CITY, "")));
    assert_eq!(event.counted_at, Some(crate::events::at("2026-11-27T00:00:00+08:00").into()));
    assert_eq!(event.charge.unwrap().sector, "fireworks");
    let said: Vec<_> = event.persons.iter().map(|one| (one.outcome.as_str(), one.leading_cadre)).collect();
    assert_eq!(said, [("held-accountable", true), ("warning-talk", true)]);
    // The city's office is the last in the suite.
    let appealed = world.appeal(DEPARTMENT, &decided).await.unwrap();
    assert_eq!(appealed.awaits, None);
    let above = world.decide_appeal(CITY_OFFICE, &appealed, &[]).await.unwrap_err();
    assert_eq!((above.code(), reason(&above).as_str()), (Code::PermissionDenied, "DECIDED_ABOVE_CITY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disproved_breach_withdraws_its_entry_and_reopens_one_that_was_decided() {
    let world = World::start().await;
    let (undecided, decided) = (Case::new(1).opened(START), Case::new(2).opened(START));
    world.tell(&undecided.told).await;
    world.tell(&decided.told).await;
    world.go("2026-11-23T09:00:00+08:00").await;
    world.open_entries().await;
    let entries = world.list(CENTRE, ListEntriesRequest::default()).await.unwrap();
    let of = |case: &Case| {
        let id = case.id.to_string();
        entries.iter().find(|entry| charge(entry).case_id == id).unwrap().clone()
    };
    world.set("2026-11-27T00:00:00+08:00");
    let talk = [leading("direct", "赵主任", "warning-talk")];
    world.decide(OFFICE, &of(&decided), &talk).await.unwrap();
    // Both were escalated in time; the word of it comes late.
    let known = |case: Case| {
        let before = case.told.len();
        case.escalated("2026-11-23T08:10:00+08:00").told.split_off(before)
    };
    let (first, second) = (of(&undecided), of(&decided));
    world.tell(&known(undecided)).await;
    world.tell(&known(decided)).await;
    world.watermarks().await;
    world.firing.clock_moved();
    world.done().await;
    world.open_entries().await;
    let withdrawn = world.entry(CENTRE, &charge(&first).entry_id).await.unwrap();
    assert_eq!(withdrawn.state, "withdrawn");
    assert_eq!(reason(&world.decide(OFFICE, &withdrawn, &talk).await.unwrap_err()), "ENTRY_WITHDRAWN");
    let reopened = world.entry(CENTRE, &charge(&second).entry_id).await.unwrap();
    assert_eq!((reopened.state.as_str(), reopened.decisions.len()), ("reopened", 1));
    let again = world.decide(OFFICE, &reopened, &talk).await.unwrap_err();
    assert_eq!(reason(&again), "persons[0].outcome BASIS_ANNULLED");
    let cleared = world.decide(OFFICE, &reopened, &[outcome("direct", "赵主任", "not-pursued")]).await.unwrap();
    assert_eq!(cleared.decisions.len(), 2, "nothing is erased");
    let facts: Vec<&str> = world.events_of(&cleared).await.iter().map(|(event, _)| event.kind().fact).collect();
    assert_eq!(facts, ["opened", "decided", "reopened", "decided"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_again_is_answered_with_the_first_answer() {
    let world = World::start().await;
    let entry = charged_department(&world).await;
    let message = SubmitStatementRequest {
        request_id: request_id(),
        entry_id: charge(&entry).entry_id.clone(),
        expected_version: entry.version,
        text: "系统故障".to_owned(),
    };
    let call = async |message: SubmitStatementRequest| {
        let request = world.as_caller(DEPARTMENT, message);
        world.accountability().submit_statement(request).await.map(|answer| answer.into_inner().entry)
    };
    let first = call(message.clone()).await.unwrap();
    assert_eq!(call(message.clone()).await.unwrap(), first);
    let other = call(SubmitStatementRequest { text: "另一份".to_owned(), ..message }).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let missing = SubmitStatementRequest {
        request_id: request_id(),
        entry_id: Uuid::nil().to_string(),
        text: "无".to_owned(),
        ..SubmitStatementRequest::default()
    };
    assert_eq!(call(missing).await.unwrap_err().code(), Code::NotFound);
}
