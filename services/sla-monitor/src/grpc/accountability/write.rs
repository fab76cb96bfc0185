//! Opening entries and what is said and decided of them: each in a transaction of its own, once for its request id.

use std::collections::HashMap;

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, open_entry_request::Charged},
};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    owner::Post,
    region::RegionPath,
    sector::Sector,
    time::Instant,
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    scope,
};
use dafei_sla_core::accountability::{Basis, Charge, Command, Conduct, Draft, Reason};
use prost::Message;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Accountability, NAME, OFFICES, id, post, request_key, text, wire};
use crate::{
    accountability::work::{self, Opening},
    grpc::{item, may_see},
    store::{
        accountability::{entries, queue},
        read,
        record::Record,
    },
};

/// Longest account of what happened.
const ACCOUNT: usize = 2_000;
/// Longest statement, grounds or appeal.
const STATEMENT: usize = 5_000;
/// Most breaches of one call.
const BREACHES: usize = 500;

/// A call that changes an entry.
struct Call<'a> {
    caller: &'a Principal,
    key: (RequestKey, [u8; 32]),
    entry: Uuid,
    expected: i64,
}

impl Accountability {
    pub(super) async fn open(
        &self,
        caller: &Principal,
        body: &pb::OpenEntryRequest,
    ) -> Result<pb::OpenEntryResponse, Fault> {
        scope::require(caller, &OFFICES)?;
        let (key, hash) = request_key(caller, "OpenEntry", &body.request_id, body)?;
        let mut draft = self.reported(caller, body)?;
        let mut once = match Once::begin(&self.ledger.pool, &*self.ledger.clock, key, &hash).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let now = once.now;
        let Basis::Conduct { happened_at, .. } = &draft.basis else {
            return Err(Fault::internal("conduct that is none"));
        };
        faults::check_claimed("happened_at", *happened_at, now)?;
        draft.id = SystemIds.ordered(now);
        if let Some(case) = draft.case_id {
            draft.sector = self.sector(once.conn(), caller, case).await?;
        }
        let actor = scope::post(caller);
        let opening = self.ledger.draw_up(once.conn(), vec![draft], Some(&actor), now).await?;
        if let Some((_, rejection)) = opening.refused.first() {
            return Err(work::refused(rejection));
        }
        let entry = opening.kept.first().map(|(kept, _)| wire::entry(&kept.entry));
        let opened = self.ledger.write_opened(once.conn(), opening.kept).await?;
        let rows: Vec<_> = opened.into_iter().map(|(_, row)| row).collect();
        work::append(once.conn(), &rows).await?;
        once.finish(pb::OpenEntryResponse { entry }).await
    }

    /// The sector of a case that the caller may see. One that is not for its eyes is not there.
    async fn sector(&self, conn: &mut PgConnection, caller: &Principal, case: Uuid) -> Result<Option<Sector>, Fault> {
        let records = read::of_case(conn, case).await.map_err(faults::database)?;
        let roster = self.ledger.roster.current();
        let seen = |record: &Record| item::path(record).and_then(|path| may_see(caller, &path, &roster)).is_ok();
        if !records.first().is_some_and(seen) {
            return Err(Fault::field("case_id", "NO_SUCH_CASE", "is no case of the caller's region", "没有这个案件"));
        }
        Ok(records.iter().find_map(|record| record.sector.parse().ok()))
    }

    /// What an office reports; id and sector are still to be set.
    fn reported(&self, caller: &Principal, body: &pb::OpenEntryRequest) -> Result<Draft, Fault> {
        let kind = wire::code("conduct", &body.conduct, Conduct::from_code, "UNKNOWN_CONDUCT", "情形代码")?;
        let happened_at = convert::instant("happened_at", body.happened_at).map_err(faults::convert)?;
        let account = text("text", &body.text, ACCOUNT)?;
        let (charge, path) = self.charged(caller, body, happened_at)?;
        let case_id = if body.case_id.is_empty() { None } else { Some(id("case_id", &body.case_id)?) };
        let reported_by = Some(scope::post(caller));
        Ok(Draft {
            id: Uuid::nil(),
            basis: Basis::Conduct { kind, text: account, happened_at, reported_by, event: None, order: None },
            charge,
            path,
            case_id,
            sector: None,
        })
    }

