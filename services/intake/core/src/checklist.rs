//! Checklists of grid work (网格工作清单, clause B2): kinds of object and ordered steps, each with its standard and an example picture; and
//! whether a patrol's answers satisfy one.

mod answers;
mod file;

use std::collections::HashSet;

use dafei_kernel::sector::Sector;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use answers::{Answer, Verdict, check_answers};
pub use file::{FileError, builtin, parse};

/// Most kinds of object of a checklist.
pub const MAX_KINDS: usize = 30;
/// Most steps of a checklist.
pub const MAX_STEPS: usize = 100;
/// Longest id, in characters.
const MAX_ID: usize = 40;

/// What is wrong at one place of a checklist or of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Path of the field, for example `steps[2].standard`.
    pub place: String,
    /// Stable reason.
    pub reason: &'static str,
    /// For developers.
    pub description: String,
    /// For clerks.
    pub description_zh: String,
}

impl Flaw {
    fn new(
        place: impl Into<String>,
        reason: &'static str,
        description: impl Into<String>,
        description_zh: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), reason, description: description.into(), description_zh: description_zh.into() }
    }
}

/// A kind of object that is looked at (检查对象).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectKind {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A step (步骤).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Stable id: the same in every version of the checklist.
    pub id: String,
    /// What to do.
    pub text: String,
    /// When it is in order (标准).
    pub standard: String,
    /// What the example picture shows; may be empty when there is a picture.
    pub example: String,
    /// The example picture, by evidence id.
    pub example_evidence: Option<Uuid>,
    /// Whether every patrol must answer it.
    pub required: bool,
    /// Ids of the kinds of object it is for; all when empty.
    pub kinds: Vec<String>,
}

impl Step {
    /// Whether the step is for a kind of object.
    #[must_use]
    pub fn is_for(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|own| own == kind)
    }
}

/// The contents of one version of a checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// Its sector (领域).
    pub sector: Sector,
    /// Its title.
    pub title: String,
    /// Kinds of object.
    pub kinds: Vec<ObjectKind>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Checklist {
    /// A step by its id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Everything that is wrong with it; empty when it can be used.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        text(&mut flaws, "title", &self.title, 100);
        amount(&mut flaws, "object_kinds", self.kinds.len(), MAX_KINDS);
        amount(&mut flaws, "steps", self.steps.len(), MAX_STEPS);
        let mut known = HashSet::new();
        for (at, kind) in self.kinds.iter().enumerate() {
            id(&mut flaws, &format!("object_kinds[{at}].id"), &kind.id, &mut known);
            text(&mut flaws, &format!("object_kinds[{at}].name"), &kind.name, 100);
        }
        let mut steps = HashSet::new();
        for (at, step) in self.steps.iter().enumerate() {
            let place = |part: &str| format!("steps[{at}].{part}");
            id(&mut flaws, &place("id"), &step.id, &mut steps);
            text(&mut flaws, &place("text"), &step.text, 300);
            text(&mut flaws, &place("standard"), &step.standard, 500);
            if step.example_evidence.is_none() || !step.example.trim().is_empty() {
                text(&mut flaws, &place("example"), &step.example, 300);
            }
            if step.kinds.iter().any(|kind| !known.contains(kind.as_str())) {
                let en = "names a kind that the checklist does not have";
                flaws.push(Flaw::new(place("object_kinds"), "UNKNOWN_KIND", en, "清单中没有这种检查对象"));
            }
        }
        for kind in &self.kinds {
            if !self.steps.iter().any(|step| step.required && step.is_for(&kind.id)) {
                let zh = format!("检查对象“{}”没有必查步骤", kind.name);
                flaws.push(Flaw::new("steps", "NO_REQUIRED_STEP", format!("{} has no required step", kind.id), zh));
            }
        }
        flaws
    }
}

fn text(flaws: &mut Vec<Flaw>, place: &str, value: &str, max: usize) {
    if value.trim().is_empty() {
        flaws.push(Flaw::new(place, "REQUIRED", "is required", "必须填写"));
    } else if value.chars().count() > max {
        let (en, zh) = (format!("has more than {max} characters"), format!("超过{max}个字"));
        flaws.push(Flaw::new(place, "TOO_LONG", en, zh));
    }
    printable(flaws, place, value);
}

/// What no table takes: control characters other than tab and line feeds.
fn printable(flaws: &mut Vec<Flaw>, place: &str, value: &str) {
    if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        flaws.push(Flaw::new(place, "INVALID", "has control characters", "含有控制字符"));
    }
}

fn amount(flaws: &mut Vec<Flaw>, place: &str, number: usize, max: usize) {
    if number == 0 {
        flaws.push(Flaw::new(place, "REQUIRED", "is required", "必须填写"));
    } else if number > max {
        flaws.push(Flaw::new(place, "TOO_MANY", format!("are more than {max}"), format!("不得超过{max}项")));
    }
}

fn id<'a>(flaws: &mut Vec<Flaw>, place: &str, value: &'a str, seen: &mut HashSet<&'a str>) {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if value.is_empty() || value.len() > MAX_ID || !value.bytes().all(letter) {
        let en = format!("is not 1 to {MAX_ID} lower-case letters, digits and hyphens");
        flaws.push(Flaw::new(place, "INVALID_ID", en, "编号只能用小写字母、数字和连字符"));
    } else if !seen.insert(value) {
        flaws.push(Flaw::new(place, "DUPLICATE_ID", "stands twice", "编号重复"));
    }
}
