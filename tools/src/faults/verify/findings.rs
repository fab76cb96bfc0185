//! What does not fit.

use anyhow::bail;
use serde_json::{Value, json};

/// How many of a kind are told in full.
const SHOWN: usize = 50;

/// What was found missing, and what was found more than once or without anybody having asked for it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    lost: Vec<String>,
    doubled: Vec<String>,
    /// How often an event stands in a stream again, as its relay knows.
    again: usize,
}

impl Findings {
    /// Something that was acknowledged, or follows from it, is not there.
    pub(super) fn lost(&mut self, what: String) {
        self.lost.push(what);
    }

    /// Something is there twice, or was never asked for.
    pub(super) fn doubled(&mut self, what: String) {
        self.doubled.push(what);
    }

    /// An event stands in a stream once more, and its relay knows that it does.
    pub(super) const fn again(&mut self) {
        self.again += 1;
    }

    /// `found` times, where it should be `wanted` times.
    pub(super) fn count(&mut self, what: &str, found: usize, wanted: usize) {
        if found < wanted {
            self.lost(format!("{what}: {found} of {wanted}"));
        }
        if found > wanted {
            self.doubled(format!("{what}: {found} instead of {wanted}"));
        }
    }

    /// One JSON object.
    pub(super) fn to_json(&self, cases: usize, acknowledged: usize, repeated: usize) -> Value {
        let shown = |all: &[String]| all.iter().take(SHOWN).cloned().collect::<Vec<_>>();
        json!({
            "cases": cases, "acknowledged": acknowledged, "repeated": repeated,
            "lost": self.lost.len(), "doubled": self.doubled.len(), "again": self.again,
            "what_was_lost": shown(&self.lost), "what_was_doubled": shown(&self.doubled),
        })
    }

    /// # Errors
    /// When there are any.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if self.lost.is_empty() && self.doubled.is_empty() {
            return Ok(());
        }
        bail!("{} lost, {} doubled", self.lost.len(), self.doubled.len())
    }
}
