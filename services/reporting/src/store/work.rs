//! The work ledger's counts.

use std::collections::BTreeMap;

use dafei_kernel::region::{Level, Region};
use dafei_reporting_core::{
    Month,
    allowance::Times,
    work::{Entry, Work},
};
use sqlx::{PgConnection, PgExecutor};

use super::{code, month as stored};

/// Adds entries to the counts, in the order of their places: two consumers that write at once lock in the same order.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn add(conn: &mut PgConnection, entries: Vec<Entry>) -> sqlx::Result<()> {
    let mut counts: BTreeMap<Entry, i64> = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO work_done (month, county, township, village, role, person, work, times)
         SELECT * FROM UNNEST($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])
         ON CONFLICT (month, county, township, village, role, person, work) DO UPDATE SET times = work_done.times + excluded.times",
        &counts.keys().map(|entry| stored(entry.month)).collect::<Vec<_>>(),
        &counts.keys().map(|entry| code(entry.county.as_ref())).collect::<Vec<_>>(),
        &counts.keys().map(|entry| code(entry.township.as_ref())).collect::<Vec<_>>(),
        &counts.keys().map(|entry| code(Some(&entry.village))).collect::<Vec<_>>(),
        &counts.keys().map(|entry| entry.role.code()).collect::<Vec<_>>() as &[&str],
        &counts.keys().map(|entry| entry.person.clone()).collect::<Vec<_>>(),
        &counts.keys().map(|entry| entry.work.code()).collect::<Vec<_>>() as &[&str],
        &counts.values().copied().collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was done in these villages in a month. A village that moved to another township during the month has what it did in both.
///
/// # Errors
/// When PostgreSQL is away, or a row has a code that is none.
pub async fn done(executor: impl PgExecutor<'_>, villages: &[Region], month: Month) -> sqlx::Result<Vec<Times>> {
    let codes: Vec<String> = villages.iter().map(|village| code(Some(village))).collect();
    let rows = sqlx::query!(
        r#"SELECT village, role, person, work, sum(times)::bigint AS "times!" FROM work_done
           WHERE village = ANY($1) AND month = $2 GROUP BY village, role, person, work"#,
        &codes,
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    let bad = |what: &str| sqlx::Error::Decode(format!("no code of the ledger: {what}").into());
    let times = |village: &str, role: &str, person, work: &str, times| {
        Ok(Times {
            village: Region::new(Level::Village, village).map_err(|_| bad(village))?,
            role: role.parse().map_err(|_| bad(role))?,
            person,
            work: Work::from_code(work).ok_or_else(|| bad(work))?,
            times,
        })
    };
    rows.into_iter().map(|row| times(&row.village, &row.role, row.person, &row.work, row.times)).collect()
}
