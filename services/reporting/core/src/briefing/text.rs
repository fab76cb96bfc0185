//! The text of a briefing, in the words of official papers.

use dafei_kernel::{money::Fen, period::Cycle};
use jiff::civil::Date;

use super::content::{ClockKept, Content, Coverage, Figure, OwnerLine, clock_name};

/// How many owners the text names; the others are in the list.
const NAMED_OWNERS: usize = 10;
/// How many villages the text names.
const NAMED_VILLAGES: usize = 10;

/// What the text says of its period and unit.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The unit's name.
    pub unit: &'a str,
    /// Weeks or months.
    pub cycle: Cycle,
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
}

impl Head<'_> {
    const fn this(&self) -> &'static str {
        match self.cycle {
            Cycle::Week => "本周",
            Cycle::Month | Cycle::Quarter => "本月",
        }
    }

    const fn before(&self) -> &'static str {
        match self.cycle {
            Cycle::Week => "上周",
            Cycle::Month | Cycle::Quarter => "上月",
        }
    }
}

fn day(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

/// The paragraphs, each with its heading.
#[must_use]
pub fn paragraphs(head: &Head<'_>, content: &Content) -> Vec<String> {
    let parts = [
        ("总体情况", overall(head, &content.figures)),
        ("报表数据", table(head, &content.figures)),
        ("时限执行情况", limits(head, &content.clocks)),
        ("尚未办结案件", open_cases(head, content)),
        ("网格巡查和宣传情况", coverage(&content.coverage)),
        ("超时责任情况", owners(&content.owners, content.owner_count)),
        ("办理记录校验", anchor(content)),
    ];
    let numbers = ["一", "二", "三", "四", "五", "六", "七"];
    let told = parts.into_iter().filter_map(|(heading, text)| text.map(|text| (heading, text)));
    numbers.iter().zip(told).map(|(number, (heading, text))| format!("{number}、{heading}。{text}")).collect()
}

fn overall(head: &Head<'_>, figures: &[Figure]) -> Option<String> {
    let told: Vec<String> = figures
        .iter()
        .filter(|figure| !figure.code.starts_with("table-") && (figure.value != 0 || is_main(figure)))
        .map(|figure| format!("{}{}", figure.name, amount(figure, figure.value)))
        .collect();
    let compared: Vec<String> = figures.iter().filter(|figure| is_main(figure)).map(compared).collect();
    Some(format!(
        "{}（{}至{}），{}{}。与{}相比，{}。",
        head.this(),
        day(head.first),
        day(head.last),
        head.unit,
        told.join("，"),
        head.before(),
        compared.join("，")
    ))
}

/// What is said even when it is nothing.
fn is_main(figure: &Figure) -> bool {
    matches!(figure.code.as_str(), "suspicions" | "cases-opened" | "cases-closed")
}

fn amount(figure: &Figure, value: i64) -> String {
    if figure.unit == "万元" {
        return format!("{}万元", Fen::new(value).map_or_else(|_| value.to_string(), Fen::to_wan_string));
    }
    format!("{value}{}", figure.unit)
}

fn compared(figure: &Figure) -> String {
    let moved = match figure.value - figure.previous {
        0 => "持平".to_owned(),
        more if more > 0 => format!("增加{}", amount(figure, more)),
        less => format!("减少{}", amount(figure, -less)),
    };
    format!("{}{moved}", figure.name)
}

fn table(head: &Head<'_>, figures: &[Figure]) -> Option<String> {
    let told: Vec<String> = figures
        .iter()
        .filter(|figure| figure.code.starts_with("table-"))
        .map(|figure| format!("{}{}", figure.name, amount(figure, figure.value)))
        .collect();
    (!told.is_empty()).then(|| format!("{}{}。", head.this(), told.join("，")))
}

/// `95.0%`, rounded half up, but never to all where something is missing; nothing of nothing.
fn share(part: i64, whole: i64) -> Option<String> {
    (whole > 0).then(|| {
        let most = if part < whole { 999 } else { 1000 };
        let tenths = ((part.max(0) * 2000 + whole) / (whole * 2)).min(most);
        format!("{}.{}%", tenths / 10, tenths % 10)
    })
}

fn limits(head: &Head<'_>, clocks: &[ClockKept]) -> Option<String> {
    let sum = |pick: fn(&ClockKept) -> i64| -> i64 { clocks.iter().map(pick).sum() };
    let (in_time, breached) = (sum(|clock| clock.in_time), sum(|clock| clock.breached));
    let (before, before_breached) = (sum(|clock| clock.previous_in_time), sum(|clock| clock.previous_breached));
    let Some(rate) = share(in_time, in_time + breached) else {
        return Some(format!("{}没有到期的办理时限。", head.this()));
    };
    let compared = share(before, before + before_breached)
        .map_or_else(String::new, |before| format!("（{}为{before}）", head.before()));
    let which: Vec<String> = clocks
        .iter()
        .filter(|clock| clock.breached > 0)
        .map(|clock| format!("{}{}项", clock_name(&clock.clock), clock.breached))
        .collect();
    let which = if which.is_empty() { String::new() } else { format!("其中超时：{}。", which.join("，")) };
    Some(format!("各环节按时办理{in_time}项，超时{breached}项，按时率{rate}{compared}。{which}"))
}

fn open_cases(head: &Head<'_>, content: &Content) -> Option<String> {
    Some(match (content.open_count, content.overdue_count) {
        (0, _) => format!("截至{}24时，没有尚未办结的案件。", day(head.last)),
        (open, 0) => format!("截至{}24时，尚未办结案件{open}件，均未超时。", day(head.last)),
        (open, overdue) => {
            format!("截至{}24时，尚未办结案件{open}件，其中超时{overdue}件。", day(head.last))
        }
    })
}

fn coverage(duties: &[Coverage]) -> Option<String> {
    let told: Vec<String> = duties
        .iter()
        .filter_map(|duty| {
            let rate = share(duty.fulfilled, duty.owed)?;
            let what = match duty.clock {
                "N1" => "有奖举报公告达到规定处数的村居".to_owned(),
                other => format!("{}达标", clock_name(other)),
            };
            let unit = if duty.clock == "N1" { "个" } else { "村次" };
            let lagging = match duty.lagging.as_slice() {
                [] => String::new(),
                names => {
                    let more = if names.len() > NAMED_VILLAGES { "等" } else { "" };
                    let named: Vec<&str> = names.iter().take(NAMED_VILLAGES).map(String::as_str).collect();
                    format!("，未达标的有{}{more}", named.join("、"))
                }
            };
            Some(format!("{what}{}{unit}，应达{}{unit}，占{rate}{lagging}", duty.fulfilled, duty.owed))
        })
        .collect();
    (!told.is_empty()).then(|| format!("{}。", told.join("；")))
}

fn owners(owners: &[OwnerLine], count: i64) -> Option<String> {
    if owners.is_empty() {
        return Some("没有发生超时情形。".to_owned());
    }
    let named = owners.iter().take(NAMED_OWNERS).map(|owner| {
        let persons =
            if owner.persons.is_empty() { String::new() } else { format!("（{}）", owner.persons.join("、")) };
        let open =
            if owner.still_open > 0 { format!("，其中{}项尚未办理", owner.still_open) } else { String::new() };
        format!("{}{persons}超时{}项{open}", owner.name, owner.breaches)
    });
    let named: Vec<String> = named.collect();
    let others = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(named.len());
    let others = if others > 0 { format!("；其余{others}个责任主体见附表") } else { String::new() };
    Some(format!("{}{others}。", named.join("；")))
}

fn anchor(content: &Content) -> Option<String> {
    content.anchor.as_ref().map(|(day, digest)| {
        format!(
            "{day}24时全部案件办理记录的校验值为{digest}，各未办结案件的记录校验值见附表，可据以核验办理记录未被改动。"
        )
    })
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{owner::Post, period::Cycle, role::Role};
    use jiff::civil::date;

    use super::{Head, paragraphs, share};
    use crate::briefing::content::{ClockKept, Content, Coverage, Figure, OwnerLine};

    fn figure(code: &str, name: &str, unit: &str, value: i64, previous: i64) -> Figure {
        Figure { code: code.into(), name: name.into(), unit: unit.into(), value, previous }
    }

    fn head() -> Head<'static> {
        Head { unit: "兰山街道", cycle: Cycle::Week, first: date(2026, 11, 16), last: date(2026, 11, 22) }
    }

    #[test]
    fn a_week_is_told_in_the_words_of_official_papers() {
        let content = Content {
            figures: vec![
                figure("patrols", "网格巡查", "次", 84, 80),
                figure("suspicions", "发现疑似非法行为", "条", 3, 3),
                figure("cases-opened", "受理案件", "件", 2, 1),
                figure("cases-closed", "办结案件", "件", 0, 2),
                figure("urged", "催办", "次", 0, 4),
            ],
            clocks: vec![ClockKept {
                clock: "T1".into(),
                in_time: 19,
                breached: 1,
                previous_in_time: 10,
                previous_breached: 0,
            }],
            coverage: vec![Coverage { clock: "W1", owed: 28, fulfilled: 27, lagging: vec!["东关村".into()] }],
            owners: vec![OwnerLine {
                post: Post {
                    role: Role::TownshipCentre,
                    region: "township:371302001".parse().expect("a region"),
                    agency: None,
                },
                name: "兰山街道中心".into(),
                persons: vec!["王主任".into()],
                breaches: 1,
                still_open: 1,
                clocks: vec!["T1".into()],
            }],
            owner_count: 1,
            open_count: 3,
            overdue_count: 1,
            ..Content::default()
        };
        assert_eq!(
            paragraphs(&head(), &content),
            [
                "一、总体情况。本周（2026年11月16日至2026年11月22日），兰山街道网格巡查84次，发现疑似非法行为3条，受理案件2件，办结案件0件。\
                 与上周相比，发现疑似非法行为持平，受理案件增加1件，办结案件减少2件。",
                "二、时限执行情况。各环节按时办理19项，超时1项，按时率95.0%（上周为100.0%）。其中超时：乡镇中心研判1项。",
                "三、尚未办结案件。截至2026年11月22日24时，尚未办结案件3件，其中超时1件。",
                "四、网格巡查和宣传情况。每周巡查达标27村次，应达28村次，占96.4%，未达标的有东关村。",
                "五、超时责任情况。兰山街道中心（王主任）超时1项，其中1项尚未办理。",
            ]
        );
    }

    #[test]
    fn a_period_in_which_nothing_happened_says_so() {
        let text = paragraphs(&head(), &Content::default()).join("\n");
        assert!(text.contains("本周没有到期的办理时限"), "{text}");
        assert!(text.contains("没有尚未办结的案件"), "{text}");
        assert!(text.contains("没有发生超时情形"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("占"), "{text}");
    }

    #[test]
    fn a_share_is_rounded_half_up_and_is_not_all_where_one_is_missing() {
        assert_eq!(share(1, 3).as_deref(), Some("33.3%"));
        assert_eq!(share(2, 3).as_deref(), Some("66.7%"));
        assert_eq!(share(1999, 2000).as_deref(), Some("99.9%"), "one is missing");
        assert_eq!(share(7, 7).as_deref(), Some("100.0%"));
        assert_eq!(share(0, 0), None);
    }
}
