//! The announcement of a reward (clause D3): its public number, and what its text must not tell.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    role::Role,
    time::Instant,
};

use crate::code::{MIN_LENGTH, half_width};

const SECONDS_OF_HOUR: i64 = 3_600;

/// The full hour in which an instant lies: what is kept of times that could lead to an informant.
#[must_use]
pub fn hour(at: Instant) -> Instant {
    Instant::from_second(at.as_second().div_euclid(SECONDS_OF_HOUR) * SECONDS_OF_HOUR).unwrap_or(at)
}

/// The public number (公告号): region, year, and a running number within both.
#[must_use]
pub fn number(region: &Region, year: i16, running: i64) -> String {
    format!("{}-{year}-{running:04}", region.code())
}

/// Whether a text has the form of a public number; that there is such an announcement is another question.
#[must_use]
pub fn is_number(text: &str) -> bool {
    let mut parts = text.split('-');
    let digits = |part: Option<&str>, length: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| length.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    digits(parts.next(), 6..=6) && digits(parts.next(), 4..=4) && digits(parts.next(), 4..=9) && parts.next().is_none()
}

/// The unit of a region that accepts tips (受理举报单位); none at levels that accept none.
#[must_use]
pub fn unit(region: &Region) -> Option<Post> {
    let role = match region.level() {
        Level::City => Role::CityOffice,
        Level::County => Role::CountyOffice,
        Level::Township => Role::TownshipCentre,
        Level::WorkArea | Level::Village => return None,
    };
    Some(Post { role, region: region.clone(), agency: None })
}

/// What an announcement's text must not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tells {
    /// A word that could be the code.
    #[error("has a word of {MIN_LENGTH} or more letters and digits")]
    PossibleCode,
    /// The number of the tip's receipt.
    #[error("has the receipt's number")]
    Receipt,
}

/// Whether a text may be published. No word may be long enough for a code, whether it is the informant's or not: an answer that told codes from
/// other words would let the office try codes.
///
/// # Errors
/// As [`Tells`].
pub fn check_text(text: &str, receipt: &str) -> Result<(), Tells> {
    let mut words = text.split(|character| !half_width(character).is_ascii_alphanumeric());
    if words.any(|word| word.chars().count() >= MIN_LENGTH) {
        return Err(Tells::PossibleCode);
    }
    if mentions(text, receipt) { Err(Tells::Receipt) } else { Ok(()) }
}

/// Whether a text holds a number, however it is spaced, hyphenated or widened.
fn mentions(text: &str, number: &str) -> bool {
    let number = plain(number);
    !number.is_empty() && plain(text).contains(&number)
}

fn plain(text: &str) -> String {
    let kept = text.chars().map(half_width).filter(char::is_ascii_alphanumeric);
    kept.map(|character| character.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Tells, check_text, hour, is_number, mentions, number};

    #[test]
    fn no_word_of_a_text_could_be_a_code_whatever_its_width_and_case() {
        for text in ["举报人k7m2px请领取", "编号Ａ１Ｂ２Ｃ３", "000123", "领取日期：20261123", &"a".repeat(65)]
        {
            assert_eq!(check_text(text, "R-1"), Err(Tells::PossibleCode), "{text}");
        }
        let good = "2026年11月，群众举报的非法储存烟花爆竹行为经查属实，奖励1000元，电话0539-831-1234";
        assert_eq!(check_text(good, "R7Q2-11KD"), Ok(()));
        assert_eq!(check_text("回执R7Q2 11KD", "R7Q2-11KD"), Err(Tells::Receipt));
    }

    #[test]
    fn a_receipt_s_number_is_seen_however_it_is_written() {
        for text in ["回执T2026-00AB", "（t2026 00ab）", "Ｔ２０２６００ＡＢ"] {
            assert!(mentions(text, "T2026-00AB"), "{text}");
        }
        assert!(!mentions("回执T2026-00AC", "T2026-00AB") && !mentions("任何内容", ""));
    }

    #[test]
    fn a_number_has_region_year_and_running_number() {
        let county = "county:371302".parse().expect("a region");
        assert_eq!(number(&county, 2026, 7), "371302-2026-0007");
        assert!(is_number(&number(&county, 2026, 123_456)));
        for text in ["", "371302-2026", "371302-2026-1", "371302-2026-0001-2", "37130x-2026-0001", "３71302-2026-0001"]
        {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn what_is_kept_of_a_time_is_its_hour() {
        let at = "2026-11-23T10:59:59.999999+08:00".parse().expect("an instant");
        assert_eq!(hour(at).to_string(), "2026-11-23T02:00:00Z");
        assert_eq!(hour(hour(at)), hour(at));
    }
}
