//! Which filing units were in the roster when.

use std::collections::HashSet;

use dafei_kernel::{agency::Agency, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgExecutor};

/// What a snapshot of the roster names: itself, and departments whose post is or was held.
#[derive(Debug, Clone)]
pub struct Named {
    /// The city, county or township.
    pub region: Region,
    /// Of when the snapshot is.
    pub at: Instant,
    /// None when it is gone; an empty agency is the region's own.
    pub units: Vec<Option<Agency>>,
}

fn agency(agency: Option<Agency>) -> &'static str {
    agency.map_or("", |agency| agency.code())
}

/// Takes snapshots of different regions: whom one no longer names has left at its instant, whom it names and was not there has come.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn take(conn: &mut PgConnection, told: &[Named]) -> sqlx::Result<()> {
    let units: Vec<(&Named, Option<Agency>)> =
        told.iter().flat_map(|one| one.units.iter().map(move |unit| (one, *unit))).collect();
    sqlx::query!(
        "WITH told AS (SELECT * FROM UNNEST($1::text[], $2::timestamptz[]) AS t (region, at)),
              named AS (SELECT * FROM UNNEST($3::text[], $4::text[]) AS n (region, agency)),
              gone AS (
                  UPDATE unit_stay s SET until = GREATEST(s.since, t.at) FROM told t
                  WHERE s.region = t.region AND s.until IS NULL
                    AND NOT EXISTS (SELECT FROM named n WHERE n.region = s.region AND n.agency = s.agency))
         INSERT INTO unit_stay (region, agency, since)
         SELECT n.region, n.agency, t.at FROM named n JOIN told t ON t.region = n.region
         WHERE NOT EXISTS (SELECT FROM unit_stay s WHERE s.region = n.region AND s.agency = n.agency AND s.until IS NULL)
         ON CONFLICT (region, agency, since) DO UPDATE SET until = NULL",
        &told.iter().map(|one| one.region.to_string()).collect::<Vec<_>>(),
        &told.iter().map(|one| PgInstant(one.at)).collect::<Vec<_>>() as &[PgInstant],
        &units.iter().map(|(one, _)| one.region.to_string()).collect::<Vec<_>>(),
        &units.iter().map(|(_, unit)| agency(*unit)).collect::<Vec<_>>() as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Who was not in the roster at which instant.
#[derive(Debug, Default)]
pub struct Absent(HashSet<(Region, Option<Agency>, Instant)>);

impl Absent {
    /// Whether a region, or its department of an agency, was not in the roster at an instant that was asked about.
    #[must_use]
    pub fn was(&self, region: &Region, agency: Option<Agency>, at: Instant) -> bool {
        self.0.contains(&(region.clone(), agency, at))
    }
}

/// Which of these were not in the roster at the end of a period, by which it is decided who owes what is due after it: as the monitor's clocks do,
/// whoever came within a period owes it, and nothing of those before. One of whom no snapshot was read is held to have been there always.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn absent(
    executor: impl PgExecutor<'_>,
    units: &[(&Region, Option<Agency>)],
    ends: &[Instant],
) -> sqlx::Result<Absent> {
    let rows = sqlx::query!(
        r#"SELECT u.number AS "unit!", e.number AS "end!"
           FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY AS u (region, agency, number)
           CROSS JOIN UNNEST($3::timestamptz[]) WITH ORDINALITY AS e (at, number)
           WHERE EXISTS (SELECT FROM unit_stay s WHERE s.region = u.region AND s.agency = u.agency)
             AND NOT EXISTS (SELECT FROM unit_stay s WHERE s.region = u.region AND s.agency = u.agency AND s.since <= e.at
                             AND (s.until IS NULL OR s.until > e.at))"#,
        &units.iter().map(|(region, _)| region.to_string()).collect::<Vec<_>>(),
        &units.iter().map(|(_, unit)| agency(*unit)).collect::<Vec<_>>() as &[&str],
        &ends.iter().map(|at| PgInstant(*at)).collect::<Vec<_>>() as &[PgInstant]
    )
    .fetch_all(executor)
    .await?;
    let place = |number: i64| usize::try_from(number - 1).ok();
    let found = rows.into_iter().filter_map(|row| {
        let (region, agency) = units.get(place(row.unit)?)?;
        Some(((*region).clone(), *agency, *ends.get(place(row.end)?)?))
    });
    Ok(Absent(found.collect()))
}
