//! The rules file: what is refused, and where the fault is said to be.

use dafei_sla_core::{
    Clock, CountyRules, Limit, Rules,
    rules::{Problem, Problems, Warn},
};

use crate::support::instant;

const SHIPPED: &str = include_str!("../../../../../data/clocks/default.json");

fn changed(from: &str, to: &str) -> Problem {
    assert!(SHIPPED.contains(from), "{from}");
    let problems = Rules::parse(&SHIPPED.replacen(from, to, 1)).expect_err("refused").0;
    problems.first().cloned().unwrap()
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
    assert!(error.detail.contains("above the document's"), "{error:?}");
    // Natural days cannot be compared with working days, so they are no way around it.
    assert!(
        changed(r#"{ "working_days": 5 }, "warn": { "counted_day": 4 }"#, r#"{ "days": 5 }"#).detail.contains("above")
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
    let missing = Rules::parse(&without_p1).expect_err("a hole").0;
    assert!(missing.iter().any(|one| one.clock.as_deref() == Some("P1")), "{missing:?}");
    assert!(changed("\"clock\": \"V2\"", "\"clock\": \"V1\"").detail.contains("twice"));
    assert!(changed("\"fed-back\"", "\"fed-up\"").detail.contains("no fact"));
    assert!(changed("\"clock\": \"V2\"", "\"clock\": \"V9\"").detail.contains("no clock"));
    assert!(changed("\"direct\": \"finder\"", "\"direct\": \"mayor\"").detail.contains("no owner"));
    assert!(changed("\"tier\": \"village\"", "\"tier\": \"street\"").detail.contains("no tier"));
    assert!(changed("\"warn_percent\": 75", "\"warn_percent\": 100").detail.contains("1 to 99"));
    assert!(changed("\"counted_day\": 4", "\"counted_day\": 5").detail.contains("before its last day"));
    assert!(changed("\"hours\": 1 }", "\"hours\": 0 }").detail.contains("1 to 10000"));
    assert!(changed("\"stop\": [\"revisit-recorded\"]", "\"stop\": []").detail.contains("at least one"));
    assert!(changed("\"doubling-then-weekly\"", "\"never\"").detail.contains("no reminder rule"));
    let flags = changed("\"hours\": 1 }, \"local_default\": false", "\"hours\": 1 }, \"local_default\": true");
    assert!(flags.detail.contains("local_default must be false"), "{flags:?}");
}

#[test]
fn what_is_no_json_is_refused_with_its_line() {
    let problems = Rules::parse("{\n  \"version\": ,\n}").expect_err("refused").0;
    assert_eq!((problems.len(), problems[0].line), (1, 2));
}

/// The problems of a text as `line clock reason`, a dash where no clock is concerned.
fn told(problems: Problems) -> Vec<String> {
    let line = |problem: Problem| {
        format!("{} {} {}", problem.line, problem.clock.unwrap_or_else(|| "-".to_owned()), problem.flaw.code())
    };
    problems.0.into_iter().map(line).collect()
}

#[test]
fn each_fault_is_told_with_its_line_its_clock_and_its_reason() {
    // What is put in the place of what, and what is told of it.
    let table = [
        (r#""source""#, r#""sauce""#, vec!["1 - MISSING_KEY", "3 - UNKNOWN_KEY"]),
        (r#""version": "linyi-2020-17.5""#, r#""version": """#, vec!["2 - WRONG_VERSION"]),
        (r#""version": "linyi-2020-17.5""#, r#""version": "a+b""#, vec!["2 - WRONG_VERSION"]),
        (r#""warn_percent": 75"#, r#""warn_percent": "75""#, vec!["5 - MALFORMED"]),
        (r#""warn_percent": 75"#, r#""warn_percent": 0"#, vec!["5 - WRONG_WARN"]),
        (r#""warn_percent": 75"#, r#""warn_percent": 75, "warn_percent": 70"#, vec!["5 - TWICE"]),
        (r#""doubling-then-weekly""#, r#""never""#, vec!["6 - UNKNOWN_REMINDERS"]),
        (r#""clock": "V2""#, r#""clock": "V1""#, vec!["11 V1 TWICE", "70 V2 MISSING_CLOCK"]),
        (r#""clock": "V2""#, r#""clock": "V9""#, vec!["11 V9 UNKNOWN_CLOCK", "70 V2 MISSING_CLOCK"]),
        (r#""clause": "C3", "tier": "village""#, r#""clause": "C3", "tier": "street""#, vec!["11 V2 UNKNOWN_TIER"]),
        (r#""clause": "C3", "tier": "village""#, r#""clause": "C\u0000", "tier": "village""#, vec!["11 V2 INVALID"]),
        (r#""name": "月度报表""#, r#""name": "\u0000""#, vec!["55 M1 WRONG_DUTY"]),
        (r#""direct": "finder""#, r#""direct": "mayor", "colour": 1"#, vec!["9 V1 UNKNOWN_KEY", "9 V1 UNKNOWN_OWNER"]),
        (r#"{ "hours": 2 }"#, r#"{ "hours": 3 }"#, vec!["14 V3 LIMIT_ABOVE_DOCUMENT"]),
        (r#"{ "hours": 2 }"#, r#"{ "working_days": 1 }"#, vec!["14 V3 LIMIT_ABOVE_DOCUMENT"]),
        (r#"{ "hours": 2 }"#, r#"{ "hours": 0 }"#, vec!["14 V3 LIMIT_OUT_OF_RANGE"]),
        (r#"{ "hours": 2 }"#, r#"{ "fortnights": 2 }"#, vec!["15 V3 MALFORMED"]),
        (r#"["revisit-recorded"]"#, r#"[]"#, vec!["17 V4 NO_FACT"]),
        (r#"["fed-back"]"#, r#"["fed-up"]"#, vec!["40 K4 UNKNOWN_FACT"]),
        (r#""counted_day": 4"#, r#""counted_day": 5"#, vec!["35 K3 WRONG_WARN"]),
    ];
    for (from, to, expected) in table {
        assert!(SHIPPED.contains(from), "{from}");
        let found = told(Rules::parse(&SHIPPED.replacen(from, to, 1)).expect_err("refused"));
        assert_eq!(found, expected, "{from} is {to}");
    }
}

#[test]
fn control_characters_are_refused_of_an_office_and_read_where_they_are_kept() {
    let with = |sign: &str| {
        let text = SHIPPED.replacen(
            r#""clause": "C3", "tier": "village""#,
            &format!(r#""clause": "C{sign}", "tier": "village""#),
            1,
        );
        text.replacen(r#""name": "月度报表""#, &format!(r#""name": "月度{sign}""#), 1)
    };
    let both = ["11 V2 INVALID", "55 M1 WRONG_DUTY"];
    assert!(Rules::parse(&with(r"\u0007")).is_ok(), "an older release took it");
    assert_eq!(told(Rules::parse_new(&with(r"\u0007")).expect_err("an office's")), both);
    for parse in [Rules::parse, Rules::parse_new] {
        assert_eq!(told(parse(&with(r"\u0000")).expect_err("nothing can keep it")), both);
        assert!(parse(&with(r"\t\r\n")).is_ok());
    }
}

#[test]
fn a_start_that_does_not_tell_its_owner_is_a_hole_and_runnings_are_told_apart_as_ever() {
    let of_village = SHIPPED.replacen(r#"["persuasion-heeded"]"#, r#"["escalated"]"#, 1);
    let found = told(Rules::parse(&of_village).expect_err("the county does not name the village"));
    assert_eq!(found, ["17 V4 NO_OWNER", "17 V4 NO_OWNER"]);
    let legs = SHIPPED.replacen(r#""legs": "start""#, r#""legs": "instruction""#, 1);
    assert!(told(Rules::parse(&legs).expect_err("refused")).contains(&"8 V1 WRONG_LEGS".to_owned()));
}

#[test]
fn a_county_sets_local_defaults_and_shorter_limits_and_nothing_else() {
    let text =
        |clocks: &str| format!("{{\n\"version\": \"371302-1\",\n\"source\": \"兰山区\",\n\"clocks\": [\n{clocks}\n]}}");
    let table = [
        (r#"{ "clock": "K3", "limit": { "working_days": 6 } }"#, vec!["5 K3 LIMIT_ABOVE_DOCUMENT"]),
        (r#"{ "clock": "K3", "limit": { "days": 3 } }"#, vec!["5 K3 LIMIT_ABOVE_DOCUMENT"]),
        (r#"{ "clock": "T1" }"#, vec!["5 T1 MISSING_KEY"]),
        (r#"{ "clock": "T1", "limit": { "minutes": 20 }, "direct": "county-office" }"#, vec!["5 T1 NOT_LOCAL"]),
        (r#"{ "clock": "T1", "limit": { "minutes": 20 }, "local_default": false }"#, vec!["5 T1 NOT_LOCAL"]),
        (r#"{ "clock": "T1", "limit": { "minutes": 20 }, "colour": 1 }"#, vec!["5 T1 UNKNOWN_KEY"]),
        (r#"{ "clock": "T9", "limit": { "minutes": 20 } }"#, vec!["5 T9 UNKNOWN_CLOCK"]),
        (r#"{ "clock": "P1", "limit": { "working_days": 3 }, "warn": { "counted_day": 3 } }"#, vec!["5 P1 WRONG_WARN"]),
        (r#"{ "clock": "P1", "warn": { "counted_day": 1 } }"#, vec!["5 P1 WRONG_WARN"]),
        (r#"{ "clock": "P1", "warn": { "percent": 100 } }"#, vec!["5 P1 WRONG_WARN"]),
        (
            "{ \"clock\": \"T1\", \"limit\": { \"minutes\": 20 } },\n{ \"clock\": \"T1\", \"limit\": { \"minutes\": 10 } }",
            vec!["6 T1 TWICE"],
        ),
    ];
    for (clocks, expected) in table {
        assert_eq!(told(CountyRules::parse(&text(clocks)).expect_err("refused")), expected, "{clocks}");
    }
    let own = r#"{ "clock": "T1", "limit": { "minutes": 20 } }, { "clock": "K3", "limit": { "working_days": 4 } }"#;
    let rules = CountyRules::parse(&text(own)).unwrap().over(&Rules::builtin());
    assert_eq!(rules.version(), "linyi-2020-17.5+371302-1");
    assert_eq!(rules.rule(Clock::T1).limit, Limit::Minutes(20));
    let result = rules.rule(Clock::K3);
    assert_eq!(
        (result.limit, result.warn),
        (Limit::WorkingDays(4), Warn::CountedDay(3)),
        "three quarters, in whole days"
    );
    assert_eq!(rules.rule(Clock::T3), Rules::builtin().rule(Clock::T3));
}

#[test]
fn what_the_city_has_shortened_further_stays_shorter() {
    let city = SHIPPED.replacen(r#"{ "hours": 12 }"#, r#"{ "hours": 6 }"#, 1);
    let own = r#"{ "version": "1", "source": "", "clocks": [{ "clock": "K2", "limit": { "hours": 8 } }] }"#;
    let rules = CountyRules::parse(own).unwrap().over(&Rules::parse(&city).unwrap());
    assert_eq!(rules.rule(Clock::K2).limit, Limit::Hours(6));
}

#[test]
fn a_county_has_its_own_hours_without_disturbance() {
    let text = r#"{ "version": "1", "source": "", "no_disturb": { "from": "21:00", "until": "07:00" }, "clocks": [] }"#;
    let hours = CountyRules::parse(text).unwrap().over(&Rules::builtin()).quiet();
    let morning = instant("2026-11-24T07:00:00+08:00");
    assert_eq!(hours.end_after(instant("2026-11-23T21:00:00+08:00")), Some(morning));
    assert_eq!(hours.end_after(instant("2026-11-24T06:59:59+08:00")), Some(morning));
    assert_eq!(hours.end_after(morning), None);
    assert_eq!(hours.end_after(instant("2026-11-23T20:59:59+08:00")), None);
    let wrong = CountyRules::parse(&text.replace("07:00", "7"));
    assert_eq!(told(wrong.expect_err("refused")), ["1 - WRONG_HOURS"]);
}

#[test]
fn duties_that_ask_for_less_than_the_document_or_are_not_whole_are_refused() {
    assert!(changed("\"count\": 3", "\"count\": 2").detail.contains("below the document's 3"));
    assert!(changed("\"count\": 10", "\"count\": 9").detail.contains("below the document's 10"));
    let city = changed("{ \"kind\": \"city\", \"days\": 5", "{ \"kind\": \"city\", \"days\": 6");
    assert_eq!(city.clock.as_deref(), Some("M1"));
    assert!(SHIPPED.lines().nth(city.line - 1).unwrap().contains("\"M1\""), "line {}", city.line);
    assert!(city.detail.contains("unit city: the limit is above the document's day 5"), "{city}");
    assert!(
        changed("\"days\": 3, \"local_default\": true", "\"days\": 3, \"local_default\": false")
            .detail
            .contains("local_default")
    );
    assert!(
        changed("\"days\": 15, \"local_default\": true", "\"days\": 15, \"local_default\": false")
            .detail
            .contains("open")
    );
    assert!(changed("\"cycle\": \"week\"", "\"cycle\": \"day\"").detail.contains("no cycle"));
    assert!(changed("\"cycle\": \"week\"", "\"cycle\": \"month\"").detail.contains("the document's"));
    assert!(changed("\"runs\": \"after\"", "\"runs\": \"before\"").detail.contains("within or after"));
    assert!(changed("\"again_days\": 7", "\"again_days\": 0").detail.contains("again_days"));
    assert!(changed("\"stop\": \"broadcast\"", "\"stop\": \"patrol\"").detail.contains("stop is broadcast"));
    assert!(changed("\"stop\": \"broadcast\"", "\"stop\": \"song\"").detail.contains("nothing that stops"));
    assert!(changed("\"reminders\": \"none\"", "\"reminders\": \"never\"").detail.contains("no reminder rule"));
    assert!(changed("\"kind\": \"county-department\"", "\"kind\": \"township\"").detail.contains("stands twice"));
    assert!(changed("\"kind\": \"county-department\"", "\"kind\": \"street\"").detail.contains("no kind of unit"));
    assert!(changed("\"clock\": \"W2\"", "\"clock\": \"W1\"").detail.contains("stands twice"));
    assert!(changed("\"clock\": \"W2\"", "\"clock\": \"V1\"").detail.contains("no duty"));
    assert!(changed("\"clock\": \"V2\"", "\"clock\": \"W2\"").detail.contains("is no clock"));
    let last = SHIPPED.find("{ \"clock\": \"N1\"").unwrap();
    let without = format!("{}] }}", SHIPPED[..last].trim_end().trim_end_matches(','));
    let missing = Rules::parse(&without).expect_err("a hole");
    assert!(missing.0.iter().any(|one| one.clock.as_deref() == Some("N1")), "{missing:?}");
}
