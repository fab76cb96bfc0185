//! The accounts of the NATS server: one for the suite, one per agency's system with exactly its own queue, its acknowledgements and its
//! feedback subjects. `agencies.json` is what is known, `accounts.conf` is written from it and included by the server's configuration.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use dafei_contracts::subject::FEEDBACK_KINDS;
use dafei_kernel::ids::{IdSource as _, SystemIds};
use serde::{Deserialize, Serialize};

use crate::{client, keys::write_private};

/// API prefix under which an agency's client reaches its queue.
pub const API_PREFIX: &str = "DAFEI.API";
const REGISTER: &str = "agencies.json";
const ACCOUNTS: &str = "accounts.conf";
const PID: &str = "nats.pid";

/// User and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl Login {
    fn new(user: &str) -> Self {
        Self { user: user.to_owned(), password: SystemIds.random().simple().to_string() }
    }
}

/// An agency's system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgencySystem {
    /// Agency code.
    pub agency: String,
    /// Level code of its region.
    pub level: String,
    /// Code of its region.
    pub region: String,
    /// Stream to read from.
    pub stream: String,
    /// Its durable consumer.
    pub durable: String,
    /// What its feedback subjects begin with, without the last dot.
    pub feedback_prefix: String,
    /// Its login.
    #[serde(flatten)]
    pub login: Login,
    /// The login that takes its place: both are let in until the change is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Login>,
}

impl AgencySystem {
    /// `fire-rescue_county_371302`
    #[must_use]
    pub fn unit(&self) -> String {
        format!("{}_{}_{}", self.agency, self.level, self.region)
    }

    fn account(&self) -> String {
        format!("AG_{}", self.unit())
    }
}

/// All that `accounts.conf` is written from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The four services.
    pub suite: Login,
    /// The server's own account.
    pub system: Login,
    /// The agencies' systems.
    #[serde(default)]
    pub agencies: Vec<AgencySystem>,
}

impl Register {
    /// Reads the register of a directory; a new one is made where there is none, with the suite's login from `DAFEI_NATS_USER` and
    /// `DAFEI_NATS_PASSWORD` where they are set.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(REGISTER);
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            return serde_json::from_str(&text).with_context(|| path.display().to_string());
        }
        let suite = match (client::setting("DAFEI_NATS_USER"), client::setting("DAFEI_NATS_PASSWORD")) {
            (Ok(user), Ok(password)) => Login { user, password },
            (Err(_), _) | (_, Err(_)) => Login::new("suite"),
        };
        Ok(Self { suite, system: Login::new("sys"), agencies: Vec::new() })
    }

    /// Writes the register and `accounts.conf`, readable by their owner alone.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        replace(&dir.join(REGISTER), &(serde_json::to_string_pretty(self)? + "\n"))?;
        replace(&dir.join(ACCOUNTS), &self.accounts())
    }

    /// The login of a system: the one it has, or a new one.
    pub fn login(&self, agency: &str, level: &str, region: &str) -> Login {
        let known = self
            .agencies
            .iter()
            .find(|known| (&*known.agency, &*known.level, &*known.region) == (agency, level, region));
        known.map_or_else(|| Login::new(&format!("{agency}_{level}_{region}")), |known| known.login.clone())
    }

    /// Adds a system, or takes what is new of it. A change of its login that was begun goes on: its client may have gone over already.
    pub fn put(&mut self, system: AgencySystem) {
        let begun =
            self.agencies.iter().find(|known| known.unit() == system.unit()).and_then(|known| known.next.clone());
        self.agencies.retain(|known| known.unit() != system.unit());
        self.agencies.push(AgencySystem { next: system.next.or(begun), ..system });
        self.agencies.sort_by_key(AgencySystem::unit);
    }

    /// Begins to change the login of a system: a new one beside the old. Done again it gives the same.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn rotate(&mut self, unit: &str) -> Result<Login> {
        let system = self.system(unit)?;
        // The users of an account have different names; two are enough for ever.
        let other = |user: &str| user.strip_suffix("_b").map_or_else(|| format!("{user}_b"), str::to_owned);
        let next = system.next.take().unwrap_or_else(|| Login::new(&other(&system.login.user)));
        system.next = Some(next.clone());
        Ok(next)
    }

    /// Ends the change: the old login is let in no longer.
    ///
    /// # Errors
    /// When it is not registered, or no change was begun.
    pub fn finish_rotation(&mut self, unit: &str) -> Result<Login> {
        let system = self.system(unit)?;
        system.login = system.next.take().with_context(|| format!("no change of {unit}'s login was begun"))?;
        Ok(system.login.clone())
    }

    fn system(&mut self, unit: &str) -> Result<&mut AgencySystem> {
        let found = self.agencies.iter_mut().find(|system| system.unit() == unit);
        found.with_context(|| format!("{unit} is not registered"))
    }

    /// The text of `accounts.conf`.
    #[must_use]
    pub fn accounts(&self) -> String {
        let mut text = String::from(
            "# Written by `dafei`: applied by a reload (SIGHUP) of the server that includes it.\naccounts {\n",
        );
        // Writing to a String cannot fail.
        let Login { user, password } = &self.suite;
        let _ = writeln!(
            text,
            "  SUITE {{\n    jetstream: enabled\n    users: [ {{ user: {user:?}, password: {password:?} }} ]\n    exports: ["
        );
        for system in &self.agencies {
            exports(&mut text, system);
        }
        text.push_str("    ]\n  }\n");
        for system in &self.agencies {
            imports(&mut text, system);
        }
        let Login { user, password } = &self.system;
        let _ = writeln!(
            text,
            "  SYS {{\n    users: [ {{ user: {user:?}, password: {password:?} }} ]\n  }}\n}}\nsystem_account: SYS"
        );
        text
    }
}

