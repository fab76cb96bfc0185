//! What each unit has to do, and screens that follow the cases.

use std::collections::HashMap;

use dafei_contracts::{
    convert,
    dispatch::v1::{self as api, inbox_service_server::InboxService},
    events::v1 as ev,
};
use dafei_dispatch_core::case::{Case, learns_of_tips};
use dafei_kernel::{geo, owner::Post, role::Role, subject::Subject, time::Instant};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{
    faults, paging, scope,
    watch::{self, Answers},
};
use jiff::SignedDuration;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    Grpc,
    watch::{CaseWatch, bound_to},
};
use crate::{
    store::{
        inbox::{self, Entry, Narrow},
        lights,
    },
    wire,
};

/// The centres and offices.
const DESKS: &[Role] = &[Role::TownshipCentre, Role::CountyOffice, Role::CityOffice];
/// All that have an inbox.
const ROLES: &[Role] = &[
    Role::TownshipCentre,
    Role::CountyOffice,
    Role::CityOffice,
    Role::TownshipAgency,
    Role::CountyDepartment,
    Role::CityDepartment,
];
/// How long ago a case may be of the same matter.
const ALIKE_WITHIN: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Cases that are looked at, and the most that are suggested.
const ALIKE: i64 = 200;
const SUGGESTED: usize = 20;
/// Metres within which two dens may be one.
const NEAR: f64 = 2_000.0;

fn narrow(body: &api::ListInboxRequest) -> Result<Narrow, Fault> {
    let code = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if !body.sector.is_empty() {
        convert::sector("sector", &body.sector).map_err(faults::convert)?;
    }
    if !body.act.is_empty() {
        convert::act("act", &body.act).map_err(faults::convert)?;
    }
    let source = match ev::CaseSource::try_from(body.source) {
        Ok(ev::CaseSource::Unspecified) => None,
        Ok(source) => i16::try_from(i32::from(source)).ok(),
        Err(_) => return Err(Fault::field("source", "UNKNOWN_SOURCE", "is no source of a case", "没有这种案件来源")),
    };
    Ok(Narrow { act: code(&body.act), sector: code(&body.sector), source })
}

/// A page with the cursor of its last entry.
type Page = Vec<(Entry, (Instant, Uuid))>;

impl Grpc {
    async fn page(
        &self,
        (unit, kind): (&Post, api::InboxKind),
        narrow: &Narrow,
        after: Option<(Instant, Uuid)>,
        limit: i64,
    ) -> Result<Page, Fault> {
        let desk = DESKS.contains(&unit.role);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let entries = match kind {
            api::InboxKind::Open if desk => inbox::desk(&mut conn, (unit, false), narrow, after, limit).await,
            api::InboxKind::Returned if desk => inbox::desk(&mut conn, (unit, true), narrow, after, limit).await,
            api::InboxKind::Open => inbox::with_agency(&mut conn, unit, narrow, after, limit).await,
            api::InboxKind::Returned => inbox::returned_by_agency(&mut conn, unit, narrow, after, limit).await,
            api::InboxKind::DueSoon | api::InboxKind::Overdue => {
                let red = kind == api::InboxKind::Overdue;
                let lit = lights::of_unit(&mut conn, unit, red, after, limit).await.map_err(faults::database)?;
                return self.lit(unit, lit).await;
            }
            api::InboxKind::Unspecified => return Err(faults::convert(convert::ConvertError::required("kind"))),
        };
        let entries = entries.map_err(faults::database)?;
        let with_cursor = |entry: Entry| {
            let cursor = (entry.since, entry.id);
            (entry, cursor)
        };
        Ok(entries.into_iter().map(with_cursor).collect())
    }

    /// The cases of lights, each with the unit's instruction in it where it has one.
    async fn lit(&self, unit: &Post, lit: Vec<(Uuid, Instant, Uuid)>) -> Result<Page, Fault> {
        let ids: Vec<Uuid> = lit.iter().map(|(case, ..)| *case).collect();
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let cases = inbox::cases(&mut conn, &ids).await.map_err(faults::database)?;
        let cases: HashMap<Uuid, Case> = cases.into_iter().map(|case| (case.facts.id, case)).collect();
        let entries = lit.into_iter().filter_map(|(id, due, obligation)| {
            let case = cases.get(&id)?.clone();
            let own = case.instructions.iter().rev().find(|one| one.post == *unit).map(|one| (one.id, one.issued_at));
            let (entry, since) = own.unwrap_or((id, case.since.unwrap_or(case.facts.reached_at)));
            Some((Entry { id: entry, since, case }, (due, obligation)))
        });
        Ok(entries.collect())
    }

    async fn items(&self, unit: &Post, entries: &[(Entry, (Instant, Uuid))]) -> Result<Vec<api::InboxItem>, Fault> {
        let ids: Vec<Uuid> = entries.iter().map(|(entry, _)| entry.case.facts.id).collect();
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let shown = lights::in_cases(&mut conn, unit, &ids).await.map_err(faults::database)?;
        let desk = DESKS.contains(&unit.role);
        let item = |(entry, _): &(Entry, (Instant, Uuid))| {
            let own = shown.iter().filter(|light| light.case == entry.case.facts.id);
            let lights = own.map(|light| {
                let colour = if light.red { api::LightColour::Red } else { api::LightColour::Yellow };
                api::Light { clock: light.clock.clone(), colour: colour.into(), due: Some(light.due.into()) }
            });
            api::InboxItem {
                case: Some(wire::case(&entry.case, unit)),
                instruction_id: if desk { String::new() } else { entry.id.to_string() },
                since: Some(entry.since.into()),
                lights: lights.collect(),
            }
        };
        Ok(entries.iter().map(item).collect())
    }
}

