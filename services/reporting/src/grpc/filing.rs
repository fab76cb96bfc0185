//! `FilingService`: drafts, corrections, filing, and who has filed (clause C18).

use dafei_contracts::{
    convert,
    events::v1 as events,
    reporting::v1::{self as pb, filing_service_server::FilingService},
};
use dafei_kernel::{clock::SharedClock, ids, region::RegionPath, roster::RosterIndex};
use dafei_messaging::log;
use dafei_reporting_core::{
    Month, Unit,
    filing::{self, Correction, Last, Rejection},
};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{
    faults,
    once::{self, Begun},
    paging, publish,
    roster::RosterView,
    scope,
};
use prost::Message as _;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{
    READERS, change, checked_month, filing_unit,
    split::{column, sector},
};
use crate::{
    SERVICE,
    draft::{self, Drafted},
    store::filing::{self as store, Filed},
};

/// The longest name of who filled a table in.
const NAME: usize = 50;

/// Serves filings.
#[derive(Clone)]
pub struct Filings {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
}

/// What a request asks about, checked.
struct Asked {
    unit: Unit,
    path: RegionPath,
    month: Month,
}

/// A call that changes something, by the unit's own post.
struct Change<'a> {
    caller: &'a Principal,
    asked: Asked,
    roster: std::sync::Arc<RosterIndex>,
}

