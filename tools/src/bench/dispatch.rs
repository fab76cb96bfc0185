//! Dispatch with the cases of years in its database, next to the same on an empty one. `./dev bench dispatch` calls the steps in turn and
//! changes the databases between them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::{
    dispatch_fill, dispatch_models, dispatch_pages, figures,
    lifecycle::{self, Floor},
};
use crate::client::{self, Keys, Suite};

/// Lifecycles under way at the same time.
const IN_FLIGHT: usize = 256;
/// Reports offered per second.
const REPORTS_PER_SECOND: u32 = 300;
/// The limits of a page and of a report, in milliseconds.
const PAGE_LIMIT_MS: f64 = 20.0;
const REPORT_LIMIT_MS: f64 = 100.0;
/// How long dispatch may take to anchor all its cases, which it does as soon as it runs on a database that has had no anchor.
const ANCHOR_PATIENCE: Duration = Duration::from_secs(1_800);

/// A step of the bench.
#[derive(Debug, Clone, Subcommand)]
pub enum Step {
    /// Plays one case per stage and prints their ids.
    Models,
    /// Fills the database of a stopped dispatch with cases like the models.
    Fill {
        /// How many cases.
        #[arg(long)]
        cases: u64,
        /// The models.
        #[arg(required = true)]
        models: Vec<String>,
    },
    /// Measures the running suite.
    Measure {
        /// Multiplies how long is measured.
        #[arg(long, default_value_t = 1.0)]
        time: f64,
        /// Keeps what was measured here as the reference, and prints no figure.
        #[arg(long, conflicts_with = "reference")]
        keep: Option<PathBuf>,
        /// What was kept of the empty database.
        #[arg(long)]
        reference: Option<PathBuf>,
    },
}

/// What a measurement brings.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    lifecycles_per_s: f64,
    inbox_page_ms: [f64; 2],
    cases_page_ms: [f64; 2],
    report_to_case_ms: [f64; 2],
    report_to_instruction_ms: [f64; 2],
}

pub(super) async fn run(suite: &Suite, keys: &Keys, step: Step) -> anyhow::Result<()> {
    match step {
        Step::Models => dispatch_models::run(suite, keys).await,
        Step::Fill { cases, models } => dispatch_fill::run(cases, &models).await,
        Step::Measure { time, keep, reference } => {
            let measured = measure(suite, keys, time).await?;
            match (keep, reference) {
                (Some(file), _) => Ok(std::fs::write(file, serde_json::to_string(&measured)?)?),
                (None, Some(file)) => tell(&measured, &kept(&file)?),
                (None, None) => bail!("--keep or --reference"),
            }
        }
    }
}

fn kept(file: &Path) -> anyhow::Result<Measured> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

async fn measure(suite: &Suite, keys: &Keys, time: f64) -> anyhow::Result<Measured> {
    wait_for_anchor().await?;
    // The bench ends with the process: one suite for all its tasks.
    let lasting: &'static Suite = Box::leak(Box::new(suite.clone()));
    let floor = Arc::new(Floor::build(lasting, keys).await?);
    let mut pages = dispatch_pages::run(suite, keys, Duration::from_secs_f64(10.0 * time)).await?;
    eprintln!(
        "    {} pages of inboxes with {} entries, {} pages of cases",
        pages.inbox.len(),
        pages.entries,
        pages.cases.len()
    );
    let lifecycles_per_s = lifecycle::rate(&floor, suite, keys, time, IN_FLIGHT).await?;
    let mut delays = lifecycle::reports(&floor, REPORTS_PER_SECOND, Duration::from_secs_f64(20.0 * time)).await?;
    eprintln!("    {} reports became cases, and orders of their centre", delays.to_case.len());
    Ok(Measured {
        lifecycles_per_s,
        inbox_page_ms: halves(&mut pages.inbox),
        cases_page_ms: halves(&mut pages.cases),
        report_to_case_ms: halves(&mut delays.to_case),
        report_to_instruction_ms: halves(&mut delays.to_instruction),
    })
}

/// p50 and p99.
fn halves(values: &mut [Duration]) -> [f64; 2] {
    [figures::percentile_ms(values, 50), figures::percentile_ms(values, 99)]
}

/// Waits until all cases are anchored: what a database that was made by SQL lacks, a real one has had since midnight.
async fn wait_for_anchor() -> anyhow::Result<()> {
    let pool = PgPool::connect(&client::setting("DAFEI_DISPATCH_DATABASE_URL")?).await?;
    let begun = Instant::now();
    loop {
        let done: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM anchor)
                    OR NOT EXISTS (SELECT FROM event_log WHERE recorded_at < date_trunc('day', now(), 'Asia/Shanghai'))",
        )
        .fetch_one(&pool)
        .await?;
        if done {
            eprintln!("    all cases are anchored after {:.1?}", begun.elapsed());
            return Ok(());
        }
        ensure!(begun.elapsed() < ANCHOR_PATIENCE, "dispatch has not anchored its cases");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn tell(measured: &Measured, empty: &Measured) -> anyhow::Result<()> {
    let rate = Some(("empty database", empty.lifecycles_per_s));
    figures::print("lifecycles_per_s_at_scale", measured.lifecycles_per_s, "1/s", rate);
    for (name, ours, theirs, limit) in [
        ("inbox_page", measured.inbox_page_ms, empty.inbox_page_ms, PAGE_LIMIT_MS),
        ("cases_page", measured.cases_page_ms, empty.cases_page_ms, PAGE_LIMIT_MS),
        ("report_to_case", measured.report_to_case_ms, empty.report_to_case_ms, REPORT_LIMIT_MS),
        ("report_to_instruction", measured.report_to_instruction_ms, empty.report_to_instruction_ms, f64::INFINITY),
    ] {
        for (at, percent) in ["p50", "p99"].into_iter().enumerate() {
            figures::print(&format!("{name}_{percent}_ms"), ours[at], "ms", Some(("empty database", theirs[at])));
        }
        if ours[1] > limit {
            eprintln!("    OVER THE LIMIT of {limit} ms: {name}_p99_ms");
        }
    }
    Ok(())
}