/// How alike two cases are: metres between dens, the same enterprise; none where they are not.
fn alike(case: &Case, other: &Case) -> Option<(Option<f64>, bool)> {
    match (&case.facts.subject, &other.facts.subject) {
        (Subject::Enterprise { credit_code: one, .. }, Subject::Enterprise { credit_code: two, .. }) => {
            (one == two).then_some((None, true))
        }
        (Subject::Den { position: one, place: here, .. }, Subject::Den { position: two, place: there, .. }) => {
            let near_by = case.facts.township.is_some() && case.facts.township == other.facts.township;
            match (one, two) {
                (Some(one), Some(two)) => {
                    let metres = geo::distance_m(*one, *two);
                    (metres <= NEAR).then_some((Some(metres), false))
                }
                _ => (near_by || here == there).then_some((None, false)),
            }
        }
        (Subject::Enterprise { .. }, Subject::Den { .. }) | (Subject::Den { .. }, Subject::Enterprise { .. }) => None,
    }
}

#[tonic::async_trait]
impl InboxService for Grpc {
    type WatchCasesStream = Answers<api::WatchCasesResponse>;

    async fn list_inbox(
        &self,
        request: Request<api::ListInboxRequest>,
    ) -> Result<Response<api::ListInboxResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let (unit, narrow) = (scope::post(caller), narrow(body)?);
        let size = paging::page_size(body.page_size, 50, 200)?;
        // The unit is part of the filter: a token of another's inbox is none of this one's.
        let filter = api::ListInboxRequest { page_size: 0, page_token: unit.to_string(), ..body.clone() };
        let after: Option<(Instant, Uuid)> = paging::decode(&body.page_token, &filter)?;
        let watch_token = match after {
            None => {
                let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
                self.watch_token(&mut conn, &unit.region).await?
            }
            Some(_) => String::new(),
        };
        let mut page = self.page((&unit, body.kind()), &narrow, after, size).await?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full).map(|(_, cursor)| paging::encode(cursor, &filter));
        page.retain(|(entry, _)| fits(&entry.case, &narrow));
        let items = self.items(&unit, &page).await?;
        Ok(Response::new(api::ListInboxResponse { items, next_page_token: next.unwrap_or_default(), watch_token }))
    }

    async fn watch_cases(
        &self,
        request: Request<api::WatchCasesRequest>,
    ) -> Result<Response<Self::WatchCasesStream>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        let path = scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
        let place = {
            let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
            watch::start(&mut conn, self.watches.stream(), &body.watch_token, &bound_to(&region)).await?
        };
        let follow = CaseWatch {
            roster: self.app.roster.clone(),
            region,
            path,
            learns_of_tips: learns_of_tips(caller.region.level()),
        };
        Ok(Response::new(self.watches.open(follow, place, caller.expires).await?))
    }

    async fn suggest_duplicates(
        &self,
        request: Request<api::SuggestDuplicatesRequest>,
    ) -> Result<Response<api::SuggestDuplicatesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, DESKS)?;
        let case = self.visible(caller, &body.case_id).await?;
        let candidates = self.candidates(caller, &case).await?;
        Ok(Response::new(api::SuggestDuplicatesResponse { candidates }))
    }
}

/// Lights are read by unit alone: what else is asked narrows their page.
fn fits(case: &Case, narrow: &Narrow) -> bool {
    let act = case.facts.act;
    narrow.act.as_deref().is_none_or(|asked| asked == act.code())
        && narrow.sector.as_deref().is_none_or(|asked| asked == act.sector().code())
        && narrow.source.is_none_or(|asked| asked == inbox::source_code(case))
}

impl Grpc {
    async fn candidates(&self, caller: &Principal, case: &Case) -> Result<Vec<api::DuplicateCandidate>, Fault> {
        let credit_code = match &case.facts.subject {
            Subject::Enterprise { credit_code, .. } => Some(credit_code.as_str().to_owned()),
            Subject::Den { .. } => None,
        };
        let since = case.facts.reached_at.saturating_sub(ALIKE_WITHIN).unwrap_or(Instant::UNIX_EPOCH);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let place = (case.facts.county.as_ref(), case.facts.act.code());
        let found =
            inbox::alike(&mut conn, place, credit_code.as_deref(), since, ALIKE).await.map_err(faults::database)?;
        let roster = self.app.roster.current();
        let mut alike: Vec<_> = found
            .into_iter()
            .filter(|other| other.facts.id != case.facts.id && other.merged_into().is_none())
            // A centre sees its own township's alone.
            .filter(|other| {
                other.facts.path.is_within(&caller.region) || scope::contains(caller, &roster, other.facts.path.leaf())
            })
            .filter_map(|other| alike(case, &other).map(|likeness| (likeness, other)))
            .collect();
        // The same enterprise, then the nearest, then the latest, which is the order they came in.
        alike.sort_by(|((one, same), _), ((two, too), _)| {
            let far = |metres: &Option<f64>| metres.unwrap_or(NEAR);
            too.cmp(same).then(far(one).total_cmp(&far(two)))
        });
        alike.truncate(SUGGESTED);
        let reader = scope::post(caller);
        let shown = alike.into_iter().map(|((metres, same_enterprise), other)| api::DuplicateCandidate {
            case: Some(wire::case(&other, &reader)),
            metres: metres.map_or(-1, whole),
            same_enterprise,
        });
        Ok(shown.collect())
    }
}

/// Whole metres; a distance on the earth is far below what fits.
#[expect(clippy::cast_possible_truncation, reason = "at most half the earth's girth")]
const fn whole(metres: f64) -> i64 {
    metres.round() as i64
}
