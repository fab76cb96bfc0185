//! Databases that were restored apart must not know of each other what never was: a service that has taken an event which its publisher's
//! database has lost would pass over the next one of that aggregate, which gets the same sequence. A service that is behind its publisher is
//! no fault: it gets what it lacks from the refilled stream.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{client::Service, databases::Databases};

/// Marks that are looked up at once.
const PAGE: i64 = 5_000;

/// A consumer's mark: the last event of an aggregate that it has taken.
#[derive(Debug, sqlx::FromRow)]
struct Mark {
    consumer: String,
    source: String,
    aggregate_id: Uuid,
    sequence: i64,
}

/// Compares the marks of all consumers with the event logs, and tells who is ahead of whom.
///
/// # Errors
/// When a database does not answer, or a service is ahead of another.
pub async fn run() -> anyhow::Result<()> {
    let mut readers = Databases::connect().await?;
    let mut publishers = Databases::connect().await?;
    let mut ahead: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    let mut compared = 0;
    for (service, connection) in readers.all() {
        let mut last: Option<Mark> = None;
        loop {
            let mut page = page(connection, last.as_ref()).await.with_context(|| service.name())?;
            compared += page.len();
            for (source, count) in missing(&mut publishers, &page).await? {
                *ahead.entry((service.name(), source)).or_default() += count;
            }
            match page.pop() {
                Some(mark) => last = Some(mark),
                None => break,
            }
        }
    }
    for ((service, source), count) in &ahead {
        println!("{service} 已处理而 {source} 的数据库里没有的事件，涉及 {count} 个对象");
    }
    if !ahead.is_empty() {
        bail!("a service is ahead of its publisher: restore it to an earlier point, or the publisher to a later one");
    }
    println!("一致：{compared} 个对象");
    Ok(())
}

async fn page(connection: &mut PgConnection, after: Option<&Mark>) -> sqlx::Result<Vec<Mark>> {
    let (consumer, source, aggregate) =
        after.map_or(("", "", Uuid::nil()), |mark| (&*mark.consumer, &*mark.source, mark.aggregate_id));
    sqlx::query_as(
        "SELECT consumer, source, aggregate_id, sequence FROM consumer_mark
         WHERE (consumer, source, aggregate_id) > ($1, $2, $3) ORDER BY consumer, source, aggregate_id LIMIT $4",
    )
    .bind(consumer)
    .bind(source)
    .bind(aggregate)
    .bind(PAGE)
    .fetch_all(connection)
    .await
}

/// How many of these marks stand at an event that its publisher does not have, by publisher.
async fn missing(publishers: &mut Databases, marks: &[Mark]) -> anyhow::Result<Vec<(String, usize)>> {
    let mut found = Vec::new();
    for (service, connection) in publishers.all() {
        let source = source(service);
        let (ids, sequences): (Vec<Uuid>, Vec<i64>) =
            marks.iter().filter(|mark| mark.source == source).map(|mark| (mark.aggregate_id, mark.sequence)).unzip();
        if ids.is_empty() {
            continue;
        }
        let (count,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM unnest($1::uuid[], $2::bigint[]) AS mark (id, sequence)
             WHERE NOT EXISTS (SELECT FROM event_log e WHERE e.aggregate_id = mark.id AND e.sequence = mark.sequence AND e.source = $3)",
        )
        .bind(ids)
        .bind(sequences)
        .bind(&source)
        .fetch_one(connection)
        .await
        .with_context(|| service.name())?;
        if count > 0 {
            found.push((service.name().to_owned(), usize::try_from(count)?));
        }
    }
    Ok(found)
}

/// The CloudEvents source of a service's events.
fn source(service: Service) -> String {
    format!("dafei/{}", service.name())
}
