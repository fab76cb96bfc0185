//! The settings that only dispatch has.

use std::path::PathBuf;

use anyhow::Context as _;
use dafei_dispatch_core::case::Limits;
use dafei_runtime::config::{ConfigError, Reader, Service, Source, parse};
use jiff::SignedDuration;

use dafei_runtime::config::Common;

/// The routing table that is used where no other is given.
pub const ROUTING: &str = include_str!("../../../data/routing/default.json");
/// The townships' authority that is used where no other is given.
pub const AUTHORITY: &str = include_str!("../../../data/routing/authority.json");

/// Settings of dispatch.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// File of the routing table; the built-in one when none.
    pub routing: Option<PathBuf>,
    /// File of the townships' authority; the built-in one when none.
    pub authority: Option<PathBuf>,
    /// Bounds that the document leaves open.
    pub limits: Limits,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// All settings that are missing, malformed or unknown, a line each.
    pub fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source, Service::Dispatch);
        let common = reader.common();
        let routing = reader.optional("DAFEI_ROUTING_FILE", parse::path);
        let authority = reader.optional("DAFEI_AUTHORITY_FILE", parse::path);
        let minutes = reader.value("DAFEI_ASSUMED_DELIVERY_MINUTES", parse::whole(1_i64, 1_440));
        let returns = reader.value("DAFEI_MAX_RETURNS", parse::whole(1_u32, 10));
        let extensions = reader.value("DAFEI_MAX_EXTENSIONS", parse::whole(0_u32, 10));
        let extension_days = reader.value("DAFEI_MAX_EXTENSION_DAYS", parse::whole(1_u32, 60));
        let reopen_days = reader.value("DAFEI_REOPEN_DAYS", parse::whole(1_i64, 3_650));
        let checked = reader.finish()?;
        Ok(Self {
            common: common.get(&checked),
            routing: routing.get(&checked),
            authority: authority.get(&checked),
            limits: Limits {
                returns: returns.get(&checked),
                extensions: extensions.get(&checked),
                extension_days: extension_days.get(&checked),
                reopen_within: SignedDuration::from_hours(24 * reopen_days.get(&checked)),
                assumed_after: SignedDuration::from_mins(minutes.get(&checked)),
            },
        })
    }

    /// The text of the routing table that the service is started with.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn routing_table(&self) -> anyhow::Result<String> {
        read(self.routing.as_ref(), ROUTING)
    }

    /// The text of the townships' authority that the service is started with.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn township_authority(&self) -> anyhow::Result<String> {
        read(self.authority.as_ref(), AUTHORITY)
    }
}

fn read(file: Option<&PathBuf>, built_in: &str) -> anyhow::Result<String> {
    match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string()),
        None => Ok(built_in.to_owned()),
    }
}
