//! What a camera writes of where, when and which way up: the few fields of EXIF (CIPA DC-008) that are of use. A part that is malformed is
//! left out; nothing here refuses a photo.

use dafei_kernel::{subject::Position, time::Instant};
use jiff::{civil::DateTime, tz::Offset};

use super::bytes::{be16, be32, index, le16, le32};

/// Most entries of a directory that are looked at.
const MAX_ENTRIES: u16 = 512;

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const GPS_DIRECTORY: u16 = 0x8825;
const TAKEN: u16 = 0x9003;
const TAKEN_OFFSET: u16 = 0x9011;
const LATITUDE_REF: u16 = 1;
const LATITUDE: u16 = 2;
const LONGITUDE_REF: u16 = 3;
const LONGITUDE: u16 = 4;

/// What the camera wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exif {
    /// Which way up, 1 to 8 as EXIF counts; none when it is not said.
    pub orientation: Option<u8>,
    /// Where, by the phone's satellite receiver: WGS 84.
    pub position: Option<Position>,
    /// When, by the camera's clock; in the time of China unless it names another.
    pub taken_at: Option<Instant>,
}

/// Reads a TIFF structure.
pub(super) fn read(bytes: &[u8]) -> Exif {
    let Some(tiff) = Tiff::open(bytes) else { return Exif::default() };
    let Some(main) = tiff.offset(4) else { return Exif::default() };
    let below = |tag| tiff.value(main, tag).and_then(|value| tiff.number(value));
    Exif {
        orientation: tiff
            .value(main, ORIENTATION)
            .and_then(|value| tiff.short(value))
            .filter(|way| (1..=8).contains(way)),
        position: below(GPS_DIRECTORY).and_then(|gps| tiff.position(gps)),
        taken_at: below(EXIF_DIRECTORY).and_then(|exif| tiff.taken_at(exif)),
    }
}

struct Tiff<'a> {
    bytes: &'a [u8],
    big_end_first: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II\x2a\0" => Some(Self { bytes, big_end_first: false }),
            b"MM\0\x2a" => Some(Self { bytes, big_end_first: true }),
            _ => None,
        }
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        if self.big_end_first { be16(bytes, at) } else { le16(bytes, at) }
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        if self.big_end_first { be32(bytes, at) } else { le32(bytes, at) }
    }

    fn offset(&self, at: usize) -> Option<usize> {
        self.u32(self.bytes, at).map(index)
    }

    /// The value of a directory's entry.
    fn value(&self, directory: usize, tag: u16) -> Option<&'a [u8]> {
        let entries = self.u16(self.bytes, directory)?.min(MAX_ENTRIES);
        let entry = (0..entries)
            .filter_map(|number| directory.checked_add(2 + 12 * usize::from(number)))
            .find(|entry| self.u16(self.bytes, *entry) == Some(tag))?;
        let size = match self.u16(self.bytes, entry + 2)? {
            1 | 2 | 7 => 1,
            3 => 2,
            4 => 4,
            5 | 10 => 8,
            _ => return None,
        };
        let length = self.offset(entry + 4)?.checked_mul(size)?;
        let start = if length <= 4 { entry + 8 } else { self.offset(entry + 8)? };
        self.bytes.get(start..start.checked_add(length)?)
    }

    fn number(&self, value: &[u8]) -> Option<usize> {
        self.u32(value, 0).map(index)
    }

    fn short(&self, value: &[u8]) -> Option<u8> {
        u8::try_from(self.u16(value, 0)?).ok()
    }

    fn position(&self, gps: usize) -> Option<Position> {
        let latitude = self.angle(gps, LATITUDE)? * self.sign(gps, LATITUDE_REF, b'N', b'S')?;
        let longitude = self.angle(gps, LONGITUDE)? * self.sign(gps, LONGITUDE_REF, b'E', b'W')?;
        // A phone without a fix writes zeros.
        let fixed = latitude != 0 || longitude != 0;
        Position::new(i32::try_from(latitude).ok()?, i32::try_from(longitude).ok()?).ok().filter(|_| fixed)
    }

    fn sign(&self, gps: usize, tag: u16, plus: u8, minus: u8) -> Option<i64> {
        match *self.value(gps, tag)?.first()? {
            letter if letter == plus => Some(1),
            letter if letter == minus => Some(-1),
            _ => None,
        }
    }

    /// Degrees, minutes and seconds as 1e-7 degrees.
    fn angle(&self, gps: usize, tag: u16) -> Option<i64> {
        let value = self.value(gps, tag)?;
        let part = |number: usize, per_degree: i128| -> Option<i128> {
            let over = i128::from(self.u32(value, 8 * number)?) * 1_000_000_000;
            let under = i128::from(self.u32(value, 8 * number + 4)?) * per_degree;
            // Phones write a part that is nothing as 0/0.
            if over == 0 { Some(0) } else { over.checked_div(under) }
        };
        // Two digits more than are kept, then rounded.
        i64::try_from((part(0, 1)? + part(1, 60)? + part(2, 3_600)? + 50) / 100).ok()
    }

    fn taken_at(&self, exif: usize) -> Option<Instant> {
        let text = |tag| self.value(exif, tag).and_then(|value| std::str::from_utf8(value).ok());
        let taken = DateTime::strptime("%Y:%m:%d %H:%M:%S", text(TAKEN)?.trim_end_matches('\0')).ok()?;
        let offset = text(TAKEN_OFFSET).and_then(|text| offset(text.trim_end_matches('\0')));
        offset.unwrap_or(Offset::constant(8)).to_timestamp(taken).ok()
    }
}

/// An offset from UTC, `+08:00`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let minutes = hours.parse::<i32>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    Offset::from_seconds(minutes.checked_mul(60)?.checked_mul(sign)?).ok()
}
