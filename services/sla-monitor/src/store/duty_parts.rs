//! What the last snapshot of each part of the roster named.

use dafei_kernel::region::Region;
use dafei_sla_core::duty::unit::Unit;
use sqlx::PgConnection;

/// A part of the roster as it was read last.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) part: Region,
    /// What administers it; none for a city.
    pub(crate) parent: Option<Region>,
    /// Itself, its villages and departments; none when it is gone.
    pub(crate) members: Vec<Unit>,
}

/// What stands in a column is not what was written there.
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// Keeps parts, each in the place of what was read of it before.
pub(crate) async fn keep(conn: &mut PgConnection, parts: &[Part]) -> sqlx::Result<()> {
    let flat: Vec<(&Part, &Unit)> =
        parts.iter().flat_map(|part| part.members.iter().map(move |unit| (part, unit))).collect();
    sqlx::query!(
        "DELETE FROM duty_part WHERE part = ANY($1)",
        &parts.iter().map(|part| part.part.to_string()).collect::<Vec<_>>()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO duty_part (part, parent, members)
         SELECT part, max(parent), array_agg(unit) FROM UNNEST($1::text[], $2::text[], $3::text[]) AS p (part, parent, unit) GROUP BY part",
        &flat.iter().map(|(part, _)| part.part.to_string()).collect::<Vec<_>>(),
        &flat
            .iter()
            .map(|(part, _)| part.parent.as_ref().map(ToString::to_string).unwrap_or_default())
            .collect::<Vec<_>>(),
        &flat.iter().map(|(_, unit)| unit.to_string()).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The parts right below one, as they were read.
pub(crate) async fn below(conn: &mut PgConnection, part: &Region) -> sqlx::Result<Vec<Part>> {
    let rows = sqlx::query!("SELECT part, members FROM duty_part WHERE parent = $1 ORDER BY part", part.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Part {
                part: row.part.parse::<Region>().map_err(unreadable)?,
                parent: Some(part.clone()),
                members: row
                    .members
                    .iter()
                    .map(|unit| unit.parse::<Unit>().map_err(unreadable))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}
