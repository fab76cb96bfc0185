//! 对不履行"打非"工作职责村居支部书记的处理制度 (clause E4): what each county lays down for the posts of its villages.

use serde::{Deserialize, Serialize};

use super::{Outcome, Reason, Rejection, STATEMENT_WORKING_DAYS, codes::codes};

/// The longest period for statements, in working days.
pub const LONGEST_STATEMENT: u32 = 30;

codes! {
    /// Which office decides on the posts of a village.
    VillageDecider {
        /// 乡镇网格化服务中心.
        TownshipCentre = "township-centre", "乡镇网格化服务中心";
        /// 县区安委会办公室.
        CountyOffice = "county-office", "县区安委会办公室";
    }
}

/// A county's rules for the posts of its villages and work areas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VillageRules {
    /// Who decides.
    pub decider: VillageDecider,
    /// Which outcomes a decision may have.
    pub outcomes: Vec<Outcome>,
    /// Working days for statements.
    pub statement_working_days: u32,
}

impl Default for VillageRules {
    /// Where a county has laid down nothing (local default).
    fn default() -> Self {
        Self {
            decider: VillageDecider::TownshipCentre,
            outcomes: Outcome::ALL.to_vec(),
            statement_working_days: STATEMENT_WORKING_DAYS,
        }
    }
}

impl VillageRules {
    /// Says whether a county may lay this down.
    ///
    /// # Errors
    /// When an outcome stands twice or nobody could be cleared any more, or the period is none or longer than [`LONGEST_STATEMENT`].
    pub fn check(&self) -> Result<(), Rejection> {
        for (place, outcome) in self.outcomes.iter().enumerate() {
            if self.outcomes[..place].contains(outcome) {
                return Err(Rejection::field(Reason::OutcomeTwice, format!("outcomes[{place}]")));
            }
        }
        if !self.outcomes.contains(&Outcome::NotPursued) {
            return Err(Rejection::field(Reason::NobodyCleared, "outcomes"));
        }
        if !(1..=LONGEST_STATEMENT).contains(&self.statement_working_days) {
            return Err(Rejection::field(Reason::StatementPeriod, "statement_working_days"));
        }
        Ok(())
    }
}
