//! Filling a wiped NATS again from the event logs of the services' databases.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use dafei_contracts::{Event, Stream};
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
    let nats = connect_bus().await?;
    let js = async_nats::jetstream::new(nats);
    for service in services {
        let url = client::setting(service.key(ServiceKey::DatabaseUrl))?;
        let pool = PgPool::connect(&url).await.with_context(|| format!("the database of {}", service.name()))?;
        let specs = specs(service);
        for done in refill::refill(&pool, &js, &specs).await.with_context(|| service.name().to_owned())? {
            tell(service, &done);
        }
        if service == Service::Dispatch {
            let done = done_instructions(&pool).await?;
            let spec = StreamSpec::new(Stream::Agency.name(), Stream::Agency.subjects().iter().copied());
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

/// What the log says to be done with: instructions with a response, a result or a return, and cases that are closed.
#[derive(Default)]
struct Done {
    instructions: HashSet<String>,
    cases: HashSet<String>,
}

async fn done_instructions(pool: &PgPool) -> Result<Done> {
    let mut conn = pool.acquire().await?;
    let mut done = Done::default();
    let mut after = 0;
    loop {
        let page = log::of_stream(&mut conn, Stream::Dispatch.name(), after, 1_000).await?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.position;
        for event in &page {
            let assignee = match Event::from_json(&event.event_type, &event.payload)? {
                Some(Event::ResultSubmitted(event)) => event.assignee,
                Some(Event::DepartmentResponded(event)) => event.assignee,
                Some(Event::AuthorityDeclined(event)) => event.assignee,
                Some(Event::AssignmentReturned(event)) => event.assignee,
                Some(Event::CaseClosed(event)) => {
                    done.cases.insert(event.case_id);
                    None
                }
                _ => None,
            };
            done.instructions.extend(assignee.map(|assignee| assignee.instruction_id));
        }
    }
}

/// Whether an event of the agencies' stream is an instruction that still waits for its agency.
fn is_open(event: &LoggedEvent, done: &Done) -> bool {
    match Event::from_json(&event.event_type, &event.payload) {
        Ok(Some(Event::Instruction(event))) => {
            !done.instructions.contains(&event.instruction_id) && !done.cases.contains(&event.case_id)
        }
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
fn specs(service: Service) -> Vec<StreamSpec> {
    Stream::ALL
        .into_iter()
        .filter(|stream| stream.publisher() == Some(service.name()) && *stream != Stream::Agency)
        .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()))
        .collect()
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
    options.connect(&url).await.with_context(|| format!("NATS at {url}"))
}
