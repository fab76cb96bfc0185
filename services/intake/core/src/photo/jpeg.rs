//! The markers of a JPEG (ITU-T T.81).

use super::{Found, Refusal, bytes::be16};

/// Most passes over the image: an honest progressive one has about ten, and each costs the decoder a pass over all its points.
const MAX_SCANS: u32 = 32;
/// Most points that a bit of the first pass can stand for: one 8 x 8 block.
const PIXELS_PER_BYTE: u64 = 8 * 64;
/// The EXIF part of an APP1 segment begins so.
const EXIF: &[u8] = b"Exif\0\0";
/// The index of a multi-picture file (CIPA DC-007) begins so in APP2.
const MULTI_PICTURE: &[u8] = b"MPF\0";

/// An image from SOI to EOI.
#[derive(Default)]
struct Image<'a> {
    width: u16,
    height: u16,
    components: u8,
    progressive: bool,
    frames: u32,
    scans: u32,
    scan_bytes: u64,
    multi_picture: bool,
    exif: Option<&'a [u8]>,
    end: usize,
}

/// Walks over all of the file. Phones append further pictures (depth, brightness) to the first and say so in an index: such a file must
/// consist of whole JPEGs to its last byte, and only the first is looked at. Zeros that fill up a block hide nothing.
pub(super) fn walk(bytes: &[u8]) -> Result<Found<'_>, Refusal> {
    let first = image(bytes, 0)?;
    let mut end = first.end;
    while bytes.iter().skip(end).any(|byte| *byte != 0) {
        if !first.multi_picture {
            return Err(Refusal::TrailingData);
        }
        end = image(bytes, end).map_err(|_| Refusal::TrailingData)?.end;
    }
    if first.frames != 1 || first.scans == 0 {
        return Err(Refusal::Malformed);
    }
    let pixels = u64::from(first.width) * u64::from(first.height);
    let shown = if first.components == 1 { 1 } else { 3 };
    // A decoder keeps the coefficients of all components while several passes add to them.
    let kept = if first.progressive || first.scans > 1 { 2 * u64::from(first.components) } else { 0 };
    Ok(Found {
        width: first.width.into(),
        height: first.height.into(),
        memory_per_pixel: shown + kept,
        plausible: first.scans <= MAX_SCANS && pixels <= first.scan_bytes.saturating_mul(PIXELS_PER_BYTE),
        exif: first.exif,
    })
}

fn image(bytes: &[u8], start: usize) -> Result<Image<'_>, Refusal> {
    if be16(bytes, start) != Some(0xffd8) {
        return Err(Refusal::Malformed);
    }
    let mut found = Image::default();
    let mut at = start + 2;
    loop {
        let (marker, after) = marker(bytes, at)?;
        at = after;
        match marker {
            0xd9 => return Ok(Image { end: at, ..found }),
            0x01 | 0xd0..=0xd7 => {}
            0x00 | 0x02..=0xbf | 0xd8 => return Err(Refusal::Malformed),
            _ => {
                let length = usize::from(be16(bytes, at).ok_or(Refusal::Truncated)?);
                if length < 2 {
                    return Err(Refusal::Malformed);
                }
                let body = bytes.get(at + 2..at + length).ok_or(Refusal::Truncated)?;
                at += length;
                segment(&mut found, marker, body)?;
                if marker == 0xda {
                    let end = scan_end(bytes, at)?;
                    found.scans += 1;
                    found.scan_bytes += (end - at) as u64;
                    at = end;
                }
            }
        }
    }
}

fn segment<'a>(found: &mut Image<'a>, marker: u8, body: &'a [u8]) -> Result<(), Refusal> {
    match marker {
        0xc4 | 0xc8 | 0xcc => {}
        0xc0..=0xcf => {
            found.frames += 1;
            found.progressive = marker == 0xc2;
            found.height = be16(body, 1).ok_or(Refusal::Malformed)?;
            found.width = be16(body, 3).ok_or(Refusal::Malformed)?;
            found.components = *body.get(5).ok_or(Refusal::Malformed)?;
        }
        0xe1 if found.exif.is_none() => found.exif = body.strip_prefix(EXIF),
        0xe2 => found.multi_picture |= body.starts_with(MULTI_PICTURE),
        _ => {}
    }
    Ok(())
}

/// The marker at a position, past any fill bytes, and where it ends.
fn marker(bytes: &[u8], start: usize) -> Result<(u8, usize), Refusal> {
    let rest = bytes.get(start..).unwrap_or_default();
    let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
    match rest.get(fill) {
        None => Err(Refusal::Truncated),
        Some(_) if fill == 0 => Err(Refusal::Malformed),
        Some(marker) => Ok((*marker, start + fill + 1)),
    }
}

/// Where the coded data of a pass end: at the next marker that is neither a stuffed byte nor a restart.
fn scan_end(bytes: &[u8], start: usize) -> Result<usize, Refusal> {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest
        .windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff | 0xd0..=0xd7))
        .ok_or(Refusal::Truncated)?;
    Ok(start + length)
}
