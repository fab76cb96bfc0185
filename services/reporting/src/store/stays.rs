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

/// Takes snapshots of different regions: whom one no longer names has left at its instant, whom it names and was not there has come. One of whom
/// nothing is kept but that he has been there since a later instant ([`fit`]) came no later than with the snapshot.
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
                    AND NOT EXISTS (SELECT FROM named n WHERE n.region = s.region AND n.agency = s.agency)),
              earlier AS (
                  UPDATE unit_stay s SET since = t.at FROM told t JOIN named n ON n.region = t.region
                  WHERE s.region = n.region AND s.agency = n.agency AND s.until IS NULL AND s.since > t.at
                    AND NOT EXISTS (SELECT FROM unit_stay o WHERE o.region = s.region AND o.agency = s.agency AND o.since <> s.since))
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

/// Brings what is kept in line with the roster's tables: a replica of a release that kept nothing of it may have changed the roster meanwhile. Who is there and has
/// no open stay is held to have come at `now`, so that he owes nothing that ended before; who is no longer there is held to have left.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn fit(conn: &mut PgConnection, now: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH named AS (
             SELECT level || ':' || code AS region, '' AS agency FROM roster_region WHERE level IN ('city', 'county', 'township')
             UNION
             SELECT level || ':' || code, agency FROM roster_holder
             WHERE role IN ('county-department', 'city-department') AND agency <> ''),
              gone AS (
                  UPDATE unit_stay s SET until = GREATEST(s.since, $1)
                  WHERE s.until IS NULL AND NOT EXISTS (SELECT FROM named n WHERE n.region = s.region AND n.agency = s.agency))
         INSERT INTO unit_stay (region, agency, since)
         SELECT n.region, n.agency, $1 FROM named n
         WHERE NOT EXISTS (SELECT FROM unit_stay s WHERE s.region = n.region AND s.agency = n.agency AND s.until IS NULL)
         ON CONFLICT (region, agency, since) DO UPDATE SET until = NULL",
        PgInstant(now) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a unit owes when it was in the roster all the while: what is due of a period that has ended, by a limit.
#[derive(Debug, Clone, Copy)]
pub struct Duty<'a> {
    /// The unit's region.
    pub region: &'a Region,
    /// Its agency; none but for departments.
    pub agency: Option<Agency>,
    /// The end of the period.
    pub end: Instant,
    /// From when on it is late.
    pub limit: Instant,
}

/// Who does not owe what is due of the period that ended at which instant.
#[derive(Debug, Default)]
pub struct Absent(HashSet<(Region, Option<Agency>, Instant)>);

impl Absent {
    /// Whether a region, or its department of an agency, does not owe what is due of a period whose end was asked about.
    #[must_use]
    pub fn was(&self, region: &Region, agency: Option<Agency>, end: Instant) -> bool {
        self.0.contains(&(region.clone(), agency, end))
    }
}

/// Which of these were not in the roster from the end of a period to the limit without a break, or not until now where that is earlier: they do
/// not owe it. As the monitor's clocks do, whoever came within a period owes it, and nothing of those before; what had begun to run falls away when
/// he leaves before its limit, and does not run again when he comes back. Who came back at the instant at which he left was never away. One of whom
/// nothing is kept owes nothing: all who are in the roster have a row, but where it was not read yet.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn absent(executor: impl PgExecutor<'_>, duties: &[Duty<'_>]) -> sqlx::Result<Absent> {
    let rows = sqlx::query!(
        r#"SELECT d.number AS "number!"
           FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
                WITH ORDINALITY AS d (region, agency, over, due, number)
           WHERE NOT EXISTS (SELECT FROM unit_stay s WHERE s.region = d.region AND s.agency = d.agency AND s.since <= d.over
                             AND (s.until IS NULL OR s.until > d.over))
              OR EXISTS (SELECT FROM unit_stay s WHERE s.region = d.region AND s.agency = d.agency
                         AND s.until > d.over AND s.until < d.due
                         AND NOT EXISTS (SELECT FROM unit_stay n WHERE n.region = s.region AND n.agency = s.agency
                                         AND n.since <= s.until AND (n.until IS NULL OR n.until > s.until)))"#,
        &duties.iter().map(|duty| duty.region.to_string()).collect::<Vec<_>>(),
        &duties.iter().map(|duty| agency(duty.agency)).collect::<Vec<_>>() as &[&str],
        &duties.iter().map(|duty| PgInstant(duty.end)).collect::<Vec<_>>() as &[PgInstant],
        &duties.iter().map(|duty| PgInstant(duty.limit)).collect::<Vec<_>>() as &[PgInstant]
    )
    .fetch_all(executor)
    .await?;
    let found = rows.into_iter().filter_map(|row| duties.get(usize::try_from(row.number - 1).ok()?));
    Ok(Absent(found.map(|duty| (duty.region.clone(), duty.agency, duty.end)).collect()))
}
