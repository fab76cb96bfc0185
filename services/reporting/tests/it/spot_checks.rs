//! The city's spot checks (clause E2): drawn from a seed, seen where they belong, and each outcome kept for assessments.

use dafei_contracts::{
    Event,
    events::v1 as ev,
    reporting::v1::{
        CheckMeans, CheckOutcome, DrawSampleRequest, Drawn, GetSampleRequest, ListPopulationRequest,
        ListSamplesRequest, RecordSpotCheckRequest, Sample, SampleKind, Weighted,
        spot_check_service_client::SpotCheckServiceClient,
    },
};
use dafei_kernel::{ids, role::Role};
use dafei_reporting_core::spot_check::{self, Weighted as Member};
use tonic::{Status, transport::Channel};

use crate::{
    events::{at, region},
    filing::{CENTRE, COUNTY_OFFICE, id},
    work,
    world::{CITY_OFFICE, Caller, World},
};

pub(crate) const CITY: &str = "city:371300";
pub(crate) const COUNTY: &str = "county:371302";
pub(crate) const LOTTERY: &str = "福彩3D 2026320 8-1-9";

pub(crate) fn drawing(of: &str, kind: SampleKind, seed: &str, size: u32) -> DrawSampleRequest {
    DrawSampleRequest { request_id: id(), region: Some(region(of)), kind: kind.into(), seed: seed.to_owned(), size }
}

pub(crate) fn checking(sample: &Sample, number: u32, outcome: CheckOutcome, when: &str) -> RecordSpotCheckRequest {
    RecordSpotCheckRequest {
        request_id: id(),
        sample_id: sample.sample_id.clone(),
        number,
        means: CheckMeans::Visit.into(),
        outcome: outcome.into(),
        note: "已到村查看".to_owned(),
        checked_at: Some(at(when).into()),
    }
}

