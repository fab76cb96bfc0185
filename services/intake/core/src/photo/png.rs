//! The chunks of a PNG (ISO/IEC 15948).

use super::{
    Found, Refusal,
    bytes::{be32, index},
};

/// Bytes of the signature.
const SIGNATURE: usize = 8;
/// Bytes of a chunk beside its data: length, kind, checksum.
const FRAME: usize = 12;
/// Most bytes that a byte of deflate can stand for.
const DEFLATE: u64 = 1_032;

/// The first chunk.
struct Header {
    width: u32,
    height: u32,
    depth: u64,
    channels: u64,
    palette: bool,
}

/// Walks over all chunks.
pub(super) fn walk(bytes: &[u8]) -> Result<Found<'_>, Refusal> {
    let (kind, data, mut at) = chunk(bytes, SIGNATURE)?;
    if kind != *b"IHDR" {
        return Err(Refusal::Malformed);
    }
    let header = header(data)?;
    let (mut transparent, mut exif, mut coded) = (false, None, 0_u64);
    loop {
        let (kind, data, after) = chunk(bytes, at)?;
        at = after;
        match &kind {
            b"IEND" => break,
            b"IHDR" => return Err(Refusal::Malformed),
            b"acTL" | b"fcTL" | b"fdAT" => return Err(Refusal::Animated),
            b"IDAT" => coded += data.len() as u64,
            b"tRNS" => transparent = true,
            b"eXIf" => exif = exif.or(Some(data)),
            _ => {}
        }
    }
    if at < bytes.len() {
        return Err(Refusal::TrailingData);
    }
    Ok(header.found(transparent, coded, exif))
}

fn chunk(bytes: &[u8], at: usize) -> Result<([u8; 4], &[u8], usize), Refusal> {
    let length = index(be32(bytes, at).ok_or(Refusal::Truncated)?);
    let kind = super::bytes::array(bytes, at + 4).ok_or(Refusal::Truncated)?;
    let end = length.checked_add(FRAME).and_then(|whole| at.checked_add(whole)).ok_or(Refusal::Malformed)?;
    let whole = bytes.get(at..end).ok_or(Refusal::Truncated)?;
    Ok((kind, &whole[8..8 + length], end))
}

fn header(data: &[u8]) -> Result<Header, Refusal> {
    let [.., depth, colour, _compression, _filter, _interlace] = *data else { return Err(Refusal::Malformed) };
    let channels = match colour {
        0 | 3 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(Refusal::Malformed),
    };
    if data.len() != 13 || !matches!(depth, 1 | 2 | 4 | 8 | 16) {
        return Err(Refusal::Malformed);
    }
    let side = |at| be32(data, at).ok_or(Refusal::Malformed);
    Ok(Header { width: side(0)?, height: side(4)?, depth: depth.into(), channels, palette: colour == 3 })
}

impl Header {
    fn found<'a>(&self, transparent: bool, coded: u64, exif: Option<&'a [u8]>) -> Found<'a> {
        let row = (u64::from(self.width) * self.depth * self.channels).div_ceil(8) + 1;
        let raw = row.saturating_mul(self.height.into());
        let shown = if self.palette { 3 } else { self.channels } + u64::from(transparent);
        Found {
            width: self.width,
            height: self.height,
            memory_per_pixel: shown * if self.depth == 16 { 2 } else { 1 },
            plausible: raw <= coded.saturating_mul(DEFLATE),
            exif,
        }
    }
}
