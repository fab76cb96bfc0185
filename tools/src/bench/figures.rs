//! Figures: medians, percentiles, and the line that each ends as.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use serde_json::json;

use crate::client;

/// Prints a figure. `reference` names what it is held against, and its value from the same run.
pub(super) fn print(name: &str, value: f64, unit: &str, reference: Option<(&str, f64)>) {
    let (reference, reference_value) = reference.unzip();
    let ratio = reference_value.map(|reference| value / reference);
    let line = json!({
        "name": name,
        "value": round(value),
        "unit": unit,
        "reference": reference,
        "reference_value": reference_value.map(round),
        "ratio": ratio.map(|ratio| (ratio * 1_000.0).round() / 1_000.0),
    });
    println!("{line}");
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The median; 0 of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A percentile in milliseconds, by the nearest rank; 0 of nothing.
pub(super) fn percentile_ms(values: &mut [Duration], percent: usize) -> f64 {
    values.sort();
    let rank = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(rank).map_or(0.0, |value| value.as_secs_f64() * 1_000.0)
}

/// Resident memory of a process of the suite, in MB, as the kernel tells it.
pub(super) fn resident_mb(service: &str) -> anyhow::Result<f64> {
    memory_mb(service, "VmRSS:")
}

/// The most that it ever was since the process started.
pub(super) fn peak_mb(service: &str) -> anyhow::Result<f64> {
    memory_mb(service, "VmHWM:")
}

fn memory_mb(service: &str, which: &str) -> anyhow::Result<f64> {
    let file = format!("{}/run/{service}.json", client::setting("DAFEI_HOME")?);
    let known: HashMap<String, serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(&file).context(file)?)?;
    let pid =
        known.get("pid").and_then(serde_json::Value::as_u64).with_context(|| format!("the process of {service}"))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).with_context(|| which.to_owned())?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib / 1_024.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{median, percentile_ms};

    #[test]
    fn a_percentile_is_the_value_of_its_nearest_rank() {
        let mut values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert!((percentile_ms(&mut values, 99) - 99.0).abs() < 1e-9);
        assert!((percentile_ms(&mut values, 50) - 50.0).abs() < 1e-9);
        assert!(percentile_ms(&mut [], 99).abs() < 1e-9);
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
