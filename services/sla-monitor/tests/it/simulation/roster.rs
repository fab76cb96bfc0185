//! Who is in the roster, and who holds its posts.

use dafei_contracts::events::v1 as ev;
use uuid::Uuid;

use super::{
    Micros, SECOND,
    city::{AGENCIES, Place},
    tell::{instant, stamp},
};
use crate::events::{self, CITY, COUNTY, OTHER_COUNTY, TOWNSHIP, Told, wire_post, wire_region};

/// Whether a unit is one of those that every test's world has; here they leave the roster before anything is owed.
pub(crate) fn is_of_the_world(unit: &str) -> bool {
    [COUNTY, OTHER_COUNTY].iter().any(|county| unit.contains(county.trim_start_matches("county")))
}

fn gone(entered: Micros) -> Vec<Told> {
    let at = instant(entered + SECOND).to_string();
    let part = |number, region: &str, path: &str| events::snapshot((number, 2), region, path, &at, vec![], vec![]);
    let county = format!("{CITY}/{COUNTY}");
    vec![
        part(4, TOWNSHIP, &format!("{county}/{TOWNSHIP}")),
        part(3, OTHER_COUNTY, &format!("{CITY}/{OTHER_COUNTY}")),
        part(2, COUNTY, &county),
    ]
}

/// Snapshots of the city and of the counties and townships of these places, with holders who change once.
pub(crate) fn roster(places: &[Place], since: Micros, entered: Micros) -> Vec<Told> {
    let city = ev::RosterRegion { parent: None, ..entry(CITY, CITY) };
    let posts = std::iter::once(format!("city-office@{CITY}"))
        .chain(AGENCIES.map(|agency| format!("city-department@{CITY}/{agency}")));
    let mut told = gone(entered);
    told.push(snapshot(CITY, CITY, vec![city], holders(&places[0], posts, since), entered));
    let mut villages = places.iter().peekable();
    let mut last_county = String::new();
    while let Some(place) = villages.next() {
        let (county, township) = (place.at("county"), place.at("township"));
        if last_county != county {
            county.clone_into(&mut last_county);
            let posts = std::iter::once(format!("county-office@{county}"))
                .chain(AGENCIES.map(|agency| format!("county-department@{county}/{agency}")));
            let regions = vec![entry(county, CITY)];
            told.push(snapshot(county, &format!("{CITY}/{county}"), regions, holders(place, posts, since), entered));
        }
        let mut regions = vec![entry(township, county), entry(place.at("village"), township)];
        let of_village = |place: &Place| {
            ["grid-member", "village-secretary"].map(|role| format!("{role}@{}", place.at("village"))).to_vec()
        };
        let mut posts = vec![format!("township-centre@{township}")];
        posts.extend(AGENCIES.map(|agency| format!("township-agency@{township}/{agency}")));
        posts.extend(of_village(place));
        while let Some(more) = villages.next_if(|next| next.at("township") == township) {
            regions.push(entry(more.at("village"), township));
            posts.extend(of_village(more));
        }
        let path = format!("{CITY}/{county}/{township}");
        told.push(snapshot(township, &path, regions, holders(place, posts.into_iter(), since), entered));
    }
    told
}

fn entry(region: &str, parent: &str) -> ev::RosterRegion {
    ev::RosterRegion {
        region: Some(wire_region(region)),
        name: region.to_owned(),
        parent: Some(wire_region(parent)),
        work_area: String::new(),
        households: 0,
    }
}

fn holders(place: &Place, posts: impl Iterator<Item = String>, since: Micros) -> Vec<ev::RosterHolder> {
    let holder = |post: &str, person: &str, from: Micros, until: Option<Micros>| {
        let (role, rest) = post.split_once('@').unwrap();
        let (region, agency) = rest.split_once('/').unwrap_or((rest, ""));
        ev::RosterHolder {
            post: Some(wire_post(role, region, agency)),
            person: format!("{post}{person}"),
            valid_from: stamp(from),
            valid_until: until.and_then(stamp),
        }
    };
    let both = |post: String| [holder(&post, "甲", since, Some(place.change)), holder(&post, "乙", place.change, None)];
    let of_city = |post: &str| post.contains("@city:");
    // The city's never change.
    posts
        .flat_map(|post| if of_city(&post) { vec![holder(&post, "甲", since, None)] } else { both(post).to_vec() })
        .collect()
}

fn snapshot(
    region: &str,
    path: &str,
    regions: Vec<ev::RosterRegion>,
    holders: Vec<ev::RosterHolder>,
    entered: Micros,
) -> Told {
    let code: u128 = region.split_once(':').unwrap().1.parse().unwrap();
    let aggregate = Uuid::from_u128(code);
    let event = ev::RosterSnapshot {
        meta: Some(ev::EventMeta {
            aggregate_id: aggregate.to_string(),
            sequence: 1,
            region_path: path.to_owned(),
            received_at: stamp(entered),
            ..Default::default()
        }),
        region: Some(wire_region(region)),
        regions,
        holders,
        enterprises: vec![],
    };
    Told { service: "intake", aggregate, sequence: 1, event: event.into() }
}
