//! Loading the roster from CSV files (clause B1), with a token of the role admin.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use dafei_contracts::intake::v1::{
    ImportRosterRequest, ImportRosterResponse, RosterFile, roster_service_client::RosterServiceClient,
};
use dafei_kernel::{
    clock::{Clock as _, SystemClock},
    ids::{IdSource as _, SystemIds},
    region::{Level, Region},
    role::Role,
};

use crate::client::{self, Caller, Keys, Service, Suite};

/// Bytes in a message of the upload.
const CHUNK: usize = 256 * 1024;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// level,code,name,parent[,work_area][,households]
    Regions,
    /// role,level,code,agency,person,valid_from[,valid_until]
    Holders,
    /// credit_code,name,industry,regulator,level,code,employees
    Enterprises,
}

impl Kind {
    const fn wire(self) -> RosterFile {
        match self {
            Self::Regions => RosterFile::Regions,
            Self::Holders => RosterFile::Holders,
            Self::Enterprises => RosterFile::Enterprises,
        }
    }

    /// By the columns that a file names.
    fn of_head(head: &csv::StringRecord) -> Result<Self> {
        let has = |name: &str| head.iter().any(|column| column.trim_start_matches('\u{feff}') == name);
        if has("credit_code") {
            Ok(Self::Enterprises)
        } else if has("person") {
            Ok(Self::Holders)
        } else if has("parent") {
            Ok(Self::Regions)
        } else {
            bail!("the first line names no columns of a roster file; say what it is with --kind")
        }
    }
}

/// Uploads a file and prints what changed, or with `dry_run` what would.
///
/// # Errors
/// When the file cannot be read or intake refuses it, with row and column.
pub async fn load(suite: &Suite, keys: &Keys, file: &Path, kind: Option<Kind>, dry_run: bool) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let kind = match kind {
        Some(kind) => kind,
        None => Kind::of_head(csv::Reader::from_reader(bytes.as_slice()).headers()?)?,
    };
    let admin = Caller::new(Role::Admin, city(&bytes, kind)?);
    let answer =
        import(suite, keys, &admin, kind, &bytes, dry_run).await.with_context(|| file.display().to_string())?;
    let what = if dry_run { "试运行，未写入；" } else { "" };
    println!("{}: {what}{} 行，新增或变更 {} 项", file.display(), answer.rows, answer.changed);
    for warning in answer.warnings {
        println!("  提示：{warning}");
    }
    Ok(())
}

/// Uploads the content of a file.
pub(crate) async fn import(
    suite: &Suite,
    keys: &Keys,
    admin: &Caller,
    kind: Kind,
    bytes: &[u8],
    dry_run: bool,
) -> Result<ImportRosterResponse> {
    let mut intake = RosterServiceClient::new(suite.with(Service::Intake, &keys.bearer(admin)?));
    let mut parts: Vec<ImportRosterRequest> = bytes
        .chunks(CHUNK)
        .map(|chunk| ImportRosterRequest { chunk: chunk.to_vec().into(), ..ImportRosterRequest::default() })
        .collect();
    let Some(first) = parts.first_mut() else { bail!("the file is empty") };
    first.request_id = SystemIds.ordered(SystemClock.now()).to_string();
    first.set_file(kind.wire());
    first.dry_run = dry_run;
    Ok(intake.import_roster(tokio_stream::iter(parts)).await.map_err(crate::refusal)?.into_inner())
}

/// The city: `DAFEI_CITY`, or the one that the file of regions itself names.
fn city(bytes: &[u8], kind: Kind) -> Result<Region> {
    if let Ok(city) = client::city() {
        return Ok(city);
    }
    if kind != Kind::Regions {
        return client::city();
    }
    let mut reader = csv::Reader::from_reader(bytes);
    let head = reader.headers()?.clone();
    let at = |name: &str| head.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let (Some(level), Some(code)) = (at("level"), at("code")) else { bail!("the file has no columns level and code") };
    for row in reader.records() {
        let row = row?;
        if row.get(level) == Some(Level::City.code()) {
            return Region::new(Level::City, row.get(code).unwrap_or_default()).context("the file's city");
        }
    }
    bail!("the file names no city; set DAFEI_CITY")
}
