//! Deliveries that come again: the positions of a service's consumers are put back in its database, as a restored copy of it would have them,
//! while the marks of what took effect stay.

use anyhow::{Context as _, ensure};
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::client::{self, Service, ServiceKey};

pub(super) async fn run(service: Service, by: i64) -> anyhow::Result<()> {
    ensure!(by > 0, "by how many messages?");
    let mut database = PgConnection::connect(&client::setting(service.key(ServiceKey::DatabaseUrl))?).await?;
    let rows = sqlx::query(
        "UPDATE consumer_position SET last_sequence = GREATEST(0, last_sequence - $1) RETURNING consumer, last_sequence",
    )
    .bind(by)
    .fetch_all(&mut database)
    .await
    .context("the positions")?;
    for row in rows {
        println!("{}: {} goes on after message {}", service.name(), row.get::<String, _>(0), row.get::<i64, _>(1));
    }
    Ok(())
}