impl World {
    pub(crate) fn spot_checks(&self) -> SpotCheckServiceClient<Channel> {
        SpotCheckServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn draw(&self, caller: Caller<'_>, request: DrawSampleRequest) -> Result<Sample, Status> {
        let answer = self.spot_checks().draw_sample(self.request(caller, request)).await?.into_inner();
        Ok(answer.sample.expect("a sample"))
    }

    pub(crate) async fn sample(&self, caller: Caller<'_>, sample: &Sample) -> Result<Sample, Status> {
        let request = GetSampleRequest { sample_id: sample.sample_id.clone() };
        let answer = self.spot_checks().get_sample(self.request(caller, request)).await?.into_inner();
        Ok(answer.sample.expect("a sample"))
    }

    pub(crate) async fn population(&self, caller: Caller<'_>, sample: &Sample) -> Result<Vec<Weighted>, Status> {
        let mut request =
            ListPopulationRequest { sample_id: sample.sample_id.clone(), page_size: 2, page_token: String::new() };
        let mut all = Vec::new();
        loop {
            let page = self.spot_checks().list_population(self.request(caller, request.clone())).await?.into_inner();
            all.extend(page.population);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    pub(crate) async fn check(&self, caller: Caller<'_>, request: RecordSpotCheckRequest) -> Result<Drawn, Status> {
        let answer = self.spot_checks().record_spot_check(self.request(caller, request)).await?.into_inner();
        Ok(answer.drawn.expect("the drawn one"))
    }

    async fn samples(&self, caller: Caller<'_>, of: &str) -> Vec<Sample> {
        let mut request = ListSamplesRequest { region: Some(region(of)), page_size: 1, page_token: String::new() };
        let mut all = Vec::new();
        loop {
            let page = self.spot_checks().list_samples(self.request(caller, request.clone())).await;
            let page = page.expect("a page").into_inner();
            all.extend(page.samples);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// A limit that ran out and stands open, of a village or a case of 兰山街道.
    async fn breach(&self, number: u32, village: &str, case: Option<uuid::Uuid>, ended: Option<&str>) {
        sqlx::query(
            "INSERT INTO breach_line (obligation_id, clock, case_id, county, township, village, role, region, agency, persons, due, day, period,
                                      ended_at, how_ended)
             VALUES ($1, 'W1', $2, '371302', '371302001', $3, 'village-secretary', '', '', '{}', '2026-11-20T00:00:00Z', '2026-11-20', '', $4::text::timestamptz,
                     CASE WHEN $4 IS NULL THEN '' ELSE 'settled' END)",
        )
        .bind(ids::derived(&["breach", &number.to_string()]))
        .bind(case)
        .bind(village)
        .bind(ended)
        .execute(&self.db.pool)
        .await
        .expect("a breach");
    }

    async fn drawn_case(&self, number: u32, county: &str, township: &str, ended: Option<&str>) -> uuid::Uuid {
        let case = ids::derived(&["case", &number.to_string()]);
        sqlx::query(
            "INSERT INTO case_line (case_id, county, township, village, place, sector, act, act_text, opened_at, ended_at, how_ended, chain_head,
                                    sequence)
             VALUES ($1, $2, $3, '', 'township:' || $3, 'fire-safety', 'FS-2', '', '2026-06-01T00:00:00Z', $4::text::timestamptz,
                     CASE WHEN $4 IS NULL THEN '' ELSE 'closed' END, '', 1)",
        )
        .bind(case)
        .bind(county)
        .bind(township)
        .bind(ended)
        .execute(&self.db.pool)
        .await
        .expect("a case");
        case
    }
}

/// Four villages of 兰山街道, of which the second has two open breaches, and one of 罗西街道.
pub(crate) async fn villages() -> World {
    let world = World::start().await;
    let lanshan = "city:371300/county:371302/township:371302001";
    let mut told: Vec<_> = ["东村", "西村", "南村", "北村"]
        .iter()
        .zip(["village:371302001001", "village:371302001002", "village:371302001003", "village:371302001004"])
        .map(|(name, code)| work::village_in(lanshan, code, name, &[]))
        .collect();
    told.push(work::village_in("city:371300/county:371371/township:371311004", "village:371311004001", "罗村", &[]));
    world.tell(&told).await;
    for (number, ended) in [(1, None), (2, None), (3, Some("2026-11-25T00:00:00Z"))] {
        world.breach(number, "371302001002", None, ended).await;
    }
    world
}

#[tokio::test]
async fn the_id_of_a_sample_does_not_follow_from_its_seed() {
    let drawn = async || {
        let world = villages().await;
        world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, LOTTERY, 2)).await.expect("drawn")
    };
    let (one, other) = (drawn().await, drawn().await);
    assert_eq!(one.drawn, other.drawn, "the seed decides who is drawn");
    assert_ne!(one.sample_id, other.sample_id);
}

fn members(list: &[Weighted]) -> Vec<Member> {
    list.iter().map(|one| Member { id: one.id.clone(), weight: one.weight }).collect()
}

#[tokio::test]
async fn a_sample_can_be_drawn_again_from_its_seed_and_its_list() {
    let world = villages().await;
    let request = drawing(CITY, SampleKind::Village, LOTTERY, 3);
    let sample = world.draw(CITY_OFFICE, request.clone()).await.expect("drawn");
    assert_eq!(world.draw(CITY_OFFICE, request).await.expect("told again"), sample);
    let list = world.population(CITY_OFFICE, &sample).await.expect("the list");
    let shown: Vec<(&str, u32)> = list.iter().map(|one| (one.id.as_str(), one.weight)).collect();
    let expected =
        [("371302001001", 1), ("371302001002", 3), ("371302001003", 1), ("371302001004", 1), ("371311004001", 1)];
    assert_eq!(shown, expected, "open breaches alone");
    assert_eq!(
        (sample.population, sample.population_sha256.as_str()),
        (5, spot_check::digest(&members(&list)).as_str())
    );
    let again: Vec<&str> =
        spot_check::draw(&members(&list), LOTTERY, 3).into_iter().map(|at| list[at].id.as_str()).collect();
    assert_eq!(sample.drawn.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), again);
    assert_eq!(sample.drawn.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2, 3]);
    let second = sample.drawn.iter().find(|one| one.id == "371302001002");
    assert!(second.is_none_or(|one| (one.weight, one.name.as_str()) == (3, "兰山街道西村")), "{second:?}");

    // What happens afterwards changes nothing of it.
    world.breach(9, "371302001004", None, None).await;
    assert_eq!(world.population(CITY_OFFICE, &sample).await.expect("the list"), list);
    assert_eq!(world.sample(CITY_OFFICE, &sample).await.expect("the sample"), sample);
    for change in
        ["DELETE FROM spot_drawn", "UPDATE spot_population SET weight = 9", "UPDATE spot_sample SET seed = 'x'"]
    {
        let refused = sqlx::query(sqlx::AssertSqlSafe(change)).execute(&world.db.pool).await.expect_err(change);
        assert!(refused.to_string().contains("stay as they are"), "{refused}");
    }
}

