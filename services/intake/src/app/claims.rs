//! Claims at the bank's counter (clause D4). A try takes its slot of the throttle in a transaction of its own before anything is hashed; every
//! refusal is answered alike and at the same time, and its true cause goes where only the auditor reads it.

use std::sync::Arc;

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::{
    code::Code,
    reward::{
        claim::{self, Command, Standing},
        publication::hour,
    },
};
use dafei_kernel::time::{Instant, civil_date, start_of_day};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    scope,
};
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};
use uuid::Uuid;

use crate::{
    app::App,
    store::{
        claims::{self, Attempt, Held, Written},
        heads,
        roles::{Acting, Bank},
        throttle::{self, Limit},
    },
};

/// What takes the place of a salt where there is no announcement: the same time passes.
const NO_SALT: [u8; 16] = [0; 16];

/// A claim at the counter.
pub(crate) struct Counter {
    pub(crate) request: RequestKey,
    pub(crate) payload_hash: [u8; 32],
    pub(crate) teller: Principal,
    pub(crate) branch: String,
    pub(crate) number: String,
    pub(crate) code: Code,
}

/// Reserves an announcement for a teller, or refuses with one answer.
///
/// # Errors
/// `CLAIM_REFUSED` with the number of the refusal; `RESOURCE_EXHAUSTED` when too many codes are being checked; or the database.
pub(crate) async fn reserve(app: &Arc<App>, ask: Counter) -> Result<api::ReserveClaimResponse, Fault> {
    let began = tokio::time::Instant::now();
    if let Some(first) = answered(app, &ask).await? {
        return Ok(first);
    }
    // A task leaves the subscriber of its call behind, and this call's leaves no trace.
    let whole = whole_try(Arc::clone(app), ask).with_subscriber(NoSubscriber::default());
    let answer = tokio::spawn(whole).await.map_err(Fault::internal)??;
    if answer.is_err() {
        tokio::time::sleep_until(began + app.rewards.refusal_after).await;
    }
    answer
}

/// A try with what follows it, in a task of its own: a call that is cut, by its deadline or by its caller, ends neither. Else a teller could use
/// up an announcement's tries and leave the auditor no line of it.
async fn whole_try(app: Arc<App>, ask: Counter) -> Result<Result<api::ReserveClaimResponse, Fault>, Fault> {
    match attempt(&app, &ask).await? {
        Ok(answer) => Ok(Ok(answer)),
        Err(cause) => refuse(&app, &ask, cause).await.map(Err),
    }
}

/// The first answer to this request, if it was answered; no connection is held afterwards.
async fn answered(app: &App, ask: &Counter) -> Result<Option<api::ReserveClaimResponse>, Fault> {
    match Once::begin(&app.pool, &*app.clock, ask.request.clone(), &ask.payload_hash).await? {
        Begun::Answered(first) => timed(app, first).await.map(Some),
        Begun::New(_) => Ok(None),
    }
}

/// A kept answer with the end of its reservation, as long as there is one: that exact time goes with the reservation, and is nowhere else.
async fn timed(app: &App, kept: api::ReserveClaimResponse) -> Result<api::ReserveClaimResponse, Fault> {
    let reservation = Uuid::parse_str(&kept.reservation_id).map_err(Fault::internal)?;
    let until = until(app, reservation).await.map_err(faults::database)?;
    Ok(api::ReserveClaimResponse { expires_at: until.map(Into::into), ..kept })
}

async fn until(app: &App, reservation: Uuid) -> sqlx::Result<Option<Instant>> {
    let mut tx = app.pool.begin().await?;
    claims::until(&mut Acting::<Bank>::take(&mut tx).await?, reservation).await
}

type Tried = Result<api::ReserveClaimResponse, api::RefusalCause>;

/// Takes the slots, tries, and gives them back when the code was right, or nothing was tried.
async fn attempt(app: &App, ask: &Counter) -> Result<Tried, Fault> {
    let limits = limits(app, ask);
    let taken = app.clock.now();
    if !take_slots(app, &limits, taken).await.map_err(faults::database)? {
        return Ok(Err(api::RefusalCause::Slowed));
    }
    let tried = check(app, ask).await;
    if matches!(tried, Ok(Ok(_)) | Err(Fault::ResourceExhausted { .. }))
        && let Err(error) = give_back(app, &limits, taken).await
    {
        // It comes back by itself when the span is over.
        tracing::warn!(%error, "slots of a claim were not given back");
    }
    tried
}

fn limits(app: &App, ask: &Counter) -> [Limit; 4] {
    let settings = &app.rewards;
    let (teller, number) = (ask.teller.subject.as_str(), ask.number.as_str());
    let limit = |purpose, key: &str, tries| Limit { purpose, key: key.to_owned(), tries };
    [
        limit("claim-teller", teller, settings.teller),
        limit("claim-branch", &ask.branch, settings.branch),
        limit("claim-announcement", number, settings.announcement),
        // A number has digits and hyphens alone: the key says which is which.
        limit("claim-teller-announcement", &format!("{number} {teller}"), settings.teller_announcement),
    ]
}

async fn take_slots(app: &App, limits: &[Limit], now: Instant) -> sqlx::Result<bool> {
    let mut tx = app.pool.begin().await?;
    let mut bank = Acting::<Bank>::take(&mut tx).await?;
    let span = app.rewards.span;
    let within =
        !throttle::spent(&mut bank, limits, now, span).await? && throttle::take(&mut bank, limits, now, span).await?;
    if within {
        tx.commit().await?;
    }
    Ok(within)
}

