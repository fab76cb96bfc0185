//! Facts and the cells they add to, in the consumer's transaction: the same few statements for a batch of any size.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::{Cell, Fact, Increments, LeafUnit, Replacement, Secretary, happening::Verdict};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{accountability, code, month, unit_id};

/// A distinct key in its cell.
type Key = (Uuid, i32, String, i16, String);

/// Takes facts: of those with the same id the one told first is kept, which is the one that comes first, since each aggregate's events come in order;
/// what is known changes nothing but the verdict of a tip that turned out to be true ([`Fact::hear_again`]).
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn take(conn: &mut PgConnection, facts: Vec<Fact>) -> sqlx::Result<()> {
    let mut batch: BTreeMap<Uuid, Fact> = BTreeMap::new();
    for fact in facts {
        match batch.entry(fact.fact_id) {
            Entry::Vacant(first) => {
                first.insert(fact);
            }
            Entry::Occupied(mut first) => first.get_mut().hear_again(&fact),
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    let facts: Vec<Fact> = batch.into_values().collect();
    insert_units(conn, facts.iter().map(|fact| &fact.leaf)).await?;
    let fresh = insert_facts(conn, &facts).await?;
    let (fresh, known): (Vec<&Fact>, Vec<&Fact>) = facts.iter().partition(|fact| fresh.contains(&fact.fact_id));
    let mut true_tips = turned_true(conn, &known).await?;
    true_tips
        .extend(fresh.iter().filter(|fact| fact.is_true_tip()).map(|fact| (unit_id(&fact.leaf), month(fact.month))));
    note_true_tips(conn, true_tips).await?;
    let mut new_keys = insert_keys(conn, &fresh).await?;
    let mut increments = Increments::default();
    for fact in fresh {
        if key(fact).is_none_or(|key| new_keys.remove(&key)) {
            increments.add(fact);
        }
    }
    add_to_cells(conn, cells(increments)).await
}

/// Takes what stands of entries of the accountability ledger, in the place of what was counted of them before.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn replace(conn: &mut PgConnection, told: Vec<Replacement>) -> sqlx::Result<()> {
    // Of several words on one entry the last says it all.
    let mut entries: BTreeMap<Uuid, Replacement> = BTreeMap::new();
    for replacement in told {
        entries.insert(replacement.entry, replacement);
    }
    if entries.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = entries.keys().copied().collect();
    let mut changes = accountability::take_out(conn, &ids).await?;
    let of: Vec<(Uuid, &Fact)> =
        entries.values().flat_map(|entry| entry.facts.iter().map(|fact| (entry.entry, fact))).collect();
    let facts: Vec<Fact> = of.iter().map(|(_, fact)| (*fact).clone()).collect();
    let secretaries: Vec<(Uuid, &Secretary)> =
        entries.values().flat_map(|entry| entry.secretaries.iter().map(|one| (entry.entry, one))).collect();
    insert_units(conn, facts.iter().map(|fact| &fact.leaf).chain(secretaries.iter().map(|(_, one)| &one.leaf))).await?;
    insert_facts(conn, &facts).await?;
    accountability::put_in(conn, &of, &secretaries).await?;
    let mut increments = Increments::default();
    for fact in &facts {
        increments.add(fact);
    }
    for (place, value) in cells(increments) {
        *changes.entry(place).or_default() += value;
    }
    changes.retain(|_, value| *value != 0);
    add_to_cells(conn, changes).await
}

/// Puts down that tips which had counted as untrue are true; says in which units and months they count.
async fn turned_true(conn: &mut PgConnection, known: &[&Fact]) -> sqlx::Result<Vec<(Uuid, i32)>> {
    let ids: Vec<Uuid> = known.iter().filter(|fact| fact.is_true_tip()).map(|fact| fact.fact_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        "UPDATE fact SET verdict = $2 WHERE fact_id = ANY($1) AND verdict <> $2 RETURNING unit_id, month",
        &ids,
        Verdict::True.code(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.unit_id, row.month)).collect())
}

