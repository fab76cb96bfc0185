//! What happens to the cases of a region, for a screen that follows it.

use dafei_contracts::{Event, dispatch::v1 as api, subject::PREFIX};
use dafei_kernel::region::{Level, Region, RegionPath};
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    roster::RosterView,
    watch::{Cursor, Follow},
};
use sqlx::PgConnection;

use super::Grpc;

/// One region's watcher.
pub(super) struct CaseWatch {
    pub(super) roster: RosterView,
    pub(super) region: Region,
    /// Path of the region now.
    pub(super) path: RegionPath,
    /// Whether the caller may learn that there are public tips.
    pub(super) learns_of_tips: bool,
}

/// What the tokens of a region's watchers are bound to.
pub(super) fn bound_to(region: &Region) -> api::WatchCasesRequest {
    api::WatchCasesRequest { region: Some(region.into()), watch_token: String::new() }
}

impl Grpc {
    /// Where a watcher of the region goes on behind a list that is read after this; empty while the stream is being made or filled again.
    pub(super) async fn watch_token(&self, conn: &mut PgConnection, region: &Region) -> Result<String, Fault> {
        let place = Cursor::before(conn, self.watches.stream()).await.map_err(faults::database)?;
        Ok(place.map(|place| place.token(&bound_to(region))).unwrap_or_default())
    }
}

impl CaseWatch {
    /// By the regions of the case's opening, or by those of now: a roster changes, a case stays. A case that was opened at an office names no
    /// township, so none that may be accused sees it.
    fn concerns(&self, path: &RegionPath) -> bool {
        path.is_within(&self.region) || self.roster.current().contains(&self.region, path.leaf())
    }

    fn token(&self, cursor: Cursor) -> String {
        cursor.token(&bound_to(&self.region))
    }
}

impl Follow for CaseWatch {
    type Answer = api::WatchCasesResponse;

    fn subjects(&self) -> Vec<String> {
        let code = |level| self.path.at(level).map_or("*", |region| region.code().as_str());
        let (city, county, township) = (code(Level::City), code(Level::County), code(Level::Township));
        let of_township = match self.region.level() {
            Level::City => format!("{PREFIX}.township.>"),
            Level::County => format!("{PREFIX}.township.{county}.>"),
            // A township that has changed its county keeps its cases.
            Level::Township | Level::WorkArea | Level::Village => format!("{PREFIX}.township.*.{township}.>"),
        };
        // What has gone up is told on the county's subjects.
        let of_county = match self.region.level() {
            Level::City => format!("{PREFIX}.county.>"),
            Level::County | Level::Township | Level::WorkArea | Level::Village => format!("{PREFIX}.county.{county}.>"),
        };
        vec![of_township, of_county, format!("{PREFIX}.city.{city}.>")]
    }

    fn answer(&self, event: Event, cursor: Cursor) -> Result<Option<Self::Answer>, Fault> {
        if !is_of_case(&event) || !self.concerns(&event.region_path().map_err(Fault::internal)?) {
            return Ok(None);
        }
        if !self.learns_of_tips && matches!(event, Event::TipVerified(_)) {
            return Ok(None);
        }
        let Some(meta) = event.meta() else { return Ok(None) };
        let payload = event.to_json().map_err(Fault::internal)?;
        Ok(Some(api::WatchCasesResponse {
            case_id: meta.aggregate_id.clone(),
            version: meta.sequence,
            r#type: event.kind().event_type.to_owned(),
            payload_json: String::from_utf8_lossy(&payload).into_owned(),
            watch_token: self.token(cursor),
        }))
    }

    fn heartbeat(&self, cursor: Cursor) -> Self::Answer {
        api::WatchCasesResponse { watch_token: self.token(cursor), ..Default::default() }
    }
}

/// Whether an event of the stream is a case's: directives, inspections and anchors stand on the same subjects.
const fn is_of_case(event: &Event) -> bool {
    !matches!(
        event,
        Event::DirectiveIssued(_)
            | Event::DirectiveAnswered(_)
            | Event::DirectiveClosed(_)
            | Event::DailyWorkReported(_)
            | Event::CasesAnchored(_)
    )
}
