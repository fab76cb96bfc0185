//! Briefings: what a draft tells, what is released stays, and who has read it (clauses C9, C14).

use dafei_contracts::{
    Event, chain,
    events::v1 as events,
    reporting::v1::{
        AcknowledgeBriefingRequest, BriefingContent, BriefingStanding, BriefingState, GetBriefingRequest,
        GetBriefingResponse, ListBriefingsRequest, ReleaseBriefingRequest, RenderBriefingRequest,
        briefing_service_client::BriefingServiceClient,
    },
};
use dafei_kernel::role::Role;
use tonic::{Status, transport::Channel};

use crate::{
    activity::{
        EAST, TOWNSHIP, WEST, breached, first, notices, obligation, patrols, received, settled, township_with_villages,
    },
    events::{By, CENTRE as CENTRE_POST, Case, POLICE_STATION, SECRETARY, Told, at, fine, region},
    filing::{CENTRE, COUNTY_OFFICE, county, id, township},
    world::{CITY_OFFICE, Caller, World},
};

/// 9 to 15 November.
pub(crate) const WEEK: &str = "2026-W46";
pub(crate) const UNIT: &str = "township:371302001";
pub(crate) const PRINCIPAL: Caller<'static> = (Role::TownshipPrincipal, UNIT, None);

impl World {
    pub(crate) fn briefings(&self) -> BriefingServiceClient<Channel> {
        BriefingServiceClient::new(self.channel())
    }

    pub(crate) async fn briefing(
        &self,
        caller: Caller<'_>,
        unit: &str,
        period: &str,
    ) -> Result<GetBriefingResponse, Status> {
        let message = GetBriefingRequest { unit: Some(region(unit)), period: period.to_owned() };
        Ok(self.briefings().get_briefing(self.request(caller, message)).await?.into_inner())
    }

    pub(crate) async fn try_brief(
        &self,
        caller: Caller<'_>,
        request: ReleaseBriefingRequest,
    ) -> Result<BriefingStanding, Status> {
        let answer = self.briefings().release_briefing(self.request(caller, request)).await?.into_inner();
        Ok(answer.standing.expect("a standing"))
    }

    /// Looks at the draft and releases it.
    pub(crate) async fn brief(&self, caller: Caller<'_>, unit: &str, period: &str) -> BriefingStanding {
        let digest = self.briefing(caller, unit, period).await.expect("a draft").digest;
        self.try_brief(caller, releasing(unit, period, &digest)).await.expect("it is released")
    }

    pub(crate) async fn acknowledge(
        &self,
        caller: Caller<'_>,
        unit: &str,
        period: &str,
    ) -> Result<BriefingStanding, Status> {
        let message =
            AcknowledgeBriefingRequest { request_id: id(), unit: Some(region(unit)), period: period.to_owned() };
        let answer = self.briefings().acknowledge_briefing(self.request(caller, message)).await?.into_inner();
        Ok(answer.standing.expect("a standing"))
    }

