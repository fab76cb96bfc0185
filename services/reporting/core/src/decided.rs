//! 问责情况 (columns 9 and 10): what an office decided on persons, and what an appeal or a later decision makes of it. The last word on an entry
//! replaces all that was counted of it before.

use dafei_kernel::{
    ids,
    owner::Post,
    region::RegionPath,
    sector::Sector,
    time::{Instant, Month},
};
use uuid::Uuid;

use crate::{
    column::Column,
    fact::{Fact, Uncountable, leaf_of},
    unit::LeafUnit,
};

/// What stands of an entry of the accountability ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The entry.
    pub entry: Uuid,
    /// Its case; none for duties.
    pub case_id: Option<Uuid>,
    /// The event that told it.
    pub event_id: Uuid,
    /// Its sequence in the entry: a higher one replaces it.
    pub sequence: i64,
    /// Regions from the city down to the one charged.
    pub path: RegionPath,
    /// The office that decided first: the filing unit is its.
    pub by: Post,
    /// The first decision, which decides the month.
    pub at: Instant,
    /// Sector of the case; none for duties.
    pub sector: Option<Sector>,
    /// What becomes of each person.
    pub persons: Vec<Person>,
}

/// What becomes of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// For which responsibility: a person may be decided on for both.
    pub responsibility: String,
    /// Name.
    pub name: String,
    /// What counts of it; none for what has no column (不予追究, 免责, 减责).
    pub sanction: Option<Sanction>,
    /// 领导干部.
    pub leading: bool,
    /// 村居支部书记, who are in a note.
    pub village_secretary: bool,
}

/// What has a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sanction {
    /// 警示约谈.
    WarningTalk,
    /// 问责.
    HeldAccountable,
}

impl Sanction {
    /// Its column.
    #[must_use]
    pub const fn column(self) -> Column {
        match self {
            Self::WarningTalk => Column::WarningTalks,
            Self::HeldAccountable => Column::HeldAccountable,
        }
    }
}

/// A village secretary as the note counts him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secretary {
    /// Derived from entry, responsibility and person.
    pub id: Uuid,
    /// Who files it.
    pub leaf: LeafUnit,
    /// Civil month of the first decision.
    pub month: Month,
    /// In the note of which column.
    pub column: Column,
}

/// All that counts of an entry now: it takes the place of what was counted of it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The entry.
    pub entry: Uuid,
    /// Of the event that told it.
    pub sequence: i64,
    /// One fact for each leading cadre who was talked to or held accountable.
    pub facts: Vec<Fact>,
    /// Village secretaries, who are in no column.
    pub secretaries: Vec<Secretary>,
}

/// What counts of an entry.
///
/// # Errors
/// When the office files nothing, or the one charged does not lie in its region.
pub fn replacement_of(decided: &Decided) -> Result<Replacement, Uncountable> {
    let leaf = leaf_of(&decided.by, &decided.path)?;
    let (mut facts, mut secretaries) = (Vec::new(), Vec::new());
    let entry = decided.entry.to_string();
    for person in &decided.persons {
        let Some(sanction) = person.sanction else { continue };
        let id = ids::derived(&["fact", &entry, "accountability", &person.responsibility, &person.name]);
        let (month, column) = (Month::of(decided.at), sanction.column());
        if person.leading {
            facts.push(Fact {
                fact_id: id,
                leaf: leaf.clone(),
                month,
                sector: decided.sector,
                act: None,
                source: None,
                column,
                amount: 1,
                distinct_key: None,
                at: decided.at,
                verdict: None,
                case_id: decided.case_id,
                event_id: decided.event_id,
                sequence: decided.sequence,
            });
        } else if person.village_secretary {
            secretaries.push(Secretary { id, leaf: leaf.clone(), month, column });
        }
    }
    Ok(Replacement { entry: decided.entry, sequence: decided.sequence, facts, secretaries })
}
