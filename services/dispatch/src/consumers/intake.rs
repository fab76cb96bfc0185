//! Intake's events: a report that went up or a tip becomes a case, tips of one matter come together, a publication closes a case, a snapshot
//! renews the roster.

use std::{collections::HashMap, sync::Arc};

use dafei_contracts::{
    Event,
    catalogue::EventError,
    convert::{self, ConvertError, Field},
    events::v1 as ev,
};
use dafei_dispatch_core::case::{Command, Facts, Means, Source};
use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    time::Instant,
};
use dafei_messaging::consumer::{Delivered, Handler, HandlerError};
use dafei_shell::roster::{RosterError, RosterPart};
use sqlx::PgConnection;

use crate::{
    app::App,
    consumers::{
        NAME,
        links::{Link, Links},
        retry, tips,
    },
    work::{Order, Work},
};

/// Takes DAFEI_INTAKE.
pub struct IntakeHandler {
    app: Arc<App>,
}

impl IntakeHandler {
    /// The service's handler.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// What an event of intake is to dispatch.
enum Meaning {
    Order(Box<Order>),
    Link(Link),
    Snapshot(Box<ev::RosterSnapshot>),
    Nothing,
}

impl Handler for IntakeHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let (mut steps, mut snapshots) = (Vec::new(), Vec::new());
        for (index, event) in events.iter().enumerate() {
            match meaning(event).map_err(|error| reject(index, &error))? {
                Meaning::Order(order) => steps.push((index, Step::Order(order))),
                Meaning::Link(link) => steps.push((index, Step::Link(link))),
                Meaning::Snapshot(snapshot) => snapshots.push((index, snapshot)),
                Meaning::Nothing => {}
            }
        }
        self.renew(conn, &snapshots).await?;
        if steps.is_empty() { Ok(()) } else { self.carry_out(conn, &steps).await }
    }
}

/// What changes cases, in the order of the stream.
enum Step {
    Order(Box<Order>),
    Link(Link),
}

impl IntakeHandler {
    async fn carry_out(&self, conn: &mut PgConnection, steps: &[(usize, Step)]) -> Result<(), HandlerError> {
        let (mut cases, mut opening, mut linked) = (Vec::new(), Vec::new(), Vec::new());
        for (_, step) in steps {
            match step {
                Step::Order(order) => cases.extend(order.case),
                Step::Link(link) => linked.push(*link),
            }
            if let Step::Order(order) = step
                && let Command::Open(facts) = &order.command
                && facts.tip.is_some()
            {
                opening.push(facts.id);
            }
        }
        let mut links = Links::load(conn, &opening, &linked).await?;
        cases.extend_from_slice(links.cases());
        let now = self.app.clock.now();
        let mut work = Work::load_cases(&self.app, conn, now, &cases).await?;
        if links.outdated(&work) {
            // A link would wait for a case that is open already, and be lost: read anew.
            return Err(HandlerError::Retry("a case was merged meanwhile".into()));
        }
        for (index, step) in steps {
            let done = match step {
                Step::Order(order) => work.carry_out(order).and_then(|case| links.opened(&mut work, case)),
                Step::Link(link) => links.take(&mut work, *link),
            };
            done.map_err(|refusal| reject(*index, &refusal))?;
        }
        links.save(conn).await?;
        work.save(conn).await.map_err(retry)
    }

    async fn renew(
        &self,
        conn: &mut PgConnection,
        snapshots: &[(usize, Box<ev::RosterSnapshot>)],
    ) -> Result<(), HandlerError> {
        // A snapshot says all of its region: of several of one region the last counts.
        let mut last = HashMap::new();
        for (index, snapshot) in snapshots {
            let part = RosterPart::try_from(&**snapshot).map_err(|error| reject(*index, &error))?;
            last.insert(part.region, *index);
        }
        let chosen: Vec<&ev::RosterSnapshot> = snapshots
            .iter()
            .filter(|(index, _)| last.values().any(|kept| kept == index))
            .map(|(_, snapshot)| &**snapshot)
            .collect();
        self.app.roster.apply(conn, &chosen).await.map_err(|error| match error {
            RosterError::Sql(error) => error.into(),
            error => HandlerError::Retry(Box::new(error)),
        })
    }
}

fn reject(index: usize, error: &dyn std::error::Error) -> HandlerError {
    HandlerError::Reject { index, reason: error.to_string() }
}

