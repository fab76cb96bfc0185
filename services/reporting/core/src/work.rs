//! What grid chiefs and members do (clause F6): which act is which work, in which month, and whose it is.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    roster::RosterIndex,
    time::{Instant, Month},
};

/// A kind of work, in the order of the ledger's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// A patrol that counts to the village's three a week (clause C1).
    Patrol,
    /// A suspicion was recorded (clause C2).
    Report,
    /// 教育劝导 (clause C3).
    Persuasion,
    /// 回访 (clause C3).
    Revisit,
    /// 协助 (clause C5).
    Help,
    /// A posting of notices, however many copies (clause D5).
    Notice,
    /// A broadcast (clause D6).
    Broadcast,
    /// A distribution of leaflets, however many copies (clause D7).
    Leaflet,
    /// A result was posted on the village's board (clause C5).
    Publication,
}

impl Work {
    /// How many kinds there are.
    pub const COUNT: usize = 9;
    /// All of them, in the order of the ledger's columns.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Patrol,
        Self::Report,
        Self::Persuasion,
        Self::Revisit,
        Self::Help,
        Self::Notice,
        Self::Broadcast,
        Self::Leaflet,
        Self::Publication,
    ];

    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Patrol => "patrol",
            Self::Report => "report",
            Self::Persuasion => "persuasion",
            Self::Revisit => "revisit",
            Self::Help => "help",
            Self::Notice => "notice",
            Self::Broadcast => "broadcast",
            Self::Leaflet => "leaflet",
            Self::Publication => "publication",
        }
    }

    /// Name in Chinese.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patrol => "巡查",
            Self::Report => "上报线索",
            Self::Persuasion => "教育劝导",
            Self::Revisit => "回访",
            Self::Help => "协助处置",
            Self::Notice => "张贴公告",
            Self::Broadcast => "广播宣传",
            Self::Leaflet => "发放明白纸",
            Self::Publication => "公示结果",
        }
    }

    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|work| work.code() == code)
    }

    /// Its place in the ledger's columns, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        Self::ALL.into_iter().position(|work| work == self).unwrap_or_default()
    }
}

/// Something that was done in a village.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What.
    pub work: Work,
    /// Regions from the city down.
    pub path: RegionPath,
    /// The post that did it; none where the event does not say.
    pub by: Option<Post>,
    /// Name of the person; empty where it is not told.
    pub person: String,
    /// When.
    pub at: Instant,
}

/// A piece of work in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Civil month in Asia/Shanghai of the act.
    pub month: Month,
    /// The county that administers the village; none where the path names none.
    pub county: Option<Region>,
    /// Its township.
    pub township: Option<Region>,
    /// The village.
    pub village: Region,
    /// Grid member or village secretary.
    pub role: Role,
    /// Whose it is; empty where nobody knows.
    pub person: String,
    /// What.
    pub work: Work,
}

/// The posts whose work the ledger has.
pub const WORKERS: [Role; 2] = [Role::VillageSecretary, Role::GridMember];

/// The entry of something that was done; none when no post of the village's grid did it.
#[must_use]
pub fn entry(done: &Done, roster: &RosterIndex) -> Option<Entry> {
    let village = done.path.at(Level::Village)?;
    let holds = |role: Role| {
        let holders = roster.holders_at(role, village, None, done.at);
        holders.into_iter().any(|holder| holder.person == done.person)
    };
    let role = match &done.by {
        Some(post) => WORKERS.contains(&post.role).then_some(post.role)?,
        // Patrols of several posts in one event: of the chief where the roster says so, else a member's.
        None if holds(Role::VillageSecretary) && !holds(Role::GridMember) => Role::VillageSecretary,
        None => Role::GridMember,
    };
    let person = match done.person.as_str() {
        "" => only_holder(roster, role, village, done.at).unwrap_or_default(),
        known => known.to_owned(),
    };
    Some(Entry {
        month: Month::of(done.at),
        county: done.path.at(Level::County).cloned(),
        township: done.path.at(Level::Township).cloned(),
        village: village.clone(),
        role,
        person,
        work: done.work,
    })
}

