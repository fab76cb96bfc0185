//! What is left of informants (clause D2): after 1,000 tips, everything that the service keeps, publishes and logs is dumped and searched.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex},
};

use async_nats::jetstream::stream::RawMessageErrorKind;
use dafei_contracts::intake::v1::{self as api, submit_tip_request::Part};
use dafei_kernel::clock::Clock as _;
use dafei_testkit::eventually;
use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use sqlx::{AssertSqlSafe, Row as _};
use tonic::Request;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};
use uuid::Uuid;

use crate::{
    images,
    tips::{CLERK, code, tip},
    world::{SOON, World},
};

const TIPS: usize = 1_000;
/// Tables that change by themselves: how far the bus is, and what was put for a photo that was never kept.
const VOLATILE: [&str; 6] =
    ["consumer_position", "evidence_unfinished", "outbox", "relay_sent", "relay_state", "consumer_mark"];

impl World {
    /// Every row of every table, as text; bytes as hexadecimal digits.
    pub(crate) async fn everything(&self) -> Vec<(String, String)> {
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
                .fetch_all(&self.db.pool)
                .await
                .expect("tables");
        let mut rows = Vec::new();
        for table in tables {
            let sql = AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t ORDER BY 1"));
            let texts: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.db.pool).await.expect("rows");
            rows.extend(texts.into_iter().map(|text| (table.clone(), text)));
        }
        rows
    }

    /// As [`World::everything`], without what changes by itself.
    pub(crate) async fn lasting(&self) -> Vec<(String, String)> {
        self.everything().await.into_iter().filter(|(table, _)| !VOLATILE.contains(&table.as_str())).collect()
    }

    /// Subject, headers and payload of every message of the service's stream.
    async fn messages(&self, count: usize) -> Vec<String> {
        let stream = self.js.get_stream("DAFEI_INTAKE").await.expect("the stream");
        let mut messages = Vec::new();
        let mut sequence = 1;
        while messages.len() < count {
            let message = match stream.get_raw_message(sequence).await {
                Ok(message) => message,
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                // Not answered in time: asked again.
                Err(_) => continue,
            };
            let payload = String::from_utf8_lossy(&message.payload).into_owned();
            messages.push(format!("{} {:?} {payload}", message.subject, message.headers));
            sequence += 1;
        }
        messages
    }

    /// Every instant of every table, with its table and column.
    async fn instants(&self) -> Vec<(String, i64)> {
        let columns = sqlx::query(
            "SELECT table_name::text, column_name::text FROM information_schema.columns
             WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'",
        )
        .fetch_all(&self.db.pool)
        .await
        .expect("columns");
        let mut instants = Vec::new();
        for column in columns {
            let (table, name): (String, String) = (column.get(0), column.get(1));
            let of_tips = match table.as_str() {
                table if table.starts_with("event_log") => "WHERE subject LIKE 'dafei.v1.tip.%'",
                "request" => "WHERE subject = 'public'",
                _ => "WHERE true",
            };
            let sql = format!(
                "SELECT (extract(epoch FROM \"{name}\") * 1000000)::bigint FROM \"{table}\" {of_tips} AND \"{name}\" IS NOT NULL"
            );
            let found: Vec<i64> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.db.pool).await.expect("instants");
            instants.extend(found.into_iter().map(|at| (format!("{table}.{name}"), at)));
        }
        instants
    }
}

/// What the process logs, at the level of every detail of its own.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What one informant brings along.
struct Informant {
    code: String,
    address: String,
    device: String,
    name: String,
}

fn informant(number: usize) -> Informant {
    Informant {
        code: format!("PLANTED{number:04}Z9"),
        address: format!("203.0.113.{}", number % 256),
        device: format!("PlantedPhone/{number:04}"),
        name: format!("planted-name-{number:04}"),
    }
}