/// What a system may call, as subjects of the suite's account: whether it is mapped to the API prefix, and whether answers are many.
fn subjects(system: &AgencySystem) -> Vec<(String, bool, bool)> {
    let AgencySystem { stream, durable, feedback_prefix, .. } = system;
    let queue = [
        (format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"), true, false),
        (format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"), true, true),
        (format!("$JS.ACK.{stream}.{durable}.>"), false, false),
        // The acknowledgement form with domain and account hash.
        (format!("$JS.ACK.*.*.{stream}.{durable}.>"), false, false),
    ];
    // By their names: each is a subject of its own, of which the stream keeps so many and no more.
    queue.into_iter().chain(FEEDBACK_KINDS.map(|kind| (format!("{feedback_prefix}.{kind}"), false, false))).collect()
}

fn exports(text: &mut String, system: &AgencySystem) {
    let _ = writeln!(text, "      # {}, {} {}", system.agency, system.level, system.region);
    for (subject, _, many) in subjects(system) {
        let many = if many { "response_type: stream, " } else { "" };
        let _ = writeln!(text, "      {{ service: {subject:?}, {many}accounts: [{:?}] }}", system.account());
    }
}

fn imports(text: &mut String, system: &AgencySystem) {
    let user = |Login { user, password }: &Login| format!("{{ user: {user:?}, password: {password:?} }}");
    let users: Vec<String> = [Some(&system.login), system.next.as_ref()].into_iter().flatten().map(user).collect();
    let users = users.join(", ");
    let _ = writeln!(text, "  {:?} {{\n    users: [ {users} ]\n    imports: [", system.account());
    for (subject, mapped, _) in subjects(system) {
        // Unmapped they would reach the agency's own JetStream API.
        let to = if mapped { format!(", to: {:?}", subject.replacen("$JS.API", API_PREFIX, 1)) } else { String::new() };
        let _ = writeln!(text, "      {{ service: {{ account: SUITE, subject: {subject:?} }}{to} }}");
    }
    text.push_str("    ]\n  }\n");
}

/// Replaces a file at once: a reload never reads half of it.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    write_private(&new, text)?;
    fs::rename(&new, path).with_context(|| path.display().to_string())
}

/// The directory of the server's configuration, `DAFEI_NATS_DIR`.
///
/// # Errors
/// When it is not set.
pub fn dir() -> Result<PathBuf> {
    Ok(client::setting("DAFEI_NATS_DIR")?.into())
}

/// Tells the server whose number is in `nats.pid` of the directory to read its configuration again; of a cluster on one machine, in whose
/// directory are `nats-1.pid`, `nats-2.pid` and so on, each server.
///
/// # Errors
/// When there is no such server.
pub fn reload_servers(dir: &Path) -> Result<()> {
    let files = pid_files(dir)?;
    ensure!(!files.is_empty(), "no nats.pid in {}", dir.display());
    files.iter().try_for_each(|path| reload(path))
}

fn pid_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == PID || (name.starts_with("nats-") && name.ends_with(".pid")) {
            found.push(path);
        }
    }
    Ok(found)
}

