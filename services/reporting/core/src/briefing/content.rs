//! What a briefing holds.

use dafei_kernel::{
    owner::Post,
    period::Period,
    region::Level,
    time::{Instant, civil_date},
};
use jiff::{ToSpan as _, civil::Weekday};

use crate::activity::Act;

/// A figure that briefings print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Stable code.
    pub code: &'static str,
    /// Name in Chinese.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What is counted.
    pub act: Act,
    /// The levels whose briefings print it.
    levels: &'static [Level],
}

impl Wanted {
    /// Whether the briefings of such units print it.
    #[must_use]
    pub fn is_for(&self, level: Level) -> bool {
        self.levels.contains(&level)
    }
}

const ALL: &[Level] = &[Level::Township, Level::County, Level::City];
const TOWNSHIP: &[Level] = &[Level::Township];
const ABOVE: &[Level] = &[Level::County, Level::City];

const fn wanted(
    code: &'static str,
    name: &'static str,
    unit: &'static str,
    act: Act,
    levels: &'static [Level],
) -> Wanted {
    Wanted { code, name, unit, act, levels }
}

/// The figures, in the order of printing.
pub const FIGURES: [Wanted; 18] = [
    wanted("patrols", "网格巡查", "次", Act::Patrol, ALL),
    wanted("broadcasts", "村居广播", "次", Act::Broadcast, ALL),
    wanted("suspicions", "发现疑似非法行为", "条", Act::Suspicion, ALL),
    wanted("heeded", "劝导后停止", "条", Act::Heeded, ALL),
    wanted("refused", "拒不听劝", "条", Act::Refused, ALL),
    wanted("reported-up", "上报乡镇中心", "条", Act::ReportedUp, ALL),
    wanted("cases-opened", "受理案件", "件", Act::Opened, ALL),
    wanted("cases-closed", "办结案件", "件", Act::Closed, ALL),
    wanted("escalated", "上报县区", "件", Act::Escalated, ALL),
    wanted("declined", "乡镇机构因无权限退回", "件", Act::Declined, TOWNSHIP),
    wanted("returned", "部门退回", "件", Act::Returned, ABOVE),
    wanted("rework", "责令重办", "件", Act::Rework, ALL),
    wanted("extensions-asked", "申请延期", "件", Act::ExtensionAsked, ABOVE),
    wanted("extensions-granted", "批准延期", "件", Act::ExtensionGranted, ABOVE),
    wanted("urged", "催办", "次", Act::Urged, ALL),
    wanted("supervised", "督办", "次", Act::Supervised, ALL),
    wanted("results-posted", "村居公开处置结果", "件", Act::ResultPosted, ALL),
    wanted("reopened", "重新办理", "件", Act::Reopened, ALL),
];

/// The clocks of a case and of its units, as clerks name them.
pub const CLOCKS: [(&str, &str); 19] = [
    ("V1", "告知村支部书记"),
    ("V2", "教育劝导"),
    ("V3", "上报乡镇"),
    ("V4", "听劝后回访"),
    ("T1", "乡镇中心研判"),
    ("T2", "乡镇机构反馈结果"),
    ("T3", "退回后上报县区"),
    ("K1", "县区办公室派单"),
    ("K2", "部门响应"),
    ("K3", "部门反馈结果"),
    ("K4", "向乡镇反馈结果"),
    ("P1", "村居公开结果"),
    ("W1", "每周巡查"),
    ("W2", "每周广播"),
    ("W3", "每周通报"),
    ("M1", "月度报表"),
    ("M2", "每月通报"),
    ("Q1", "季度评议"),
    ("N1", "有奖举报公告"),
];

/// A clock's name; its code where it is none of [`CLOCKS`].
#[must_use]
pub fn clock_name(code: &str) -> &str {
    CLOCKS.iter().find(|(clock, _)| *clock == code).map_or(code, |(_, name)| name)
}

