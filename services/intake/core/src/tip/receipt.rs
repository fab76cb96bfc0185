//! A receipt's number: random, public, with a check character, in three groups of four as it is read out on the telephone.

use std::fmt;

use crate::code::{ALPHABET, half_width};

/// Characters without the check character: 55 random bits.
const RANDOM: usize = 11;

/// A receipt's number, without its hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

/// The text is no receipt's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no receipt number")]
pub struct ReceiptError;

impl Receipt {
    /// A number of random bits; the last 55 count.
    #[must_use]
    pub fn random(random: u128) -> Self {
        let places: Vec<usize> = (0..RANDOM).map(|at| place_of_bits(random >> (5 * at))).collect();
        let check = check(&places);
        Self(places.into_iter().chain([check]).map(|place| char::from(ALPHABET[place])).collect())
    }

    /// Reads a number as somebody typed it: case, width, hyphens and white space do not matter.
    ///
    /// # Errors
    /// When a character is wrong, too many or missing; most typing errors are found by the check character.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let mut places = Vec::with_capacity(RANDOM + 1);
        for character in text.chars().map(half_width).filter(|c| !c.is_whitespace() && !matches!(c, '-' | '—' | '－'))
        {
            if places.len() > RANDOM {
                return Err(ReceiptError);
            }
            let byte = u8::try_from(character.to_ascii_uppercase()).map_err(|_| ReceiptError)?;
            places.push(ALPHABET.iter().position(|known| *known == byte).ok_or(ReceiptError)?);
        }
        match places.split_last() {
            Some((last, others)) if others.len() == RANDOM && check(others) == *last => {
                Ok(Self(places.into_iter().map(|place| char::from(ALPHABET[place])).collect()))
            }
            _ => Err(ReceiptError),
        }
    }

    /// The number as it is kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, character) in self.0.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

fn place_of_bits(bits: u128) -> usize {
    usize::try_from(bits & 31).unwrap_or(0)
}

/// Luhn's sum to the base of the alphabet: finds each single wrong character, and two neighbours that were exchanged unless they are the
/// alphabet's first and last.
fn check(places: &[usize]) -> usize {
    let base = ALPHABET.len();
    let sum: usize = places
        .iter()
        .rev()
        .enumerate()
        .map(|(at, place)| if at % 2 == 0 { 2 * place / base + 2 * place % base } else { *place })
        .sum();
    (base - sum % base) % base
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ALPHABET, Receipt, ReceiptError};

    #[test]
    fn a_number_is_read_as_it_is_typed() {
        let receipt = Receipt::random(0x1234_5678_9abc_def0);
        let shown = receipt.to_string();
        assert_eq!((shown.len(), shown.matches('-').count()), (14, 2));
        for typed in [shown.to_lowercase(), shown.replace('-', ""), shown.replace('-', " — ")] {
            assert_eq!(Receipt::parse(&typed), Ok(receipt.clone()), "{typed}");
        }
        for wrong in ["", "0000-0000-0000", "举报回执编号", &shown[1..], &format!("{shown}2")] {
            assert_eq!(Receipt::parse(wrong), Err(ReceiptError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_found(random in any::<u128>(), at in 0_usize..12, other in 0_usize..32) {
            let receipt = Receipt::random(random);
            prop_assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt.clone()));
            let mut wrong: Vec<char> = receipt.as_str().chars().collect();
            wrong[at] = char::from(ALPHABET[other]);
            let wrong: String = wrong.into_iter().collect();
            prop_assert_eq!(Receipt::parse(&wrong).is_ok(), wrong == receipt.as_str());
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}") {
            let _ = Receipt::parse(&text);
        }
    }
}
