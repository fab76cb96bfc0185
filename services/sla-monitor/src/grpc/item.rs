//! Obligations as lists show them, and the lines that tell about one.

use dafei_contracts::sla::v1 as pb;
use dafei_kernel::{
    owner::Owner,
    region::RegionPath,
    roster::RosterIndex,
    time::{Instant, format_local},
};
use dafei_runtime::status::Fault;
use dafei_sla_core::{End, EndKind, Inputs};

use crate::{publisher, store::record::Record};

/// The region path of a record.
pub(in crate::grpc) fn path(record: &Record) -> Result<RegionPath, Fault> {
    record.region_path.parse().map_err(|error: dafei_kernel::region::RegionError| Fault::internal(error))
}

/// An obligation with its lights, as it stands at `now`.
pub(super) fn item(record: &Record, roster: &RosterIndex, now: Instant) -> pb::ObligationItem {
    let end = record.end();
    let settled_at = end.filter(|end| end.kind == EndKind::Settled).map(|end| end.at);
    pb::ObligationItem {
        obligation: Some(publisher::obligation(record)),
        region_path: record.region_path.clone(),
        state: state(end).into(),
        warned_at: record.warned_at.map(|at| at.0.into()),
        breached: record.breached && !record.annulled,
        annulled: record.annulled,
        stopped_at: settled_at.map(Into::into),
        late_seconds: settled_at.map_or(0, |at| record.timing().late_seconds(at)),
        reminders: u32::try_from(record.reminders).unwrap_or(0),
        provisional: record.provisional,
        warned_told_at: record.warned_told.map(|at| at.0.into()),
        breached_told_at: record.breached_told.map(|at| at.0.into()),
        direct_since: successor(record, roster, now).map(|owner| (&owner).into()),
    }
}

/// The holders of the directly responsible post at the limit, or now where it lies ahead, when they are not those of the start.
fn successor(record: &Record, roster: &RosterIndex, now: Instant) -> Option<Owner> {
    let owner = roster.owner_at(&record.direct.post, record.due.0.min(now));
    (!owner.persons.is_empty() && owner.persons != record.direct.persons).then_some(owner)
}

pub(super) fn state(end: Option<End>) -> pb::ObligationState {
    match end.map(|end| end.kind) {
        None => pb::ObligationState::Open,
        Some(EndKind::Settled) => pb::ObligationState::Settled,
        Some(EndKind::Cancelled) => pb::ObligationState::Cancelled,
        Some(EndKind::Missed) => pb::ObligationState::Missed,
    }
}

/// How the deadline came about, who answers for it, and what became of it.
pub(super) fn lines(record: &Record, inputs: &Inputs, roster: &RosterIndex, now: Instant) -> Vec<pb::ExplanationLine> {
    let mut lines = inputs.lines();
    lines.push(format!("直接责任：{}。", owner(&record.direct, roster)));
    lines.push(format!("闭环责任：{}。", owner(&record.loop_owner, roster)));
    if let Some(successor) = successor(record, roster, now) {
        lines.push(format!("岗位人员变动：期间由{}接任，起算时刻不变。", successor.persons.join("、")));
    }
    if record.notice.as_deref() == Some("assumed") {
        lines.push("送达：无送达或阅读记录，按下达后最长送达时间推定送达。".to_owned());
    }
    lines.push(outcome(record));
    lines.into_iter().map(line).collect()
}

pub(super) const fn line(text: String) -> pb::ExplanationLine {
    pb::ExplanationLine { text }
}

fn owner(owner: &Owner, roster: &RosterIndex) -> String {
    let post = &owner.post;
    let region = roster.get(&post.region).map_or_else(|| post.region.to_string(), |entry| entry.name.clone());
    let agency = post.agency.map(|agency| format!("（{}）", agency.name_zh())).unwrap_or_default();
    let persons = if owner.persons.is_empty() { "名册未载明人员".to_owned() } else { owner.persons.join("、") };
    format!("{region}{}{agency}，{persons}", post.role.name_zh())
}

fn outcome(record: &Record) -> String {
    let told = |what: &str, at: Instant| format!("结果：{}{what}", format_local(at));
    match record.end() {
        Some(End { kind: EndKind::Settled, at }) => match record.timing().late_seconds(at) {
            0 => told("完成，未超期。", at),
            late => told(&format!("完成，超期{}。", duration(late)), at),
        },
        Some(End { kind: EndKind::Cancelled, at }) => told("因情况变化不再要求。", at),
        Some(End { kind: EndKind::Missed, .. }) => "结果：到期未完成，已超期，不可补做。".to_owned(),
        None if record.breached => "结果：已超期，尚未完成。".to_owned(),
        None => "结果：尚未完成，未见超期。".to_owned(),
    }
}

/// `1天2小时3分4秒`, without what is zero.
fn duration(seconds: i64) -> String {
    let parts =
        [(seconds / 86_400, "天"), (seconds / 3_600 % 24, "小时"), (seconds / 60 % 60, "分"), (seconds % 60, "秒")];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn a_lateness_is_told_in_days_hours_minutes_and_seconds() {
        assert_eq!(duration(1), "1秒");
        assert_eq!(duration(3_600), "1小时");
        assert_eq!(duration(93_784), "1天2小时3分4秒");
    }
}
