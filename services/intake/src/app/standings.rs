//! How the villages of a region stand with their notices (clause D5), or only those that lack places: also a village that never had
//! a notice, which only the roster knows.

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_intake_core::notices::lacking;
use dafei_kernel::{region::Region, roster::RosterIndex};
use dafei_runtime::status::Fault;
use dafei_shell::faults;

use super::villages::{self, Place};
use crate::{
    app::App,
    store::notices::{self, Standing},
};

/// Villages of one statement.
const CHUNK: usize = 5_000;
/// Statements of one page: a page may end early and say where to go on.
const CHUNKS: usize = 4;

/// Which villages.
pub(crate) struct Asked<'a> {
    pub(crate) region: &'a Region,
    pub(crate) only_lacking: bool,
    pub(crate) after: Option<Place>,
    pub(crate) limit: usize,
}

/// A page of villages, and the place after which the next one begins; none at the end.
///
/// # Errors
/// When the database is away.
pub(crate) async fn list(
    app: &App,
    roster: &RosterIndex,
    asked: &Asked<'_>,
) -> Result<(Vec<api::VillageStanding>, Option<Place>), Fault> {
    let required = app.notices.required;
    let all = villages::of(roster, asked.region);
    let mut rest = &all[villages::after(roster, &all, asked.after.as_ref())..];
    let mut page = Vec::new();
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    for _ in 0..CHUNKS {
        let (chunk, beyond) = rest.split_at(rest.len().min(CHUNK));
        let codes: Vec<&str> = chunk.iter().map(|village| village.code().as_str()).collect();
        let missing = i64::try_from(asked.limit - page.len()).unwrap_or(i64::MAX);
        let lacking_of = asked.only_lacking.then_some(required);
        let found = notices::standings(&mut conn, &codes, lacking_of, missing).await.map_err(faults::database)?;
        page.extend(found.iter().filter_map(|one| Some(standing(roster, chunk.get(one.place)?, one, required))));
        let full = page.len() >= asked.limit;
        let last = if full { found.last().map_or(0, |one| one.place + 1) } else { chunk.len() };
        rest = if full { &rest[last..] } else { beyond };
        if full || rest.is_empty() {
            break;
        }
    }
    let shown = all.len() - rest.len();
    let next = (!rest.is_empty() && shown > 0).then(|| villages::place(roster, all[shown - 1]));
    Ok((page, next))
}

fn standing(roster: &RosterIndex, village: &Region, standing: &Standing, required: u32) -> api::VillageStanding {
    let Standing { valid_places, close_pairs, .. } = *standing;
    api::VillageStanding {
        village: Some(village.into()),
        name: roster.get(village).map(|entry| entry.name.clone()).unwrap_or_default(),
        standing: Some(ev::NoticeStanding { valid_places, close_pairs, required }),
        lacking: lacking(valid_places, close_pairs, required),
    }
}
