//! Metrics in one line each. Without a collector they cost next to nothing and go nowhere.

pub use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global, metrics::Meter};

/// Upper bounds of the buckets of a duration, in seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Registers a gauge that is read at every export: the outbox's age, a consumer's lag. `None` leaves the point out.
///
/// `read` runs on the exporter's thread and must not block: let it look at an atomic. Call after [`super::init`].
pub fn gauge_callback(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    labels: &[(&'static str, &str)],
    read: impl Fn() -> Option<f64> + Send + Sync + 'static,
) {
    let labels: Vec<_> = labels.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())).collect();
    let _lives_in_the_provider = meter()
        .f64_observable_gauge(name)
        .with_unit(unit)
        .with_description(help)
        .with_callback(move |observer| {
            if let Some(value) = read() {
                observer.observe(value, &labels);
            }
        })
        .build();
}

/// A counter that only grows. Call after [`super::init`].
pub fn counter(name: &'static str, help: &'static str) -> Counter<u64> {
    meter().u64_counter(name).with_description(help).build()
}

/// A histogram of durations in seconds. Call after [`super::init`].
pub fn durations(name: &'static str, help: &'static str) -> Histogram<f64> {
    meter().f64_histogram(name).with_unit("s").with_description(help).with_boundaries(SECONDS.to_vec()).build()
}

fn meter() -> Meter {
    global::meter("dafei")
}
