//! The announcement of a reward (clause D3): its public number, and what its text must not tell.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    role::Role,
    time::Instant,
};

use crate::code::{Code, half_width};

/// Most words of a text that are tried against the code: each costs a hash.
pub const MAX_TRIED: usize = 20;

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

/// The words of a text that could be a code: runs of letters and digits, each once.
///
/// # Errors
/// When there are more than [`MAX_TRIED`].
pub fn possible_codes(text: &str) -> Result<Vec<Code>, TooMany> {
    let mut found = Vec::new();
    for run in text.split(|character| !half_width(character).is_ascii_alphanumeric()) {
        let Ok(code) = Code::parse(run) else { continue };
        if !found.contains(&code) {
            found.push(code);
        }
        if found.len() > MAX_TRIED {
            return Err(TooMany);
        }
    }
    Ok(found)
}

/// A text has more words that could be a code than can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has more than {MAX_TRIED} words of six or more letters and digits")]
pub struct TooMany;

/// Whether a text holds a number, however it is spaced, hyphenated or widened.
#[must_use]
pub fn mentions(text: &str, number: &str) -> bool {
    let number = plain(number);
    !number.is_empty() && plain(text).contains(&number)
}

fn plain(text: &str) -> String {
    let kept = text.chars().map(half_width).filter(char::is_ascii_alphanumeric);
    kept.map(|character| character.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{MAX_TRIED, hour, is_number, mentions, number, possible_codes};
    use crate::code::Code;

    #[test]
    fn every_word_that_could_be_a_code_is_found_whatever_its_width_and_case() {
        let text = "举报人k7m2px请于2026年领取，编号Ａ１Ｂ２Ｃ３，K7M2PX，短码12345";
        let found = possible_codes(text).expect("few");
        let code = |text: &str| Code::parse(text).expect("a code");
        assert_eq!(found, [code("K7M2PX"), code("A1B2C3")]);
    }

    #[test]
    fn a_text_with_more_possible_codes_than_can_be_tried_is_refused() {
        let words = |count: usize| (0..count).map(|at| format!("{at:06} ")).collect::<String>();
        assert_eq!(possible_codes(&words(MAX_TRIED)).expect("as many as may be").len(), MAX_TRIED);
        assert!(possible_codes(&words(MAX_TRIED + 1)).is_err());
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
        for text in ["", "371302-2026", "371302-2026-1", "371302-2026-0001-2", "37130x-2026-0001", "３71302-2026-0001"] {
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
