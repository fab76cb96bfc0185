//! Whether a patrol's answers satisfy its checklist.

use std::collections::HashSet;

use super::{Checklist, Flaw};

/// How a step was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// 符合标准.
    Ok,
    /// 发现问题.
    Problem,
    /// 不适用.
    NotApplicable,
}

/// An answer, as far as the rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The step's id.
    pub step: &'a str,
    /// How it stands.
    pub verdict: Verdict,
    /// Whether a note says more.
    pub noted: bool,
}

/// Checks the answers to a checklist for a kind of object: every required step of the kind is answered, none twice, none that is not
/// there, and a required one is "not applicable" only with a note that says why.
///
/// # Errors
/// Everything that is wrong; a required step without an answer is named.
pub fn check_answers(checklist: &Checklist, kind: &str, answers: &[Answer<'_>]) -> Result<(), Vec<Flaw>> {
    if !checklist.kinds.iter().any(|known| known.id == kind) {
        let en = "is no kind of object of the checklist";
        return Err(vec![Flaw::new("object_kind", "UNKNOWN_KIND", en, "清单中没有这种检查对象")]);
    }
    let mut flaws = Vec::new();
    let mut answered = HashSet::with_capacity(answers.len());
    for (at, answer) in answers.iter().enumerate() {
        let place = format!("answers[{at}].step_id");
        let Some(step) = checklist.step(answer.step).filter(|step| step.is_for(kind)) else {
            let en = "is no step of the checklist for this kind";
            flaws.push(Flaw::new(place, "UNKNOWN_STEP", en, "清单中没有这个步骤"));
            continue;
        };
        if !answered.insert(answer.step) {
            flaws.push(Flaw::new(place, "ANSWERED_TWICE", "is answered twice", "同一步骤填写了两次"));
        }
        if answer.verdict == Verdict::NotApplicable && step.required && !answer.noted {
            let (en, zh) = ("says why a required step does not apply", "必查步骤填“不适用”须说明原因");
            flaws.push(Flaw::new(format!("answers[{at}].note"), "NOTE_REQUIRED", en, zh));
        }
    }
    let missing = checklist
        .steps
        .iter()
        .filter(|step| step.required && step.is_for(kind) && !answered.contains(step.id.as_str()));
    flaws.extend(missing.map(|step| {
        let en = format!("the required step {} is not answered", step.id);
        Flaw::new(format!("answers[{}]", step.id), "STEP_MISSING", en, format!("必查步骤未填写：{}", step.text))
    }));
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}
