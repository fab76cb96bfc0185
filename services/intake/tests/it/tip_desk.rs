//! The desk of the units that tips go to (clause D2): who sees which tip, what is linked and handed on.

use dafei_contracts::{
    Event,
    events::v1 as ev,
    intake::v1::{self as api, tip_handling_service_client::TipHandlingServiceClient},
};
use dafei_kernel::role::Role;
use dafei_testkit::eventually;
use jiff::SignedDuration;
use tonic::{Code, Status, transport::Channel};

use crate::{
    tips::tip,
    world::{
        ADMIN, Caller, MEMBER, OTHER_VILLAGE, SECRETARY, SOON, VILLAGE, WORK_AREA, World, fields, kinds, new_id,
        refused, wire,
    },
};

const TOWNSHIP: &str = "township:371302001";
const COUNTY: &str = "county:371302";
const OTHER_COUNTY: &str = "county:371371";
pub(crate) const CENTRE: Caller = (Role::TownshipCentre, TOWNSHIP);
const OTHER_CENTRE: Caller = (Role::TownshipCentre, "township:371302002");
const OFFICE: Caller = (Role::CountyOffice, COUNTY);
const OTHER_OFFICE: Caller = (Role::CountyOffice, OTHER_COUNTY);
const CITY_OFFICE: Caller = (Role::CityOffice, "city:371300");

impl World {
    fn desk(&self) -> TipHandlingServiceClient<Channel> {
        TipHandlingServiceClient::new(self.channel())
    }

    pub(crate) async fn try_list(
        &self,
        caller: Caller,
        message: api::ListTipsRequest,
    ) -> Result<api::ListTipsResponse, Status> {
        Ok(self.desk().list_tips(self.request(caller, message)).await?.into_inner())
    }

    /// The tips that a caller sees.
    pub(crate) async fn tip_list(&self, caller: Caller) -> Vec<api::Tip> {
        self.try_list(caller, api::ListTipsRequest::default()).await.expect("a page").tips
    }

    pub(crate) async fn get_tip(&self, caller: Caller, tip_id: &str) -> Result<api::GetTipResponse, Status> {
        let message = api::GetTipRequest { tip_id: tip_id.to_owned() };
        Ok(self.desk().get_tip(self.request(caller, message)).await?.into_inner())
    }

    pub(crate) async fn tip_photo(&self, caller: Caller, tip_id: &str, photo: &str) -> Result<Vec<u8>, Status> {
        let message = api::GetTipPhotoRequest { tip_id: tip_id.to_owned(), evidence_id: photo.to_owned() };
        let mut parts = self.desk().get_tip_photo(self.request(caller, message)).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(part) = parts.message().await? {
            bytes.extend_from_slice(&part.chunk);
        }
        Ok(bytes)
    }

    pub(crate) async fn link(
        &self,
        caller: Caller,
        (tip, first): (&str, &str),
        adds: bool,
    ) -> Result<api::Tip, Status> {
        let message =
            api::LinkTipsRequest { request_id: new_id(), tip_id: tip.to_owned(), first_tip_id: first.to_owned(), adds };
        let answer = self.desk().link_tips(self.request(caller, message)).await?.into_inner();
        Ok(answer.tip.expect("as kept"))
    }

    async fn forward(&self, caller: Caller, tip: &str, county: &str) -> Result<api::Tip, Status> {
        let message =
            api::ForwardTipRequest { request_id: new_id(), tip_id: tip.to_owned(), county: Some(wire(county)) };
        let answer = self.desk().forward_tip(self.request(caller, message)).await?.into_inner();
        Ok(answer.tip.expect("as kept"))
    }

    /// A released tip, as the city's office sees it.
    async fn given(&self, tip: api::NewTip) -> api::Tip {
        let known: Vec<String> = self.tip_list(CITY_OFFICE).await.into_iter().map(|tip| tip.tip_id).collect();
        self.submit(tip, &[]).await.expect("taken");
        assert_eq!(self.release().await, 1);
        let all = self.tip_list(CITY_OFFICE).await;
        all.into_iter().find(|tip| !known.contains(&tip.tip_id)).expect("it is there")
    }

    /// The tip, once it has reached a state.
    pub(crate) async fn until_state(&self, tip_id: &str, state: api::TipState) -> api::Tip {
        eventually(SOON, "the state", async || {
            let kept = self.get_tip(CITY_OFFICE, tip_id).await.expect("read").tip.expect("as kept");
            (kept.state() == state).then_some(kept)
        })
        .await
    }

