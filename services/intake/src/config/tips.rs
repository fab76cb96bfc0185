//! The settings of tips.

use std::num::NonZeroU32;

use dafei_intake_core::tip::Delay;
use dafei_runtime::config::{Checked, Pending, Reader, Secret, parse};
use jiff::SignedDuration;

use crate::app::tips::TipSettings;

/// Fewest characters of the pepper.
const PEPPER: usize = 32;

/// The settings that were asked for.
pub(super) struct Asked {
    pepper: Pending<Secret>,
    least: Pending<i64>,
    longest: Pending<i64>,
    submits: Pending<NonZeroU32>,
    asks: Pending<NonZeroU32>,
}

impl Asked {
    pub(super) fn ask(reader: &mut Reader<'_>) -> Self {
        let asked = Self {
            pepper: reader.value("DAFEI_INTAKE_CODE_PEPPER", pepper),
            least: reader.value("DAFEI_TIP_DELAY_MIN", parse::whole(0, 86_400)),
            longest: reader.value("DAFEI_TIP_DELAY_MAX", parse::whole(0, 86_400)),
            submits: reader.value("DAFEI_TIPS_PER_MINUTE", rate),
            asks: reader.value("DAFEI_TIP_QUESTIONS_PER_MINUTE", rate),
        };
        if let (Some(least), Some(longest)) = (asked.least.peek(), asked.longest.peek())
            && least > longest
        {
            reader.conflict("DAFEI_TIP_DELAY_MAX", "is less than DAFEI_TIP_DELAY_MIN");
        }
        asked
    }

    pub(super) fn get(self, checked: &Checked) -> (Secret, TipSettings) {
        let span = (self.least.get(checked), self.longest.get(checked));
        let delay = Delay::new(SignedDuration::from_secs(span.0), SignedDuration::from_secs(span.1));
        let settings = TipSettings {
            delay: delay.unwrap_or(Delay::none()),
            submits_per_minute: self.submits.get(checked),
            asks_per_minute: self.asks.get(checked),
        };
        (self.pepper.get(checked), settings)
    }
}

fn pepper(value: &str) -> Result<Secret, String> {
    if value.chars().count() < PEPPER {
        return Err(format!("at least {PEPPER} characters"));
    }
    Ok(Secret::new(value))
}

fn rate(value: &str) -> Result<NonZeroU32, String> {
    let number = parse::whole(1_u32, 1_000_000)(value)?;
    NonZeroU32::new(number).ok_or_else(|| "at least 1".to_owned())
}
