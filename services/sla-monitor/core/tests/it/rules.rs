//! The rules file: what is refused, and where the fault is said to be.

use dafei_sla_core::{Rules, RulesError};

const SHIPPED: &str = include_str!("../../../../../data/clocks/default.json");

fn changed(from: &str, to: &str) -> RulesError {
    assert!(SHIPPED.contains(from), "{from}");
    Rules::parse(&SHIPPED.replacen(from, to, 1)).expect_err("refused")
}

#[test]
fn the_shipped_rules_are_read() {
    assert_eq!(Rules::builtin(), Rules::parse(SHIPPED).unwrap());
    assert!(!Rules::builtin().version().is_empty());
}

#[test]
fn a_limit_above_the_documents_is_refused_with_its_line() {
    let error = changed(r#"{ "working_days": 5 }"#, r#"{ "working_days": 6 }"#);
    assert_eq!(error.clock.as_deref(), Some("K3"));
    assert!(SHIPPED.lines().nth(error.line - 1).unwrap().contains("\"K3\""), "line {}", error.line);
    assert!(error.reason.contains("above the document's"), "{error}");
    // Natural days cannot be compared with working days, so they are no way around it.
    assert!(
        changed(r#"{ "working_days": 5 }, "warn": { "counted_day": 4 }"#, r#"{ "days": 5 }"#).reason.contains("above")
    );
}

#[test]
fn a_shorter_limit_is_taken() {
    assert!(Rules::parse(&SHIPPED.replacen(r#"{ "hours": 12 }"#, r#"{ "minutes": 600 }"#, 1)).is_ok());
}

#[test]
fn holes_overlaps_and_unknown_words_are_refused() {
    let entry_end = SHIPPED.find("{ \"clock\": \"P1\"").unwrap();
    let without_p1 = format!("{}] }}", SHIPPED[..entry_end].trim_end().trim_end_matches(','));
    assert_eq!(Rules::parse(&without_p1).expect_err("a hole").clock.as_deref(), Some("P1"));
    assert!(changed("\"clock\": \"V2\"", "\"clock\": \"V1\"").reason.contains("twice"));
    assert!(changed("\"fed-back\"", "\"fed-up\"").reason.contains("no fact"));
    assert!(changed("\"clock\": \"V2\"", "\"clock\": \"V9\"").reason.contains("no clock"));
    assert!(changed("\"direct\": \"finder\"", "\"direct\": \"mayor\"").reason.contains("no owner"));
    assert!(changed("\"tier\": \"village\"", "\"tier\": \"street\"").reason.contains("no tier"));
    assert!(changed("\"warn_percent\": 75", "\"warn_percent\": 100").reason.contains("1 to 99"));
    assert!(changed("\"counted_day\": 4", "\"counted_day\": 5").reason.contains("before its last day"));
    assert!(changed("\"hours\": 1 }", "\"hours\": 0 }").reason.contains("1 to 10000"));
    assert!(changed("\"stop\": [\"revisit-recorded\"]", "\"stop\": []").reason.contains("at least one"));
    assert!(changed("\"doubling-then-weekly\"", "\"never\"").reason.contains("no reminder rule"));
    let flags = changed("\"hours\": 1 }, \"local_default\": false", "\"hours\": 1 }, \"local_default\": true");
    assert!(flags.reason.contains("local_default must be false"), "{flags}");
}

#[test]
fn what_is_no_json_is_refused_with_its_line() {
    let error = Rules::parse("{\n  \"version\": ,\n}").expect_err("refused");
    assert_eq!(error.line, 2);
    assert!(changed("\"source\"", "\"sauce\"").reason.contains("sauce"));
}

#[test]
fn duties_that_ask_for_less_than_the_document_or_are_not_whole_are_refused() {
    assert!(changed("\"count\": 3", "\"count\": 2").reason.contains("below the document's 3"));
    assert!(changed("\"count\": 10", "\"count\": 9").reason.contains("below the document's 10"));
    let city = changed("{ \"kind\": \"city\", \"days\": 5", "{ \"kind\": \"city\", \"days\": 6");
    assert_eq!(city.clock.as_deref(), Some("M1"));
    assert!(SHIPPED.lines().nth(city.line - 1).unwrap().contains("\"M1\""), "line {}", city.line);
    assert!(city.reason.contains("unit city: the limit is above the document's day 5"), "{city}");
    assert!(
        changed("\"days\": 3, \"local_default\": true", "\"days\": 3, \"local_default\": false")
            .reason
            .contains("local_default")
    );
    assert!(
        changed("\"days\": 15, \"local_default\": true", "\"days\": 15, \"local_default\": false")
            .reason
            .contains("open")
    );
    assert!(changed("\"cycle\": \"week\"", "\"cycle\": \"day\"").reason.contains("no cycle"));
    assert!(changed("\"cycle\": \"week\"", "\"cycle\": \"month\"").reason.contains("the document's"));
    assert!(changed("\"runs\": \"after\"", "\"runs\": \"before\"").reason.contains("within or after"));
    assert!(changed("\"again_days\": 7", "\"again_days\": 0").reason.contains("again_days"));
    assert!(changed("\"stop\": \"broadcast\"", "\"stop\": \"patrol\"").reason.contains("stop is broadcast"));
    assert!(changed("\"stop\": \"broadcast\"", "\"stop\": \"song\"").reason.contains("nothing that stops"));
    assert!(changed("\"reminders\": \"none\"", "\"reminders\": \"never\"").reason.contains("no reminder rule"));
    assert!(changed("\"kind\": \"county-department\"", "\"kind\": \"township\"").reason.contains("stands twice"));
    assert!(changed("\"kind\": \"county-department\"", "\"kind\": \"street\"").reason.contains("no kind of unit"));
    assert!(changed("\"clock\": \"W2\"", "\"clock\": \"W1\"").reason.contains("stands twice"));
    assert!(changed("\"clock\": \"W2\"", "\"clock\": \"V1\"").reason.contains("no duty"));
    assert!(changed("\"clock\": \"V2\"", "\"clock\": \"W2\"").reason.contains("no clock of a case"));
    let last = SHIPPED.find("{ \"clock\": \"N1\"").unwrap();
    let without = format!("{}] }}", SHIPPED[..last].trim_end().trim_end_matches(','));
    assert_eq!(Rules::parse(&without).expect_err("a hole").clock.as_deref(), Some("N1"));
}
