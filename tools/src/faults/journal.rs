//! The journal of a load: each write that was acknowledged, on disk before the load goes on.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// A suspicion.
    Recorded,
    /// The secretary was told.
    Notified,
    /// The report went up to the centre.
    ReportedUp,
    /// The centre instructed a township agency.
    Instructed,
    /// The centre passed the case to the county's office.
    Escalated,
    /// The office assigned departments.
    Assigned,
    /// The township agency handed in its result.
    AgencyResult,
    /// The leading department responded and handed in its result.
    DepartmentResult,
    /// The leading department's system responded, by NATS.
    Responded,
    /// It handed in its result, by NATS.
    HandedIn,
    /// The centre accepted the result.
    Accepted,
    /// The office fed the result back.
    FedBack,
    /// The village published the outcome.
    Published,
}

/// A line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// A write that was acknowledged.
    Acknowledged {
        /// What.
        what: What,
        /// Its request id; of feedback by NATS the id that the department's system chose.
        request_id: String,
        /// The case that it was about.
        case_id: String,
        /// How often it was sent.
        tries: u32,
    },
    /// An instruction that the department's system took off its queue; it may come more than once.
    Received {
        /// The instruction.
        instruction_id: String,
        /// Its case.
        case_id: String,
    },
    /// A case that the load could not bring to its end.
    Failed {
        /// Why.
        why: String,
    },
}

/// A journal that is being written.
pub(super) struct Journal(Mutex<File>);

impl Journal {
    /// Opens it at its end.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Mutex::new(file.with_context(|| path.display().to_string())?)))
    }

    /// Appends a line and waits until it is on disk.
    pub(super) fn append(&self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())?;
        Ok(file.sync_data()?)
    }
}

/// The lines of a journal. Its last may be cut off, when the load was killed: that write was not taken for acknowledged.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let texts: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>()?;
    let last = texts.len().saturating_sub(1);
    let mut lines = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        match serde_json::from_str(text) {
            Ok(line) => lines.push(line),
            Err(error) if at == last && error.is_eof() => {}
            Err(error) => return Err(error).with_context(|| format!("line {} of {}", at + 1, path.display())),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Journal, Line, What, read};

    #[test]
    fn what_was_appended_is_read_back_and_a_line_that_was_cut_off_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let line = Line::Acknowledged {
            what: What::ReportedUp,
            request_id: "r".to_owned(),
            case_id: "c".to_owned(),
            tries: 2,
        };
        Journal::open(&path).unwrap().append(&line).unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"line\":\"acknow").unwrap();
        let lines = read(&path).unwrap();
        assert!(matches!(&lines[..], [Line::Acknowledged { what: What::ReportedUp, tries: 2, .. }]), "{lines:?}");
    }
}
