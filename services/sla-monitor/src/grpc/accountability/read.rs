//! What is read, each reading logged in the transaction that reads, which is committed before anything is answered.

use dafei_contracts::{
    convert::{self, ConvertError},
    sla::v1 as pb,
};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    owner::Post,
    region::Region,
    role::Role,
    time::{Instant, Month, MonthError},
};
use dafei_messaging::tx;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, once, paging, scope};
use dafei_sla_core::accountability::{Entry, State};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{Accountability, NAME, OVERSEERS, id, post, wire};
use crate::store::accountability::{
    access::{self, Access},
    entries,
    list::{self, Asked, Lead},
};

/// Cursor of a page: microseconds of the last one's instant, and its id.
type Cursor = (i64, Uuid);

/// Who may see readings: auditors all of their region, offices those by posts below them.
const WATCHERS: [Role; 4] = [Role::Auditor, Role::TownshipCentre, Role::CountyOffice, Role::CityOffice];

fn after(cursor: Option<Cursor>) -> Result<(Instant, Uuid), Fault> {
    match cursor {
        None => Ok((Instant::MAX, Uuid::max())),
        Some((micros, id)) => Ok((paging::instant(micros)?, id)),
    }
}

/// Cuts what is one more than asked for; whether it was there.
fn cut<T>(rows: &mut Vec<T>, size: i64) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let full = rows.len() > size;
    rows.truncate(size);
    full
}

fn cursor(entry: &Entry) -> Cursor {
    (entry.opened_at.as_microsecond(), entry.id)
}

fn month(text: &str) -> Result<(Instant, Instant), Fault> {
    if text.is_empty() {
        return Ok((Instant::constant(-62_135_596_800, 0), Instant::MAX));
    }
    let month: Month = text.parse().map_err(|error: MonthError| {
        Fault::field("month", "INVALID_MONTH", error.to_string(), "月份应写作“2026-11”的样子")
    })?;
    Ok((month.first_instant(), month.end_instant()))
}

fn source(text: &str) -> Result<String, Fault> {
    match text {
        "" | "breach" | "conduct" | "accident" | "evaluation" => Ok(text.to_owned()),
        other => Err(faults::convert(ConvertError::unknown("source", "UNKNOWN_SOURCE", other, "来源"))),
    }
}

fn state(text: &str) -> Result<String, Fault> {
    if !text.is_empty() {
        wire::code("state", text, State::from_code, "UNKNOWN_STATE", "状态")?;
    }
    Ok(text.to_owned())
}

/// Whose entries are asked for; of all when empty.
fn person(text: &str) -> Result<String, Fault> {
    convert::optional_text("person", text, NAME).map_err(faults::convert)
}

/// What was read.
struct Reading<'a> {
    what: &'a str,
    entries: Vec<Option<Uuid>>,
    ledger: String,
}

impl<'a> Reading<'a> {
    /// Of these entries, or that there were none.
    fn of(what: &'a str, shown: &[Entry], ledger: String) -> Self {
        let mut entries: Vec<Option<Uuid>> = shown.iter().map(|entry| Some(entry.id)).collect();
        if entries.is_empty() {
            entries.push(None);
        }
        Self { what, entries, ledger }
    }
}

impl Accountability {
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, Fault> {
        tx::begin_write(&self.ledger.pool).await.map_err(faults::database)
    }

    async fn log(&self, conn: &mut PgConnection, caller: &Principal, reading: Reading<'_>) -> Result<(), Fault> {
        let at = self.ledger.clock.now();
        let access = |entry| Access {
            id: SystemIds.ordered(at),
            at,
            subject: caller.subject.clone(),
            post: scope::post(caller),
            what: reading.what.to_owned(),
            entry,
            ledger: reading.ledger.clone(),
        };
        let accesses: Vec<Access> = reading.entries.iter().copied().map(access).collect();
        access::insert(conn, &accesses, &self.own_path(caller)?).await.map_err(faults::database)
    }

    pub(super) async fn entry(
        &self,
        caller: &Principal,
        body: &pb::GetEntryRequest,
    ) -> Result<pb::GetEntryResponse, Fault> {
        let id = id("entry_id", &body.entry_id)?;
        let mut tx = self.begin().await?;
        let entry = entries::get(&mut tx, id).await.map_err(faults::database)?;
        let entry = entry.ok_or_else(|| Fault::not_found("entry", body.entry_id.clone(), "没有这条问责记录"))?;
        self.may_see(caller, &entry)?;
        let shown = [entry];
        self.log(&mut tx, caller, Reading::of("entry", &shown, String::new())).await?;
        tx::commit(tx).await.map_err(once::failed)?;
        Ok(pb::GetEntryResponse { entry: shown.first().map(wire::entry) })
    }