impl Filings {
    /// Serves filings from `pool`; the clock says which months have ended.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock) -> Self {
        Self { pool, roster, clock }
    }

    fn asked(
        &self,
        caller: &Principal,
        roster: &RosterIndex,
        unit: Option<&pb::FilingUnit>,
        month: &str,
    ) -> Result<Asked, Fault> {
        scope::require(caller, &READERS)?;
        let unit = filing_unit(unit)?;
        let path = scope::require_region(caller, roster, "unit.region", unit.region())?;
        if !unit.is_known(roster) {
            return Err(Fault::field(
                "unit.agency",
                "UNKNOWN_UNIT",
                format!("{unit} is not in the roster"),
                "没有这个填报单位",
            ));
        }
        Ok(Asked { unit, path, month: checked_month(month, self.clock.now())? })
    }

    fn change<'a>(
        &self,
        caller: &'a Principal,
        unit: Option<&pb::FilingUnit>,
        month: &str,
    ) -> Result<Change<'a>, Fault> {
        let roster = self.roster.current();
        let asked = self.asked(caller, &roster, unit, month)?;
        filing::may_file(&asked.unit, &scope::post(caller)).map_err(|why| refused(&why))?;
        filing::has_ended(asked.month, self.clock.now()).map_err(|why| refused(&why))?;
        Ok(Change { caller, asked, roster })
    }

    async fn draft(&self, caller: &Principal, body: &pb::GetDraftRequest) -> Result<pb::GetDraftResponse, Fault> {
        let roster = self.roster.current();
        let Asked { unit, path, month } = self.asked(caller, &roster, body.unit.as_ref(), &body.month)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let drafted = Drafted::read(&mut conn, &unit, &path, month, &roster).await?;
        let own = draft::stands(&mut conn, std::slice::from_ref(&unit), month, &roster).await?;
        let now = self.clock.now();
        let filing = own.first().map(|stands| draft::wire_filing(&unit, stands, &roster, now));
        Ok(pb::GetDraftResponse { draft: Some(pb::Draft { filing, ..drafted.wire(&roster, now) }) })
    }

    async fn correct(
        &self,
        caller: &Principal,
        body: &pb::CorrectCellRequest,
    ) -> Result<pb::CorrectCellResponse, Fault> {
        let Change { caller, asked, roster } = self.change(caller, body.unit.as_ref(), &body.month)?;
        let column = column(body.column)?;
        let sector = sector(&body.sector)?;
        let reason = convert::optional_text("reason", &body.reason, filing::MAX_REASON).map_err(faults::convert)?;
        let mut once =
            match change::begin(&self.pool, &self.clock, caller, "CorrectCell", &body.request_id, body).await? {
                Begun::Answered(first) => return Ok(first),
                Begun::New(once) => once,
            };
        let Asked { unit, path, month } = asked;
        let now = once.now;
        store::lock(once.conn(), &unit, &path, month).await.map_err(faults::database)?;
        let before = Drafted::read(once.conn(), &unit, &path, month, &roster).await?;
        filing::check_correction(before.computed(sector, column), body.amount, &reason).map_err(|why| refused(&why))?;
        let correction = Correction { sector, column, amount: body.amount, reason, by: scope::post(caller), at: now };
        store::correct(once.conn(), &unit, month, &correction).await.map_err(faults::database)?;
        let after = Drafted::read(once.conn(), &unit, &path, month, &roster).await?;
        filing::check_true(before.verified().0, after.verified()).map_err(|why| refused(&why))?;
        once.finish(pb::CorrectCellResponse { corrections: after.corrections() }).await
    }

    async fn file(&self, caller: &Principal, body: &pb::FileTableRequest) -> Result<pb::FileTableResponse, Fault> {
        let Change { caller, asked, roster } = self.change(caller, body.unit.as_ref(), &body.month)?;
        let filled_in_by = convert::bounded("filled_in_by", &body.filled_in_by, NAME).map_err(faults::convert)?;
        if body.draft_digest.is_empty() {
            return Err(faults::convert(convert::ConvertError::required("draft_digest")));
        }
        let mut once = match change::begin(&self.pool, &self.clock, caller, "FileTable", &body.request_id, body).await?
        {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let Asked { unit, path, month } = asked;
        let now = once.now;
        let standing = store::lock(once.conn(), &unit, &path, month).await.map_err(faults::database)?;
        let drafted = Drafted::read(once.conn(), &unit, &path, month, &roster).await?;
        let digest = drafted.digest();
        let version = u32::try_from(standing.version).unwrap_or_default();
        let last = (version > 0).then_some(Last { version, digest: &standing.digest });
        let version = filing::file(&drafted.figures, drafted.verified(), &body.draft_digest, &digest, last)
            .map_err(|why| refused(&why))?;
        let content = drafted.wire(&roster, now).encode_to_vec();
        let filed = Filed {
            version: i32::try_from(version).unwrap_or(i32::MAX),
            filed_at: now,
            filed_by: scope::post(caller),
            filled_in_by,
            sha256: draft::sha256(&content),
            content,
        };
        let event = self.event(&drafted, &filed, &standing.chain_head)?;
        let head = dafei_contracts::chain::next_head(&standing.chain_head, &event.payload);
        store::file(once.conn(), &unit, month, &filed, &digest, &head).await.map_err(faults::database)?;
        store::roll_up(once.conn(), &unit, month, &drafted.rolled_up()).await.map_err(faults::database)?;
        log::append(once.conn(), &[event]).await.map_err(|error| once::failed(error.into()))?;
        once.finish(pb::FileTableResponse { table: Some(wire_filed(&unit, month, filed)?) }).await
    }

    /// What the bus is told: it stops M1.
    fn event(&self, drafted: &Drafted, filed: &Filed, head: &str) -> Result<dafei_messaging::event::NewEvent, Fault> {
        let (unit, month) = (&drafted.unit, drafted.month.to_string());
        let aggregate = ids::derived(&["filing", &unit.to_string(), &month]);
        let sequence = i64::from(filed.version);
        let event = events::TableFiled {
            meta: Some(events::EventMeta {
                aggregate_id: aggregate.to_string(),
                sequence,
                region_path: drafted.path.to_string(),
                actor: Some((&filed.filed_by).into()),
                received_at: Some(filed.filed_at.into()),
                claimed_at: None,
                chain_head: head.to_owned(),
                person: String::new(),
            }),
            unit: Some((&unit.filer()).into()),
            month,
            filed_at: Some(filed.filed_at.into()),
            version: u32::try_from(filed.version).unwrap_or_default(),
        };
        let outgoing = publish::Outgoing {
            event: event.into(),
            aggregate_id: aggregate,
            sequence,
            event_id: ids::derived(&["filing-event", &aggregate.to_string(), &sequence.to_string()]),
            recorded_at: filed.filed_at,
        };
        publish::encode(SERVICE, &outgoing).map_err(Fault::internal)
    }

    async fn filed(
        &self,
        caller: &Principal,
        body: &pb::GetFiledTableRequest,
    ) -> Result<pb::GetFiledTableResponse, Fault> {
        let roster = self.roster.current();
        let Asked { unit, month, .. } = self.asked(caller, &roster, body.unit.as_ref(), &body.month)?;
        let filed = self.version(&unit, month, body.version).await?;
        Ok(pb::GetFiledTableResponse { table: Some(wire_filed(&unit, month, filed)?) })
    }

    async fn version(&self, unit: &Unit, month: Month, version: u32) -> Result<Filed, Fault> {
        let wanted = (version > 0).then(|| i32::try_from(version).unwrap_or(i32::MAX));
        let filed = store::filed(&self.pool, unit, month, wanted).await.map_err(faults::database)?;
        filed.ok_or_else(|| {
            Fault::not_found("filed-table", format!("{unit} {month} {version}"), "该月份没有报送过这一版报表")
        })
    }

    async fn differing(
        &self,
        caller: &Principal,
        body: &pb::ListDifferencesRequest,
    ) -> Result<pb::ListDifferencesResponse, Fault> {
        let roster = self.roster.current();
        let Asked { unit, path, month } = self.asked(caller, &roster, body.unit.as_ref(), &body.month)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let Some(last) = store::filed(&mut *conn, &unit, month, None).await.map_err(faults::database)? else {
            return Ok(pb::ListDifferencesResponse::default());
        };
        let content = pb::Draft::decode(last.content.as_slice()).map_err(Fault::internal)?;
        let was = draft::of_body(content.figures.as_ref())?;
        let now = Drafted::read(&mut conn, &unit, &path, month, &roster).await?;
        let differences = filing::differences(&was, &now.figures).into_iter().map(|cell| pb::CellDifference {
            sector: cell.sector.map_or("", |sector| sector.code()).to_owned(),
            column: u32::from(cell.column.number()),
            filed: cell.filed,
            now: cell.now,
        });
        let version = u32::try_from(last.version).unwrap_or_default();
        Ok(pb::ListDifferencesResponse { version, differences: differences.collect() })
    }

    async fn list(&self, caller: &Principal, body: &pb::ListFilingsRequest) -> Result<pb::ListFilingsResponse, Fault> {
        let roster = self.roster.current();
        let Asked { unit, month, .. } = self.asked(caller, &roster, body.unit.as_ref(), &body.month)?;
        if !unit.kind().collects() {
            return Err(Fault::field("unit.kind", "NO_OFFICE", "collects from nobody", "该单位不汇总其他单位的报表"));
        }
        let unknown = |state: &i32| !matches!(pb::FilingState::try_from(*state), Ok(state) if state != pb::FilingState::Unspecified);
        if body.states.iter().any(unknown) {
            return Err(Fault::field("states", "UNKNOWN_STATE", "is no state of a filing", "没有这种报送状态"));
        }
        let size = usize::try_from(paging::page_size(body.page_size, 50, 500)?).unwrap_or(usize::MAX);
        let filter = pb::ListFilingsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<String> = paging::decode(&body.page_token, &filter)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        // An office has some dozens of units: all of them are at hand.
        let (units, stands): (Vec<Unit>, Vec<_>) =
            draft::collected(&mut conn, &unit, month, &roster).await?.into_iter().unzip();
        let now = self.clock.now();
        let all = units
            .iter()
            .zip(&stands)
            .map(|(unit, stands)| (unit.to_string(), draft::wire_filing(unit, stands, &roster, now)));
        let mut rest: Vec<(String, pb::Filing)> = all
            .filter(|(_, filing)| body.states.is_empty() || body.states.contains(&filing.state))
            .skip_while(|(name, _)| after.as_ref().is_some_and(|after| !passed(&units, after, name)))
            .collect();
        let full = rest.len() > size;
        rest.truncate(size);
        let next_page_token = match rest.last() {
            Some((last, _)) if full => paging::encode(last, &filter),
            Some(_) | None => String::new(),
        };
        Ok(pb::ListFilingsResponse { filings: rest.into_iter().map(|(_, filing)| filing).collect(), next_page_token })
    }
}

