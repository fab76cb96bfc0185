//! `dafei`: the command-line tool of the suite. Addresses and keys come from the environment (`.dev/run.env`).

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use dafei_kernel::{
    agency::Agency,
    region::{Level, Region},
    role::Role,
};
use dafei_tools::{
    agency, asyncapi, bench, check_deadline, check_restore,
    client::{Caller, Keys, Suite},
    demo, duration, exercise, faults, health, keys, layering, refill, roster,
};

#[derive(Debug, Parser)]
#[command(
    name = "dafei",
    about = "Tokens, health, roster, exercise clock, credentials and generated documents of the suite"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The key pair that signs tokens in development and exercises.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Prints a token.
    Token {
        /// Role code, for example county-office.
        #[arg(long)]
        role: Role,
        /// Region as level:code, for example county:371302.
        #[arg(long)]
        region: Region,
        /// Agency code of a department or township agency.
        #[arg(long)]
        agency: Option<Agency>,
        /// Code of a work area.
        #[arg(long)]
        work_area: Option<String>,
        /// How long it holds.
        #[arg(long, default_value = "8h", value_parser = duration::parse)]
        ttl: Duration,
    },
    /// Whether the four services serve.
    Health {
        /// How long to wait for them.
        #[arg(long, default_value = "0s", value_parser = duration::parse)]
        wait: Duration,
    },
    /// The roster.
    Roster {
        #[command(subcommand)]
        command: RosterCommand,
    },
    /// Moves the exercise clock: +5d, +3h, +30m, or set INSTANT.
    Clock {
        /// How far, or `set` and an RFC 3339 instant.
        #[arg(required = true, num_args = 1..=2, allow_hyphen_values = true)]
        target: Vec<String>,
    },
    /// Measures the running suite.
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// A server that the benches hold intake against.
    #[command(hide = true)]
    ReferenceServer {
        /// Which.
        kind: bench::servers::Kind,
        /// Address to listen on.
        #[arg(long)]
        listen: std::net::SocketAddr,
    },
    /// Load, verification and other steps of `./dev faults`.
    Faults {
        #[command(subcommand)]
        step: faults::Step,
    },
    /// Plays the loop in all its branches on the running suite, tells it in Chinese and checks it.
    Demo,
    /// Registers an agency's own system and prints its credentials as JSON.
    AgencyCreds {
        /// Agency code, for example fire-rescue.
        agency: Agency,
        /// Level of its region: city, county or township.
        level: Level,
        /// Code of its region.
        region: String,
    },
    /// Registers the systems of all 14 agencies of these regions and prints their credentials as a JSON list.
    AgencyCredsAll {
        /// Regions, for example county:371302.
        #[arg(required_unless_present = "all_counties")]
        regions: Vec<Region>,
        /// Each county of the roster, too.
        #[arg(long)]
        all_counties: bool,
    },
    /// Changes the login of an agency's system: first a new one beside the old, then, with --finish, the old one is let in no longer.
    AgencyRotate {
        /// Agency code.
        agency: Agency,
        /// Level of its region: city, county or township.
        level: Level,
        /// Code of its region.
        region: String,
        /// The client has gone over to the new login.
        #[arg(long)]
        finish: bool,
    },
    /// Writes accounts.conf for the NATS server from what is registered.
    NatsAccounts {
        /// Directory of agencies.json and accounts.conf.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Fills a wiped NATS again from the event logs of these services; of all four when none is named.
    Refill {
        /// intake, dispatch, sla-monitor, reporting.
        services: Vec<String>,
    },
    /// After a restore and before anything is started: whether any service knows events that its publisher's restored database does not have.
    CheckRestore,
    /// Checks a deadline from its stored inputs alone (inputs_json of ExplainDeadline): 0 when all agrees, 1 with every difference, 2 for what
    /// cannot be read. Asks no service.
    CheckDeadline {
        /// JSON file with the stored inputs; - for standard input.
        file: PathBuf,
        /// The calendar file that the deadline was counted by; without it the shipped one, where its version is the stored one.
        #[arg(long)]
        calendar: Option<PathBuf>,
    },
    /// Whether every dependency of the workspace points the right way.
    Layering {
        /// Root of the workspace.
        #[arg(long, default_value = ".")]
        root: PathBuf,
    },
    /// Writes docs/asyncapi.yaml from the event catalogue.
    Asyncapi {
        /// Only says whether it is up to date.
        #[arg(long)]
        check: bool,
        /// Root of the project.
        #[arg(long, default_value = ".")]
        root: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Makes one where there is none, and its jwks.json.
    Init {
        /// Directory of the files.
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum RosterCommand {
    /// Loads a CSV file.
    Load {
        /// The file.
        file: PathBuf,
        /// What it holds; by its first line when not said.
        #[arg(long)]
        kind: Option<roster::Kind>,
        /// Checks and counts, and writes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dafei: {error:#}");
            if error.is::<check_deadline::Unreadable>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Keys { command: KeysCommand::Init { dir } } => keys::init(&dir),
        Command::Token { role, region, agency, work_area, ttl } => {
            keys::token(&Caller { role, region, agency, work_area }, ttl)
        }
        Command::Health { wait } => health::run(&Suite::from_env()?, wait).await,
        Command::Roster { command: RosterCommand::Load { file, kind, dry_run } } => {
            roster::load(&Suite::from_env()?, &Keys::from_env()?, &file, kind, dry_run).await
        }
        Command::Clock { target } => {
            exercise::run(&Suite::from_env()?, &Keys::from_env()?, exercise::target(&target)?).await.map(drop)
        }
        Command::Bench { bench } => bench::run(&Suite::from_env()?, bench).await,
        Command::ReferenceServer { kind, listen } => bench::servers::serve(kind, listen).await,
        Command::Faults { step } => faults::run(step).await,
        Command::Demo => demo::run(&Suite::from_env()?).await,
        Command::AgencyCreds { agency, level, region } => {
            let region = Region::new(level, &region)?;
            agency::credentials(&Suite::from_env()?, &Keys::from_env()?, agency, &region).await
        }
        Command::AgencyCredsAll { mut regions, all_counties } => {
            let (suite, keys) = (Suite::from_env()?, Keys::from_env()?);
            if all_counties {
                regions.extend(agency::counties(&suite, &keys).await?);
            }
            agency::all_credentials(&suite, &keys, &regions).await
        }
        Command::AgencyRotate { agency, level, region, finish } => {
            agency::rotate(agency, &Region::new(level, &region)?, finish).await
        }
        Command::NatsAccounts { dir } => agency::write_accounts(&dir),
        Command::Refill { services } => refill::run(&services).await,
        Command::CheckRestore => check_restore::run().await,
        Command::CheckDeadline { file, calendar } => check_deadline::run(&file, calendar.as_deref()),
        Command::Layering { root } => layering::check(&root),
        Command::Asyncapi { check, root } => asyncapi::run(&root, check),
    }
}
