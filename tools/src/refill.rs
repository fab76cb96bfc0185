//! Filling a wiped NATS again from the event logs of the services' databases.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use dafei_contracts::{Event, Stream, dispatch::v1::InstructionState, events::v1::ReceiptStatus};
use dafei_messaging::{
    log::{self, LoggedEvent},
    refill,
    streams::StreamSpec,
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::client::{self, Service, ServiceKey};

/// Refills the streams of these services; all four when none is named. The agencies' stream gets only the instructions that are still
/// open and that nobody has signed for: what they know must not be played to them again. What no stream has had yet goes out in any case.
/// Streams that end where they have to are left alone, so that it can be called again when it was broken off; what of
/// their beginning has expired is said.
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
            let waiting = waiting(&pool).await?;
            let spec = spec(Stream::Agency, replicas);
            let wanted = |event: &LoggedEvent| is_wanted(event, &waiting);
            tell(service, &refill::refill_chosen(&pool, &js, &spec, wanted).await.context("the agencies' stream")?);
        }
        pool.close().await;
    }
    Ok(())
}

fn tell(service: Service, done: &refill::Refilled) {
    let (service, stream) = (service.name(), &done.stream);
    match done.events {
        Some(events) => println!("{service}: {events} 条事件已重新写入 {stream}"),
        // What agencies once read is not played again, and nothing is made anew from it.
        None if done.expired > 0 && *stream != Stream::Agency.name() => println!(
            "{service}: {stream} 未作改动；最早的 {} 条消息已过期，没有重新写入。\
             如果接下来要重建（rebuild），请先删除该流（nats stream rm {stream}），再运行 refill",
            done.expired
        ),
        None => println!("{service}: {stream} 完好，未作改动"),
    }
}

/// What still waits for its agency.
#[derive(Default)]
struct Waiting {
    /// Open instructions that nobody has signed for, with whether they arrived.
    instructions: HashMap<String, bool>,
}

impl Waiting {
    /// What dispatch's tables say. Signing by gRPC is told to nobody: it stands there and in no event.
    async fn find(conn: &mut PgConnection) -> Result<Self> {
        let (issued, delivered) = (InstructionState::Issued as i16, InstructionState::Delivered as i16);
        let rows: Vec<(Uuid, bool)> =
            sqlx::query_as("SELECT id, reached FROM instruction WHERE open AND state IN ($1, $2)")
                .bind(issued)
                .bind(delivered)
                .fetch_all(conn)
                .await?;
        Ok(Self { instructions: rows.into_iter().map(|(id, reached)| (id.to_string(), reached)).collect() })
    }

    /// Whoever got a receipt for what it said to an instruction has it.
    fn take(&mut self, event: &Event) {
        match event {
            Event::Receipt(event) if event.status() == ReceiptStatus::Accepted => {
                self.instructions.remove(&event.instruction_id);
            }
            _ => {}
        }
    }

    /// Whether an event of the agencies' stream still waits: an instruction that was not signed for, and what its agency was told of one that
    /// did not even arrive. One that was sent more than once goes out as often: its agency knows it by its id.
    fn wants(&self, event: &Event) -> bool {
        match event {
            Event::Instruction(event) => self.instructions.contains_key(&event.instruction_id),
            Event::InstructionNotice(event) => self.instructions.get(&event.instruction_id) == Some(&false),
            _ => false,
        }
    }
}

async fn waiting(pool: &PgPool) -> Result<Waiting> {
    let mut conn = pool.acquire().await?;
    let mut waiting = Waiting::find(&mut conn).await.context("the instructions")?;
    let mut after = 0;
    loop {
        let page = log::of_stream(&mut conn, Stream::Agency.name(), after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in &page {
            if let Some(event) = Event::from_json(&event.event_type, &event.payload)? {
                waiting.take(&event);
            }
        }
    }
    Ok(waiting)
}

fn is_wanted(event: &LoggedEvent, waiting: &Waiting) -> bool {
    Event::from_json(&event.event_type, &event.payload).is_ok_and(|event| event.is_some_and(|one| waiting.wants(&one)))
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

    use super::Waiting;

    fn instruction(id: &str) -> Event {
        ev::Instruction { instruction_id: id.to_owned(), ..Default::default() }.into()
    }

    fn notice(id: &str) -> Event {
        ev::InstructionNotice { instruction_id: id.to_owned(), ..Default::default() }.into()
    }

    fn receipt(id: &str, status: ev::ReceiptStatus) -> Event {
        ev::Receipt { status: status.into(), instruction_id: id.to_owned(), ..Default::default() }.into()
    }

    fn waiting() -> Waiting {
        let rows = [("arrived", true), ("lost", false), ("answered", true)];
        let mut waiting =
            Waiting { instructions: rows.into_iter().map(|(id, reached)| (id.to_owned(), reached)).collect() };
        waiting.take(&receipt("answered", ev::ReceiptStatus::Accepted));
        waiting.take(&receipt("lost", ev::ReceiptStatus::Rejected));
        waiting
    }

    #[test]
    fn what_was_signed_for_or_answered_is_not_sent_again() {
        let sent = ["arrived", "lost", "answered", "signed"].map(|id| waiting().wants(&instruction(id)));
        assert_eq!(sent, [true, true, false, false]);
    }

    #[test]
    fn notices_of_what_did_not_arrive_are_sent_again_and_receipts_never() {
        assert_eq!(["arrived", "lost", "signed"].map(|id| waiting().wants(&notice(id))), [false, true, false]);
        assert!(!waiting().wants(&receipt("lost", ev::ReceiptStatus::Rejected)));
    }
}
