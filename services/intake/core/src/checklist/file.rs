//! The built-in checklists: one CSV file a sector, checked as a whole.

use csv::{ReaderBuilder, StringRecord};
use dafei_kernel::sector::Sector;

use super::{Checklist, Flaw, ObjectKind, Step};

const HEADER: [&str; 7] = ["record", "id", "kinds", "required", "text", "standard", "example"];

/// What is wrong with a line of a checklist's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("checklist {file}, line {line}: {reason}")]
pub struct FileError {
    /// The file, by its sector's code.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// The built-in checklists, one of each sector, in the document's order.
///
/// # Errors
/// The first line that is wrong: a fault of the build.
pub fn builtin() -> Result<Vec<Checklist>, FileError> {
    Sector::ALL.iter().map(|sector| parse(*sector, text_of(*sector))).collect()
}

/// The file of a sector; a sector without one does not compile.
const fn text_of(sector: Sector) -> &'static str {
    match sector {
        Sector::Fireworks => include_str!("../../../../../data/checklists/fireworks.csv"),
        Sector::HazardousChemicals => include_str!("../../../../../data/checklists/hazardous-chemicals.csv"),
        Sector::CivilExplosives => include_str!("../../../../../data/checklists/civil-explosives.csv"),
        Sector::Mines => include_str!("../../../../../data/checklists/mines.csv"),
        Sector::FireSafety => include_str!("../../../../../data/checklists/fire-safety.csv"),
        Sector::RoadTraffic => include_str!("../../../../../data/checklists/road-traffic.csv"),
        Sector::Construction => include_str!("../../../../../data/checklists/construction.csv"),
        Sector::SpecialEquipment => include_str!("../../../../../data/checklists/special-equipment.csv"),
    }
}

/// Reads the file of a sector's checklist.
///
/// # Errors
/// The first line that is wrong, with the reason.
pub fn parse(sector: Sector, text: &str) -> Result<Checklist, FileError> {
    let wrong = |line: u64, reason: String| FileError { file: sector.code(), line, reason };
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?;
    if header.iter().ne(HEADER) {
        return Err(wrong(1, format!("the header is not {}", HEADER.join(","))));
    }
    let mut checklist = Checklist { sector, title: String::new(), kinds: Vec::new(), steps: Vec::new() };
    // Lines of the kinds and steps, to say where a flaw is.
    let (mut kind_lines, mut step_lines) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| wrong(1, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != HEADER.len() {
            return Err(wrong(line, format!("has {} fields, not {}", record.len(), HEADER.len())));
        }
        let column = |at: usize| record.get(at).unwrap_or_default().trim();
        match column(0) {
            "title" if column(1) == sector.code() => column(4).clone_into(&mut checklist.title),
            "title" => return Err(wrong(line, format!("the title's id is not {}", sector.code()))),
            "kind" => {
                checklist.kinds.push(ObjectKind { id: column(1).to_owned(), name: column(4).to_owned() });
                kind_lines.push(line);
            }
            "step" => {
                checklist.steps.push(step(&record).map_err(|reason| wrong(line, reason))?);
                step_lines.push(line);
            }
            other => return Err(wrong(line, format!("{other:?} is no record: title, kind or step"))),
        }
    }
    match checklist.flaws().first() {
        None => Ok(checklist),
        Some(flaw) => {
            Err(wrong(line_of(flaw, &kind_lines, &step_lines), format!("{}: {}", flaw.place, flaw.description)))
        }
    }
}

fn step(record: &StringRecord) -> Result<Step, String> {
    let column = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
    let required = match column(3).as_str() {
        "yes" => true,
        "no" => false,
        other => return Err(format!("required is {other:?}, not yes or no")),
    };
    let kinds = column(2).split(';').map(str::trim).filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    Ok(Step {
        id: column(1),
        text: column(4),
        standard: column(5),
        example: column(6),
        example_evidence: None,
        required,
        kinds,
    })
}

/// The line of a flaw: that of its kind or step, else the first.
fn line_of(flaw: &Flaw, kinds: &[u64], steps: &[u64]) -> u64 {
    let at = |prefix: &str, lines: &[u64]| {
        let number = flaw.place.strip_prefix(prefix)?.split_once(']')?.0.parse::<usize>().ok()?;
        lines.get(number).copied()
    };
    at("object_kinds[", kinds).or_else(|| at("steps[", steps)).unwrap_or(1)
}
