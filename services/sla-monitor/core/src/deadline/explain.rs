//! A deadline told line by line, in Chinese, from what was stored with it alone.

use dafei_kernel::time::{Instant, format_local};
use jiff::civil::{Date, Weekday};

use super::{Counted, Deadline, Inputs, day_ending_at};
use crate::{
    duty::DutyInputs,
    rules::{Limit, Warn},
};

impl Deadline {
    /// How it comes about.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.inputs.lines()
    }
}

impl Inputs {
    /// How the deadline comes about.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if let Some(duty) = &self.duty {
            return self.duty_lines(duty);
        }
        let origin = if self.local_default { "通知未定数值，本地核定" } else { "通知规定" };
        let mut lines = vec![format!(
            "时限：{} {}，{}（{origin}；条款 {}；规则版本 {}）。",
            self.clock,
            self.name,
            self.limit.name_zh(),
            self.clause,
            self.rule_version
        )];
        let corrected =
            if self.skewed { "，设备时钟偏差超过允许值，已按校正后的时间计" } else { "" };
        lines.push(format!("起算：{}（北京时间）{corrected}。", format_local(self.start)));
        match &self.days {
            Some(days) => self.count(days, &mut lines),
            None => lines.push("计算：自起算时刻起昼夜连续计算。".to_owned()),
        }
        let edge = if self.timing.due_inclusive { "含该时刻" } else { "到该时刻即为超期" };
        lines.push(format!("截止：{}，{edge}。", moment(self.timing.due)));
        lines.push(self.warning());
        if self.provisional {
            lines.push("注意：所需日期超出日历覆盖范围，为暂定期限，节假日安排公布后重新计算。".to_owned());
        }
        lines
    }

    fn duty_lines(&self, duty: &DutyInputs) -> Vec<String> {
        let origin = if self.local_default { "期限由本地核定" } else { "通知规定" };
        let task = &duty.task;
        let of = |rest: &str| {
            format!(
                "时限：{} {}，{rest}（{origin}；条款 {}；规则版本 {}）。",
                self.clock, self.name, self.clause, self.rule_version
            )
        };
        let days = self.limit.name_zh();
        let (what, count) = match (&duty.period, duty.again) {
            (Some(period), _) => (
                format!("周期 {period}，应完成：{task}"),
                "计算：自起算日0:00起，至截止日24:00止；节假日不顺延。".to_owned(),
            ),
            (None, false) => (
                format!("列入名册后{days}内应有：{task}"),
                "计算：列入名册当日不计入，至最后一日24:00止（民法典第二百零一条）。".to_owned(),
            ),
            (None, true) => (
                format!("不足后{days}内应恢复：{task}"),
                "计算：不足当日不计入，至最后一日24:00止（民法典第二百零一条）。".to_owned(),
            ),
        };
        let warning = match self.warn {
            Warn::Percent(percent) => format!("，即起算至截止的{percent}%处"),
            Warn::CountedDay(_) => "，即最后一日的0:00".to_owned(),
        };
        let after = if self.timing.ends_with_breach() {
            "逾期即终结，不再提醒，不可补做。"
        } else {
            "逾期后继续提醒，直至完成。"
        };
        vec![
            of(&what),
            format!("起算：{}（北京时间）。", format_local(self.start)),
            count,
            format!("截止：{}，到该时刻即为超期；{after}", moment(self.timing.due)),
            format!("黄灯：{}{warning}。", moment(self.timing.warn_at)),
        ]
    }

    fn count(&self, days: &Counted, lines: &mut Vec<String>) {
        lines.push("计算：起算当日不计入，至最后一日24:00止（民法典第二百零一条至第二百零三条）。".to_owned());
        lines.push(format!("计入：{}。", join(days.counted.iter().map(|date| day(*date)))));
        if !days.skipped.is_empty() {
            let skipped = days.skipped.iter().map(|skipped| format!("{}（{}）", day(skipped.date), skipped.reason));
            lines.push(format!("不计入：{}。", join(skipped)));
        }
        if let (Limit::WorkingDays(_), Some(covered)) = (self.limit, days.covered_through) {
            lines.push(format!("日历：版本 {}，覆盖至{covered}。", days.calendar_version));
        }
    }

    fn warning(&self) -> String {
        let at = moment(self.timing.warn_at);
        match self.warn {
            Warn::Percent(percent) => format!("黄灯：{at}，即起算至截止的{percent}%处。"),
            Warn::CountedDay(counted) => {
                format!("黄灯：{at}，即第{counted}个计入日的24:00（{}的75%，取整到日）。", self.limit.name_zh())
            }
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("、")
}

fn day(date: Date) -> String {
    let weekday = match date.weekday() {
        Weekday::Monday => "周一",
        Weekday::Tuesday => "周二",
        Weekday::Wednesday => "周三",
        Weekday::Thursday => "周四",
        Weekday::Friday => "周五",
        Weekday::Saturday => "周六",
        Weekday::Sunday => "周日",
    };
    format!("{date} {weekday}")
}

/// An instant; midnight is told as 24:00 of the day that it ends.
pub(super) fn moment(at: Instant) -> String {
    day_ending_at(at).map_or_else(|| format_local(at), |date| format!("{date} 24:00"))
}
