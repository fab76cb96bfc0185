//! The entrance of tips (clause D2): what the public and the telephone's clerks can do.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use dafei_contracts::{
    Event,
    events::v1 as ev,
    intake::v1::{
        self as api, hotline_service_client::HotlineServiceClient, submit_tip_request::Part,
        tip_service_client::TipServiceClient,
    },
    types::v1 as types,
};
use dafei_intake::app::tips::{TipRelease, TipSettings};
use dafei_intake_core::tip::Delay;
use dafei_kernel::{clock::Clock as _, role::Role};
use dafei_shell::timer::{Due as _, Timer};
use dafei_testkit::eventually;
use futures::{StreamExt as _, future::join_all, stream};
use jiff::SignedDuration;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    images,
    tip_desk::CENTRE,
    world::{Caller, SOON, VILLAGE, World, fields, new_id, refused, wire},
};

pub(crate) const CODE: &str = "K7M2PX9Q";
pub(crate) const CLERK: Caller = (Role::HotlineClerk, "city:371300");

pub(crate) fn code(text: &str) -> Option<api::InformantCode> {
    Some(api::InformantCode { text: text.to_owned() })
}

/// A tip of a den in [`VILLAGE`], with the code [`CODE`].
pub(crate) fn tip() -> api::NewTip {
    let den = types::Den { place: "村东头旧仓库".to_owned(), position: None, industry: String::new() };
    api::NewTip {
        request_id: new_id(),
        code: code(CODE),
        confirm_weak_code: false,
        act: "HC-3".to_owned(),
        act_text: String::new(),
        subject: Some(types::Subject { kind: Some(types::subject::Kind::Den(den)) }),
        place: Some(wire(VILLAGE)),
        text: "夜间有油罐车进出".to_owned(),
        accused: Vec::new(),
    }
}

impl World {
    pub(crate) fn tips(&self) -> TipServiceClient<Channel> {
        TipServiceClient::new(self.channel())
    }

    /// Sends a tip with its photos, without a token.
    pub(crate) async fn submit(&self, tip: api::NewTip, photos: &[Vec<u8>]) -> Result<String, Status> {
        let mut parts = vec![api::SubmitTipRequest { part: Some(Part::Tip(tip)) }];
        for (index, photo) in photos.iter().enumerate() {
            parts.extend(photo.chunks(60_000).map(|chunk| photo_part(index, chunk)));
        }
        Ok(self.tips().submit_tip(tokio_stream::iter(parts)).await?.into_inner().receipt)
    }

    pub(crate) async fn status(&self, receipt: &str, code: Option<api::InformantCode>) -> Result<String, Status> {
        let message = api::GetTipStatusRequest { receipt: receipt.to_owned(), code };
        Ok(self.tips().get_tip_status(message).await?.into_inner().progress_zh)
    }

    pub(crate) async fn phone(&self, caller: Caller, tip: api::NewTip) -> Result<String, Status> {
        let request = self.request(caller, api::RecordPhoneTipRequest { tip: Some(tip) });
        Ok(HotlineServiceClient::new(self.channel()).record_phone_tip(request).await?.into_inner().receipt)
    }

    /// Releases all that is due; how many.
    pub(crate) async fn release(&self) -> usize {
        let (release, before, now) = (self.releases(), self.waiting_tips().await, self.clock.now());
        while release.next_due().await.expect("asked").is_some_and(|due| due <= now) {
            release.round(now).await.expect("a round");
        }
        before - self.waiting_tips().await
    }

    fn releases(&self) -> TipRelease {
        TipRelease::new(Arc::clone(&self.app))
    }

    async fn waiting_tips(&self) -> usize {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM tip_release").fetch_one(&self.db.pool).await.expect("a count");
        usize::try_from(waiting).expect("few")
    }

    /// Dispatch tells what became of a tip.
    pub(crate) async fn verified(&self, tip: &api::Tip, sequence: i64, verdict: ev::TipVerdict) {
        let event = ev::TipVerified {
            meta: None,
            case_id: tip.case_id.clone(),
            tip_id: tip.tip_id.clone(),
            verdict: verdict.into(),
            by: Some(types::Post {
                role: "township-agency".to_owned(),
                region: Some(wire("township:371302001")),
                agency: "emergency-management".to_owned(),
            }),
            verified_at: Some(self.clock.now().into()),
            sector: String::new(),
            act: tip.act.clone(),
        };
        self.dispatch_tells(&tip.case_id, sequence, Event::from(event)).await;
    }
}