async fn send(world: &World, number: usize) {
    let informant = informant(number);
    let tip = api::NewTip { code: code(&informant.code), text: format!("第{number}条举报"), ..tip() };
    // Every seventh comes by telephone.
    if number.is_multiple_of(7) {
        world.phone(CLERK, tip).await.expect("taken");
        return;
    }
    let mut parts = vec![api::SubmitTipRequest { part: Some(Part::Tip(tip)) }];
    if number.is_multiple_of(100) {
        let chunk = images::jpeg(&images::picture(8, 8)).into();
        parts.push(api::SubmitTipRequest { part: Some(Part::Photo(api::TipPhoto { index: 0, chunk })) });
    }
    let mut request = Request::new(stream::iter(parts));
    let headers = request.metadata_mut();
    headers.insert("x-forwarded-for", informant.address.parse().expect("a header"));
    headers.insert("user-agent", informant.device.parse().expect("a header"));
    headers.insert("x-user", informant.name.parse().expect("a header"));
    headers.insert("traceparent", format!("00-{:032x}-00f067aa0ba902b7-01", number + 1).parse().expect("a header"));
    let receipt = world.tips().submit_tip(request).await.expect("taken").into_inner().receipt;
    if number.is_multiple_of(10) {
        world.status(&receipt, code(&informant.code)).await.expect("told");
    }
}

/// Plain hashes of the codes, as hexadecimal digits: a code is short, so that its plain hash is as good as the code.
async fn hashes(world: &World) -> HashSet<String> {
    let codes = (0..TIPS).flat_map(|number| {
        let code = informant(number).code;
        [code.to_lowercase(), code]
    });
    let sql =
        "SELECT h FROM UNNEST($1::text[]) t, LATERAL (VALUES (md5(t)), (encode(sha256(t::bytea), 'hex'))) AS made (h)";
    let hashes: Vec<String> =
        sqlx::query_scalar(sql).bind(codes.collect::<Vec<_>>()).fetch_all(&world.db.pool).await.expect("hashes");
    hashes.into_iter().collect()
}

/// Every part of a text's runs of hexadecimal digits that is as long as an MD5 or a SHA-256.
fn digests(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= 32).flat_map(|run| {
        [32, 64]
            .into_iter()
            .flat_map(move |long| (0..(run.len() + 1).saturating_sub(long)).map(move |at| &run[at..at + long]))
    })
}

fn is_full_hour(micros: i64) -> bool {
    micros % 3_600_000_000 == 0
}

#[tokio::test]
async fn a_dump_of_the_database_of_nats_and_of_the_logs_after_a_thousand_tips_leads_to_no_informant() {
    let logs = Logs::default();
    let own = "debug,dafei_intake=trace,dafei_shell=trace,dafei_messaging=trace,dafei_runtime=trace";
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(own))
        .with_ansi(false)
        .with_writer(logs.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the first of this process");
    let world = World::start().await;
    world.clock.advance(SignedDuration::from_secs(1_357));
    for hour in 0..4 {
        let quarter = TIPS / 4 * hour..TIPS / 4 * (hour + 1);
        stream::iter(quarter).for_each_concurrent(16, |number| send(&world, number)).await;
        world.clock.advance(SignedDuration::from_secs(3_601));
        world.release().await;
    }
    eventually(SOON, "all are published", async || {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&world.db.pool).await.expect("a count");
        (waiting == 0).then_some(())
    })
    .await;
    let rows = world.everything().await;
    let messages = world.messages(TIPS + 1_000).await;
    assert_eq!(rows.iter().filter(|(table, _)| table == "tip").count(), TIPS);
    assert!(messages.iter().filter(|message| message.starts_with("dafei.v1.tip.")).count() == TIPS);
    let logged = String::from_utf8_lossy(&logs.0.lock().expect("no panic")).into_owned();
    assert!(logged.contains("rpc"), "the logs are those of the service");
    let mut haystack = String::new();
    for (table, row) in &rows {
        haystack.push_str(&format!("{table}: {row}\n"));
    }
    haystack.push_str(&messages.join("\n"));
    // The logs name the servers that the service is connected to; the data names no address at all.
    assert!(!haystack.contains("127.0.0.1"), "{}", around(&haystack, "127.0.0.1"));
    haystack.push_str(&logged);
    let haystack = haystack.to_lowercase();
    // What is planted begins alike in all: as text, and as the digits of its bytes.
    let planted = hex(b"planted");
    let words = ["planted", &planted, &hex(b"PLANTED"), "203.0.113.", "00f067aa0ba902b7", "hotline-clerk"];
    for word in words {
        assert!(!haystack.contains(word), "{word}: {}", around(&haystack, word));
    }
    let hashes = hashes(&world).await;
    assert_eq!(hashes.len(), 4 * TIPS);
    let found = digests(&haystack).find(|digest| hashes.contains(*digest));
    assert_eq!(found, None, "a plain hash of a code");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The place of a finding, for whoever has to mend it.
