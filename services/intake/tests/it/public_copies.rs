//! The public copy of a photo (clause D2): what others see has nothing of what a camera writes, and hostile images are refused.

use dafei_intake::images::{CleanImage, ImageRefusal, MAX_COPY_SIDE, clean};
use dafei_intake_core::photo::{self, MAX_SIDE};
use image::{DynamicImage, GenericImageView as _, ImageFormat, Rgba, RgbaImage};
use proptest::prelude::*;

use crate::images::{
    PLANTED, exif, jpeg, jpeg_claiming, jpeg_with_scans, markers, moving_webp, phone_jpeg, phone_png, phone_webp,
    picture, png, png_claiming, webp, webp_claiming_most, with_chunk, with_segment,
};

/// Quantisation, frame, Huffman tables, JFIF's own header, the scan: what a JPEG needs to be seen.
const NEEDED: [u8; 5] = [0xdb, 0xc0, 0xc4, 0xe0, 0xda];

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn is_bare(copy: &CleanImage) -> bool {
    let texts = [PLANTED, "Exif", "xmpmeta", "ICC_PROFILE", "Photoshop", "GPS"];
    markers(&copy.bytes).iter().all(|marker| NEEDED.contains(marker))
        && !texts.iter().any(|text| holds(&copy.bytes, text))
}

fn shown(copy: &CleanImage) -> DynamicImage {
    let image = image::load_from_memory_with_format(&copy.bytes, ImageFormat::Jpeg).expect("a JPEG");
    assert_eq!(image.dimensions(), (copy.width, copy.height));
    image
}

#[test]
fn a_public_copy_is_upright_and_has_nothing_of_what_the_camera_wrote() {
    let picture = picture(40, 30);
    for (what, sent) in [("JPEG", phone_jpeg(&picture)), ("PNG", phone_png(&picture)), ("WebP", phone_webp(&picture))] {
        assert!(holds(&sent, PLANTED) && holds(&sent, "xmpmeta"), "{what}");
        let copy = clean(&sent).unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        assert!(is_bare(&copy), "{what}: {:x?}", markers(&copy.bytes));
        // Turned clockwise: what was below on the left is above on the left.
        let shown = shown(&copy);
        assert_eq!((copy.width, copy.height), (30, 40), "{what}");
        let (seen, meant) = (shown.get_pixel(1, 1), picture.get_pixel(1, 28));
        let near = seen.0.iter().zip(meant.0).all(|(seen, meant)| seen.abs_diff(meant) < 24);
        assert!(near, "{what}: {seen:?} {meant:?}");
    }
}

#[test]
fn the_camera_s_place_and_time_are_read_before_they_are_left_out() {
    for sent in [phone_jpeg(&picture(8, 8)), phone_png(&picture(8, 8)), phone_webp(&picture(8, 8))] {
        let read = photo::inspect(&sent).expect("a photo").exif;
        let position = read.position.expect("a position");
        assert_eq!((position.lat_e7(), position.lon_e7()), (350_660_000, 1_183_450_000));
        assert_eq!(read.taken_at, Some("2026-11-23T08:30:15+08:00".parse().expect("an instant")));
        assert_eq!(read.orientation, Some(6));
    }
    assert_eq!(photo::inspect(&jpeg(&picture(8, 8))).expect("a photo").exif, photo::Exif::default());
    // An EXIF part that is cut off at any place refuses no photo.
    for end in 0..exif().len() {
        let body = [b"Exif\0\0".as_slice(), &exif()[..end]].concat();
        photo::inspect(&with_segment(&jpeg(&picture(8, 8)), 0xe1, &body)).expect("a photo");
    }
}

#[test]
fn a_large_photo_s_copy_is_no_larger_than_a_screen_needs() {
    let copy = clean(&png(&picture(MAX_COPY_SIDE * 2, 20))).expect("a photo");
    assert_eq!((copy.width, copy.height), (MAX_COPY_SIDE, 10));
    shown(&copy);
}

#[test]
fn what_transparency_hides_is_not_in_the_copy() {
    let hidden = RgbaImage::from_pixel(16, 16, Rgba([200, 0, 0, 0]));
    for sent in [png(&hidden.clone().into()), webp(&hidden.into())] {
        let copy = clean(&sent).expect("a photo");
        assert!(shown(&copy).into_rgb8().pixels().all(|pixel| pixel.0.iter().all(|colour| *colour > 250)));
    }
}

