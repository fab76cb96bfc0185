//! What the suite holds after a fault, compared with what it acknowledged: in every database and stream each write has had its effect, and
//! has had it once.

mod cases;
mod effects;
mod events;
mod feedback;
mod findings;
mod streams;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::Context as _;
use uuid::Uuid;

use self::findings::Findings;
use super::journal::{self, Line, What};
use crate::{client::Service, databases::Databases};

/// What the journals say.
#[derive(Debug, Default)]
struct Promised {
    /// The acknowledged writes of each case.
    cases: BTreeMap<Uuid, Vec<What>>,
    /// Writes that were acknowledged when it was too late to promise them: each is there, or is not.
    perhaps: BTreeMap<Uuid, Vec<What>>,
    /// Request id of each acknowledged write, and who keeps its answer.
    requests: Vec<(String, Service)>,
    /// What was said in each feedback that a receipt took, by its id.
    feedback: BTreeMap<String, What>,
    /// Feedback whose receipt came when it was too late to promise it.
    perhaps_feedback: BTreeSet<String>,
    /// Instructions that came off the queue of the department's system.
    received: BTreeSet<String>,
    /// Writes that were sent more than once.
    repeated: usize,
}

impl Promised {
    fn read(journals: &[PathBuf], perhaps: &[PathBuf], findings: &mut Findings) -> anyhow::Result<Self> {
        let mut promised = Self::default();
        for line in perhaps.iter().map(|path| journal::read(path)).collect::<anyhow::Result<Vec<_>>>()?.concat() {
            if let Line::Acknowledged { what, request_id, case_id, .. } = line {
                if by_nats(what) {
                    promised.perhaps_feedback.insert(request_id);
                }
                promised.perhaps.entry(case_id.parse().context("a case's id")?).or_default().push(what);
            }
        }
        for path in journals {
            for line in journal::read(path)? {
                match line {
                    Line::Acknowledged { what, request_id, case_id, tries } => {
                        promised.repeated += usize::from(tries > 1);
                        if by_nats(what) {
                            promised.feedback.insert(request_id, what);
                        } else {
                            promised.requests.push((request_id, keeper(what)));
                        }
                        promised.cases.entry(case_id.parse().context("a case's id")?).or_default().push(what);
                    }
                    Line::Received { instruction_id, .. } => {
                        promised.received.insert(instruction_id);
                    }
                    Line::Failed { why } => findings.lost(format!("a case did not come to its end: {why}")),
                }
            }
        }
        Ok(promised)
    }

    fn acknowledged(&self) -> usize {
        self.requests.len() + self.feedback.len()
    }

    fn ids(&self) -> Vec<Uuid> {
        self.cases.keys().chain(self.perhaps.keys()).copied().collect()
    }

    fn with(&self, what: What) -> BTreeSet<Uuid> {
        with(&self.cases, what)
    }

    /// The cases that may have had this write beside those that had it.
    fn perhaps_with(&self, what: What) -> BTreeSet<Uuid> {
        with(&self.perhaps, what)
    }
}

fn with(cases: &BTreeMap<Uuid, Vec<What>>, what: What) -> BTreeSet<Uuid> {
    cases.iter().filter(|(_, writes)| writes.contains(&what)).map(|(id, _)| *id).collect()
}

/// What a receipt has acknowledged, and no answer.
const fn by_nats(what: What) -> bool {
    matches!(what, What::Responded | What::HandedIn)
}

/// The service that acknowledged a write.
const fn keeper(what: What) -> Service {
    match what {
        What::Recorded | What::Notified | What::ReportedUp | What::Published => Service::Intake,
        _ => Service::Dispatch,
    }
}

/// What became of the bus.
#[derive(Debug)]
pub(super) struct Bus {
    /// It was filled anew: the agencies' stream with nothing but the instructions that were open.
    pub(super) refilled: bool,
    /// A relay has filled up a stream: the file that remembers which events stand in it more than once.
    pub(super) again: Option<PathBuf>,
}

/// Compares, and prints what was found as one JSON object.
pub(super) async fn run(journals: &[PathBuf], perhaps: &[PathBuf], bus: Bus) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    let promised = Promised::read(journals, perhaps, &mut findings)?;
    let mut databases = Databases::connect().await?;
    cases::answers(&promised, &mut databases, &mut findings).await?;
    cases::sets(&promised, &mut databases, &mut findings).await?;
    cases::instructions(&promised, &mut databases, &mut findings).await?;
    feedback::taken(&promised, &mut databases, &mut findings).await?;
    events::logged(&promised, &mut databases, &mut findings).await?;
    streams::compare(&mut databases, &bus, &mut findings).await?;
    effects::obligations(&promised, &mut databases, &mut findings).await?;
    effects::figures(&promised, &mut databases, &mut findings).await?;
    effects::leftovers(&mut databases, &mut findings).await?;
    println!("{}", findings.to_json(promised.cases.len(), promised.acknowledged(), promised.repeated));
    findings.verdict()
}
