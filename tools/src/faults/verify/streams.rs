//! Streams: each holds the events of its publisher's log, each once and each aggregate's in their order.

use std::{collections::HashMap, path::Path};

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
};
use dafei_contracts::Stream;
use futures::StreamExt as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Bus, Databases, findings::Findings};
use crate::{client::Service, refill};

/// How long a message may take that the stream has.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Id, source, aggregate, sequence.
type Logged = (Uuid, String, Uuid, i64);

pub(super) async fn compare(databases: &mut Databases, bus: &Bus, findings: &mut Findings) -> anyhow::Result<()> {
    let js = jetstream::new(refill::connect_bus().await?);
    let mut again = bus.again.as_deref().map(remembered).transpose()?.unwrap_or_default();
    for stream in Stream::ALL {
        let Some(publisher) = stream.publisher().and_then(Service::from_name) else { continue };
        let name = stream.name();
        let connection = databases.all().into_iter().find(|(service, _)| *service == publisher);
        let (_, connection) = connection.context("a database")?;
        let log: Vec<Logged> = sqlx::query_as(
            "SELECT event_id, source, aggregate_id, sequence FROM event_log WHERE stream = $1 ORDER BY position",
        )
        .bind(name)
        .fetch_all(&mut *connection)
        .await?;
        let found = ids(&js, name).await.with_context(|| name.to_owned())?;
        let agencies = stream == Stream::Agency;
        if bus.again.is_some() {
            more_than_once(connection, name, &mut again).await?;
        }
        one(name, &log, &found, &May { lack: bus.refilled && agencies, again: &again }, findings);
        if agencies {
            open_work(connection, &found, findings).await?;
        }
    }
    if let Some(file) = &bus.again {
        std::fs::write(file, serde_json::to_vec(&again)?).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// What an agency has still to do, and has said nothing to, waits in its stream, whatever became of the bus.
async fn open_work(connection: &mut PgConnection, found: &[Uuid], findings: &mut Findings) -> anyhow::Result<()> {
    let missing: Vec<(Uuid, String)> = sqlx::query_as(
        "WITH said AS (
             SELECT convert_from(payload, 'UTF8')::jsonb #>> '{assignee,instructionId}' AS id FROM event_log
             WHERE event_type LIKE '%.DepartmentResponded' OR event_type LIKE '%.ResultSubmitted'),
         waiting AS (
             SELECT convert_from(payload, 'UTF8')::jsonb ->> 'instructionId' AS id FROM event_log
             WHERE stream = 'DAFEI_AGENCY' AND event_id = ANY($1) AND event_type LIKE '%.Instruction')
         SELECT id, agency FROM instruction
         WHERE open AND NOT EXISTS (SELECT FROM said WHERE said.id = instruction.id::text)
             AND NOT EXISTS (SELECT FROM waiting WHERE waiting.id = instruction.id::text)",
    )
    .bind(found)
    .fetch_all(connection)
    .await?;
    for (id, agency) in missing {
        findings.lost(format!("{}: the open instruction {id} to {agency}", Stream::Agency.name()));
    }
    Ok(())
}

/// How often events may stand in their streams that may more than once.
type Again = HashMap<Uuid, usize>;

fn remembered(file: &Path) -> anyhow::Result<Again> {
    let name = || file.display().to_string();
    if file.exists() {
        serde_json::from_slice(&std::fs::read(file).with_context(name)?).with_context(name)
    } else {
        Ok(Again::new())
    }
}

/// Adds the events that the stream's relay knows to stand at several numbers of it: somebody may have read something else under the first.
async fn more_than_once(connection: &mut PgConnection, name: &str, again: &mut Again) -> anyhow::Result<()> {
    let known: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT e.event_id, twice.times FROM (
             SELECT position, count(*) AS times
             FROM relay_sent JOIN relay_state USING (stream, stream_created) CROSS JOIN UNNEST(positions) AS position
             WHERE stream = $1 AND position > 0 GROUP BY position HAVING count(*) > 1) twice
         JOIN event_log e USING (position)",
    )
    .bind(name)
    .fetch_all(connection)
    .await?;
    for (id, times) in known {
        let most = again.entry(id).or_default();
        *most = usize::try_from(times)?.max(*most);
    }
    Ok(())
}

/// How a stream may differ from its log.
#[derive(Debug)]
struct May<'a> {
    /// It need not have all of it.
    lack: bool,
    again: &'a Again,
}