    fn charged(
        &self,
        caller: &Principal,
        body: &pb::OpenEntryRequest,
        at: Instant,
    ) -> Result<(Charge, RegionPath), Fault> {
        let roster = self.ledger.roster.current();
        match &body.charged {
            None => Err(faults::convert(convert::ConvertError::required("post"))),
            Some(Charged::Outside(name)) => {
                let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
                let path = scope::require_region(caller, &roster, "region", &region)?;
                Ok((Charge::Outside { name: text("outside", name, NAME)? }, path))
            }
            Some(Charged::Post(wire)) => {
                let post = post("post", Some(wire))?;
                let path = scope::require_region(caller, &roster, "post.region", &post.region)?;
                let mut direct = roster.owner_at(&post, at);
                for (place, person) in body.persons.iter().enumerate() {
                    if !direct.persons.contains(person) {
                        let field = format!("persons[{place}]");
                        let (reason, zh) = (Reason::NotAHolder.code(), Reason::NotAHolder.zh());
                        return Err(Fault::field(field, reason, "did not hold the post then", zh));
                    }
                }
                if !body.persons.is_empty() {
                    direct.persons.retain(|person| body.persons.contains(person));
                }
                Ok((Charge::Post { direct, loop_owner: None }, path))
            }
        }
    }

    pub(super) async fn open_breaches(
        &self,
        caller: &Principal,
        body: &pb::OpenForBreachesRequest,
    ) -> Result<pb::OpenForBreachesResponse, Fault> {
        scope::require(caller, &OFFICES)?;
        let (key, hash) = request_key(caller, "OpenForBreaches", &body.request_id, body)?;
        let obligations = obligations(&body.obligation_ids)?;
        let mut once = match Once::begin(&self.ledger.pool, &*self.ledger.clock, key, &hash).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, actor) = (once.now, scope::post(caller));
        let breaches = queue::lock_breaches(once.conn(), &obligations).await.map_err(faults::database)?;
        let breaches: HashMap<Uuid, _> = breaches.into_iter().map(|breach| (breach.id, breach)).collect();
        let roster = self.ledger.roster.current();
        let mut drafts = Vec::new();
        for (place, obligation) in obligations.iter().enumerate() {
            let field = format!("obligation_ids[{place}]");
            let unknown = || Fault::field(&field, "UNKNOWN_OBLIGATION", "is no obligation", "没有这项时限责任");
            let breach = breaches.get(obligation).ok_or_else(unknown)?;
            if !breach.stands {
                return Err(Fault::field(&field, "NOT_BREACHED", "is not breached", "该项时限责任没有超期"));
            }
            drafts.push(work::of_breach(breach, &roster).ok_or_else(unknown)?);
        }
        let opening = self.ledger.draw_up(once.conn(), drafts, Some(&actor), now).await?;
        own(&opening, &actor, &obligations)?;
        let opened = self.ledger.write_opened(once.conn(), opening.kept).await?;
        let rows: Vec<_> = opened.into_iter().map(|(_, row)| row).collect();
        work::append(once.conn(), &rows).await?;
        once.finish(pb::OpenForBreachesResponse {
            entry_ids: obligations.iter().map(|obligation| work::entry_of(*obligation).to_string()).collect(),
            opened: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        })
        .await
    }

    /// Carries out a command on an entry that has the version that the caller has seen.
    async fn change(&self, call: Call<'_>, command: &Command) -> Result<pb::AccountabilityEntry, Fault> {
        let (key, hash) = call.key;
        let mut once = match Once::begin(&self.ledger.pool, &*self.ledger.clock, key, &hash).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, actor) = (once.now, scope::post(call.caller));
        let kept = entries::lock(once.conn(), &[call.entry]).await.map_err(faults::database)?.pop();
        if let Some(kept) = &kept
            && kept.entry.sequence != call.expected
        {
            // How far an entry has come is told to nobody whose step it is not.
            self.ledger.permit(&kept.entry, command, now)?;
            return Err(Fault::OtherVersion { current: kept.entry.sequence });
        }
        let (kept, row) = self.ledger.change(once.conn(), kept, command, Some(&actor), now).await?;
        work::append(once.conn(), &[row]).await?;
        once.finish(wire::entry(&kept.entry)).await
    }

    pub(super) async fn state(
        &self,
        caller: &Principal,
        body: &pb::SubmitStatementRequest,
    ) -> Result<pb::AccountabilityEntry, Fault> {
        let call = call(caller, "SubmitStatement", &body.request_id, body, (&body.entry_id, body.expected_version))?;
        let command = Command::State { by: scope::post(caller), text: text("text", &body.text, STATEMENT)? };
        self.change(call, &command).await
    }

    pub(super) async fn rule(
        &self,
        caller: &Principal,
        body: &pb::DecideRequest,
    ) -> Result<pb::AccountabilityEntry, Fault> {
        let call = call(caller, "Decide", &body.request_id, body, (&body.entry_id, body.expected_version))?;
        let command = Command::Decide {
            by: scope::post(caller),
            grounds: text("grounds", &body.grounds, STATEMENT)?,
            persons: wire::verdicts(&body.persons)?,
        };
        self.change(call, &command).await
    }

    pub(super) async fn lodge_appeal(
        &self,
        caller: &Principal,
        body: &pb::AppealRequest,
    ) -> Result<pb::AccountabilityEntry, Fault> {
        let call = call(caller, "Appeal", &body.request_id, body, (&body.entry_id, body.expected_version))?;
        let command = Command::Appeal { by: scope::post(caller), text: text("text", &body.text, STATEMENT)? };
        self.change(call, &command).await
    }

    pub(super) async fn rule_on_appeal(
        &self,
        caller: &Principal,
        body: &pb::DecideAppealRequest,
    ) -> Result<pb::AccountabilityEntry, Fault> {
        let call = call(caller, "DecideAppeal", &body.request_id, body, (&body.entry_id, body.expected_version))?;
        let command = Command::DecideAppeal {
            by: scope::post(caller),
            grounds: text("grounds", &body.grounds, STATEMENT)?,
            changes: wire::changes(&body.changes)?,
        };
        self.change(call, &command).await
    }
}

