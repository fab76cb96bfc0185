//! Whether instructions reach those they are for, and sending them once more.

use std::collections::HashSet;

use dafei_contracts::{
    Stream, convert,
    dispatch::v1::{self as api, delivery_service_server::DeliveryService},
};
use dafei_dispatch_core::case::{Case, Instruction, Means, RESENT, Step};
use dafei_kernel::{
    agency::Agency,
    ids,
    region::{Level, Region},
    role::Role,
    time::Instant,
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    paging, scope,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Grpc, request_key, to_instruction, write};
use crate::{
    store::{
        cases,
        deliveries::{self, Asked},
    },
    wire,
};

/// Those who may send an instruction once more: whoever ordered it, and those above.
const SENDERS: &[Role] = &[Role::TownshipCentre, Role::CountyOffice, Role::CountyCommander, Role::CityOffice];
/// Those who may look.
const ROLES: &[Role] =
    &[Role::TownshipCentre, Role::CountyOffice, Role::CountyCommander, Role::CityOffice, Role::Admin];
/// Instructions that one call sends once more.
const BULK: i64 = 200;

fn no_instruction(id: Uuid) -> Fault {
    Fault::not_found("instruction", id.to_string(), "没有这条指令")
}

fn unit(instruction: &Instruction) -> (String, String, String) {
    let post = &instruction.post;
    let agency = post.agency.map_or("", |agency| agency.code()).to_owned();
    (agency, post.region.level().code().to_owned(), post.region.code().to_string())
}

impl Grpc {
    /// The region asked for, in the caller's scope: a township, a county or a city. A case is told apart by these alone, and a village asked for
    /// would be answered with all there is.
    fn asked(&self, caller: &Principal, wire: Option<&dafei_contracts::types::v1::Region>) -> Result<Region, Fault> {
        let region = convert::region("region", wire).map_err(faults::convert)?;
        scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
        if matches!(region.level(), Level::Village | Level::WorkArea) {
            return Err(Fault::field("region.level", "WRONG_LEVEL", "is below a township", "应为乡镇、县或市"));
        }
        Ok(region)
    }

    async fn ways(&self, instructions: &[(&Case, &Instruction)]) -> Result<Vec<api::Delivery>, Fault> {
        let ids: Vec<Uuid> = instructions.iter().map(|(_, one)| one.id).collect();
        let units: Vec<_> = instructions.iter().map(|(_, one)| unit(one)).collect();
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let waiting = deliveries::waiting(&mut conn, &ids, Stream::Agency.name()).await.map_err(faults::database)?;
        let systems = deliveries::with_system(&mut conn, &units).await.map_err(faults::database)?;
        let (waiting, systems): (HashSet<_>, HashSet<_>) =
            (waiting.into_iter().collect(), systems.into_iter().collect());
        let way = |(case, one): &(&Case, &Instruction)| {
            let arrival = one.arrival();
            let state = if one.is_seen() {
                api::DeliveryState::Seen
            } else if arrival.is_some() {
                api::DeliveryState::Delivered
            } else if waiting.contains(&one.id) {
                api::DeliveryState::Waiting
            } else {
                api::DeliveryState::Sent
            };
            let resent = one.resent.iter().map(|(at, by)| api::Resent { at: Some((*at).into()), by: Some(by.into()) });
            api::Delivery {
                instruction: Some(wire::instruction(case, one)),
                state: state.into(),
                by_system: systems.contains(&unit(one)),
                arrived_at: arrival.map(|arrival| arrival.at.into()),
                assumed: arrival.is_none() && one.delivery.is_some_and(|delivery| delivery.means == Means::Assumed),
                resent: resent.collect(),
            }
        };
        Ok(instructions.iter().map(way).collect())
    }
}

