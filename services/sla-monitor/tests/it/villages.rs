//! What villages do, as intake tells it, and a roster that changes.

use dafei_contracts::{Event, events::v1 as ev};
use uuid::Uuid;

use crate::events::{COUNTY, PATH, TOWNSHIP, Told, VILLAGE, snapshot, stamp, wire_post, wire_region};

/// A village with its books, whose events are told one after the other.
pub(crate) struct Village {
    region: String,
    path: String,
    patrols: i64,
    publicity: i64,
}

impl Village {
    /// The village of the roster that all stories have.
    pub(crate) fn known() -> Self {
        Self::at(VILLAGE, PATH)
    }

    pub(crate) fn at(region: &str, path: &str) -> Self {
        Self { region: region.to_owned(), path: path.to_owned(), patrols: 0, publicity: 0 }
    }

    fn told(&mut self, patrols: bool, event: impl Into<Event>) -> Told {
        let code: u128 = self.region.rsplit(':').next().unwrap().parse().unwrap();
        let (aggregate, sequence) = if patrols {
            self.patrols += 1;
            (Uuid::from_u128(code), self.patrols)
        } else {
            self.publicity += 1;
            (Uuid::from_u128(code + (1 << 100)), self.publicity)
        };
        let mut event: Event = event.into();
        event.set_meta(ev::EventMeta {
            aggregate_id: aggregate.to_string(),
            sequence,
            region_path: self.path.clone(),
            // Reception counts for nothing here.
            received_at: stamp("2026-11-23T00:00:00+08:00"),
            ..Default::default()
        });
        Told { service: "intake", aggregate, sequence, event }
    }

    /// Patrols of one upload; those marked with `-` are checks of the work area's secretary, which do not count.
    pub(crate) fn patrolled(&mut self, when: &[&str]) -> Told {
        let patrols = when.iter().map(|when| ev::PatrolItem {
            patrolled_at: stamp(when.trim_start_matches('-')),
            counts: !when.starts_with('-'),
            ..Default::default()
        });
        let event = ev::PatrolsRecorded {
            village: Some(wire_region(&self.region)),
            patrols: patrols.collect(),
            ..Default::default()
        };
        self.told(true, event)
    }

    pub(crate) fn broadcast(&mut self, when: &str) -> Told {
        let village = Some(wire_region(&self.region));
        self.told(false, ev::BroadcastMade { village, made_at: stamp(when), ..Default::default() })
    }

    /// A notice was posted; so many places are valid then, of which so many pairs are too close.
    pub(crate) fn posted(&mut self, when: &str, valid_places: u32, close_pairs: u32) -> Told {
        let standing = Some(ev::NoticeStanding { valid_places, close_pairs, required: 10 });
        let village = Some(wire_region(&self.region));
        self.told(false, ev::NoticePosted { village, posted_at: stamp(when), standing, ..Default::default() })
    }

    pub(crate) fn removed(&mut self, when: &str, valid_places: u32) -> Told {
        let standing = Some(ev::NoticeStanding { valid_places, close_pairs: 0, required: 10 });
        let village = Some(wire_region(&self.region));
        self.told(false, ev::NoticeRemoved { village, removed_at: stamp(when), standing, ..Default::default() })
    }
}

/// A region of a snapshot.
pub(crate) fn entry(region: &str, parent: &str) -> ev::RosterRegion {
    ev::RosterRegion {
        region: Some(wire_region(region)),
        name: region.to_owned(),
        parent: Some(wire_region(parent)),
        work_area: String::new(),
        households: 0,
    }
}

pub(crate) fn secretary(village: &str, person: &str, from: &str, until: Option<&str>) -> ev::RosterHolder {
    ev::RosterHolder {
        post: Some(wire_post("village-secretary", village, "")),
        person: person.to_owned(),
        valid_from: stamp(from),
        valid_until: until.and_then(stamp),
    }
}

/// The township's next snapshot, with these villages.
pub(crate) fn township(sequence: i64, received: &str, villages: &[&str], holders: Vec<ev::RosterHolder>) -> Told {
    let mut regions = vec![entry(TOWNSHIP, COUNTY)];
    regions.extend(villages.iter().map(|village| entry(village, TOWNSHIP)));
    let path = format!("city:371300/{COUNTY}/{TOWNSHIP}");
    snapshot((4, sequence), TOWNSHIP, &path, received, regions, holders)
}
