//! Opening an entry.

use dafei_kernel::{
    owner::{Owner, Post},
    region::{Level, RegionPath},
    role::Role,
    sector::Sector,
    time::Instant,
};
use uuid::Uuid;

use super::{
    Basis, Context, Decider, Entry, Event, Outcome, Part, Party, Reason, Rejection, STATEMENT_WORKING_DAYS, State, Who,
    decider_of, office::decider_of_outside,
};

/// An entry that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The id it will have.
    pub id: Uuid,
    /// What it rests on.
    pub basis: Basis,
    /// Who is charged.
    pub charge: Charge,
    /// Regions from the city down to where it happened, or to the post charged.
    pub path: RegionPath,
    /// The case, where there is one.
    pub case_id: Option<Uuid>,
    /// Sector of the case.
    pub sector: Option<Sector>,
}

/// Who is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// A post with its holders, and the owner of the loop.
    Post {
        /// 直接责任.
        direct: Owner,
        /// 闭环责任, where another post may have it.
        loop_owner: Option<Owner>,
    },
    /// A person or unit that the roster does not know.
    Outside {
        /// Its name.
        name: String,
    },
}

impl Entry {
    /// Whether it charges the post, or the one outside the roster, that a draft is to charge; whoever held the post.
    #[must_use]
    pub fn is_of(&self, charge: &Charge) -> bool {
        match (self.party(Part::Direct).map(|party| &party.who), charge) {
            (Some(Who::Post(owner)), Charge::Post { direct, .. }) => owner.post == direct.post,
            (Some(Who::Outside { name: own }), Charge::Outside { name }) => own == name,
            _ => false,
        }
    }

    /// Whether it charges the very persons that a draft is to charge.
    #[must_use]
    pub fn charges_as(&self, charge: &Charge) -> bool {
        let same = parties(charge);
        self.parties.iter().map(|party| &party.who).eq(same.iter().map(|party| &party.who))
    }
}

pub(super) fn open(draft: &Draft, context: &Context<'_>) -> Result<Event, Rejection> {
    let (path, decider) = placed(draft, context)?;
    let village = match &draft.charge {
        Charge::Post { direct, .. } => of_village(direct.post.role),
        Charge::Outside { .. } => false,
    };
    let (outcomes, days) = if village {
        (context.village.outcomes.clone(), context.village.statement_working_days)
    } else {
        (Outcome::ALL.to_vec(), STATEMENT_WORKING_DAYS)
    };
    Ok(Event::Opened(Box::new(Entry {
        id: draft.id,
        basis: draft.basis.clone(),
        path,
        case_id: draft.case_id,
        sector: draft.sector,
        parties: parties(&draft.charge),
        decider,
        outcomes,
        opened_at: context.now,
        statement_until: statement_until(context, days),
        state: State::Opened,
        basis_annulled_at: None,
        decisions: Vec::new(),
        sequence: 0,
    })))
}

fn statement_until(context: &Context<'_>, days: u32) -> Instant {
    context.calendar.deadline_after(context.now, days).due
}

/// The path down to the one charged, and who decides on it.
fn placed(draft: &Draft, context: &Context<'_>) -> Result<(RegionPath, Decider), Rejection> {
    let unknown = || Rejection::field(Reason::UnknownRegion, "post.region");
    match &draft.charge {
        Charge::Post { direct, .. } => {
            let path = down_to(&draft.path, &direct.post).ok_or_else(unknown)?;
            let decider = decider_of(direct.post.role, &path, context.village)
                .ok_or_else(|| Rejection::field(Reason::NotChargeable, "post.role"))?;
            Ok((path, decider))
        }
        Charge::Outside { .. } => {
            let decider = decider_of_outside(&draft.path).ok_or_else(unknown)?;
            let path = decider.office().and_then(|office| down_to(&draft.path, office)).ok_or_else(unknown)?;
            Ok((path, decider))
        }
    }
}

/// The part of a path that leads to a post's region.
fn down_to(path: &RegionPath, post: &Post) -> Option<RegionPath> {
    let at = path.regions().iter().position(|region| *region == post.region)?;
    RegionPath::new(path.regions()[..=at].to_vec()).ok()
}

fn parties(charge: &Charge) -> Vec<Party> {
    let party = |part, who| Party { part, who, statement: None };
    match charge {
        Charge::Outside { name } => vec![party(Part::Direct, Who::Outside { name: name.clone() })],
        Charge::Post { direct, loop_owner } => {
            let beside = loop_owner.as_ref().filter(|owner| owner.post != direct.post);
            let direct = party(Part::Direct, Who::Post(once(direct)));
            std::iter::once(direct).chain(beside.map(|owner| party(Part::Loop, Who::Post(once(owner))))).collect()
        }
    }
}

/// An owner who names nobody twice: two holders of one name cannot be told apart here.
fn once(owner: &Owner) -> Owner {
    let mut persons = owner.persons.clone();
    persons.sort_unstable();
    persons.dedup();
    Owner { post: owner.post.clone(), persons }
}

/// Posts that a county's rules for its villages are about.
pub(super) const fn of_village(role: Role) -> bool {
    matches!(role.level(), Some(Level::Village | Level::WorkArea))
}
