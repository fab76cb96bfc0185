//! The rules of all times and counties: an obligation goes by those in force where and when it starts, so that it is the same whenever its
//! facts, or a new version, become known.

use std::collections::BTreeMap;

use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};

use crate::{
    fact::Fact,
    rules::{CountyRules, Rules},
};

/// A version of rules in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<T> {
    /// 1, 2, 3 …: from its instant on, it holds before all with a lower one.
    pub revision: i64,
    /// From when it is in force. The first version of the city holds for what is older, too.
    pub from: Instant,
    /// The rules.
    pub rules: T,
}

/// Rules by when they begin to be in force, earliest first; each until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Timeline<T>(Vec<(Instant, T)>);

impl<T> Timeline<T> {
    fn new(mut versions: Vec<Version<T>>) -> Self {
        versions.sort_by_key(|version| (version.from, version.revision));
        let mut line: Vec<(Instant, T)> = Vec::with_capacity(versions.len());
        let mut newest = i64::MIN;
        for version in versions {
            // One that a later replacement has overtaken before it came in force never is.
            if version.revision > newest {
                newest = version.revision;
                if line.last().is_some_and(|(from, _)| *from == version.from) {
                    line.pop();
                }
                line.push((version.from, version.rules));
            }
        }
        Self(line)
    }

    fn at(&self, at: Instant) -> Option<&T> {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        self.0.get(after.checked_sub(1)?).map(|(_, rules)| rules)
    }
}

/// The rules of all times and counties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    city: Timeline<Rules>,
    /// What counties have set themselves.
    own: BTreeMap<Region, Timeline<CountyRules>>,
    /// The city's rules with it in place.
    counties: BTreeMap<Region, Timeline<Rules>>,
}

impl Terms {
    /// Puts versions in their places, in whatever order they are given; none without any of the city.
    #[must_use]
    pub fn new(mut city: Vec<Version<Rules>>, counties: BTreeMap<Region, Vec<Version<CountyRules>>>) -> Option<Self> {
        let first = city.iter_mut().min_by_key(|version| version.revision)?;
        first.from = Instant::MIN;
        let own = counties.into_iter().map(|(county, own)| (county, Timeline::new(own))).collect();
        Some(Self::of(Timeline::new(city), own))
    }

    fn of(city: Timeline<Rules>, own: BTreeMap<Region, Timeline<CountyRules>>) -> Self {
        let counties = own.iter().map(|(county, own)| (county.clone(), merge(&city, own))).collect();
        Self { city, own, counties }
    }

    /// The same rules always and everywhere.
    #[must_use]
    pub fn always(rules: Rules) -> Self {
        Self::of(Timeline(vec![(Instant::MIN, rules)]), BTreeMap::new())
    }

    /// As if the city's rules had always been these.
    #[must_use]
    pub fn with_city(&self, rules: Rules) -> Self {
        Self::of(Timeline(vec![(Instant::MIN, rules)]), self.own.clone())
    }

    /// As if a county's own had always been these.
    #[must_use]
    pub fn with_county(&self, county: Region, rules: CountyRules) -> Self {
        let mut own = self.own.clone();
        own.insert(county, Timeline(vec![(Instant::MIN, rules)]));
        Self::of(self.city.clone(), own)
    }

    /// The rules that are shipped with the suite.
    #[must_use]
    pub fn builtin() -> Self {
        Self::always(Rules::builtin())
    }

    /// The rules in force at an instant in a county; the city's where none is named.
    ///
    /// # Panics
    /// Never: there is a version of the city from the beginning of time.
    #[must_use]
    pub fn at(&self, county: Option<&Region>, at: Instant) -> &Rules {
        let line = county.and_then(|county| self.counties.get(county)).unwrap_or(&self.city);
        line.at(at).expect("the first version of the city holds from the beginning of time")
    }

    /// The city's rules in force at an instant and all that come after them, each with its first instant and the first that is no longer its.
    pub fn city_since(&self, since: Instant) -> impl Iterator<Item = (Instant, Instant, &Rules)> {
        let line = &self.city.0;
        let ends = line.iter().skip(1).map(|(from, _)| *from).chain([Instant::MAX]);
        line.iter()
            .zip(ends)
            .filter(move |(_, until)| *until > since)
            .map(|((from, rules), until)| (*from, until, rules))
    }

    /// The rules by which a clock runs that a fact starts.
    #[must_use]
    pub fn for_start(&self, fact: &Fact) -> &Rules {
        self.at(fact.path.at(Level::County), fact.starts_at())
    }
}

/// The city's rules with the county's own in place, wherever one of them changes.
fn merge(city: &Timeline<Rules>, own: &Timeline<CountyRules>) -> Timeline<Rules> {
    let mut changes: Vec<Instant> =
        city.0.iter().map(|(from, _)| *from).chain(own.0.iter().map(|(from, _)| *from)).collect();
    changes.sort_unstable();
    changes.dedup();
    let of = |at: Instant| {
        let city = city.at(at)?;
        Some((at, own.at(at).map_or_else(|| city.clone(), |own| own.over(city))))
    };
    Timeline(changes.into_iter().filter_map(of).collect())
}
