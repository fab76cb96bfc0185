//! Who may see what: by role of the token, by role of the database, and what is left behind.

use dafei_contracts::intake::v1 as api;
use dafei_kernel::role::Role;
use sqlx::{AssertSqlSafe, PgConnection};
use tonic::Code;

use crate::{
    counter::{AUDITOR, CODE, COUNTY, OFFICE, TELLER, TIP, WRONG, announcement, claim, receipt},
    world::{CITY, Caller, MEMBER, World, refused, wire},
};

/// What a statement under a role of the database is answered: nothing when it may, else the SQLSTATE.
async fn under(conn: &mut PgConnection, role: &str, statement: &str) -> Option<String> {
    let run = |sql: String| sqlx::raw_sql(AssertSqlSafe(sql));
    run(format!("BEGIN; SET LOCAL ROLE {role}")).execute(&mut *conn).await.expect("the role is there");
    let answer = run(statement.to_owned()).execute(&mut *conn).await;
    run("ROLLBACK".to_owned()).execute(&mut *conn).await.expect("rolled back");
    answer.err().map(|error| match error {
        sqlx::Error::Database(error) => error.code().expect("a code").into_owned(),
        other => panic!("{other}"),
    })
}

/// Insufficient privilege.
const DENIED: &str = "42501";

#[tokio::test]
async fn the_database_itself_keeps_the_bank_from_tips_and_the_office_from_claims() {
    let world = World::with_rewards().await;
    let mut conn = world.db.pool.acquire().await.expect("a connection");
    let tables = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'p')",
    )
    .fetch_all(&mut *conn)
    .await
    .expect("the tables");
    assert!(all.len() > 20, "{all:?}");
    for (role, allowed) in [
        ("dafei_intake_bank", tables(&["reward_offer", "reward_code", "reward_claim", "throttle"])),
        ("dafei_intake_public", tables(&["hotline", "reward_standard", "reward_public"])),
        ("dafei_intake_auditor", tables(&["claim_attempt"])),
    ] {
        for table in &all {
            let answer = under(&mut conn, role, &format!("SELECT * FROM {table} LIMIT 1")).await;
            let expected = (!allowed.contains(table)).then(|| DENIED.to_owned());
            assert_eq!(answer, expected, "{role} reads {table}");
        }
    }
    for table in ["tip_secret", "reward_code", "reward_claim", "claim_attempt", "request", "event_log", "throttle"] {
        let answer = under(&mut conn, "dafei_intake_officer", &format!("SELECT * FROM {table} LIMIT 1")).await;
        assert_eq!(answer.as_deref(), Some(DENIED), "the officer reads {table}");
    }
    for (role, statement) in [
        ("dafei_intake_bank", "SELECT reward_take_code(gen_random_uuid())"),
        ("dafei_intake_bank", "UPDATE reward SET state = 2"),
        ("dafei_intake_bank", "UPDATE reward_code SET salt = ''"),
        ("dafei_intake_bank", "DELETE FROM reward_claim"),
        ("dafei_intake_officer", "UPDATE reward_claim SET state = 2"),
        ("dafei_intake_public", "UPDATE hotline SET ended = true"),
        ("dafei_intake_auditor", "DELETE FROM claim_attempt"),
    ] {
        assert_eq!(under(&mut conn, role, statement).await.as_deref(), Some(DENIED), "{role}: {statement}");
    }
}

#[tokio::test]
async fn use_cases_run_under_the_database_s_roles_and_stop_where_a_grant_is_missing() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let pool = &world.db.pool;
    let sql = |sql: &'static str| async move { sqlx::query(sql).execute(pool).await.expect("done") };
    let claims = || async { world.counter(1).reserve(&number, CODE).await.map(drop) };
    let announces = || async { world.announce(OFFICE, announcement(&world.tip(TIP).await)).await.map(drop) };
    let lists = || async {
        let message = api::ListAnnouncementsRequest { region: Some(wire(CITY)), ..Default::default() };
        world.public().list_announcements(message).await.map(drop)
    };
    sql("REVOKE SELECT ON reward_code FROM dafei_intake_bank").await;
    assert_eq!(claims().await.expect_err("the bank's role").code(), Code::Internal);
    sql("GRANT SELECT ON reward_code TO dafei_intake_bank").await;
    claims().await.expect("with its grant");
    sql("REVOKE INSERT ON reward FROM dafei_intake_officer").await;
    assert_eq!(announces().await.expect_err("the officer's role").code(), Code::Internal);
    sql("GRANT INSERT ON reward TO dafei_intake_officer").await;
    announces().await.expect("with its grant");
    sql("REVOKE SELECT ON reward_public FROM dafei_intake_public").await;
    assert_eq!(lists().await.expect_err("the public's role").code(), Code::Internal);
}

