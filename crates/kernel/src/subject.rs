//! What a case is about: a lawful enterprise or an illegal den (clause A3).

use serde::{Deserialize, Serialize};

use crate::{agency::Agency, credit_code::CreditCode, industry::Industry};

/// The subject of a case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Subject {
    /// 合法生产经营单位. Its case needs no persuasion and ends at its regulator (clause A4).
    Enterprise {
        /// Its credit code.
        credit_code: CreditCode,
        /// Its name.
        name: String,
        /// The agency that regulates it, where the roster knows.
        regulator: Option<Agency>,
        /// Its industry.
        industry: Industry,
    },
    /// 非法窝点: known by its place.
    Den {
        /// Where it is, in words.
        place: String,
        /// Where it is, on the map.
        position: Option<Position>,
        /// The industry that it belongs to: river sand to water-works, a parcel to postal-express. A den stored without one is general.
        #[serde(default)]
        industry: Industry,
    },
}

impl Subject {
    /// Whether it is an enterprise.
    #[must_use]
    pub const fn is_enterprise(&self) -> bool {
        matches!(self, Self::Enterprise { .. })
    }

    /// Its industry.
    #[must_use]
    pub const fn industry(&self) -> Industry {
        match self {
            Self::Enterprise { industry, .. } | Self::Den { industry, .. } => *industry,
        }
    }
}

/// A point on the earth, WGS 84, in 1e-7 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Degrees")]
pub struct Position {
    lat_e7: i32,
    lon_e7: i32,
}

/// A position as it is written, before its range is checked.
#[derive(Deserialize)]
struct Degrees {
    lat_e7: i32,
    lon_e7: i32,
}

impl TryFrom<Degrees> for Position {
    type Error = PositionError;

    fn try_from(degrees: Degrees) -> Result<Self, PositionError> {
        Self::new(degrees.lat_e7, degrees.lon_e7)
    }
}

/// The numbers are no point on the earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("latitude is -90 to 90 degrees, longitude -180 to 180")]
pub struct PositionError;

impl Position {
    /// A point.
    ///
    /// # Errors
    /// When latitude or longitude is out of range.
    pub const fn new(lat_e7: i32, lon_e7: i32) -> Result<Self, PositionError> {
        if lat_e7.unsigned_abs() <= 900_000_000 && lon_e7.unsigned_abs() <= 1_800_000_000 {
            Ok(Self { lat_e7, lon_e7 })
        } else {
            Err(PositionError)
        }
    }

    /// Latitude in 1e-7 degrees.
    #[must_use]
    pub const fn lat_e7(&self) -> i32 {
        self.lat_e7
    }

    /// Longitude in 1e-7 degrees.
    #[must_use]
    pub const fn lon_e7(&self) -> i32 {
        self.lon_e7
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize as _, de::value::MapDeserializer};

    use super::Position;

    #[test]
    fn a_stored_position_off_the_earth_is_refused_when_read() {
        let read = |lat: i32, lon: i32| {
            let fields = [("lat_e7", lat), ("lon_e7", lon)].into_iter();
            Position::deserialize(MapDeserializer::<_, serde::de::value::Error>::new(fields))
        };
        assert!(read(0, 1_800_000_001).is_err());
        assert!(read(i32::MIN, 0).is_err());
        let corner = Position::new(-900_000_000, 1_800_000_000).expect("on earth");
        assert_eq!(read(-900_000_000, 1_800_000_000), Ok(corner));
    }
}
