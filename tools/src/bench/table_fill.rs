//! A reporting database with the facts of a year: of every township and of the counties' departments, each fact with the event that told it,
//! so that the tables can be made again from the raw log.

use std::time::Instant;

use dafei_kernel::{
    act::Act,
    agency::Agency,
    ids,
    region::{Level, Region},
    sector::Sector,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::client;

/// Facts per statement: what a statement sorts stays in memory.
const CHUNK: u64 = 100_000;
/// Departments of a county that file.
const DEPARTMENTS: [Agency; 6] = [
    Agency::EmergencyManagement,
    Agency::PublicSecurity,
    Agency::MarketRegulation,
    Agency::Transport,
    Agency::HousingConstruction,
    Agency::FireRescue,
];

/// A leaf unit with the post that acts for it.
struct Leaf {
    kind: &'static str,
    region: Region,
    agency: &'static str,
    county: String,
    path: String,
    post: Value,
}

/// Fills the database of the stopped service, which knows the roster.
pub(super) async fn run(facts: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut conn = PgConnection::connect(&client::setting("DAFEI_REPORTING_DATABASE_URL")?).await?;
    sqlx::raw_sql("SET synchronous_commit = off; SET maintenance_work_mem = '1GB'; SET work_mem = '256MB'")
        .execute(&mut conn)
        .await?;
    let units = units(&mut conn).await?;
    acts(&mut conn).await?;
    let indexes = drop_indexes(&mut conn).await?;
    for lowest in (0..facts).step_by(usize::try_from(CHUNK)?) {
        sqlx::query(include_str!("table_fill.sql"))
            .bind(i64::try_from(lowest)?)
            .bind(i64::try_from(CHUNK.min(facts - lowest))?)
            .bind(units)
            .execute(&mut conn)
            .await?;
    }
    eprintln!("    {facts} facts of {units} units in {:.1?}", begun.elapsed());
    for definition in indexes {
        sqlx::raw_sql(AssertSqlSafe(definition)).execute(&mut conn).await?;
    }
    sqlx::raw_sql(
        "INSERT INTO counted_key (unit_id, month, sector, col, distinct_key)
         SELECT DISTINCT unit_id, month, sector, col, distinct_key FROM fact WHERE distinct_key IS NOT NULL;
         INSERT INTO cell (unit_id, month, sector, col, value)
         SELECT unit_id, month, sector, col, CASE WHEN col IN (1, 3, 7) THEN count(DISTINCT distinct_key) ELSE sum(amount) END
         FROM fact GROUP BY unit_id, month, sector, col;
         INSERT INTO cell_total (unit_id, month, col, value) SELECT unit_id, month, col, sum(value) FROM cell GROUP BY unit_id, month, col;
         INSERT INTO tip_note (unit_id, month, verified_true)
         SELECT unit_id, month, count(*) FROM fact WHERE verdict = 'true' GROUP BY unit_id, month;
         DROP TABLE bench_unit, bench_act",
    )
    .execute(&mut conn)
    .await?;
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut conn).await?;
    let size: String =
        sqlx::query_scalar("SELECT pg_size_pretty(pg_database_size(current_database()))").fetch_one(&mut conn).await?;
    eprintln!("    with cells and indexes in {:.1?}; the database has {size}", begun.elapsed());
    Ok(())
}

/// Makes the leaf units, and says how many there are.
async fn units(conn: &mut PgConnection) -> anyhow::Result<i64> {
    let places: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.code, c.code, c.parent_code FROM roster_region t
         JOIN roster_region c ON c.level = t.parent_level AND c.code = t.parent_code WHERE t.level = 'township' ORDER BY t.code",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut leaves = Vec::new();
    let mut counties: Vec<(&str, &str)> =
        places.iter().map(|(_, county, city)| (county.as_str(), city.as_str())).collect();
    for (township, county, city) in &places {
        let path = format!("city:{city}/county:{county}/township:{township}");
        let region = Region::new(Level::Township, township)?;
        let post = json!({"role": "township-centre", "region": {"level": "township", "code": township}});
        leaves.push((city.as_str(), Leaf { kind: "township", region, agency: "", county: county.clone(), path, post }));
    }
    counties.sort_unstable();
    counties.dedup();
    for (county, city) in counties {
        for agency in DEPARTMENTS.map(Agency::code) {
            let path = format!("city:{city}/county:{county}");
            let region = Region::new(Level::County, county)?;
            let post =
                json!({"role": "county-department", "region": {"level": "county", "code": county}, "agency": agency});
            let leaf = Leaf { kind: "county-department", region, agency, county: county.to_owned(), path, post };
            leaves.push((city, leaf));
        }
    }
    sqlx::raw_sql("CREATE TABLE bench_unit (number integer PRIMARY KEY, unit_id uuid, path text, post jsonb)")
        .execute(&mut *conn)
        .await?;
    let count = i64::try_from(leaves.len())?;
    for (number, (city, leaf)) in (0..).zip(leaves) {
        insert(conn, number, city, &leaf).await?;
    }
    Ok(count)
}

async fn insert(conn: &mut PgConnection, number: i32, city: &str, leaf: &Leaf) -> anyhow::Result<()> {
    // As reporting derives it: a rebuild that finds another id finds every cell of the unit different.
    let code = leaf.region.code().as_str();
    let unit_id = ids::derived(&["unit", leaf.kind, code, leaf.agency, &leaf.county, city]);
    sqlx::query("INSERT INTO unit VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(unit_id)
        .bind(leaf.kind)
        .bind(leaf.region.level().code())
        .bind(code)
        .bind(leaf.agency)
        .bind(&leaf.county)
        .bind(city)
        .execute(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO bench_unit VALUES ($1, $2, $3, $4)")
        .bind(number)
        .bind(unit_id)
        .bind(&leaf.path)
        .bind(&leaf.post)
        .execute(conn)
        .await?;
    Ok(())
}

/// One act per sector.
async fn acts(conn: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql("CREATE TABLE bench_act (number integer PRIMARY KEY, act text, sector text)")
        .execute(&mut *conn)
        .await?;
    for (number, sector) in (0_i32..).zip(Sector::ALL.iter().copied()) {
        let act = Act::all().find(|act| act.sector() == sector && !act.needs_text());
        sqlx::query("INSERT INTO bench_act VALUES ($1, $2, $3)")
            .bind(number)
            .bind(act.map_or("", |act| act.code()))
            .bind(sector.code())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Drops what would be kept up to date with every row; says how it is made again.
async fn drop_indexes(conn: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
         WHERE i.indrelid = 'fact'::regclass AND NOT i.indisprimary",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut again = vec![
        "ALTER TABLE fact ADD PRIMARY KEY (fact_id)".to_owned(),
        "ALTER TABLE received ADD CONSTRAINT received_source_event_id_key UNIQUE (source, event_id)".to_owned(),
    ];
    sqlx::raw_sql(
        "ALTER TABLE fact DROP CONSTRAINT fact_pkey; ALTER TABLE received DROP CONSTRAINT received_source_event_id_key",
    )
    .execute(&mut *conn)
    .await?;
    for (name, definition) in indexes {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut *conn).await?;
        again.push(definition);
    }
    Ok(again)
}
