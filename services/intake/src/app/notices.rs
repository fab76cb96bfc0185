//! Posting and removing notices (clause D5). How the village stands is kept and told in the same transaction.

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_intake_core::notices::{self as rules, Hanging, Outside, Standing};
use dafei_kernel::{
    claimed,
    region::{Region, RegionPath},
    subject::Position,
    time::Instant,
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::book::Book;
use crate::{
    acting::Acting,
    app::{App, photos, untimely},
    store::notices::{self, Notice},
    wire::{self, publicity as publicity_wire},
};

/// Why a notice is removed that another one replaces.
const REPLACED: &str = "已更换";

/// A notice on its way; the path leads to its village.
pub(crate) struct NewNotice {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) actor: Acting,
    pub(crate) path: RegionPath,
    pub(crate) reward: bool,
    pub(crate) copies: u32,
    pub(crate) position: Position,
    pub(crate) place: String,
    pub(crate) posted_at: Instant,
    pub(crate) evidence: Vec<Uuid>,
    pub(crate) replaces: Option<Uuid>,
}

/// Posts a notice.
///
/// # Errors
/// When its time, photos or position are not the village's, what it replaces does not hang there, or the village has too many.
pub(crate) async fn post(app: &App, new: NewNotice) -> Result<api::PostNoticeResponse, Fault> {
    let (key, hash) = new.request.clone();
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    claimed::check(new.posted_at, now).map_err(|why| untimely("posted_at", why))?;
    let mut book = Book::open(app, &mut once, &new.path, &new.actor).await?;
    let village = new.path.leaf();
    let mut hanging = notices::hanging(once.conn(), village).await.map_err(faults::database)?;
    take_down(once.conn(), &mut hanging, new.replaces, new.posted_at).await?;
    check(app, &hanging, new.position)?;
    photos::of_village(once.conn(), &new.evidence, village).await?;
    let notice = notice(app, &new, book.length(), now);
    notices::insert(once.conn(), &notice, &new.path, now).await.map_err(faults::database)?;
    hanging.push(notice.hanging());
    let standing = keep_standing(app, once.conn(), village, &hanging).await?;
    // Both happened at once: the replaced one is told with the standing after both, so that no clock starts in between.
    if let Some(replaced) = new.replaces {
        let event = removed(replaced, village, REPLACED.to_owned(), new.posted_at, standing);
        book.tell(event, new.posted_at)?;
    }
    book.tell(posted(&notice, standing), notice.posted_at)?;
    book.close(once.conn()).await?;
    once.finish(api::PostNoticeResponse { notice: Some(publicity_wire::notice(&notice)), standing: Some(standing) })
        .await
}

fn notice(app: &App, new: &NewNotice, recorded_after: i64, now: Instant) -> Notice {
    Notice {
        id: app.ids.ordered(now),
        village: new.path.leaf().clone(),
        reward: new.reward,
        copies: new.copies,
        position: new.position,
        place: new.place.clone(),
        evidence: new.evidence.clone(),
        posted_at: new.posted_at,
        recorded_after,
        replaces: new.replaces,
        removed: None,
    }
}

/// Takes the notice down that the new one replaces.
async fn take_down(
    conn: &mut PgConnection,
    hanging: &mut Vec<Hanging>,
    replaced: Option<Uuid>,
    at: Instant,
) -> Result<(), Fault> {
    let Some(replaced) = replaced else { return Ok(()) };
    let Some(place) = hanging.iter().position(|notice| notice.id == replaced) else {
        let (en, zh) = ("is no notice that hangs in this village", "本村居没有这张正在张贴的公告");
        return Err(Fault::field("replaces", "NOTICE_NOT_HANGING", en, zh));
    };
    hanging.swap_remove(place);
    if notices::remove(conn, replaced, at, REPLACED).await.map_err(faults::database)? {
        return Ok(());
    }
    let (en, zh) = ("is before the replaced notice was posted", "张贴时间早于被更换公告的张贴时间");
    Err(Fault::field("posted_at", "REMOVED_BEFORE_POSTED", en, zh))
}

fn check(app: &App, hanging: &[Hanging], position: Position) -> Result<(), Fault> {
    if hanging.len() >= rules::HANGING {
        let (en, zh) = ("the village has 200 notices", "本村居张贴的公告已达200张，请先登记撤下的公告");
        return Err(Fault::precondition("TOO_MANY_NOTICES", "village", en, zh));
    }
    rules::check_inside(position, hanging, &app.notices).map_err(|outside| {
        let (reason, zh) = match outside {
            Outside::OfChina => ("OUTSIDE_OF_CHINA", "位置不在国内，请重新定位".to_owned()),
            Outside::OfVillage(metres) => (
                "OUTSIDE_OF_VILLAGE",
                format!("位置距本村居其他公告的中心{:.1}公里，不在本村居范围内", metres / 1_000.0),
            ),
        };
        Fault::field("position", reason, outside.to_string(), zh)
    })
}