/// Whether a unit comes after the one that the last page ended with, in the order of the units.
fn passed(units: &[Unit], after: &str, name: &str) -> bool {
    let place = |text: &str| units.iter().position(|unit| unit.to_string() == text);
    place(name) > place(after)
}

fn wire_filed(unit: &Unit, month: Month, filed: Filed) -> Result<pb::FiledTable, Fault> {
    let draft = pb::Draft::decode(filed.content.as_slice()).map_err(Fault::internal)?;
    Ok(pb::FiledTable {
        unit: Some(super::wire_unit(unit)),
        month: month.to_string(),
        version: u32::try_from(filed.version).unwrap_or_default(),
        filed_at: Some(filed.filed_at.into()),
        filed_by: Some((&filed.filed_by).into()),
        filled_in_by: filed.filled_in_by,
        content: filed.content.into(),
        sha256: filed.sha256,
        draft: Some(draft),
    })
}

/// A refusal of the rules, as a call fails by it.
fn refused(why: &Rejection) -> Fault {
    let english = why.to_string();
    match why {
        Rejection::NotOwnUnit(_) => Fault::denied("NOT_OWN_UNIT", "只能填报本单位的报表"),
        Rejection::MonthNotEnded(month) => {
            Fault::precondition("MONTH_NOT_ENDED", format!("month/{month}"), english, "该月份尚未结束，不能报送")
        }
        Rejection::ReasonMissing => Fault::field("reason", "REQUIRED", english, "更正数据必须说明原因"),
        Rejection::ReasonTooLong => Fault::field("reason", "TOO_LONG", english, "更正原因不能超过500字"),
        Rejection::TooLarge => Fault::field("amount", "OUT_OF_RANGE", english, "更正数值过大"),
        Rejection::BelowZero(_) => Fault::field("amount", "BELOW_ZERO", english, "更正后的数据不能小于零"),
        Rejection::BelowTrue(_) => {
            Fault::field("amount", "BELOW_TRUE", english, "更正后核实举报线索的条数不能少于其中属实的条数")
        }
        Rejection::DraftChanged => {
            Fault::precondition("DRAFT_CHANGED", "draft", english, "报表数据已有变化，请重新核对后报送")
        }
        Rejection::AlreadyFiled(version) => Fault::precondition(
            "ALREADY_FILED",
            format!("version/{version}"),
            english,
            "该月份报表已报送，且数据没有变化",
        ),
    }
}