    /// Who of all that may see tips sees one.
    async fn readers(&self, tip_id: &str) -> Vec<&'static str> {
        let mut readers = Vec::new();
        for (name, caller) in [
            ("centre", CENTRE),
            ("other centre", OTHER_CENTRE),
            ("office", OFFICE),
            ("other office", OTHER_OFFICE),
            ("city", CITY_OFFICE),
        ] {
            let listed = self.tip_list(caller).await.iter().any(|tip| tip.tip_id == tip_id);
            match self.get_tip(caller, tip_id).await {
                Ok(_) => readers.push(name),
                Err(status) => assert_eq!(status.code(), Code::NotFound),
            }
            assert_eq!(listed, readers.last() == Some(&name), "listed as it is read: {name}");
        }
        readers
    }
}

#[tokio::test]
async fn a_tip_is_seen_by_its_recipient_and_above_and_never_by_whom_it_accuses() {
    let world = World::start().await;
    for (place, accused, readers) in [
        (VILLAGE, &[][..], &["centre", "office", "city"][..]),
        (VILLAGE, &[VILLAGE, WORK_AREA], &["centre", "office", "city"]),
        (VILLAGE, &[TOWNSHIP], &["office", "city"]),
        (VILLAGE, &[COUNTY], &["city"]),
        (COUNTY, &[], &["office", "city"]),
        ("village:371302002001", &[], &["other centre", "other office", "city"]),
    ] {
        let accused = accused.iter().map(|text| wire(text)).collect();
        let kept = world.given(api::NewTip { place: Some(wire(place)), accused, ..tip() }).await;
        assert_eq!(world.readers(&kept.tip_id).await, readers, "{place}");
        let history = world.history(&kept.tip_id).await;
        let Some(Event::TipReceived(event)) = history.first() else { panic!("{history:?}") };
        let path = event.meta.clone().expect("meta").region_path;
        let leaf = path.rsplit('/').next().expect("a region").to_owned();
        let recipient = event.recipient.clone().and_then(|post| post.region).expect("a region");
        assert_eq!(leaf, format!("{}:{}", recipient.level, recipient.code));
        assert!(!path.contains("village") && !path.contains("work-area"), "{path}");
    }
}

#[tokio::test]
async fn no_role_of_a_village_or_a_work_area_nor_the_auditor_nor_operations_reads_tips() {
    let world = World::start().await;
    let kept = world.given(tip()).await;
    let others: [Caller; 8] = [
        MEMBER,
        SECRETARY,
        (Role::WorkAreaSecretary, WORK_AREA),
        (Role::TownshipPrincipal, TOWNSHIP),
        (Role::CountyCommander, COUNTY),
        (Role::Bank, "city:371300"),
        (Role::Auditor, "city:371300"),
        ADMIN,
    ];
    for caller in others {
        let denied = (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned());
        assert_eq!(refused(world.get_tip(caller, &kept.tip_id).await), denied);
        assert_eq!(refused(world.try_list(caller, api::ListTipsRequest::default()).await), denied);
        assert_eq!(refused(world.link(caller, (&kept.tip_id, &kept.tip_id), false).await), denied);
    }
    assert_eq!(refused(world.forward(OFFICE, &kept.tip_id, COUNTY).await).1, "ROLE_NOT_ALLOWED");
    let of_village = api::ListTipsRequest { region: Some(wire(VILLAGE)), ..Default::default() };
    assert_eq!(refused(world.try_list(CENTRE, of_village).await).1, "WRONG_LEVEL");
    let elsewhere = api::ListTipsRequest { region: Some(wire(OTHER_COUNTY)), ..Default::default() };
    assert_eq!(refused(world.try_list(OFFICE, elsewhere).await).1, "OUT_OF_SCOPE");
}