/// How the village stands with these notices, kept.
async fn keep_standing(
    app: &App,
    conn: &mut PgConnection,
    village: &Region,
    hanging: &[Hanging],
) -> Result<ev::NoticeStanding, Fault> {
    let standing = rules::standing(hanging, &app.notices);
    notices::keep_standing(conn, village, standing.valid_places(), standing.close_pairs())
        .await
        .map_err(faults::database)?;
    Ok(told(app, &standing))
}

fn told(app: &App, standing: &Standing) -> ev::NoticeStanding {
    ev::NoticeStanding {
        valid_places: standing.valid_places(),
        close_pairs: standing.close_pairs(),
        required: app.notices.required,
    }
}

fn posted(notice: &Notice, standing: ev::NoticeStanding) -> ev::NoticePosted {
    ev::NoticePosted {
        meta: None,
        notice_id: notice.id.to_string(),
        village: Some((&notice.village).into()),
        kind: publicity_wire::kind(notice.reward).into(),
        copies: notice.copies,
        position: Some((&notice.position).into()),
        place: notice.place.clone(),
        posted_at: Some(notice.posted_at.into()),
        replaces: wire::optional_id(notice.replaces),
        standing: Some(standing),
    }
}

fn removed(
    notice: Uuid,
    village: &Region,
    reason: String,
    at: Instant,
    standing: ev::NoticeStanding,
) -> ev::NoticeRemoved {
    ev::NoticeRemoved {
        meta: None,
        notice_id: notice.to_string(),
        village: Some(village.into()),
        reason,
        removed_at: Some(at.into()),
        standing: Some(standing),
    }
}

/// A removal on its way; the path leads to the notice's village.
pub(crate) struct Removal {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) actor: Acting,
    pub(crate) path: RegionPath,
    pub(crate) notice: Notice,
    pub(crate) reason: String,
    /// When; now when not said.
    pub(crate) at: Option<Instant>,
}

/// Removes a notice.
///
/// # Errors
/// When it was removed before, or at a time that cannot be.
pub(crate) async fn remove(app: &App, removal: Removal) -> Result<api::RemoveNoticeResponse, Fault> {
    let (key, hash) = removal.request;
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let at = removal.at.unwrap_or(once.now);
    claimed::check(at, once.now).map_err(|why| untimely("removed_at", why))?;
    if at < removal.notice.posted_at {
        let (en, zh) = ("is before the notice was posted", "撤下时间早于张贴时间");
        return Err(Fault::field("removed_at", "REMOVED_BEFORE_POSTED", en, zh));
    }
    let mut book = Book::open(app, &mut once, &removal.path, &removal.actor).await?;
    let village = removal.path.leaf();
    if !notices::remove(once.conn(), removal.notice.id, at, &removal.reason).await.map_err(faults::database)? {
        let subject = format!("notice/{}", removal.notice.id);
        return Err(Fault::precondition("NOTICE_ALREADY_REMOVED", subject, "was removed before", "公告已登记撤下"));
    }
    let hanging = notices::hanging(once.conn(), village).await.map_err(faults::database)?;
    let standing = keep_standing(app, once.conn(), village, &hanging).await?;
    book.tell(removed(removal.notice.id, village, removal.reason.clone(), at, standing), at)?;
    book.close(once.conn()).await?;
    let notice = Notice { removed: Some((at, removal.reason)), ..removal.notice };
    once.finish(api::RemoveNoticeResponse { notice: Some(publicity_wire::notice(&notice)), standing: Some(standing) })
        .await
}

/// How a village stands now: its valid places and every pair.
///
/// # Errors
/// When the database is away.
pub(crate) async fn standing(app: &App, village: &Region) -> Result<api::GetNoticeStandingResponse, Fault> {
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    let hanging = notices::hanging(&mut conn, village).await.map_err(faults::database)?;
    let standing = rules::standing(&hanging, &app.notices);
    let told = told(app, &standing);
    Ok(api::GetNoticeStandingResponse {
        standing: Some(told),
        lacking: rules::lacking(told.valid_places, told.close_pairs, told.required),
        valid_notice_ids: wire::ids(&standing.valid),
        close_pairs: standing.pairs.iter().map(publicity_wire::close_pair).collect(),
    })
}
