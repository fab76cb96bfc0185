//! The settings that only intake has.

use dafei_intake_core::{duplicates::Likeness, suspicion::Rules};
use dafei_kernel::act::Act;
use dafei_runtime::config::{Common, ConfigError, Reader, Service, Source, parse};

/// Settings of intake.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// What is decided by: the acts that persuasion never settles, how long a report may be reopened (clause C3), and what is a likely
    /// duplicate.
    pub rules: Rules,
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
        let reopen = reader.value("DAFEI_REOPEN_WITHIN_DAYS", parse::whole(1_u32, 3_650));
        let radius = reader.value("DAFEI_DUPLICATE_RADIUS_M", parse::whole(1_u32, 10_000));
        let window = reader.value("DAFEI_DUPLICATE_WINDOW_DAYS", parse::whole(1_u32, 3_650));
        let checked = reader.finish()?;
        let never = never.get(&checked).map(|acts| acts.into_iter().collect());
        let rules = Rules {
            never_by_persuasion: never.unwrap_or_else(|| Rules::default().never_by_persuasion),
            reopen_within_days: reopen.get(&checked),
            likeness: Likeness { radius_m: radius.get(&checked), window_days: window.get(&checked) },
        };
        Ok(Self { common: common.get(&checked), rules })
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
    use dafei_intake_core::suspicion::Rules;
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
    fn the_defaults_of_the_settings_are_those_of_the_rules() {
        assert_eq!(Settings::read(&source()).expect("settings").rules, Rules::default());
        let own = source().with("DAFEI_REOPEN_WITHIN_DAYS", "30").with("DAFEI_DUPLICATE_RADIUS_M", "500");
        let rules = Settings::read(&own).expect("settings").rules;
        assert_eq!((rules.reopen_within_days, rules.likeness.radius_m, rules.likeness.window_days), (30, 500, 30));
        assert!(Settings::read(&source().with("DAFEI_DUPLICATE_WINDOW_DAYS", "0")).is_err());
    }

    #[test]
    fn an_act_that_is_none_keeps_the_service_from_starting() {
        let wrong = source().with("DAFEI_NEVER_BY_PERSUASION", "FW-1,XX-1");
        let error = Settings::read(&wrong).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_NEVER_BY_PERSUASION") && error.contains("XX-1"), "{error}");
    }
}
