//! The settings that only intake has.

use dafei_intake_core::{retention::MIN_MONTHS, suspicion::Rules};
use dafei_kernel::act::Act;
use dafei_runtime::config::{Common, ConfigError, Reader, Service, Source, parse};

/// Settings of intake.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// What is decided by: the acts that persuasion never settles (clause C3).
    pub rules: Rules,
    /// Months of patrols that are kept, the present one among them.
    pub patrol_months: u32,
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
        let months = reader.value("DAFEI_PATROL_MONTHS", parse::whole(MIN_MONTHS, 1_200));
        let checked = reader.finish()?;
        let rules = never
            .get(&checked)
            .map_or_else(Rules::default, |acts| Rules { never_by_persuasion: acts.into_iter().collect() });
        Ok(Self { common: common.get(&checked), rules, patrol_months: months.get(&checked) })
    }
}

/// Act codes, separated by commas.
fn acts(text: &str) -> Result<Vec<Act>, String> {
    text.split(',')
        .map(|code| Act::parse(code.trim()).map_err(|_| format!("act codes separated by commas; {code:?} is none")))
        .collect()
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
    fn an_act_that_is_none_keeps_the_service_from_starting() {
        let wrong = source().with("DAFEI_NEVER_BY_PERSUASION", "FW-1,XX-1");
        let error = Settings::read(&wrong).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_NEVER_BY_PERSUASION") && error.contains("XX-1"), "{error}");
    }

    #[test]
    fn patrols_are_kept_two_years_unless_it_is_said_otherwise_and_never_less_than_two_months() {
        let kept = |source: &MapSource| Settings::read(source).map(|settings| settings.patrol_months);
        assert_eq!(kept(&source()).expect("settings"), 24);
        assert_eq!(kept(&source().with("DAFEI_PATROL_MONTHS", "60")).expect("settings"), 60);
        assert!(kept(&source().with("DAFEI_PATROL_MONTHS", "1")).is_err());
    }
}
