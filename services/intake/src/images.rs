//! The public copy of a photo: decoded, turned upright, made no larger than a screen needs, and written anew as JPEG. Nothing of the file
//! that was sent is left in it but what it shows: no EXIF, XMP, colour profile, thumbnail, comment or position.

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use dafei_intake_core::photo::{self, MediaType, Photo, Refusal};
use dafei_runtime::status::Fault;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage, RgbaImage, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};
use tokio::sync::Semaphore;

/// Why an image is not taken.
pub type ImageRefusal = Refusal;

/// Most points of the longest side of a public copy.
pub const MAX_COPY_SIDE: u32 = 2_560;
/// What a public copy is, as IANA writes it.
pub const COPY_TYPE: &str = "image/jpeg";
/// Quality of a public copy, of 100.
const QUALITY: u8 = 85;
/// A mebibyte, in which memory is shared out.
const MIB: u64 = 1024 * 1024;
/// Memory that decoders may take together, in MiB: one image of the greatest size, or many usual ones.
const MEMORY_MIB: u32 = 256;
/// What a decoder needs beside the image.
const SLACK: u64 = 16 * MIB;

/// The public copy of a photo: a JPEG without metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanImage {
    /// The JPEG.
    pub bytes: Bytes,
    /// Points across.
    pub width: u32,
    /// Points down.
    pub height: u32,
}

/// Makes the public copy of a photo. It takes as long as decoding does: call it through [`Cleaner`] where others wait.
///
/// # Errors
/// Why the photo is not taken.
pub fn clean(bytes: &[u8]) -> Result<CleanImage, ImageRefusal> {
    render(bytes, &photo::inspect(bytes)?)
}

fn render(bytes: &[u8], photo: &Photo) -> Result<CleanImage, ImageRefusal> {
    let image = decode(bytes, photo).map_err(|_| Refusal::Malformed)?;
    let small = image.width().max(image.height()) <= MAX_COPY_SIDE;
    let image = if small { image } else { image.thumbnail(MAX_COPY_SIDE, MAX_COPY_SIDE) };
    let mut image = DynamicImage::from(opaque(image));
    image.apply_orientation(
        photo.exif.orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms),
    );
    let mut copy = Vec::new();
    JpegEncoder::new_with_quality(&mut copy, QUALITY).encode_image(&image).map_err(|_| Refusal::Malformed)?;
    Ok(CleanImage { bytes: copy.into(), width: image.width(), height: image.height() })
}

fn decode(bytes: &[u8], photo: &Photo) -> image::ImageResult<DynamicImage> {
    let format = match photo.media_type {
        MediaType::Jpeg => ImageFormat::Jpeg,
        MediaType::Png => ImageFormat::Png,
        MediaType::Webp => ImageFormat::WebP,
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(photo.width);
    limits.max_image_height = Some(photo.height);
    limits.max_alloc = Some(photo.memory + SLACK);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    decoder.set_limits(limits)?;
    DynamicImage::from_decoder(decoder)
}

/// On white, as it is seen: what transparency hides is not shown to others.
fn opaque(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let seen: RgbaImage = image.into_rgba8();
    let (width, height) = seen.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let [red, green, blue, alpha] = seen.get_pixel(x, y).0;
        let over_white = |colour: u8| {
            let (colour, alpha) = (u32::from(colour), u32::from(alpha));
            u8::try_from((colour * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        Rgb([over_white(red), over_white(green), over_white(blue)])
    })
}

/// Makes public copies on threads where they hold nobody up, and never more at once than the memory that is set aside for them allows.
#[derive(Debug, Clone)]
pub struct Cleaner {
    memory: Arc<Semaphore>,
}

impl Default for Cleaner {
    fn default() -> Self {
        Self { memory: Arc::new(Semaphore::new(MEMORY_MIB as usize)) }
    }
}

impl Cleaner {
    /// As [`clean`].
    ///
    /// # Errors
    /// Why the photo is not taken.
    pub async fn clean(&self, bytes: Bytes) -> Result<CleanImage, ImageRefusal> {
        let photo = photo::inspect(&bytes)?;
        self.copy(bytes, photo).await
    }

    /// The public copy of a photo that was looked through.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub async fn copy(&self, bytes: Bytes, photo: Photo) -> Result<CleanImage, ImageRefusal> {
        let share = u32::try_from(photo.memory.div_ceil(MIB)).unwrap_or(MEMORY_MIB).clamp(1, MEMORY_MIB);
        // The semaphore is never closed.
        let held = Arc::clone(&self.memory).acquire_many_owned(share).await.map_err(|_| Refusal::Malformed)?;
        let copy = tokio::task::spawn_blocking(move || {
            let copy = render(&bytes, &photo);
            drop(held);
            copy
        });
        // A decoder that panics has met an image that is none.
        copy.await.unwrap_or(Err(Refusal::Malformed))
    }
}

/// What a clerk is told of an image that is not taken.
#[must_use]
pub fn refused(field: &str, refusal: ImageRefusal) -> Fault {
    Fault::field(field, refusal.code(), refusal.to_string(), refusal.zh())
}
