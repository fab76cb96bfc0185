//! The catalogue of figures: data.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::{Deserialize, Serialize};

use dafei_kernel::region::Level;

/// The catalogue that is shipped.
const BUILTIN: &str = include_str!("../../../../../data/assessment/default.json");

/// What is assessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grain {
    /// Counties.
    County,
    /// Townships.
    Township,
}

impl Grain {
    /// Both.
    pub const ALL: [Self; 2] = [Self::County, Self::Township];

    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::County => "county",
            Self::Township => "township",
        }
    }

    /// The level of its regions.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::County => Level::County,
            Self::Township => Level::Township,
        }
    }

    /// The level of the regions whose parts are listed by it.
    #[must_use]
    pub const fn above(self) -> Level {
        match self {
            Self::County => Level::City,
            Self::Township => Level::County,
        }
    }
}

/// What a figure is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// What was done, by the codes of the counted deeds.
    Deeds {
        /// What is counted.
        numerator: Vec<String>,
        /// What stands beside it in the denominator.
        beside: Vec<String>,
    },
    /// Weekly patrols of villages.
    Patrols,
    /// Villages' reward notices.
    Notices,
    /// Cases and those that have ended.
    Cases,
    /// Monthly tables.
    Filings,
    /// The city's spot checks.
    SpotChecks,
    /// The quarterly evaluation.
    Evaluation,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// Stable code.
    pub code: String,
    /// Name in Chinese.
    pub name: String,
    /// What is counted.
    pub numerator: String,
    /// Of what.
    pub denominator: String,
    /// Where it applies.
    pub grains: Vec<Grain>,
    /// Points of 100.
    pub weight: u32,
    /// What it is made of.
    pub from: From,
}

/// The catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Label of the text.
    pub version: String,
    /// The figures, in their order.
    pub figures: Vec<Figure>,
}

static SHIPPED: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(BUILTIN).expect("the shipped catalogue is sound"));

impl Catalogue {
    /// The one that is shipped; a test has read it.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let catalogue: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        catalogue.flaw().map_or(Ok(catalogue), Err)
    }

    /// The figures of a grain, in their order.
    pub fn of(&self, grain: Grain) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| figure.grains.contains(&grain))
    }

    /// The deeds that its figures are made of.
    #[must_use]
    pub fn deeds(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.figures.iter().flat_map(Figure::deeds).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The first thing that is wrong: weights of a grain that do not add up to 100, a code that stands twice, a figure without a name, grain, weight
    /// or deeds.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        if self.version.is_empty() || self.version.chars().count() > 40 {
            return Some("version has 1 to 40 characters".to_owned());
        }
        let mut known = BTreeSet::new();
        for figure in &self.figures {
            let code = &figure.code;
            if code.is_empty() || !known.insert(code) {
                return Some(format!("{code:?} is empty or stands twice"));
            }
            if figure.name.is_empty() || figure.numerator.is_empty() || figure.denominator.is_empty() {
                return Some(format!("{code} says not what it counts"));
            }
            if figure.grains.is_empty() || figure.weight == 0 {
                return Some(format!("{code} counts nowhere"));
            }
            if matches!(&figure.from, From::Deeds { numerator, .. } if numerator.is_empty()) {
                return Some(format!("{code} counts no deed"));
            }
        }
        Grain::ALL.into_iter().find_map(|grain| {
            let sum: u32 = self.of(grain).map(|figure| figure.weight).sum();
            (sum != 100).then(|| format!("the weights of a {} add up to {sum}", grain.code()))
        })
    }
}

impl Figure {
    fn deeds(&self) -> impl Iterator<Item = &str> {
        let (numerator, beside): (&[String], &[String]) = match &self.from {
            From::Deeds { numerator, beside } => (numerator, beside),
            _ => (&[], &[]),
        };
        numerator.iter().chain(beside).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalogue, From, Grain};

    #[test]
    fn the_shipped_catalogue_is_sound_and_has_all_sources() {
        let shipped = Catalogue::shipped();
        assert_eq!(shipped.flaw(), None);
        for grain in Grain::ALL {
            assert_eq!(shipped.of(grain).map(|figure| figure.weight).sum::<u32>(), 100, "{}", grain.code());
        }
        let has = |from: &From| shipped.figures.iter().any(|figure| figure.from == *from);
        for from in [From::Patrols, From::Notices, From::Cases, From::Filings, From::SpotChecks, From::Evaluation] {
            assert!(has(&from), "{from:?}");
        }
        assert_eq!(shipped.deeds().len(), 24);
    }

    #[test]
    fn on_time_rates_are_of_every_clock_of_the_monitor_s_rules() {
        let rules = include_str!("../../../../../data/clocks/default.json");
        let (clocks, _) = rules.split_once("\"duties\"").expect("the rules have duties");
        let clocks: Vec<&str> =
            clocks.split("\"clock\": \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(clocks.len(), 12);
        let deeds = Catalogue::shipped().deeds();
        for clock in clocks {
            for end in ["in-time", "breached"] {
                let deed = format!("clock:{clock}:{end}");
                assert!(deeds.contains(&deed.as_str()), "{deed}");
            }
        }
    }

    #[test]
    fn a_catalogue_with_a_hole_is_refused_and_says_where() {
        let broken = |change: fn(&mut Catalogue)| {
            let mut catalogue = Catalogue::shipped().clone();
            change(&mut catalogue);
            catalogue.flaw().expect("a flaw")
        };
        assert_eq!(broken(|all| all.figures[3].weight = 16), "the weights of a township add up to 101");
        assert_eq!(
            broken(|all| all.figures[1].code = "on-time-village".to_owned()),
            "\"on-time-village\" is empty or stands twice"
        );
        assert_eq!(broken(|all| all.figures[0].name.clear()), "on-time-village says not what it counts");
        assert_eq!(broken(|all| all.figures[0].grains.clear()), "on-time-village counts nowhere");
        let no_deeds = |all: &mut Catalogue| all.figures[0].from = From::Deeds { numerator: vec![], beside: vec![] };
        assert_eq!(broken(no_deeds), "on-time-village counts no deed");
        assert!(Catalogue::parse("[]").is_err());
    }
}
