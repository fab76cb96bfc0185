//! Distances on the earth: between notices (clause D5), and between reports that may be about one den (clause A3).

use crate::subject::Position;

/// Mean radius of the earth (WGS 84), in metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Metres of a degree along a meridian of that sphere.
const METRES_PER_DEGREE: f64 = EARTH_RADIUS_M * std::f64::consts::PI / 180.0;

const MAX_LAT_E7: f64 = 900_000_000.0;
const MAX_LON_E7: f64 = 1_800_000_000.0;

/// Great-circle distance in metres, by the haversine formula on a sphere of [`EARTH_RADIUS_M`]; within 0.6 % of the ellipsoid's.
#[must_use]
pub fn distance_m(a: Position, b: Position) -> f64 {
    let radians = |e7: i32| (f64::from(e7) / 1e7).to_radians();
    let (lat_a, lat_b) = (radians(a.lat_e7()), radians(b.lat_e7()));
    let half_lat = (lat_b - lat_a) / 2.0;
    let half_lon = (radians(b.lon_e7()) - radians(a.lon_e7())) / 2.0;
    let h = half_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}

/// A box of latitudes and longitudes, bounds included: what an index looks for before the true distance is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundingBox {
    /// Lowest latitude in 1e-7 degrees.
    pub min_lat_e7: i32,
    /// Highest latitude in 1e-7 degrees.
    pub max_lat_e7: i32,
    /// Lowest longitude in 1e-7 degrees.
    pub min_lon_e7: i32,
    /// Highest longitude in 1e-7 degrees.
    pub max_lon_e7: i32,
}

impl BoundingBox {
    /// A box that holds every point within `metres` (0 or more) of the centre. Near a pole, or where it would cross the antimeridian, it
    /// takes all longitudes: too wide is slow, too narrow would miss a point.
    #[must_use]
    pub fn around(centre: Position, metres: f64) -> Self {
        // A hair more than the radius, so that rounding leaves no point at its very edge outside.
        let degrees = (metres.max(0.0) + 0.1) / METRES_PER_DEGREE;
        let lat = f64::from(centre.lat_e7());
        let (south, north) = (degrees.mul_add(-1e7, lat), degrees.mul_add(1e7, lat));
        let (west, east) = longitudes(centre, degrees, south, north);
        Self {
            min_lat_e7: whole(south.floor().max(-MAX_LAT_E7)),
            max_lat_e7: whole(north.ceil().min(MAX_LAT_E7)),
            min_lon_e7: whole(west.floor()),
            max_lon_e7: whole(east.ceil()),
        }
    }

    /// Whether the point is in it.
    #[must_use]
    pub const fn contains(&self, point: Position) -> bool {
        self.min_lat_e7 <= point.lat_e7()
            && point.lat_e7() <= self.max_lat_e7
            && self.min_lon_e7 <= point.lon_e7()
            && point.lon_e7() <= self.max_lon_e7
    }
}

/// The meridians that a circle touches: `asin(sin r / cos lat)` to each side; all when it holds a pole or crosses the antimeridian.
fn longitudes(centre: Position, degrees: f64, south: f64, north: f64) -> (f64, f64) {
    let all = (-MAX_LON_E7, MAX_LON_E7);
    if south <= -MAX_LAT_E7 || north >= MAX_LAT_E7 {
        return all;
    }
    let cos_lat = (f64::from(centre.lat_e7()) / 1e7).to_radians().cos();
    let half = (degrees.to_radians().sin() / cos_lat).min(1.0).asin().to_degrees();
    let lon = f64::from(centre.lon_e7());
    let (west, east) = (half.mul_add(-1e7, lon), half.mul_add(1e7, lon));
    if west < -MAX_LON_E7 || east > MAX_LON_E7 { all } else { (west, east) }
}

/// A whole number that was kept within the bounds of a coordinate, which an `i32` holds.
const fn whole(e7: f64) -> i32 {
    e7 as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BoundingBox, distance_m};
    use crate::subject::Position;

    fn at(lat_e7: i32, lon_e7: i32) -> Position {
        Position::new(lat_e7, lon_e7).expect("on earth")
    }

    #[test]
    fn a_degree_of_latitude_is_about_111_kilometres() {
        let (south, north) = (at(350_000_000, 1_183_000_000), at(360_000_000, 1_183_000_000));
        assert!((distance_m(south, north) - 111_195.0).abs() < 1.0);
        assert!(distance_m(south, south).abs() < 1e-6);
    }

    #[test]
    fn a_degree_of_longitude_shrinks_with_the_cosine_of_the_latitude() {
        let equator = distance_m(at(0, 0), at(0, 10_000_000));
        let linyi = distance_m(at(350_000_000, 1_180_000_000), at(350_000_000, 1_190_000_000));
        assert!((linyi / equator - 35.0_f64.to_radians().cos()).abs() < 1e-4);
    }

    #[test]
    fn the_antimeridian_is_no_wall() {
        let (west, east) = (at(0, 1_799_999_000), at(0, -1_799_999_000));
        assert!(distance_m(west, east) < 30.0);
        assert!(BoundingBox::around(west, 30.0).contains(east));
    }

    #[test]
    fn a_box_around_a_pole_takes_all_longitudes_and_a_small_one_elsewhere_stays_small() {
        assert!(BoundingBox::around(at(899_999_000, 0), 1_000.0).contains(at(899_999_000, 1_800_000_000)));
        let small = BoundingBox::around(at(350_000_000, 1_183_000_000), 200.0);
        assert!(!small.contains(at(350_030_000, 1_183_000_000)) && !small.contains(at(350_000_000, 1_183_040_000)));
    }

    fn position() -> impl Strategy<Value = Position> {
        (-900_000_000..=900_000_000, -1_800_000_000..=1_800_000_000).prop_map(|(lat, lon)| at(lat, lon))
    }

    proptest! {
        #[test]
        fn a_distance_is_the_same_both_ways_and_never_beyond_the_antipodes(a in position(), b in position()) {
            let there = distance_m(a, b);
            prop_assert!((0.0..20_015_200.0).contains(&there));
            prop_assert!((there - distance_m(b, a)).abs() < 1e-3);
        }

        #[test]
        fn a_way_over_a_third_point_is_never_shorter(a in position(), b in position(), c in position()) {
            prop_assert!(distance_m(a, b) <= distance_m(a, c) + distance_m(c, b) + 1e-2);
        }

        #[test]
        fn the_box_holds_every_point_within_its_radius(
            centre in position(),
            lat in -4_000_000..4_000_000_i32,
            lon in -40_000_000..40_000_000_i32,
            slack in 0.0..100.0_f64,
        ) {
            let other = at(
                (centre.lat_e7() + lat).clamp(-900_000_000, 900_000_000),
                (centre.lon_e7() + lon).clamp(-1_800_000_000, 1_800_000_000),
            );
            prop_assert!(BoundingBox::around(centre, distance_m(centre, other) + slack).contains(other));
        }

        #[test]
        fn what_is_outside_of_the_box_is_farther_than_its_radius(a in position(), b in position(), metres in 0.0..2e6_f64) {
            prop_assert!(BoundingBox::around(a, metres).contains(b) || distance_m(a, b) > metres);
        }
    }
}
