//! The settings that only intake has.

use dafei_intake_core::{roster::Limits, suspicion::Rules};
use dafei_kernel::act::Act;
use dafei_runtime::config::{Common, ConfigError, Reader, Service, Source};

/// Cities that a rehearsal of the whole country may have.
const MAX_CITIES: usize = 500;

/// Settings of intake.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// What is decided by: the acts that persuasion never settles (clause C3).
    pub rules: Rules,
    /// How large the roster may be (clause B1).
    pub roster_limits: Limits,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// All settings that are missing, malformed or unknown, a line each.
    pub fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source, Service::Intake);
        let common = reader.common();
        let never = reader.optional("DAFEI_NEVER_BY_PERSUASION", acts);
        let cities = reader.value("DAFEI_ROSTER_CITIES", cities);
        let checked = reader.finish()?;
        let rules = never
            .get(&checked)
            .map_or_else(Rules::default, |acts| Rules { never_by_persuasion: acts.into_iter().collect() });
        let roster_limits = Limits { cities: cities.get(&checked) };
        Ok(Self { common: common.get(&checked), rules, roster_limits })
    }
}

/// Act codes, separated by commas.
fn acts(text: &str) -> Result<Vec<Act>, String> {
    text.split(',')
        .map(|code| Act::parse(code.trim()).map_err(|_| format!("act codes separated by commas; {code:?} is none")))
        .collect()
}

/// A number of cities.
fn cities(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|cities| (1..=MAX_CITIES).contains(cities)).ok_or_else(|| format!("1 to {MAX_CITIES}"))
}

#[cfg(test)]
mod tests {
    use dafei_kernel::act::Act;
    use dafei_runtime::config::MapSource;

    use super::Settings;

    fn source() -> MapSource {
        MapSource::from([
            ("DAFEI_INTAKE_LISTEN", "127.0.0.1:0"),
            ("DAFEI_INTAKE_DATABASE_URL", "postgres://localhost/intake"),
            ("DAFEI_NATS_URL", "nats://127.0.0.1:4222"),
            ("DAFEI_JWKS", "/nowhere/jwks.json"),
            ("DAFEI_JWT_ISSUER", "issuer"),
            ("DAFEI_JWT_AUDIENCE", "audience"),
        ])
    }

    fn never(source: &MapSource, act: &str) -> bool {
        let settings = Settings::read(source).expect("settings");
        settings.rules.never_by_persuasion.contains(&Act::parse(act).expect("an act"))
    }

    #[test]
    fn an_office_may_say_which_acts_persuasion_never_settles() {
        assert!(never(&source(), "FW-1") && !never(&source(), "FS-2"));
        let own = source().with("DAFEI_NEVER_BY_PERSUASION", "FS-2, HC-9");
        assert!(never(&own, "FS-2") && never(&own, "HC-9") && !never(&own, "FW-1"));
    }

    #[test]
    fn a_roster_has_one_city_unless_the_settings_say_more() {
        let cities = |source: &MapSource| Settings::read(source).map(|settings| settings.roster_limits.cities);
        assert_eq!(cities(&source()).expect("settings"), 1);
        assert_eq!(cities(&source().with("DAFEI_ROSTER_CITIES", "342")).expect("settings"), 342);
        let error = cities(&source().with("DAFEI_ROSTER_CITIES", "0")).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_ROSTER_CITIES"), "{error}");
    }

    #[test]
    fn an_act_that_is_none_keeps_the_service_from_starting() {
        let wrong = source().with("DAFEI_NEVER_BY_PERSUASION", "FW-1,XX-1");
        let error = Settings::read(&wrong).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_NEVER_BY_PERSUASION") && error.contains("XX-1"), "{error}");
    }
}
