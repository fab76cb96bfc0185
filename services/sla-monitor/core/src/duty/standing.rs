//! N1 (clause D5): a village stands well with its notices or it does not. While it does not, it owes them: once for its entry into the
//! roster, and again for each time that it falls short afterwards.

use dafei_kernel::time::Instant;
use serde::{Deserialize, Serialize};

use crate::rules::later;

/// How a village stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// It has its valid places.
    pub fulfilled: bool,
    /// The latest act that is known: a standing is told of after it.
    pub latest: Option<Instant>,
    /// How many runnings there were.
    pub runnings: u32,
    /// The start of the running that was not yet settled.
    pub running: Option<Instant>,
    /// The start of the last running, settled or not.
    #[serde(default)]
    pub last: Option<Instant>,
}

/// What a change of the standing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A running begins.
    Starts {
        /// Its number, from 1.
        number: u32,
        /// Since when.
        at: Instant,
        /// It had its places before.
        again: bool,
    },
    /// A running is settled.
    Settled {
        /// The start of the running.
        start: Instant,
        /// When the village had its places.
        at: Instant,
    },
}

impl Standing {
    /// A notice was posted or removed at `at`; the village stands so afterwards. `member`: it is in the roster.
    ///
    /// The act that is told of last need not be the latest: what was done offline is told late. The village has its places only when all that
    /// is known was done.
    pub fn told(&mut self, fulfilled: bool, at: Instant, member: bool) -> Option<Turn> {
        let at = self.latest.map_or(at, |latest| latest.max(at));
        self.latest = Some(at);
        match (self.fulfilled, fulfilled) {
            (false, true) => {
                self.fulfilled = true;
                self.running.take().map(|start| Turn::Settled { start, at })
            }
            (true, false) => {
                self.fulfilled = false;
                let turn = member.then(|| self.start(at, true));
                self.latest = self.latest.max(self.running);
                turn
            }
            (true, true) | (false, false) => None,
        }
    }

    /// The village enters the roster.
    pub fn enters(&mut self, at: Instant) -> Option<Turn> {
        (!self.fulfilled).then(|| self.start(at, false))
    }

    /// Runnings are told apart by their starts. What was done offline may put another one's start where the last one's was: it comes right after.
    fn start(&mut self, at: Instant, again: bool) -> Turn {
        let at = self.last.map_or(at, |last| at.max(later(last, 1)));
        self.runnings = self.runnings.saturating_add(1);
        (self.running, self.last) = (Some(at), Some(at));
        Turn::Starts { number: self.runnings, at, again }
    }
}
