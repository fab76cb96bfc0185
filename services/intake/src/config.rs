//! The settings that only intake has.

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::{act::Act, money::Fen};
use dafei_runtime::config::{
    Checked, Common, ConfigError, Pending, Reader, Secret, Service, Source,
    parse::{self, Parsed},
};
use jiff::SignedDuration;

/// Settings of intake.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// What is decided by: the acts that persuasion never settles (clause C3).
    pub rules: Rules,
    /// Pepper of the informants' codes (clause D2).
    pub pepper: Secret,
    /// What is configured of rewards.
    pub rewards: RewardSettings,
}

/// What is configured of rewards and their claims (clauses D3, D4).
#[derive(Debug, Clone)]
pub struct RewardSettings {
    /// Highest reward of one payment, as agreed with the bank.
    pub cap: Fen,
    /// How long a claim is reserved for its teller.
    pub reservation: SignedDuration,
    /// The span of the limits below.
    pub span: SignedDuration,
    /// Failed claims of a teller in a span.
    pub teller: u32,
    /// Failed claims of a branch in a span.
    pub branch: u32,
    /// Failed claims of an announcement in a span.
    pub announcement: u32,
    /// Failed claims of one teller at one announcement in a span.
    pub teller_announcement: u32,
    /// No claim is refused before this time has passed.
    pub refusal_after: std::time::Duration,
}

/// The settings of rewards while the reading goes on.
struct PendingRewards {
    cap: Pending<Fen>,
    reservation: Pending<SignedDuration>,
    span: Pending<SignedDuration>,
    tries: [Pending<u32>; 4],
    refusal_after: Pending<std::time::Duration>,
}

impl PendingRewards {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            cap: reader.value("DAFEI_REWARD_CAP_FEN", cap),
            reservation: reader.value("DAFEI_CLAIM_RESERVATION_MINUTES", minutes(240)),
            span: reader.value("DAFEI_CLAIM_SPAN_MINUTES", minutes(1_440)),
            tries: [
                "DAFEI_CLAIM_TRIES_TELLER",
                "DAFEI_CLAIM_TRIES_BRANCH",
                "DAFEI_CLAIM_TRIES_ANNOUNCEMENT",
                "DAFEI_CLAIM_TRIES_TELLER_ANNOUNCEMENT",
            ]
            .map(|name| reader.value(name, parse::whole(1, 10_000))),
            refusal_after: reader.value("DAFEI_CLAIM_REFUSAL_MILLIS", |text| {
                parse::whole(0_u64, 10_000)(text).map(std::time::Duration::from_millis)
            }),
        }
    }

    fn get(self, checked: &Checked) -> RewardSettings {
        let [teller, branch, announcement, teller_announcement] = self.tries.map(|tries| tries.get(checked));
        RewardSettings {
            cap: self.cap.get(checked),
            reservation: self.reservation.get(checked),
            span: self.span.get(checked),
            teller,
            branch,
            announcement,
            teller_announcement,
            refusal_after: self.refusal_after.get(checked),
        }
    }
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
        let pepper = reader.value("DAFEI_INTAKE_CODE_PEPPER", pepper);
        let rewards = PendingRewards::read(&mut reader);
        let checked = reader.finish()?;
        let rules = never
            .get(&checked)
            .map_or_else(Rules::default, |acts| Rules { never_by_persuasion: acts.into_iter().collect() });
        Ok(Self { common: common.get(&checked), rules, pepper: pepper.get(&checked), rewards: rewards.get(&checked) })
    }
}

/// A pepper that cannot be guessed.
fn pepper(text: &str) -> Parsed<Secret> {
    if text.chars().count() < 32 { Err("32 characters or more".to_owned()) } else { parse::secret(text) }
}

fn cap(text: &str) -> Parsed<Fen> {
    Fen::new(parse::whole(1_i64, 100_000_000_000)(text)?).map_err(|error| error.to_string())
}

/// Minutes, from 1 on.
fn minutes(most: i64) -> impl Fn(&str) -> Parsed<SignedDuration> {
    move |text| parse::whole(1, most)(text).map(SignedDuration::from_mins)
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
            ("DAFEI_INTAKE_CODE_PEPPER", "0123456789abcdef0123456789abcdef"),
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
    fn a_teller_alone_cannot_use_up_an_announcement_s_tries_and_a_pepper_is_long() {
        let rewards = Settings::read(&source()).expect("settings").rewards;
        assert!(rewards.teller_announcement < rewards.announcement, "{rewards:?}");
        assert_eq!(rewards.cap.get(), 5_000_000);
        let short = source().with("DAFEI_INTAKE_CODE_PEPPER", "pepper");
        let error = Settings::read(&short).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_INTAKE_CODE_PEPPER") && !error.contains("`pepper`"), "{error}");
    }

    #[test]
    fn an_act_that_is_none_keeps_the_service_from_starting() {
        let wrong = source().with("DAFEI_NEVER_BY_PERSUASION", "FW-1,XX-1");
        let error = Settings::read(&wrong).expect_err("refused").to_string();
        assert!(error.contains("DAFEI_NEVER_BY_PERSUASION") && error.contains("XX-1"), "{error}");
    }
}
