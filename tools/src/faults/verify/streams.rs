//! Streams: each holds the events of its publisher's log, each once and in the log's order.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
};
use dafei_contracts::Stream;
use futures::StreamExt as _;
use uuid::Uuid;

use super::{Databases, findings::Findings};
use crate::{client::Service, refill};

/// How long a message may take that the stream has.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// `refilled`: the agencies' stream was filled anew, with nothing but the instructions that were open.
pub(super) async fn compare(databases: &mut Databases, refilled: bool, findings: &mut Findings) -> anyhow::Result<()> {
    let js = jetstream::new(refill::connect_bus().await?);
    for stream in Stream::ALL {
        let Some(publisher) = stream.publisher().and_then(Service::from_name) else { continue };
        let name = stream.name();
        let connection = databases.all().into_iter().find(|(service, _)| *service == publisher);
        let (_, connection) = connection.context("a database")?;
        let log: Vec<(Uuid,)> = sqlx::query_as("SELECT event_id FROM event_log WHERE stream = $1 ORDER BY position")
            .bind(name)
            .fetch_all(connection)
            .await?;
        let log: Vec<Uuid> = log.into_iter().map(|(id,)| id).collect();
        let found = ids(&js, name).await.with_context(|| name.to_owned())?;
        one(name, &log, &found, refilled && stream == Stream::Agency, findings);
    }
    Ok(())
}

fn one(name: &str, log: &[Uuid], found: &[Uuid], may_lack: bool, findings: &mut Findings) {
    let places: HashMap<Uuid, usize> = log.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut seen = HashSet::new();
    let mut last = None;
    for id in found {
        match places.get(id) {
            None => findings.doubled(format!("{name}: event {id}, which the log does not have")),
            Some(_) if !seen.insert(*id) => findings.doubled(format!("{name}: event {id}")),
            Some(place) => {
                if last.is_some_and(|last| last > *place) {
                    findings.lost(format!("{name}: the order of event {id}"));
                }
                last = Some(*place);
            }
        }
    }
    if !may_lack {
        for id in log.iter().filter(|id| !seen.contains(*id)) {
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

    use super::{Findings, one};

    fn judged(log: &[u128], found: &[u128], may_lack: bool) -> (u64, u64) {
        let ids = |numbers: &[u128]| numbers.iter().map(|number| Uuid::from_u128(*number)).collect::<Vec<_>>();
        let mut findings = Findings::default();
        one("S", &ids(log), &ids(found), may_lack, &mut findings);
        let json = findings.to_json(0, 0, 0);
        (json["lost"].as_u64().unwrap(), json["doubled"].as_u64().unwrap())
    }

    #[test]
    fn a_stream_has_each_event_of_the_log_once_and_in_its_order() {
        assert_eq!(judged(&[1, 2, 3], &[1, 2, 3], false), (0, 0));
        assert_eq!(judged(&[1, 2, 3], &[1, 3], false), (1, 0));
        assert_eq!(judged(&[1, 2, 3], &[1, 3], true), (0, 0));
        assert_eq!(judged(&[1, 2], &[1, 1, 2], false), (0, 1));
        assert_eq!(judged(&[1, 2], &[1, 2, 9], false), (0, 1));
        assert_eq!(judged(&[1, 2], &[2, 1], false), (1, 0));
    }
}
