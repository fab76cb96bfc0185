//! A week's end with the villages of a whole country: their two weekly duties are gone through, and who missed one is told.

use std::time::{Duration, Instant};

use anyhow::ensure;
use dafei_kernel::{
    clock::{Clock as _, SystemClock},
    time::civil_date,
};
use sqlx::PgConnection;

use super::figures;

/// Of so many villages one has done nothing.
const IDLE_OF: u64 = 20;
/// When it is not through by then, something is broken.
const PATIENCE: Duration = Duration::from_secs(900);

/// The week so many before this one, as periods are written.
fn week_of(before: i64) -> String {
    let week = civil_date(SystemClock.now()).saturating_sub(jiff::Span::new().weeks(before)).iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

pub(super) async fn fill(conn: &mut PgConnection, villages: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (villages, idle, week) = (i64::try_from(villages)?, i64::try_from(IDLE_OF)?, week_of(1));
    sqlx::raw_sql("SET synchronous_commit = off; DELETE FROM duty_unit WHERE kind = 'village'; TRUNCATE duty_progress")
        .execute(&mut *conn)
        .await?;
    // 100 villages of each township, 63 townships of each county.
    sqlx::query(
        "INSERT INTO duty_unit (kind, unit, since, entered, part, path)
         SELECT 'village', 'village:' || township || village, now() - interval '1 year', now() - interval '1 year', 'township:' || township,
                'city:371300/county:' || county || '/township:' || township || '/village:' || township || village
         FROM (SELECT (371300 + n / 6300 % 100)::text AS county,
                      (371300 + n / 6300 % 100)::text || lpad((n / 100 % 63 + 1)::text, 3, '0') AS township,
                      lpad((n % 100 + 1)::text, 3, '0') AS village
               FROM generate_series(0, $1::bigint - 1) AS s (n)) v",
    )
    .bind(villages)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO duty_progress (clock, period, unit, acts)
         SELECT duty.clock, $1, u.unit,
                array(SELECT (date_trunc('week', now() AT TIME ZONE 'Asia/Shanghai') - n * interval '1 day') AT TIME ZONE 'Asia/Shanghai'
                      FROM generate_series(duty.count, 1, -1) AS s (n))
         FROM (SELECT unit, row_number() OVER (ORDER BY unit) AS number FROM duty_unit WHERE kind = 'village') u,
              (VALUES ('W1', 3), ('W2', 1)) AS duty (clock, count)
         WHERE u.number % $2 <> 0",
    )
    .bind(&week)
    .bind(idle)
    .execute(&mut *conn)
    .await?;
    // This week's yellow light may have come as well: nobody has missed anything of it.
    sqlx::query(
        "INSERT INTO duty_progress (clock, period, unit, acts)
         SELECT clock, $1, unit, array_fill((date_trunc('week', now() AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai'), ARRAY[count])
         FROM duty_unit, (VALUES ('W1', 3), ('W2', 1)) AS duty (clock, count) WHERE kind = 'village'",
    )
    .bind(week_of(0))
    .execute(&mut *conn)
    .await?;
    for clock in ["W1", "W2"] {
        sqlx::query(
            "INSERT INTO duty_sweep (clock, kind, period, at) VALUES ($1, 'village', $2, now() - interval '8 days')
             ON CONFLICT (clock, kind) DO UPDATE SET period = excluded.period, at = excluded.at, after = ''",
        )
        .bind(clock)
        .bind(&week)
        .execute(&mut *conn)
        .await?;
    }
    sqlx::raw_sql("VACUUM (ANALYZE) duty_unit, duty_progress").execute(&mut *conn).await?;
    eprintln!("    {villages} villages in {:.1?}", begun.elapsed());
    Ok(())
}

pub(super) async fn measure(conn: &mut PgConnection, started: i64, villages: u64) -> anyhow::Result<()> {
    let (begun, week) = (Instant::now(), week_of(1));
    loop {
        let open: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM duty_sweep WHERE kind = 'village' AND clock IN ('W1', 'W2') AND period <= $1)
                 OR EXISTS (SELECT FROM obligation WHERE needs = 'village' AND next_fire_at <= now() AND period = $1)",
        )
        .bind(&week)
        .fetch_one(&mut *conn)
        .await?;
        if !open {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "the week is not through");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (told, took): (i64, f64) = sqlx::query_as(
        "SELECT count(*), (extract(epoch FROM max(breached_told)) - $2::bigint / 1000000.0)::float8
         FROM obligation WHERE period = $1 AND clock IN ('W1', 'W2') AND breached",
    )
    .bind(&week)
    .bind(started)
    .fetch_one(&mut *conn)
    .await?;
    let missed = i64::try_from(villages / IDLE_OF * 2)?;
    ensure!(told == missed, "{told} of {missed} missed duties were told");
    eprintln!("    {missed} of {} duties were missed and told", villages * 2);
    figures::print("week_end_s", took, "s", Some(("aim for 620,573 villages", 300.0)));
    Ok(())
}
