//! What is seen of rounds, and by whom.

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{owner::Post, region::Level, roster::RosterIndex};
use dafei_reporting_core::evaluation::{self as core, Direction, Sight, State, measured::Figure, standings};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use prost::Message as _;
use sqlx::PgConnection;

use super::{
    Evaluations, evaluated_post,
    wire::{self, Figures},
    within,
};
use crate::store::{
    activity_read::counties,
    evaluation::{self as store, Kept, Key, Page},
};

/// Cursor of a page: evaluator and evaluated of its last one.
type Cursor = (String, String);

fn state(state: State) -> pb::EvaluationState {
    match state {
        State::Open => pb::EvaluationState::Open,
        State::Complete => pb::EvaluationState::Complete,
        State::Closed => pb::EvaluationState::Closed,
    }
}

/// Cuts what is one more than asked for; the token of the next page.
fn cut<T>(rows: &mut Vec<T>, size: i64, filter: &impl prost::Message, last: impl Fn(&T) -> Cursor) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let full = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| full).map(|row| paging::encode(&last(row), filter)).unwrap_or_default()
}

fn page(token: &str, size: i64, filter: &impl prost::Message) -> Result<Page, Fault> {
    Ok(Page { after: paging::decode::<Cursor>(token, filter)?.unwrap_or_default(), limit: size + 1 })
}

impl Evaluations {
    /// A round as its sheets say now.
    pub(super) async fn computed(
        &self,
        conn: &mut PgConnection,
        key: &Key,
        kept: &Kept,
        roster: &RosterIndex,
    ) -> Result<pb::Evaluation, Fault> {
        let scored = store::scored(&mut *conn, key).await.map_err(faults::database)?;
        let deeds = |direction| Figure::of(direction).iter().flat_map(Figure::deeds).collect::<Vec<&str>>();
        let (of_townships, of_departments) = (deeds(Direction::OfTownships), deeds(Direction::OfDepartments));
        let townships: Vec<String> = scored
            .iter()
            .filter(|one| one.evaluated.region.level() == Level::Township)
            .map(|one| one.evaluated.region.code().to_string())
            .collect();
        let counties = counties(roster);
        let places = (townships.as_slice(), counties.as_slice());
        let found = store::deeds(conn, key, places, &of_townships, &of_departments).await.map_err(faults::database)?;
        let (figures, mark) = (Figures::of(found), kept.criteria.mark);
        let side = |direction| wire::evaluated(direction, standings(direction, &scored, mark), &figures, roster);
        let round = &kept.round;
        Ok(pb::Evaluation {
            county: Some((&key.county).into()),
            quarter: key.quarter.to_string(),
            state: state(round.state()).into(),
            opened_at: Some(kept.opened_at.into()),
            due: Some(core::due(key.quarter).into()),
            completed_at: round.completed_at.map(Into::into),
            closed_at: round.closed_at.map(Into::into),
            expected: round.expected,
            submitted: round.submitted,
            criteria_version: kept.criteria.version.clone(),
            mark,
            departments: side(Direction::OfDepartments),
            townships: side(Direction::OfTownships),
        })
    }

    /// A round that was just opened.
    pub(super) async fn current(
        &self,
        conn: &mut PgConnection,
        key: &Key,
        roster: &RosterIndex,
    ) -> Result<pb::Evaluation, Fault> {
        let kept = store::round(&mut *conn, key).await.map_err(faults::database)?;
        let kept = kept.ok_or_else(|| Fault::internal("a round that was opened is not there"))?;
        self.computed(conn, key, &kept, roster).await
    }

    /// A round that the caller has to do with.
    async fn seen(
        &self,
        conn: &mut PgConnection,
        caller: &Principal,
        key: &Key,
        roster: &RosterIndex,
    ) -> Result<Kept, Fault> {
        if !within(caller, roster, &key.county) {
            // Of a township that the county no longer administers the round goes on.
            let part = store::part(&mut *conn, key, &scope::post(caller), None).await.map_err(faults::database)?;
            if !part.scores {
                return Err(scope::out_of_scope());
            }
        }
        let kept = store::round(conn, key).await.map_err(faults::database)?;
        kept.ok_or_else(|| {
            Fault::not_found("evaluation", format!("{} {}", key.county, key.quarter), "该季度评议尚未开启")
        })
    }

