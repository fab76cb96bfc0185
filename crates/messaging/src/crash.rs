//! Points at which a test ends the process, as `kill -9` would: between a commit and what must follow it. In builds without debug assertions
//! there are none.

/// Ends the process when `TEST_CRASH_AT` names this point; with `point#3` at the third time that it is come to.
#[inline]
pub fn here(point: &str) {
    #[cfg(debug_assertions)]
    armed::here(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    /// Point and number of the time.
    static ARMED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static SEEN: AtomicU32 = AtomicU32::new(0);

    pub(super) fn here(point: &str) {
        let armed = ARMED.get_or_init(|| std::env::var("TEST_CRASH_AT").ok().map(|text| parse(&text)));
        let Some((name, number)) = armed else { return };
        if name == point && SEEN.fetch_add(1, Ordering::Relaxed) + 1 == *number {
            std::process::abort();
        }
    }

    fn parse(text: &str) -> (String, u32) {
        let (name, number) = text.split_once('#').unwrap_or((text, "1"));
        (name.to_owned(), number.parse().unwrap_or(1))
    }
}
