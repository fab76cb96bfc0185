//! What is done and left undone, beside the monthly table: deeds by day, cases, limits that ran out, notices. Briefings (clauses C9, C14), evaluations
//! (E1), assessments (E3) and spot checks (E2) are made of it.
//!
//! Events come one aggregate after the other in order; [`Activity`] folds a batch of them, so that it is written with one statement a table.

use std::collections::BTreeMap;

use dafei_kernel::{
    owner::{Owner, Post},
    region::{Level, RegionPath},
    time::{Instant, civil_date},
};
use jiff::{SignedDuration, civil::Date};
use uuid::Uuid;

/// Where something belongs: codes of the administering regions, empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The county.
    pub county: String,
    /// The township.
    pub township: String,
    /// The village.
    pub village: String,
}

impl Place {
    /// The place of a region path.
    #[must_use]
    pub fn of(path: &RegionPath) -> Self {
        let code = |level| path.at(level).map(|region| region.code().to_string()).unwrap_or_default();
        Self { county: code(Level::County), township: code(Level::Township), village: code(Level::Village) }
    }
}

/// What can be done, of a case or in a village.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is one event of the catalogue")]
pub enum Act {
    Opened,
    Closed,
    Merged,
    Withdrawn,
    Reopened,
    /// 上报县区: handed up to the county.
    Escalated,
    /// 退回: a township agency finds that it lacks authority.
    Declined,
    /// 退回: a department returns a wrong assignment.
    Returned,
    /// 责令重办: its result was rejected.
    Rework,
    ExtensionAsked,
    ExtensionGranted,
    Responded,
    Result,
    FedBack,
    Urged,
    Supervised,
    /// 疑似非法行为.
    Suspicion,
    /// 听劝.
    Heeded,
    /// 拒不听劝.
    Refused,
    ReportedUp,
    /// 巡查: those that count to the three a week.
    Patrol,
    Broadcast,
    /// 公开: a result was posted in the village.
    ResultPosted,
}

impl Act {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Opened => "case:opened",
            Self::Closed => "case:closed",
            Self::Merged => "case:merged",
            Self::Withdrawn => "case:withdrawn",
            Self::Reopened => "case:reopened",
            Self::Escalated => "case:escalated",
            Self::Declined => "case:declined",
            Self::Returned => "case:returned",
            Self::Rework => "case:rework",
            Self::ExtensionAsked => "case:extension-asked",
            Self::ExtensionGranted => "case:extension-granted",
            Self::Responded => "case:responded",
            Self::Result => "case:result",
            Self::FedBack => "case:fed-back",
            Self::Urged => "case:urged",
            Self::Supervised => "case:supervised",
            Self::Suspicion => "village:suspicion",
            Self::Heeded => "village:heeded",
            Self::Refused => "village:refused",
            Self::ReportedUp => "village:reported-up",
            Self::Patrol => "village:patrol",
            Self::Broadcast => "village:broadcast",
            Self::ResultPosted => "village:result-posted",
        }
    }
}

/// How a limit was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Done in time.
    InTime,
    /// It ran out.
    Breached,
    /// Done after it had run out.
    Late,
}

impl Kept {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InTime => "in-time",
            Self::Breached => "breached",
            Self::Late => "late",
        }
    }
}

/// The code of how a clock was kept, as deeds are counted: `clock:K3:in-time`.
#[must_use]
pub fn clock_deed(clock: &str, kept: Kept) -> String {
    format!("clock:{clock}:{}", kept.code())
}

/// How an open case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// 办结.
    Closed,
    /// It went on in another.
    Merged,
    /// 撤回.
    Withdrawn,
}

impl Ended {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Merged => "merged",
            Self::Withdrawn => "withdrawn",
        }
    }

    const fn act(self) -> Act {
        match self {
            Self::Closed => Act::Closed,
            Self::Merged => Act::Merged,
            Self::Withdrawn => Act::Withdrawn,
        }
    }
}

