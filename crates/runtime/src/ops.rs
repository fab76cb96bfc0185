//! The clock of a process by its mode. In system mode there is nothing to move; in exercise mode (演练) the controlled clock
//! is handed out beside the shared one, for the call that moves it.

use std::sync::Arc;

use dafei_kernel::{
    clock::{Clock, ControlledClock, SharedClock, SystemClock},
    time::Instant,
};

use crate::config::{Common, Mode};

/// The clock of this process.
#[derive(Clone)]
pub struct ModeClock {
    shared: SharedClock,
    controlled: Option<ControlledClock>,
}

impl ModeClock {
    /// The clock for the settings' mode. An exercise goes on at the instant that was stored; the first one begins at
    /// `DAFEI_EXERCISE_START`, or now.
    pub fn new(common: &Common, persisted: Option<Instant>) -> Self {
        match common.mode {
            Mode::System => Self { shared: Arc::new(SystemClock), controlled: None },
            Mode::Exercise => {
                let start = persisted.or(common.exercise_start).unwrap_or_else(|| SystemClock.now());
                let controlled = ControlledClock::new(start);
                Self { shared: Arc::new(controlled.clone()), controlled: Some(controlled) }
            }
        }
    }

    /// The clock that all code of the domain gets.
    pub fn shared(&self) -> SharedClock {
        Arc::clone(&self.shared)
    }

    /// The clock that can be moved, and the shared one with it; `None` in system mode.
    pub fn controlled(&self) -> Option<&ControlledClock> {
        self.controlled.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MapSource, Service};

    fn common(pairs: &[(&str, &str)]) -> Common {
        let base = MapSource::from([
            ("DAFEI_REPORTING_LISTEN", "127.0.0.1:0"),
            ("DAFEI_REPORTING_DATABASE_URL", "postgres://localhost/reporting"),
            ("DAFEI_NATS_URL", "nats://localhost:4222"),
            ("DAFEI_JWKS", "jwks.json"),
            ("DAFEI_JWT_ISSUER", "issuer"),
            ("DAFEI_JWT_AUDIENCE", "dafei"),
            ("DAFEI_ENVIRONMENT", "test"),
        ]);
        let source = pairs.iter().fold(base, |source, (key, value)| source.with(*key, *value));
        Common::read(&source, Service::Reporting).unwrap()
    }

    #[test]
    fn an_exercise_goes_on_where_it_stopped_or_begins_where_it_is_told() {
        let settings = common(&[("DAFEI_MODE", "exercise"), ("DAFEI_EXERCISE_START", "2026-02-01T00:00:00Z")]);
        let begun = ModeClock::new(&settings, None);
        assert_eq!(begun.shared().now().to_string(), "2026-02-01T00:00:00Z");
        let stored = "2026-02-14T01:00:00Z".parse().unwrap();
        let gone_on = ModeClock::new(&settings, Some(stored));
        assert_eq!(gone_on.shared().now(), stored);
        let moved = "2026-02-14T02:00:00Z".parse().unwrap();
        gone_on.controlled().unwrap().set(moved);
        assert_eq!(gone_on.shared().now(), moved);
    }

    #[test]
    fn in_system_mode_there_is_no_clock_to_move() {
        let settings = common(&[("DAFEI_EXERCISE_START", "2026-02-01T00:00:00Z")]);
        let clock = ModeClock::new(&settings, Some("2026-02-14T01:00:00Z".parse().unwrap()));
        assert!(clock.controlled().is_none());
    }
}
