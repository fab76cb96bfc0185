//! The settings that only reporting has.

use std::path::PathBuf;

use anyhow::Context as _;
use dafei_reporting_core::{allowance, disclosure};
use dafei_runtime::config::{Common, ConfigError, Reader, Service, Source, parse};

/// Which small cells are protected, where no other rules are given.
pub const DISCLOSURE: &str = include_str!("../../../data/disclosure/default.json");
/// The rates of allowances, where no others are given.
pub const ALLOWANCES: &str = include_str!("../../../data/allowances/default.json");

/// Settings of reporting.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// File of the rules of disclosure; the built-in ones when none.
    disclosure: Option<PathBuf>,
    /// File of the rates of allowances; the built-in ones when none.
    allowances: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// All settings that are missing, malformed or unknown, a line each.
    pub fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source, Service::Reporting);
        let common = reader.common();
        let disclosure = reader.optional("DAFEI_DISCLOSURE_FILE", parse::path);
        let allowances = reader.optional("DAFEI_ALLOWANCES_FILE", parse::path);
        let checked = reader.finish()?;
        Ok(Self {
            common: common.get(&checked),
            disclosure: disclosure.get(&checked),
            allowances: allowances.get(&checked),
        })
    }

    /// The rules that the service is started with.
    ///
    /// # Errors
    /// When a file cannot be read or breaks a rule.
    pub fn rules(&self) -> anyhow::Result<Rules> {
        Rules::of(&read(self.disclosure.as_ref(), DISCLOSURE)?, &read(self.allowances.as_ref(), ALLOWANCES)?)
    }
}

/// What reporting goes by beside its data.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Which small cells are protected (clause F5).
    pub disclosure: disclosure::Rules,
    /// What grid chiefs and members are paid (clause F6).
    pub allowances: allowance::Rates,
}

impl Rules {
    /// Rules from their texts.
    ///
    /// # Errors
    /// When a text breaks a rule.
    pub fn of(disclosure: &str, allowances: &str) -> anyhow::Result<Self> {
        Ok(Self {
            disclosure: disclosure::Rules::parse(disclosure).context("rules of disclosure")?,
            allowances: allowance::Rates::parse(allowances).context("rates of allowances")?,
        })
    }

    /// The built-in ones.
    ///
    /// # Errors
    /// Never, as the tests show.
    pub fn built_in() -> anyhow::Result<Self> {
        Self::of(DISCLOSURE, ALLOWANCES)
    }
}

fn read(file: Option<&PathBuf>, built_in: &str) -> anyhow::Result<String> {
    match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string()),
        None => Ok(built_in.to_owned()),
    }
}
