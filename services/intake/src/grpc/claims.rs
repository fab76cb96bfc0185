//! The bank's counter (clause D4), the day's reconciliation, and the auditor's look at refused claims.

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1::{self as api, claim_service_server::ClaimService},
};
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
    time::{Instant, end_of_day, start_of_day},
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, scope};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Grpc, rewards::cut, tips::code};
use crate::{
    app::{self, Counter, Step},
    store::{
        claims, payouts,
        roles::{Acting, Auditor, Bank, Officer},
    },
    wire::rewards as wire,
};

const BANK: &[Role] = &[Role::Bank];
const RECONCILERS: &[Role] = &[Role::Bank, Role::CountyOffice, Role::CityOffice];
const AUDITORS: &[Role] = &[Role::Auditor];

/// The county or city whose payouts a caller sees.
fn paying_region(caller: &Principal) -> Result<Region, Fault> {
    let region = &caller.region;
    if matches!(region.level(), Level::City | Level::County) { Ok(region.clone()) } else { Err(scope::out_of_scope()) }
}

/// First instant of a day, and the first that is no longer in it.
fn day(text: &str) -> Result<(Instant, Instant), Fault> {
    let day = wire::date("day", text).map_err(faults::convert)?;
    Ok((start_of_day(day), end_of_day(day)))
}

impl Grpc {
    /// What a call at the counter is known by. Beside the teller's name stand keyed hashes alone: an id that holds the time would tell
    /// when somebody stood there.
    fn counter_call(
        &self,
        caller: &Principal,
        (method, request_id): (&str, &str),
        payload: &impl Message,
    ) -> Result<(RequestKey, [u8; 32]), Fault> {
        let request_id = self.app.codes.request_id(faults::request_id(request_id)?);
        let key = RequestKey { subject: caller.subject.clone(), method: method.to_owned(), request_id };
        Ok((key, self.app.codes.request_hash(&payload.encode_to_vec())))
    }

    /// A step with a reservation of the caller.
    fn counter_step(
        &self,
        caller: &Principal,
        method: &str,
        ids: (&str, &str),
        payload: &impl Message,
    ) -> Result<Step, Fault> {
        let (request, payload_hash) = self.counter_call(caller, (method, ids.0), payload)?;
        let reservation = convert::uuid("reservation_id", ids.1).map_err(faults::convert)?;
        Ok(Step { request, payload_hash, teller: caller.clone(), reservation })
    }

