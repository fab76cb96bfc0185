//! Rules that offices replace: what starts afterwards goes by them, everywhere, and nothing that started before.

use dafei_contracts::{
    Event,
    sla::v1::{
        CheckRulesRequest, GetRulesRequest, ListRulesVersionsRequest, PreviewDeadlineRequest,
        ReplaceCountyRulesRequest, ReplaceRulesRequest, ReplaceRulesResponse, RulesText, ShadowRulesRequest,
    },
};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    role::Role,
    time::Instant,
    workdays::Calendar,
};
use dafei_sla_monitor::terms::{TermsError, TermsView};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    events::{CITY, COUNTY, Case, OTHER_COUNTY, OTHER_PATH, VILLAGE, at, department, wire_region},
    world::{START, World},
};

const SHIPPED: &str = include_str!("../../../../data/clocks/default.json");

/// The shipped text under another label with another limit of T1, in minutes.
fn city_text(version: &str, t1: u32) -> String {
    let text = SHIPPED.replacen("linyi-2020-17.5", version, 1);
    text.replacen(r#"{ "minutes": 30 }"#, &format!(r#"{{ "minutes": {t1} }}"#), 1)
}

fn county_text(version: &str, clocks: &str) -> String {
    format!(r#"{{ "version": "{version}", "source": "兰山区", "clocks": [{clocks}] }}"#)
}

pub(crate) fn replacement(expected_revision: i64, text: String) -> ReplaceRulesRequest {
    ReplaceRulesRequest { request_id: SystemIds.random().to_string(), expected_revision, text, in_force_from: None }
}

fn of_county(expected_revision: i64, text: String) -> ReplaceCountyRulesRequest {
    ReplaceCountyRulesRequest {
        request_id: SystemIds.random().to_string(),
        county: Some(wire_region(COUNTY)),
        expected_revision,
        text,
        in_force_from: None,
    }
}

impl World {
    pub(crate) async fn replace(&self, message: ReplaceRulesRequest) -> Result<ReplaceRulesResponse, Status> {
        let request = self.request(Role::CityOffice, CITY, message);
        Ok(self.rules().replace_rules(request).await?.into_inner())
    }

    async fn in_force(&self) -> RulesText {
        let request = self.request(Role::GridMember, VILLAGE, GetRulesRequest::default());
        self.rules().get_rules(request).await.unwrap().into_inner().rules.unwrap()
    }

    /// The version of T1's rule and its limit, for a start now.
    async fn triage(&self, region: Option<&str>) -> (String, Instant) {
        let message = PreviewDeadlineRequest {
            clock: "T1".to_owned(),
            start: Some(at("2026-11-23T12:00:00+08:00").into()),
            region: region.map(wire_region),
            ..Default::default()
        };
        let request = self.request(Role::Bank, CITY, message);
        let answer = self.other_deadlines().preview_deadline(request).await.unwrap().into_inner();
        (answer.rule_version, answer.due.unwrap().try_into().unwrap())
    }

    /// Version and limit of each T1 of a case.
    async fn triages(&self, case: &Case) -> Vec<(String, Instant)> {
        let all = self.obligations(case.id).await.into_iter().filter_map(|item| item.obligation);
        let triages = all.filter(|one| one.clock == "T1");
        triages.map(|one| (one.rule_version, one.due.unwrap().try_into().unwrap())).collect()
    }
}

fn violations(status: &Status) -> Vec<(String, String)> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|one| (one.field.clone(), one.reason.clone())).collect()
}

