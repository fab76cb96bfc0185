//! The SLA monitor with the open obligations of a whole city for years: how late its lights are when thousands fall due each second, how soon
//! it fires after a start, what a look costs at which nothing is due.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use dafei_kernel::{
    clock::{Clock as _, SystemClock},
    time::Instant as Moment,
};
use sqlx::{Connection as _, PgConnection};

use super::{figures, sla_week};
use crate::client;

/// Obligations per statement: what a statement sorts stays in memory.
const CHUNK: u64 = 200_000;
/// How long until the first of those that are to fall due while it is measured: the service starts meanwhile.
const LEAD: Duration = Duration::from_secs(20);
/// What is overdue when the service starts.
const OVERDUE: u64 = 1_000;
/// How often an idle look is measured.
const LOOKS: u32 = 200;
/// After the last falls due, all must be told within this.
const PATIENCE: Duration = Duration::from_secs(120);

/// The steps of `./dev bench sla`.
#[derive(Debug, Clone, Subcommand)]
pub enum Step {
    /// Fills the database of the stopped service with open obligations of which nothing falls due for a month.
    Fill {
        /// How many.
        #[arg(long)]
        open: u64,
    },
    /// Adds, while the service is stopped, what is overdue at its start and what falls due while it is measured. Prints the instant of the first.
    Arm {
        /// How many fall due each second.
        #[arg(long)]
        per_second: u64,
        /// For how long.
        #[arg(long)]
        seconds: u64,
    },
    /// Waits until all that was armed is told, and prints the figures.
    Measure {
        /// When the service was started, in microseconds since 1970.
        #[arg(long)]
        started: i64,
        /// As it was armed.
        #[arg(long)]
        per_second: u64,
        /// As it was armed.
        #[arg(long)]
        seconds: u64,
    },
    /// While the service is stopped: so many villages, of which one in twenty has neither patrolled nor broadcast last week, and last week as the
    /// one that is to be gone through next.
    Week {
        /// How many.
        #[arg(long)]
        villages: u64,
    },
    /// Waits until last week is gone through for both duties and all that was missed is told, and prints how long that took.
    WeekEnd {
        /// When the service was started, in microseconds since 1970.
        #[arg(long)]
        started: i64,
        /// As they were filled in.
        #[arg(long)]
        villages: u64,
    },
}

pub(super) async fn run(step: Step) -> anyhow::Result<()> {
    let mut conn = PgConnection::connect(&client::setting("DAFEI_SLA_MONITOR_DATABASE_URL")?).await?;
    match step {
        Step::Fill { open } => fill(&mut conn, open).await,
        Step::Arm { per_second, seconds } => arm(&mut conn, per_second, seconds).await,
        Step::Measure { started, per_second, seconds } => measure(&mut conn, started, per_second, seconds).await,
        Step::Week { villages } => sla_week::fill(&mut conn, villages).await,
        Step::WeekEnd { started, villages } => sla_week::measure(&mut conn, started, villages).await,
    }
}

async fn fill(conn: &mut PgConnection, open: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    sqlx::raw_sql("SET synchronous_commit = off; SET maintenance_work_mem = '1GB'").execute(&mut *conn).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
         WHERE i.indrelid = 'obligation'::regclass AND NOT i.indisprimary",
    )
    .fetch_all(&mut *conn)
    .await?;
    for (name, _) in &indexes {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut *conn).await?;
    }
    for lowest in (0..open).step_by(usize::try_from(CHUNK)?) {
        let count = CHUNK.min(open - lowest);
        insert(conn, count, "now() + interval '30 days' + number * interval '1 millisecond'").await?;
    }
    for (_, definition) in &indexes {
        sqlx::raw_sql(sqlx::AssertSqlSafe(definition.clone())).execute(&mut *conn).await?;
    }
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut *conn).await?;
    let size: String =
        sqlx::query_scalar("SELECT pg_size_pretty(pg_database_size(current_database()))").fetch_one(conn).await?;
    eprintln!("    {open} open obligations in {:.1?}; the database has {size}", begun.elapsed());
    Ok(())
}

/// Open obligations of K2 whose limit is `due`, an expression over their `number` from 0; told of their yellow light already.
async fn insert(conn: &mut PgConnection, count: u64, due: &str) -> anyhow::Result<()> {
    let sql = format!(
        r#"WITH new AS (
             SELECT gen_random_uuid() AS id, number, {due} AS due FROM generate_series(0, $1::bigint - 1) AS n (number)),
           basis AS (
             INSERT INTO obligation_basis (id, inputs)
             SELECT id, jsonb_build_object('clock', 'K2', 'name', '部门响应', 'clause', 'C11', 'limit', jsonb_build_object('hours', 12),
                    'warn', jsonb_build_object('percent', 75), 'local_default', false, 'rule_version', 'bench', 'start', due - interval '12 hours',
                    'skewed', false, 'days', NULL, 'provisional', false, 'timing', jsonb_build_object('started_at', due - interval '12 hours',
                    'warn_at', due - interval '3 hours', 'due', due, 'due_inclusive', true, 'first_reminder', due + interval '12 hours'))
             FROM new)
           INSERT INTO obligation (id, case_id, clock, leg, city, county, township, village, region_path, direct, loop_owner, sector, rule_version,
                                   calendar_version, provisional, started_at, warn_at, due, due_inclusive, first_reminder, warned_at,
                                   warned_told, next_fire_at, notice)
           SELECT id, gen_random_uuid(), 'K2', 1, '371300', '371302', '371302001', '371302001' || lpad((number % 100)::text, 3, '0'),
                  'city:371300/county:371302/township:371302001/village:371302001' || lpad((number % 100)::text, 3, '0'),
                  '{{"post": {{"role": "county-department", "region": "county:371302", "agency": "transport"}}, "persons": ["孙局长"]}}',
                  '{{"post": {{"role": "county-office", "region": "county:371302", "agency": null}}, "persons": ["陈主任"]}}',
                  'fireworks', 'bench', '', false, due - interval '12 hours', due - interval '3 hours', due, true, due + interval '12 hours',
                  due - interval '3 hours', due - interval '3 hours', due + interval '1 microsecond', 'delivered'
           FROM new"#
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::try_from(count)?).execute(conn).await?;
    Ok(())
}

