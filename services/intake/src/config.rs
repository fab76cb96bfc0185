//! The settings that only intake has.

mod notices;
mod photos;
mod rewards;
mod tips;

use dafei_intake_core::{
    duplicates::Likeness, notices::Rules as NoticeRules, retention::MIN_MONTHS, roster::Limits, suspicion::Rules,
};
use dafei_kernel::act::Act;
use dafei_runtime::config::{Common, ConfigError, Reader, Secret, Service, Source, parse};

pub use rewards::RewardSettings;

use crate::{app::tips::TipSettings, objects::Place};

/// Cities that a rehearsal of the whole country may have.
const MAX_CITIES: usize = 500;

/// Settings of intake.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// What is decided by: the acts that persuasion never settles, how long a report may be reopened (clause C3), and what is a likely
    /// duplicate.
    pub rules: Rules,
    /// Where the bytes of photos lie.
    pub photos: Place,
    /// What is asked of the villages' notices (clause D5).
    pub notices: NoticeRules,
    /// How large the roster may be (clause B1).
    pub roster_limits: Limits,
    /// Months of patrols that are kept, the present one among them.
    pub patrol_months: u32,
    /// What informants' codes are hashed with, beside their salts (clause D2).
    pub code_pepper: Secret,
    /// How the entrance of tips is set.
    pub tips: TipSettings,
    /// What is configured of rewards.
    pub rewards: RewardSettings,
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
        let notices = notices::Asked::ask(&mut reader);
        let reopen = reader.value("DAFEI_REOPEN_WITHIN_DAYS", parse::whole(1_u32, 3_650));
        let radius = reader.value("DAFEI_DUPLICATE_RADIUS_M", parse::whole(1_u32, 10_000));
        let window = reader.value("DAFEI_DUPLICATE_WINDOW_DAYS", parse::whole(1_u32, 3_650));
        let cities = reader.value("DAFEI_ROSTER_CITIES", cities);
        let months = reader.value("DAFEI_PATROL_MONTHS", parse::whole(MIN_MONTHS, 1_200));
        let tips = tips::Asked::ask(&mut reader);
        let rewards = rewards::Asked::ask(&mut reader);
        let checked = reader.finish()?;
        let never = never.get(&checked).map(|acts| acts.into_iter().collect());
        let rules = Rules {
            never_by_persuasion: never.unwrap_or_else(|| Rules::default().never_by_persuasion),
            reopen_within_days: reopen.get(&checked),
            likeness: Likeness { radius_m: radius.get(&checked), window_days: window.get(&checked) },
        };
        let (code_pepper, tips) = tips.get(&checked);
        Ok(Self {
            code_pepper,
            tips,
            rewards: rewards.get(&checked),
            common: common.get(&checked),
            rules,
            notices: notices.get(&checked),
            patrol_months: months.get(&checked),
            photos: photos.get(&checked),
            roster_limits: Limits { cities: cities.get(&checked) },
        })
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
    use dafei_intake_core::suspicion::Rules;
    use dafei_kernel::act::Act;
    use dafei_runtime::config::MapSource;

    use super::{NoticeRules, Settings};
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
    fn the_document_s_ten_places_fifty_metres_apart_are_what_counts_unless_an_office_says_otherwise() {
        let settings = Settings::read(&source()).expect("settings");
        assert_eq!(settings.notices, NoticeRules::default());
        let own = source().with("DAFEI_NOTICE_PLACES", "12").with("DAFEI_NOTICE_TOLERANCE_M", "0");
        let notices = Settings::read(&own).expect("settings").notices;
        assert_eq!((notices.required, notices.tolerance_m, notices.distance_m), (12, 0, 50));
        let wrong = source().with("DAFEI_NOTICE_TOLERANCE_M", "50");
        let error = Settings::read(&wrong).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_NOTICE_TOLERANCE_M"), "{error}");
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
    fn a_roster_has_one_city_unless_the_settings_say_more() {
        let cities = |source: &MapSource| Settings::read(source).map(|settings| settings.roster_limits.cities);
        assert_eq!(cities(&source()).expect("settings"), 1);
        assert_eq!(cities(&source().with("DAFEI_ROSTER_CITIES", "342")).expect("settings"), 342);
        let error = cities(&source().with("DAFEI_ROSTER_CITIES", "0")).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_ROSTER_CITIES"), "{error}");
    }

    #[test]
    fn a_teller_alone_cannot_use_up_an_announcement_s_tries() {
        let rewards = Settings::read(&source()).expect("settings").rewards;
        assert!(rewards.teller_announcement < rewards.announcement, "{rewards:?}");
        assert_eq!(rewards.cap.get(), 5_000_000);
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
    fn patrols_are_kept_two_years_unless_it_is_said_otherwise_and_never_less_than_two_months() {
        let kept = |source: &MapSource| Settings::read(source).map(|settings| settings.patrol_months);
        assert_eq!(kept(&source()).expect("settings"), 24);
        assert_eq!(kept(&source().with("DAFEI_PATROL_MONTHS", "60")).expect("settings"), 60);
        assert!(kept(&source().with("DAFEI_PATROL_MONTHS", "1")).is_err());
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
