//! A low rate for a long time: whether the memory of the services and of NATS stays where it is.

use std::time::Duration;

use anyhow::bail;
use dafei_contracts::intake::v1::suspicion_service_client::SuspicionServiceClient;
use dafei_kernel::role::Role;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    figures,
    intake::{VILLAGE, report},
};
use crate::client::{self, Bearer, Caller, Keys};

/// Processes that are looked at.
const PROCESSES: [&str; 5] = ["intake", "dispatch", "sla-monitor", "reporting", "nats"];

pub(super) async fn run(keys: &Keys, minutes: u32, per_second: u32) -> anyhow::Result<()> {
    if minutes < 2 || per_second == 0 {
        bail!("a slope needs two minutes at the least, and a load");
    }
    let caller = Caller::new(Role::GridMember, VILLAGE.parse()?);
    let load = start(keys.bearer(&caller)?, per_second)?;
    let mut memory: Vec<Vec<f64>> = vec![Vec::new(); PROCESSES.len()];
    let mut minute = interval(Duration::from_secs(60));
    for at in 0..=minutes {
        minute.tick().await;
        if load.is_finished() {
            bail!("the load ended: {:?}", load.await);
        }
        let now: Vec<f64> =
            PROCESSES.iter().map(|process| figures::resident_mb(process)).collect::<anyhow::Result<_>>()?;
        let shown: Vec<String> = PROCESSES.iter().zip(&now).map(|(name, mb)| format!("{name} {mb:.0}")).collect();
        eprintln!("    minute {at}: {} MB", shown.join(", "));
        for (kept, mb) in memory.iter_mut().zip(now) {
            kept.push(mb);
        }
    }
    load.abort();
    for (process, memory) in PROCESSES.iter().zip(&memory) {
        // Caches and pools fill at first: the slope is that of the later half.
        let later = &memory[memory.len() / 2..];
        figures::print(&format!("soak_memory_mb_{process}"), later.last().copied().unwrap_or_default(), "MB", None);
        figures::print(&format!("soak_slope_mb_per_h_{process}"), slope(later) * 60.0, "MB/h", None);
    }
    Ok(())
}

/// So many reports a second, whatever becomes of them: a soak is no check of a single call.
fn start(bearer: Bearer, per_second: u32) -> anyhow::Result<JoinHandle<()>> {
    let channel = client::connect(&client::setting("DAFEI_INTAKE_ADDR")?)?;
    let client = SuspicionServiceClient::with_interceptor(channel, bearer);
    Ok(tokio::spawn(async move {
        let mut tick = interval(Duration::from_secs(1) / per_second);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(status) = report(client.clone()).await {
                eprintln!("    {status}");
            }
        }
    }))
}

/// By least squares, a step being one.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let (mut up, mut across) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let from_middle = at as f64 - middle;
        up += from_middle * (value - mean);
        across += from_middle * from_middle;
    }
    if across > 0.0 { up / across } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn the_slope_of_what_grows_steadily_is_its_step_and_of_what_stays_is_none() {
        assert!((slope(&[10.0, 12.0, 14.0, 16.0]) - 2.0).abs() < 1e-9);
        assert!(slope(&[7.0, 7.0, 7.0]).abs() < 1e-9);
        assert!(slope(&[7.0]).abs() < 1e-9);
    }
}