/// A case as it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Where it was opened.
    pub place: Place,
    /// The lowest region that is known.
    pub lowest: String,
    /// Sector code.
    pub sector: String,
    /// Act code.
    pub act: String,
    /// Text of an act `xx-99`.
    pub act_text: String,
    /// When it reached the centre or the office.
    pub at: Instant,
}

/// An obligation as sla-monitor names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Its id.
    pub id: Uuid,
    /// Clock code.
    pub clock: String,
    /// The case; none for a duty.
    pub case_id: Option<Uuid>,
    /// Where it belongs.
    pub place: Place,
    /// Directly responsible (直接责任), with who held the post when it began.
    pub direct: Owner,
    /// The limit.
    pub due: Instant,
    /// Whether an act at the very limit is in time.
    pub due_inclusive: bool,
    /// Period of a duty.
    pub period: String,
}

impl Obligation {
    /// The civil day in which the limit lies: of one at 24:00 the day that ends then.
    #[must_use]
    pub fn day(&self) -> Date {
        let micro = SignedDuration::from_micros(i64::from(!self.due_inclusive));
        civil_date(self.due.saturating_sub(micro).unwrap_or(self.due))
    }

    /// Whether it can no longer be done once it has run out: of a week that is over.
    #[must_use]
    pub fn is_over_when_breached(&self) -> bool {
        matches!(self.clock.as_str(), "W1" | "W2" | "W3")
    }
}

/// How a breach ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreachEnd {
    /// It was done late.
    Settled,
    /// It fell away.
    Cancelled,
    /// It never was one.
    Annulled,
    /// It can no longer be done.
    Missed,
}

impl BreachEnd {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
            Self::Annulled => "annulled",
            Self::Missed => "missed",
        }
    }
}

/// What was done, on which day, where (without the village), and by which post.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deed {
    /// Its code.
    pub what: String,
    /// The civil day.
    pub day: Date,
    /// The county.
    pub county: String,
    /// The township.
    pub township: String,
    /// Role of the post; empty where it does not matter.
    pub role: String,
    /// Agency of the post.
    pub agency: String,
}

/// How often each was done.
pub type Deeds = BTreeMap<Deed, i64>;

/// A time during which a case was over, until it was taken up again. What is told of a day within it does not change by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// When and how it had ended; nothing when that was told before this batch.
    pub ended: Option<(Instant, Ended)>,
    /// When it was taken up again.
    pub reopened_at: Instant,
}

/// What became of a case in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaseChange {
    /// It was opened.
    pub opened: Option<Opened>,
    /// It ended, or is open again: then with no end.
    pub end: Option<Option<(Instant, Ended)>>,
    /// The times during which it was over, of those that were ended in this batch.
    pub rests: Vec<Rest>,
    /// Head of its chain after its last event, and the sequence of that.
    pub head: Option<(String, i64)>,
}

/// What became of an obligation in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BreachChange {
    /// It ran out.
    pub breached: Option<Obligation>,
    /// A breach of it ended, or its limit was found to be another.
    pub end: Option<(Instant, BreachEnd)>,
}

/// How a village stands with its reward notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// Where.
    pub place: Place,
    /// Valid places.
    pub valid: u32,
    /// Places that are asked for.
    pub required: u32,
    /// Pairs of places that are too close to each other.
    pub close_pairs: u32,
}

/// A daily anchor over the heads of all cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The day, `2026-11-29`.
    pub day: String,
    /// Its digest.
    pub digest: String,
    /// How many cases.
    pub cases: i64,
}

/// A batch of what happened.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// Deeds.
    pub deeds: Deeds,
    /// Cases.
    pub cases: BTreeMap<Uuid, CaseChange>,
    /// Limits.
    pub breaches: BTreeMap<Uuid, BreachChange>,
    /// Notices, the last word on each village.
    pub notices: BTreeMap<String, Notices>,
    /// Anchors.
    pub anchors: Vec<Anchor>,
}

impl Activity {
    /// Something was done, so many times.
    pub fn done(&mut self, act: Act, at: Instant, place: &Place, by: Option<&Post>, times: i64) {
        self.count(act.code().to_owned(), civil_date(at), place, by, times);
    }

