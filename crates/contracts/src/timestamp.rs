//! `google.protobuf.Timestamp` with the JSON form that the proto3 JSON mapping asks for (a `Z`, and 0, 3, 6 or 9 digits).

use dafei_kernel::time::{EARLIEST, Instant, truncate_micros};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

/// An instant on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds, 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// The value is no instant of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the timestamp is out of range")]
pub struct TimestampError;

impl From<Instant> for Timestamp {
    fn from(at: Instant) -> Self {
        let nanos = at.as_nanosecond();
        let second = 1_000_000_000;
        // Euclidean division: nanos never go below zero, also before 1970.
        Self {
            seconds: i64::try_from(nanos.div_euclid(second)).unwrap_or(i64::MAX),
            nanos: i32::try_from(nanos.rem_euclid(second)).unwrap_or(0),
        }
    }
}

impl TryFrom<Timestamp> for Instant {
    type Error = TimestampError;

    fn try_from(wire: Timestamp) -> Result<Self, TimestampError> {
        if !(0..1_000_000_000).contains(&wire.nanos) {
            return Err(TimestampError);
        }
        let at = Instant::new(wire.seconds, wire.nanos).map(truncate_micros).map_err(|_| TimestampError)?;
        if at < EARLIEST { Err(TimestampError) } else { Ok(at) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = Instant::new(self.seconds, self.nanos).map_err(S::Error::custom)?;
        let text = match self.nanos {
            0 => format!("{at:.0}"),
            n if n % 1_000_000 == 0 => format!("{at:.3}"),
            n if n % 1_000 == 0 => format!("{at:.6}"),
            _ => format!("{at:.9}"),
        };
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: Instant = text.parse().map_err(D::Error::custom)?;
        Ok(at.into())
    }
}