#[tonic::async_trait]
impl DeliveryService for Grpc {
    async fn get_delivery(
        &self,
        request: Request<api::GetDeliveryRequest>,
    ) -> Result<Response<api::GetDeliveryResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, ROLES)?;
        let id = convert::uuid("instruction_id", &request.get_ref().instruction_id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let case = cases::of_instruction(&mut conn, id).await.map_err(faults::database)?;
        drop(conn);
        let case = case.ok_or_else(|| no_instruction(id))?;
        // As the case itself.
        let case = self.visible(caller, &case.facts.id.to_string()).await?;
        let instruction = case.instruction(id).ok_or_else(|| no_instruction(id))?;
        let delivery = self.ways(&[(&case, instruction)]).await?.pop();
        Ok(Response::new(api::GetDeliveryResponse { delivery }))
    }

    async fn list_undelivered(
        &self,
        request: Request<api::ListUndeliveredRequest>,
    ) -> Result<Response<api::ListUndeliveredResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let region = self.asked(caller, body.region.as_ref())?;
        let agency = convert::optional_agency("agency", &body.agency).map_err(faults::convert)?;
        let size = paging::page_size(body.page_size, 50, 200)?;
        let filter = api::ListUndeliveredRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<(Instant, Uuid)> = paging::decode(&body.page_token, &filter)?;
        let asked = Asked { region: &region, agency, level: None, resent_below: None };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rows = deliveries::unreached(&mut conn, asked, after, size).await.map_err(faults::database)?;
        drop(conn);
        let full = i64::try_from(rows.len()) == Ok(size);
        let next = rows.last().filter(|_| full).map(|row| paging::encode(&(row.assumed_at, row.id), &filter));
        let found: Vec<_> = rows.iter().filter_map(|row| Some((&row.case, row.case.instruction(row.id)?))).collect();
        let deliveries = self.ways(&found).await?;
        Ok(Response::new(api::ListUndeliveredResponse { deliveries, next_page_token: next.unwrap_or_default() }))
    }

    async fn retry_delivery(
        &self,
        request: Request<api::RetryDeliveryRequest>,
    ) -> Result<Response<api::RetryDeliveryResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SENDERS)?;
        let action = to_instruction(caller, &body.instruction_id, Step::Resend { by: scope::post(caller) })?;
        let instruction = self.write(write(caller, "RetryDelivery", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::RetryDeliveryResponse { instruction: Some(instruction) }))
    }

    async fn retry_deliveries(
        &self,
        request: Request<api::RetryDeliveriesRequest>,
    ) -> Result<Response<api::RetryDeliveriesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SENDERS)?;
        let region = self.asked(caller, body.region.as_ref())?;
        let agency = convert::optional_agency("agency", &body.agency).map_err(faults::convert)?;
        let (key, hash) = request_key(caller, "RetryDeliveries", &body.request_id, body)?;
        let (pool, clock) = (&self.app.pool, &*self.app.clock);
        // No transaction is kept open over the writes: each is one of its own.
        if let Begun::Answered(first) = Once::begin(pool, clock, key.clone(), &hash).await? {
            return Ok(Response::new(first));
        }
        let (instruction_ids, more) = self.send_again(caller, &key.request_id, &region, agency).await?;
        let answer = api::RetryDeliveriesResponse { instruction_ids, more };
        let answer = match Once::begin(pool, clock, key, &hash).await? {
            // The same call, sent twice at the same time, was faster.
            Begun::Answered(first) => first,
            Begun::New(once) => once.finish(answer).await?,
        };
        Ok(Response::new(answer))
    }
}

impl Grpc {
    /// Sends a bulk of what did not arrive once more; says which, and whether there is more of it.
    async fn send_again(
        &self,
        caller: &Principal,
        request_id: &str,
        region: &Region,
        agency: Option<Agency>,
    ) -> Result<(Vec<String>, bool), Fault> {
        // An office's orders are not the centre's to repeat.
        let level = (caller.role == Role::TownshipCentre).then_some(Level::Township);
        let asked = Asked { region, agency, level, resent_below: Some(RESENT) };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rows = deliveries::unreached(&mut conn, asked, None, BULK + 1).await.map_err(faults::database)?;
        drop(conn);
        let more = i64::try_from(rows.len()).is_ok_and(|found| found > BULK);
        let mut sent = Vec::new();
        for row in rows.iter().take(usize::try_from(BULK).unwrap_or(0)) {
            // Done once for the call that asked: one that broke off and is made again sends none of them twice.
            let own = ids::derived(&["retry", request_id, &row.id.to_string()]).to_string();
            let id = row.id.to_string();
            let action = to_instruction(caller, &id, Step::Resend { by: scope::post(caller) })?;
            let one = api::RetryDeliveryRequest { request_id: own.clone(), instruction_id: id.clone() };
            let answer: Result<api::Instruction, Fault> =
                self.write(write(caller, "RetryDelivery", &own, &one, action)?).await;
            match answer {
                Ok(_) => sent.push(id),
                // It arrived or ended meanwhile, or has become another's to repeat.
                Err(Fault::FailedPrecondition { .. } | Fault::PermissionDenied { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok((sent, more))
    }
}
