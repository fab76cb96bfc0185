//! The settings that only intake has.

mod photos;
mod tips;

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::act::Act;
use dafei_runtime::config::{Common, ConfigError, Reader, Secret, Service, Source};

use crate::{app::tips::TipSettings, objects::Place};

/// Settings of intake.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// What is decided by: the acts that persuasion never settles (clause C3).
    pub rules: Rules,
    /// Where the bytes of photos lie.
    pub photos: Place,
    /// What informants' codes are hashed with, beside their salts (clause D2).
    pub code_pepper: Secret,
    /// How the entrance of tips is set.
    pub tips: TipSettings,
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
        let photos = photos::Asked::ask(&mut reader);
        let tips = tips::Asked::ask(&mut reader);
        let checked = reader.finish()?;
        let rules = never
            .get(&checked)
            .map_or_else(Rules::default, |acts| Rules { never_by_persuasion: acts.into_iter().collect() });
        let (code_pepper, tips) = tips.get(&checked);
        Ok(Self { common: common.get(&checked), rules, photos: photos.get(&checked), code_pepper, tips })
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
    use crate::objects::Place;

    fn source() -> MapSource {
        MapSource::from([
            ("DAFEI_INTAKE_LISTEN", "127.0.0.1:0"),
            ("DAFEI_INTAKE_DATABASE_URL", "postgres://localhost/intake"),
            ("DAFEI_NATS_URL", "nats://127.0.0.1:4222"),
            ("DAFEI_JWKS", "/nowhere/jwks.json"),
            ("DAFEI_JWT_ISSUER", "issuer"),
            ("DAFEI_JWT_AUDIENCE", "audience"),
            ("DAFEI_INTAKE_CODE_PEPPER", "a pepper of thirty-two characters"),
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
    fn photos_lie_in_a_directory_or_in_a_bucket_whose_key_is_given_and_whose_secret_is_never_shown() {
        let place = |source: &MapSource| Settings::read(source).map(|settings| settings.photos);
        let directory = place(&source().with("DAFEI_PHOTOS", "file:///srv/photos")).expect("a directory");
        assert_eq!(directory, Place::Directory("/srv/photos".into()));
        let bucket = source().with("DAFEI_PHOTOS", "s3://dafei/photos/");
        let error = place(&bucket).expect_err("no key").to_string();
        assert!(error.contains("DAFEI_PHOTOS_S3_SECRET"), "{error}");
        let bucket = bucket.with("DAFEI_PHOTOS_S3_KEY_ID", "id").with("DAFEI_PHOTOS_S3_SECRET", "hidden words");
        let Ok(Place::Bucket(bucket)) = place(&bucket) else { panic!("a bucket") };
        assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), ("dafei", "photos"));
        assert!(!format!("{bucket:?}").contains("hidden words"));
        for wrong in ["s3://", "ftp://host/x", "s3://dafei/../x"] {
            let error = place(&source().with("DAFEI_PHOTOS", wrong)).expect_err("refused").to_string();
            assert!(error.contains("DAFEI_PHOTOS"), "{error}");
        }
    }

    #[test]
    fn without_a_long_pepper_or_with_a_delay_that_ends_before_it_begins_the_service_does_not_start() {
        let problem = |key: &str, value: &str| Settings::read(&source().with(key, value)).expect_err(key).to_string();
        let short = problem("DAFEI_INTAKE_CODE_PEPPER", "short words of salt");
        assert!(short.contains("DAFEI_INTAKE_CODE_PEPPER") && !short.contains("short words"), "{short}");
        assert!(problem("DAFEI_TIP_DELAY_MIN", "1801").contains("DAFEI_TIP_DELAY_MAX"));
        assert!(problem("DAFEI_TIPS_PER_MINUTE", "0").contains("DAFEI_TIPS_PER_MINUTE"));
        let settings = Settings::read(&source()).expect("settings");
        assert!(!format!("{settings:?}").contains("thirty-two"), "the pepper does not show itself");
    }
}
