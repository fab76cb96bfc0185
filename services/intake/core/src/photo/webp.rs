//! The chunks of a WebP (RFC 9649).

use super::{
    Found, Refusal,
    bytes::{array, index, le16, le24, le32},
};

/// Bytes before the first chunk: `RIFF`, length, `WEBP`.
const HEADER: usize = 12;
/// The bit of the extended header that says that it moves.
const ANIMATED: u8 = 0b10;
/// Bytes a point while decoding: the result and what it is made of, whatever the kind.
const MEMORY_PER_PIXEL: u64 = 8;

type Size = (u32, u32);

/// Walks over all chunks.
pub(super) fn walk(bytes: &[u8]) -> Result<Found<'_>, Refusal> {
    let length = index(le32(bytes, 4).ok_or(Refusal::Truncated)?);
    let end = length.checked_add(8).ok_or(Refusal::Malformed)?;
    if bytes.len() < end {
        return Err(Refusal::Truncated);
    }
    if bytes.len() > end {
        return Err(Refusal::TrailingData);
    }
    let (mut canvas, mut image, mut exif) = (None, None, None);
    let mut at = HEADER;
    while at < end {
        let (kind, data, after) = chunk(bytes, at)?;
        at = after;
        match &kind {
            b"ANIM" | b"ANMF" => return Err(Refusal::Animated),
            b"VP8X" => canvas = Some(extended(data)?),
            b"VP8 " if image.is_none() => image = Some(lossy(data)?),
            b"VP8L" if image.is_none() => image = Some(lossless(data)?),
            b"VP8 " | b"VP8L" => return Err(Refusal::Malformed),
            b"EXIF" => exif = exif.or(Some(data.strip_prefix(b"Exif\0\0".as_slice()).unwrap_or(data))),
            _ => {}
        }
    }
    let (width, height) = image.ok_or(Refusal::Malformed)?;
    if canvas.is_some_and(|canvas| canvas != (width, height)) {
        return Err(Refusal::Malformed);
    }
    // A single colour takes no bits a point, so no length is too short for any size.
    Ok(Found { width, height, memory_per_pixel: MEMORY_PER_PIXEL, plausible: true, exif })
}

fn chunk(bytes: &[u8], at: usize) -> Result<([u8; 4], &[u8], usize), Refusal> {
    let kind = array(bytes, at).ok_or(Refusal::Malformed)?;
    let length = index(le32(bytes, at + 4).ok_or(Refusal::Malformed)?);
    let start = at + 8;
    let end = start.checked_add(length).ok_or(Refusal::Malformed)?;
    let data = bytes.get(start..end).ok_or(Refusal::Malformed)?;
    // Chunks are padded to an even length.
    Ok((kind, data, end + (length & 1)))
}

fn extended(data: &[u8]) -> Result<Size, Refusal> {
    if data.first().ok_or(Refusal::Malformed)? & ANIMATED != 0 {
        return Err(Refusal::Animated);
    }
    let side = |at| le24(data, at).map(|less_one| less_one + 1).ok_or(Refusal::Malformed);
    Ok((side(4)?, side(7)?))
}

fn lossy(data: &[u8]) -> Result<Size, Refusal> {
    // A key frame's tag, its start code, then 14 bits a side.
    let key_frame = data.first().is_some_and(|tag| tag & 1 == 0);
    if !key_frame || data.get(3..6) != Some(&[0x9d, 0x01, 0x2a]) {
        return Err(Refusal::Malformed);
    }
    let side = |at| le16(data, at).map(|side| u32::from(side & 0x3fff)).ok_or(Refusal::Malformed);
    Ok((side(6)?, side(8)?))
}

fn lossless(data: &[u8]) -> Result<Size, Refusal> {
    if data.first() != Some(&0x2f) {
        return Err(Refusal::Malformed);
    }
    let bits = le32(data, 1).ok_or(Refusal::Malformed)?;
    Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
}