    fn count(&mut self, what: String, day: Date, place: &Place, by: Option<&Post>, times: i64) {
        let role = by.map(|post| post.role.code().to_owned()).unwrap_or_default();
        let agency = by.and_then(|post| post.agency).map(|agency| agency.code().to_owned()).unwrap_or_default();
        let deed = Deed { what, day, county: place.county.clone(), township: place.township.clone(), role, agency };
        *self.deeds.entry(deed).or_default() += times;
    }

    /// A case was opened.
    pub fn opened(&mut self, case: Uuid, opened: Opened) {
        self.done(Act::Opened, opened.at, &opened.place, None, 1);
        self.cases.entry(case).or_default().opened = Some(opened);
    }

    /// A case ended.
    pub fn ended(&mut self, case: Uuid, at: Instant, place: &Place, how: Ended) {
        self.done(how.act(), at, place, None, 1);
        self.cases.entry(case).or_default().end = Some(Some((at, how)));
    }

    /// A case is open again.
    pub fn reopened(&mut self, case: Uuid, at: Instant, place: &Place) {
        self.done(Act::Reopened, at, place, None, 1);
        let change = self.cases.entry(case).or_default();
        change.rests.push(Rest { ended: change.end.flatten(), reopened_at: at });
        change.end = Some(None);
    }

    /// A case's chain is as far as this.
    pub fn head(&mut self, case: Uuid, head: String, sequence: i64) {
        self.cases.entry(case).or_default().head = Some((head, sequence));
    }

    /// A limit ran out.
    pub fn breached(&mut self, obligation: Obligation) {
        let day = obligation.day();
        let what = clock_deed(&obligation.clock, Kept::Breached);
        self.count(what, day, &obligation.place, Some(&obligation.direct.post), 1);
        let end = obligation.is_over_when_breached().then_some((obligation.due, BreachEnd::Missed));
        self.breaches.insert(obligation.id, BreachChange { breached: Some(obligation), end });
    }

    /// It was done. Only the obligations of cases are counted as done in time: of duties only those are told that lagged.
    pub fn settled(&mut self, obligation: &Obligation, at: Instant, late: bool) {
        let by = Some(&obligation.direct.post);
        if late {
            self.count(clock_deed(&obligation.clock, Kept::Late), civil_date(at), &obligation.place, by, 1);
            self.end(obligation, at, BreachEnd::Settled);
        } else if obligation.case_id.is_some() {
            self.count(clock_deed(&obligation.clock, Kept::InTime), civil_date(at), &obligation.place, by, 1);
        }
    }

    /// It fell away.
    pub fn cancelled(&mut self, obligation: &Obligation, at: Instant) {
        self.end(obligation, at, BreachEnd::Cancelled);
    }

    /// The breach never was one.
    pub fn annulled(&mut self, obligation: &Obligation, at: Instant) {
        let what = clock_deed(&obligation.clock, Kept::Breached);
        self.count(what, obligation.day(), &obligation.place, Some(&obligation.direct.post), -1);
        self.end(obligation, at, BreachEnd::Annulled);
    }