#[test]
fn hostile_images_are_refused_by_what_is_wrong_with_them() {
    use ImageRefusal as R;
    let (jpeg, png, webp) = (jpeg(&picture(40, 30)), png(&picture(40, 30)), webp(&picture(40, 30)));
    let heic = |brand: &[u8; 4]| [b"\0\0\0\x18ftyp".as_slice(), brand, &[0; 64]].concat();
    let zip = b"PK\x03\x04 and an archive".as_slice();
    let html = b"<html><script>alert(1)</script>".as_slice();
    let long = u16::try_from(MAX_SIDE + 1).expect("a JPEG's side");
    let cases: [(&str, Vec<u8>, R); 24] = [
        ("a PNG that claims 100,000 a side", png_claiming(&png, 100_000, 100_000), R::TooManyPixels),
        ("a PNG that claims more than it holds", png_claiming(&png, 6_000, 6_000), R::Implausible),
        ("a PNG without points", png_claiming(&png, 0, 30), R::Malformed),
        ("a JPEG that claims 65,500 a side", jpeg_claiming(&jpeg, 65_500, 65_500), R::TooManyPixels),
        ("a JPEG that is too long", jpeg_claiming(&jpeg, long, 1), R::TooManyPixels),
        ("a JPEG that claims more than it holds", jpeg_claiming(&jpeg, 5_000, 5_000), R::Implausible),
        ("a JPEG of many passes", jpeg_with_scans(&jpeg, 40), R::Implausible),
        ("a WebP that claims 16,384 a side", webp_claiming_most(), R::TooManyPixels),
        ("a JPEG that is cut off", jpeg[..jpeg.len() - 9].to_vec(), R::Truncated),
        ("a PNG that is cut off", png[..png.len() - 9].to_vec(), R::Truncated),
        ("a WebP that is cut off", webp[..webp.len() - 9].to_vec(), R::Truncated),
        ("a JPEG and an archive", [&jpeg, zip].concat(), R::TrailingData),
        ("a JPEG and a page", [&jpeg, html].concat(), R::TrailingData),
        ("a JPEG and another without an index", [jpeg.as_slice(), &jpeg].concat(), R::TrailingData),
        ("a PNG and an archive", [&png, zip].concat(), R::TrailingData),
        ("a WebP and a page", [&webp, html].concat(), R::TrailingData),
        ("a PNG that moves", with_chunk(&png, b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), R::Animated),
        ("a WebP that moves", moving_webp(), R::Animated),
        ("HEIC", heic(b"heic"), R::Heic),
        ("HEIF", heic(b"mif1"), R::Heic),
        ("AVIF", heic(b"avif"), R::Heic),
        ("a film", heic(b"isom"), R::NotAnImage),
        ("a text that begins as a JPEG", b"\xff\xd8\xff\xe0 this is a text".to_vec(), R::Truncated),
        ("a page that begins as a JPEG", [b"\xff\xd8\xff".as_slice(), html].concat(), R::Malformed),
    ];
    for (what, bytes, refusal) in cases {
        assert_eq!(clean(&bytes).map(|copy| copy.bytes.len()), Err(refusal), "{what}");
    }
}

#[test]
fn a_file_that_ends_anywhere_before_its_end_gives_no_copy() {
    for whole in [phone_jpeg(&picture(8, 8)), phone_png(&picture(8, 8)), phone_webp(&picture(8, 8))] {
        for end in 0..whole.len() {
            assert!(clean(&whole[..end]).is_err(), "{end} of {}", whole.len());
        }
    }
}

#[test]
fn pictures_that_a_phone_appends_by_an_index_are_not_in_the_copy() {
    let indexed = with_segment(&jpeg(&picture(8, 8)), 0xe2, b"MPF\0 an index");
    let appended = phone_jpeg(&picture(4, 4));
    let copy = clean(&[indexed.as_slice(), &appended].concat()).expect("a photo");
    assert!(is_bare(&copy));
    assert_eq!((copy.width, copy.height), (8, 8));
    let more = [indexed.as_slice(), &appended, b"PK\x03\x04"].concat();
    assert_eq!(clean(&more).map(|copy| copy.bytes.len()), Err(ImageRefusal::TrailingData));
}

/// Something done to a file: bytes written over, left out or put in.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    (any::<prop::sample::Index>(), 0..6_usize, prop::collection::vec(any::<u8>(), 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_sent_gives_a_bare_copy_or_none(
        which in 0..3_usize,
        changes in prop::collection::vec(change(), 0..5),
    ) {
        let picture = picture(12, 9);
        let mut bytes = [phone_jpeg, phone_png, phone_webp][which](&picture);
        for (at, out, put) in changes {
            let start = at.index(bytes.len());
            let end = bytes.len().min(start + out);
            bytes.splice(start..end, put);
        }
        if let Ok(copy) = clean(&bytes) {
            prop_assert!(is_bare(&copy));
            shown(&copy);
        }
    }

    #[test]
    fn random_bytes_after_any_beginning_never_do_harm(
        beginning in prop::sample::select(vec![
            &b""[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8X",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(copy) = clean(&[beginning, &rest].concat()) {
            prop_assert!(is_bare(&copy));
        }
    }
}
