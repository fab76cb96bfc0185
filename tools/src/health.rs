//! Are the services there? gRPC health of all four, waited for when asked.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::client::{Service, Suite};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);

/// Prints how each service is; waits up to `wait` for all to serve.
///
/// # Errors
/// When one does not serve in time.
pub async fn run(suite: &Suite, wait: Duration) -> Result<()> {
    let end = Instant::now() + wait;
    let mut waiting: Vec<Service> = Service::ALL.to_vec();
    loop {
        let mut away = Vec::new();
        for service in waiting {
            match look(suite, service).await {
                Ok(()) => println!("{}: serving", service.name()),
                Err(why) => away.push((service, why)),
            }
        }
        if away.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let list: Vec<String> = away.iter().map(|(service, why)| format!("{}: {why}", service.name())).collect();
            bail!("not serving:\n  {}", list.join("\n  "));
        }
        waiting = away.into_iter().map(|(service, _)| service).collect();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(suite: &Suite, service: Service) -> Result<(), String> {
    let mut client = HealthClient::new(suite.anonymous(service));
    let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
    request.set_timeout(LOOK);
    match client.check(request).await {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
        Ok(answer) => Err(format!("{:?}", answer.get_ref().status())),
        Err(status) => Err(status.message().to_owned()),
    }
}
