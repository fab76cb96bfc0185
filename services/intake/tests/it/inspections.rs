//! Inspections by agencies and departments (clauses A3, C17, C19).

use dafei_contracts::{Event, events::v1 as ev, intake::v1 as api, timestamp::Timestamp, types::v1 as types};
use dafei_kernel::{role::Role, time::Instant};
use tonic::{Code, Status};

use crate::world::{Caller, MEMBER, OTHER_VILLAGE, PNG, VILLAGE, WORK_AREA, World, fields, new_id, refused, wire};

const ENTERPRISES: &str = "credit_code,name,industry,regulator,level,code,employees\n\
    91350100M000100Y43,某化工公司,coal,energy,village,371302001001,30\n";
pub(crate) const FACTORY: &str = "91350100M000100Y43";

const STATION: Caller = (Role::TownshipAgency, "township:371302001");
const DEPARTMENT: Caller = (Role::CountyDepartment, "county:371302");
const CITY_DEPARTMENT: Caller = (Role::CityDepartment, "city:371300");
const CENTRE: Caller = (Role::TownshipCentre, "township:371302001");

type Change = fn(&mut api::RecordInspectionRequest);

pub(crate) fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse::<Instant>().expect("an instant").into())
}

pub(crate) fn enterprise(credit_code: &str) -> Option<types::Subject> {
    let enterprise = types::Enterprise { credit_code: credit_code.to_owned(), ..Default::default() };
    Some(types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) })
}

fn den() -> Option<types::Subject> {
    let den = types::Den { place: "村东头仓库".to_owned(), position: None, industry: String::new() };
    Some(types::Subject { kind: Some(types::subject::Kind::Den(den)) })
}

pub(crate) fn act(code: &str) -> ev::InspectionAct {
    ev::InspectionAct { act: code.to_owned(), ..Default::default() }
}

pub(crate) fn fine(id: &str, amount_fen: i64, decided_at: &str) -> types::Measure {
    let fine =
        types::Fine { amount_fen, decision_number: "临应急罚〔2026〕1号".to_owned(), ..Default::default() };
    types::Measure {
        measure_id: id.to_owned(),
        decided_at: time(decided_at),
        comply_by: None,
        kind: Some(types::measure::Kind::Fine(fine)),
    }
}

/// An enforcement inspection that found one act and fined it at once.
fn inspection() -> api::RecordInspectionRequest {
    api::RecordInspectionRequest {
        request_id: new_id(),
        region: Some(wire(VILLAGE)),
        subject: enterprise(FACTORY),
        sector: "hazardous-chemicals".to_owned(),
        enforcement: true,
        inspected_at: time("2026-11-23T09:00:00+08:00"),
        situation: "超范围储存".to_owned(),
        acts: vec![act("HC-1")],
        measures: vec![fine("a", 300_000, "2026-11-23T09:30:00+08:00")],
        outside_scope: true,
        evidence_ids: Vec::new(),
    }
}

pub(crate) async fn start() -> World {
    let world = World::start().await;
    world.import(api::RosterFile::Enterprises, ENTERPRISES).await.expect("a good file");
    world
}

async fn record(
    world: &World,
    caller: Caller,
    request: api::RecordInspectionRequest,
) -> Result<api::Inspection, Status> {
    let answer = world.inspections().record_inspection(world.request(caller, request)).await?;
    Ok(answer.into_inner().inspection.expect("as kept"))
}

async fn list(
    world: &World,
    caller: Caller,
    request: api::ListInspectionsRequest,
) -> Result<Vec<api::Inspection>, Status> {
    let page = world.inspections().list_inspections(world.request(caller, request)).await?;
    Ok(page.into_inner().inspections)
}

