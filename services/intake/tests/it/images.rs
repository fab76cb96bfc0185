//! The reference images: made here, byte by byte where no encoder would make them.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A text that is planted wherever a file can carry one; no public copy may have it.
pub(crate) const PLANTED: &str = "PLANTED-371302-OWNER";

/// A picture of which every corner differs.
pub(crate) fn picture(width: u32, height: u32) -> DynamicImage {
    let shade = |at: u32, of: u32| u8::try_from(at * 255 / of.max(2).saturating_sub(1)).unwrap_or(u8::MAX);
    RgbImage::from_fn(width, height, |x, y| Rgb([shade(x, width), shade(y, height), 128])).into()
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("an image");
    bytes.into_inner()
}

pub(crate) fn png(image: &DynamicImage) -> Vec<u8> {
    encode(image, ImageFormat::Png)
}

pub(crate) fn jpeg(image: &DynamicImage) -> Vec<u8> {
    encode(image, ImageFormat::Jpeg)
}

pub(crate) fn webp(image: &DynamicImage) -> Vec<u8> {
    encode(image, ImageFormat::WebP)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("small")
}

/// A directory of a TIFF structure at an offset: tag, type, count and value of its entries, ascending. Values of more than four bytes
/// follow it.
fn directory(at: u32, entries: &[(u16, u16, u32, Vec<u8>)], next: u32) -> Vec<u8> {
    let count = u16::try_from(entries.len()).expect("few");
    let mut data_at = at + 2 + 12 * u32::from(count) + 4;
    let (mut head, mut data) = (count.to_be_bytes().to_vec(), Vec::new());
    for (tag, kind, count, value) in entries {
        head.extend([tag.to_be_bytes(), kind.to_be_bytes()].concat());
        head.extend(count.to_be_bytes());
        if value.len() <= 4 {
            head.extend(value.iter().copied().chain([0; 4]).take(4));
        } else {
            head.extend(data_at.to_be_bytes());
            data_at += length(value);
            data.extend(value);
        }
    }
    head.extend(next.to_be_bytes());
    [head, data].concat()
}

fn ascii(tag: u16, text: &str) -> (u16, u16, u32, Vec<u8>) {
    (tag, 2, length(text.as_bytes()) + 1, format!("{text}\0").into_bytes())
}

fn rationals(tag: u16, parts: &[(u32, u32)]) -> (u16, u16, u32, Vec<u8>) {
    let bytes = parts.iter().flat_map(|(over, under)| [over.to_be_bytes(), under.to_be_bytes()].concat()).collect();
    (tag, 5, u32::try_from(parts.len()).expect("few"), bytes)
}

/// What a phone writes: to be turned clockwise, taken at 35°03'57.6" N 118°20'42" E at 08:30:15 in China, with a thumbnail.
pub(crate) fn exif() -> Vec<u8> {
    let thumbnail = [jpeg(&picture(8, 8)), PLANTED.as_bytes().to_vec()].concat();
    let taken = directory(300, &[ascii(0x9003, "2026:11:23 08:30:15"), ascii(0x9011, "+08:00")], 0);
    let place = directory(
        500,
        &[
            ascii(1, "N"),
            rationals(2, &[(35, 1), (3, 1), (576, 10)]),
            ascii(3, "E"),
            rationals(4, &[(118, 1), (20, 1), (42, 1)]),
        ],
        0,
    );
    let thumb = directory(
        700,
        &[(0x0201, 4, 1, 800_u32.to_be_bytes().to_vec()), (0x0202, 4, 1, length(&thumbnail).to_be_bytes().to_vec())],
        0,
    );
    let main = directory(
        8,
        &[
            ascii(0x010f, PLANTED),
            (0x0112, 3, 1, vec![0, 6]),
            (0x8769, 4, 1, 300_u32.to_be_bytes().to_vec()),
            (0x8825, 4, 1, 500_u32.to_be_bytes().to_vec()),
        ],
        700,
    );
    let mut tiff = b"MM\0\x2a\0\0\0\x08".to_vec();
    for (at, part) in [(8, main), (300, taken), (500, place), (700, thumb), (800, thumbnail)] {
        tiff.resize(at, 0);
        tiff.extend(part);
    }
    tiff
}

fn xmp() -> String {
    format!("<x:xmpmeta xmlns:x='adobe:ns:meta/'><exif:GPSLatitude>35,3.96N</exif:GPSLatitude>{PLANTED}</x:xmpmeta>")
}

