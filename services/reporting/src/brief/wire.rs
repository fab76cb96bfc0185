//! A briefing's content on the wire.

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{period::Cycle, region::Level};
use dafei_reporting_core::briefing::{Briefing, ClockKept, Content, Coverage, Figure, OpenCase, OwnerLine, clock_name};

pub(super) fn content(
    briefing: &Briefing,
    unit_name: &str,
    content: Content,
    paragraphs: Vec<String>,
) -> pb::BriefingContent {
    let (anchor_day, anchor_digest) = content.anchor.unwrap_or_default();
    pb::BriefingContent {
        unit: Some(briefing.unit().into()),
        unit_name: unit_name.to_owned(),
        period: briefing.period().to_string(),
        title: title(briefing, unit_name),
        first_day: briefing.period().first_day().to_string(),
        last_day: briefing.last_day().to_string(),
        addressed_to: addressed_to(briefing, unit_name),
        figures: content.figures.into_iter().map(figure).collect(),
        clocks: content.clocks.into_iter().map(clock).collect(),
        coverage: content.coverage.into_iter().map(coverage).collect(),
        owners: content.owners.into_iter().map(owner).collect(),
        owner_count: content.owner_count,
        open_cases: content.open_cases.into_iter().map(open_case).collect(),
        open_count: content.open_count,
        overdue_count: content.overdue_count,
        anchor_day,
        anchor_digest,
        paragraphs,
        remarks: String::new(),
    }
}

fn title(briefing: &Briefing, unit: &str) -> String {
    let first = briefing.period().first_day();
    match briefing.period().cycle() {
        Cycle::Week => {
            let week = first.iso_week_date();
            format!("{unit}“打非”工作周通报（{}年第{}周）", week.year(), week.week())
        }
        Cycle::Month | Cycle::Quarter => format!("{unit}“打非”工作月通报（{}年{}月）", first.year(), first.month()),
    }
}

fn addressed_to(briefing: &Briefing, unit: &str) -> String {
    match briefing.unit().level() {
        Level::City => format!("{unit}安全生产委员会"),
        Level::County => format!("{unit}“打非”工作总指挥"),
        Level::Township | Level::WorkArea | Level::Village => format!("{unit}党（工）委、政府（办事处）主要负责同志"),
    }
}

fn figure(figure: Figure) -> pb::BriefingFigure {
    let Figure { code, name, unit, value, previous } = figure;
    pb::BriefingFigure { code, name, value, previous, unit }
}

fn clock(kept: ClockKept) -> pb::BriefingClock {
    pb::BriefingClock {
        name: clock_name(&kept.clock).to_owned(),
        clock: kept.clock,
        in_time: kept.in_time,
        breached: kept.breached,
        previous_in_time: kept.previous_in_time,
        previous_breached: kept.previous_breached,
    }
}

fn coverage(duty: Coverage) -> pb::BriefingCoverage {
    pb::BriefingCoverage {
        clock: duty.clock.to_owned(),
        name: clock_name(duty.clock).to_owned(),
        owed: duty.owed,
        fulfilled: duty.fulfilled,
        lagging: duty.lagging,
    }
}

fn owner(owner: OwnerLine) -> pb::BriefingOwner {
    pb::BriefingOwner {
        post: Some((&owner.post).into()),
        name: owner.name,
        persons: owner.persons,
        breaches: owner.breaches,
        still_open: owner.still_open,
        clocks: owner.clocks,
    }
}

fn open_case(case: OpenCase) -> pb::BriefingCase {
    pb::BriefingCase {
        case_id: case.case_id,
        act: case.act,
        sector: case.sector,
        place: case.place,
        opened_at: Some(case.opened_at.into()),
        overdue: case.overdue,
        chain_head: case.chain_head,
        sequence: case.sequence,
    }
}
