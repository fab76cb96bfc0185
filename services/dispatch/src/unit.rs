//! A unit that gets instructions: an agency at a level in a region. Its post, its subjects and its durable are all made from it.

use dafei_contracts::{Stream, subject::Subject};
use dafei_kernel::{
    agency::Agency,
    owner::Post,
    region::{Level, Region},
    role::Role,
};

/// An agency at a level in a region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Which of the 14.
    pub agency: Agency,
    /// Of which region.
    pub region: Region,
}

impl Unit {
    pub(crate) fn from_codes(agency: &str, level: &str, region: &str) -> Option<Self> {
        let level: Level = level.parse().ok()?;
        Some(Self { agency: agency.parse().ok()?, region: Region::new(level, region).ok()? })
    }

    /// Its place in the order of all units.
    pub(crate) fn key(&self) -> (String, String, String) {
        (self.agency.code().to_owned(), self.region.level().code().to_owned(), self.region.code().to_string())
    }

    /// The post that acts for it; none at a level without agencies.
    pub(crate) fn post(&self) -> Option<Post> {
        let role = match self.region.level() {
            Level::City => Role::CityDepartment,
            Level::County => Role::CountyDepartment,
            Level::Township => Role::TownshipAgency,
            Level::WorkArea | Level::Village => return None,
        };
        Some(Post { role, region: self.region.clone(), agency: Some(self.agency) })
    }

    /// Name of its durable consumer.
    pub(crate) fn durable(&self) -> String {
        format!("A_{}_{}_{}", self.agency.code(), self.region.level().code(), self.region.code())
    }

    /// Subject filter of its durable: instructions, receipts and notices.
    pub(crate) fn filter_subject(&self) -> String {
        Subject::Agency { agency: self.agency, region: self.region.clone(), fact: ">".to_owned() }.to_string()
    }

    /// What its feedback subjects start with; the kind follows.
    pub(crate) fn feedback_prefix(&self) -> String {
        Subject::Feedback { agency: self.agency, region: self.region.clone(), kind: String::new() }.to_string()
    }
}

/// The stream that agencies read.
pub(crate) const STREAM: &str = Stream::Agency.name();
