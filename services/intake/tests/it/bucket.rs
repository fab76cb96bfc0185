//! Photos in a bucket: a server that speaks as much of S3 as they need.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use dafei_intake::objects::{Bucket, Place};
use dafei_runtime::config::Secret;
use jiff::SignedDuration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tonic::Code;

use crate::{
    images::{phone_jpeg, picture},
    world::{MEMBER, REGIONS, VILLAGE, World, new_id, refused},
};

const KEY: &str = "photos-key";
const SECRET: &str = "a secret that is never sent";

/// Objects by path.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

fn answer(objects: &Objects, method: &str, path: &str, signed: bool, body: Vec<u8>) -> (&'static str, Vec<u8>) {
    let mut objects = objects.lock().expect("a lock");
    match method {
        _ if !signed => ("403 Forbidden", Vec::new()),
        "PUT" => {
            objects.insert(path.to_owned(), body);
            ("200 OK", Vec::new())
        }
        "GET" => objects.get(path).map_or(("404 Not Found", Vec::new()), |bytes| ("200 OK", bytes.clone())),
        "DELETE" => {
            objects.remove(path);
            ("204 No Content", Vec::new())
        }
        _ => ("405 Method Not Allowed", Vec::new()),
    }
}

/// Answers the requests of a connection, one after the other.
async fn converse(stream: TcpStream, objects: Objects) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (Vec::new(), String::new());
        while stream.read_line(&mut line).await? > 2 {
            head.push(std::mem::take(&mut line));
        }
        let Some(request) = head.first() else { return Ok(()) };
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let header = |name: &str| {
            head.iter()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
        };
        let length = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let signature = format!("aws4-hmac-sha256 credential={KEY}/");
        let signed = header("authorization:").is_some_and(|value| value.starts_with(&signature));
        let (status, bytes) = answer(&objects, &method, &path, signed, body);
        let head = format!(
            "HTTP/1.1 {status}\r\nETag: \"1\"\r\nLast-Modified: Mon, 23 Nov 2026 02:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        stream.write_all(&[head.into_bytes(), bytes].concat()).await?;
    }
}

/// A server with one bucket; ends with the test.
async fn serve() -> (String, Objects) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    let objects = Objects::default();
    let held = Arc::clone(&objects);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&held)));
        }
    });
    (endpoint, objects)
}

fn bucket(endpoint: String) -> Place {
    Place::Bucket(Bucket {
        name: "dafei".to_owned(),
        prefix: "city".to_owned(),
        endpoint: Some(endpoint),
        region: "cn-north".to_owned(),
        key_id: KEY.to_owned(),
        secret: Secret::new(SECRET),
    })
}

async fn start(endpoint: String) -> World {
    let world = World::with_photos(Some(bucket(endpoint))).await;
    let file = dafei_contracts::intake::v1::RosterFile::Regions;
    world.import(file, REGIONS).await.expect("a good file");
    world
}

#[tokio::test]
async fn photos_lie_in_a_bucket_when_one_is_named() {
    let (endpoint, objects) = serve().await;
    let world = start(endpoint).await;
    let sent = phone_jpeg(&picture(40, 30));
    let kept = world.upload(MEMBER, &new_id(), VILLAGE, &sent).await.expect("kept");
    let paths: Vec<String> = objects.lock().expect("a lock").keys().cloned().collect();
    let [original, public] = paths.as_slice() else { panic!("two objects: {paths:?}") };
    assert!(original.starts_with("/dafei/city/originals/") && public.starts_with("/dafei/city/public/"), "{paths:?}");
    assert_eq!(objects.lock().expect("a lock").get(original), Some(&sent));
    let copy = world.copy(MEMBER, &kept.evidence_id).await.expect("the copy");
    assert_eq!(objects.lock().expect("a lock").get(public), Some(&copy));
    // What breaks off is removed here as it is in a directory.
    world.refuse_photo_rows().await;
    world.upload(MEMBER, &new_id(), VILLAGE, &phone_jpeg(&picture(9, 8))).await.expect_err("it breaks off");
    assert_eq!(objects.lock().expect("a lock").len(), 4);
    world.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(world.swept().await, 1);
    assert_eq!(objects.lock().expect("a lock").keys().cloned().collect::<Vec<_>>(), paths);
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_puts_an_upload_off() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let world = start(format!("http://{closed}")).await;
    let put_off = world.upload(MEMBER, &new_id(), VILLAGE, &phone_jpeg(&picture(9, 8))).await;
    assert_eq!(refused(put_off), (Code::Unavailable, "UNAVAILABLE".to_owned()));
    assert_eq!(world.photo_rows().await, 0);
}
