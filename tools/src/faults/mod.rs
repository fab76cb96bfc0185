//! The parts of `./dev faults` that speak to the suite: a load whose every acknowledged write is in a journal, the wait until all is quiet again,
//! and the comparison of that journal with all that the suite then holds.

mod backup;
mod department;
mod insist;
mod journal;
mod load;
mod quiet;
mod rewind;
mod schema;
mod tray;
mod verify;

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;

use crate::{
    client::{Keys, Service, Suite},
    duration,
};

/// The steps of `./dev faults`.
#[derive(Debug, Clone, Subcommand)]
pub enum Step {
    /// Drives cases through the loop until it is told to end (SIGTERM), then brings those under way to their end.
    Load {
        /// File to which every acknowledged write is appended.
        #[arg(long)]
        journal: PathBuf,
        /// Cases under way at the same time.
        #[arg(long, default_value_t = 8)]
        lanes: u32,
        /// Pause of a lane between two cases, in milliseconds.
        #[arg(long, default_value_t = 400)]
        pause_ms: u64,
        /// How long a step is tried until it counts as failed.
        #[arg(long, default_value = "120s", value_parser = duration::parse)]
        patience: Duration,
    },
    /// Waits until the four services serve, have nothing left to publish and have taken everything.
    Quiet {
        /// How long at the most.
        #[arg(long, default_value = "30s", value_parser = duration::parse)]
        within: Duration,
    },
    /// Compares the journals with databases and streams; prints one JSON object, and fails when anything is lost or doubled.
    Verify {
        /// The journals of all loads that this suite has had.
        #[arg(required = true)]
        journals: Vec<PathBuf>,
        /// Journals of writes that were acknowledged after the point to which the databases were restored: each is there, or is not.
        #[arg(long)]
        perhaps: Vec<PathBuf>,
        /// NATS was wiped and filled again: what agencies are done with is not in their stream any more.
        #[arg(long)]
        refilled: bool,
        /// A relay has filled up a stream: what it knows to stand there again is not doubled (ADR 27), and is remembered in this file, as
        /// relays forget it.
        #[arg(long)]
        again: Option<PathBuf>,
    },
    /// Puts the positions of a service's consumers back, so that it gets again what it has taken.
    Rewind {
        /// intake, dispatch, sla-monitor, reporting.
        #[arg(value_parser = service)]
        service: Service,
        /// By how many messages.
        #[arg(long, default_value_t = 200)]
        by: i64,
    },
    /// Copies PostgreSQL's files while it runs: a base backup. Its superuser is that of `DAFEI_TEST_DATABASE_URL`.
    Backup {
        /// The server's directory.
        #[arg(long)]
        data: PathBuf,
        /// Where the copy is made.
        #[arg(long)]
        to: PathBuf,
    },
    /// Names the present moment of PostgreSQL's log as a point to which it can be restored, and waits until the log is archived up to it.
    Mark {
        /// Name of the point.
        name: String,
    },
    /// Applies to all four databases what a next version might add: a column to every table, and a table.
    NextSchema,
}

fn service(name: &str) -> Result<Service, String> {
    Service::from_name(name).ok_or_else(|| format!("{name:?} is no service"))
}

/// Does a step.
///
/// # Errors
/// When the load could not bring a case to its end, the suite does not become quiet, or something is lost or doubled.
pub async fn run(step: Step) -> anyhow::Result<()> {
    match step {
        Step::Load { journal, lanes, pause_ms, patience } => {
            let pause = Duration::from_millis(pause_ms);
            load::run(Suite::from_env()?, &Keys::from_env()?, &journal, &load::Plan { lanes, pause, patience }).await
        }
        Step::Quiet { within } => quiet::run(&Suite::from_env()?, within).await,
        Step::Verify { journals, perhaps, refilled, again } => {
            verify::run(&journals, &perhaps, verify::Bus { refilled, again }).await
        }
        Step::Rewind { service, by } => rewind::run(service, by).await,
        Step::Backup { data, to } => backup::base(&data, &to).await,
        Step::Mark { name } => backup::mark(&name).await,
        Step::NextSchema => schema::run().await,
    }
}