#[tonic::async_trait]
impl FilingService for Filings {
    async fn get_draft(&self, request: Request<pb::GetDraftRequest>) -> Result<Response<pb::GetDraftResponse>, Status> {
        Ok(Response::new(self.draft(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn correct_cell(
        &self,
        request: Request<pb::CorrectCellRequest>,
    ) -> Result<Response<pb::CorrectCellResponse>, Status> {
        Ok(Response::new(self.correct(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn file_table(
        &self,
        request: Request<pb::FileTableRequest>,
    ) -> Result<Response<pb::FileTableResponse>, Status> {
        Ok(Response::new(self.file(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn get_filed_table(
        &self,
        request: Request<pb::GetFiledTableRequest>,
    ) -> Result<Response<pb::GetFiledTableResponse>, Status> {
        Ok(Response::new(self.filed(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_differences(
        &self,
        request: Request<pb::ListDifferencesRequest>,
    ) -> Result<Response<pb::ListDifferencesResponse>, Status> {
        Ok(Response::new(self.differing(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_filings(
        &self,
        request: Request<pb::ListFilingsRequest>,
    ) -> Result<Response<pb::ListFilingsResponse>, Status> {
        Ok(Response::new(self.list(identity::principal(&request)?, request.get_ref()).await?))
    }
}