#[tokio::test]
async fn cases_that_are_open_or_were_closed_within_ninety_days_are_drawn_by_their_own_breaches() {
    let world = World::start().await;
    let open = world.drawn_case(1, "371302", "371302001", None).await;
    let late = world.drawn_case(2, "371302", "371302001", Some("2026-09-01T04:00:00Z")).await;
    world.drawn_case(3, "371302", "371302001", Some("2026-09-01T03:59:59Z")).await;
    world.drawn_case(4, "371371", "371311004", None).await;
    world.breach(1, "", Some(open), None).await;
    // 90 days before noon of the 30th of November.
    let sample = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Case, LOTTERY, 10)).await.expect("drawn");
    let mut shown: Vec<(&str, u32)> = sample.drawn.iter().map(|one| (one.id.as_str(), one.weight)).collect();
    shown.sort_by_key(|(_, weight)| *weight);
    assert_eq!(shown, [(late.to_string().as_str(), 1), (open.to_string().as_str(), 2)]);
    assert!(sample.drawn.iter().all(|one| one.name.starts_with("兰山街道 ")), "{:?}", sample.drawn);
}

async fn outcomes(world: &World) -> Vec<(i32, String, String, String, String)> {
    sqlx::query_as(
        "SELECT number, county, township, checked_day::text, outcome FROM spot_check_outcome ORDER BY number",
    )
    .fetch_all(&world.db.pool)
    .await
    .expect("outcomes")
}

#[tokio::test]
async fn every_check_is_kept_and_the_latest_counts() {
    let world = villages().await;
    let sample = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, LOTTERY, 2)).await.expect("drawn");
    world.december(5, "09:00:00");
    let first = checking(&sample, 1, CheckOutcome::Unreachable, "2026-12-01T10:00:00+08:00");
    world.check(CITY_OFFICE, first.clone()).await.expect("recorded");
    assert_eq!(world.check(CITY_OFFICE, first).await.expect("told again").checks.len(), 1);
    let problem = checking(&sample, 1, CheckOutcome::Problem, "2026-12-03T00:30:00+08:00");
    world.check(CITY_OFFICE, problem).await.expect("recorded");
    // Recorded last, and made before the other.
    let before = checking(&sample, 1, CheckOutcome::InOrder, "2026-12-02T10:00:00+08:00");
    let drawn = world.check(CITY_OFFICE, before).await.expect("recorded");
    let made: Vec<CheckOutcome> = drawn.checks.iter().map(|check| check.outcome()).collect();
    assert_eq!(made, [CheckOutcome::Unreachable, CheckOutcome::InOrder, CheckOutcome::Problem]);
    let row = |number, day: &str, outcome: &str| {
        (number, "371302".to_owned(), "371302001".to_owned(), day.to_owned(), outcome.to_owned())
    };
    assert_eq!(outcomes(&world).await, [row(1, "2026-12-03", "problem")]);
    world
        .check(CITY_OFFICE, checking(&sample, 2, CheckOutcome::InOrder, "2026-12-05T09:00:00+08:00"))
        .await
        .expect("ok");
    assert_eq!(outcomes(&world).await, [row(1, "2026-12-03", "problem"), row(2, "2026-12-05", "in-order")]);
    let refused = sqlx::query("DELETE FROM spot_check").execute(&world.db.pool).await.expect_err("checks stay");
    assert!(refused.to_string().contains("stay as they are"), "{refused}");
}

