//! Acknowledged reports per second at 64, 256 and 1,024 in flight: intake, a bare echo and a naive server in turn, with the same requests
//! and tokens.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use dafei_contracts::{
    intake::v1::{RecordSuspicionRequest, suspicion_service_client::SuspicionServiceClient},
    ops::v1::{GetStatusRequest, ops_service_client::OpsServiceClient},
    types::v1::{Den, Region, Subject, subject},
};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use tokio::process::{Child, Command};
use tonic::{service::interceptor::InterceptedService, transport::Channel};
use uuid::Uuid;

use super::{figures, load};
use crate::{
    client::{self, Bearer, Caller, Keys, Service, Suite},
    exercise,
};

const IN_FLIGHT: [usize; 3] = [64, 256, 1_024];
const ROUNDS: usize = 3;
/// HTTP/2 connections that the calls are spread over.
const CONNECTIONS: usize = 4;
pub(super) const VILLAGE: &str = "village:371302101208";
/// Within this time after a load everything must be published and consumed, or the figure does not count.
const CATCH_UP: Duration = Duration::from_secs(1);

pub(super) type Client = SuspicionServiceClient<InterceptedService<Channel, Bearer>>;

pub(super) async fn run(suite: &Suite, keys: &Keys, scale: f64) -> anyhow::Result<()> {
    let time = Duration::from_secs_f64(4.0 * scale);
    let bearer = keys.bearer(&Caller::new(Role::GridMember, VILLAGE.parse()?))?;
    let echo = Reference::start("echo").await?;
    let naive = Reference::start("naive").await?;
    let intake = client::setting("DAFEI_INTAKE_ADDR")?;
    let targets = [("echo", echo.address.clone()), ("naive", naive.address.clone()), ("intake", intake)];
    for in_flight in IN_FLIGHT {
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        let mut slowest = Duration::ZERO;
        for round in 0..ROUNDS {
            for (at, (name, address)) in targets.iter().enumerate() {
                let clients = clients(address, &bearer)?;
                let outcome = {
                    let call = move |lane: usize| {
                        let client = clients[lane % CONNECTIONS].clone();
                        async move { report(client).await.map(drop) }
                    };
                    load::closed_loop(in_flight, time, call).await?
                };
                eprintln!(
                    "    {in_flight} in flight, round {round}, {name}: {:.0}/s, {} refused",
                    outcome.per_second, outcome.refused
                );
                rates[at].push(outcome.per_second);
                if *name == "intake" {
                    slowest = slowest.max(caught_up(suite, keys).await?);
                }
            }
        }
        let [echo, naive, ours] = rates.map(|mut rates| figures::median(&mut rates));
        if slowest > CATCH_UP {
            eprintln!("    DOES NOT COUNT: outbox and consumers needed {slowest:.1?} to catch up");
        }
        figures::print(&format!("acknowledged_per_s_{in_flight}"), ours, "1/s", Some(("echo", echo)));
        figures::print(&format!("acknowledged_per_s_{in_flight}_naive"), naive, "1/s", Some(("echo", echo)));
        figures::print(
            &format!("acknowledged_catch_up_{in_flight}"),
            slowest.as_secs_f64(),
            "s",
            Some(("limit", CATCH_UP.as_secs_f64())),
        );
    }
    Ok(())
}

fn clients(address: &str, bearer: &Bearer) -> anyhow::Result<Vec<Client>> {
    (0..CONNECTIONS)
        .map(|_| Ok(SuspicionServiceClient::with_interceptor(client::connect(address)?, bearer.clone())))
        .collect()
}

/// Reports a den; answers its id. The reference servers answer none.
pub(super) async fn report(mut client: Client) -> Result<Uuid, tonic::Status> {
    let village =
        VILLAGE.split_once(':').map(|(level, code)| Region { level: level.to_owned(), code: code.to_owned() });
    let den =
        Den { place: "村东废弃厂房院内东侧第二间".to_owned(), position: None, industry: String::new() };
    let request = RecordSuspicionRequest {
        request_id: SystemIds.random().to_string(),
        village,
        act: "HC-9".to_owned(),
        subject: Some(Subject { kind: Some(subject::Kind::Den(den)) }),
        description: "院内存放钢瓶二十余只，有人充装，未见任何证照".to_owned(),
        ..Default::default()
    };
    let answer = client.record_suspicion(request).await?.into_inner();
    Ok(answer.suspicion.and_then(|kept| kept.case_id.parse().ok()).unwrap_or_default())
}

/// How long it takes until what was acknowledged is published and consumed.
pub(super) async fn caught_up(suite: &Suite, keys: &Keys) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let admin = keys.admin()?;
    loop {
        let mut behind = 0;
        for service in Service::ALL {
            let mut ops = OpsServiceClient::new(suite.with(service, &admin));
            let status = ops.get_status(GetStatusRequest {}).await?.into_inner();
            behind += exercise::under_way(&status);
        }
        if behind == 0 {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > Duration::from_secs(120) {
            bail!("{behind} events are still under way after two minutes");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A reference server in a process of its own; ended when dropped.
struct Reference {
    address: String,
    _child: Child,
}

impl Reference {
    async fn start(kind: &str) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(std::env::current_exe()?)
            .args(["reference-server", kind, "--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("the reference server")?;
        let deadline = Instant::now() + Duration::from_secs(15);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() > deadline {
                bail!("the {kind} server does not start");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address: format!("http://127.0.0.1:{port}"), _child: child })
    }
}
