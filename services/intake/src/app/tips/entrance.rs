//! What the public does: a tip is taken, and its informant asks how far it is. Nothing here is traced or logged.

use std::time::Duration;

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::{
    code::Code,
    tip::{Facts, Progress, Receipt, Recipient, Tip},
};
use dafei_kernel::{
    act::Act,
    region::Region,
    subject::Subject,
    time::{Instant, truncate_hour},
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use uuid::Uuid;

use crate::{
    app::{
        App,
        evidence::{self, NewPhoto},
    },
    codes::hex,
    store::{
        throttle,
        tip_secrets::{self, Hashed},
        tips,
    },
};

/// Under whose name all tips are answered, whichever way they came: a clerk's name would tell tips by telephone from the others.
const SUBJECT: &str = "public";
/// The method under which all tips are answered.
const METHOD: &str = "SubmitTip";
/// Tries to learn the state of one tip, an hour.
const TRIES: i32 = 10;
/// An hour.
const SPAN: Duration = Duration::from_secs(3_600);

/// A tip that was checked.
pub(crate) struct NewTip {
    pub(crate) request_id: Uuid,
    /// Of all that was sent.
    pub(crate) digest: [u8; 32],
    pub(crate) code: Option<Code>,
    pub(crate) act: Act,
    pub(crate) act_text: String,
    pub(crate) subject: Subject,
    pub(crate) place: Region,
    pub(crate) accused: Vec<Region>,
    pub(crate) text: String,
    pub(crate) recipient: Recipient,
    pub(crate) photos: Vec<NewPhoto>,
}

/// Takes a tip; nobody sees it until it is released. Answers its receipt's number.
///
/// # Errors
/// When too many hashes wait, the request id stands for another tip, or the database is away.
pub(crate) async fn submit(app: &App, new: NewTip) -> Result<api::SubmitTipResponse, Fault> {
    // Of the client's request id and of what was sent only keyed hashes are kept.
    let key = RequestKey {
        subject: SUBJECT.to_owned(),
        method: METHOD.to_owned(),
        request_id: app.codes.request_id(new.request_id),
    };
    let digest = app.codes.request_hash(&new.digest);
    let secret = match &new.code {
        Some(code) => Some(hashed(app, code).await?),
        None => None,
    };
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &digest).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let (now, hour) = (once.now, truncate_hour(once.now));
    let receipt = Receipt::random(app.ids.random().as_u128());
    let release_at = app.tips.delay.release_at(now, app.ids.random().as_u128());
    for photo in &new.photos {
        evidence::insert(once.conn(), photo).await?;
    }
    let tip = taken(app, new, hour);
    tips::insert(once.conn(), &tip).await.map_err(faults::database)?;
    tip_secrets::insert(once.conn(), tip.facts.id, &receipt, secret.as_ref()).await.map_err(faults::database)?;
    tips::wait(once.conn(), tip.facts.id, release_at).await.map_err(faults::database)?;
    once.finish_at(api::SubmitTipResponse { receipt: receipt.to_string() }, hour).await
}

fn taken(app: &App, new: NewTip, hour: Instant) -> Tip {
    let facts = Facts {
        id: app.ids.random(),
        case_id: app.ids.random(),
        act: new.act,
        act_text: new.act_text,
        subject: new.subject,
        place: new.place,
        accused: new.accused,
        text: new.text,
        received_hour: hour,
        evidence: new.photos.iter().map(NewPhoto::id).collect(),
    };
    Tip::taken(facts, new.recipient)
}

async fn hashed(app: &App, code: &Code) -> Result<Hashed, Fault> {
    let salt = app.ids.random().into_bytes();
    Ok(Hashed { salt, hash: app.codes.hash(code, salt).await?.to_vec() })
}

/// How far a tip is, with the public number of its reward's announcement. A wrong receipt and a wrong code are answered alike, and after the same work.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` when the hour's tries for the receipt are used up, or too many ask at all; `NOT_FOUND`.
pub(crate) async fn status(
    app: &App,
    receipt: &Receipt,
    code: Option<&Code>,
) -> Result<(Progress, Option<String>), Fault> {
    take_try(app, receipt).await?;
    let secret = tip_secrets::find(&app.pool, receipt).await.map_err(faults::database)?;
    let kept = secret.as_ref().and_then(|secret| secret.code.as_ref());
    let proven = match code {
        Some(code) => {
            // Where there is no hash one is made all the same: who waits learns nothing.
            let (salt, hash) = kept.map_or(([0; 16], &[][..]), |kept| (kept.salt, kept.hash.as_slice()));
            app.codes.matches(code, salt, hash).await?
        }
        None => kept.is_none(),
    };
    let told =
        secret.filter(|_| proven).map(|secret| (secret.state.progress(secret.announced.is_some()), secret.announced));
    told.ok_or_else(|| Fault::not_found("tip", "", "回执编号或者代码不正确"))
}

/// Takes one of the hour's tries for a receipt, before anything is looked up. Spans are full hours, and receipts are kept as one of 65,536
/// keyed numbers: the table stays small whatever is tried, and says neither when an informant asked nor which.
async fn take_try(app: &App, receipt: &Receipt) -> Result<(), Fault> {
    let key = hex(&app.codes.request_hash(receipt.as_str().as_bytes())[..2]);
    let now = app.clock.now();
    let span = truncate_hour(now);
    if throttle::take_one(&app.pool, ("tip-status", &key), span, TRIES).await.map_err(faults::database)? {
        return Ok(());
    }
    let gone = Duration::try_from(now.duration_since(span)).unwrap_or(Duration::ZERO);
    Err(Fault::ResourceExhausted { retry_after: SPAN.saturating_sub(gone) })
}