    pub(super) async fn shown(
        &self,
        caller: &Principal,
        body: &pb::GetEvaluationRequest,
    ) -> Result<pb::GetEvaluationResponse, Fault> {
        let roster = self.roster.current();
        let (key, _) = self.key(caller, &roster, body.county.as_ref(), &body.quarter)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let kept = self.seen(&mut conn, caller, &key, &roster).await?;
        if kept.round.state() == State::Closed {
            let evaluation = pb::Evaluation::decode(kept.results.as_slice()).map_err(Fault::internal)?;
            return Ok(pb::GetEvaluationResponse { evaluation: Some(evaluation) });
        }
        let mut evaluation = self.computed(&mut conn, &key, &kept, &roster).await?;
        if !core::sight(caller.role).sees_scores(kept.round.state()) {
            wire::without_scores(&mut evaluation);
        }
        Ok(pb::GetEvaluationResponse { evaluation: Some(evaluation) })
    }

    /// The post to whose own sheets the caller is confined; none when it sees all of them.
    fn confined(caller: &Principal) -> Result<Option<Post>, Fault> {
        match core::sight(caller.role) {
            Sight::All => Ok(None),
            Sight::Own => Ok(Some(scope::post(caller))),
            Sight::Results => Err(Fault::denied("ROLE_NOT_ALLOWED", "您的岗位无权查看评议表")),
        }
    }

    pub(super) async fn sheets(
        &self,
        caller: &Principal,
        body: &pb::ListSheetsRequest,
    ) -> Result<pb::ListSheetsResponse, Fault> {
        let roster = self.roster.current();
        let (key, _) = self.key(caller, &roster, body.county.as_ref(), &body.quarter)?;
        let own = Self::confined(caller)?;
        let evaluated = body.evaluated.as_ref().map(|wire| evaluated_post(Some(wire))).transpose()?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListSheetsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let page = page(&body.page_token, size, &filter)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let kept = self.seen(&mut conn, caller, &key, &roster).await?;
        // What others said of it a post learns once the round is closed.
        let own = own.as_ref().map(|post| (post, kept.round.state() == State::Closed));
        let found = store::sheets(&mut *conn, &key, evaluated.as_ref(), own, &page).await;
        let mut found = found.map_err(faults::database)?;
        let last = |sheet: &store::Sheet| (sheet.pair.evaluator.to_string(), sheet.pair.evaluated.to_string());
        let next_page_token = cut(&mut found, size, &filter, last);
        Ok(pb::ListSheetsResponse { sheets: found.into_iter().map(wire::sheet).collect(), next_page_token })
    }

    pub(super) async fn missing(
        &self,
        caller: &Principal,
        body: &pb::ListMissingSheetsRequest,
    ) -> Result<pb::ListMissingSheetsResponse, Fault> {
        let roster = self.roster.current();
        let (key, _) = self.key(caller, &roster, body.county.as_ref(), &body.quarter)?;
        let own = Self::confined(caller)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListMissingSheetsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let page = page(&body.page_token, size, &filter)?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        self.seen(&mut conn, caller, &key, &roster).await?;
        let mut found = store::missing(&mut *conn, &key, own.as_ref(), &page).await.map_err(faults::database)?;
        let last = |pair: &core::Pair| (pair.evaluator.to_string(), pair.evaluated.to_string());
        let next_page_token = cut(&mut found, size, &filter, last);
        let wire = |pair: &core::Pair| pb::MissingSheet {
            evaluator: Some((&pair.evaluator).into()),
            evaluated: Some((&pair.evaluated).into()),
        };
        Ok(pb::ListMissingSheetsResponse { missing: found.iter().map(wire).collect(), next_page_token })
    }
}
