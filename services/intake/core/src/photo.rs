//! What counts as a photo: JPEG, PNG or WebP by its bytes, at most 8 MiB. A name or a declared type proves nothing.
//!
//! [`inspect`] walks the container from its first byte to its last without decoding anything: it costs a pass over the bytes, so what is
//! truncated, what has other data at its end, and what would grow beyond bounds is refused before a decoder sees it.

mod bytes;
mod exif;
mod jpeg;
mod png;
mod refusal;
mod webp;

pub use exif::Exif;
pub use refusal::Refusal;

/// Most bytes of a photo.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most points of a photo.
pub const MAX_PIXELS: u64 = 50_000_000;
/// Most points of a photo's side.
pub const MAX_SIDE: u32 = 12_000;
/// Most bytes that decoding a photo may need.
pub const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// The kinds of image that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

impl MediaType {
    /// As IANA writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// By its first bytes; none when it is not an image that is taken.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }
}

/// What a photo's container says, before anything is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its kind.
    pub media_type: MediaType,
    /// Points across, as stored: orientation not applied.
    pub width: u32,
    /// Points down, as stored.
    pub height: u32,
    /// Most bytes that decoding needs; at most [`MAX_MEMORY`].
    pub memory: u64,
    /// What the camera wrote of where, when and which way up.
    pub exif: Exif,
}

/// What a walk over a container has found.
struct Found<'a> {
    width: u32,
    height: u32,
    /// Bytes that decoding needs for a point.
    memory_per_pixel: u64,
    /// Whether this many bytes can hold this many points.
    plausible: bool,
    /// The TIFF structure of its EXIF part.
    exif: Option<&'a [u8]>,
}

/// Looks a photo through.
///
/// # Errors
/// Why it is not taken.
pub fn inspect(bytes: &[u8]) -> Result<Photo, Refusal> {
    let Some(media_type) = MediaType::sniff(bytes) else {
        return Err(if is_heif(bytes) { Refusal::Heic } else { Refusal::NotAnImage });
    };
    let found = match media_type {
        MediaType::Jpeg => jpeg::walk(bytes),
        MediaType::Png => png::walk(bytes),
        MediaType::Webp => webp::walk(bytes),
    }?;
    let pixels = u64::from(found.width) * u64::from(found.height);
    if pixels == 0 {
        return Err(Refusal::Malformed);
    }
    let memory = pixels.saturating_mul(found.memory_per_pixel);
    if found.width.max(found.height) > MAX_SIDE || pixels > MAX_PIXELS || memory > MAX_MEMORY {
        return Err(Refusal::TooManyPixels);
    }
    if !found.plausible {
        return Err(Refusal::Implausible);
    }
    let exif = found.exif.map(exif::read).unwrap_or_default();
    Ok(Photo { media_type, width: found.width, height: found.height, memory, exif })
}

/// HEIC, HEIF and AVIF begin with a box that names their brand.
fn is_heif(bytes: &[u8]) -> bool {
    const BRANDS: [&[u8]; 12] =
        [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"avif", b"avis"];
    bytes.get(4..8) == Some(b"ftyp") && bytes.get(8..12).is_some_and(|brand| BRANDS.contains(&brand))
}
