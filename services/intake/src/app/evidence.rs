//! Keeping a photo. Not in the group commit: its bytes would hold up the reports that wait beside it.
//!
//! Its objects are put first and its row is committed last, so that no row is ever without its bytes. Before the first object, its name is
//! noted; what breaks off between leaves a name whose time passes, and [`sweep`] removes what lies under it.

use bytes::Bytes;
use dafei_contracts::intake::v1 as api;
use dafei_intake_core::photo;
use dafei_kernel::{
    ids,
    region::Region,
    time::{Instant, truncate_hour},
};
use dafei_messaging::{requests::RequestKey, tx};
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{self, Begun, Once},
};
use jiff::SignedDuration;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    images::{CleanImage, refused},
    objects::{Kind, Object},
    store::evidence::{self, Evidence, NewEvidence, Original, Source},
};

/// How long after its name was noted an unfinished photo is given up. No call lasts nearly as long.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Names that one round of the sweep takes.
const SWEEP: i64 = 100;
/// Copies that one round takes to the store.
const SETTLE: i64 = 16;

/// A photo that was received.
pub(crate) struct Upload {
    pub(crate) request: RequestKey,
    /// Where it belongs.
    pub(crate) region: Region,
    pub(crate) bytes: Bytes,
    pub(crate) sha256: [u8; 32],
}

/// A photo whose row is still to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPhoto(NewEvidence);

impl NewPhoto {
    /// The id that it will have.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.0.id
    }
}

/// Keeps a photo: the original under lock, and its public copy. The same bytes of the same region have the same id.
///
/// # Errors
/// When it is not taken, or the request id stands for another photo, or the database or the store is away.
pub(crate) async fn keep(app: &App, upload: Upload) -> Result<api::UploadEvidenceResponse, Fault> {
    let Upload { request, region, bytes, sha256 } = upload;
    let photo = photo::inspect(&bytes).map_err(|refusal| refused("chunk", refusal))?;
    let hex = sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // The id says all of the payload: region and bytes.
    let id = ids::derived(&["evidence", region.level().code(), region.code().as_str(), &hex]);
    let answer = api::UploadEvidenceResponse {
        evidence_id: id.to_string(),
        sha256: hex,
        media_type: photo.media_type.name().to_owned(),
        position: photo.exif.position.as_ref().map(Into::into),
        taken_at: photo.exif.taken_at.map(Into::into),
    };
    match Once::begin(&app.pool, &*app.clock, request.clone(), id.as_bytes()).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(mut once) => {
            if evidence::find(once.conn(), id).await.map_err(faults::database)?.is_some() {
                return once.finish(answer).await;
            }
            // No transaction stays open while the image is decoded and put.
        }
    }
    let original = Original { region, sha256, media_type: photo.media_type.name() };
    let copy = app.photos.cleaner.copy(bytes.clone(), photo).await.map_err(|refusal| refused("chunk", refusal))?;
    let object = put(app, bytes, copy.bytes).await?;
    let mut once = match Once::begin(&app.pool, &*app.clock, request, id.as_bytes()).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let (width, height, uploaded_at) = (copy.width, copy.height, once.now);
    let kept = NewPhoto(NewEvidence { id, object, source: Source::Stored(original), width, height, uploaded_at });
    insert(once.conn(), &kept).await?;
    once.finish(answer).await
}

/// A public copy without an original, a region or an exact time, under a random id: for tips (clause D2). It is kept by [`insert`], and goes
/// to the store together with all others of its hour: taking a tip does not wait for the store, and the store's own times tell the hour only.
pub fn clean_photo(app: &App, copy: CleanImage) -> NewPhoto {
    let CleanImage { bytes, width, height } = copy;
    let (id, object, uploaded_at) = (app.ids.random(), app.ids.random(), truncate_hour(app.clock.now()));
    NewPhoto(NewEvidence { id, object, source: Source::Held(bytes), width, height, uploaded_at })
}

/// Keeps a photo in the caller's transaction.
///
/// # Errors
/// `ABORTED` when its objects were put so long ago that they were given up; `UNAVAILABLE` without the database.
pub async fn insert(conn: &mut PgConnection, photo: &NewPhoto) -> Result<(), Fault> {
    if evidence::insert(conn, &photo.0).await.map_err(faults::database)? {
        return Ok(());
    }
    Err(Fault::Aborted { reason: "UPLOAD_GIVEN_UP".into() })
}

/// Puts a photo's objects; the name that they lie under.
async fn put(app: &App, original: Bytes, copy: Bytes) -> Result<Uuid, Fault> {
    let object = app.ids.random();
    let sweep_after = app.clock.now().checked_add(GIVEN_UP_AFTER).unwrap_or(Instant::MAX);
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    evidence::begin(&mut conn, object, sweep_after).await.map_err(faults::database)?;
    drop(conn);
    app.photos.objects.put(Kind::Public, object, copy).await?;
    app.photos.objects.put(Kind::Original, object, original).await?;
    Ok(object)
}

/// The public copy of a photo, from wherever it lies.
///
/// # Errors
/// `UNAVAILABLE` when the store is away.
pub(crate) async fn open_copy(app: &App, photo: Evidence) -> Result<Object, Fault> {
    match photo.held {
        Some(held) => Ok(held.into()),
        None => app.photos.objects.get(Kind::Public, photo.object).await,
    }
}

/// Removes the objects of photos that were never finished; how many.
///
/// # Errors
/// When the database or the store is away; what is left is for the next time.
pub async fn sweep(app: &App) -> Result<usize, Fault> {
    let mut removed = 0;
    loop {
        let mut tx = tx::begin_write(&app.pool).await.map_err(faults::database)?;
        let objects = evidence::given_up(&mut tx, app.clock.now(), SWEEP).await.map_err(faults::database)?;
        if objects.is_empty() {
            return Ok(removed);
        }
        for object in &objects {
            app.photos.objects.remove(*object).await?;
        }
        evidence::finished(&mut tx, &objects).await.map_err(faults::database)?;
        tx::commit(tx).await.map_err(once::failed)?;
        removed += objects.len();
    }
}

/// Moves the copies of tips' photos to the store whose hour is over; how many.
///
/// # Errors
/// When the database or the store is away; what is left is for the next time.
pub async fn settle(app: &App) -> Result<usize, Fault> {
    let mut moved = 0;
    loop {
        let mut tx = tx::begin_write(&app.pool).await.map_err(faults::database)?;
        let held = evidence::held(&mut tx, truncate_hour(app.clock.now()), SETTLE).await.map_err(faults::database)?;
        if held.is_empty() {
            return Ok(moved);
        }
        let objects: Vec<Uuid> = held.iter().map(|held| held.object).collect();
        for copy in held {
            // Should the row not be changed after all, the same bytes are put under the same name again.
            app.photos.objects.put(Kind::Public, copy.object, copy.bytes).await?;
        }
        evidence::let_go(&mut tx, &objects).await.map_err(faults::database)?;
        tx::commit(tx).await.map_err(once::failed)?;
        moved += objects.len();
    }
}