/// How many weeks ended in a period: their last day, the Sunday, lies in it and is over.
#[must_use]
pub fn weeks_ended(period: Period, now: Instant) -> i64 {
    let end = period.day_after();
    // Today is not over.
    let today = civil_date(now);
    let mut day = period.first_day();
    let mut weeks = 0;
    while day < end && day < today {
        weeks += i64::from(day.weekday() == Weekday::Sunday);
        day = day.saturating_add(1.day());
    }
    weeks
}

/// A figure beside that of the period before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Stable code.
    pub code: String,
    /// Name in Chinese.
    pub name: String,
    /// Its unit; 万元 for an amount of fen.
    pub unit: String,
    /// In this period.
    pub value: i64,
    /// In the one before.
    pub previous: i64,
}

/// How a clock was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockKept {
    /// Its code.
    pub clock: String,
    /// Done in time.
    pub in_time: i64,
    /// Run out.
    pub breached: i64,
    /// Done in time in the period before.
    pub previous_in_time: i64,
    /// Run out in the period before.
    pub previous_breached: i64,
}

/// How far villages fulfilled a weekly or standing duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Clock code.
    pub clock: &'static str,
    /// What should have been fulfilled.
    pub owed: i64,
    /// What was.
    pub fulfilled: i64,
    /// Names of villages that fulfilled it least.
    pub lagging: Vec<String>,
}

/// Limits that one owner let run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerLine {
    /// Who.
    pub post: Post,
    /// The post in words.
    pub name: String,
    /// Persons.
    pub persons: Vec<String>,
    /// How many.
    pub breaches: i64,
    /// Not done by the end of the period.
    pub still_open: i64,
    /// Clock codes.
    pub clocks: Vec<String>,
}

/// A case that was open at the end of the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCase {
    /// Its id.
    pub case_id: String,
    /// The act in words.
    pub act: String,
    /// Sector code.
    pub sector: String,
    /// Where, in words.
    pub place: String,
    /// When it was opened.
    pub opened_at: Instant,
    /// Clock codes that have run out and are not done.
    pub overdue: Vec<String>,
    /// Head of its chain.
    pub chain_head: String,
    /// Sequence of the event that the head is of.
    pub sequence: i64,
}

/// What a briefing holds beside its head and text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Figures.
    pub figures: Vec<Figure>,
    /// Clocks.
    pub clocks: Vec<ClockKept>,
    /// Duties of villages.
    pub coverage: Vec<Coverage>,
    /// Owners, the most breaches first.
    pub owners: Vec<OwnerLine>,
    /// Owners in all.
    pub owner_count: i64,
    /// Open cases, the overdue ones first.
    pub open_cases: Vec<OpenCase>,
    /// Open cases in all.
    pub open_count: i64,
    /// Of them overdue.
    pub overdue_count: i64,
    /// Day and digest of the last anchor.
    pub anchor: Option<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::{CLOCKS, weeks_ended};

    #[test]
    fn clocks_are_called_as_the_rules_call_them() {
        let rules = include_str!("../../../../../data/clocks/default.json");
        for (code, name) in CLOCKS {
            let named = format!("\"clock\": \"{code}\", \"name\": \"{name}\"");
            assert!(rules.contains(&named), "{named}");
        }
        assert_eq!(rules.matches("\"clock\": \"").count(), CLOCKS.len(), "each of the rules has a name");
    }

    #[test]
    fn a_week_counts_in_the_month_in_which_it_ends() {
        let weeks =
            |period: &str, now: &str| weeks_ended(period.parse().expect("a period"), now.parse().expect("an instant"));
        let later = "2027-06-01T00:00:00+08:00";
        assert_eq!(weeks("2026-W47", later), 1);
        // Sundays of November 2026: 1, 8, 15, 22, 29.
        assert_eq!(weeks("2026-11", later), 5);
        assert_eq!(weeks("2026-11", "2026-11-22T23:59:59+08:00"), 3);
        assert_eq!(weeks("2026-11", "2026-11-23T00:00:00+08:00"), 4);
    }
}
