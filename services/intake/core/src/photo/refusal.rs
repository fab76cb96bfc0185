//! Why an image is not taken.

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It begins as none of the kinds that are taken.
    #[error("is no JPEG, PNG or WebP image")]
    NotAnImage,
    /// HEIC, HEIF or AVIF, as some phones keep their photos.
    #[error("is a HEIC, HEIF or AVIF image; send JPEG")]
    Heic,
    /// It ends before its end.
    #[error("is cut off")]
    Truncated,
    /// It breaks the rules of its kind, or cannot be decoded.
    #[error("is a damaged image")]
    Malformed,
    /// Something else follows the image's end: two files in one.
    #[error("has other data after the image's end")]
    TrailingData,
    /// It moves.
    #[error("is an animation")]
    Animated,
    /// More points than are taken.
    #[error("has too many pixels: at most 50 million, 12,000 a side, and 256 MiB when decoded")]
    TooManyPixels,
    /// It claims more points, or more passes over them, than an honest image of its length has.
    #[error("claims more pixels than its bytes can hold")]
    Implausible,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NotAnImage,
        Self::Heic,
        Self::Truncated,
        Self::Malformed,
        Self::TrailingData,
        Self::Animated,
        Self::TooManyPixels,
        Self::Implausible,
    ];

    /// Stable reason for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAnImage => "NOT_AN_IMAGE",
            Self::Heic => "HEIC_NOT_TAKEN",
            Self::Truncated => "IMAGE_TRUNCATED",
            Self::Malformed => "IMAGE_MALFORMED",
            Self::TrailingData => "IMAGE_TRAILING_DATA",
            Self::Animated => "IMAGE_ANIMATED",
            Self::TooManyPixels => "IMAGE_TOO_MANY_PIXELS",
            Self::Implausible => "IMAGE_IMPLAUSIBLE",
        }
    }

    /// For clerks.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::NotAnImage => "不是JPEG、PNG或WebP图片",
            Self::Heic => "不支持HEIC/HEIF/AVIF格式，请在手机相机设置中选择“兼容性最佳（JPEG）”，或转成JPEG后再上传",
            Self::Truncated => "图片不完整，请重新选择并上传",
            Self::Malformed => "图片已损坏，无法打开，请重新拍摄或另选一张",
            Self::TrailingData => "图片末尾附有其他数据（如动态照片），请关闭动态照片后重拍，或截图后上传",
            Self::Animated => "不支持动态图片，请上传静态照片",
            Self::TooManyPixels => "图片尺寸过大，请将像素降到5000万以下、边长12000以内后再上传",
            Self::Implausible => "图片内容与其声明的尺寸不符，请重新拍摄或另选一张",
        }
    }
}