#[tokio::test]
async fn below_the_city_nobody_knows_who_was_drawn_before_somebody_was_there() {
    let world = villages().await;
    let of_city = world.draw(CITY_OFFICE, drawing(CITY, SampleKind::Village, LOTTERY, 5)).await.expect("drawn");
    let of_zone =
        world.draw(CITY_OFFICE, drawing("county:371371", SampleKind::Village, LOTTERY, 1)).await.expect("drawn");
    let of_county = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, LOTTERY, 1)).await.expect("drawn");
    let heads = |samples: [&Sample; 3]| samples.map(|sample| Sample { drawn: Vec::new(), ..sample.clone() });
    assert_eq!(world.samples(CITY_OFFICE, CITY).await, heads([&of_county, &of_zone, &of_city]));
    let listed = world.samples(COUNTY_OFFICE, COUNTY).await;
    let ids: Vec<&str> = listed.iter().map(|sample| sample.sample_id.as_str()).collect();
    assert_eq!(ids, [&of_county.sample_id, &of_city.sample_id]);
    assert!(listed.iter().all(|sample| sample.seed.is_empty() && sample.population_sha256.is_empty()), "{listed:?}");
    let refused = world.sample(COUNTY_OFFICE, &of_zone).await.expect_err("another county's");
    assert_eq!(refused.code(), tonic::Code::NotFound);

    let early = world.sample(COUNTY_OFFICE, &of_city).await.expect("its head");
    assert_eq!((early.seed.as_str(), early.drawn.len(), early.population), ("", 0, 5));
    assert_eq!(early.population_sha256, "", "a list that was guessed cannot be tried");
    assert!(world.population(COUNTY_OFFICE, &of_city).await.is_err());
    world.december(2, "09:00:00");
    let when = "2026-12-01T10:00:00+08:00";
    let ours = of_city.drawn.iter().find(|one| one.id.starts_with("371302")).expect("one of the county").number;
    world.check(CITY_OFFICE, checking(&of_city, ours, CheckOutcome::InOrder, when)).await.expect("recorded");
    let later = world.sample(CENTRE, &of_city).await.expect("what was checked");
    assert_eq!(later.drawn.iter().map(|one| one.number).collect::<Vec<_>>(), [ours]);
    assert_eq!((later.seed.as_str(), later.population_sha256.as_str()), ("", ""), "others are still to be visited");
    for drawn in of_city.drawn.iter().filter(|one| one.number != ours) {
        let request = checking(&of_city, drawn.number, CheckOutcome::InOrder, when);
        world.check(CITY_OFFICE, request).await.expect("recorded");
    }
    let all = world.sample(COUNTY_OFFICE, &of_city).await.expect("all of its own");
    assert_eq!((all.seed.as_str(), all.drawn.len()), (LOTTERY, 4));
    assert_eq!(all.population_sha256, of_city.population_sha256);
    assert_eq!(world.population(COUNTY_OFFICE, &of_city).await.expect("its part").len(), 4);
    assert_eq!(world.population(CITY_OFFICE, &of_city).await.expect("all of it").len(), 5);
    let auditor = (Role::Auditor, CITY, None);
    assert_eq!(world.sample(auditor, &of_county).await.expect("beforehand").drawn.len(), 1);
}

#[tokio::test]
async fn the_bus_is_told_of_the_seed_before_anybody_is_visited_and_of_each_check() {
    let world = villages().await;
    let sample = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, LOTTERY, 2)).await.expect("drawn");
    world.december(2, "09:00:00");
    let check = checking(&sample, 2, CheckOutcome::Problem, "2026-12-01T10:00:00+08:00");
    world.check(CITY_OFFICE, check).await.expect("recorded");
    let rows: Vec<(String, String, Vec<u8>)> =
        sqlx::query_as("SELECT subject, event_type, payload FROM event_log ORDER BY position")
            .fetch_all(&world.db.pool)
            .await
            .expect("the log");
    let subjects: Vec<&str> = rows.iter().map(|(subject, ..)| subject.as_str()).collect();
    let expected =
        ["dafei.v1.reporting.city.371300.spot-check-drawn", "dafei.v1.reporting.city.371300.spot-check-recorded"];
    assert_eq!(subjects, expected);
    let events: Vec<Event> =
        rows.iter().map(|(_, kind, payload)| Event::from_json(kind, payload).expect("JSON").expect("known")).collect();
    let [Event::SpotCheckDrawn(drawn), Event::SpotCheckRecorded(recorded)] = events.as_slice() else {
        panic!("a draw and a check: {events:?}");
    };
    let ev::SpotCheckDrawn { seed, population_sha256, population, size, kind, .. } = drawn;
    assert_eq!((seed.as_str(), population_sha256), (LOTTERY, &sample.population_sha256));
    assert_eq!((*population, *size, kind.as_str()), (4, 2, "village"));
    assert_eq!((recorded.number, recorded.means.as_str(), recorded.outcome.as_str()), (2, "visit", "problem"));
    let (first, second) = (drawn.meta.as_ref().expect("meta"), recorded.meta.as_ref().expect("meta"));
    assert_eq!((first.sequence, second.sequence), (1, 2));
    assert_eq!(second.chain_head, dafei_contracts::chain::next_head("", &rows[0].2));
    assert!(!String::from_utf8_lossy(&rows[0].2).contains("3713020010"), "who was drawn is not told");
}