/// Adds to the note 其中属实, in the order of its places.
async fn note_true_tips(conn: &mut PgConnection, tips: Vec<(Uuid, i32)>) -> sqlx::Result<()> {
    let mut notes: BTreeMap<(Uuid, i32), i64> = BTreeMap::new();
    for place in tips {
        *notes.entry(place).or_default() += 1;
    }
    if notes.is_empty() {
        return Ok(());
    }
    let (units, months): (Vec<Uuid>, Vec<i32>) = notes.keys().copied().unzip();
    let counts: Vec<i64> = notes.values().copied().collect();
    sqlx::query!(
        "INSERT INTO tip_note (unit_id, month, verified_true) SELECT * FROM UNNEST($1::uuid[], $2::integer[], $3::bigint[])
         ON CONFLICT (unit_id, month) DO UPDATE SET verified_true = tip_note.verified_true + excluded.verified_true",
        &units,
        &months,
        &counts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Unit, month, sector and column of a cell.
pub(super) type Place = (Uuid, i32, String, i16);

fn cells(increments: Increments) -> BTreeMap<Place, i64> {
    let place = |cell: &Cell| {
        let sector = cell.sector.map_or("", |sector| sector.code()).to_owned();
        (unit_id(&cell.leaf), month(cell.month), sector, i16::from(cell.column.number()))
    };
    increments.into_cells().into_iter().map(|(cell, value)| (place(&cell), value)).collect()
}

fn sector(fact: &Fact) -> &'static str {
    fact.sector.map_or("", |sector| sector.code())
}

fn column(fact: &Fact) -> i16 {
    i16::from(fact.column.number())
}

fn key(fact: &Fact) -> Option<Key> {
    let distinct = fact.distinct_key.clone()?;
    Some((unit_id(&fact.leaf), month(fact.month), sector(fact).to_owned(), column(fact), distinct))
}

async fn insert_units(conn: &mut PgConnection, leaves: impl Iterator<Item = &LeafUnit>) -> sqlx::Result<()> {
    let leaves: BTreeMap<Uuid, _> = leaves.map(|leaf| (unit_id(leaf), leaf)).collect();
    let ids: Vec<Uuid> = leaves.keys().copied().collect();
    let units: Vec<_> = leaves.values().map(|leaf| leaf.unit()).collect();
    let kinds: Vec<&str> = units.iter().map(|unit| unit.kind().code()).collect();
    let levels: Vec<&str> = units.iter().map(|unit| unit.region().level().code()).collect();
    let codes: Vec<String> = units.iter().map(|unit| code(Some(unit.region()))).collect();
    let agencies: Vec<&str> = units.iter().map(|unit| unit.agency().map_or("", |agency| agency.code())).collect();
    let counties: Vec<String> = leaves.values().map(|leaf| code(leaf.county())).collect();
    let cities: Vec<String> = leaves.values().map(|leaf| code(Some(leaf.city()))).collect();
    sqlx::query!(
        "INSERT INTO unit (unit_id, kind, region_level, region_code, agency, county, city)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         ON CONFLICT DO NOTHING",
        &ids,
        &kinds as &[&str],
        &levels as &[&str],
        &codes,
        &agencies as &[&str],
        &counties,
        &cities,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The ids of the facts that are new.
async fn insert_facts(conn: &mut PgConnection, facts: &[Fact]) -> sqlx::Result<HashSet<Uuid>> {
    let ids: Vec<Uuid> = facts.iter().map(|fact| fact.fact_id).collect();
    let units: Vec<Uuid> = facts.iter().map(|fact| unit_id(&fact.leaf)).collect();
    let months: Vec<i32> = facts.iter().map(|fact| month(fact.month)).collect();
    let sectors: Vec<&str> = facts.iter().map(sector).collect();
    let acts: Vec<&str> = facts.iter().map(|fact| fact.act.map_or("", |act| act.code())).collect();
    let sources: Vec<&str> = facts.iter().map(|fact| fact.source.map_or("", |source| source.code())).collect();
    let verdicts: Vec<&str> = facts.iter().map(|fact| fact.verdict.map_or("", Verdict::code)).collect();
    let columns: Vec<i16> = facts.iter().map(column).collect();
    let amounts: Vec<i64> = facts.iter().map(|fact| fact.amount).collect();
    let keys: Vec<Option<String>> = facts.iter().map(|fact| fact.distinct_key.clone()).collect();
    let instants: Vec<PgInstant> = facts.iter().map(|fact| PgInstant(fact.at)).collect();
    let cases: Vec<Option<Uuid>> = facts.iter().map(|fact| fact.case_id).collect();
    let events: Vec<Uuid> = facts.iter().map(|fact| fact.event_id).collect();
    let sequences: Vec<i64> = facts.iter().map(|fact| fact.sequence).collect();
    let fresh = sqlx::query_scalar!(
        "INSERT INTO fact (fact_id, unit_id, month, sector, act, source, col, amount, distinct_key, at, case_id, event_id, sequence, verdict)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::bigint[],
                              $9::text[], $10::timestamptz[], $11::uuid[], $12::uuid[], $13::bigint[],
                              $14::text[])
         ON CONFLICT (fact_id) DO NOTHING
         RETURNING fact_id",
        &ids,
        &units,
        &months,
        &sectors as &[&str],
        &acts as &[&str],
        &sources as &[&str],
        &columns,
        &amounts,
        &keys as &[Option<String>],
        &instants as &[PgInstant],
        &cases as &[Option<Uuid>],
        &events,
        &sequences,
        &verdicts as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(fresh.into_iter().collect())
}

/// The distinct keys that had not been counted in their cells.
async fn insert_keys(conn: &mut PgConnection, facts: &[&Fact]) -> sqlx::Result<HashSet<Key>> {
    let mut keys: Vec<Key> = facts.iter().filter_map(|fact| key(fact)).collect();
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    // Sorted: two consumers that write at once lock in the same order.
    keys.sort_unstable();
    keys.dedup();
    let units: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
    let months: Vec<i32> = keys.iter().map(|key| key.1).collect();
    let sectors: Vec<&str> = keys.iter().map(|key| key.2.as_str()).collect();
    let columns: Vec<i16> = keys.iter().map(|key| key.3).collect();
    let distinct: Vec<&str> = keys.iter().map(|key| key.4.as_str()).collect();
    let rows = sqlx::query!(
        "INSERT INTO counted_key (unit_id, month, sector, col, distinct_key)
         SELECT * FROM UNNEST($1::uuid[], $2::integer[], $3::text[], $4::smallint[], $5::text[])
         ON CONFLICT DO NOTHING
         RETURNING unit_id, month, sector, col, distinct_key",
        &units,
        &months,
        &sectors as &[&str],
        &columns,
        &distinct as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.unit_id, row.month, row.sector, row.col, row.distinct_key)).collect())
}

/// The cells, and the totals of their columns. In the order of the places: two consumers that write at once lock in the same order.
async fn add_to_cells(conn: &mut PgConnection, cells: BTreeMap<Place, i64>) -> sqlx::Result<()> {
    let units: Vec<Uuid> = cells.keys().map(|place| place.0).collect();
    let months: Vec<i32> = cells.keys().map(|place| place.1).collect();
    let sectors: Vec<&str> = cells.keys().map(|place| place.2.as_str()).collect();
    let columns: Vec<i16> = cells.keys().map(|place| place.3).collect();
    let values: Vec<i64> = cells.values().copied().collect();
    sqlx::query!(
        "WITH new AS MATERIALIZED (
             SELECT * FROM UNNEST($1::uuid[], $2::integer[], $3::text[], $4::smallint[], $5::bigint[]) AS n (unit_id, month, sector, col, value)),
         cells AS (
             INSERT INTO cell (unit_id, month, sector, col, value) SELECT unit_id, month, sector, col, value FROM new
             ON CONFLICT (unit_id, month, sector, col) DO UPDATE SET value = cell.value + excluded.value)
         INSERT INTO cell_total (unit_id, month, col, value)
         SELECT unit_id, month, col, sum(value)::bigint FROM new GROUP BY unit_id, month, col ORDER BY unit_id, month, col
         ON CONFLICT (unit_id, month, col) DO UPDATE SET value = cell_total.value + excluded.value",
        &units,
        &months,
        &sectors as &[&str],
        &columns,
        &values,
    )
    .execute(conn)
    .await?;
    Ok(())
}
