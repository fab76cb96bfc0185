//! A dispatch database with as many cases as wanted, each with its history, made by SQL from one model case per stage.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::client;

/// Cases per statement: what a statement sorts stays in memory.
const CHUNK: u64 = 100_000;

const REACHED: &str = "to_char(l.reached AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";

/// The lights that the monitor would have on: of four open steps one is yellow and one red.
const LIGHTS: &str = "INSERT INTO light (obligation, case_id, clock, role, region, agency, red, due)
     SELECT md5('light' || entry)::uuid, case_id, clock, role, region, agency, case_bucket(case_id) % 4 = 0, since + interval '1 day'
     FROM (SELECT case_id AS entry, case_id, CASE role WHEN 'township-centre' THEN 'T1' ELSE 'K1' END AS clock, role, region, '' AS agency, since
           FROM desk
           UNION ALL
           SELECT id, case_id, CASE level WHEN 'township' THEN 'T2' ELSE 'K3' END,
                  CASE level WHEN 'township' THEN 'township-agency' ELSE level || '-department' END, region, agency, issued_at
           FROM instruction WHERE open) AS step
     WHERE case_bucket(case_id) % 4 < 2";

/// The tables that are filled, and what in them is each case's own: columns with their SQL.
fn own_columns() -> [(&'static str, Value); 5] {
    let body = format!(
        "replace(replace(replace(replace(replace(replace(b.text, '@case@', l.id::text), '@instruction@', left(l.instruction::text, 34)), \
         '@village@', v.village), '@township@', v.township), '@county@', v.county), '@reached@', {REACHED})::jsonb"
    );
    let region = "CASE WHEN m.region = b.model_county THEN v.county WHEN m.region = b.model_township THEN v.township ELSE m.region END";
    // The ids in a payload stand there as text or as bytes, as long as before.
    let payload = "decode(replace(replace(encode(m.payload, 'hex'), b.id_text, encode(convert_to(l.id::text, 'UTF8'), 'hex')), b.id_bytes, \
                   encode(uuid_send(l.id), 'hex')), 'hex')";
    [
        (
            "case_file",
            json!({"id": "l.id", "county": "v.county", "township": "v.township", "village": "v.village",
                   "reached_at": "l.reached", "body": body}),
        ),
        (
            "instruction",
            json!({"id": "(left(l.instruction::text, 34) || lpad(m.ordinal::text, 2, '0'))::uuid", "case_id": "l.id", "county": "v.county", "township": "v.township", "region": region,
                   "issued_at": "l.reached", "assumed_at": "l.reached + interval '1 day'"}),
        ),
        ("desk", json!({"case_id": "l.id", "region": region, "since": "l.reached"})),
        (
            "event_log",
            json!({"event_id": "md5(l.n || '-' || m.sequence)::uuid", "aggregate_id": "l.id",
                   "recorded_at": "l.reached + m.sequence * interval '1 hour'", "payload": payload}),
        ),
        ("consumer_mark", json!({"aggregate_id": "l.id"})),
    ]
}

/// Fills the database of the stopped service.
pub(super) async fn run(cases: u64, models: &[String]) -> anyhow::Result<()> {
    let mut conn = PgConnection::connect(&client::setting("DAFEI_DISPATCH_DATABASE_URL")?).await?;
    sqlx::query("SELECT set_config('bench.cases', $1, false), set_config('bench.models', $2, false)")
        .bind(cases.to_string())
        .bind(format!("{{{}}}", models.join(",")))
        .execute(&mut conn)
        .await?;
    sqlx::raw_sql("SET synchronous_commit = off; SET maintenance_work_mem = '1GB'").execute(&mut conn).await?;
    sqlx::raw_sql(include_str!("dispatch_fill.sql")).execute(&mut conn).await?;
    for (table, own) in own_columns() {
        let begun = Instant::now();
        let rows = fill(&mut conn, table, &own, cases).await?;
        eprintln!("    {table}: {rows} rows in {:.1?}", begun.elapsed());
    }
    let begun = Instant::now();
    let lit = sqlx::query(LIGHTS).execute(&mut conn).await?.rows_affected();
    eprintln!("    light: {lit} rows in {:.1?}", begun.elapsed());
    let indexes = build_indexes(&mut conn).await?;
    eprintln!("    indexes in {indexes:.1?}");
    sqlx::raw_sql(
        "DROP FUNCTION bench_fill(text, jsonb, bigint, bigint);
         DROP TABLE bench_model, bench_lot, bench_village, bench_index, bench_case_file, bench_instruction, bench_desk, bench_event_log,
                    bench_consumer_mark",
    )
    .execute(&mut conn)
    .await?;
    let begun = Instant::now();
    // Statistics, and the hints that reads would otherwise set while it is measured.
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut conn).await?;
    let size: String =
        sqlx::query_scalar("SELECT pg_size_pretty(pg_database_size(current_database()))").fetch_one(&mut conn).await?;
    eprintln!("    vacuum and analyze in {:.1?}; the database has {size}", begun.elapsed());
    Ok(())
}

async fn fill(conn: &mut PgConnection, table: &str, own: &Value, cases: u64) -> anyhow::Result<i64> {
    for lowest in (1..=cases).step_by(usize::try_from(CHUNK)?) {
        sqlx::query("SELECT bench_fill($1, $2, $3, $4)")
            .bind(table)
            .bind(own)
            .bind(i64::try_from(lowest)?)
            .bind(i64::try_from(lowest + CHUNK - 1)?)
            .execute(&mut *conn)
            .await?;
    }
    Ok(sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(conn).await?)
}

/// Builds the indexes that were dropped before the load.
async fn build_indexes(conn: &mut PgConnection) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let definitions: Vec<String> =
        sqlx::query_scalar("SELECT definition FROM bench_index ORDER BY name").fetch_all(&mut *conn).await?;
    for definition in definitions {
        sqlx::raw_sql(AssertSqlSafe(definition)).execute(&mut *conn).await?;
    }
    Ok(begun.elapsed())
}
