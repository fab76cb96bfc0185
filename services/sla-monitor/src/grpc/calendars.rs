//! `CalendarService`: calendars are read, loaded, and what they moved is listed.

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, calendar_service_server::CalendarService},
};
use dafei_kernel::{role::Role, time::Instant};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    calendar::{Ask, Calendars, load},
    store::calendars as store,
};

/// Who may load a calendar.
const LOADERS: &[Role] = &[Role::Admin, Role::CityOffice];
/// Who may see all that it moved.
const MOVE_READERS: &[Role] = &[Role::Admin, Role::CityOffice, Role::Auditor];
/// Longest version label that is asked for, in characters.
const LABEL: usize = 40;

fn missing(label: &str) -> Fault {
    Fault::not_found("calendar", label.to_owned(), "没有这个版本的日历")
}

#[tonic::async_trait]
impl CalendarService for Calendars {
    async fn get_calendar(
        &self,
        request: Request<pb::GetCalendarRequest>,
    ) -> Result<Response<pb::GetCalendarResponse>, Status> {
        scope::require(principal(&request)?, &scope::CASE_READERS)?;
        let label = convert::optional_text("version", &request.get_ref().version, LABEL).map_err(faults::convert)?;
        let mut conn = self.pool().acquire().await.map_err(faults::database)?;
        let asked = (!label.is_empty()).then_some(label.as_str());
        let found = store::find(&mut conn, asked).await.map_err(faults::database)?.ok_or_else(|| missing(&label))?;
        let calendar = pb::CalendarText { text: found.text.clone(), ..load::told(&found) };
        Ok(Response::new(pb::GetCalendarResponse { calendar: Some(calendar) }))
    }

    async fn list_calendars(
        &self,
        request: Request<pb::ListCalendarsRequest>,
    ) -> Result<Response<pb::ListCalendarsResponse>, Status> {
        scope::require(principal(&request)?, &scope::CASE_READERS)?;
        let body = request.get_ref();
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListCalendarsRequest::default();
        let before: i64 = paging::decode(&body.page_token, &filter)?.unwrap_or(i64::MAX);
        let mut conn = self.pool().acquire().await.map_err(faults::database)?;
        let page = store::list(&mut conn, before, size).await.map_err(faults::database)?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full).map(|last| paging::encode(&last.revision, &filter));
        Ok(Response::new(pb::ListCalendarsResponse {
            calendars: page.iter().map(load::told).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn load_calendar(
        &self,
        request: Request<pb::LoadCalendarRequest>,
    ) -> Result<Response<pb::LoadCalendarResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, LOADERS)?;
        // Only whoever answers for the whole city.
        scope::require_city(caller)?;
        convert::document("text", &body.text).map_err(faults::convert)?;
        if body.dry_run {
            return Ok(Response::new(self.dry_run(&body.text).await?));
        }
        let key = RequestKey {
            subject: caller.subject.clone(),
            method: "LoadCalendar".to_owned(),
            request_id: faults::request_id(&body.request_id)?.to_string(),
        };
        let ask = Ask {
            request: (key, faults::payload_hash(body)),
            text: body.text.clone(),
            by: scope::post(caller),
            account: caller.subject.clone(),
        };
        Ok(Response::new(self.load(ask).await?))
    }

    async fn list_moves(
        &self,
        request: Request<pb::ListMovesRequest>,
    ) -> Result<Response<pb::ListMovesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, MOVE_READERS)?;
        scope::require_city(caller)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListMovesRequest { version: body.version.clone(), ..Default::default() };
        let after: (Instant, Uuid) =
            paging::decode(&body.page_token, &filter)?.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
        let version = convert::bounded("version", &body.version, LABEL).map_err(faults::convert)?;
        let mut conn = self.pool().acquire().await.map_err(faults::database)?;
        let calendar = store::find(&mut conn, Some(&version)).await.map_err(faults::database)?;
        let revision = calendar.ok_or_else(|| missing(&version))?.revision;
        let page = store::moves(&mut conn, revision, after, size).await.map_err(faults::database)?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full);
        let next = next.map(|last| paging::encode(&(last.previous_due, last.obligation), &filter));
        Ok(Response::new(pb::ListMovesResponse {
            moves: page.iter().map(load::wire).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
