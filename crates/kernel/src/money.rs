//! Money in fen, exact.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// An amount of money in fen (分), never below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Fen(i64);

/// The amount is below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money is not below zero")]
pub struct FenError;

impl Fen {
    /// An amount.
    ///
    /// # Errors
    /// When it is below zero.
    pub const fn new(fen: i64) -> Result<Self, FenError> {
        if fen < 0 { Err(FenError) } else { Ok(Self(fen)) }
    }

    /// The amount in fen.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, if it fits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// In 万元 with two decimals, rounded half up: 1 万元 is 1,000,000 fen.
    #[must_use]
    pub fn to_wan_string(self) -> String {
        // Hundredths of 万元 are 10,000 fen.
        let hundredths = self.0 / 10_000 + i64::from(self.0 % 10_000 >= 5_000);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

impl TryFrom<i64> for Fen {
    type Error = FenError;

    fn try_from(fen: i64) -> Result<Self, FenError> {
        Self::new(fen)
    }
}

impl From<Fen> for i64 {
    fn from(fen: Fen) -> Self {
        fen.0
    }
}

impl Sum for Fen {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0, |sum, amount| sum.saturating_add(amount.0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Fen;

    #[test]
    fn half_a_hundredth_of_a_wan_is_rounded_up() {
        let text = |fen| Fen::new(fen).expect("not below zero").to_wan_string();
        assert_eq!(text(0), "0.00");
        assert_eq!(text(4_999), "0.00");
        assert_eq!(text(5_000), "0.01");
        assert_eq!(text(123_456_789), "123.46");
        assert!(Fen::new(-1).is_err());
    }

    #[test]
    fn a_sum_is_exact_and_an_overflow_is_seen() {
        let fen = |fen| Fen::new(fen).expect("not below zero");
        assert_eq!(fen(1).checked_add(fen(2)), Some(fen(3)));
        assert_eq!(fen(i64::MAX).checked_add(fen(1)), None);
        // Twice 4,999 fen is one hundredth of a wan: rounding comes last.
        assert_eq!([fen(4_999), fen(4_999)].into_iter().sum::<Fen>().to_wan_string(), "0.01");
    }

    proptest! {
        #[test]
        fn the_text_is_never_more_than_half_a_hundredth_off(fen in 0_i64..=i64::MAX) {
            let text = Fen::new(fen).expect("not below zero").to_wan_string();
            let (whole, part) = text.split_once('.').expect("a point");
            let shown = whole.parse::<i128>().expect("digits") * 1_000_000 + part.parse::<i128>().expect("digits") * 10_000;
            let fen = i128::from(fen);
            prop_assert_eq!(part.len(), 2);
            prop_assert!(shown - fen <= 5_000 && fen - shown < 5_000);
        }
    }
}
