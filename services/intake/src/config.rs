//! The settings of the service: those of every service, and the acts that persuasion never settles.

use std::collections::BTreeSet;

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::act::Act;
use dafei_runtime::config::{Common, ConfigError, Reader, Service, Source};

/// The settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Those of every service.
    pub common: Common,
    /// What is configured of the village's steps.
    pub rules: Rules,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// All problems, by name.
    pub fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source, Service::Intake);
        let common = reader.common();
        let never = reader.optional("DAFEI_NEVER_BY_PERSUASION", acts);
        let checked = reader.finish()?;
        let rules = never
            .get(&checked)
            .map_or_else(Rules::default, |never_by_persuasion| Rules { never_by_persuasion });
        Ok(Self { common: common.get(&checked), rules })
    }
}

/// Act codes, separated by commas; `none` for an empty list.
fn acts(text: &str) -> Result<BTreeSet<Act>, String> {
    if text.trim() == "none" {
        return Ok(BTreeSet::new());
    }
    text.split(',')
        .map(|code| Act::parse(code.trim()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("act codes separated by commas, or `none`; {error}"))
}

#[cfg(test)]
mod tests {
    use dafei_kernel::act::Act;
    use dafei_runtime::config::MapSource;

    use super::Config;

    fn source() -> MapSource {
        MapSource::from([
            ("DAFEI_INTAKE_LISTEN", "127.0.0.1:0"),
            ("DAFEI_INTAKE_DATABASE_URL", "postgres://127.0.0.1/intake"),
            ("DAFEI_NATS_URL", "nats://127.0.0.1:4222"),
            ("DAFEI_JWKS", "jwks.json"),
            ("DAFEI_JWT_ISSUER", "issuer"),
            ("DAFEI_JWT_AUDIENCE", "audience"),
        ])
    }

    #[test]
    fn the_acts_that_always_go_up_can_be_configured() {
        let default = Config::read(&source()).expect("reads");
        assert!(default.rules.never_by_persuasion.contains(&Act::parse("FW-1").expect("an act")));
        let own = Config::read(&source().with("DAFEI_NEVER_BY_PERSUASION", "HC-3, MI-1")).expect("reads");
        assert_eq!(own.rules.never_by_persuasion.len(), 2);
        let none = Config::read(&source().with("DAFEI_NEVER_BY_PERSUASION", "none")).expect("reads");
        assert!(none.rules.never_by_persuasion.is_empty());
        assert!(Config::read(&source().with("DAFEI_NEVER_BY_PERSUASION", "HC-3,XX-1")).is_err());
    }
}