    /// The first end of a breach stays, but that it never was one.
    fn end(&mut self, obligation: &Obligation, at: Instant, how: BreachEnd) {
        let change = self.breaches.entry(obligation.id).or_default();
        if change.end.is_none() || how == BreachEnd::Annulled {
            change.end = Some((at, how));
        }
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::owner::{Owner, Post};
    use uuid::Uuid;

    use super::{Activity, BreachEnd, Ended, Obligation, Opened, Place, Rest};

    fn at(text: &str) -> dafei_kernel::time::Instant {
        text.parse().expect("an instant")
    }

    fn place() -> Place {
        Place { county: "371302".into(), township: "371302001".into(), village: String::new() }
    }

    fn obligation(clock: &str, due: &str, due_inclusive: bool) -> Obligation {
        let region = "township:371302001".parse().expect("a region");
        Obligation {
            id: Uuid::from_u128(7),
            clock: clock.to_owned(),
            case_id: Some(Uuid::from_u128(1)),
            place: place(),
            direct: Owner {
                post: Post { role: dafei_kernel::role::Role::TownshipCentre, region, agency: None },
                persons: vec!["王主任".to_owned()],
            },
            due: at(due),
            due_inclusive,
            period: String::new(),
        }
    }

    fn times(activity: &Activity, what: &str) -> i64 {
        activity.deeds.iter().filter(|(deed, _)| deed.what == what).map(|(_, times)| times).sum()
    }

    #[test]
    fn a_limit_at_24_00_lies_in_the_day_that_ends_then_and_one_by_the_hour_in_its_own() {
        assert_eq!(obligation("W3", "2026-11-30T00:00:00+08:00", false).day().to_string(), "2026-11-29");
        assert_eq!(obligation("T1", "2026-11-30T00:00:00+08:00", true).day().to_string(), "2026-11-30");
    }

    #[test]
    fn an_annulled_breach_counts_nowhere_and_stays_annulled_when_it_is_settled_afterwards() {
        let mut activity = Activity::default();
        let one = obligation("T1", "2026-11-29T10:00:00+08:00", true);
        activity.breached(one.clone());
        activity.annulled(&one, at("2026-11-29T09:59:00+08:00"));
        activity.settled(&one, at("2026-11-29T09:59:00+08:00"), false);
        assert_eq!((times(&activity, "clock:T1:breached"), times(&activity, "clock:T1:in-time")), (0, 1));
        let end = activity.breaches[&one.id].end.expect("it ended");
        assert_eq!(end.1, BreachEnd::Annulled);
    }

    #[test]
    fn a_week_that_ran_out_is_over_and_a_case_s_limit_stays_open_until_it_is_done() {
        let mut activity = Activity::default();
        activity.breached(obligation("W3", "2026-11-30T00:00:00+08:00", false));
        assert_eq!(activity.breaches[&Uuid::from_u128(7)].end.map(|(_, how)| how), Some(BreachEnd::Missed));
        let one = obligation("T1", "2026-11-29T10:00:00+08:00", true);
        activity.breached(one.clone());
        assert_eq!(activity.breaches[&one.id].end, None);
        activity.settled(&one, at("2026-11-29T11:00:00+08:00"), true);
        assert_eq!(activity.breaches[&one.id].end.map(|(_, how)| how), Some(BreachEnd::Settled));
        assert_eq!(times(&activity, "clock:T1:late"), 1);
    }

    #[test]
    fn a_duty_done_in_time_is_not_counted_since_only_those_that_lag_are_told_of() {
        let mut activity = Activity::default();
        let duty = Obligation { case_id: None, ..obligation("M1", "2026-12-04T00:00:00+08:00", false) };
        activity.settled(&duty, at("2026-12-03T11:00:00+08:00"), false);
        assert!(activity.deeds.is_empty());
    }

    #[test]
    fn of_a_case_that_ends_and_is_opened_again_in_a_batch_the_last_word_holds() {
        let mut activity = Activity::default();
        let (case, noon) = (Uuid::from_u128(1), at("2026-11-29T12:00:00+08:00"));
        let opened = Opened {
            place: place(),
            lowest: "township:371302001".into(),
            sector: "mines".into(),
            act: "MI-1".into(),
            act_text: String::new(),
            at: noon,
        };
        activity.opened(case, opened);
        activity.ended(case, noon, &place(), Ended::Closed);
        activity.reopened(case, at("2026-11-29T13:00:00+08:00"), &place());
        assert_eq!(activity.cases[&case].end, Some(None));
        let rest = Rest { ended: Some((noon, Ended::Closed)), reopened_at: at("2026-11-29T13:00:00+08:00") };
        assert_eq!(activity.cases[&case].rests, [rest]);
        assert_eq!((times(&activity, "case:opened"), times(&activity, "case:closed")), (1, 1));
    }
}