#[tokio::test]
async fn the_database_itself_keeps_the_officer_from_secrets_and_the_bank_from_tips() {
    let world = World::start().await;
    world.submit(tip(), &[]).await.expect("taken");
    let ask = async |role: &'static str, sql: &'static str| {
        let mut tx = world.db.pool.begin().await.expect("a transaction");
        sqlx::query(role).execute(&mut *tx).await.expect("a role");
        sqlx::query(sql).fetch_all(&mut *tx).await.map(|rows| rows.len())
    };
    const OFFICER: &str = "SET LOCAL ROLE dafei_intake_officer";
    const BANK: &str = "SET LOCAL ROLE dafei_intake_bank";
    for sql in
        ["SELECT * FROM tip_secret", "SELECT * FROM tip_release", "SELECT * FROM request", "SELECT * FROM throttle"]
    {
        let error = ask(OFFICER, sql).await.expect_err(sql);
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
    for sql in ["SELECT * FROM tip", "SELECT * FROM tip_release", "SELECT * FROM event_log", "SELECT * FROM evidence"] {
        let error = ask(BANK, sql).await.expect_err(sql);
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
    assert_eq!(ask(OFFICER, "SELECT * FROM tip").await.expect("granted"), 0, "it waits");
    world.release().await;
    assert_eq!(ask(OFFICER, "SELECT * FROM tip").await.expect("granted"), 1);
}

#[tokio::test]
async fn tips_are_listed_by_page_state_and_act() {
    let world = World::start().await;
    for number in 0..5 {
        world.clock.advance(SignedDuration::from_hours(1));
        let act = if number == 2 { "FS-2" } else { "HC-3" };
        world.given(api::NewTip { text: format!("第{number}条"), act: act.to_owned(), ..tip() }).await;
    }
    let texts =
        |page: &api::ListTipsResponse| -> Vec<String> { page.tips.iter().map(|tip| tip.text.clone()).collect() };
    let asked = api::ListTipsRequest { page_size: 2, ..Default::default() };
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let message = api::ListTipsRequest { page_token: token, ..asked.clone() };
        let page = world.try_list(OFFICE, message).await.expect("a page");
        seen.extend(texts(&page));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["第4条", "第3条", "第2条", "第1条", "第0条"]);
    let of_act = api::ListTipsRequest { act: "FS-2".to_owned(), ..Default::default() };
    assert_eq!(texts(&world.try_list(CENTRE, of_act).await.expect("a page")), ["第2条"]);
    let linked = api::ListTipsRequest { states: vec![api::TipState::Linked.into()], ..Default::default() };
    assert!(texts(&world.try_list(CENTRE, linked).await.expect("a page")).is_empty());
    let waiting = api::ListTipsRequest { states: vec![api::TipState::Waiting.into()], ..Default::default() };
    assert_eq!(fields(&world.try_list(CENTRE, waiting).await.expect_err("nobody's")), ["states[0]"]);
}

#[tokio::test]
async fn tips_of_one_matter_are_suggested_and_linked_to_the_first_and_those_that_add_are_named() {
    let world = World::start().await;
    let first = world.given(tip()).await;
    world.clock.advance(SignedDuration::from_hours(1));
    let second = world.given(api::NewTip { text: "还有油桶".to_owned(), ..tip() }).await;
    let third = world.given(api::NewTip { place: Some(wire(OTHER_VILLAGE)), ..tip() }).await;
    let unlike = world.given(api::NewTip { act: "FS-2".to_owned(), subject: Some(den("南山砖厂")), ..tip() }).await;
    let request = world.request(CENTRE, api::SuggestLinkedTipsRequest { tip_id: second.tip_id.clone() });
    let suggested = world.desk().suggest_linked_tips(request).await.expect("suggested").into_inner().suggestions;
    let ids: Vec<&str> = suggested.iter().map(|one| one.tip.as_ref().expect("a tip").tip_id.as_str()).collect();
    assert_eq!(ids, [first.tip_id.as_str(), third.tip_id.as_str()]);
    assert!(!ids.contains(&unlike.tip_id.as_str()));

    // The third is linked to the second, which is linked to the first afterwards; the fourth to the second, which stands for the first.
    world.link(CENTRE, (&third.tip_id, &second.tip_id), false).await.expect("linked");
    let linked = world.link(CENTRE, (&second.tip_id, &first.tip_id), true).await.expect("linked");
    assert_eq!(
        (linked.state(), linked.first_tip_id.as_str(), linked.adds),
        (api::TipState::Linked, first.tip_id.as_str(), true)
    );
    let fourth = world.given(tip()).await;
    let linked = world.link(OFFICE, (&fourth.tip_id, &second.tip_id), false).await.expect("linked");
    assert_eq!(linked.first_tip_id, first.tip_id);
    let mut named: Vec<(String, bool)> = world
        .get_tip(CENTRE, &first.tip_id)
        .await
        .expect("read")
        .linked
        .into_iter()
        .map(|one| (one.tip_id, one.adds))
        .collect();
    let mut all = vec![(second.tip_id.clone(), true), (third.tip_id.clone(), false), (fourth.tip_id.clone(), false)];
    named.sort();
    all.sort();
    assert_eq!(named, all);
    let history = world.history(&second.tip_id).await;
    assert_eq!(kinds(&history), ["tip-received", "tip-linked"]);
    let Some(Event::TipLinked(event)) = history.last() else { panic!("{history:?}") };
    assert_eq!((&event.case_id, &event.into_case_id, event.adds), (&second.case_id, &first.case_id, true));
    assert_eq!(refused(world.link(CENTRE, (&second.tip_id, &first.tip_id), false).await).1, "ALREADY_LINKED");
    assert_eq!(refused(world.link(CENTRE, (&first.tip_id, &second.tip_id), false).await).1, "LINKED_TO_ITSELF");

    // Dispatch tells of each tip of the case, also of those that were merged into it.
    world.verified(&second, 1, ev::TipVerdict::True).await;
    let kept = world.until_state(&second.tip_id, api::TipState::VerifiedTrue).await;
    assert_eq!(kept.first_tip_id, first.tip_id);
}

fn den(place: &str) -> dafei_contracts::types::v1::Subject {
    let den = dafei_contracts::types::v1::Den { place: place.to_owned(), position: None, industry: String::new() };
    dafei_contracts::types::v1::Subject { kind: Some(dafei_contracts::types::v1::subject::Kind::Den(den)) }
}

#[tokio::test]
async fn tips_are_not_linked_across_an_accused_unit_nor_by_who_does_not_see_both() {
    let world = World::start().await;
    let at_centre = world.given(tip()).await;
    let above = world.given(api::NewTip { accused: vec![wire(TOWNSHIP)], ..tip() }).await;
    for pair in [(&at_centre, &above), (&above, &at_centre)] {
        let tried = world.link(OFFICE, (&pair.0.tip_id, &pair.1.tip_id), false).await;
        assert_eq!(refused(tried), (Code::FailedPrecondition, "ACCUSED_WOULD_KNOW".to_owned()));
    }
    let elsewhere = world.given(api::NewTip { place: Some(wire("village:371302002001")), ..tip() }).await;
    for hidden in [&above, &elsewhere] {
        let tried = world.link(CENTRE, (&at_centre.tip_id, &hidden.tip_id), false).await;
        assert_eq!(tried.expect_err("not theirs").code(), Code::NotFound);
    }
    assert_eq!(kinds(&world.history(&at_centre.tip_id).await), ["tip-received"]);
}

#[tokio::test]
async fn what_was_linked_to_a_tip_does_not_follow_it_to_where_it_may_not_be_linked_itself() {
    let world = World::start().await;
    let at_centre = || tip();
    let at_office = || api::NewTip { place: Some(wire(COUNTY)), ..tip() };
    let against_centre = || api::NewTip { accused: vec![wire(TOWNSHIP)], ..tip() };
    for (follower, first) in [(against_centre(), at_centre()), (at_centre(), against_centre())] {
        let (first, middle, follower) =
            (world.given(first).await, world.given(at_office()).await, world.given(follower).await);
        world.link(OFFICE, (&follower.tip_id, &middle.tip_id), false).await.expect("the office may have both");
        let tried = world.link(OFFICE, (&middle.tip_id, &first.tip_id), false).await;
        assert_eq!(refused(tried), (Code::FailedPrecondition, "ACCUSED_WOULD_KNOW".to_owned()));
        let kept = world.until_state(&follower.tip_id, api::TipState::Linked).await;
        assert_eq!(kept.first_tip_id, middle.tip_id);
        assert_eq!(kinds(&world.history(&middle.tip_id).await), ["tip-received"]);
        // Without what follows it, it may be linked.
        let alone = world.given(at_office()).await;
        world.link(OFFICE, (&alone.tip_id, &first.tip_id), false).await.expect("of one matter");
    }
}

#[tokio::test]
async fn the_city_hands_a_tip_on_and_only_then_a_county_sees_it() {
    let world = World::start().await;
    let kept = world.given(api::NewTip { accused: vec![wire(COUNTY)], ..tip() }).await;
    assert_eq!(world.readers(&kept.tip_id).await, ["city"]);
    let unfit = world.forward(CITY_OFFICE, &kept.tip_id, COUNTY).await;
    assert_eq!(refused(unfit), (Code::FailedPrecondition, "COUNTY_UNFIT".to_owned()));
    let handed = world.forward(CITY_OFFICE, &kept.tip_id, OTHER_COUNTY).await.expect("handed on");
    assert_eq!(handed.recipient.expect("a post").role, "county-office");
    assert_eq!(world.readers(&kept.tip_id).await, ["other office", "city"]);
    let history = world.history(&kept.tip_id).await;
    let recipients: Vec<String> = history
        .iter()
        .map(|event| match event {
            Event::TipReceived(event) => event.recipient.clone().expect("a post").role,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(recipients, ["city-office", "county-office"]);
    let again = world.forward(CITY_OFFICE, &kept.tip_id, OTHER_COUNTY).await;
    assert_eq!(refused(again).1, "NOT_AT_CITY");
}
