//! 统一社会信用代码, GB 32100 (clause A3).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// A unified social credit code: 18 characters of the standard's alphabet, upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CreditCode(String);

/// The text is no credit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a credit code has 18 characters of 0-9 and A-Y without I, O, S, V, Z")]
pub struct CreditCodeError;

fn value(byte: u8) -> Option<u32> {
    ALPHABET.iter().position(|&known| known == byte).and_then(|at| u32::try_from(at).ok())
}

impl CreditCode {
    /// Reads a code; lower case and surrounding white space are forgiven.
    ///
    /// # Errors
    /// When the form is wrong. A wrong check character is not an error: some codes in use have one, see [`Self::checksum_ok`].
    pub fn parse(text: &str) -> Result<Self, CreditCodeError> {
        let text = text.trim().to_ascii_uppercase();
        if text.len() == 18 && text.bytes().all(|byte| value(byte).is_some()) {
            Ok(Self(text))
        } else {
            Err(CreditCodeError)
        }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the check character fits: 31 - (sum of value x 3^(i-1) mod 31) mod 31.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        let values: Vec<u32> = self.0.bytes().filter_map(value).collect();
        let mut weight = 1;
        let mut sum = 0;
        for digit in &values[..17] {
            sum += digit * weight;
            weight = weight * 3 % 31;
        }
        (31 - sum % 31) % 31 == values[17]
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CreditCode {
    type Err = CreditCodeError;

    fn from_str(text: &str) -> Result<Self, CreditCodeError> {
        Self::parse(text)
    }
}

impl Serialize for CreditCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CreditCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ALPHABET, CreditCode};

    #[test]
    fn the_check_character_of_a_real_code_fits_and_a_changed_digit_is_seen() {
        assert!(CreditCode::parse("91350100M000100Y4").is_err());
        assert!(CreditCode::parse("91350100M000100Y43").expect("form").checksum_ok());
        assert!(!CreditCode::parse("91350100M000100Y44").expect("form").checksum_ok());
        assert!(CreditCode::parse("91350100m000100y43 ").is_ok());
        assert!(CreditCode::parse("91350100I000100Y43").is_err());
    }

    proptest! {
        #[test]
        fn exactly_one_check_character_fits_and_a_wrong_character_is_seen(
            body in "[0-9A-HJ-NPQRTUWXY]{17}", at in 0_usize..18, other in 0_usize..31,
        ) {
            let fitting: Vec<CreditCode> = ALPHABET
                .iter()
                .filter_map(|last| CreditCode::parse(&format!("{body}{}", char::from(*last))).ok())
                .filter(CreditCode::checksum_ok)
                .collect();
            prop_assert_eq!(fitting.len(), 1);
            let code = fitting[0].as_str();
            let mut changed = code.as_bytes().to_vec();
            changed[at] = ALPHABET[other];
            let changed = String::from_utf8(changed).expect("ASCII");
            prop_assert_eq!(CreditCode::parse(&changed).expect("form").checksum_ok(), changed == code);
        }

        #[test]
        fn a_code_is_read_back_and_folded_to_upper_case(text in "[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]{18}") {
            let code = CreditCode::parse(&text).expect("form");
            prop_assert_eq!(code.as_str(), text.to_ascii_uppercase());
            prop_assert_eq!(code.to_string().parse::<CreditCode>().expect("form"), code);
        }

        #[test]
        fn whatever_is_typed_is_read_or_refused(text in "\\PC{0,24}") {
            if let Ok(code) = CreditCode::parse(&text) {
                prop_assert_eq!(code.as_str().len(), 18);
                let _ = code.checksum_ok();
            }
        }
    }
}
