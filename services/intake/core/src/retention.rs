//! How long patrols are kept: whole months, by reception, in Asia/Shanghai.

use dafei_kernel::time::{Instant, Month};

/// The fewest months that may be kept, the present one among them: the weeks that clock W1 looks at lie in them.
pub const MIN_MONTHS: u32 = 2;

/// The oldest month that is kept, when `months` are, the present one among them. What is older may be dropped.
#[must_use]
pub fn oldest_kept(now: Instant, months: u32) -> Month {
    (1..months.max(MIN_MONTHS)).fold(Month::of(now), |month, _| month.prev())
}

#[cfg(test)]
mod tests {
    use super::oldest_kept;

    fn kept(now: &str, months: u32) -> String {
        oldest_kept(now.parse().expect("an instant"), months).to_string()
    }

    #[test]
    fn the_present_month_counts_and_a_month_begins_in_shanghai() {
        assert_eq!(kept("2026-11-23T10:00:00+08:00", 24), "2024-12");
        assert_eq!(kept("2026-11-30T16:00:00Z", 2), "2026-11");
        assert_eq!(kept("2026-11-30T15:59:59Z", 2), "2026-10");
    }

    #[test]
    fn fewer_than_two_months_are_never_kept() {
        assert_eq!(kept("2026-01-10T10:00:00+08:00", 0), "2025-12");
    }
}
