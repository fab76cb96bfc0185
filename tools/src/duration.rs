//! Lengths of time as the command line writes them: `45s`, `30m`, `3h`, `+5d`.

use std::time::Duration;

/// A length of time.
///
/// # Errors
/// When the text is not a number with one of the units s, m, h, d.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bare = text.strip_prefix('+').unwrap_or(text);
    let fault = || format!("{text:?} is no length of time like 45s, 30m, 3h or +5d");
    let unit = bare.chars().last().ok_or_else(fault)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(fault()),
    };
    let digits = &bare[..bare.len() - 1];
    let number: u64 = if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().map_err(|_| fault())?
    } else {
        return Err(fault());
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn a_number_with_a_unit_is_a_length_of_time() {
        assert_eq!(parse("+5d"), Ok(Duration::from_secs(5 * 86_400)));
        assert_eq!(parse("90m"), Ok(Duration::from_secs(5_400)));
        for text in ["", "5", "d", "-5d", "++5d", "5w", "5.5h", "99999999999999999999d", "五天"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
