//! Checking and replacing the texts of the rules.

use dafei_kernel::{clock::SharedClock, owner::Post, region::Region, time::Instant};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::{Fault, Violation};
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use dafei_sla_core::{
    CountyRules, Rules,
    rules::{Problem, Problems},
};
use prost::Message;
use sqlx::PgPool;

use crate::store::{
    facts,
    texts::{self, Stored},
};

/// Problems that an answer tells at most.
pub(crate) const TOLD: usize = 200;

/// A text that is to be tried or put in force.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The county whose own it is; none for the whole city's.
    pub(crate) county: Option<Region>,
    pub(crate) text: String,
}

/// A replacement on its way.
pub(crate) struct Replacement {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) draft: Draft,
    /// The revision that the caller has seen; 0 for none.
    pub(crate) expected: i64,
    /// From when it is to be in force; now when none is given.
    pub(crate) from: Option<Instant>,
    pub(crate) by: Post,
    pub(crate) account: String,
}

/// The version label of a sound text.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn check(draft: &Draft) -> Result<String, Problems> {
    if draft.county.is_some() {
        CountyRules::parse(&draft.text).map(|rules| rules.version().to_owned())
    } else {
        Rules::parse_new(&draft.text).map(|rules| rules.version().to_owned())
    }
}

/// Keeps a text: what starts from its instant on goes by it. Of several at one time one wins.
///
/// # Errors
/// `ABORTED` with the current revision when the caller has seen another; `INVALID_ARGUMENT` with all problems of the text, `VERSION_USED` or
/// `IN_THE_PAST`; `UNAVAILABLE` without the database.
pub(crate) async fn replace<A: Message + Default>(
    pool: &PgPool,
    clock: &SharedClock,
    ask: Replacement,
    answer: impl Fn(&Stored) -> A,
) -> Result<A, Fault> {
    let (key, hash) = ask.request;
    let mut once = match Once::begin(pool, &**clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    // Facts are taken under the same lock: what starts after this instant is taken by the new text.
    facts::lock(once.conn()).await.map_err(faults::database)?;
    let now = clock.now();
    let draft = ask.draft;
    let county = draft.county.as_ref();
    let newest = texts::newest(once.conn(), county).await.map_err(faults::database)?;
    if newest != ask.expected {
        return Err(Fault::OtherVersion { current: newest });
    }
    let from = ask.from.unwrap_or(now);
    if from < now {
        let words = "生效时间不能早于当前时间";
        return Err(Fault::field("in_force_from", "IN_THE_PAST", format!("{from} lies before {now}"), words));
    }
    let version = check(&draft).map_err(|problems| refused(&problems))?;
    if texts::of_version(once.conn(), county, &version).await.map_err(faults::database)?.is_some() {
        let words = "这个版本号已经用过，请换一个";
        return Err(Fault::field("text/version", "VERSION_USED", format!("{version} was kept before"), words));
    }
    let by = Some((ask.by, ask.account));
    let new = Stored { county: draft.county, revision: newest + 1, version, text: draft.text, from, kept: now, by };
    texts::append(once.conn(), &new).await.map_err(faults::database)?;
    once.finish(answer(&new)).await
}

/// The problems of a text as a refusal: a violation each, with line and clock behind the field.
pub(crate) fn refused(Problems(problems): &Problems) -> Fault {
    let violation = |problem: &Problem| {
        let field = match &problem.clock {
            Some(clock) => format!("text/{}/{clock}", problem.line),
            None => format!("text/{}", problem.line),
        };
        let words = format!("第{}行：{}（{}）", problem.line, problem.flaw.zh(), problem.detail);
        Violation::new(field, problem.flaw.code(), problem.detail.clone(), words)
    };
    Fault::InvalidArgument { violations: problems.iter().take(TOLD).map(violation).collect() }
}
