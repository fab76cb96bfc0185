//! How long a batch waits for more to come. A transaction costs much the same for two rows as for twenty, so that whoever is busy does better
//! with fewer and larger ones; whoever is idle begins at once.

use std::time::Duration;

/// What the last batch says about the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    least: Duration,
    most: Duration,
    pause: Duration,
}

impl Pace {
    /// No batch waits longer than `most`.
    pub(crate) const fn up_to(most: Duration) -> Self {
        Self::between(Duration::ZERO, most)
    }

    /// Nor does one of a busy writer wait for less than `least`.
    pub(crate) const fn between(least: Duration, most: Duration) -> Self {
        Self { least, most, pause: Duration::ZERO }
    }

    /// How long the next batch gathers from its first item on.
    pub(crate) const fn pause(&self) -> Duration {
        self.pause
    }

    /// A batch of `items` took so long to write. The next waits twice as long: the dearer a transaction is, the more shares it. One item by
    /// itself is no load.
    pub(crate) fn wrote(&mut self, items: usize, took: Duration) {
        self.pause = if items > 1 { (took * 2).max(self.least).min(self.most) } else { Duration::ZERO };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;

    const MOST: Duration = Duration::from_millis(10);

    #[test]
    fn the_first_batch_and_one_after_a_single_item_do_not_wait() {
        let mut pace = Pace::up_to(MOST);
        assert_eq!(pace.pause(), Duration::ZERO);
        pace.wrote(7, Duration::from_millis(4));
        pace.wrote(1, Duration::from_millis(4));
        assert_eq!(pace.pause(), Duration::ZERO);
    }

    #[test]
    fn a_busy_writer_gathers_twice_as_long_as_it_wrote_and_never_longer_than_it_may() {
        let mut pace = Pace::up_to(MOST);
        pace.wrote(2, Duration::from_millis(4));
        assert_eq!(pace.pause(), Duration::from_millis(8));
        pace.wrote(200, Duration::from_millis(40));
        assert_eq!(pace.pause(), MOST);
    }

    #[test]
    fn who_is_to_gather_for_a_time_does_so_as_soon_as_he_is_busy_however_fast_he_writes() {
        let mut pace = Pace::between(MOST, MOST);
        assert_eq!(pace.pause(), Duration::ZERO);
        pace.wrote(2, Duration::from_micros(1));
        assert_eq!(pace.pause(), MOST);
        pace.wrote(1, Duration::from_millis(4));
        assert_eq!(pace.pause(), Duration::ZERO);
    }
}
