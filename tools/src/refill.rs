//! Filling a wiped NATS again from the event logs of the services' databases.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, bail};
use dafei_contracts::{
    Event, Stream,
    events::v1::{Assignee, ReceiptStatus},
};
use dafei_messaging::{
    log::{self, LoggedEvent},
    refill,
    streams::StreamSpec,
};
use sqlx::PgPool;

use crate::client::{self, Service, ServiceKey};

/// Refills the streams of these services; all four when none is named. The agencies' stream gets only the instructions that are still
/// open: what is done must not be played to them again.
///
/// # Errors
/// When a name is unknown, a database or NATS is away, or a stream is not empty.
pub async fn run(names: &[String]) -> Result<()> {
    let services = chosen(names)?;
    let replicas = replicas()?;
    let nats = connect_bus().await?;
    let js = async_nats::jetstream::new(nats);
    for service in services {
        let url = client::setting(service.key(ServiceKey::DatabaseUrl))?;
        let pool = PgPool::connect(&url).await.with_context(|| format!("the database of {}", service.name()))?;
        let specs = specs(service, replicas);
        for done in refill::refill(&pool, &js, &specs).await.with_context(|| service.name().to_owned())? {
            tell(service, &done);
        }
        if service == Service::Dispatch {
            let done = done_instructions(&pool).await?;
            let spec = spec(Stream::Agency, replicas);
            let open = |event: &LoggedEvent| is_open(event, &done);
            tell(service, &refill::refill_chosen(&pool, &js, &spec, open).await.context("the agencies' stream")?);
        }
        pool.close().await;
    }
    Ok(())
}

fn tell(service: Service, done: &refill::Refilled) {
    println!("{}: {} 条事件已重新写入 {}", service.name(), done.events, done.stream);
}

/// What the log says to be done with.
#[derive(Default)]
struct Done {
    /// Instructions that were answered, or fell away with their assignment or their case.
    instructions: HashSet<String>,
    /// Those of each case that did not fall away yet.
    of_case: HashMap<String, Vec<String>>,
}

impl Done {
    fn issued(&mut self, case: &str, assignees: impl IntoIterator<Item = Assignee>) {
        let ids = assignees.into_iter().map(|assignee| assignee.instruction_id);
        self.of_case.entry(case.to_owned()).or_default().extend(ids);
    }

    /// What a case had been given falls away; what it is given later does not.
    fn fell_away(&mut self, case: &str) {
        self.instructions.extend(self.of_case.remove(case).unwrap_or_default());
    }

    fn take(&mut self, event: Event) {
        let answered = match event {
            Event::AgencyInstructed(event) => return self.issued(&event.case_id, event.assignee),
            Event::DepartmentInstructed(event) => return self.issued(&event.case_id, event.assignees),
            Event::ReworkOrdered(event) => return self.issued(&event.case_id, event.assignee),
            Event::CaseClosed(event) => return self.fell_away(&event.case_id),
            Event::CaseMerged(event) => return self.fell_away(&event.case_id),
            Event::CaseWithdrawn(event) => return self.fell_away(&event.case_id),
            Event::AssignmentReturned(event) => {
                if event.assignee.as_ref().is_some_and(|assignee| assignee.lead) {
                    self.fell_away(&event.case_id);
                }
                event.assignee
            }
            Event::ResultSubmitted(event) => event.assignee,
            Event::DepartmentResponded(event) => event.assignee,
            Event::AuthorityDeclined(event) => event.assignee,
            // Whoever got a receipt for what it said to an instruction has it.
            Event::Receipt(event) if event.status() == ReceiptStatus::Accepted => {
                self.instructions.insert(event.instruction_id);
                return;
            }
            _ => return,
        };
        self.instructions.extend(answered.map(|assignee| assignee.instruction_id));
    }
}

async fn done_instructions(pool: &PgPool) -> Result<Done> {
    let mut conn = pool.acquire().await?;
    let mut done = Done::default();
    for stream in [Stream::Dispatch, Stream::Agency] {
        let mut after = 0;
        loop {
            let page = log::of_stream(&mut conn, stream.name(), after, 1_000).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in &page {
                if let Some(event) = Event::from_json(&event.event_type, &event.payload)? {
                    done.take(event);
                }
            }
        }
    }
    Ok(done)
}

/// Whether an event of the agencies' stream is an instruction that still waits for its agency. One that was sent more than once goes out
/// as often: its agency knows it by its id.
fn is_open(event: &LoggedEvent, done: &Done) -> bool {
    match Event::from_json(&event.event_type, &event.payload) {
        Ok(Some(Event::Instruction(event))) => !done.instructions.contains(&event.instruction_id),
        _ => false,
    }
}

