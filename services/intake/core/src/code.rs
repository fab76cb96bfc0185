//! The informant's code (举报人代码, clauses D2 and D4): six or more digits, letters or both, which the informant alone knows and by which the
//! reward is claimed. It is never kept as it is; what is kept is made of it by the service.

use std::fmt;

/// Fewest characters of a code.
pub const MIN_LENGTH: usize = 6;
/// Most characters of a code.
pub const MAX_LENGTH: usize = 64;

/// Characters of a code that is offered: none that is taken for another when it is spoken or written.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters of a code that is offered: 50 random bits.
const OFFERED_LENGTH: usize = 10;

/// A code, folded: upper case, half width. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(not shown)")
    }
}

/// What is wrong with a text that should be a code. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Fewer than 6 characters.
    #[error("has fewer than {MIN_LENGTH} characters")]
    TooShort,
    /// More than 64 characters.
    #[error("has more than {MAX_LENGTH} characters")]
    TooLong,
    /// A character that is neither a digit nor a Latin letter.
    #[error("has a character that is neither a digit nor a letter")]
    Character,
}

impl CodeError {
    /// Stable reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooShort => "CODE_TOO_SHORT",
            Self::TooLong => "CODE_TOO_LONG",
            Self::Character => "CODE_CHARACTER",
        }
    }

    /// What an informant reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::TooShort => "代码不得少于六位",
            Self::TooLong => "代码不得超过六十四位",
            Self::Character => "代码只能由数字、字母组成",
        }
    }
}

/// Why a code is easily guessed, or leads to the informant. It may be used all the same, once that is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// One character over and over.
    OneCharacter,
    /// A run such as 123456, FEDCBA or QWERTY.
    Run,
    /// A short part over and over, such as 121212.
    Repetition,
    /// Reads as a date, which may be a birthday.
    Date,
    /// Reads as a mobile telephone's or an identity card's number: it would tell who the informant is.
    PersonalNumber,
}

impl Weakness {
    /// Stable reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OneCharacter => "ONE_CHARACTER",
            Self::Run => "RUN",
            Self::Repetition => "REPETITION",
            Self::Date => "DATE",
            Self::PersonalNumber => "PERSONAL_NUMBER",
        }
    }

    /// What an informant reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::OneCharacter | Self::Run | Self::Repetition => "该代码过于简单，容易被他人猜中，建议更换",
            Self::Date => "该代码像是日期，容易被他人猜中，建议更换",
            Self::PersonalNumber => "该代码像是手机号或身份证号，可能暴露您的身份，建议更换",
        }
    }
}

impl Code {
    /// Folds a text to a code: surrounding white space goes, full width becomes half width, small letters capitals; leading zeros stay.
    ///
    /// # Errors
    /// When it is too short, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let mut folded = String::new();
        for (count, character) in text.trim().chars().enumerate() {
            if count == MAX_LENGTH {
                return Err(CodeError::TooLong);
            }
            let half = half_width(character);
            if !half.is_ascii_alphanumeric() {
                return Err(CodeError::Character);
            }
            folded.push(half.to_ascii_uppercase());
        }
        if folded.len() < MIN_LENGTH { Err(CodeError::TooShort) } else { Ok(Self(folded)) }
    }

    /// A code to offer, of random bits; the last 50 count.
    #[must_use]
    pub fn offered(random: u128) -> Self {
        let mut bits = random;
        let mut text = String::with_capacity(OFFERED_LENGTH);
        for _ in 0..OFFERED_LENGTH {
            let place = usize::try_from(bits & 31).unwrap_or(0);
            text.push(char::from(ALPHABET[place]));
            bits >>= 5;
        }
        Self(text)
    }

    /// The folded code, for hashing, and for showing an offered one to the one who asked for it. Never to be kept or logged.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Why it should not be used without a second thought; none when it is good.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let bytes = self.0.as_bytes();
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Some(Weakness::OneCharacter);
        }
        if is_run(bytes) {
            return Some(Weakness::Run);
        }
        if is_personal_number(bytes) {
            return Some(Weakness::PersonalNumber);
        }
        if (1..=bytes.len() / 2).any(|period| repeats(bytes, period)) {
            return Some(Weakness::Repetition);
        }
        is_date(bytes).then_some(Weakness::Date)
    }
}