/// The holder of a post at an instant, if there was exactly one.
fn only_holder(roster: &RosterIndex, role: Role, village: &Region, at: Instant) -> Option<String> {
    match roster.holders_at(role, village, None, at).as_slice() {
        [one] => Some(one.person.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{
        owner::Post,
        role::Role,
        roster::{Holder, RosterIndex},
    };

    use super::{Done, Work, entry};

    fn roster(members: &[&str]) -> RosterIndex {
        let mut roster = RosterIndex::new();
        let region: dafei_kernel::region::Region = "village:371302001001".parse().expect("a region");
        let holder = |role, person: &str| Holder {
            role,
            region: region.clone(),
            agency: None,
            person: person.to_owned(),
            valid_from: "2026-11-10T00:00:00+08:00".parse().expect("an instant"),
            valid_until: None,
        };
        let members = members.iter().map(|person| holder(Role::GridMember, person));
        roster.replace_holders(&region, members.chain([holder(Role::VillageSecretary, "王书记")]).collect());
        roster
    }

    fn done(role: Option<Role>, person: &str, at: &str) -> Done {
        let village: dafei_kernel::region::Region = "village:371302001001".parse().expect("a region");
        let path = "city:371300/county:371302/township:371302001/village:371302001001";
        Done {
            work: Work::Report,
            path: path.parse().expect("a path"),
            by: role.map(|role| Post { role, region: village, agency: None }),
            person: person.to_owned(),
            at: at.parse().expect("an instant"),
        }
    }

    const NOON: &str = "2026-11-20T12:00:00+08:00";

    #[test]
    fn work_is_whose_it_is_told_else_the_only_holder_s_then_else_nobody_s() {
        let person = |done: &Done, members: &[&str]| entry(done, &roster(members)).expect("an entry").person;
        let member = |name| done(Some(Role::GridMember), name, NOON);
        assert_eq!(person(&member("赵六"), &["李四"]), "赵六");
        assert_eq!(person(&member(""), &["李四"]), "李四");
        assert_eq!(person(&member(""), &["李四", "王五"]), "");
        assert_eq!(person(&member(""), &[]), "");
        let before = done(Some(Role::GridMember), "", "2026-11-09T12:00:00+08:00");
        assert_eq!(person(&before, &["李四"]), "", "nobody held it then");
    }

    #[test]
    fn only_the_grid_s_posts_are_in_the_ledger_and_the_month_is_the_act_s() {
        let of = |done: &Done| entry(done, &roster(&["李四"]));
        assert_eq!(of(&done(Some(Role::TownshipCentre), "", NOON)), None);
        assert_eq!(of(&done(Some(Role::WorkAreaSecretary), "", NOON)), None);
        let last = of(&done(Some(Role::GridMember), "", "2026-11-30T23:59:59+08:00")).expect("an entry");
        let first = of(&done(Some(Role::GridMember), "", "2026-12-01T00:00:00+08:00")).expect("an entry");
        assert_eq!((last.month.to_string().as_str(), first.month.to_string().as_str()), ("2026-11", "2026-12"));
    }

    #[test]
    fn patrols_of_several_posts_are_the_chief_s_where_the_roster_names_him() {
        let role = |person| entry(&done(None, person, NOON), &roster(&["李四"])).expect("an entry").role;
        assert_eq!(role("王书记"), Role::VillageSecretary);
        assert_eq!([role("李四"), role("外人")], [Role::GridMember; 2]);
    }

    #[test]
    fn codes_lead_back() {
        for (at, work) in Work::ALL.into_iter().enumerate() {
            assert_eq!((Work::from_code(work.code()), work.index()), (Some(work), at));
        }
        assert_eq!(Work::from_code("tip"), None);
    }
}
