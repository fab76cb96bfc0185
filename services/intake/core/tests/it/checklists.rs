//! Checklists and their answers (clause B2).

use dafei_intake_core::checklist::{Answer, Checklist, Verdict, builtin, check_answers, parse};
use dafei_kernel::sector::Sector;
use proptest::prelude::*;

const GOOD: &str = "record,id,kinds,required,text,standard,example\n\
    title,mines,,,清单,,\n\
    kind,pit,,,采场,,\n\
    kind,plant,,,选厂,,\n\
    step,licence,,yes,查看证件,有效,照片\n\
    step,slope,pit,yes,查看边坡,稳定,照片\n\
    step,dust,plant,no,查看粉尘,洒水,照片\n\
    step,gate,plant,yes,查看大门,上锁,照片\n";

fn mines() -> Checklist {
    parse(Sector::Mines, GOOD).expect("a good file")
}

fn answer(step: &str, verdict: Verdict) -> Answer<'_> {
    Answer { step, verdict, noted: false }
}

fn reasons(kind: &str, answers: &[Answer<'_>]) -> Vec<(String, &'static str)> {
    let flaws = check_answers(&mines(), kind, answers).expect_err("flaws");
    flaws.into_iter().map(|flaw| (flaw.place, flaw.reason)).collect()
}

#[test]
fn every_sector_has_its_built_in_checklist_with_kinds_standards_and_examples() {
    let all = builtin().expect("good files");
    let sectors: Vec<Sector> = all.iter().map(|checklist| checklist.sector).collect();
    assert_eq!(sectors, Sector::ALL);
    for checklist in &all {
        assert!(checklist.kinds.len() >= 2 && checklist.steps.len() >= 7, "{}", checklist.title);
        assert!(checklist.steps.iter().all(|step| !step.standard.is_empty() && !step.example.is_empty()));
        assert_eq!(checklist.flaws(), []);
    }
}

#[test]
fn a_broken_file_is_refused_with_line_and_reason() {
    let cases: [(&str, &str, u64, &str); 8] = [
        ("record,id", "rekord,id", 1, "header"),
        ("title,mines", "title,fire-safety", 2, "mines"),
        ("kind,plant", "sort,plant", 4, "no record"),
        ("slope,pit,yes", "slope,pit,maybe", 6, "yes or no"),
        ("slope,pit", "slope,cave", 6, "kind"),
        ("稳定,照片", "稳定", 6, "fields"),
        ("step,dust", "step,slope", 7, "twice"),
        ("查看粉尘,洒水", "查看粉尘,", 7, "standard"),
    ];
    for (old, new, line, reason) in cases {
        let error = parse(Sector::Mines, &GOOD.replacen(old, new, 1)).expect_err(new);
        assert_eq!((error.file, error.line), ("mines", line), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let no_required = GOOD.replace("gate,plant,yes", "gate,plant,no").replace("licence,,yes", "licence,,no");
    assert!(parse(Sector::Mines, &no_required).expect_err("no required step").to_string().contains("no required step"));
}

#[test]
fn every_required_step_of_the_kind_is_answered_once_or_named() {
    let good = [answer("licence", Verdict::Ok), answer("slope", Verdict::Problem)];
    check_answers(&mines(), "pit", &good).expect("all required are answered");
    assert_eq!(reasons("pit", &good[..1]), [("answers[slope]".to_owned(), "STEP_MISSING")]);
    assert_eq!(reasons("cave", &good), [("object_kind".to_owned(), "UNKNOWN_KIND")]);
    let twice = [good[0].clone(), good[1].clone(), good[1].clone()];
    assert_eq!(reasons("pit", &twice), [("answers[2].step_id".to_owned(), "ANSWERED_TWICE")]);
    let of_another_kind = [good[0].clone(), good[1].clone(), answer("gate", Verdict::Ok)];
    assert_eq!(reasons("pit", &of_another_kind), [("answers[2].step_id".to_owned(), "UNKNOWN_STEP")]);
}

#[test]
fn a_required_step_is_not_applicable_only_with_a_reason() {
    let bare = [answer("licence", Verdict::NotApplicable), answer("slope", Verdict::Ok)];
    assert_eq!(reasons("pit", &bare), [("answers[0].note".to_owned(), "NOTE_REQUIRED")]);
    let noted = [Answer { noted: true, ..bare[0].clone() }, bare[1].clone()];
    check_answers(&mines(), "pit", &noted).expect("it says why");
    let optional =
        [answer("licence", Verdict::Ok), answer("gate", Verdict::Ok), answer("dust", Verdict::NotApplicable)];
    check_answers(&mines(), "plant", &optional).expect("an optional step needs none");
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Ok), Just(Verdict::Problem), Just(Verdict::NotApplicable)]
}

proptest! {
    /// Whatever subset of the steps is answered: it is accepted exactly when nothing required is missing, and what is missing is named.
    #[test]
    fn answers_are_accepted_exactly_when_no_required_step_is_missing(
        sector in 0..Sector::ALL.len(),
        kind in any::<prop::sample::Index>(),
        chosen in prop::collection::vec((any::<bool>(), verdict()), 100),
    ) {
        let checklist = &builtin().expect("good files")[sector];
        let kind = &kind.get(&checklist.kinds).id;
        let of_kind: Vec<_> = checklist.steps.iter().filter(|step| step.is_for(kind)).zip(&chosen).collect();
        let answers: Vec<Answer<'_>> = of_kind
            .iter()
            .filter(|(_, (answered, _))| *answered)
            .map(|(step, (_, verdict))| Answer { step: &step.id, verdict: *verdict, noted: true })
            .collect();
        let missing: Vec<String> = of_kind
            .iter()
            .filter(|(step, (answered, _))| step.required && !answered)
            .map(|(step, _)| format!("answers[{}]", step.id))
            .collect();
        match check_answers(checklist, kind, &answers) {
            Ok(()) => prop_assert!(missing.is_empty()),
            Err(flaws) => prop_assert_eq!(flaws.into_iter().map(|flaw| flaw.place).collect::<Vec<_>>(), missing),
        }
    }
}
