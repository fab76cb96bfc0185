//! The reference images: made here, byte by byte where no encoder would make them.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

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
