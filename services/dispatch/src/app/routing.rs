//! Checking, trying out and replacing the texts of the routing table and of the townships' authority.

use std::sync::Arc;

use dafei_dispatch_core::{
    authority::{Authority, CountyAuthority},
    problem::{Flaw, Problem, Problems},
    routing::{CountyTable, Table},
};
use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::{Fault, Violation};
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use prost::Message;

use crate::{
    app::{App, Rules},
    store::routing::{self, Kind, Stored},
};

/// Problems that an answer tells at most.
const TOLD: usize = 200;

/// A text that is to be tried or put in force.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
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
    pub(crate) by: Post,
    pub(crate) account: String,
}

/// What a sound text makes: the rules with it in place.
pub(crate) struct Candidate {
    /// The text's own version label.
    pub(crate) version: String,
    /// The routing table with the text in place; that in force for a text of the authority.
    pub(crate) table: Option<Table>,
}

/// Checks a text against what is in force beside it. Runs apart: it goes through every kind of case.
///
/// # Errors
/// When the check itself ends: a fault of ours.
pub(crate) async fn check(
    app: &App,
    rules: &Arc<Rules>,
    draft: &Draft,
) -> Result<Result<Candidate, Vec<Problem>>, Fault> {
    let (rules, own, roster) = (Arc::clone(rules), draft.clone(), app.roster.current());
    let checked = tokio::task::spawn_blocking(move || {
        let known = |code: &str| Region::new(Level::County, code).is_ok_and(|county| roster.get(&county).is_some());
        candidate(&rules, &own, known)
    });
    let checked = checked.await.map_err(Fault::internal)?;
    Ok(checked.map_err(|Problems(mut problems)| {
        problems.truncate(TOLD);
        problems
    }))
}

fn candidate(rules: &Rules, draft: &Draft, known: impl Fn(&str) -> bool) -> Result<Candidate, Problems> {
    let (text, county) = (draft.text.as_str(), draft.county.as_ref());
    match (draft.kind, county) {
        (Kind::Routing, None) => {
            let city = Table::read_new(text)?;
            let version = city.version().to_owned();
            let mut problems = strangers(city.counties(), known);
            let table = rules.with_city_table(city);
            problems.extend(table.check());
            Problems::none_of(problems, Candidate { version, table: Some(table) })
        }
        (Kind::Routing, Some(county)) => {
            let own = CountyTable::parse_new(text)?;
            let version = own.version().unwrap_or_default().to_owned();
            let table = rules.routing.clone().with_county(county, own);
            let prefix = format!("counties[{}].", county.code().as_str());
            let within = |mut problem: Problem| {
                problem.place = problem.place.strip_prefix(&prefix).map(str::to_owned).unwrap_or(problem.place);
                problem
            };
            let problems = table.check().into_iter().map(within).collect();
            Problems::none_of(problems, Candidate { version, table: Some(table) })
        }
        (Kind::Authority, None) => {
            let authority = Authority::parse(text)?;
            let problems = strangers(authority.counties(), known);
            let version = authority.version().to_owned();
            Problems::none_of(problems, Candidate { version, table: None })
        }
        (Kind::Authority, Some(_)) => {
            let version = CountyAuthority::parse(text)?.version().to_owned();
            Ok(Candidate { version, table: None })
        }
    }
}

/// Counties that the roster does not have.
fn strangers<'a>(codes: impl Iterator<Item = &'a str>, known: impl Fn(&str) -> bool) -> Vec<Problem> {
    let stranger = |code: &str| Problem {
        place: format!("counties[{code}]"),
        flaw: Flaw::UnknownCounty,
        detail: format!("{code} is not in the roster"),
    };
    codes.filter(|code| !known(code)).map(stranger).collect()
}

/// Puts a text in force: what begins after the commit goes by it. Of several at one time one wins.
///
/// # Errors
/// `ABORTED` with the current revision when the caller has seen another; `INVALID_ARGUMENT` with all problems of the text, or
/// `VERSION_USED`; `UNAVAILABLE` without the database.
pub(crate) async fn replace<A: Message + Default>(
    app: &App,
    ask: Replacement,
    answer: impl Fn(&Stored) -> A,
) -> Result<A, Fault> {
    let (key, hash) = ask.request;
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let (now, draft) = (once.now, ask.draft);
    let (kind, county) = (draft.kind, draft.county.as_ref());
    routing::lock(once.conn()).await.map_err(faults::database)?;
    let rules = app.rules.refresh(once.conn()).await.map_err(faults::database)?;
    let current = routing::find(once.conn(), kind, county, None).await.map_err(faults::database)?;
    let revision = current.map_or(0, |current| current.revision);
    if revision != ask.expected {
        return Err(Fault::OtherVersion { current: revision });
    }
    let version = check(app, &rules, &draft).await?.map_err(|problems| refused(&problems))?.version;
    if routing::find(once.conn(), kind, county, Some(&version)).await.map_err(faults::database)?.is_some() {
        let words = "这个版本号已经用过，请换一个";
        return Err(Fault::field("text/version", "VERSION_USED", format!("{version} was in force before"), words));
    }
    let by = Some((ask.by, ask.account));
    let new = Stored { county: draft.county, revision: revision + 1, version, text: draft.text, since: now, by };
    routing::append(once.conn(), kind, &new).await.map_err(faults::database)?;
    once.finish(answer(&new)).await
}

/// The problems of a text as a refusal: a violation each, with the place behind the field.
pub(crate) fn refused(problems: &[Problem]) -> Fault {
    let violation = |problem: &Problem| {
        let field = if problem.place.is_empty() { "text".to_owned() } else { format!("text/{}", problem.place) };
        let words = format!("{}（{}）", problem.flaw.zh(), problem.detail);
        Violation::new(field, problem.flaw.code(), problem.detail.clone(), words)
    };
    Fault::InvalidArgument { violations: problems.iter().map(violation).collect() }
}