fn chosen(names: &[String]) -> Result<Vec<Service>> {
    if names.is_empty() {
        return Ok(Service::ALL.to_vec());
    }
    names
        .iter()
        .map(|name| {
            Service::from_name(name)
                .with_context(|| format!("{name:?} is no service: {}", Service::ALL.map(Service::name).join(", ")))
        })
        .collect()
}

/// The streams that a service publishes and that others may read again.
fn specs(service: Service, replicas: usize) -> Vec<StreamSpec> {
    Stream::ALL
        .into_iter()
        .filter(|stream| stream.publisher() == Some(service.name()) && *stream != Stream::Agency)
        .map(|stream| spec(stream, replicas))
        .collect()
}

fn spec(stream: Stream, replicas: usize) -> StreamSpec {
    StreamSpec::new(stream.name(), stream.subjects().iter().copied()).on(replicas)
}

/// As the services have it: a stream that is made here must not have fewer replicas than theirs.
fn replicas() -> Result<usize> {
    let Ok(text) = client::setting("DAFEI_NATS_REPLICAS") else { return Ok(1) };
    let replicas: Option<usize> = text.parse().ok();
    replicas.filter(|replicas| (1..=5).contains(replicas)).context("DAFEI_NATS_REPLICAS: 1 to 5")
}

/// The bus by `DAFEI_NATS_URL`, with `DAFEI_NATS_USER` and `DAFEI_NATS_PASSWORD` or `DAFEI_NATS_CREDS` where given.
///
/// # Errors
/// When it does not answer.
pub async fn connect_bus() -> Result<async_nats::Client> {
    let url = client::setting("DAFEI_NATS_URL")?;
    let options = match (
        client::setting("DAFEI_NATS_USER"),
        client::setting("DAFEI_NATS_PASSWORD"),
        client::setting("DAFEI_NATS_CREDS"),
    ) {
        (Ok(user), Ok(password), _) => async_nats::ConnectOptions::with_user_and_password(user, password),
        (_, _, Ok(creds)) => async_nats::ConnectOptions::with_credentials_file(creds).await?,
        (Ok(_), Err(_), Err(_)) => bail!("DAFEI_NATS_USER needs DAFEI_NATS_PASSWORD"),
        (Err(_), _, Err(_)) => async_nats::ConnectOptions::new(),
    };
    options.connect(client::servers(&url)).await.with_context(|| format!("NATS at {url}"))
}

#[cfg(test)]
mod tests {
    use dafei_contracts::{Event, events::v1 as ev};

    use super::Done;

    fn assignee(id: &str, lead: bool) -> Option<ev::Assignee> {
        Some(ev::Assignee { instruction_id: id.to_owned(), post: None, lead })
    }

    fn instructed(case: &str, ids: &[&str]) -> Event {
        let assignees = ids.iter().enumerate().filter_map(|(place, id)| assignee(id, place == 0)).collect();
        ev::DepartmentInstructed { case_id: case.to_owned(), assignees, ..Default::default() }.into()
    }

    fn done(events: Vec<Event>) -> Vec<String> {
        let mut done = Done::default();
        events.into_iter().for_each(|event| done.take(event));
        let mut ids: Vec<String> = done.instructions.into_iter().collect();
        ids.sort();
        ids
    }

    #[test]
    fn what_was_answered_or_acknowledged_by_feedback_is_not_sent_again() {
        let case_id = || "c".to_owned();
        let receipt = |status: ev::ReceiptStatus, id: &str| {
            ev::Receipt { status: status.into(), instruction_id: id.to_owned(), ..Default::default() }.into()
        };
        let events = vec![
            instructed("c", &["lead", "two", "three", "four"]),
            ev::ResultSubmitted { case_id: case_id(), assignee: assignee("two", false), ..Default::default() }.into(),
            receipt(ev::ReceiptStatus::Accepted, "three"),
            receipt(ev::ReceiptStatus::Rejected, "four"),
        ];
        assert_eq!(done(events), ["three", "two"]);
    }

    #[test]
    fn what_fell_away_is_not_sent_again_and_what_was_ordered_later_is() {
        let case_id = || "c".to_owned();
        let returned =
            ev::AssignmentReturned { case_id: case_id(), assignee: assignee("a", true), ..Default::default() };
        let events = vec![instructed("c", &["a", "b"]), returned.into(), instructed("c", &["d", "e"])];
        assert_eq!(done(events), ["a", "b"]);
        let closed = |case: &str| ev::CaseClosed { case_id: case.to_owned(), ..Default::default() }.into();
        let merged = |case: &str| ev::CaseMerged { case_id: case.to_owned(), ..Default::default() }.into();
        let events = vec![
            instructed("c", &["a"]),
            instructed("m", &["m"]),
            closed("c"),
            merged("m"),
            instructed("c", &["after-reopening"]),
        ];
        assert_eq!(done(events), ["a", "m"]);
    }
}
