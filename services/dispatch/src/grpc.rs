//! The gRPC services: check, hand to the writer or read, convert. No rules here.

mod agency;
mod cases;
mod county;
mod deliveries;
mod directives;
mod filter;
mod inbox;
mod opening;
mod proof;
mod routing;
mod systems;
mod township;
mod turns;
mod watch;

use std::sync::Arc;

use dafei_contracts::{
    convert,
    dispatch::v1::{
        agency_service_server::AgencyServiceServer, agency_system_service_server::AgencySystemServiceServer,
        case_service_server::CaseServiceServer, case_turn_service_server::CaseTurnServiceServer,
        county_service_server::CountyServiceServer, delivery_service_server::DeliveryServiceServer,
        directive_service_server::DirectiveServiceServer, inbox_service_server::InboxServiceServer,
        proof_service_server::ProofServiceServer, routing_service_server::RoutingServiceServer,
        township_service_server::TownshipServiceServer,
    },
};
use dafei_dispatch_core::case::{Command, Means, Obstacle, Rejection, Step};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault, telemetry};
use dafei_shell::{faults, scope, watch::Watches};
use prost::Message;
use tonic::service::{Routes, RoutesBuilder};
use uuid::Uuid;

use crate::{
    app::{Action, AgencySystems, App, Queue, Write},
    work::{Order, Refusal},
};

/// Server streams that follow events.
pub const WATCHES: [&str; 1] = ["/dafei.dispatch.v1.InboxService/WatchCases"];

/// The names of the services, for health and reflection.
pub const SERVICES: [&str; 11] = [
    "dafei.dispatch.v1.CaseService",
    "dafei.dispatch.v1.TownshipService",
    "dafei.dispatch.v1.CountyService",
    "dafei.dispatch.v1.CaseTurnService",
    "dafei.dispatch.v1.AgencyService",
    "dafei.dispatch.v1.DirectiveService",
    "dafei.dispatch.v1.AgencySystemService",
    "dafei.dispatch.v1.DeliveryService",
    "dafei.dispatch.v1.InboxService",
    "dafei.dispatch.v1.ProofService",
    "dafei.dispatch.v1.RoutingService",
];

/// All services of dispatch.
#[derive(Clone)]
pub struct Grpc {
    app: Arc<App>,
    queue: Queue,
    systems: AgencySystems,
    watches: Watches,
}

impl Grpc {
    /// The services over the app and its writer, and over its stream.
    #[must_use]
    pub fn new(app: Arc<App>, queue: Queue, systems: AgencySystems, watches: Watches) -> Self {
        Self { app, queue, systems, watches }
    }

    /// Their routes.
    #[must_use]
    pub fn routes(self) -> Routes {
        let mut routes = RoutesBuilder::default();
        routes
            .add_service(CaseServiceServer::new(self.clone()))
            .add_service(TownshipServiceServer::new(self.clone()))
            .add_service(CountyServiceServer::new(self.clone()))
            .add_service(CaseTurnServiceServer::new(self.clone()))
            .add_service(AgencyServiceServer::new(self.clone()))
            .add_service(DirectiveServiceServer::new(self.clone()))
            .add_service(DeliveryServiceServer::new(self.clone()))
            .add_service(InboxServiceServer::new(self.clone()))
            .add_service(ProofServiceServer::new(self.clone()))
            .add_service(RoutingServiceServer::new(self.clone()))
            .add_service(AgencySystemServiceServer::new(self));
        routes.routes()
    }

    /// Writes, and answers what was answered first.
    async fn write<M: Message + Default>(&self, write: Write) -> Result<M, Fault> {
        let answer = self.queue.submit(write).await.map_err(faults::submit)?;
        answer.decode().map_err(Fault::internal)
    }
}

/// A write with its request id, which is unique per caller and method.
fn write(
    principal: &Principal,
    method: &str,
    request_id: &str,
    payload: &impl Message,
    action: Action,
) -> Result<Write, Fault> {
    Ok(Write { request: Some(request_key(principal, method, request_id, payload)?), action })
}

/// A request id, unique per caller and method, with the hash of its payload.
fn request_key(
    principal: &Principal,
    method: &str,
    request_id: &str,
    payload: &impl Message,
) -> Result<(RequestKey, [u8; 32]), Fault> {
    let key = RequestKey {
        subject: principal.subject.clone(),
        method: method.to_owned(),
        request_id: faults::request_id(request_id)?.to_string(),
    };
    Ok((key, faults::payload_hash(payload)))
}

/// A command of the caller to a case as he has seen it; the writer checks that the step is the caller's.
fn to_case(principal: &Principal, (case_id, expected_version): (&str, i64), command: Command) -> Result<Action, Fault> {
    let case = convert::uuid("case_id", case_id).map_err(faults::convert)?;
    if expected_version < 0 {
        return Err(Fault::field("expected_version", "INVALID", "is below zero", "版本号不能为负"));
    }
    let order = order(principal, Some(case), command);
    let expected_version = (expected_version > 0).then_some(expected_version);
    Ok(Action::Case(Box::new(Order { expected_version, ..order })))
}

/// A step of the caller with an instruction.
fn to_instruction(principal: &Principal, instruction_id: &str, step: Step) -> Result<Action, Fault> {
    let id = convert::uuid("instruction_id", instruction_id).map_err(faults::convert)?;
    Ok(Action::Case(Box::new(order(principal, None, Command::Instruction { id, step }))))
}

fn order(principal: &Principal, case: Option<Uuid>, command: Command) -> Order {
    Order {
        case,
        command,
        actor: Some(scope::post(principal)),
        guarded: true,
        expected_version: None,
        then: None,
        at: None,
        means: Means::Rpc,
        traceparent: telemetry::current_traceparent(),
    }
}

/// A text that must be there, as the caller typed it.
fn text(field: &str, value: &str, max: usize) -> Result<String, Fault> {
    convert::bounded(field, value, max).map_err(faults::convert)
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => rejected(&rejection),
            Refusal::NotYours(why) => Self::denied(why.code(), why.zh()),
            Refusal::OtherVersion(current) => Self::OtherVersion { current },
            Refusal::RequestIdReused => Self::AlreadyExists {
                reason: "REQUEST_ID_REUSED".into(),
                description_zh: "请求编号已用于另一份内容".into(),
            },
            Refusal::Event(error) => Self::internal(error),
        }
    }
}

fn rejected(rejection: &Rejection) -> Fault {
    let reason = rejection.reason.code();
    let zh = rejection.reason.zh();
    let english = rejection.obstacle.to_string();
    match &rejection.obstacle {
        Obstacle::Stage(stage) => {
            let words = format!("{zh}（当前状态：{}）", stage.zh());
            Fault::precondition(reason, format!("case/{}", stage.code()), english, words)
        }
        Obstacle::Instruction(state) => {
            Fault::precondition(reason, format!("instruction/{}", state.code()), english, zh)
        }
        Obstacle::Field(field) => Fault::field(field.clone(), reason, english, zh),
        Obstacle::Absent => Fault::not_found(reason, "", zh),
    }
}

/// The case is not there.
fn no_case(id: impl std::fmt::Display) -> Fault {
    Fault::not_found("case", id.to_string(), "没有这个案件")
}
