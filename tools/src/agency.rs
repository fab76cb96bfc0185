//! Credentials for an agency's own system: it is registered with dispatch, which makes its durable consumer, gets an account on the NATS
//! server, and what its client needs is printed as JSON.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use dafei_contracts::{
    convert,
    dispatch::v1::{RegisterAgencySystemRequest, agency_system_service_client::AgencySystemServiceClient},
    intake::v1::{ListRegionsRequest, roster_service_client::RosterServiceClient},
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
const RELOAD: Duration = Duration::from_secs(60);
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

/// Registers the systems of all 14 agencies of each region and prints their credentials as a list: a whole roster in one reload.
///
/// # Errors
/// As [`issue`].
pub async fn all_credentials(suite: &Suite, keys: &Keys, regions: &[Region]) -> Result<()> {
    let units: Vec<(Agency, Region)> =
        regions.iter().flat_map(|region| Agency::ALL.iter().map(|agency| (*agency, region.clone()))).collect();
    println!("{}", serde_json::to_string_pretty(&issue_all(suite, keys, &units).await?)?);
    Ok(())
}

/// The counties of the roster.
///
/// # Errors
/// When intake refuses or does not answer.
pub async fn counties(suite: &Suite, keys: &Keys) -> Result<Vec<Region>> {
    let mut roster = RosterServiceClient::new(suite.with(Service::Intake, &keys.admin()?));
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListRegionsRequest { parent: Some((&client::city()?).into()), page_size: 1_000, page_token };
        let page = roster.list_regions(request).await.map_err(refusal)?.into_inner();
        for item in &page.regions {
            found.push(convert::region("region", item.region.as_ref())?);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// Registers a system and gives it an account. Done again it gives the same credentials.
///
/// # Errors
/// When dispatch refuses, the files cannot be written, or the server does not take the account.
pub async fn issue(suite: &Suite, keys: &Keys, agency: Agency, region: &Region) -> Result<Credentials> {
    let issued = issue_all(suite, keys, &[(agency, region.clone())]).await?;
    issued.into_iter().next().context("no system")
}

async fn issue_all(suite: &Suite, keys: &Keys, units: &[(Agency, Region)]) -> Result<Vec<Credentials>> {
    let dir = accounts::dir()?;
    let url = client::setting("DAFEI_NATS_URL")?;
    let mut made = Vec::with_capacity(units.len());
    for (agency, region) in units {
        let mut dispatch = AgencySystemServiceClient::new(suite.with(Service::Dispatch, &keys.admin()?));
        let request = RegisterAgencySystemRequest {
            request_id: SystemIds.ordered(SystemClock.now()).to_string(),
            agency: agency.code().to_owned(),
            region: Some(region.into()),
        };
        made.push(dispatch.register_agency_system(request).await.map_err(refusal)?.into_inner());
    }
    let systems = with_register(&dir, |register| {
        let systems = units.iter().zip(&made).map(|((agency, region), made)| {
            let login = register.login(agency.code(), region.level().code(), region.code().as_str());
            AgencySystem {
                agency: agency.code().to_owned(),
                level: region.level().code().to_owned(),
                region: region.code().to_string(),
                stream: made.stream.clone(),
                durable: made.durable.clone(),
                feedback_prefix: made.feedback_prefix.trim_end_matches('.').to_owned(),
                login,
                next: None,
            }
        });
        let systems: Vec<AgencySystem> = systems.collect();
        for system in &systems {
            register.put(system.clone());
        }
        Ok(systems)
    })?;
    accounts::reload_servers(&dir)?;
    for system in &systems {
        apply(&dir, &url, &system.login, system).await?;
    }
    Ok(systems.into_iter().map(|system| shown(&url, system)).collect())
}

/// Changes the register under its lock and writes the accounts anew: two at a time would each write one without the other's account.
fn with_register<T>(dir: &Path, change: impl FnOnce(&mut Register) -> Result<T>) -> Result<T> {
    let lock = std::fs::File::create(dir.join("agencies.lock")).context("agencies.lock")?;
    lock.lock().context("agencies.lock")?;
    let mut register = Register::load(dir)?;
    let changed = change(&mut register)?;
    register.save(dir)?;
    Ok(changed)
}

fn shown(url: &str, system: AgencySystem) -> Credentials {
    Credentials {
        url: url.to_owned(),
        user: system.login.user,
        password: system.login.password,
        api_prefix: API_PREFIX,
        stream: system.stream,
        durable: system.durable,
        feedback_prefix: system.feedback_prefix,
        agency: system.agency,
        region: RegionName { level: system.level, code: system.region },
    }
}

/// Changes the login of a system in two steps, so that its client can go over in between: first a new one beside the old, whose credentials are
/// printed; then, with `finish`, the old one is let in no longer. The other systems stay connected.
///
/// # Errors
/// When the system is not registered, no change was begun, or the server does not take it.
pub async fn rotate(agency: Agency, region: &Region, finish: bool) -> Result<()> {
    let dir = accounts::dir()?;
    let url = client::setting("DAFEI_NATS_URL")?;
    let unit = format!("{}_{}_{}", agency.code(), region.level().code(), region.code());
    let (old, login, system) = with_register(&dir, |register| {
        let known = |register: &Register| register.agencies.iter().find(|system| system.unit() == unit).cloned();
        let old = known(register).map(|system| system.login);
        let login = if finish { register.finish_rotation(&unit)? } else { register.rotate(&unit)? };
        Ok((old, login, known(register).context("no system")?))
    })?;
    accounts::reload_servers(&dir)?;
    apply(&dir, &url, &login, &system).await?;
    if let Some(old) = old.filter(|_| finish) {
        shut_out(&url, &old).await?;
    }
    println!("{}", serde_json::to_string_pretty(&shown(&url, AgencySystem { login, ..system }))?);
    Ok(())
}

/// Reloads the servers until each lets the new user in and its queue answers. One reload makes the account and the suite's exports, but an
/// export that is new is bound to the account's import only by the next one (nats-server 2.15.1).
async fn apply(dir: &Path, url: &str, login: &Login, system: &AgencySystem) -> Result<()> {
    let end = Instant::now() + RELOAD;
    let subject = format!("{API_PREFIX}.CONSUMER.INFO.{}.{}", system.stream, system.durable);
    loop {
        let Err(error) = all_answer(url, login, &subject).await else { return Ok(()) };
        accounts::reload_servers(dir)?;
        if Instant::now() >= end {
            return Err(error).context("the NATS server does not take the new account");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until no server lets a login in any longer.
async fn shut_out(url: &str, login: &Login) -> Result<()> {
    let end = Instant::now() + RELOAD;
    let login = || async_nats::ConnectOptions::with_user_and_password(login.user.clone(), login.password.clone());
    for server in client::servers(url) {
        while login().connect(server).await.is_ok() {
            if Instant::now() >= end {
                bail!("the NATS server still lets the old login in");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn all_answer(url: &str, login: &Login, subject: &str) -> Result<()> {
    for server in client::servers(url) {
        answers(server, login, subject).await?;
    }
    Ok(())
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