fn call<'a>(
    caller: &'a Principal,
    method: &str,
    request_id: &str,
    body: &impl Message,
    (entry, expected): (&str, i64),
) -> Result<Call<'a>, Fault> {
    let key = request_key(caller, method, request_id, body)?;
    Ok(Call { caller, key, entry: id("entry_id", entry)?, expected })
}

fn obligations(wire: &[String]) -> Result<Vec<Uuid>, Fault> {
    if wire.is_empty() {
        return Err(faults::convert(convert::ConvertError::required("obligation_ids")));
    }
    if wire.len() > BREACHES {
        let zh = "一次最多500项";
        return Err(Fault::field("obligation_ids", "TOO_MANY", "has more than 500 entries", zh));
    }
    let mut found: Vec<Uuid> = Vec::with_capacity(wire.len());
    for (place, text) in wire.iter().enumerate() {
        let field = format!("obligation_ids[{place}]");
        let obligation = id(&field, text)?;
        if found.contains(&obligation) {
            return Err(Fault::field(field, "DUPLICATE_OBLIGATION", "stands twice", "同一项时限责任重复"));
        }
        found.push(obligation);
    }
    Ok(found)
}

/// All of them are the caller's to decide on.
fn own(opening: &Opening, actor: &Post, obligations: &[Uuid]) -> Result<(), Fault> {
    if let Some((_, rejection)) = opening.refused.first() {
        return Err(work::refused(rejection));
    }
    for (place, (kept, _)) in opening.kept.iter().enumerate() {
        if kept.entry.decider.office() != Some(actor) {
            debug_assert_eq!(kept.entry.basis.obligation(), obligations.get(place).copied());
            let (reason, zh) = (Reason::NotDecider.code(), Reason::NotDecider.zh());
            return Err(Fault::field(format!("obligation_ids[{place}]"), reason, "is not this office's to decide", zh));
        }
    }
    Ok(())
}