    pub(crate) async fn try_list_briefings(
        &self,
        caller: Caller<'_>,
        request: ListBriefingsRequest,
    ) -> Result<Vec<(String, BriefingState)>, Status> {
        let mut request = request;
        let mut all = Vec::new();
        loop {
            let page = self.briefings().list_briefings(self.request(caller, request.clone())).await?.into_inner();
            all.extend(page.briefings.iter().map(|one| (one.unit_name.clone(), one.state())));
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }
}

pub(crate) fn releasing(unit: &str, period: &str, digest: &str) -> ReleaseBriefingRequest {
    ReleaseBriefingRequest {
        request_id: id(),
        unit: Some(region(unit)),
        period: period.to_owned(),
        draft_digest: digest.to_owned(),
        remarks: "请各村居抓好整改。".to_owned(),
    }
}

/// The case that is opened on 10 November and stays open, with the triage that ran out.
fn open_case() -> (Case, Vec<Told>) {
    let case = Case::open(1, "MI-1");
    let by = CENTRE_POST;
    let t1 = obligation("t1", "T1", Some(case.id), by, "2026-11-10T09:00:00+08:00");
    let lights = vec![breached("t1", TOWNSHIP, t1)];
    (case, lights)
}

/// A closed case of the week, its result posted in time.
fn closed_case() -> Vec<Told> {
    let mut case = Case::open(2, "FS-1");
    case.tell(events::CaseClosed {
        case_id: case.id.to_string(),
        tier: events::Tier::Township.into(),
        ..Default::default()
    });
    let mut told = case.told;
    let last = told.pop().expect("it was closed");
    told.push(received(last, "2026-11-13T09:00:00+08:00"));
    let p1 = obligation("p1", "P1", Some(case.id), SECRETARY, "2026-11-13T12:00:00+08:00");
    told.push(settled("p1", 1, TOWNSHIP, p1, "2026-11-13T09:00:00+08:00", 0));
    told
}

/// What happened in the week: two villages, one of which patrolled too little.
fn week() -> Vec<Told> {
    let village = |village: &str| format!("{TOWNSHIP}/{village}");
    let due = "2026-11-16T00:00:00+08:00";
    let w1 = obligation("w1", "W1", None, By("village-secretary", EAST, ""), due);
    vec![
        patrols(WEST, &["2026-11-09T09:00:00+08:00", "2026-11-11T09:00:00+08:00", "2026-11-15T23:59:59+08:00"]),
        // The week before.
        patrols(EAST, &["2026-11-08T23:59:59+08:00"]),
        notices(WEST, 10),
        notices(EAST, 9),
        first(
            "intake",
            "suspicion",
            &village(EAST),
            events::SuspicionRecorded {
                case_id: id(),
                act: "MI-1".to_owned(),
                found_at: Some(at("2026-11-10T08:00:00+08:00").into()),
                ..Default::default()
            },
        ),
        breached("w1", &village(EAST), w1),
    ]
}

#[tokio::test]
async fn a_draft_tells_what_was_done_and_left_undone_in_its_week_beside_the_week_before() {
    let world = World::start().await;
    let (case, lights) = open_case();
    let anchor =
        events::CasesAnchored { day: "2026-11-15".to_owned(), digest: "ab".repeat(32), cases: 2, ..Default::default() };
    world.tell(&[township_with_villages()]).await;
    world.tell(&week()).await;
    world.tell(&case.told).await;
    world.tell(&lights).await;
    world.tell(&closed_case()).await;
    world.tell(&[first("dispatch", "anchor", "city:371300", anchor)]).await;
    let answer = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft");
    let (standing, content) = (answer.standing.expect("a standing"), answer.content.expect("a content"));
    assert_eq!(standing.state(), BriefingState::Missing, "its limit was the 22nd, and it is the 30th");
    assert_eq!((content.first_day.as_str(), content.last_day.as_str()), ("2026-11-09", "2026-11-15"));
    let figure = |code: &str| {
        let figure = content.figures.iter().find(|figure| figure.code == code).expect("the figure");
        (figure.value, figure.previous)
    };
    assert_eq!(figure("patrols"), (3, 1));
    assert_eq!((figure("suspicions"), figure("cases-opened"), figure("cases-closed")), ((1, 0), (2, 0), (1, 0)));
    let clocks: Vec<_> = content.clocks.iter().map(|one| (one.clock.as_str(), one.in_time, one.breached)).collect();
    assert_eq!(clocks, [("T1", 0, 1), ("P1", 1, 0)]);
    let coverage: Vec<_> = content
        .coverage
        .iter()
        .map(|one| (one.clock.as_str(), one.fulfilled, one.owed, one.lagging.join("、")))
        .collect();
    let named = |name: &str| name.to_owned();
    assert_eq!(coverage, [("W1", 1, 2, named("东关村")), ("W2", 2, 2, named("")), ("N1", 1, 2, named("东关村"))]);
    let owners: Vec<_> = content.owners.iter().map(|one| (one.name.as_str(), one.breaches, one.still_open)).collect();
    // The week is over: what was not patrolled is not open any more.
    assert_eq!(owners, [("兰山街道网格化服务中心", 1, 1), ("兰山街道东关村支部书记", 1, 0)]);
    let [open] = content.open_cases.as_slice() else { panic!("one open case: {:?}", content.open_cases) };
    assert_eq!((open.case_id.clone(), open.overdue.join("")), (case.id.to_string(), "T1".to_owned()));
    assert_eq!(open.place, "兰山区兰山街道");
    let payload = case.told[0].event.to_json().expect("JSON");
    assert_eq!((open.chain_head.clone(), open.sequence), (chain::next_head("", &payload), 1));
    assert_eq!((content.anchor_day.as_str(), content.anchor_digest), ("2026-11-15", "ab".repeat(32)));
    let text = content.paragraphs.join("\n");
    assert!(text.contains("受理案件2件，办结案件1件"), "{text}");
    assert!(text.contains("按时办理1项，超时1项，按时率50.0%"), "{text}");
    assert!(text.contains("尚未办结案件1件，其中超时1件"), "{text}");
}

#[tokio::test]
async fn what_is_released_stays_byte_for_byte_whatever_comes_later() {
    let world = World::start().await;
    let (case, lights) = open_case();
    world.tell(&case.told).await;
    let before = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft");
    assert!(before.released_content.is_empty());
    world.tell(&lights).await;
    let changed = world.try_brief(CENTRE, releasing(UNIT, WEEK, &before.digest)).await.expect_err("it was another");
    assert!(format!("{changed:?}").contains("DRAFT_CHANGED"));
    let standing = world.brief(CENTRE, UNIT, WEEK).await;
    assert_eq!(standing.state(), BriefingState::Late);
    let first = world.briefing(PRINCIPAL, UNIT, WEEK).await.expect("it is released");
    world.tell(&closed_case()).await;
    let later = world.briefing(PRINCIPAL, UNIT, WEEK).await.expect("it is released");
    assert_eq!((first.released_content.clone(), &first.digest), (later.released_content, &later.digest));
    assert!(!first.released_content.is_empty());
    assert_eq!(first.content.expect("a content").remarks, "请各村居抓好整改。");
    let overwritten = sqlx::query("UPDATE briefing SET content = ''").execute(&world.db.pool).await;
    assert!(overwritten.is_err(), "it stays");
}

#[tokio::test]
async fn heads_of_chains_that_move_after_the_week_make_no_other_draft() {
    let world = World::start().await;
    let (case, _) = open_case();
    world.tell(&case.told).await;
    let digest = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").digest;
    let mut moved = case;
    moved.tell(events::CaseUrged {
        case_id: moved.id.to_string(),
        tier: events::Tier::Township.into(),
        ..Default::default()
    });
    let last = moved.told.pop().expect("it was told");
    world.tell(&[received(last, "2026-11-20T09:00:00+08:00")]).await;
    let again = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft");
    assert_eq!(again.content.expect("a content").open_cases[0].sequence, 2);
    assert_eq!(again.digest, digest);
}

#[tokio::test]
async fn a_case_that_is_taken_up_again_later_is_closed_in_the_week_in_which_it_was() {
    let world = World::start().await;
    let (case_id, tier) = (Case::open(2, "FS-1").id.to_string(), events::Tier::Township.into());
    world.tell(&closed_case()).await;
    let digest = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").digest;
    let mut case = Case::open(2, "FS-1");
    case.tell(events::CaseClosed { case_id: case_id.clone(), tier, ..Default::default() });
    case.tell(events::CaseReopened { case_id: case_id.clone(), tier, ..Default::default() });
    let reopened = received(case.told.pop().expect("it was told"), "2026-11-20T09:00:00+08:00");
    world.tell(&[reopened]).await;
    let after = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft");
    assert_eq!(after.digest, digest, "on the 15th it was closed");
    let next = world.briefing(CENTRE, UNIT, "2026-W47").await.expect("a draft").content.expect("a content");
    assert_eq!(next.open_cases.iter().map(|one| one.case_id.clone()).collect::<Vec<_>>(), [case_id]);
    dafei_reporting::consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    assert_eq!(world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").digest, digest);
}

#[tokio::test]
async fn principals_acknowledge_and_those_who_have_not_are_shown() {
    let world = World::start().await;
    world.tell(&[township_with_villages()]).await;
    let early = world.acknowledge(PRINCIPAL, UNIT, WEEK).await.expect_err("nothing to read");
    assert!(format!("{early:?}").contains("NOT_RELEASED"));
    let released = world.brief(CENTRE, UNIT, WEEK).await;
    assert_eq!((released.acknowledgements.len(), released.not_acknowledged.len()), (0, 2));
    let read = world.acknowledge(PRINCIPAL, UNIT, WEEK).await.expect("read");
    let again = world.acknowledge(PRINCIPAL, UNIT, WEEK).await.expect("read again");
    assert_eq!(read.acknowledgements, again.acknowledgements, "the first time stays");
    assert_eq!(read.acknowledgements.len(), 1);
    let facts: Vec<String> =
        sqlx::query_scalar("SELECT subject FROM event_log WHERE stream = 'DAFEI_REPORTING' ORDER BY position")
            .fetch_all(&world.db.pool)
            .await
            .expect("the log");
    let subject = |fact: &str| format!("dafei.v1.reporting.township.371302001.{fact}");
    assert_eq!(facts, [subject("briefing-released"), subject("briefing-acknowledged")]);
}

#[tokio::test]
async fn the_bus_is_told_what_was_released_and_when() {
    let world = World::start().await;
    world.brief(CENTRE, UNIT, WEEK).await;
    let sha256 = world.briefing(CENTRE, UNIT, WEEK).await.expect("it is released").digest;
    let payload: Vec<u8> = sqlx::query_scalar("SELECT payload FROM event_log WHERE stream = 'DAFEI_REPORTING'")
        .fetch_one(&world.db.pool)
        .await
        .expect("one event");
    let event = Event::from_json("dafei.events.v1.BriefingReleased", &payload).expect("JSON");
    let Some(Event::BriefingReleased(event)) = event else { panic!("it tells of a briefing") };
    assert_eq!((event.unit, event.period.as_str(), event.sha256), (Some(region(UNIT)), WEEK, sha256));
    assert_eq!(
        event.released_at,
        Some("2026-11-30T12:00:00+08:00".parse::<dafei_kernel::time::Instant>().expect("an instant").into())
    );
}

#[tokio::test]
async fn a_county_s_month_holds_its_table_as_filed() {
    let world = World::start().await;
    let case = Case::open(1, "MI-1").measure(POLICE_STATION, "m1", "2026-11-12T12:00:00+08:00", fine(500_000));
    world.tell(&case.told).await;
    world.december(2, "09:00:00");
    let fines = async || {
        let content = world.briefing(COUNTY_OFFICE, "county:371302", "2026-11").await.expect("a draft").content;
        let content = content.expect("a content");
        let text = content.paragraphs.join("\n");
        assert!(text.contains("行政处罚"), "{text}");
        content.figures.iter().find(|figure| figure.code == "table-4").expect("fines").value
    };
    assert_eq!(fines().await, 500_000);
    world.file(CENTRE, township()).await;
    world.file(COUNTY_OFFICE, county()).await;
    let late = Case::open(2, "MI-1").measure(POLICE_STATION, "m2", "2026-11-12T12:00:00+08:00", fine(700_000));
    world.tell(&late.told).await;
    assert_eq!(fines().await, 500_000, "as it was filed");
    let city = world.briefing(CITY_OFFICE, "city:371300", "2026-11").await.expect("the city's draft");
    let standing = city.standing.expect("a standing");
    assert_eq!((standing.state(), standing.due), (BriefingState::Draft, None));
}

#[tokio::test]
async fn a_list_says_how_each_unit_stands_in_pages_that_leave_nobody_out() {
    let world = World::start().await;
    world.clock.set("2026-11-17T12:00:00+08:00".parse().expect("an instant"));
    world.brief(CENTRE, UNIT, WEEK).await;
    let list = ListBriefingsRequest {
        region: Some(region("city:371300")),
        period: WEEK.to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let all = world.try_list_briefings(CITY_OFFICE, list.clone()).await.expect("a list");
    let of = |name: &str, state| (name.to_owned(), state);
    assert_eq!(
        all,
        [
            of("兰山街道", BriefingState::Released),
            of("银雀山街道", BriefingState::Draft),
            of("罗西街道", BriefingState::Draft)
        ]
    );
    let drafts = ListBriefingsRequest { states: vec![BriefingState::Draft.into()], ..list.clone() };
    assert_eq!(world.try_list_briefings(CITY_OFFICE, drafts).await.expect("a list").len(), 2);
    let county = ListBriefingsRequest { region: Some(region("county:371371")), ..list };
    let zone = world.try_list_briefings(CITY_OFFICE, county).await.expect("a list");
    assert_eq!(zone, [of("罗西街道", BriefingState::Draft)], "by who administers it, not by its code");
}

#[tokio::test]
async fn the_page_is_well_formed_and_says_what_the_message_says() {
    let world = World::start().await;
    let (case, lights) = open_case();
    world.tell(&[township_with_villages()]).await;
    world.tell(&week()).await;
    world.tell(&case.told).await;
    world.tell(&lights).await;
    world.brief(CENTRE, UNIT, WEEK).await;
    let message = RenderBriefingRequest { unit: Some(region(UNIT)), period: WEEK.to_owned() };
    let page = world.briefings().render_briefing(world.request(PRINCIPAL, message)).await.expect("a page").into_inner();
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    let page = String::from_utf8(page.content.to_vec()).expect("UTF-8");
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a document");
    let document = roxmltree::Document::parse(body).expect("well-formed");
    let text: String = document.descendants().filter_map(|node| node.text()).collect();
    let content = world.briefing(PRINCIPAL, UNIT, WEEK).await.expect("it is released").content.expect("a content");
    for paragraph in content.paragraphs.iter().chain([&content.title, &content.remarks]) {
        assert!(text.contains(paragraph.as_str()), "{paragraph}");
    }
    assert!(text.contains(&content.open_cases[0].chain_head));
    crate::export_page::keep("briefing", &page);
}

#[tokio::test]
async fn what_is_done_and_left_undone_is_the_same_when_the_streams_are_read_again() {
    let world = World::start().await;
    let (case, lights) = open_case();
    world.tell(&[township_with_villages()]).await;
    world.tell(&week()).await;
    world.tell(&case.told).await;
    world.tell(&lights).await;
    world.tell(&closed_case()).await;
    let t1 = obligation("t1", "T1", Some(case.id), CENTRE_POST, "2026-11-10T09:00:00+08:00");
    let annulled = events::Annulled { obligation: Some(t1.clone()), ..Default::default() };
    let when = "2026-11-10T08:59:00+08:00";
    let disproved = received(crate::activity::nth("sla-monitor", "t1", 2, TOWNSHIP, annulled), when);
    let before = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").content.expect("a content");
    world.tell(&[disproved, settled("t1", 3, TOWNSHIP, t1, when, 0)]).await;
    let after = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").content.expect("a content");
    assert_eq!((before.overdue_count, after.overdue_count), (1, 0), "the breach never was one");
    let owners = |content: &BriefingContent| content.owners.iter().map(|one| one.breaches).sum::<i64>();
    assert_eq!((owners(&before), owners(&after)), (2, 1));
    dafei_reporting::consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    let again = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").content.expect("a content");
    assert_eq!(again, after);
}
