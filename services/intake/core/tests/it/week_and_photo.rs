//! The week of a patrol and the kinds of photos.

use dafei_intake_core::{photo::MediaType, week};
use dafei_kernel::time::Instant;
use proptest::prelude::*;

use crate::fixture::at;

#[test]
fn a_week_is_from_monday_midnight_to_monday_midnight_in_shanghai() {
    let monday = at("2026-11-23T00:00:00+08:00");
    for inside in ["2026-11-23T00:00:00+08:00", "2026-11-25T12:00:00+08:00", "2026-11-29T23:59:59.999999+08:00"] {
        assert_eq!(week::start(at(inside)), monday, "{inside}");
        assert_eq!(week::end(at(inside)), at("2026-11-30T00:00:00+08:00"), "{inside}");
    }
    assert_eq!(week::start(at("2026-11-22T23:59:59.999999+08:00")), at("2026-11-16T00:00:00+08:00"));
}

#[test]
fn an_image_is_known_by_its_first_bytes_alone() {
    for (bytes, kind) in [
        (&b"\xff\xd8\xff\xe0"[..], Some("image/jpeg")),
        (b"\x89PNG\r\n\x1a\n", Some("image/png")),
        (b"RIFF\x01\x02\x03\x04WEBP", Some("image/webp")),
        (b"RIFF\x01\x02\x03\x04WAVE", None),
        (b"GIF89a", None),
        (b"\x89PNG", None),
        (b"", None),
    ] {
        assert_eq!(MediaType::sniff(bytes).map(MediaType::name), kind, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn every_instant_lies_in_its_week(micros in 0_i64..4_000_000_000_000_000) {
        let at = Instant::from_microsecond(micros).expect("in range");
        prop_assert!(week::start(at) <= at && at < week::end(at));
        prop_assert_eq!(week::start(week::start(at)), week::start(at));
        prop_assert_eq!(week::start(week::end(at)), week::end(at));
    }
}