async fn give_back(app: &App, limits: &[Limit], taken: Instant) -> sqlx::Result<()> {
    let mut tx = app.pool.begin().await?;
    throttle::give_back(&mut Acting::<Bank>::take(&mut tx).await?, limits, taken).await?;
    tx.commit().await
}

/// Hashes the code, whether there is an announcement or not, and tries to reserve.
async fn check(app: &App, ask: &Counter) -> Result<Tried, Fault> {
    let offer = offer(app, &ask.number).await.map_err(faults::database)?;
    let (salt, kept) = offer.as_ref().map_or((NO_SALT, &[][..]), |offer| (offer.salt, &offer.code_hash));
    let code_fits = app.codes.matches(&ask.code, salt, kept).await?;
    let Some(offer) = offer else { return Ok(Err(api::RefusalCause::Unknown)) };
    if !scope::contains(&ask.teller, &app.roster.current(), &offer.region) {
        return Ok(Err(api::RefusalCause::OutOfScope));
    }
    if !offer.branches.contains(&ask.branch) {
        return Ok(Err(api::RefusalCause::WrongBranch));
    }
    write_reservation(app, ask, offer.id, code_fits).await
}

async fn offer(app: &App, number: &str) -> sqlx::Result<Option<claims::Offer>> {
    let mut tx = app.pool.begin().await?;
    claims::offer(&mut Acting::<Bank>::take(&mut tx).await?, number).await
}

async fn write_reservation(app: &App, ask: &Counter, reward: Uuid, code_fits: bool) -> Result<Tried, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, ask.request.clone(), &ask.payload_hash).await? {
        Begun::Answered(first) => return timed(app, first).await.map(Ok),
        Begun::New(once) => once,
    };
    heads::lock(once.conn(), &[reward]).await.map_err(faults::database)?;
    let now = once.now;
    let command = Command::Reserve {
        id: app.ids.random(),
        teller: ask.teller.subject.clone(),
        branch: ask.branch.clone(),
        code_fits,
        span: app.rewards.reservation,
    };
    let mut bank = Acting::<Bank>::take(once.conn()).await.map_err(faults::database)?;
    let held = load(&mut bank, reward, None).await?;
    let events = match claim::decide(&held.claim, &command, now) {
        Ok(events) => events,
        Err(refusal) => return Ok(Err(cause(refusal))),
    };
    let written = written(reward, &held, now, None);
    for event in &events {
        claims::write(&mut bank, event, &written).await.map_err(faults::database)?;
    }
    bank.leave().await.map_err(faults::database)?;
    let amount_fen = held.amount_fen;
    let claim = events.iter().fold(held.claim, claim::evolve);
    let Standing::Reserved(reservation) = claim.standing else {
        return Err(Fault::internal("a reservation reserves"));
    };
    let answer = api::ReserveClaimResponse { reservation_id: reservation.id.to_string(), amount_fen, expires_at: None };
    let kept = once.finish_at(answer, hour(now)).await?;
    Ok(Ok(api::ReserveClaimResponse { expires_at: Some(reservation.until.into()), ..kept }))
}

/// The claim of an announcement whose head is locked.
pub(super) async fn load(bank: &mut Acting<'_, Bank>, reward: Uuid, of: Option<Uuid>) -> Result<Held, Fault> {
    let mut all = claims::load(bank, &[reward], of).await.map_err(faults::database)?;
    all.remove(&reward).ok_or_else(|| Fault::internal("an announcement with a claim is there"))
}

/// What the events of a claim write beside themselves.
pub(super) fn written(reward: Uuid, held: &Held, now: Instant, reason: Option<i16>) -> Written<'_> {
    Written { reward, bank: &held.bank, day: start_of_day(civil_date(now)), reason }
}

const fn cause(refusal: claim::Refusal) -> api::RefusalCause {
    use claim::Refusal;
    match refusal {
        Refusal::WrongCode => api::RefusalCause::WrongCode,
        Refusal::Paid | Refusal::OtherSerial => api::RefusalCause::Paid,
        Refusal::Expired => api::RefusalCause::Expired,
        Refusal::Withdrawn => api::RefusalCause::Withdrawn,
        Refusal::Reserved | Refusal::NoSuchReservation | Refusal::Cancelled | Refusal::Lapsed => {
            api::RefusalCause::Reserved
        }
    }
}

/// Records a refusal; the answer tells its number alone.
async fn refuse(app: &App, ask: &Counter, cause: api::RefusalCause) -> Result<Fault, Fault> {
    let refusal = format!("{:012}", app.ids.random().as_u128() % 1_000_000_000_000);
    let attempt = Attempt {
        refusal: refusal.clone(),
        at_hour: hour(app.clock.now()),
        number: ask.number.clone(),
        cause: i16::try_from(i32::from(cause)).unwrap_or(0),
        teller: ask.teller.subject.clone(),
        branch: ask.branch.clone(),
    };
    record(app, &attempt).await.map_err(faults::database)?;
    let words = format!("不能办理，拒绝编号{refusal}；请核对公告号和代码，或稍后再试");
    Ok(Fault::precondition("CLAIM_REFUSED", format!("refusal/{refusal}"), "the claim is refused", words))
}

async fn record(app: &App, attempt: &Attempt) -> sqlx::Result<()> {
    let mut tx = app.pool.begin().await?;
    claims::refuse(&mut Acting::<Bank>::take(&mut tx).await?, attempt).await?;
    tx.commit().await
}
