//! What is announced of the obligations of a region, for a screen that follows it.

use dafei_contracts::{Event, events::v1 as ev, sla::v1 as pb, subject::PREFIX};
use dafei_kernel::region::{Level, Region, RegionPath};
use dafei_runtime::status::Fault;
use dafei_shell::{
    roster::RosterView,
    watch::{Cursor, Follow},
};

use super::lies_in;

/// One region's watcher.
pub(super) struct BreachWatch {
    pub(super) roster: RosterView,
    pub(super) region: Region,
    /// Path of the region now.
    pub(super) path: RegionPath,
}

/// What the tokens of a region's watchers are bound to.
pub(super) fn bound_to(region: &Region) -> pb::WatchBreachesRequest {
    pb::WatchBreachesRequest { region: Some(region.into()), watch_token: String::new() }
}

impl BreachWatch {
    fn token(&self, cursor: Cursor) -> String {
        cursor.token(&bound_to(&self.region))
    }
}

impl Follow for BreachWatch {
    type Answer = pb::WatchBreachesResponse;

    fn subjects(&self) -> Vec<String> {
        let code = |level| self.path.at(level).map_or("*", |region| region.code().as_str());
        // A township that has changed its county keeps what it owed before.
        vec![match self.region.level() {
            Level::City => format!("{PREFIX}.sla.>"),
            Level::County => format!("{PREFIX}.sla.*.{}.>", code(Level::County)),
            Level::Township | Level::WorkArea => format!("{PREFIX}.sla.*.*.{}.>", code(Level::Township)),
            Level::Village => format!("{PREFIX}.sla.*.*.*.{}.>", code(Level::Village)),
        }]
    }

    fn answer(&self, event: Event, cursor: Cursor) -> Result<Option<Self::Answer>, Fault> {
        let path = event.region_path().map_err(Fault::internal)?;
        if !lies_in(&self.region, &path, &self.roster.current()) {
            return Ok(None);
        }
        let at = event.meta().and_then(|meta| meta.received_at);
        let fact = event.kind().fact;
        Ok(obligation(event).map(|obligation| pb::WatchBreachesResponse {
            fact: fact.to_owned(),
            obligation: Some(obligation),
            at,
            watch_token: self.token(cursor),
        }))
    }

    fn heartbeat(&self, cursor: Cursor) -> Self::Answer {
        pb::WatchBreachesResponse { watch_token: self.token(cursor), ..Default::default() }
    }
}

fn obligation(event: Event) -> Option<ev::Obligation> {
    match event {
        Event::Warned(event) => event.obligation,
        Event::Breached(event) => event.obligation,
        Event::Reminded(event) => event.obligation,
        Event::Settled(event) => event.obligation,
        Event::Cancelled(event) => event.obligation,
        Event::Annulled(event) => event.obligation,
        Event::Extended(event) => event.obligation,
        Event::Provisional(event) => event.obligation,
        _ => None,
    }
}
