//! Directives of a command (总指挥的指令, clause C20).

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1::{self as api, directive_service_server::DirectiveService},
    types::v1 as types,
};
use dafei_dispatch_core::directive::{ADDRESSEES, CASES, Command, Directive};
use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    role::Role,
    time::Instant,
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, scope};
use prost::Message;
use sqlx::PgConnection;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Grpc, request_key, text};
use crate::{
    app::{NewDirective, change_directive, issue_directive},
    store::directives::{self as store, Page, Reader, Which},
    wire::{REASON, RESULT_TEXT, directives as wire},
};

/// Who gives directives.
const COMMANDERS: &[Role] = &[Role::CountyCommander, Role::CityOffice];
/// Who sees all of a directive of his region.
const OVERSEERS: &[Role] = &[Role::CountyCommander, Role::CountyOffice, Role::CityOffice, Role::Auditor, Role::Admin];

/// Entries of a list, each error with its place; one that is too long is left to the rules.
fn each<W, T>(
    field: &str,
    entries: &[W],
    max: usize,
    read: impl Fn(&str, &W) -> Result<T, ConvertError>,
) -> Result<Vec<T>, Fault> {
    let read = |(place, entry)| read(&format!("{field}[{place}]"), entry);
    entries.iter().take(max + 1).enumerate().map(read).collect::<Result<_, _>>().map_err(faults::convert)
}

fn post(field: &str, wire: &types::Post) -> Result<Post, ConvertError> {
    Post::try_from(wire).map_err(|error| error.under(field))
}

fn id(field: &str, value: &str) -> Result<Uuid, Fault> {
    convert::uuid(field, value).map_err(faults::convert)
}

impl Grpc {
    fn new_directive(&self, caller: &Principal, body: &api::IssueDirectiveRequest) -> Result<NewDirective, Fault> {
        let roster = self.app.roster.current();
        Ok(NewDirective {
            commander: scope::post(caller),
            path: scope::require_region(caller, &roster, "region", &caller.region)?,
            text: text("text", &body.text, RESULT_TEXT)?,
            addressees: each("addressees", &body.addressees, ADDRESSEES, post)?,
            due_at: convert::instant("due_at", body.due_at).map_err(faults::convert)?,
            cases: each("case_ids", &body.case_ids, CASES, |field, text| convert::uuid(field, text))?,
        })
    }

    /// A change by the caller to a directive.
    async fn change_directive<M: Message>(
        &self,
        caller: &Principal,
        (method, request_id, body): (&str, &str, &M),
        directive_id: &str,
        command: Command,
    ) -> Result<Option<api::Directive>, Fault> {
        let request = request_key(caller, method, request_id, body)?;
        let id = id("directive_id", directive_id)?;
        change_directive(&self.app, request, id, command, &scope::post(caller)).await.map(Some)
    }

    fn oversees(&self, caller: &Principal, region: &Region) -> bool {
        OVERSEERS.contains(&caller.role) && scope::contains(caller, &self.app.roster.current(), region)
    }

    /// A directive as far as the caller sees it.
    fn shown(&self, caller: &Principal, directive: &Directive, now: Instant) -> Result<api::Directive, Fault> {
        if self.oversees(caller, &directive.commander.region) {
            return Ok(wire::directive(directive, None, now));
        }
        let post = scope::post(caller);
        match directive.addressee(&post) {
            Some(_) => Ok(wire::directive(directive, Some(&post), now)),
            None => Err(scope::out_of_scope()),
        }
    }

    async fn directives(
        &self,
        caller: &Principal,
        body: &api::ListDirectivesRequest,
    ) -> Result<api::ListDirectivesResponse, Fault> {
        let now = self.app.clock.now();
        let asked = api::ListDirectivesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let page = Page {
            which: which(body.filter, now)?,
            after: paging::decode(&body.page_token, &asked)?,
            limit: paging::page_size(body.page_size, 50, 500)?,
        };
        let list = self.asked_list(caller, body).await?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rows = list.page(&mut conn, &scope::post(caller), &page).await.map_err(faults::database)?;
        let full = i64::try_from(rows.len()) == Ok(page.limit);
        let next = rows.last().filter(|_| full).map(|last| paging::encode(&(last.issued_at, last.id), &asked));
        let directives = rows.iter().map(|row| self.shown(caller, row, now)).collect::<Result<_, _>>()?;
        Ok(api::ListDirectivesResponse { directives, next_page_token: next.unwrap_or_default() })
    }