fn reload(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let path = path.display();
    let pid: u32 = text.trim().parse().with_context(|| format!("{path} holds no process number"))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    ensure!(name.trim().starts_with("nats-server"), "process {pid} of {path} is no nats-server");
    let done = Command::new("kill").args(["-HUP", &pid.to_string()]).status().context("kill")?;
    if !done.success() {
        bail!("the server {pid} could not be told to reload");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AgencySystem, Login, Register, pid_files, reload_servers};

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.to_owned(), password: password.to_owned() }
    }

    fn system(agency: &str, password: &str) -> AgencySystem {
        AgencySystem {
            agency: agency.to_owned(),
            level: "county".to_owned(),
            region: "371302".to_owned(),
            stream: "DAFEI_AGENCY".to_owned(),
            durable: format!("A_{agency}_county_371302"),
            feedback_prefix: format!("dafei.v1.feedback.{agency}.county.371302"),
            login: login(&format!("{agency}_county_371302"), password),
            next: None,
        }
    }

    fn register() -> Register {
        let mut register = Register {
            suite: login("suite", "suite-password"),
            system: login("sys", "sys-password"),
            agencies: Vec::new(),
        };
        register.put(system("postal", "postal-password"));
        register.put(system("fire-rescue", "fire-password"));
        register
    }

    #[test]
    fn the_written_accounts_are_those_of_the_example_that_is_tested_on_a_real_server() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats/accounts.example.conf");
        let example = std::fs::read_to_string(example).expect("the example");
        let lines = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(lines(&register().accounts()), lines(&example));
    }

    #[test]
    fn every_server_of_a_directory_is_told_and_none_that_does_not_run() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(reload_servers(dir.path()).is_err(), "there is none");
        for name in ["nats.pid", "nats-1.pid", "nats-2.pid", "nats-1.conf", "agencies.lock"] {
            std::fs::write(dir.path().join(name), "0").expect("a file");
        }
        let mut found = pid_files(dir.path()).expect("read");
        found.sort();
        assert_eq!(found, ["nats-1.pid", "nats-2.pid", "nats.pid"].map(|name| dir.path().join(name)));
        assert!(reload_servers(dir.path()).is_err(), "process 0 is no nats-server");
    }

    #[test]
    fn a_system_that_is_registered_again_keeps_its_password() {
        let mut register = register();
        let login = register.login("postal", "county", "371302");
        assert_eq!(login.password, "postal-password");
        register.put(AgencySystem { login, ..system("postal", "") });
        assert_eq!(register.agencies.len(), 2);
        assert_ne!(register.login("postal", "county", "371311").password, "postal-password");
    }

    #[test]
    fn a_login_is_changed_in_two_steps_and_both_are_let_in_between() {
        let mut register = register();
        assert!(register.finish_rotation("postal_county_371302").is_err(), "nothing was begun");
        assert!(register.rotate("postal_county_371311").is_err(), "not registered");
        let next = register.rotate("postal_county_371302").expect("begun");
        assert_eq!(register.rotate("postal_county_371302").expect("begun again"), next);
        let both = register.accounts();
        assert!(both.contains("postal-password") && both.contains(&next.password));
        assert_eq!(register.finish_rotation("postal_county_371302").expect("finished"), next);
        let after = register.accounts();
        assert!(!after.contains("postal-password") && after.contains(&next.password));
        let third = register.rotate("postal_county_371302").expect("begun");
        assert_eq!((next.user.as_str(), third.user.as_str()), ("postal_county_371302_b", "postal_county_371302"));
    }

    #[test]
    fn a_system_that_is_registered_again_while_its_login_is_changed_keeps_both() {
        let mut register = register();
        let next = register.rotate("postal_county_371302").expect("begun");
        register.put(system("postal", "postal-password"));
        assert_eq!(register.rotate("postal_county_371302").expect("still begun"), next);
        assert!(register.accounts().contains(&next.password), "its client may have gone over already");
    }

    #[test]
    fn the_files_are_for_their_owner_alone_and_read_back() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        register().save(dir.path()).expect("written");
        assert_eq!(Register::load(dir.path()).expect("read"), register());
        for file in ["agencies.json", "accounts.conf"] {
            let mode = std::fs::metadata(dir.path().join(file)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
