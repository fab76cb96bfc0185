//! Which kind of image some bytes are: by their first bytes, never by what the sender says.

/// A kind of image that is taken as evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
}

impl MediaType {
    /// The kind of these bytes; none when they are no image of a known kind.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }

    /// The media type, for example `image/jpeg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MediaType;

    #[test]
    fn an_image_is_known_by_its_first_bytes() {
        assert_eq!(MediaType::of(b"\xff\xd8\xff\xe0rest"), Some(MediaType::Jpeg));
        assert_eq!(MediaType::of(b"\x89PNG\r\n\x1a\nrest"), Some(MediaType::Png));
        assert_eq!(MediaType::of(b"RIFF\x10\0\0\0WEBPVP8 "), Some(MediaType::WebP));
    }

    #[test]
    fn anything_else_is_no_image() {
        for bytes in [&b""[..], b"RIFF\x10\0\0\0WAVE", b"%PDF-1.7", b"\x89PNG", b"<svg>", b"RIFF", b"GIF89a"] {
            assert_eq!(MediaType::of(bytes), None, "{bytes:?}");
        }
    }
}
