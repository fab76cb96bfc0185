//! Which obligations of the last quarter would have gone otherwise by a text.

use dafei_contracts::sla::v1 as pb;
use dafei_kernel::{
    region::{Level, RegionPath},
    time::Instant,
    workdays::Calendar,
};
use dafei_runtime::status::Fault;
use dafei_shell::{faults, paging};
use dafei_sla_core::{CountyRules, Inputs, Limit, Rules, Terms, deadline::of_rule};
use jiff::SignedDuration;
use uuid::Uuid;

use super::RuleTexts;
use crate::{
    store::{record::Record, shadow as store},
    terms::{Draft, refused},
};

/// How far back is looked: a quarter at its longest.
const QUARTER: SignedDuration = SignedDuration::from_hours(92 * 24);

/// The rules as if a text had always been in force.
fn tried(draft: &Draft, terms: &Terms) -> Result<Terms, Fault> {
    let with = match &draft.county {
        None => Rules::parse_new(&draft.text).map(|rules| terms.with_city(rules)),
        Some(county) => CountyRules::parse(&draft.text).map(|rules| terms.with_county(county.clone(), rules)),
    };
    with.map_err(|problems| refused(&problems))
}

impl RuleTexts {
    pub(super) async fn shadow(
        &self,
        draft: &Draft,
        body: &pb::ShadowRulesRequest,
    ) -> Result<pb::ShadowRulesResponse, Fault> {
        let size = paging::page_size(body.page_size, 500, 1_000)?;
        let filter = pb::ShadowRulesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let now = self.clock.now();
        let before: (Instant, Uuid) = paging::decode(&body.page_token, &filter)?.unwrap_or((now, Uuid::max()));
        let since = now.checked_sub(QUARTER).unwrap_or(Instant::UNIX_EPOCH);
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let in_force = self.terms.refresh(&mut conn).await.map_err(faults::database)?;
        let tried = tried(draft, &in_force.rules)?;
        let page =
            store::page(&mut conn, draft.county.as_ref(), since, before, size).await.map_err(faults::database)?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full).map(|(last, _)| paging::encode(&(last.started_at.0, last.id), &filter));
        let moves = page.iter().filter_map(|(record, inputs)| {
            let county = record.region_path.parse::<RegionPath>().ok().and_then(|path| path.at(Level::County).cloned());
            let was = in_force.rules.at(county.as_ref(), inputs.start);
            let then = tried.at(county.as_ref(), inputs.start);
            moved(record, inputs, was, then, &in_force.calendar, now)
        });
        Ok(pb::ShadowRulesResponse {
            moves: moves.collect(),
            looked_at: u32::try_from(page.len()).unwrap_or(u32::MAX),
            next_page_token: next.unwrap_or_default(),
        })
    }
}

/// The obligation, if it would have been late and was not, or the reverse.
fn moved(
    record: &Record,
    inputs: &Inputs,
    in_force: &Rules,
    then: &Rules,
    calendar: &Calendar,
    now: Instant,
) -> Option<pb::ShadowMove> {
    let rule = then.rule(inputs.clock).extended(granted(inputs.limit, in_force.rule(inputs.clock).limit));
    let deadline = of_rule(&rule, then.version(), calendar, inputs.start);
    let acted = record.end().map_or(now, |end| end.at);
    let (late, then_late) = (acted >= record.timing().late_from(), acted >= deadline.timing().late_from());
    (late != then_late).then(|| pb::ShadowMove {
        obligation_id: record.id.to_string(),
        clock: record.clock.clone(),
        case_id: record.case_id.map(|case| case.to_string()).unwrap_or_default(),
        due: Some(record.due.0.into()),
        then_due: Some(deadline.timing().due.into()),
        late,
        then_late,
    })
}

/// Working days that were granted beyond the limit (延期).
const fn granted(limit: Limit, rule: Limit) -> u32 {
    match (limit, rule) {
        (Limit::WorkingDays(limit), Limit::WorkingDays(rule)) => limit.saturating_sub(rule),
        _ => 0,
    }
}
