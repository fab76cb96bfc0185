//! Results of the quarterly evaluation (clause E1): each one below the mark opens an entry for the post as it was held when the quarter ended.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
};
use dafei_kernel::{
    ids,
    owner::Post,
    period::{Cycle, Period},
    region::RegionPath,
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::consumer::Delivered;
use dafei_sla_core::accountability::{Basis, Charge, Draft};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::reports::{Report, What};
use crate::facts::FactError;

/// CloudEvents type of the closing of a round; others need not be parsed.
const CLOSED: &str = "dafei.events.v1.EvaluationClosed";

/// A post whose result is below the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Low {
    pub(crate) post: Post,
    /// Hundredths of a point.
    pub(crate) score: u32,
}

/// The last instant before another, as finely as instants are stored.
fn last_of(end: Instant) -> Instant {
    end.checked_sub(SignedDuration::from_micros(1)).unwrap_or(end)
}

/// What a closing says of those below the mark; none when nobody is.
///
/// # Errors
/// When the event lacks what an entry needs.
pub(crate) fn of_event(delivered: &Delivered) -> Result<Option<Report>, FactError> {
    if delivered.event_type != CLOSED {
        return Ok(None);
    }
    let Some(Event::EvaluationClosed(event)) = Event::from_json(&delivered.event_type, &delivered.payload)? else {
        return Ok(None);
    };
    let low: Vec<Low> =
        event.results.iter().filter(|result| result.below_mark).map(low).collect::<Result<_, ConvertError>>()?;
    if low.is_empty() {
        return Ok(None);
    }
    let period: Option<Period> = event.quarter.parse().ok().filter(|period: &Period| period.cycle() == Cycle::Quarter);
    let quarter = period.ok_or_else(|| ConvertError::invalid("quarter", "is no quarter"))?;
    let meta = event.meta.as_ref().required("meta")?;
    let what = What::Evaluation { quarter: quarter.to_string(), ended_at: quarter.end(), mark: event.mark, low };
    Ok(Some(Report {
        event: delivered.event_id,
        sequence: delivered.sequence,
        case_id: None,
        recorded_at: convert::instant("meta.received_at", meta.received_at)?,
        path: Event::from(event).region_path()?,
        what,
    }))
}

fn low(result: &pb::EvaluationResult) -> Result<Low, ConvertError> {
    let post = result.evaluated.as_ref().required("results.evaluated")?;
    let post = Post::try_from(post).map_err(|error| error.under("results.evaluated"))?;
    Ok(Low { post, score: result.score })
}

impl Report {
    /// The entry of one below the mark: one a post and quarter, however often the closing is told. None when the post lies nowhere below the county.
    pub(super) fn low(
        &self,
        low: &Low,
        quarter: &str,
        (ended_at, mark): (Instant, u32),
        roster: &RosterIndex,
    ) -> Option<Draft> {
        // Through the county that was evaluated, wherever the roster has the township by now: its office decides.
        let path = if self.path.is_within(&low.post.region) {
            self.path.clone()
        } else {
            RegionPath::new([self.path.regions(), std::slice::from_ref(&low.post.region)].concat()).ok()?
        };
        let basis =
            Basis::Evaluation { quarter: quarter.to_owned(), ended_at, score: low.score, mark, event: self.event };
        Some(Draft {
            id: ids::derived(&[
                "accountability",
                "evaluation",
                &self.path.leaf().to_string(),
                quarter,
                &low.post.to_string(),
            ]),
            basis,
            // Whoever takes over with the new quarter has done nothing of it yet.
            charge: Charge::Post { direct: roster.owner_at(&low.post, last_of(ended_at)), loop_owner: None },
            path,
            case_id: None,
            sector: None,
        })
    }
}
