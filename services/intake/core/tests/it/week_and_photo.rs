//! The week of a patrol and the kinds of photos.

use dafei_intake_core::{
    photo::{self, MediaType, Refusal},
    week,
};
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

/// A JPEG of one grey block, then a frame that claims as much as is asked.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let code = |class: u8| [&[0xff, 0xc4, 0, 20, class, 1][..], &[0; 16]].concat();
    let (width, height) = (width.to_be_bytes(), height.to_be_bytes());
    let frame = [&[0xff, 0xc0, 0, 11, 8][..], &height, &width, &[1, 1, 0x11, 0]].concat();
    let table = [&[0xff, 0xdb, 0, 67, 0][..], &[1; 64]].concat();
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f, 0xff, 0xd9];
    [&[0xff, 0xd8][..], &table, &frame, &code(0x00), &code(0x10), &scan].concat()
}

#[test]
fn a_photo_is_measured_by_what_its_container_says() {
    let photo = photo::inspect(&jpeg(8, 8)).expect("a photo");
    assert_eq!((photo.media_type, photo.width, photo.height, photo.memory), (MediaType::Jpeg, 8, 8, 64));
    assert_eq!(photo::inspect(&jpeg(65_500, 65_500)), Err(Refusal::TooManyPixels));
    assert_eq!(photo::inspect(&jpeg(8_000, 5_000)), Err(Refusal::Implausible));
    assert_eq!(photo::inspect(&[jpeg(8, 8), vec![0; 40]].concat()), Ok(photo), "zeros that fill up hide nothing");
    assert_eq!(photo::inspect(&[jpeg(8, 8), b"PK".to_vec()].concat()), Err(Refusal::TrailingData));
}

#[test]
fn each_refusal_has_a_reason_of_its_own_and_words_for_clerks() {
    let mut codes: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Refusal::ALL.len());
    assert!(Refusal::Heic.zh().contains("JPEG") && Refusal::ALL.iter().all(|refusal| !refusal.zh().is_ascii()));
}

proptest! {
    #[test]
    fn no_bytes_do_harm_to_who_looks_them_through(
        magic in prop::sample::select(vec![&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP", b"\0\0\0\x18ftyp"]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(photo) = photo::inspect(&[magic, &rest].concat()) {
            prop_assert!(photo.memory <= photo::MAX_MEMORY && photo.width.max(photo.height) <= photo::MAX_SIDE);
        }
    }

    #[test]
    fn every_instant_lies_in_its_week(micros in 0_i64..4_000_000_000_000_000) {
        let at = Instant::from_microsecond(micros).expect("in range");
        prop_assert!(week::start(at) <= at && at < week::end(at));
        prop_assert_eq!(week::start(week::start(at)), week::start(at));
        prop_assert_eq!(week::start(week::end(at)), week::end(at));
    }
}
