//! After a thousand tips every database, NATS, the logs and the store of photos are searched: nothing of what an informant alone knows, and
//! nothing of how the tips came, is anywhere.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use dafei_contracts::intake::v1::{
    InformantCode, NewTip, SubmitTipRequest, submit_tip_request::Part, tip_service_client::TipServiceClient,
};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use dafei_tests::{World, den, wire};
use dafei_tools::{
    client::{Service, setting},
    exercise::{self, Target},
};
use futures::{StreamExt as _, stream};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tonic::{Request, transport::Channel};

const TOWNSHIP: &str = "township:371312004";
const VILLAGE: &str = "village:371312004201";
const TIPS: usize = 1_000;
const AT_ONCE: usize = 8;
/// What every planted code, address and program begins with; as text, and as the hexadecimal digits in which a database shows bytes.
const PLANTED: [&str; 3] = ["ZQ7XV", "203.0.113.", "planted-agent"];

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The first planted text that is found, whatever its case.
fn found(haystack: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(haystack).to_ascii_lowercase();
    PLANTED.into_iter().find(|planted| {
        let plain = planted.to_ascii_lowercase();
        let as_hex = [hex(&plain), hex(&planted.to_ascii_uppercase())];
        text.contains(&plain) || as_hex.iter().any(|needle| text.contains(needle))
    })
}

async fn submit(channel: Channel, number: usize) {
    let tip = NewTip {
        request_id: SystemIds.random().to_string(),
        code: Some(InformantCode { text: format!("ZQ7XV{number:05}K") }),
        act: "HC-10".to_owned(),
        subject: Some(den(&format!("第{number}号院"))),
        place: Some(wire(TOWNSHIP).expect("a township")),
        text: "私自加油".to_owned(),
        ..Default::default()
    };
    let part = SubmitTipRequest { part: Some(Part::Tip(tip)) };
    let mut request = Request::new(tokio_stream::iter([part]));
    for (name, value) in
        [("x-forwarded-for", format!("203.0.113.{}", number % 256)), ("x-real-ip", "203.0.113.9".to_owned())]
    {
        request.metadata_mut().insert(name, value.parse().expect("a header"));
    }
    request.metadata_mut().insert("x-device", format!("planted-agent-{number}").parse().expect("a header"));
    TipServiceClient::new(channel).submit_tip(request).await.expect("taken");
}

async fn search_database(service: &str) -> usize {
    let url = setting(&format!("DAFEI_{service}_DATABASE_URL")).expect("a database");
    let mut conn = PgConnection::connect(&url).await.expect("it answers");
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&mut conn)
        .await
        .expect("the catalogue");
    let mut rows = 0;
    for table in tables {
        let query = format!(r#"SELECT t::text FROM "{table}" t"#);
        let mut texts = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(query)).fetch(&mut conn);
        while let Some(text) = texts.next().await {
            let text = text.expect("a row").unwrap_or_default();
            assert_eq!(found(text.as_bytes()), None, "{service}, table {table}");
            rows += 1;
        }
    }
    rows
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}

#[test]
fn the_search_finds_what_is_planted_as_text_and_as_bytes() {
    assert_eq!(found(b"... zq7xv00001k ..."), Some("ZQ7XV"));
    assert_eq!(found(format!("\\x00{}", hex("planted-agent")).as_bytes()), Some("planted-agent"));
    assert_eq!(found(hex("ZQ7XV00001K").as_bytes()), Some("ZQ7XV"));
    assert_eq!(found(b"nothing of it"), None);
}

/// Searches the files that were not searched yet. False when one was gone before it was read: the servers go on, and what it held may be in
/// another one now.
fn search_folder(folder: &Path, searched: &mut HashSet<PathBuf>) -> bool {
    let mut all = true;
    for file in files(folder) {
        if searched.contains(&file) {
            continue;
        }
        match fs::read(&file) {
            Ok(bytes) => assert_eq!(found(&bytes), None, "{}", file.display()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                all = false;
                continue;
            }
            Err(error) => panic!("{}: {error}", file.display()),
        }
        searched.insert(file);
    }
    all
}

#[tokio::test]
async fn after_a_thousand_tips_no_database_no_stream_no_log_and_no_store_leads_to_an_informant() {
    let world = World::from_env().expect("the suite");
    let channel = world.suite.anonymous(Service::Intake);
    let submitted = stream::iter(0..TIPS).map(|number| submit(channel.clone(), number)).buffer_unordered(AT_ONCE);
    assert_eq!(submitted.collect::<Vec<()>>().await.len(), TIPS);
    let centre = world.actor(Role::TownshipCentre, TOWNSHIP).expect("a centre");
    let secretary = world.actor(Role::VillageSecretary, VILLAGE).expect("a secretary");
    secretary.photo().await.expect("the store of photos is in use");
    exercise::run(&world.suite, &world.keys, Target::By(Duration::from_secs(3_600))).await.expect("an hour");
    assert!(!centre.tips().await.expect("a desk").is_empty(), "they have left intake");

    for service in ["INTAKE", "DISPATCH", "SLA_MONITOR", "REPORTING"] {
        let rows = search_database(service).await;
        assert!(rows > TIPS / 2, "{service} was searched: {rows} rows");
    }
    let home = PathBuf::from(setting("DAFEI_HOME").expect("a home"));
    for folder in ["nats/store", "logs", "photos"] {
        let mut searched = HashSet::new();
        for round in 1.. {
            if search_folder(&home.join(folder), &mut searched) {
                break;
            }
            assert!(round < 20, "{folder} never stands still");
        }
        assert!(!searched.is_empty(), "{folder} was searched");
    }
}