/// The half-width form of a full-width character; others stay.
pub(crate) fn half_width(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        other => other,
    }
}

fn repeats(bytes: &[u8], period: usize) -> bool {
    bytes.iter().zip(&bytes[period..]).all(|(one, later)| one == later)
}

fn is_run(bytes: &[u8]) -> bool {
    const ROWS: [&str; 4] = ["0123456789012345", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM"];
    let step = |by: i16| bytes.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == by);
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let in_row = |part: &[u8]| ROWS.iter().any(|row| row.as_bytes().windows(part.len()).any(|window| window == part));
    step(1) || step(-1) || in_row(bytes) || in_row(&reversed)
}

fn is_personal_number(bytes: &[u8]) -> bool {
    let digits = bytes.iter().all(u8::is_ascii_digit);
    let mobile = digits && bytes.len() == 11 && bytes[0] == b'1' && bytes[1] >= b'3';
    let card = bytes.len() == 18
        && bytes[..17].iter().all(u8::is_ascii_digit)
        && (bytes[17].is_ascii_digit() || bytes[17] == b'X')
        && is_date(&bytes[6..14]);
    mobile || card
}

/// Eight digits that read as a day from 1900 to 2099, or six that read as one without the century.
fn is_date(bytes: &[u8]) -> bool {
    if !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number = |part: &[u8]| part.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let (century, rest) = match bytes.len() {
        8 => (matches!(number(&bytes[..2]), 19 | 20), &bytes[4..]),
        6 => (true, &bytes[2..]),
        _ => return false,
    };
    century && (1..=12).contains(&number(&rest[..2])) && (1..=31).contains(&number(&rest[2..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Code, CodeError, Weakness};

    fn code(text: &str) -> Code {
        Code::parse(text).expect("a code")
    }

    #[test]
    fn case_and_width_are_folded_and_leading_zeros_stay() {
        assert_eq!(code("００ａＢ９z").expose(), "00AB9Z");
        assert_eq!(code(" 000123 "), code("000123"));
        assert_ne!(code("000123"), code("0000123"));
    }

    #[test]
    fn what_is_no_code_is_refused_without_being_repeated() {
        assert_eq!(Code::parse("12345"), Err(CodeError::TooShort));
        assert_eq!(Code::parse(""), Err(CodeError::TooShort));
        assert_eq!(Code::parse(&"a".repeat(65)), Err(CodeError::TooLong));
        assert_eq!(code(&"a7".repeat(32)).expose().len(), 64);
        for text in ["123 456", "12-3456", "举报人代码", "123456\u{0}", "ａｂｃ１２！", "١٢٣٤٥٦"] {
            assert_eq!(Code::parse(text), Err(CodeError::Character), "{text}");
        }
        assert!(!format!("{:?}", code("SECRET7")).contains("SECRET7"));
    }

    #[test]
    fn a_trivial_code_is_warned_of() {
        for (text, weakness) in [
            ("123456", Weakness::Run),
            ("987654", Weakness::Run),
            ("567890", Weakness::Run),
            ("qwertyu", Weakness::Run),
            ("abcdef", Weakness::Run),
            ("000000", Weakness::OneCharacter),
            ("121212", Weakness::Repetition),
            ("abcabcab", Weakness::Repetition),
            ("19800214", Weakness::Date),
            ("800214", Weakness::Date),
            ("13853912345", Weakness::PersonalNumber),
            ("371302198002140012", Weakness::PersonalNumber),
            ("37130219800214001X", Weakness::PersonalNumber),
        ] {
            assert_eq!(code(text).weakness(), Some(weakness), "{text}");
        }
        for text in ["K7M2PX", "594831", "7301946528", "LINYI7Q3"] {
            assert_eq!(code(text).weakness(), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_offered_code_is_a_code_and_folding_twice_is_folding_once(random in any::<u128>(), text in "[0-9A-Za-z]{6,64}") {
            let offered = Code::offered(random);
            prop_assert_eq!(Code::parse(offered.expose()), Ok(offered.clone()));
            let once = code(&text);
            prop_assert_eq!(Code::parse(once.expose()), Ok(once.clone()));
            prop_assert_eq!(Code::parse(&text.to_lowercase()), Ok(once));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,80}") {
            if let Ok(code) = Code::parse(&text) {
                let _ = code.weakness();
            }
        }
    }
}