fn photo_part(index: usize, chunk: &[u8]) -> api::SubmitTipRequest {
    let index = u32::try_from(index).expect("few");
    api::SubmitTipRequest { part: Some(Part::Photo(api::TipPhoto { index, chunk: chunk.to_vec().into() })) }
}

#[tokio::test]
async fn an_informant_learns_by_receipt_and_code_how_far_the_tip_is() {
    let world = World::start().await;
    let receipt = world.submit(tip(), &[]).await.expect("taken");
    let told = async || world.status(&receipt, code(" ｋ7m2PX9q")).await.expect("told");
    assert_eq!(told().await, "已受理");
    assert_eq!(world.release().await, 1);
    assert_eq!(told().await, "办理中");
    let kept = world.tip_list(CENTRE).await.remove(0);
    world.verified(&kept, 1, ev::TipVerdict::True).await;
    world.until_state(&kept.tip_id, api::TipState::VerifiedTrue).await;
    assert_eq!(told().await, "已核实属实");
    world.verified(&kept, 2, ev::TipVerdict::False).await;
    world.until_state(&kept.tip_id, api::TipState::VerifiedFalse).await;
    assert_eq!(told().await, "经核实不实");
}

#[tokio::test]
async fn a_tip_without_a_code_shows_its_state_by_the_receipt_alone_and_one_with_a_code_does_not() {
    let world = World::start().await;
    let without = world.submit(api::NewTip { code: None, ..tip() }, &[]).await.expect("taken");
    assert_eq!(world.status(&without, None).await.expect("told"), "已受理");
    let with = world.submit(tip(), &[]).await.expect("taken");
    let told = |status: Status| {
        let details = status.get_error_details();
        let info = details.error_info().expect("a reason");
        let data: BTreeMap<_, _> = info.metadata.clone().into_iter().collect();
        let words = details.localized_message().expect("words").message.clone();
        (status.code(), status.message().to_owned(), info.reason.clone(), data, words)
    };
    let wrong = [
        world.status(&with, None).await,
        world.status(&with, code("K7M2PX9R")).await,
        world.status(&without, code(CODE)).await,
        world.status("2222-2222-2222", code(CODE)).await,
        world.status("2222-2222-2222", None).await,
    ];
    let answers: Vec<_> = wrong.into_iter().map(|answer| told(answer.expect_err("refused"))).collect();
    assert_eq!(answers[0].0, Code::NotFound);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_weak_code_is_refused_until_it_is_confirmed_and_none_for_being_in_use() {
    let world = World::start().await;
    let weak = api::NewTip { code: code("１９８００２１４"), ..tip() };
    let status = world.submit(weak.clone(), &[]).await.expect_err("weak");
    let violation = status.get_error_details().precondition_failure().expect("why").violations[0].clone();
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("WEAK_CODE", "code/DATE"));
    assert!(!format!("{status:?}").contains("19800214"));
    let confirmed = api::NewTip { confirm_weak_code: true, ..weak };
    let first = world.submit(confirmed.clone(), &[]).await.expect("confirmed");
    let again = api::NewTip { request_id: new_id(), ..confirmed };
    let second = world.submit(again, &[]).await.expect("in use, and taken all the same");
    assert_ne!(first, second);
    let hashes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT code_hash FROM tip_secret").fetch_all(&world.db.pool).await.expect("hashes");
    assert_ne!(hashes[0], hashes[1], "a salt each");
}

#[tokio::test]
async fn a_code_is_offered_and_judged_and_nothing_of_it_is_kept() {
    let world = World::start().await;
    let before = world.lasting().await;
    let offered = world.tips().offer_code(api::OfferCodeRequest {}).await.expect("offered").into_inner();
    let judged = async |text: &str| {
        world.tips().check_code(api::CheckCodeRequest { code: code(text) }).await.map(tonic::Response::into_inner)
    };
    let good = judged(&offered.code.expect("a code").text).await.expect("judged");
    assert_eq!((good.weakness.as_str(), good.folded), ("", false));
    let weak = judged("ａbcdef").await.expect("judged");
    assert_eq!((weak.weakness.as_str(), weak.folded, weak.weakness_zh.is_empty()), ("RUN", true, false));
    let status = judged("12-456").await.expect_err("no code");
    assert_eq!(fields(&status), ["code"]);
    assert!(!format!("{status:?}").contains("12-456"));
    assert_eq!(world.lasting().await, before);
}