#[tokio::test]
async fn an_inspection_is_kept_with_what_the_roster_knows_and_told_at_the_inspector_s_unit() {
    let world = start().await;
    let request = api::RecordInspectionRequest { evidence_ids: vec![world.photo().await], ..inspection() };
    let kept = record(&world, STATION, request.clone()).await.expect("recorded");
    let Some(types::subject::Kind::Enterprise(known)) = kept.subject.clone().and_then(|subject| subject.kind) else {
        panic!("an enterprise");
    };
    assert_eq!(
        (known.name.as_str(), known.industry.as_str(), known.regulator.as_str()),
        ("某化工公司", "coal", "energy")
    );
    let by = kept.by.clone().expect("a post");
    assert_eq!((by.role.as_str(), by.agency.as_str()), ("township-agency", "emergency-management"));
    assert!(kept.enforcement && kept.outside_scope);

    let history = world.history(&kept.inspection_id).await;
    let [event @ Event::InspectionRecorded(told)] = history.as_slice() else { panic!("{history:?}") };
    let subject = event.subject().expect("a subject").to_string();
    assert_eq!(subject, "dafei.v1.inspection.township.371302001.inspection-recorded");
    let meta = told.meta.as_ref().expect("a meta");
    assert!(meta.region_path.ends_with(VILLAGE), "{}", meta.region_path);
    assert_eq!((told.by.as_ref(), told.acts.len(), told.measures.len()), (Some(&by), 1, 1));
    assert_eq!((told.enforcement, told.outside_scope, told.evidence_ids.len()), (true, true, 1));

    // Sent again it is the same one; another one under the same id is refused.
    assert_eq!(record(&world, STATION, request.clone()).await.expect("replayed"), kept);
    let other = api::RecordInspectionRequest { enforcement: false, ..request };
    assert_eq!(refused(record(&world, STATION, other).await), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    let get = api::GetInspectionRequest { inspection_id: kept.inspection_id.clone() };
    let found = world.inspections().get_inspection(world.request(CENTRE, get)).await.expect("it is there");
    assert_eq!(found.into_inner().inspection, Some(kept));
}

#[tokio::test]
async fn an_act_that_became_a_case_names_it_and_its_measures_belong_there() {
    let world = start().await;
    let case_id = new_id();
    let became = ev::InspectionAct { case_id: case_id.clone(), ..act("HC-1") };
    let request = api::RecordInspectionRequest { acts: vec![became.clone()], ..inspection() };
    assert_eq!(fields(&record(&world, STATION, request).await.expect_err("the case's")), ["measures"]);
    let request = api::RecordInspectionRequest { acts: vec![became], measures: Vec::new(), ..inspection() };
    assert_eq!(record(&world, STATION, request).await.expect("recorded").acts[0].case_id, case_id);
}

#[tokio::test]
async fn inspections_are_listed_by_region_agency_sector_enterprise_and_time_page_by_page() {
    let world = start().await;
    let bare = || api::RecordInspectionRequest { acts: Vec::new(), measures: Vec::new(), ..inspection() };
    let at = |hour: u32| time(&format!("2026-11-23T0{hour}:00:00+08:00"));
    let of_den = api::RecordInspectionRequest {
        subject: den(),
        outside_scope: false,
        enforcement: false,
        sector: "fireworks".to_owned(),
        region: Some(wire(OTHER_VILLAGE)),
        inspected_at: at(1),
        ..bare()
    };
    let of_township =
        api::RecordInspectionRequest { region: Some(wire("township:371302001")), inspected_at: at(2), ..bare() };
    let elsewhere =
        api::RecordInspectionRequest { region: Some(wire("village:371302002001")), inspected_at: at(3), ..bare() };
    let ids = [
        record(&world, STATION, of_den).await.expect("recorded").inspection_id,
        record(&world, DEPARTMENT, of_township).await.expect("recorded").inspection_id,
        record(&world, CITY_DEPARTMENT, elsewhere).await.expect("recorded").inspection_id,
        record(&world, DEPARTMENT, api::RecordInspectionRequest { inspected_at: at(4), ..bare() })
            .await
            .expect("recorded")
            .inspection_id,
    ];
    let filter = |region: &str| api::ListInspectionsRequest { region: Some(wire(region)), ..Default::default() };
    let (city, county, agency) = ("city:371300", "county:371302", "emergency-management".to_owned());
    let fireworks = || "fireworks".to_owned();
    let cases: Vec<(api::ListInspectionsRequest, &[usize])> = vec![
        (filter(city), &[3, 2, 1, 0]),
        (filter(county), &[3, 1, 0]),
        (filter("township:371302001"), &[3, 1, 0]),
        (filter(VILLAGE), &[3]),
        (filter(WORK_AREA), &[3]),
        (filter("county:371371"), &[2]),
        (api::ListInspectionsRequest { agency: agency.clone(), ..filter(city) }, &[3, 2, 1, 0]),
        (api::ListInspectionsRequest { agency: "public-security".to_owned(), ..filter(county) }, &[]),
        (api::ListInspectionsRequest { agency, sector: fireworks(), ..filter(county) }, &[0]),
        (api::ListInspectionsRequest { sector: fireworks(), ..filter(city) }, &[0]),
        (api::ListInspectionsRequest { sector: fireworks(), ..filter(county) }, &[0]),
        (api::ListInspectionsRequest { enforcement_only: true, ..filter("township:371302001") }, &[3, 1]),
        (api::ListInspectionsRequest { since: at(2), until: at(4), ..filter(city) }, &[2, 1]),
        (api::ListInspectionsRequest { credit_code: FACTORY.to_owned(), ..filter(city) }, &[3, 2, 1]),
        (api::ListInspectionsRequest { credit_code: FACTORY.to_owned(), ..filter(county) }, &[3, 1]),
        (api::ListInspectionsRequest { credit_code: FACTORY.to_owned(), ..filter("township:371302002") }, &[2]),
        (api::ListInspectionsRequest { credit_code: FACTORY.to_owned(), ..filter(VILLAGE) }, &[3]),
        (api::ListInspectionsRequest { credit_code: FACTORY.to_owned(), ..filter(WORK_AREA) }, &[3]),
    ];
    for (request, expected) in cases {
        let found = list(&world, CITY_DEPARTMENT, request.clone()).await.expect("a page");
        let found: Vec<_> = found.iter().map(|one| one.inspection_id.as_str()).collect();
        assert_eq!(found, expected.iter().map(|at| ids[*at].as_str()).collect::<Vec<_>>(), "{request:?}");
    }
    let mut request = api::ListInspectionsRequest { page_size: 3, ..filter(city) };
    let page = world.inspections().list_inspections(world.request(CITY_DEPARTMENT, request.clone())).await;
    let page = page.expect("a page").into_inner();
    assert_eq!(page.inspections.len(), 3);
    request.page_token = page.next_page_token;
    assert_eq!(list(&world, CITY_DEPARTMENT, request).await.expect("a page")[0].inspection_id, ids[0]);
}

/// What is changed, the field that is named, and the reason.
const CASES: &[(&str, Change, &str, &str)] = &[
    ("no request id", |r| r.request_id.clear(), "request_id", "REQUIRED"),
    ("no region", |r| r.region = None, "region", "REQUIRED"),
    ("a county", |r| r.region = Some(wire("county:371302")), "region.level", "WRONG_LEVEL"),
    ("an unknown village", |r| r.region = Some(wire("village:371302001999")), "region", "UNKNOWN_REGION"),
    ("no subject", |r| r.subject = None, "subject", "REQUIRED"),
    ("no credit code", |r| r.subject = enterprise("9135"), "subject.enterprise.credit_code", "INVALID_CREDIT_CODE"),
    ("an unknown enterprise", |r| r.subject = enterprise("91371302MA3C000015"), "subject.enterprise.name", "REQUIRED"),
    ("a mistyped credit code", mistyped, "subject.enterprise.credit_code", "CREDIT_CODE_MISTYPED"),
    ("a scope of a den", |r| r.subject = den(), "outside_scope", "DEN_HAS_NO_SCOPE"),
    ("no sector", |r| r.sector.clear(), "sector", "REQUIRED"),
    ("an unknown sector", |r| r.sector = "x".to_owned(), "sector", "UNKNOWN_SECTOR"),
    ("no time", |r| r.inspected_at = None, "inspected_at", "REQUIRED"),
    ("tomorrow", |r| r.inspected_at = time("2026-11-24T09:00:00+08:00"), "inspected_at", "TIME_IN_FUTURE"),
    ("years ago", |r| r.inspected_at = time("2024-11-24T09:00:00+08:00"), "inspected_at", "TOO_LONG_AGO"),
    ("a long situation", |r| r.situation = "长".repeat(4_001), "situation", "TOO_LONG"),
    ("an unknown act", |r| r.acts = vec![act("HC-98")], "acts[0].act", "UNKNOWN_ACT"),
    ("an act of another sector", |r| r.acts.push(act("FW-1")), "acts[1].act", "ACT_OF_OTHER_SECTOR"),
    ("an other act without text", |r| r.acts.push(act("HC-99")), "acts[1].act_text", "ACT_TEXT_REQUIRED"),
    ("an act twice", |r| r.acts.push(act("HC-1")), "acts[1].act", "ACT_REPEATED"),
    ("too many acts", |r| r.acts = vec![act("HC-1"); 21], "acts", "TOO_MANY"),
    ("a case id that is none", |r| r.acts[0].case_id = "x".to_owned(), "acts[0].case_id", "INVALID"),
    ("a fine of nothing", |r| r.measures = vec![soon(0)], "measures[0].fine.amount_fen", "FINE_NOT_POSITIVE"),
    ("a negative fine", |r| r.measures = vec![soon(-1)], "measures[0].fine.amount_fen", "FINE_NOT_POSITIVE"),
    ("a measure of no kind", |r| r.measures[0].kind = None, "measures[0].kind", "REQUIRED"),
    ("a measure twice", |r| r.measures.push(soon(1)), "measures[1].measure_id", "MEASURE_ID_REUSED"),
    ("measures without an act", |r| r.acts.clear(), "measures", "MEASURE_WITHOUT_ACT"),
    ("too many photos", |r| r.evidence_ids = vec![new_id(); 21], "evidence_ids", "TOO_MANY"),
    ("an unknown photo", |r| r.evidence_ids = vec![new_id()], "evidence_ids[0]", "EVIDENCE_NOT_FOUND"),
];

fn soon(fen: i64) -> types::Measure {
    fine("a", fen, "2026-11-23T09:30:00+08:00")
}

fn mistyped(request: &mut api::RecordInspectionRequest) {
    let enterprise = types::Enterprise {
        credit_code: "91350100M000100Y44".to_owned(),
        name: "某公司".to_owned(),
        ..Default::default()
    };
    request.subject = Some(types::Subject { kind: Some(types::subject::Kind::Enterprise(enterprise)) });
}

#[tokio::test]
async fn a_wrong_field_of_an_inspection_is_named_and_nothing_is_written() {
    let world = start().await;
    let before = world.events().await;
    for (what, change, field, reason) in CASES {
        let mut request = inspection();
        change(&mut request);
        let status = record(&world, STATION, request).await.expect_err(what);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_eq!(fields(&status), [*field], "{what}");
        assert_eq!(refused(Err::<(), _>(status)).1, *reason, "{what}");
    }
    assert_eq!(world.events().await, before);
}

#[tokio::test]
async fn who_does_not_inspect_or_not_there_is_denied_and_a_photo_of_elsewhere_is_none() {
    let world = start().await;
    let denied = |reason: &str| (Code::PermissionDenied, reason.to_owned());
    for caller in [MEMBER, CENTRE, (Role::CountyOffice, "county:371302")] {
        assert_eq!(refused(record(&world, caller, inspection()).await), denied("ROLE_NOT_ALLOWED"));
    }
    // The village is coded under 371302 and administered by 371371.
    let elsewhere = || api::RecordInspectionRequest { region: Some(wire("village:371302002001")), ..inspection() };
    assert_eq!(refused(record(&world, DEPARTMENT, elsewhere()).await), denied("OUT_OF_SCOPE"));
    let kept = record(&world, CITY_DEPARTMENT, elsewhere()).await.expect("all of the city");
    let get = || api::GetInspectionRequest { inspection_id: kept.inspection_id.clone() };
    let answer = world.inspections().get_inspection(world.request(DEPARTMENT, get())).await;
    assert_eq!(refused(answer), denied("OUT_OF_SCOPE"));
    let bank = (Role::Bank, "city:371300");
    let answer = world.inspections().get_inspection(world.request(bank, get())).await;
    assert_eq!(refused(answer), denied("ROLE_NOT_ALLOWED"));
    let of_city = api::ListInspectionsRequest { region: Some(wire("city:371300")), ..Default::default() };
    assert_eq!(refused(list(&world, DEPARTMENT, of_city).await), denied("OUT_OF_SCOPE"));
    let unknown = api::GetInspectionRequest { inspection_id: new_id() };
    let answer = world.inspections().get_inspection(world.request(STATION, unknown)).await;
    assert_eq!(answer.expect_err("unknown").code(), Code::NotFound);

    let theirs: Caller = (Role::GridMember, OTHER_VILLAGE);
    let photo = world.upload(theirs, &new_id(), OTHER_VILLAGE, &PNG).await.expect("kept").evidence_id;
    let with = |region| api::RecordInspectionRequest {
        region: Some(wire(region)),
        evidence_ids: vec![photo.clone()],
        ..inspection()
    };
    assert_eq!(fields(&record(&world, STATION, with(VILLAGE)).await.expect_err("theirs")), ["evidence_ids[0]"]);
    record(&world, STATION, with("township:371302001")).await.expect("a village of the township");
}