/// Transactions commit in another order than their events got their places in the log, so only each aggregate's order is one.
fn one(name: &str, log: &[Logged], found: &[Uuid], may: &May, findings: &mut Findings) {
    let known: HashMap<Uuid, &Logged> = log.iter().map(|event| (event.0, event)).collect();
    let mut seen: HashMap<Uuid, usize> = HashMap::new();
    let mut last: HashMap<(&str, Uuid), i64> = HashMap::new();
    for id in found {
        let times = seen.entry(*id).or_default();
        *times += 1;
        match known.get(id) {
            None => findings.doubled(format!("{name}: event {id}, which the log does not have")),
            Some(_) if *times > 1 && may.again.get(id).is_some_and(|most| *times <= *most) => findings.again(),
            Some(_) if *times > 1 => findings.doubled(format!("{name}: event {id}")),
            Some((_, source, aggregate, sequence)) => {
                if last.insert((source.as_str(), *aggregate), *sequence).is_some_and(|before| before > *sequence) {
                    findings.lost(format!("{name}: the order of {aggregate} at event {id}"));
                }
            }
        }
    }
    if !may.lack {
        for (id, ..) in log.iter().filter(|event| !seen.contains_key(&event.0)) {
            findings.lost(format!("{name}: event {id}"));
        }
    }
}

/// The ids of a stream's events, in its order. Watermarks have none.
async fn ids(js: &jetstream::Context, name: &str) -> anyhow::Result<Vec<Uuid>> {
    let mut stream = js.get_stream(name).await?;
    let state = stream.info().await?.state.clone();
    let mut found = Vec::new();
    if state.messages == 0 {
        return Ok(found);
    }
    let config = OrderedConfig { deliver_policy: DeliverPolicy::All, headers_only: true, ..Default::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    loop {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await.context("no next message")?;
        let message = message.context("the stream ended")??;
        let headers = message.headers.as_ref();
        if let Some(id) = headers.and_then(|headers| headers.get("ce-id")) {
            found.push(id.as_str().parse().context("ce-id")?);
        }
        if message.info().map_err(|error| anyhow::anyhow!("{error}"))?.stream_sequence >= state.last_sequence {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Findings, Logged, May, one};

    /// A log of two aggregates: events 1 and 2 are one's, 11 and 12 the other's.
    fn judged(log: &[u128], found: &[u128], (lack, again): (bool, &[(u128, usize)])) -> (u64, u64, u64) {
        let logged = |number: u128| {
            let sequence = i64::try_from(number % 10).unwrap();
            (Uuid::from_u128(number), "s".to_owned(), Uuid::from_u128(number / 10), sequence)
        };
        let log: Vec<Logged> = log.iter().map(|number| logged(*number)).collect();
        let found: Vec<Uuid> = found.iter().map(|number| Uuid::from_u128(*number)).collect();
        let mut findings = Findings::default();
        let again = again.iter().map(|(number, most)| (Uuid::from_u128(*number), *most)).collect();
        one("S", &log, &found, &May { lack, again: &again }, &mut findings);
        let json = findings.to_json(0, 0, 0);
        (json["lost"].as_u64().unwrap(), json["doubled"].as_u64().unwrap(), json["again"].as_u64().unwrap())
    }

    #[test]
    fn a_stream_has_each_event_of_the_log_once_and_in_its_aggregates_order() {
        let nothing = (false, &[][..]);
        assert_eq!(judged(&[1, 2, 3], &[1, 2, 3], nothing), (0, 0, 0));
        assert_eq!(judged(&[1, 11, 2], &[11, 1, 2], nothing), (0, 0, 0));
        assert_eq!(judged(&[1, 2, 3], &[1, 3], nothing), (1, 0, 0));
        assert_eq!(judged(&[1, 2, 3], &[1, 3], (true, &[])), (0, 0, 0));
        assert_eq!(judged(&[1, 2], &[1, 1, 2], nothing), (0, 1, 0));
        assert_eq!(judged(&[1, 2], &[1, 2, 9], nothing), (0, 1, 0));
        assert_eq!(judged(&[1, 2], &[2, 1], nothing), (1, 0, 0));
    }

    #[test]
    fn an_event_may_stand_there_as_often_as_its_relay_knows_and_no_more() {
        let twice = (false, &[(2, 2)][..]);
        assert_eq!(judged(&[1, 2, 3], &[1, 2, 2, 3], twice), (0, 0, 1));
        assert_eq!(judged(&[1, 2, 3], &[1, 2, 3, 2], twice), (0, 0, 1), "its order is that of its first");
        assert_eq!(judged(&[1, 2, 3], &[1, 2, 3, 2, 2], twice), (0, 1, 1));
        assert_eq!(judged(&[1, 2, 3], &[1, 2, 3, 2, 3], twice), (0, 1, 1));
        assert_eq!(judged(&[1, 2, 3], &[1, 3], twice), (1, 0, 0));
    }
}
