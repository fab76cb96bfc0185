//! Recording what the check of a drawn one came to.

use dafei_contracts::{convert, events::v1 as events, reporting::v1 as pb};
use dafei_kernel::time::civil_date;
use dafei_reporting_core::spot_check::{self, Rejection};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, once::Begun, scope};

use super::{DRAWERS, SpotChecks, wire};
use crate::{
    grpc::change,
    publisher::{self, Told},
    store::{
        chain,
        spot_checks::{self as store, Bounds, NewCheck},
    },
};

/// The longest note, in characters.
const NOTE: usize = 1_000;

/// A refusal of the rules, as a call fails by it.
pub(super) fn refused(why: Rejection) -> Fault {
    let english = why.to_string();
    match why {
        Rejection::Nothing => Fault::precondition("NOTHING_TO_DRAW", "population", english, "该范围内没有可抽查的对象"),
        Rejection::BeforeDraw => Fault::field("checked_at", "BEFORE_DRAW", english, "抽查时间不能早于抽取时间"),
        Rejection::InFuture => Fault::field("checked_at", "TIME_IN_FUTURE", english, "抽查时间不能晚于当前时间"),
        Rejection::NoteMissing => Fault::field("note", "REQUIRED", english, "发现问题的，必须说明情况"),
    }
}

impl SpotChecks {
    pub(super) async fn record(
        &self,
        caller: &Principal,
        body: &pb::RecordSpotCheckRequest,
    ) -> Result<pb::RecordSpotCheckResponse, Fault> {
        scope::require(caller, &DRAWERS)?;
        let roster = self.roster.current();
        let seen = Self::seen(caller, &roster)?;
        let means = wire::asked_means(body.means)?;
        let outcome = wire::asked_outcome(body.outcome)?;
        let note = convert::optional_text("note", &body.note, NOTE).map_err(faults::convert)?;
        let checked_at = convert::instant("checked_at", body.checked_at).map_err(faults::convert)?;
        let sample = self.sample(&seen, &body.sample_id).await?;
        let path = scope::require_region(caller, &roster, "sample_id", &sample.region)?;
        let begun = change::begin(&self.pool, &self.clock, caller, "RecordSpotCheck", &body.request_id, body).await?;
        let mut once = match begun {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, id) = (once.now, sample.sample_id);
        spot_check::check(outcome, &note, checked_at, sample.drawn_at, now).map_err(refused)?;
        let number = i32::try_from(body.number).unwrap_or(i32::MAX);
        let mut found =
            store::drawn(&mut *once.conn(), id, Some(number), &Bounds::default()).await.map_err(faults::database)?;
        let drawn = found.pop().ok_or_else(|| {
            Fault::field("number", "UNKNOWN_NUMBER", "was not drawn in this sample", "本次抽查中没有这个序号")
        })?;
        let by = scope::post(caller);
        // Whoever records of the same sample waits here: checks are numbered.
        chain::lock(once.conn(), id).await.map_err(faults::database)?;
        let check = NewCheck {
            sample_id: id,
            number,
            means: means.code(),
            outcome: outcome.code(),
            note: &note,
            checked_at,
            recorded_by: &by,
            recorded_at: now,
        };
        store::record(once.conn(), &check).await.map_err(faults::database)?;
        let checks = store::checks(&mut *once.conn(), id).await.map_err(faults::database)?;
        if let Some(latest) = checks.iter().rfind(|check| check.number == number) {
            let day = civil_date(latest.checked_at);
            store::outcome(once.conn(), id, &drawn, day, &latest.outcome).await.map_err(faults::database)?;
        }
        let event = events::SpotCheckRecorded {
            meta: None,
            sample_id: id.to_string(),
            number: body.number,
            means: means.code().to_owned(),
            outcome: outcome.code().to_owned(),
            checked_at: Some(checked_at.into()),
        };
        publisher::tell(once.conn(), Told { aggregate: id, path: &path, actor: Some(&by), at: now }, event).await?;
        let drawn = wire::drawn(vec![drawn], &checks)?.pop();
        once.finish(pb::RecordSpotCheckResponse { drawn }).await
    }
}