#[tokio::test]
async fn a_replayed_tip_is_one_tip_and_another_under_its_request_id_is_refused() {
    let world = World::start().await;
    let photo = images::jpeg(&images::picture(8, 8));
    let asked = tip();
    let first = world.submit(asked.clone(), std::slice::from_ref(&photo)).await.expect("taken");
    assert_eq!(world.submit(asked.clone(), std::slice::from_ref(&photo)).await.expect("replayed"), first);
    for other in [world.submit(asked.clone(), &[]).await, world.phone(CLERK, asked).await] {
        assert_eq!(refused(other), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    }
    assert_eq!(world.release().await, 1);
}

#[tokio::test]
async fn nobody_sees_a_tip_before_its_random_delay_has_passed() {
    let rate = NonZeroU32::new(1_000).expect("not zero");
    let delay = Delay::new(SignedDuration::from_mins(1), SignedDuration::from_mins(30)).expect("a span");
    let settings = TipSettings { delay, submits_per_minute: rate, asks_per_minute: rate };
    let world = World::empty_with(settings).await.with_roster().await;
    let begun = world.events().await;
    world.clock.advance(SignedDuration::from_secs(777));
    let submitted = world.clock.now();
    for _ in 0..8 {
        world.submit(tip(), &[]).await.expect("taken");
    }
    assert_eq!(world.release().await, 0);
    assert!(world.tip_list(CENTRE).await.is_empty());
    assert_eq!(world.events().await, begun);
    let due = world.releases().next_due().await.expect("asked").expect("one waits");
    assert!(due >= submitted + SignedDuration::from_mins(1) && due.as_second() % 60 == 0, "{due}");
    let timer = Timer::new(Arc::new(world.releases()), Arc::clone(&world.app.clock));
    assert_eq!(timer.progress().through().await.expect("asked"), Some(submitted));
    world.clock.set(due - SignedDuration::from_micros(1));
    assert_eq!(world.release().await, 0);
    world.clock.set(due);
    let first = world.release().await;
    assert!(first >= 1);
    assert_eq!(world.tip_list(CENTRE).await.len(), first);
    world.clock.set(submitted + SignedDuration::from_mins(31));
    assert_eq!(first + world.release().await, 8);
    assert_eq!(world.events().await, begun + 8);
}

#[tokio::test]
async fn the_timer_releases_by_itself_what_falls_due() {
    let world = World::start().await;
    let timer = Timer::new(Arc::new(world.releases()), Arc::clone(&world.app.clock));
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(timer.run(stop.clone()));
    world.submit(tip(), &[]).await.expect("taken");
    eventually(SOON, "a release", async || world.tip_list(CENTRE).await.pop()).await;
    stop.cancel();
    running.await.expect("it ends");
}

#[tokio::test]
async fn parallel_guesses_get_no_more_tries_than_an_hour_has_and_the_next_hour_has_others() {
    let world = World::start().await;
    let receipt = world.submit(tip(), &[]).await.expect("taken");
    let guesses = (0..200).map(|guess| {
        let (world, receipt) = (&world, &receipt);
        async move { world.status(receipt, code(&format!("GUESS{guess:05}"))).await.expect_err("wrong").code() }
    });
    let answers = join_all(guesses).await;
    assert_eq!(answers.iter().filter(|code| **code == Code::NotFound).count(), 10);
    assert_eq!(answers.iter().filter(|code| **code == Code::ResourceExhausted).count(), 190);
    let late = world.status(&receipt, code(CODE)).await.expect_err("no tries left");
    let wait = late.get_error_details().retry_info().expect("when").retry_delay.expect("a time");
    assert!((3_600..=3_605).contains(&wait.as_secs()), "{wait:?}");
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(world.status(&receipt, code(CODE)).await.expect("told"), "已受理");
}

#[tokio::test]
async fn all_senders_together_are_held_to_a_rate() {
    let one = NonZeroU32::MIN;
    let settings = TipSettings { delay: Delay::none(), submits_per_minute: one, asks_per_minute: one };
    let world = World::empty_with(settings).await.with_roster().await;
    world.submit(tip(), &[]).await.expect("taken");
    assert_eq!(world.submit(tip(), &[]).await.expect_err("one too many").code(), Code::ResourceExhausted);
    world.tips().offer_code(api::OfferCodeRequest {}).await.expect("offered");
    let asked = world.tips().check_code(api::CheckCodeRequest { code: code(CODE) }).await;
    assert_eq!(asked.expect_err("one too many").code(), Code::ResourceExhausted);
    world.phone(CLERK, tip()).await.expect("the telephone is not held up by the public");
}

#[tokio::test]
async fn senders_who_never_end_their_photos_keep_no_post_from_uploading() {
    let world = World::start().await;
    let endless = |_: i32| {
        let parts = [api::SubmitTipRequest { part: Some(Part::Tip(tip())) }, photo_part(0, b"\xff\xd8")];
        let body = stream::iter(parts).chain(stream::pending());
        let mut sender = world.tips();
        tokio::spawn(async move { sender.submit_tip(body).await })
    };
    let senders: Vec<_> = (0..32).map(endless).collect();
    // More of them than there are places for posts, so that what is sent meanwhile finds them all there.
    for _ in 0..20 {
        tokio::time::timeout(SOON, world.photo()).await.expect("the posts have places of their own");
    }
    assert!(senders.iter().all(|sender| !sender.is_finished()), "they still send");
}

#[tokio::test]
async fn a_clerk_records_what_a_caller_says_and_sees_nothing_of_it_afterwards() {
    let world = World::start().await;
    let receipt = world.phone(CLERK, tip()).await.expect("taken");
    assert_eq!(world.status(&receipt, code(CODE)).await.expect("told"), "已受理");
    world.release().await;
    let denied = (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned());
    assert_eq!(refused(world.try_list(CLERK, api::ListTipsRequest::default()).await), denied);
    let kept = world.tip_list(CENTRE).await.remove(0);
    assert_eq!(refused(world.get_tip(CLERK, &kept.tip_id).await), denied);
    for other in [CENTRE, (Role::Bank, "city:371300"), (Role::Admin, "city:371300")] {
        assert_eq!(refused(world.phone(other, tip()).await), denied);
    }
    world.submit(tip(), &[]).await.expect("taken");
    let ways: Vec<(String, String)> =
        sqlx::query_as("SELECT DISTINCT subject, method FROM request WHERE method LIKE '%Tip%'")
            .fetch_all(&world.db.pool)
            .await
            .expect("rows");
    assert_eq!(ways, [("public".to_owned(), "SubmitTip".to_owned())], "by which way it came is not kept");
}

#[tokio::test]
async fn of_a_photo_only_the_copy_without_metadata_is_kept() {
    let world = World::start().await;
    let mut photo = images::jpeg(&images::picture(32, 24));
    // A comment and an XMP packet after the start of the image.
    for (marker, words) in [(0xfe_u8, "PLANTED-CAMERA-7781"), (0xe1, "http://ns.adobe.com/xap/1.0/\0PLANTED-XMP-7781")]
    {
        let length = u16::try_from(words.len() + 2).expect("short").to_be_bytes();
        let segment = [&[0xff, marker][..], &length, words.as_bytes()].concat();
        photo.splice(2..2, segment);
    }
    world.submit(tip(), &[photo.clone(), images::png(&images::picture(5, 5))]).await.expect("taken");
    world.release().await;
    let kept = world.tip_list(CENTRE).await.remove(0);
    assert_eq!(kept.evidence_ids.len(), 2);
    let copy = world.tip_photo(CENTRE, &kept.tip_id, &kept.evidence_ids[0]).await.expect("for its recipient");
    assert!(copy.starts_with(&[0xff, 0xd8]) && !contains(&copy, b"PLANTED"));
    for file in files(world.photos.path()) {
        let bytes = std::fs::read(&file).expect("a file");
        assert!(!contains(&bytes, b"PLANTED") && !contains(&bytes, &photo), "{file:?}");
    }
    let secretary: Caller = (Role::VillageSecretary, VILLAGE);
    let theirs = world.tip_photo(secretary, &kept.tip_id, &kept.evidence_ids[0]).await;
    assert_eq!(refused(theirs), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let by_evidence = api::GetEvidenceRequest { evidence_id: kept.evidence_ids[0].clone() };
    let status = world.evidence().get_evidence(world.request(secretary, by_evidence)).await.expect_err("nobody's");
    assert_eq!(status.code(), Code::NotFound);
    let other = world.submit(tip(), &[]).await.map(|_| new_id()).expect("taken");
    let strange = world.tip_photo(CENTRE, &kept.tip_id, &other).await.expect_err("not of this tip");
    assert_eq!(strange.code(), Code::NotFound);
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn files(place: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(place).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

type Change = fn(&mut api::NewTip);

/// What is changed, the field that is named, and the reason.
const CASES: &[(&str, Change, &str, &str)] = &[
    ("no request id", |t| t.request_id.clear(), "tip.request_id", "REQUIRED"),
    ("no act", |t| t.act.clear(), "tip.act", "REQUIRED"),
    ("an unknown act", |t| t.act = "HC-98".to_owned(), "tip.act", "UNKNOWN_ACT"),
    ("another act without text", |t| t.act = "HC-99".to_owned(), "tip.act_text", "ACT_TEXT_REQUIRED"),
    ("a text of a listed act", |t| t.act_text = "文字".to_owned(), "tip.act_text", "ACT_TEXT_NOT_ALLOWED"),
    ("no subject", |t| t.subject = None, "tip.subject", "REQUIRED"),
    ("an unknown firm", |t| t.subject = Some(named("无此企业")), "tip.subject.enterprise", "UNKNOWN_ENTERPRISE"),
    ("a nameless firm", |t| t.subject = Some(named("")), "tip.subject.enterprise", "UNKNOWN_ENTERPRISE"),
    ("an unknown place", |t| t.place = Some(wire("village:371302001999")), "tip.place", "UNKNOWN_REGION"),
    ("no words", |t| t.text = " ".to_owned(), "tip.text", "REQUIRED"),
    ("too many words", |t| t.text = "长".repeat(4_001), "tip.text", "TOO_LONG"),
    ("a short code", |t| t.code = code("12345"), "tip.code", "CODE_TOO_SHORT"),
    ("a long code", |t| t.code = code(&"a7".repeat(33)), "tip.code", "CODE_TOO_LONG"),
    ("an odd code", |t| t.code = code("123-456"), "tip.code", "CODE_CHARACTER"),
    ("an unknown accused", |t| t.accused = vec![wire("county:371399")], "tip.accused[0]", "UNKNOWN_REGION"),
    ("too many accused", |t| t.accused = vec![wire(VILLAGE); 11], "tip.accused", "TOO_MANY"),
    ("the city accused", |t| t.accused = vec![wire("city:371300")], "tip.accused", "ACCUSES_CITY"),
];

fn named(name: &str) -> types::Subject {
    let firm = types::Enterprise { name: name.to_owned(), ..Default::default() };
    types::Subject { kind: Some(types::subject::Kind::Enterprise(firm)) }
}

#[tokio::test]
async fn a_wrong_tip_is_refused_with_its_field_and_nothing_is_kept() {
    let world = World::start().await;
    let before = world.lasting().await;
    for (what, change, field, reason) in CASES {
        let mut wrong = tip();
        change(&mut wrong);
        let status = world.submit(wrong, &[]).await.expect_err(what);
        assert_eq!(fields(&status), [*field], "{what}");
        assert_eq!(refused(Err::<(), _>(status)), (Code::InvalidArgument, (*reason).to_owned()), "{what}");
    }
    let seven = vec![images::png(&images::picture(2, 2)); 7];
    let text = vec![b"%PDF-1.7".to_vec()];
    for (photos, field) in [(&seven[..], "photo.index"), (&text, "photo[0].chunk")] {
        let status = world.submit(tip(), photos).await.expect_err(field);
        assert_eq!(fields(&status), [field]);
    }
    let parts = [photo_part(0, b"x")];
    let status = world.tips().submit_tip(tokio_stream::iter(parts)).await.expect_err("no tip");
    assert_eq!(fields(&status), ["tip"]);
    let twice = api::SubmitTipRequest { part: Some(Part::Tip(tip())) };
    let status = world.tips().submit_tip(tokio_stream::iter([twice.clone(), twice])).await.expect_err("two tips");
    assert_eq!(fields(&status), ["tip"]);
    let status = world.status("2222-2222-2223", None).await.expect_err("no receipt");
    assert_eq!(fields(&status), ["receipt"]);
    assert_eq!(world.lasting().await, before);
}

#[tokio::test]
async fn an_enterprise_is_known_by_the_name_that_the_roster_has() {
    let world = World::start().await;
    let firms = "credit_code,name,industry,regulator,level,code,employees\n\
        91350100M000100Y43,某化工公司,coal,energy,village,371302001001,30\n";
    world.import(api::RosterFile::Enterprises, firms).await.expect("a good file");
    world.submit(api::NewTip { subject: Some(named("某化工公司")), ..tip() }, &[]).await.expect("taken");
    world.release().await;
    let Some(types::subject::Kind::Enterprise(firm)) =
        world.tip_list(CENTRE).await.remove(0).subject.and_then(|s| s.kind)
    else {
        panic!("an enterprise")
    };
    assert_eq!((firm.credit_code.as_str(), firm.regulator.as_str()), ("91350100M000100Y43", "energy"));
}

#[tokio::test]
async fn a_token_at_the_public_s_entrance_is_not_looked_at() {
    let world = World::start().await;
    let mut request = Request::new(tokio_stream::iter([api::SubmitTipRequest { part: Some(Part::Tip(tip())) }]));
    request.metadata_mut().insert("authorization", "Bearer nonsense".parse().expect("a header"));
    world.tips().submit_tip(request).await.expect("taken");
}
