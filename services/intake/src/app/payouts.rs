//! What follows a reservation (clause D4): the money was handed out, or not. One payout, one event, whatever is sent again.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::reward::{
    claim::{self, Command, Event, Refusal},
    publication::hour,
};
use dafei_kernel::time::{civil_date, start_of_day};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use uuid::Uuid;

use super::{
    claims::{load, written},
    reward_events::{self, Outgoing},
};
use crate::{
    app::App,
    store::{
        claims::{self, Held},
        heads::{self, Head},
        rewards::{self, state},
        roles::{Acting, Bank},
    },
};

/// A step with a reservation.
pub(crate) struct Step {
    pub(crate) request: RequestKey,
    pub(crate) payload_hash: [u8; 32],
    pub(crate) teller: Principal,
    pub(crate) reservation: Uuid,
}

/// Records that the money was handed out.
///
/// # Errors
/// When the reservation is none of the teller's, or cannot be paid any more, or the serial stands for another payment; or the database.
pub(crate) async fn confirm(app: &App, ask: &Step, serial: &str) -> Result<api::ConfirmPayoutResponse, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, ask.request.clone(), &ask.payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    let (id, teller) = (ask.reservation, ask.teller.subject.clone());
    let command = Command::Confirm { id, teller, serial: serial.to_owned() };
    let Stepped { reward, held, head, events } = step(&mut once, ask, &command, None).await?;
    let today = start_of_day(civil_date(now));
    if !events.is_empty() {
        rewards::settle(once.conn(), &[reward], state::PAID, today).await.map_err(faults::database)?;
        for kept in rewards::get(once.conn(), &[reward]).await.map_err(faults::database)? {
            let event =
                Outgoing { event: reward_events::paid(&kept, hour(now)), at: hour(now), actor: None, reward: kept };
            reward_events::append(app, once.conn(), now, vec![(event, head.clone())]).await?;
        }
    }
    let answer = api::ConfirmPayoutResponse {
        announcement_number: held.number,
        amount_fen: held.amount_fen,
        paid_on: civil_date(held.paid_day.unwrap_or(today)).to_string(),
    };
    once.finish_at(answer, hour(now)).await
}

/// Gives up a reservation.
///
/// # Errors
/// When it is none of the teller's or was paid; or the database.
pub(crate) async fn cancel(
    app: &App,
    ask: &Step,
    reason: api::CancelReason,
) -> Result<api::CancelClaimResponse, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, ask.request.clone(), &ask.payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let at = hour(once.now);
    let command = Command::Cancel { id: ask.reservation, teller: ask.teller.subject.clone() };
    step(&mut once, ask, &command, i16::try_from(i32::from(reason)).ok()).await?;
    once.finish_at(api::CancelClaimResponse {}, at).await
}

/// A step that was decided and written, back under the service's own login.
struct Stepped {
    reward: Uuid,
    /// The claim as it was before.
    held: Held,
    head: Head,
    events: Vec<Event>,
}

async fn step(once: &mut Once, ask: &Step, command: &Command, reason: Option<i16>) -> Result<Stepped, Fault> {
    let now = once.now;
    let mut bank = Acting::<Bank>::take(once.conn()).await.map_err(faults::database)?;
    let reward = claims::reward_of(&mut bank, ask.reservation).await.map_err(faults::database)?;
    bank.leave().await.map_err(faults::database)?;
    let reward = reward.ok_or_else(|| refused(ask, Refusal::NoSuchReservation))?;
    let head = heads::lock(once.conn(), &[reward]).await.map_err(faults::database)?.remove(&reward);
    let mut bank = Acting::<Bank>::take(once.conn()).await.map_err(faults::database)?;
    let held = load(&mut bank, reward, Some(ask.reservation)).await?;
    let events = claim::decide(&held.claim, command, now).map_err(|refusal| refused(ask, refusal))?;
    let with = written(reward, &held, now, reason);
    for event in &events {
        claims::write(&mut bank, event, &with).await.map_err(write_error)?;
    }
    bank.leave().await.map_err(faults::database)?;
    Ok(Stepped { reward, head: head.unwrap_or_default(), events, held })
}

fn write_error(error: sqlx::Error) -> Fault {
    match &error {
        sqlx::Error::Database(database) if database.constraint() == Some("reward_claim_serial") => Fault::field(
            "bank_serial",
            "SERIAL_IN_USE",
            "stands for another payment of this bank",
            "该流水号已用于另一笔兑付",
        ),
        _ => faults::database(error),
    }
}

/// What the teller of a reservation is told. That it is another's is not told apart from that there is none.
fn refused(ask: &Step, refusal: Refusal) -> Fault {
    let subject = format!("reservation/{}", ask.reservation);
    let (reason, zh) = match refusal {
        Refusal::Paid | Refusal::OtherSerial => ("RESERVATION_PAID", "这笔预约已经兑付"),
        Refusal::Cancelled => ("RESERVATION_CANCELLED", "这笔预约已经取消"),
        Refusal::Lapsed | Refusal::Expired | Refusal::Withdrawn | Refusal::Reserved => {
            ("RESERVATION_LAPSED", "这笔预约已经过期，公告已不能由此兑付")
        }
        Refusal::NoSuchReservation | Refusal::WrongCode => {
            return Fault::not_found("reservation", ask.reservation.to_string(), "您没有这笔预约");
        }
    };
    Fault::precondition(reason, subject, refusal.to_string(), zh)
}