    async fn asked_list(&self, caller: &Principal, body: &api::ListDirectivesRequest) -> Result<List, Fault> {
        match (&body.region, body.case_id.is_empty()) {
            (None, true) => Ok(List::Addressed),
            (None, false) => {
                scope::require(caller, &scope::CASE_READERS)?;
                let case = self.visible(caller, &body.case_id).await?.facts.id;
                let overseer = OVERSEERS.contains(&caller.role);
                let all = overseer && caller.region.level() == Level::City;
                Ok(List::OfCase { case, all, command: overseer.then(|| caller.region.clone()) })
            }
            (Some(wire), true) => {
                scope::require(caller, OVERSEERS)?;
                let region = convert::region("region", Some(wire)).map_err(faults::convert)?;
                scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
                if matches!(region.level(), Level::County | Level::City) {
                    return Ok(List::OfCommand(region));
                }
                let zh = "应填写县区或市";
                Err(Fault::field("region.level", "WRONG_LEVEL", "is neither a county nor a city", zh))
            }
            (Some(_), false) => {
                Err(Fault::field("region", "NOT_ALLOWED", "is not given with a case", "按案件查询时不填区划"))
            }
        }
    }
}

/// What a list is of.
enum List {
    Addressed,
    OfCommand(Region),
    OfCase { case: Uuid, all: bool, command: Option<Region> },
}

impl List {
    async fn page(&self, conn: &mut PgConnection, post: &Post, page: &Page) -> sqlx::Result<Vec<Directive>> {
        match self {
            Self::Addressed => store::addressed(conn, post, page).await,
            Self::OfCommand(region) => store::of_command(conn, region, page).await,
            Self::OfCase { case, all, command } => {
                let reader = Reader { all: *all, command: command.as_ref(), post };
                store::of_case(conn, *case, &reader, page).await
            }
        }
    }
}

fn which(filter: i32, now: Instant) -> Result<Which, Fault> {
    match api::DirectiveFilter::try_from(filter) {
        Ok(api::DirectiveFilter::Unspecified) => Ok(Which::All),
        Ok(api::DirectiveFilter::Open) => Ok(Which::Open),
        Ok(api::DirectiveFilter::Overdue) => Ok(Which::Overdue(now)),
        Err(_) => Err(faults::convert(ConvertError::invalid("filter", "is no filter of directives"))),
    }
}

#[tonic::async_trait]
impl DirectiveService for Grpc {
    async fn issue_directive(
        &self,
        request: Request<api::IssueDirectiveRequest>,
    ) -> Result<Response<api::IssueDirectiveResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, COMMANDERS)?;
        let key = request_key(caller, "IssueDirective", &body.request_id, body)?;
        let new = self.new_directive(caller, body)?;
        let directive = issue_directive(&self.app, key, new).await?;
        Ok(Response::new(api::IssueDirectiveResponse { directive: Some(directive) }))
    }

    async fn answer_directive(
        &self,
        request: Request<api::AnswerDirectiveRequest>,
    ) -> Result<Response<api::AnswerDirectiveResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let words = text("text", &body.text, RESULT_TEXT)?;
        let command = Command::Answer { by: scope::post(caller), text: words, done: body.done };
        let call = ("AnswerDirective", body.request_id.as_str(), body);
        let directive = self.change_directive(caller, call, &body.directive_id, command).await?;
        Ok(Response::new(api::AnswerDirectiveResponse { directive }))
    }

    async fn close_directive(
        &self,
        request: Request<api::CloseDirectiveRequest>,
    ) -> Result<Response<api::CloseDirectiveResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, COMMANDERS)?;
        let command = Command::Close { by: scope::post(caller), reason: text("reason", &body.reason, REASON)? };
        let call = ("CloseDirective", body.request_id.as_str(), body);
        let directive = self.change_directive(caller, call, &body.directive_id, command).await?;
        Ok(Response::new(api::CloseDirectiveResponse { directive }))
    }

    async fn withdraw_directive(
        &self,
        request: Request<api::WithdrawDirectiveRequest>,
    ) -> Result<Response<api::WithdrawDirectiveResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, COMMANDERS)?;
        let command = Command::Withdraw { by: scope::post(caller), reason: text("reason", &body.reason, REASON)? };
        let call = ("WithdrawDirective", body.request_id.as_str(), body);
        let directive = self.change_directive(caller, call, &body.directive_id, command).await?;
        Ok(Response::new(api::WithdrawDirectiveResponse { directive }))
    }

    async fn get_directive(
        &self,
        request: Request<api::GetDirectiveRequest>,
    ) -> Result<Response<api::GetDirectiveResponse>, Status> {
        let caller = principal(&request)?;
        let id = id("directive_id", &request.get_ref().directive_id)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let directive = store::get(&mut conn, id).await.map_err(faults::database)?;
        let directive = directive.ok_or_else(|| Fault::not_found("directive", id.to_string(), "没有这条指令"))?;
        let directive = self.shown(caller, &directive, self.app.clock.now())?;
        Ok(Response::new(api::GetDirectiveResponse { directive: Some(directive) }))
    }

    async fn list_directives(
        &self,
        request: Request<api::ListDirectivesRequest>,
    ) -> Result<Response<api::ListDirectivesResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.directives(caller, request.get_ref()).await?))
    }
}