#[tokio::test]
async fn a_role_of_a_token_does_its_own_and_nothing_else() {
    let world = World::with_rewards().await;
    let number = world.announced().await;
    let denied = (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned());
    let strangers: [Caller; 4] = [OFFICE, (Role::HotlineClerk, COUNTY), AUDITOR, MEMBER];
    for caller in strangers {
        let request = world.request(caller, claim(&number, CODE));
        assert_eq!(refused(world.counters().reserve_claim(request).await), denied, "{caller:?} claims");
    }
    for caller in [TELLER, OFFICE, (Role::HotlineClerk, COUNTY)] {
        let message = api::ListRefusalsRequest { day: "2026-11-23".to_owned(), ..Default::default() };
        let request = world.request(caller, message);
        assert_eq!(refused(world.counters().list_refusals(request).await), denied, "{caller:?} reads causes");
    }
    for region in [COUNTY, "township:371302001"] {
        let message = api::ListRefusalsRequest { day: "2026-11-23".to_owned(), ..Default::default() };
        let request = world.request((Role::Auditor, region), message);
        let outside = (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned());
        assert_eq!(refused(world.counters().list_refusals(request).await), outside, "an auditor of {region}");
    }
    let tip = world.tip(TIP).await;
    assert_eq!(refused(world.announce(TELLER, announcement(&tip)).await), denied, "the bank announces");
    let list = api::ListRewardsRequest { region: Some(wire(COUNTY)), ..Default::default() };
    assert_eq!(refused(world.offices().list_rewards(world.request(TELLER, list)).await), denied);
    let tips = api::ListAnnounceableTipsRequest { region: Some(wire(COUNTY)), ..Default::default() };
    assert_eq!(refused(world.offices().list_announceable_tips(world.request(TELLER, tips)).await), denied);
    let cases = api::ListSuspicionsRequest { region: Some(wire(COUNTY)), ..Default::default() };
    assert_eq!(refused(world.suspicions().list_suspicions(world.request(TELLER, cases)).await), denied);
    let nobody = tonic::Request::new(claim(&number, CODE));
    assert_eq!(world.counters().reserve_claim(nobody).await.expect_err("no token").code(), Code::Unauthenticated);
}

#[tokio::test]
async fn no_code_is_left_in_any_table_after_right_and_wrong_claims() {
    let world = World::with_rewards().await;
    let (tip, number) = {
        let tip = world.tip(TIP).await;
        let reward = world.announce(OFFICE, announcement(&tip)).await.expect("announced");
        (tip, crate::counter::number(&reward))
    };
    refused(world.counter(1).reserve(&number, WRONG).await);
    let held = world.counter(2).reserve(&number, CODE).await.expect("right");
    world.counter(2).confirm(&held.reservation_id, "S-0001").await.expect("paid");
    let mut conn = world.db.pool.acquire().await.expect("a connection");
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relkind = 'r'",
    )
    .fetch_all(&mut *conn)
    .await
    .expect("the tables");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
            .fetch_all(&mut *conn)
            .await
            .expect("its rows");
        let dump = rows.join("\n");
        for secret in [CODE, WRONG] {
            let found = dump.to_uppercase().contains(secret) || dump.contains(&hex(secret));
            assert!(!found, "{table} has a code");
        }
        if !matches!(&*table, "tip" | "tip_secret" | "reward" | "request") {
            let leads = dump.contains(&tip) || dump.contains(&hex(&tip)) || dump.contains(&receipt(&tip));
            assert!(!leads, "{table} leads to the tip");
        }
    }
}