fn around(haystack: &str, needle: &str) -> String {
    let at = haystack.find(needle).unwrap_or_default();
    haystack.chars().skip(haystack[..at].chars().count().saturating_sub(200)).take(400).collect()
}

#[tokio::test]
async fn of_the_path_of_a_tip_no_column_no_message_and_no_id_tells_more_than_the_hour() {
    let world = World::start().await;
    world.clock.advance(SignedDuration::from_secs(1_357));
    let before: Vec<String> = world.lasting().await.into_iter().map(|(_, row)| row).collect();
    let photo = images::jpeg(&images::picture(8, 8));
    for _ in 0..3 {
        let receipt = world.submit(tip(), std::slice::from_ref(&photo)).await.expect("taken");
        world.status(&receipt, None).await.expect_err("no code");
        world.phone(CLERK, tip()).await.expect("taken");
        world.clock.advance(SignedDuration::from_secs(599));
    }
    world.release().await;
    // Events bear the instant of the release, which says nothing of when the tip came.
    let released = world.clock.now();
    let watched = ["tip.", "tip_release.", "throttle.", "request.", "evidence.", "event_log"];
    let instants = world.instants().await;
    for table in ["tip.", "throttle.", "request.", "evidence.", "event_log"] {
        assert!(instants.iter().any(|(column, _)| column.starts_with(table)), "{table} has rows");
    }
    for (column, at) in instants {
        let of_tips = watched.iter().any(|table| column.starts_with(table));
        let of_release = column.starts_with("event_log") && at == released.as_microsecond();
        assert!(!of_tips || of_release || is_full_hour(at), "{column}: {at}");
    }
    // What is inside of rows and messages: texts that read as an instant, and ids that hold one.
    for (table, row) in world.lasting().await.into_iter().filter(|(_, row)| !before.contains(row)) {
        for instant in within(&row) {
            let of_release = table.starts_with("event_log") && instant == released;
            assert!(of_release || is_full_hour(instant.as_microsecond()), "{table}: {row}");
        }
        for id in
            row.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).filter_map(|text| Uuid::parse_str(text).ok())
        {
            if let Some(at) = id.get_timestamp() {
                assert_eq!(i64::try_from(at.to_unix().0).expect("now"), released.as_second(), "{table}: {id}");
            }
        }
    }
    for payload in payloads(&world).await {
        assert!(within(&payload).iter().all(|at| is_full_hour(at.as_microsecond())), "{payload}");
        assert!(!payload.contains("actor") && !payload.contains("village:"), "{payload}");
    }
}

async fn payloads(world: &World) -> Vec<String> {
    let sql = "SELECT convert_from(payload, 'UTF8') || coalesce(traceparent, '') FROM event_log WHERE subject LIKE 'dafei.v1.tip.%'";
    let payloads: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.db.pool).await.expect("payloads");
    assert_eq!(payloads.len(), 6);
    payloads
}

/// The instants that a text holds in RFC 3339.
fn within(text: &str) -> Vec<jiff::Timestamp> {
    text.split('"').filter_map(|part| part.parse().ok()).collect()
}
