//! Credentials for an agency's own system: it is registered with dispatch, which makes its durable consumer, gets an account on the NATS
//! server, and what its client needs is printed as JSON.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use dafei_contracts::dispatch::v1::{
    RegisterAgencySystemRequest, RegisterAgencySystemResponse, agency_system_service_client::AgencySystemServiceClient,
};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, SystemClock},
    ids::{IdSource as _, SystemIds},
    region::Region,
};
use serde::Serialize;

use crate::{
    accounts::{self, API_PREFIX, AgencySystem, Login, Register},
    client::{self, Keys, Service, Suite},
    refusal,
};

/// How long the server may take to apply its new accounts.
const RELOAD: Duration = Duration::from_secs(15);
/// Pause between two reloads: one has to be through before the next begins.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the queue may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What the client of an agency's system needs.
#[derive(Debug, Clone, Serialize)]
pub struct Credentials {
    /// Address of the NATS server.
    pub url: String,
    /// User of the system's own account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Prefix of the JetStream API to set in the client.
    pub api_prefix: &'static str,
    /// Stream to read from.
    pub stream: String,
    /// Durable consumer to read by.
    pub durable: String,
    /// What the subjects of feedback begin with; a dot and the kind follow.
    pub feedback_prefix: String,
    /// Agency code, to be named in feedback.
    pub agency: String,
    /// Region, to be named in feedback.
    pub region: RegionName,
}

/// A region as feedback names it.
#[derive(Debug, Clone, Serialize)]
pub struct RegionName {
    /// Level code.
    pub level: String,
    /// Code.
    pub code: String,
}

/// Registers a system and prints its credentials.
///
/// # Errors
/// As [`issue`].
pub async fn credentials(suite: &Suite, keys: &Keys, agency: Agency, region: &Region) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&issue(suite, keys, agency, region).await?)?);
    Ok(())
}

/// Registers a system and gives it an account. Done again it gives the same credentials.
///
/// # Errors
/// When dispatch refuses, the files cannot be written, or the server does not take the account.
pub async fn issue(suite: &Suite, keys: &Keys, agency: Agency, region: &Region) -> Result<Credentials> {
    let dir = accounts::dir()?;
    let url = client::setting("DAFEI_NATS_URL")?;
    let mut dispatch = AgencySystemServiceClient::new(suite.with(Service::Dispatch, &keys.admin()?));
    let request = RegisterAgencySystemRequest {
        request_id: SystemIds.ordered(SystemClock.now()).to_string(),
        agency: agency.code().to_owned(),
        region: Some(region.into()),
    };
    let made = dispatch.register_agency_system(request).await.map_err(refusal)?.into_inner();
    let feedback_prefix = made.feedback_prefix.trim_end_matches('.').to_owned();
    // Two at a time would each write a register without the other's account.
    let lock = std::fs::File::create(dir.join("agencies.lock")).context("agencies.lock")?;
    lock.lock().context("agencies.lock")?;
    let mut register = Register::load(&dir)?;
    let login = register.login(agency.code(), region.level().code(), region.code().as_str());
    register.put(AgencySystem {
        agency: agency.code().to_owned(),
        level: region.level().code().to_owned(),
        region: region.code().to_string(),
        stream: made.stream.clone(),
        durable: made.durable.clone(),
        feedback_prefix: feedback_prefix.clone(),
        login: login.clone(),
    });
    register.save(&dir)?;
    drop(lock);
    apply(&dir, &url, &login, &made).await?;
    Ok(Credentials {
        url,
        user: login.user,
        password: login.password,
        api_prefix: API_PREFIX,
        stream: made.stream,
        durable: made.durable,
        feedback_prefix,
        agency: agency.code().to_owned(),
        region: RegionName { level: region.level().code().to_owned(), code: region.code().to_string() },
    })
}

/// Reloads the server until it lets the new user in and its queue answers. One reload makes the account and the suite's exports, but an
/// export that is new is bound to the account's import only by the next one (nats-server 2.15.1).
async fn apply(dir: &Path, url: &str, login: &Login, made: &RegisterAgencySystemResponse) -> Result<()> {
    let end = Instant::now() + RELOAD;
    let subject = format!("{API_PREFIX}.CONSUMER.INFO.{}.{}", made.stream, made.durable);
    loop {
        accounts::reload_server(dir)?;
        let Err(error) = answers(url, login, &subject).await else { return Ok(()) };
        if Instant::now() >= end {
            return Err(error).context("the NATS server does not take the new account");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the user is let in and the queue's subject has a responder, whatever it answers.
async fn answers(url: &str, login: &Login, subject: &str) -> Result<()> {
    let options = async_nats::ConnectOptions::with_user_and_password(login.user.clone(), login.password.clone());
    let client = options.request_timeout(Some(ANSWER)).connect(url).await?;
    client.request(subject.to_owned(), Vec::new().into()).await?;
    Ok(())
}

/// Writes the accounts file of a directory, with new passwords where there is no register yet: for the server's first start.
///
/// # Errors
/// When it cannot be written.
pub fn write_accounts(dir: &Path) -> Result<()> {
    let register = Register::load(dir)?;
    if register.suite.user.is_empty() {
        bail!("the suite's user has no name");
    }
    register.save(dir)?;
    println!("{}", dir.join("accounts.conf").display());
    Ok(())
}