fn pair(version: &str, due: &str) -> (String, Instant) {
    (version.to_owned(), at(due))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_rule_holds_for_what_starts_afterwards_whenever_it_is_told_and_in_every_replica() {
    let world = World::without_firing(START).await;
    assert_eq!((world.in_force().await.version.as_str(), world.in_force().await.revision), ("linyi-2020-17.5", 1));
    let known = Case::new(1).opened("2026-11-23T08:00:00+08:00");
    world.tell(&known.told).await;
    world.clock.set(at("2026-11-23T09:00:00+08:00"));
    let message = replacement(1, city_text("v2", 20));
    let answer = world.replace(message.clone()).await.unwrap();
    assert_eq!(answer.rules.as_ref().unwrap().revision, 2);
    assert_eq!(world.replace(message).await.unwrap(), answer, "the same request is answered the same");
    // Told late, but begun before; and begun afterwards.
    let (late, new) =
        (Case::new(2).opened("2026-11-23T08:59:00+08:00"), Case::new(3).opened("2026-11-23T09:00:01+08:00"));
    world.tell(&late.told).await;
    world.tell(&new.told).await;
    assert_eq!(world.triages(&known).await, [pair("linyi-2020-17.5", "2026-11-23T08:30:00+08:00")]);
    assert_eq!(world.triages(&late).await, [pair("linyi-2020-17.5", "2026-11-23T09:29:00+08:00")]);
    assert_eq!(world.triages(&new).await, [pair("v2", "2026-11-23T09:20:01+08:00")]);
    assert_eq!(world.triage(None).await, pair("v2", "2026-11-23T12:20:00+08:00"), "another replica");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_yet_to_come_in_force_waits_for_its_instant() {
    let world = World::without_firing(START).await;
    let noon = "2026-11-23T12:00:00+08:00";
    let message = ReplaceRulesRequest { in_force_from: Some(at(noon).into()), ..replacement(1, city_text("v2", 20)) };
    world.replace(message).await.unwrap();
    assert_eq!(world.in_force().await.version, "linyi-2020-17.5");
    let request = world.request(Role::Auditor, CITY, ListRulesVersionsRequest::default());
    let versions = world.rules().list_rules_versions(request).await.unwrap().into_inner().versions;
    let told: Vec<_> = versions.iter().map(|text| (text.version.as_str(), text.revision, text.text.as_str())).collect();
    assert_eq!(told, [("v2", 2, ""), ("linyi-2020-17.5", 1, "")]);
    world.clock.set(at(noon));
    assert_eq!(world.in_force().await.version, "v2");
    let past = Some(at("2026-11-23T11:59:59+08:00").into());
    let refused =
        world.replace(ReplaceRulesRequest { in_force_from: past, ..replacement(2, city_text("v3", 10)) }).await;
    assert_eq!(violations(&refused.unwrap_err()), [("in_force_from".to_owned(), "IN_THE_PAST".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_county_s_own_holds_there_alone_and_both_versions_are_kept() {
    let world = World::without_firing(START).await;
    let text = county_text("371302-1", r#"{ "clock": "T1", "limit": { "minutes": 10 } }"#);
    let request = world.request(Role::CountyOffice, COUNTY, of_county(0, text.clone()));
    world.rules().replace_county_rules(request).await.unwrap();
    let own = "linyi-2020-17.5+371302-1";
    let (here, there) = (
        Case::new(1).opened("2026-11-23T08:00:01+08:00"),
        Case::at_path(2, OTHER_PATH).opened("2026-11-23T08:00:01+08:00"),
    );
    world.tell(&here.told).await;
    world.tell(&there.told).await;
    assert_eq!(world.triages(&here).await, [pair(own, "2026-11-23T08:10:01+08:00")]);
    assert_eq!(world.triages(&there).await, [pair("linyi-2020-17.5", "2026-11-23T08:30:01+08:00")]);
    assert_eq!(world.triage(Some(VILLAGE)).await, pair(own, "2026-11-23T12:10:00+08:00"));
    assert_eq!(world.triage(Some(OTHER_COUNTY)).await.0, "linyi-2020-17.5");
    let elsewhere = world.request(Role::CountyOffice, OTHER_COUNTY, of_county(1, text.clone()));
    assert_eq!(world.rules().replace_county_rules(elsewhere).await.unwrap_err().code(), Code::PermissionDenied);
    let centre = world.request(Role::TownshipCentre, "township:371302001", of_county(1, text));
    assert_eq!(world.rules().replace_county_rules(centre).await.unwrap_err().code(), Code::PermissionDenied);
    let whole = world.request(Role::CountyOffice, COUNTY, replacement(1, city_text("v2", 20)));
    assert_eq!(world.rules().replace_rules(whole).await.unwrap_err().code(), Code::PermissionDenied);
    let raised = county_text("371302-2", r#"{ "clock": "K3", "limit": { "working_days": 6 } }"#);
    let request = world.request(Role::CountyOffice, COUNTY, of_county(1, raised));
    let refused = world.rules().replace_county_rules(request).await.unwrap_err();
    assert_eq!(violations(&refused), [("text/1/K3".to_owned(), "LIMIT_ABOVE_DOCUMENT".to_owned())]);
    assert_eq!(world.triage(Some(COUNTY)).await.0, own, "what was in force stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_problems_is_refused_whole_with_all_of_them_and_the_old_one_stays() {
    let world = World::without_firing(START).await;
    let broken = city_text("v2", 0).replacen(r#"{ "hours": 12 }"#, r#"{ "hours": 13 }"#, 1);
    let expected = [("text/20/T1", "LIMIT_OUT_OF_RANGE"), ("text/32/K2", "LIMIT_ABOVE_DOCUMENT")];
    let expected = expected.map(|(field, reason)| (field.to_owned(), reason.to_owned()));
    assert_eq!(violations(&world.replace(replacement(1, broken.clone())).await.unwrap_err()), expected);
    let message = CheckRulesRequest { county: None, text: broken };
    let request = world.request(Role::CityOffice, CITY, message);
    let problems = world.rules().check_rules(request).await.unwrap().into_inner().problems;
    let told: Vec<_> = problems.iter().map(|one| (one.line, one.clock.as_str(), one.reason.as_str())).collect();
    assert_eq!(told, [(20, "T1", "LIMIT_OUT_OF_RANGE"), (32, "K2", "LIMIT_ABOVE_DOCUMENT")]);
    let stale = world.replace(replacement(0, city_text("v2", 20))).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted, "another revision is the newest");
    let used = world.replace(replacement(1, city_text("linyi-2020-17.5", 20))).await.unwrap_err();
    assert_eq!(violations(&used), [("text/version".to_owned(), "VERSION_USED".to_owned())]);
    let empty = world.replace(replacement(1, " ".to_owned())).await.unwrap_err();
    assert_eq!(violations(&empty), [("text".to_owned(), "REQUIRED".to_owned())]);
    let text = world.in_force().await;
    assert_eq!((text.revision, text.text.as_str()), (1, SHIPPED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_can_be_tried_out_on_what_was_done() {
    let world = World::without_firing(START).await;
    let lead = || department(1, "emergency-management", true);
    let story = |number, responded: &str| {
        let case = Case::new(number).opened("2026-11-23T08:01:00+08:00").escalated("2026-11-23T08:10:00+08:00");
        let case = case.assigned("2026-11-23T08:20:00+08:00", &[lead()]).delivered("2026-11-23T08:20:00+08:00", lead());
        case.responded(responded, lead())
    };
    let (quick, slow) = (story(1, "2026-11-23T10:00:00+08:00"), story(2, "2026-11-23T18:00:00+08:00"));
    world.tell(&quick.told).await;
    world.tell(&slow.told).await;
    world.clock.set(at("2026-11-24T08:00:00+08:00"));
    let text = county_text("371302-1", r#"{ "clock": "K2", "limit": { "hours": 6 } }"#);
    let message = ShadowRulesRequest { county: Some(wire_region(COUNTY)), text, ..Default::default() };
    let request = world.request(Role::CountyOffice, COUNTY, message);
    let answer = world.rules().shadow_rules(request).await.unwrap().into_inner();
    let told: Vec<_> =
        answer.moves.iter().map(|one| (one.case_id.clone(), one.clock.as_str(), one.late, one.then_late)).collect();
    assert_eq!(told, [(slow.id.to_string(), "K2", false, true)]);
    assert_eq!(answer.moves[0].then_due, Some(at("2026-11-23T14:20:00+08:00").into()));
    assert_eq!(answer.looked_at, 8, "four clocks of two cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_release_ships_is_taken_as_long_as_no_office_has_replaced_it() {
    let world = World::without_firing(START).await;
    let (pool, calendar) = (&world.db.pool, Calendar::builtin_text());
    let open = |text: String| async move { TermsView::open_with(pool, at(START), &text, calendar).await };
    open(city_text("release-2", 25)).await.unwrap();
    assert_eq!((world.in_force().await.version.as_str(), world.in_force().await.revision), ("release-2", 2));
    open(city_text("release-2", 25)).await.unwrap();
    assert_eq!(world.in_force().await.revision, 2, "once");
    let error = open(city_text("release-2", 24)).await.expect_err("another text under the same label");
    assert!(matches!(error, TermsError::Label("rules", _)), "{error}");
    world.replace(replacement(2, city_text("office", 20))).await.unwrap();
    open(city_text("release-3", 28)).await.unwrap();
    assert_eq!(world.in_force().await.version, "office", "the office's stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_text_with_control_characters_keeps_no_replica_from_starting_and_no_office_hands_in_another() {
    let world = World::without_firing(START).await;
    let text = |version: &str| {
        let text = city_text(version, 25);
        text.replacen(r#""clause": "C3", "tier": "village""#, r#""clause": "C3\u0007", "tier": "village""#, 1)
    };
    // As an older release put it in force.
    let (pool, calendar) = (&world.db.pool, Calendar::builtin_text());
    TermsView::open_with(pool, at(START), &text("older"), calendar).await.expect("it starts");
    assert_eq!(world.in_force().await.version, "older");
    assert_eq!(world.triage(None).await.0, "older", "a replica that runs goes by it");
    let refused = world.replace(replacement(2, text("newer"))).await.unwrap_err();
    assert_eq!(violations(&refused), [("text/11/V2".to_owned(), "INVALID".to_owned())]);
    let request = world.request(Role::CityOffice, CITY, CheckRulesRequest { county: None, text: text("newer") });
    let problems = world.rules().check_rules(request).await.unwrap().into_inner().problems;
    assert_eq!(problems.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["INVALID"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_county_s_hours_without_disturbance_count_for_what_is_told_there() {
    let world = World::without_firing("2026-11-23T21:30:00+08:00").await;
    let text =
        county_text("371302-1", "").replacen('{', r#"{ "no_disturb": { "from": "21:00", "until": "06:30" },"#, 1);
    let request = world.request(Role::CountyOffice, COUNTY, of_county(0, text));
    world.rules().replace_county_rules(request).await.unwrap();
    // Its first reminder comes at twice the half hour: late in the evening.
    let cases = [Case::new(1), Case::at_path(2, OTHER_PATH)].map(|case| case.opened("2026-11-23T20:35:00+08:00"));
    for case in &cases {
        world.tell(&case.told).await;
    }
    world.clock.set(at("2026-11-23T21:36:00+08:00"));
    world.watermarks().await;
    while world.firing.pass().await.unwrap() > 0 {}
    let quiet_until = |log: &[(Event, Instant)], case: &Case| {
        log.iter().find_map(|(event, _)| match event {
            Event::Reminded(event) if event.obligation.as_ref()?.case_id == case.id.to_string() => {
                Some(event.quiet_until)
            }
            _ => None,
        })
    };
    let log = world.log().await;
    assert_eq!(quiet_until(&log, &cases[0]), Some(Some(at("2026-11-24T06:30:00+08:00").into())));
    assert_eq!(quiet_until(&log, &cases[1]), Some(None), "22:00 as ever");
}
