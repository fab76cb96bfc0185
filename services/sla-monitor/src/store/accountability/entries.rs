//! Entries: written in batches, locked for what is done to them.

use dafei_messaging::pg::PgInstant;
use dafei_sla_core::accountability::{Entry, Party, State};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::Codes;

/// An entry with the head of the chain over its events.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) entry: Entry,
    pub(crate) chain_head: String,
}

/// The office whose turn it is, as a post; empty when nobody's is.
fn awaits(entry: &Entry) -> String {
    entry.awaits().map(|post| post.to_string()).unwrap_or_default()
}

/// Writes new entries; says which were not there before.
pub(crate) async fn insert(conn: &mut PgConnection, new: &[Kept]) -> sqlx::Result<Vec<Uuid>> {
    let each = || new.iter().map(|kept| &kept.entry);
    let codes: Vec<Codes> = each().map(|entry| Codes::of(&entry.path)).collect();
    let column = |of: fn(&Codes) -> &String| codes.iter().map(of).cloned().collect::<Vec<_>>();
    let inserted = sqlx::query_scalar!(
        "INSERT INTO accountability_entry (id, source, state, city, county, township, place, awaits, opened_at, chain_head, body)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                              $9::timestamptz[], $10::text[], $11::jsonb[])
         ON CONFLICT (id) DO NOTHING RETURNING id",
        &each().map(|entry| entry.id).collect::<Vec<_>>(),
        &each().map(|entry| entry.basis.code()).collect::<Vec<_>>() as &[&str],
        &each().map(|entry| entry.state.code()).collect::<Vec<_>>() as &[&str],
        &column(|codes| &codes.city),
        &column(|codes| &codes.county),
        &column(|codes| &codes.township),
        &column(|codes| &codes.place),
        &each().map(awaits).collect::<Vec<_>>(),
        &each().map(|entry| PgInstant(entry.opened_at)).collect::<Vec<_>>() as &[PgInstant],
        &new.iter().map(|kept| kept.chain_head.as_str()).collect::<Vec<_>>() as &[&str],
        &each().map(Json).collect::<Vec<_>>() as &[Json<&Entry>],
    )
    .fetch_all(&mut *conn)
    .await?;
    let fresh: Vec<&Entry> = each().filter(|entry| inserted.contains(&entry.id)).collect();
    insert_persons(conn, &fresh).await?;
    Ok(inserted)
}

/// Writes what has become of entries that were locked.
pub(crate) async fn update(conn: &mut PgConnection, kept: &[Kept]) -> sqlx::Result<()> {
    let each = || kept.iter().map(|kept| &kept.entry);
    let ids: Vec<Uuid> = each().map(|entry| entry.id).collect();
    sqlx::query!(
        "UPDATE accountability_entry e SET state = u.state, awaits = u.awaits, chain_head = u.chain_head, body = u.body
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[]) AS u (id, state, awaits, chain_head, body)
         WHERE e.id = u.id",
        &ids,
        &each().map(|entry| entry.state.code()).collect::<Vec<_>>() as &[&str],
        &each().map(awaits).collect::<Vec<_>>(),
        &kept.iter().map(|kept| kept.chain_head.as_str()).collect::<Vec<_>>() as &[&str],
        &each().map(Json).collect::<Vec<_>>() as &[Json<&Entry>],
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM accountability_person WHERE entry_id = ANY($1)", &ids).execute(&mut *conn).await?;
    insert_persons(conn, &each().collect::<Vec<_>>()).await
}

/// A row of `accountability_person`.
struct Person<'a> {
    entry: &'a Entry,
    part: &'static str,
    person: &'a str,
    post: String,
    outcome: &'static str,
}

/// The persons of a party: those of the decision that counts, else those charged.
fn persons<'a>(entry: &'a Entry, party: &'a Party) -> Vec<Person<'a>> {
    let post = party.who.post().map(ToString::to_string).unwrap_or_default();
    let row = |person: &'a str, outcome: &'static str| Person {
        entry,
        part: party.part.code(),
        person,
        post: post.clone(),
        outcome,
    };
    let mut rows: Vec<Person<'a>> = party.who.persons().iter().map(|person| row(person, "")).collect();
    let decided = entry.decisions.last().filter(|_| entry.state != State::Withdrawn);
    for verdict in decided.iter().flat_map(|decision| &decision.persons).filter(|verdict| verdict.part == party.part) {
        let outcome = verdict.outcome.code();
        match rows.iter_mut().find(|row| row.person == verdict.person) {
            Some(known) => known.outcome = outcome,
            None => rows.push(row(&verdict.person, outcome)),
        }
    }
    if rows.is_empty() {
        rows.push(row("", ""));
    }
    rows
}

async fn insert_persons(conn: &mut PgConnection, entries: &[&Entry]) -> sqlx::Result<()> {
    let rows: Vec<Person<'_>> =
        entries.iter().flat_map(|entry| entry.parties.iter().flat_map(|party| persons(entry, party))).collect();
    sqlx::query!(
        "INSERT INTO accountability_person (entry_id, part, person, post, outcome, opened_at)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])",
        &rows.iter().map(|row| row.entry.id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.part).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|row| row.person).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|row| row.post.as_str()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|row| row.outcome).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|row| PgInstant(row.entry.opened_at)).collect::<Vec<_>>() as &[PgInstant],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Entries, locked in the order of their ids; those that are not there are left out.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Kept>> {
    let rows = sqlx::query!(
        r#"SELECT body AS "body: Json<Entry>", chain_head FROM accountability_entry WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Kept { entry: row.body.0, chain_head: row.chain_head }).collect())
}

/// What cases recorded of people, or offices reported of them, as entries; locked in the order of their ids.
pub(crate) async fn lock_of_cases(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<Kept>> {
    let rows = sqlx::query!(
        r#"SELECT body AS "body: Json<Entry>", chain_head FROM accountability_entry
           WHERE source IN ('accident', 'conduct') AND body ->> 'case_id' = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        &cases.iter().map(Uuid::to_string).collect::<Vec<_>>()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Kept { entry: row.body.0, chain_head: row.chain_head }).collect())
}

/// An entry.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Entry>> {
    let row = sqlx::query_scalar!(r#"SELECT body AS "body: Json<Entry>" FROM accountability_entry WHERE id = $1"#, id)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|body| body.0))
}
