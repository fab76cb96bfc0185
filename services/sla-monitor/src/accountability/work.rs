//! What is done to entries, in the caller's transaction.

use std::collections::HashMap;

use dafei_kernel::{
    ids,
    owner::{Owner, Post},
    region::{Level, RegionPath},
    role::Role,
    roster::RosterIndex,
    sector::Sector,
    time::Instant,
};
use dafei_messaging::{
    event::NewEvent,
    log::{self, AppendError},
};
use dafei_runtime::status::Fault;
use dafei_shell::{faults, once};
use dafei_sla_core::{
    Clock,
    accountability::{
        Basis, Charge, Command, Context, Draft, Entry, Obstacle, Rejection, VillageRules, decide, evolve,
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Ledger, events};
use crate::store::accountability::{
    entries::{self, Kept},
    queue::Breach,
    rules,
};

/// The id of the entry of a breach.
pub(crate) fn entry_of(obligation: Uuid) -> Uuid {
    ids::derived(&["accountability", "breach", &obligation.to_string()])
}

/// The entry that a breach opens; none when it cannot be charged for: its clock or regions are not known here.
pub(crate) fn of_breach(breach: &Breach, roster: &RosterIndex) -> Option<Draft> {
    let clock: Clock = breach.clock.parse().ok()?;
    let path: RegionPath = breach.region_path.parse().ok()?;
    // A case's path does not name the work area, nor that of a post elsewhere.
    let path =
        if path.is_within(&breach.direct.post.region) { path } else { roster.path(&breach.direct.post.region)? };
    Some(Draft {
        id: entry_of(breach.id),
        basis: Basis::Breach { obligation: breach.id, clock, started_at: breach.started_at, due: breach.due },
        charge: Charge::Post { direct: breach.direct.clone(), loop_owner: Some(breach.loop_owner.clone()) },
        path,
        case_id: breach.case_id,
        sector: breach.sector.parse::<Sector>().ok(),
    })
}

/// The owners of the posts of township and county that answer for an accident (clause E5), as held on that date.
pub(crate) fn accident_owners(path: &RegionPath, roster: &RosterIndex, at: Instant) -> Vec<Owner> {
    [
        (Role::TownshipPrincipal, Level::Township),
        (Role::TownshipCentre, Level::Township),
        (Role::CountyOffice, Level::County),
        (Role::CountyCommander, Level::County),
    ]
    .into_iter()
    .filter_map(|(role, level)| Some(Post { role, region: path.at(level)?.clone(), agency: None }))
    .map(|post| roster.owner_at(&post, at))
    .collect()
}

/// Entries that are to be opened, decided on: with their events, unwritten.
pub(crate) struct Opening {
    pub(crate) kept: Vec<(Kept, NewEvent)>,
    pub(crate) refused: Vec<(Uuid, Rejection)>,
}

impl Ledger {
    /// Decides which of these entries can be opened.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn draw_up(
        &self,
        conn: &mut PgConnection,
        drafts: Vec<Draft>,
        actor: Option<&Post>,
        now: Instant,
    ) -> Result<Opening, Fault> {
        let county = |draft: &Draft| draft.path.at(Level::County).map(|region| region.code().to_string());
        let mut counties: Vec<String> = drafts.iter().filter_map(county).collect();
        counties.sort_unstable();
        counties.dedup();
        let village = rules::of_counties(conn, &counties).await.map_err(faults::database)?;
        let default = VillageRules::default();
        let in_force = self.terms.current();
        let mut opening = Opening { kept: Vec::with_capacity(drafts.len()), refused: Vec::new() };
        for draft in drafts {
            let (id, county) = (draft.id, county(&draft));
            let village = county.and_then(|county| village.get(&county)).unwrap_or(&default);
            let context = Context { now, calendar: &in_force.calendar, village };
            match decide(None, &Command::Open(Box::new(draft)), &context) {
                Err(rejection) => opening.refused.push((id, rejection)),
                Ok(event) => {
                    let entry = evolve(None, &event).ok_or_else(|| Fault::internal("an entry that was not opened"))?;
                    let mut kept = Kept { entry, chain_head: String::new() };
                    let row = events::encode(&mut kept, &event, actor, now).map_err(Fault::internal)?;
                    opening.kept.push((kept, row));
                }
            }
        }
        Ok(opening)
    }

    /// Writes opened entries; says which are new. Their events are still to be appended.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn write_opened(
        &self,
        conn: &mut PgConnection,
        opened: Vec<(Kept, NewEvent)>,
    ) -> Result<Vec<(Uuid, NewEvent)>, Fault> {
        if opened.is_empty() {
            return Ok(Vec::new());
        }
        let (kept, rows): (Vec<Kept>, Vec<NewEvent>) = opened.into_iter().unzip();
        let mut rows: HashMap<Uuid, NewEvent> = rows.into_iter().map(|row| (row.aggregate_id, row)).collect();
        let fresh = entries::insert(conn, &kept).await.map_err(faults::database)?;
        // In the order in which they were drawn up.
        let ids = kept.iter().map(|kept| kept.entry.id).filter(|id| fresh.contains(id));
        Ok(ids.filter_map(|id| Some((id, rows.remove(&id)?))).collect())
    }

    /// What a command makes of an entry that is locked; its event is still to be appended.
    ///
    /// # Errors
    /// When the rules refuse it, or the database is away.
    pub(crate) async fn change(
        &self,
        conn: &mut PgConnection,
        kept: Option<Kept>,
        command: &Command,
        actor: Option<&Post>,
        now: Instant,
    ) -> Result<(Kept, NewEvent), Fault> {
        let village = VillageRules::default();
        let in_force = self.terms.current();
        let context = Context { now, calendar: &in_force.calendar, village: &village };
        let event = decide(kept.as_ref().map(|kept| &kept.entry), command, &context).map_err(|why| refused(&why))?;
        let (entry, chain_head) = kept.map_or((None, String::new()), |kept| (Some(kept.entry), kept.chain_head));
        let entry = evolve(entry, &event).ok_or_else(|| Fault::internal("an event without its entry"))?;
        let mut kept = Kept { entry, chain_head };
        let row = events::encode(&mut kept, &event, actor, now).map_err(Fault::internal)?;
        entries::update(conn, std::slice::from_ref(&kept)).await.map_err(faults::database)?;
        Ok((kept, row))
    }

    /// Whether a step is of the post that takes it, wherever the entry stands.
    ///
    /// # Errors
    /// When it is another's.
    pub(crate) fn permit(&self, entry: &Entry, command: &Command, now: Instant) -> Result<(), Fault> {
        let village = VillageRules::default();
        let in_force = self.terms.current();
        let context = Context { now, calendar: &in_force.calendar, village: &village };
        match decide(Some(entry), command, &context) {
            Err(why) if matches!(why.obstacle, Obstacle::Actor) => Err(refused(&why)),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Appends events.
///
/// # Errors
/// When the log refuses an event, or the database is away.
pub(crate) async fn append(conn: &mut PgConnection, rows: &[NewEvent]) -> Result<(), Fault> {
    log::append(conn, rows).await.map_err(|error: AppendError| once::failed(error.into()))
}

/// A refusal of the rules, as a call fails by it.
pub(crate) fn refused(rejection: &Rejection) -> Fault {
    let (reason, zh, english) = (rejection.reason.code(), rejection.reason.zh(), rejection.obstacle.to_string());
    match &rejection.obstacle {
        Obstacle::Actor => Fault::denied(reason, zh),
        Obstacle::State(state) => Fault::precondition(reason, format!("entry/{}", state.code()), english, zh),
        Obstacle::Field(field) => Fault::field(field.clone(), reason, english, zh),
        Obstacle::Absent => Fault::not_found("entry", "", zh),
    }
}