/// A JPEG with a segment after its beginning.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let size = u16::try_from(body.len() + 2).expect("a segment").to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &size, body, &jpeg[2..]].concat()
}

/// A JPEG with all that a phone writes beside the picture.
pub(crate) fn phone_jpeg(image: &DynamicImage) -> Vec<u8> {
    let parts: [(u8, Vec<u8>); 5] = [
        (0xfe, PLANTED.as_bytes().to_vec()),
        (0xed, [b"Photoshop 3.0\0".as_slice(), PLANTED.as_bytes()].concat()),
        (0xe2, [b"ICC_PROFILE\0\x01\x01".as_slice(), PLANTED.as_bytes()].concat()),
        (0xe1, [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), xmp().as_bytes()].concat()),
        (0xe1, [b"Exif\0\0".to_vec(), exif()].concat()),
    ];
    parts.iter().fold(jpeg(image), |jpeg, (marker, body)| with_segment(&jpeg, *marker, body))
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    [length(data).to_be_bytes().as_slice(), &body, &crc(&body).to_be_bytes()].concat()
}

/// Where a PNG's first chunk ends.
const AFTER_HEADER: usize = 33;

/// A PNG with a chunk after its first.
pub(crate) fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&png[..AFTER_HEADER], &chunk(kind, data), &png[AFTER_HEADER..]].concat()
}

/// A PNG with metadata of every kind.
pub(crate) fn phone_png(image: &DynamicImage) -> Vec<u8> {
    let text = with_chunk(&png(image), b"tEXt", format!("Author\0{PLANTED}").as_bytes());
    let text = with_chunk(&text, b"iTXt", format!("XML:com.adobe.xmp\0\0\0\0\0{}", xmp()).as_bytes());
    with_chunk(&text, b"eXIf", &exif())
}

/// A PNG whose first chunk claims another size.
pub(crate) fn png_claiming(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let data = [&width.to_be_bytes(), &height.to_be_bytes(), &png[24..29]].concat();
    [&png[..8], &chunk(b"IHDR", &data), &png[AFTER_HEADER..]].concat()
}

fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend([kind.as_slice(), &length(data).to_le_bytes(), data].concat());
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF".as_slice(), &length(&body).to_le_bytes(), &body].concat()
}

/// The extended header of a WebP.
fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    [vec![flags, 0, 0, 0], side(width), side(height)].concat()
}

/// A WebP with EXIF and XMP.
pub(crate) fn phone_webp(image: &DynamicImage) -> Vec<u8> {
    let pixels = webp(image)[20..].to_vec();
    let canvas = canvas(0b1100, image.width(), image.height());
    riff(&[(b"VP8X", canvas), (b"VP8L", pixels), (b"EXIF", exif()), (b"XMP ", xmp().into_bytes())])
}

/// A WebP that says that it moves.
pub(crate) fn moving_webp() -> Vec<u8> {
    riff(&[(b"VP8X", canvas(0b10, 4, 3)), (b"ANIM", vec![0; 6])])
}

/// A WebP whose picture claims the greatest size that there is.
pub(crate) fn webp_claiming_most() -> Vec<u8> {
    let mut pixels = webp(&picture(4, 3))[20..].to_vec();
    pixels[1..5].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    riff(&[(b"VP8L", pixels)])
}

/// Where a JPEG's frame header begins.
fn frame(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a baseline JPEG")
}

/// A JPEG whose frame claims another size.
pub(crate) fn jpeg_claiming(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut claiming = jpeg.to_vec();
    let at = frame(jpeg) + 5;
    claiming[at..at + 4].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
    claiming
}

/// A JPEG that goes over its points again and again.
pub(crate) fn jpeg_with_scans(jpeg: &[u8], scans: usize) -> Vec<u8> {
    let start = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
    let end = jpeg.len() - 2;
    [&jpeg[..start], &jpeg[start..end].repeat(scans), &jpeg[end..]].concat()
}

/// The kinds of a JPEG's segments up to its picture.
pub(crate) fn markers(jpeg: &[u8]) -> Vec<u8> {
    let (mut at, mut markers) = (2, Vec::new());
    while let Some([0xff, marker, high, low]) = jpeg.get(at..at + 4) {
        markers.push(*marker);
        if *marker == 0xda {
            break;
        }
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    markers
}