    pub(super) async fn entries(
        &self,
        caller: &Principal,
        body: &pb::ListEntriesRequest,
    ) -> Result<pb::ListEntriesResponse, Fault> {
        let size = paging::page_size(body.page_size, 50, 100)?;
        let filter = pb::ListEntriesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let (lead, within) = self.lead(caller, body)?;
        let asked = Asked {
            within,
            person: person(&body.person)?,
            state: state(&body.state)?,
            source: source(&body.source)?,
            opened: month(&body.month)?,
            after: after(paging::decode(&body.page_token, &filter)?)?,
            limit: size + 1,
        };
        let mut tx = self.begin().await?;
        let mut found = list::page(&mut tx, &lead, &asked).await.map_err(faults::database)?;
        let full = cut(&mut found, size);
        self.log(&mut tx, caller, Reading::of("list", &found, String::new())).await?;
        tx::commit(tx).await.map_err(once::failed)?;
        let next = found.last().filter(|_| full).map(|last| paging::encode(&cursor(last), &filter));
        Ok(pb::ListEntriesResponse {
            entries: found.iter().map(wire::entry).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    /// By what the list is led, and within which regions.
    fn lead(&self, caller: &Principal, body: &pb::ListEntriesRequest) -> Result<(Lead, Vec<String>), Fault> {
        let own = scope::post(caller);
        let charged = body.post.as_ref().map(|wire| post("post", Some(wire))).transpose()?;
        let Some(wire) = &body.region else {
            if body.awaiting_me {
                scope::require(caller, &OVERSEERS)?;
                return Ok((Lead::Awaits(own.to_string()), Vec::new()));
            }
            if charged.is_some_and(|post| post != own) {
                return Err(faults::convert(ConvertError::required("region")));
            }
            return Ok((Lead::Post(own.to_string()), Vec::new()));
        };
        scope::require(caller, &OVERSEERS)?;
        let roster = self.ledger.roster.current();
        let region = convert::region("region", Some(wire)).map_err(faults::convert)?;
        scope::require_region(caller, &roster, "region", &region)?;
        let lead = Lead::region(&region, &roster);
        let within = match &lead {
            Lead::Places(codes) => codes.clone(),
            _ => vec![region.code().to_string()],
        };
        Ok(match charged {
            Some(post) => (Lead::Post(post.to_string()), within),
            None if body.awaiting_me => (Lead::Awaits(own.to_string()), within),
            None if !body.person.is_empty() => (Lead::Person(person(&body.person)?), within),
            None => (lead, within),
        })
    }

    pub(super) async fn ledger_of(
        &self,
        caller: &Principal,
        body: &pb::GetLedgerRequest,
    ) -> Result<pb::GetLedgerResponse, Fault> {
        let post = post("post", body.post.as_ref())?;
        self.reach(caller, &post)?;
        let person = person(&body.person)?;
        let size = paging::page_size(body.page_size, 50, 100)?;
        let filter = pb::GetLedgerRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let asked = Asked {
            within: Vec::new(),
            person: person.clone(),
            state: String::new(),
            source: String::new(),
            opened: month("")?,
            after: after(paging::decode(&body.page_token, &filter)?)?,
            limit: size + 1,
        };
        let mut tx = self.begin().await?;
        let counts = list::counts(&mut tx, &post, &person).await.map_err(faults::database)?;
        let lead = Lead::Post(post.to_string());
        let mut found = list::page(&mut tx, &lead, &asked).await.map_err(faults::database)?;
        let full = cut(&mut found, size);
        self.log(&mut tx, caller, Reading::of("ledger", &found, post.to_string())).await?;
        tx::commit(tx).await.map_err(once::failed)?;
        let next = found.last().filter(|_| full).map(|last| paging::encode(&cursor(last), &filter));
        let count = |(person, outcome, entries): (String, String, i64)| pb::LedgerCount {
            person,
            outcome,
            entries: u32::try_from(entries).unwrap_or(u32::MAX),
        };
        Ok(pb::GetLedgerResponse {
            counts: counts.into_iter().map(count).collect(),
            entries: found.iter().map(wire::entry).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    /// The post is the caller's own, or one of the region that it watches over.
    fn reach(&self, caller: &Principal, post: &Post) -> Result<(), Fault> {
        if *post != scope::post(caller) {
            scope::require(caller, &OVERSEERS)?;
            scope::require_region(caller, &self.ledger.roster.current(), "post.region", &post.region)?;
        }
        Ok(())
    }

    pub(super) async fn accesses(
        &self,
        caller: &Principal,
        body: &pb::ListAccessRequest,
    ) -> Result<pb::ListAccessResponse, Fault> {
        scope::require(caller, &WATCHERS)?;
        let region = self.watched(caller, body)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListAccessRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let asked = access::Asked {
            entry: if body.entry_id.is_empty() { None } else { Some(id("entry_id", &body.entry_id)?) },
            after: after(paging::decode(&body.page_token, &filter)?)?,
            limit: size + 1,
        };
        let mut conn = self.ledger.pool.acquire().await.map_err(faults::database)?;
        let mut found = access::page(&mut conn, &region, &asked).await.map_err(faults::database)?;
        let full = cut(&mut found, size);
        let cursor = |last: &Access| -> Cursor { (last.at.as_microsecond(), last.id) };
        let next = found.last().filter(|_| full).map(|last| paging::encode(&cursor(last), &filter));
        Ok(pb::ListAccessResponse {
            accesses: found.iter().map(shown).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    fn watched(&self, caller: &Principal, body: &pb::ListAccessRequest) -> Result<Region, Fault> {
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &self.ledger.roster.current(), "region", &region)?;
        // Nobody watches over himself: an office sees who below it has read, and the auditor sees all.
        if caller.role == Role::Auditor || region != caller.region {
            Ok(region)
        } else {
            Err(Fault::denied("NOT_ABOVE", "只能查看下级的查阅记录"))
        }
    }
}

fn shown(access: &Access) -> pb::Access {
    pb::Access {
        at: Some(access.at.into()),
        subject: access.subject.clone(),
        by: Some((&access.post).into()),
        what: access.what.clone(),
        entry_id: access.entry.map(|id| id.to_string()).unwrap_or_default(),
        ledger: access.ledger.clone(),
    }
}
