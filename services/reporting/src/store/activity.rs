//! What is done and left undone, in the consumer's transaction: the same few statements for a batch of any size, each in the order of its keys.

use std::collections::BTreeMap;

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::activity::{
    Activity, BreachChange, CaseChange, Deed, Deeds, Notices, Obligation, Opened, Rest,
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Takes a batch.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn take_activity(conn: &mut PgConnection, activity: Activity) -> sqlx::Result<()> {
    add_deeds(&mut *conn, &activity.deeds).await?;
    let opened: Vec<(&Uuid, &Opened, &CaseChange)> = activity
        .cases
        .iter()
        .filter_map(|(id, change)| change.opened.as_ref().map(|opened| (id, opened, change)))
        .collect();
    open_cases(&mut *conn, &opened).await?;
    // Before the ends in the lines change: a rest whose end was told earlier takes it from there.
    keep_rests(&mut *conn, &activity.cases).await?;
    change_cases(&mut *conn, activity.cases.iter().filter(|(_, change)| change.opened.is_none()).collect()).await?;
    let breached: Vec<&Obligation> = activity.breaches.values().filter_map(|change| change.breached.as_ref()).collect();
    insert_breaches(&mut *conn, &breached).await?;
    end_breaches(&mut *conn, activity.breaches.iter().filter(|(_, change)| change.end.is_some()).collect()).await?;
    put_notices(&mut *conn, activity.notices.values().collect()).await?;
    for anchor in &activity.anchors {
        sqlx::query!(
            "INSERT INTO anchor_line (day, digest, cases) VALUES ($1, $2, $3) ON CONFLICT (day) DO NOTHING",
            anchor.day,
            anchor.digest,
            anchor.cases
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn add_deeds(conn: &mut PgConnection, deeds: &Deeds) -> sqlx::Result<()> {
    let deeds: Vec<_> = deeds.iter().filter(|(_, times)| **times != 0).collect();
    if deeds.is_empty() {
        return Ok(());
    }
    let column =
        |pick: fn(&Deed) -> &String| -> Vec<String> { deeds.iter().map(|(deed, _)| pick(deed).clone()).collect() };
    sqlx::query!(
        "INSERT INTO deed (what, day, county, township, role, agency, times)
         SELECT what, day::date, county, township, role, agency, times
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
             AS d (what, day, county, township, role, agency, times)
         ON CONFLICT (county, day, township, what, role, agency) DO UPDATE SET times = deed.times + excluded.times",
        &column(|deed| &deed.what),
        &deeds.iter().map(|(deed, _)| deed.day.to_string()).collect::<Vec<_>>(),
        &column(|deed| &deed.county),
        &column(|deed| &deed.township),
        &column(|deed| &deed.role),
        &column(|deed| &deed.agency),
        &deeds.iter().map(|(_, times)| **times).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When and how a case has ended; nothing and empty while it is open.
fn end_of(change: &CaseChange) -> (Option<PgInstant>, &'static str) {
    change.end.flatten().map_or((None, ""), |(at, how)| (Some(PgInstant(at)), how.code()))
}

async fn open_cases(conn: &mut PgConnection, opened: &[(&Uuid, &Opened, &CaseChange)]) -> sqlx::Result<()> {
    if opened.is_empty() {
        return Ok(());
    }
    let text = |pick: fn(&Opened) -> &String| -> Vec<String> {
        opened.iter().map(|(_, opened, _)| pick(opened).clone()).collect()
    };
    sqlx::query!(
        "INSERT INTO case_line (case_id, county, township, village, place, sector, act, act_text, opened_at, ended_at, how_ended,
                                chain_head, sequence)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                              $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::bigint[])
         ON CONFLICT (case_id) DO NOTHING",
        &opened.iter().map(|(id, ..)| **id).collect::<Vec<_>>(),
        &text(|opened| &opened.place.county),
        &text(|opened| &opened.place.township),
        &text(|opened| &opened.place.village),
        &text(|opened| &opened.lowest),
        &text(|opened| &opened.sector),
        &text(|opened| &opened.act),
        &text(|opened| &opened.act_text),
        &opened.iter().map(|(_, opened, _)| PgInstant(opened.at)).collect::<Vec<_>>() as &[PgInstant],
        &opened.iter().map(|(.., change)| end_of(change).0).collect::<Vec<_>>() as &[Option<PgInstant>],
        &opened.iter().map(|(.., change)| end_of(change).1.to_owned()).collect::<Vec<_>>(),
        &opened.iter().map(|(.., change)| head_of(change).0).collect::<Vec<_>>(),
        &opened.iter().map(|(.., change)| head_of(change).1).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn keep_rests(conn: &mut PgConnection, cases: &BTreeMap<Uuid, CaseChange>) -> sqlx::Result<()> {
    let rests: Vec<(Uuid, &Rest)> =
        cases.iter().flat_map(|(id, change)| change.rests.iter().map(|rest| (*id, rest))).collect();
    if rests.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO case_rest (case_id, ended_at, how_ended, reopened_at)
         SELECT n.case_id, COALESCE(n.ended_at, c.ended_at), CASE WHEN n.ended_at IS NULL THEN c.how_ended ELSE n.how_ended END, n.reopened_at
         FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::timestamptz[]) AS n (case_id, ended_at, how_ended, reopened_at)
         JOIN case_line c ON c.case_id = n.case_id
         WHERE COALESCE(n.ended_at, c.ended_at) IS NOT NULL
         ON CONFLICT (case_id, ended_at) DO NOTHING",
        &rests.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        &rests.iter().map(|(_, rest)| rest.ended.map(|(at, _)| PgInstant(at))).collect::<Vec<_>>() as &[Option<PgInstant>],
        &rests.iter().map(|(_, rest)| rest.ended.map_or("", |(_, how)| how.code()).to_owned()).collect::<Vec<_>>(),
        &rests.iter().map(|(_, rest)| PgInstant(rest.reopened_at)).collect::<Vec<_>>() as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn head_of(change: &CaseChange) -> (String, i64) {
    change.head.clone().unwrap_or_default()
}

async fn change_cases(conn: &mut PgConnection, changed: Vec<(&Uuid, &CaseChange)>) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE case_line c
         SET ended_at = CASE WHEN n.moved THEN n.ended_at ELSE c.ended_at END,
             how_ended = CASE WHEN n.moved THEN n.how_ended ELSE c.how_ended END,
             chain_head = CASE WHEN n.sequence > 0 THEN n.chain_head ELSE c.chain_head END,
             sequence = GREATEST(c.sequence, n.sequence)
         FROM UNNEST($1::uuid[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[])
             AS n (case_id, moved, ended_at, how_ended, chain_head, sequence)
         WHERE c.case_id = n.case_id",
        &changed.iter().map(|(id, _)| **id).collect::<Vec<_>>(),
        &changed.iter().map(|(_, change)| change.end.is_some()).collect::<Vec<_>>(),
        &changed.iter().map(|(_, change)| end_of(change).0).collect::<Vec<_>>() as &[Option<PgInstant>],
        &changed.iter().map(|(_, change)| end_of(change).1.to_owned()).collect::<Vec<_>>(),
        &changed.iter().map(|(_, change)| head_of(change).0).collect::<Vec<_>>(),
        &changed.iter().map(|(_, change)| head_of(change).1).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_breaches(conn: &mut PgConnection, breached: &[&Obligation]) -> sqlx::Result<()> {
    if breached.is_empty() {
        return Ok(());
    }
    let text = |pick: fn(&Obligation) -> String| -> Vec<String> { breached.iter().map(|one| pick(one)).collect() };
    sqlx::query!(
        "INSERT INTO breach_line (obligation_id, clock, case_id, county, township, village, role, region, agency, persons, due, day, period,
                                  how_ended)
         SELECT b.id, b.clock, b.case_id, b.county, b.township, b.village, b.role, b.region, b.agency,
                ARRAY(SELECT jsonb_array_elements_text(b.persons)), b.due, b.day::date, b.period, ''
         FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                     $10::jsonb[], $11::timestamptz[], $12::text[], $13::text[])
             AS b (id, clock, case_id, county, township, village, role, region, agency, persons, due, day, period)
         ON CONFLICT (obligation_id) DO NOTHING",
        &breached.iter().map(|one| one.id).collect::<Vec<_>>(),
        &text(|one| one.clock.clone()),
        &breached.iter().map(|one| one.case_id).collect::<Vec<_>>() as &[Option<Uuid>],
        &text(|one| one.place.county.clone()),
        &text(|one| one.place.township.clone()),
        &text(|one| one.place.village.clone()),
        &text(|one| one.direct.post.role.code().to_owned()),
        &text(|one| one.direct.post.region.to_string()),
        &text(|one| one.direct.post.agency.map(|agency| agency.code().to_owned()).unwrap_or_default()),
        &breached.iter().map(|one| Json(one.direct.persons.clone())).collect::<Vec<_>>() as &[Json<Vec<String>>],
        &breached.iter().map(|one| PgInstant(one.due)).collect::<Vec<_>>() as &[PgInstant],
        &text(|one| one.day().to_string()),
        &text(|one| one.period.clone())
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn end_breaches(conn: &mut PgConnection, ended: Vec<(&Uuid, &BreachChange)>) -> sqlx::Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let ends: Vec<(Uuid, Instant, &str)> =
        ended.iter().filter_map(|(id, change)| change.end.map(|(at, how)| (**id, at, how.code()))).collect();
    sqlx::query!(
        "UPDATE breach_line b SET ended_at = n.ended_at, how_ended = n.how_ended
         FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[]) AS n (obligation_id, ended_at, how_ended)
         WHERE b.obligation_id = n.obligation_id AND (b.ended_at IS NULL OR n.how_ended = 'annulled')",
        &ends.iter().map(|(id, ..)| *id).collect::<Vec<_>>(),
        &ends.iter().map(|(_, at, _)| PgInstant(*at)).collect::<Vec<_>>() as &[PgInstant],
        &ends.iter().map(|(.., how)| (*how).to_owned()).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn put_notices(conn: &mut PgConnection, notices: Vec<&Notices>) -> sqlx::Result<()> {
    if notices.is_empty() {
        return Ok(());
    }
    let text = |pick: fn(&Notices) -> &String| -> Vec<String> { notices.iter().map(|one| pick(one).clone()).collect() };
    let count = |pick: fn(&Notices) -> u32| -> Vec<i32> {
        notices.iter().map(|one| i32::try_from(pick(one)).unwrap_or(i32::MAX)).collect()
    };
    sqlx::query!(
        "INSERT INTO village_notices (village, county, township, valid_places, required, close_pairs)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::integer[], $5::integer[], $6::integer[])
         ON CONFLICT (village) DO UPDATE SET county = excluded.county, township = excluded.township,
             valid_places = excluded.valid_places, required = excluded.required, close_pairs = excluded.close_pairs",
        &text(|one| &one.place.village),
        &text(|one| &one.place.county),
        &text(|one| &one.place.township),
        &count(|one| one.valid),
        &count(|one| one.required),
        &count(|one| one.close_pairs)
    )
    .execute(conn)
    .await?;
    Ok(())
}