    async fn reconciliation(
        &self,
        caller: &Principal,
        body: &api::ListReconciliationRequest,
    ) -> Result<api::ListReconciliationResponse, Fault> {
        let (region, (start, _)) = (paying_region(caller)?, day(&body.day)?);
        let size = paging::page_size(body.page_size, 200, 1_000)?;
        let asked = api::ListReconciliationRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: String = paging::decode(&body.page_token, &asked)?.unwrap_or_default();
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        let (asked_for, limit) = ((&region, start), size + 1);
        let (rows, sum) = if caller.role == Role::Bank {
            let mut bank = Acting::<Bank>::take(&mut tx).await.map_err(faults::database)?;
            let rows = payouts::of_bank(&mut bank, asked_for, &after, limit).await;
            (rows, payouts::sum_of_bank(&mut bank, &region, start).await)
        } else {
            let mut officer = Acting::<Officer>::take(&mut tx).await.map_err(faults::database)?;
            let rows = payouts::of_office(&mut officer, asked_for, &after, limit).await;
            (rows, payouts::sum_of_office(&mut officer, &region, start).await)
        };
        let (mut rows, sum) = (rows.map_err(faults::database)?, sum.map_err(faults::database)?);
        let full = cut(&mut rows, size);
        let next = rows.last().filter(|_| full).map(|last| paging::encode(&last.number, &asked));
        let payout = |row: payouts::Payout| api::Payout {
            announcement_number: row.number,
            amount_fen: row.amount_fen,
            bank_serial: row.serial,
            branch: row.branch,
        };
        Ok(api::ListReconciliationResponse {
            payouts: rows.into_iter().map(payout).collect(),
            count: sum.count,
            sum_fen: sum.fen,
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn refusals(&self, body: &api::ListRefusalsRequest) -> Result<api::ListRefusalsResponse, Fault> {
        let span = day(&body.day)?;
        let size = paging::page_size(body.page_size, 200, 1_000)?;
        let asked = api::ListRefusalsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let cursor: Option<(i64, String)> = paging::decode(&body.page_token, &asked)?;
        let (micros, last) = cursor.unwrap_or((span.0.as_microsecond(), String::new()));
        let at = paging::instant(micros)?;
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        let mut auditor = Acting::<Auditor>::take(&mut tx).await.map_err(faults::database)?;
        let rows = claims::refusals(&mut auditor, span, (at, &last), size + 1).await;
        let mut rows = rows.map_err(faults::database)?;
        let full = cut(&mut rows, size);
        let next = rows.last().filter(|_| full).map(|last| (last.at_hour.as_microsecond(), last.refusal.clone()));
        let refusal = |row: claims::Attempt| api::Refusal {
            refusal_number: row.refusal,
            at_hour: Some(row.at_hour.into()),
            announcement_number: row.number,
            cause: i32::from(row.cause),
            teller: row.teller,
            branch: row.branch,
        };
        Ok(api::ListRefusalsResponse {
            refusals: rows.into_iter().map(refusal).collect(),
            next_page_token: next.map(|next| paging::encode(&next, &asked)).unwrap_or_default(),
        })
    }
}

#[tonic::async_trait]
impl ClaimService for Grpc {
    async fn reserve_claim(
        &self,
        request: Request<api::ReserveClaimRequest>,
    ) -> Result<Response<api::ReserveClaimResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, BANK)?;
        let code = code("code", &body.code.clone().unwrap_or_default())?;
        let (request, payload_hash) = self.counter_call(caller, ("ReserveClaim", &body.request_id), body)?;
        let ask = Counter {
            request,
            payload_hash,
            teller: caller.clone(),
            branch: wire::token("branch", &body.branch, 2..=20, wire::capital).map_err(faults::convert)?,
            number: wire::number("announcement_number", &body.announcement_number).map_err(faults::convert)?,
            code,
        };
        Ok(Response::new(app::reserve(&self.app, ask).await?))
    }

    async fn confirm_payout(
        &self,
        request: Request<api::ConfirmPayoutRequest>,
    ) -> Result<Response<api::ConfirmPayoutResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, BANK)?;
        let ask = self.counter_step(caller, "ConfirmPayout", (&body.request_id, &body.reservation_id), body)?;
        let serial = wire::token("bank_serial", &body.bank_serial, 4..=40, wire::serial).map_err(faults::convert)?;
        Ok(Response::new(app::confirm(&self.app, &ask, &serial).await?))
    }

    async fn cancel_claim(
        &self,
        request: Request<api::CancelClaimRequest>,
    ) -> Result<Response<api::CancelClaimResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, BANK)?;
        let ask = self.counter_step(caller, "CancelClaim", (&body.request_id, &body.reservation_id), body)?;
        let reason = match api::CancelReason::try_from(body.reason) {
            Ok(api::CancelReason::Unspecified) => return Err(faults::convert(ConvertError::required("reason")).into()),
            Ok(reason) => reason,
            Err(_) => return Err(faults::convert(ConvertError::invalid("reason", "is no reason")).into()),
        };
        Ok(Response::new(app::cancel(&self.app, &ask, reason).await?))
    }

    async fn list_reconciliation(
        &self,
        request: Request<api::ListReconciliationRequest>,
    ) -> Result<Response<api::ListReconciliationResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, RECONCILERS)?;
        Ok(Response::new(self.reconciliation(caller, request.get_ref()).await?))
    }

    async fn list_refusals(
        &self,
        request: Request<api::ListRefusalsRequest>,
    ) -> Result<Response<api::ListRefusalsResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, AUDITORS)?;
        // Refusals have no region: whoever reads them learns of rewards in all of the city.
        scope::require_city(caller)?;
        Ok(Response::new(self.refusals(request.get_ref()).await?))
    }
}
