//! Settings from the environment. One catalogue names every key of the suite; a reading collects all that is missing,
//! malformed or unknown and reports it at once, by name, and never shows a secret.

mod catalogue;
mod common;
pub mod parse;
mod reader;
mod reference;
mod source;

pub use catalogue::{KNOWN_KEYS, Key, Need, Scope};
pub use common::{
    Common, Database, Deployment, GrpcLimits, IdentitySettings, JwksLocation, Log, LogFormat, Mode, Nats, NatsAuth,
    Otlp, Tls,
};
pub use reader::{Checked, ConfigError, Pending, Problem, Reader};
pub use reference::reference;
pub use source::{Environment, MapSource, Source};

use std::fmt;

/// The four services of the suite, as they appear in names of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Roster, patrols, suspicions, the village steps.
    Intake,
    /// The case from the township centre up.
    Dispatch,
    /// Clocks, warnings, breaches.
    SlaMonitor,
    /// Tables and filings.
    Reporting,
}

impl Service {
    /// All services, in the order of the document.
    pub const ALL: [Self; 4] = [Self::Intake, Self::Dispatch, Self::SlaMonitor, Self::Reporting];

    /// The service's name in logs, traces and subjects: `sla-monitor`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Dispatch => "dispatch",
            Self::SlaMonitor => "sla-monitor",
            Self::Reporting => "reporting",
        }
    }

    /// The service's part of a setting's name: `SLA_MONITOR`.
    pub fn env_name(self) -> &'static str {
        match self {
            Self::Intake => "INTAKE",
            Self::Dispatch => "DISPATCH",
            Self::SlaMonitor => "SLA_MONITOR",
            Self::Reporting => "REPORTING",
        }
    }

    /// The full name of a per-service setting: `DAFEI_SLA_MONITOR_LISTEN`.
    pub fn key(self, suffix: &str) -> String {
        format!("DAFEI_{}_{suffix}", self.env_name())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value that must not appear in logs or error messages: its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Hand it to the client that needs it, and to nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