fn meaning(delivered: &Delivered) -> Result<Meaning, EventError> {
    let Some(event) = Event::from_json(&delivered.event_type, &delivered.payload)? else {
        return Ok(Meaning::Nothing);
    };
    let trace = delivered.traceparent.clone();
    Ok(match &event {
        Event::ReportedUp(report) => order(report.meta.as_ref(), &report.case_id, opening(report)?, trace)?,
        Event::ResultPublished(event) => order(event.meta.as_ref(), &event.case_id, Command::Publish, trace)?,
        Event::ReportWithdrawn(event) => order(event.meta.as_ref(), &event.case_id, Command::Withdraw, trace)?,
        Event::TipReceived(event) => match tips::opening(delivered, event)? {
            Some(order) => Meaning::Order(Box::new(order)),
            None => Meaning::Nothing,
        },
        Event::TipLinked(event) => Meaning::Link(tips::link(delivered, event)?),
        Event::RosterSnapshot(_) => match event {
            Event::RosterSnapshot(snapshot) => Meaning::Snapshot(Box::new(snapshot)),
            _ => Meaning::Nothing,
        },
        // The rest of the catalogue is not for dispatch.
        _ => Meaning::Nothing,
    })
}

fn order(
    meta: Option<&ev::EventMeta>,
    case_id: &str,
    command: Command,
    traceparent: Option<String>,
) -> Result<Meaning, ConvertError> {
    let meta = meta.required("meta")?;
    Ok(Meaning::Order(Box::new(Order {
        case: Some(convert::uuid("case_id", case_id)?),
        command,
        actor: meta.actor.as_ref().map(Post::try_from).transpose()?,
        guarded: false,
        expected_version: None,
        then: None,
        at: Some(received_at(meta)?),
        means: Means::Rpc,
        traceparent,
    })))
}

fn received_at(meta: &ev::EventMeta) -> Result<Instant, ConvertError> {
    convert::instant("meta.received_at", meta.received_at)
}

/// The case that a report opens; its regions are those of the event's own path.
fn opening(report: &ev::ReportedUp) -> Result<Command, ConvertError> {
    let meta = report.meta.as_ref().required("meta")?;
    let path: RegionPath =
        meta.region_path.parse().map_err(|_| ConvertError::invalid("meta.region_path", "is no region path"))?;
    let at = |level| path.at(level).cloned().required("meta.region_path");
    Ok(Command::Open(Box::new(Facts {
        id: convert::uuid("case_id", &report.case_id)?,
        source: Source::GridReport,
        act: convert::act("act", &report.act)?,
        act_text: report.act_text.clone(),
        subject: convert::subject("subject", report.subject.as_ref())?,
        village: report.village.as_ref().map(|village| convert::region("village", Some(village))).transpose()?,
        township: Some(at(Level::Township)?),
        county: Some(at(Level::County)?),
        path: path.clone(),
        description: report.description.clone(),
        found_at: convert::instant("found_at", report.found_at)?,
        reached_at: received_at(meta)?,
        tip: None,
        place: None,
        opened_by: None,
        finder: None,
    })))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dafei_kernel::ids;

    use super::{Delivered, Event, Instant, Meaning, ev, meaning};

    fn delivered(event: impl Into<Event>) -> Delivered {
        let event = event.into();
        let at = Instant::UNIX_EPOCH;
        Delivered {
            subject: "dafei.v1.village.371302.371302001.371302001001.fact".to_owned(),
            headers: BTreeMap::new(),
            event_id: ids::derived(&["event"]),
            event_type: event.kind().event_type.to_owned(),
            source: dafei_shell::publish::source("intake"),
            aggregate_id: ids::derived(&["case"]),
            sequence: 1,
            recorded_at: at,
            traceparent: None,
            payload: event.to_json().expect("JSON").into(),
            stream_sequence: 1,
            stored_at: at,
        }
    }

    #[test]
    fn what_a_village_does_before_it_reports_up_or_beside_the_case_changes_nothing_here() {
        let case_id = ids::derived(&["case"]).to_string();
        let beside = [
            delivered(ev::ReportMerged { case_id: case_id.clone(), ..Default::default() }),
            delivered(ev::SuspicionReopened { case_id: case_id.clone(), ..Default::default() }),
            delivered(ev::HelpGiven { case_id, ..Default::default() }),
        ];
        for event in beside {
            assert!(matches!(meaning(&event), Ok(Meaning::Nothing)), "{}", event.event_type);
        }
    }
}
