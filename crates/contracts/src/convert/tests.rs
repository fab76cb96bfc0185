//! What callers are told of their own texts, and which of them pass.

use super::{ConvertError, EARLIEST, Instant, act, document, instant, optional_instant, region, shown, subject};
use crate::{timestamp::Timestamp, types::v1 as pb};

fn short(error: &ConvertError) {
    assert!(error.description.chars().count() < 100, "{}", error.description.len());
    assert!(error.description_zh.chars().count() < 100, "{}", error.description_zh.len());
}

#[test]
fn a_caller_s_text_comes_back_cut_in_what_is_said_of_it() {
    let long = "长".repeat(1_000_000);
    short(&act("act", &long).expect_err("no act"));
    let level = pb::Region { level: long.clone(), code: "371302".to_owned() };
    short(&region("region", Some(&level)).expect_err("no level"));
    let code = pb::Region { level: "county".to_owned(), code: long.clone() };
    short(&region("region", Some(&code)).expect_err("no code"));
    let enterprise = pb::Enterprise { credit_code: long, ..Default::default() };
    let wire = pb::Subject { kind: Some(pb::subject::Kind::Enterprise(enterprise)) };
    short(&subject("subject", Some(&wire)).expect_err("no credit code"));
    assert_eq!(shown("HC-98"), "HC-98", "what is short comes back as it was");
}

#[test]
fn an_instant_before_our_era_is_out_of_range() {
    assert_eq!(instant("at", Some(EARLIEST.into())), Ok(EARLIEST));
    let early = instant("at", Some(Instant::MIN.into())).expect_err("before our era");
    assert_eq!((early.field.as_str(), early.reason), ("at", "INVALID"));
    assert!(optional_instant("at", Some(Instant::MIN.into())).is_err());
    assert_eq!(optional_instant("at", None), Ok(None));
}

#[test]
fn what_comes_over_the_wire_is_of_the_years_1_to_9999_whoever_reads_it() {
    let read = |seconds, nanos| Instant::try_from(Timestamp { seconds, nanos });
    assert_eq!(read(EARLIEST.as_second(), 0), Ok(EARLIEST));
    assert!(read(EARLIEST.as_second() - 1, 0).is_err());
    let last = Instant::MAX.as_second();
    assert!(read(last, 999_999_999).is_ok());
    assert!(read(last + 1, 0).is_err());
    assert!(read(i64::MAX, 0).is_err() && read(i64::MIN, 0).is_err());
}

#[test]
fn a_whole_text_is_bounded_in_bytes_and_has_no_character_that_no_table_takes() {
    let reason = |text: &str| document("text", text).map_err(|error| error.reason);
    assert_eq!(reason(" \n"), Err("REQUIRED"));
    assert_eq!(reason("a\0"), Err("INVALID"));
    assert_eq!(reason(&"x".repeat(256 * 1024 + 1)), Err("TOO_LONG"));
    assert_eq!(reason(&"x\r\n\ty".repeat(50_000)), Ok(()));
}