async fn arm(conn: &mut PgConnection, per_second: u64, seconds: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    insert(conn, OVERDUE, "now() - interval '1 minute'").await?;
    // Room for the insertion itself: half of what it is expected to take at 20,000 a second is spent before the lead begins.
    let room = Duration::from_secs(per_second * seconds / 20_000);
    let first = SystemClock.now() + jiff::SignedDuration::try_from(LEAD + room)?;
    let due = format!(
        "'epoch'::timestamptz + {} * interval '1 microsecond' + number * interval '{} microseconds'",
        first.as_microsecond(),
        1_000_000 / per_second.max(1)
    );
    insert(conn, per_second * seconds, &due).await?;
    sqlx::raw_sql("ANALYZE obligation").execute(conn).await?;
    ensure!(SystemClock.now() < first, "arming took longer than the lead");
    eprintln!("    armed {} in {:.1?}", per_second * seconds, begun.elapsed());
    Ok(())
}

async fn measure(conn: &mut PgConnection, started: i64, per_second: u64, seconds: u64) -> anyhow::Result<()> {
    let armed = i64::try_from(per_second * seconds + OVERDUE)?;
    let mut most_mb: f64 = 0.0;
    let limit = Instant::now() + LEAD + Duration::from_secs(seconds * 2) + PATIENCE;
    loop {
        most_mb = most_mb.max(figures::resident_mb("sla-monitor")?);
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM obligation WHERE needs = 'cases' AND next_fire_at < now() + interval '11 hours' LIMIT 1) o",
        )
        .fetch_one(&mut *conn)
        .await?;
        if left == 0 {
            break;
        }
        ensure!(Instant::now() < limit, "not all was told in time");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let drained = Instant::now();
    while sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT 1 FROM outbox)").fetch_one(&mut *conn).await? {
        ensure!(Instant::now() < limit, "not all was published in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("    published {:.1?} after the last was told", drained.elapsed());
    let first: Moment = moment(
        sqlx::query_scalar(
            "SELECT (extract(epoch FROM min(breached_told)) * 1000000)::bigint FROM obligation WHERE breached AND rule_version = 'bench'",
        )
        .fetch_one(&mut *conn)
        .await?,
    )?;
    figures::print(
        "restart_to_first_firing_ms",
        (first.as_microsecond() - started) as f64 / 1_000.0,
        "ms",
        Some(("aim", 3_000.0)),
    );
    // What was overdue at the start has its own figure.
    let (count, p50, p99, span): (i64, f64, f64, f64) = sqlx::query_as(
        "SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY lag)::float8, percentile_disc(0.99) WITHIN GROUP (ORDER BY lag)::float8,
                extract(epoch FROM max(breached_told) - min(breached_told))::float8
         FROM (SELECT breached_told, extract(epoch FROM breached_told - due) * 1000 AS lag FROM obligation
               WHERE breached AND rule_version = 'bench' AND due >= 'epoch'::timestamptz + $1::bigint * interval '1 microsecond') l",
    )
    .bind(started)
    .fetch_one(&mut *conn)
    .await?;
    ensure!(count + i64::try_from(OVERDUE)? == armed, "{count} of {armed} were told");
    figures::print("firing_lag_p50_ms", p50, "ms", Some(("aim for p99", 1_000.0)));
    figures::print("firing_lag_p99_ms", p99, "ms", Some(("aim", 1_000.0)));
    figures::print("fired_per_s", count as f64 / span, "1/s", Some(("falling due", per_second as f64)));
    figures::print("memory_mb", most_mb, "MB", Some(("aim", 256.0)));
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let begun = Instant::now();
        sqlx::query(
            "SELECT n.needs, (SELECT o.next_fire_at FROM obligation o WHERE o.needs = n.needs AND o.next_fire_at IS NOT NULL
                              ORDER BY o.next_fire_at LIMIT 1) FROM UNNEST(ARRAY['cases', 'village', 'reporting']) AS n (needs)",
        )
        .fetch_all(&mut *conn)
        .await?;
        sqlx::query("SELECT service, through FROM watermark").fetch_all(&mut *conn).await?;
        looks.push(begun.elapsed());
    }
    figures::print("idle_poll_ms", figures::percentile_ms(&mut looks, 99), "ms", Some(("aim", 5.0)));
    Ok(())
}

fn moment(micros: i64) -> anyhow::Result<Moment> {
    Moment::from_microsecond(micros).context("an instant")
}
