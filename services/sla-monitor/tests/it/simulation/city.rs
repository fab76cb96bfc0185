//! What stories are made of: places, turns, acts. A story is told in the order of its acts; what a service hears late counts at the instant at
//! which it happened.

use uuid::Uuid;

use super::Micros;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Township,
    County,
    City,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) number: u32,
    pub(crate) tier: Tier,
    pub(crate) agency: &'static str,
    pub(crate) lead: bool,
    pub(crate) leg: u32,
}

impl Work {
    pub(crate) fn post(&self, place: &Place) -> String {
        let agency = self.agency;
        match self.tier {
            Tier::Township => format!("township-agency@{}/{agency}", place.at("township")),
            Tier::County => format!("county-department@{}/{agency}", place.at("county")),
            Tier::City => format!("city-department@{}/{agency}", place.at("city")),
        }
    }
}

/// How an instruction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Delivered,
    Assumed,
    OwnFinding,
    Rework,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Closed,
    Merged,
    Withdrawn,
}

/// What happens in a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    Found,
    Notified,
    Persuaded {
        heeded: bool,
    },
    Revisited {
        stopped: bool,
    },
    /// Persuasion proved false.
    GoesOn,
    ReportedUp,
    Withdrawn,
    MergedAway,
    /// Moves no clock.
    Helped,
    Published,
    Opened {
        tier: Tier,
        own: bool,
    },
    AgencyInstructed,
    Delivered {
        work: Work,
        how: How,
    },
    Result {
        work: Work,
    },
    Declined {
        work: Work,
    },
    Escalated,
    DepartmentInstructed {
        works: Vec<Work>,
    },
    Responded {
        work: Work,
    },
    Returned {
        work: Work,
    },
    Rework {
        rejected: Work,
        work: Work,
    },
    Extension {
        work: Work,
        granted: bool,
        days: i64,
        asked: Micros,
    },
    FedBack {
        leg: u32,
        tier: Tier,
    },
    Outcome {
        village: bool,
    },
    Closed {
        how: Closing,
        tier: Tier,
    },
    TakenUpAgain {
        tier: Tier,
    },
}

impl Turn {
    /// Whether intake tells it.
    pub(crate) const fn is_villages(&self) -> bool {
        matches!(
            self,
            Self::Found
                | Self::Notified
                | Self::Persuaded { .. }
                | Self::Revisited { .. }
                | Self::GoesOn
                | Self::ReportedUp
                | Self::Withdrawn
                | Self::MergedAway
                | Self::Helped
                | Self::Published
        )
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// When it happened.
    pub(crate) at: Micros,
    /// When its service recorded it.
    pub(crate) told: Micros,
    pub(crate) turn: Turn,
    /// Of a co-handler's leg, beside the main course.
    pub(crate) beside: Option<u32>,
}

/// Where a case is, from the city down.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// When all posts of its county change hands.
    pub(crate) change: Micros,
}

impl Place {
    /// The region of a level.
    pub(crate) fn at(&self, level: &str) -> &str {
        self.path.split('/').find(|region| region.split(':').next() == Some(level)).unwrap()
    }

    pub(crate) fn has(&self, level: &str) -> bool {
        self.path.contains(&format!("/{level}:"))
    }

    /// The same place seen from a higher level.
    pub(crate) fn up_to(&self, level: &str) -> Self {
        let end = self.path.find(self.at(level)).unwrap() + self.at(level).len();
        Self { path: self.path[..end].to_owned(), change: self.change }
    }

    /// A post with its holder of an instant. Those of the city's posts never change.
    pub(crate) fn held(&self, post: &str, at: Micros) -> String {
        let person = if at < self.change || post.contains("@city:") { "甲" } else { "乙" };
        format!("{post} {post}{person}")
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) case: Uuid,
    pub(crate) place: Place,
    pub(crate) acts: Vec<Act>,
}

/// The agencies that have something to do here.
pub(crate) const AGENCIES: [&str; 4] = ["emergency-management", "fire-rescue", "transport", "energy"];

/// The villages of counties, two townships each with two villages, by the instants at which their posts change hands.
pub(crate) fn places(changes: &[Micros]) -> Vec<Place> {
    let mut places = Vec::new();
    for (code, change) in (371_321..).zip(changes) {
        for (township, village) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let path = format!(
                "city:371300/county:{code}/township:{code}{township:03}/village:{code}{township:03}{village:03}"
            );
            places.push(Place { path, change: *change });
        }
    }
    places
}
