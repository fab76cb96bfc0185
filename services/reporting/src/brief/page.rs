//! A briefing as a page: one document with nothing outside it and no scripts, printed on A4. It is HTML that is well-formed XML too.

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{
    money::Fen,
    time::{Instant, format_local},
};
use dafei_reporting_core::briefing::clock_name;

use crate::form::page::escaped;

const STYLE: &str = include_str!("page.css");

/// The page of a briefing; `released_at` is not set for a draft.
#[must_use]
pub(crate) fn page(content: &pb::BriefingContent, released_at: Option<Instant>) -> String {
    let mut text: String = content.paragraphs.iter().map(|one| paragraph(one)).collect();
    if !content.remarks.is_empty() {
        text.push_str(&paragraph("工作要求："));
        text.extend(content.remarks.lines().map(paragraph));
    }
    let state = released_at.map_or_else(|| "<p class=\"state\">（草稿，尚未发布）</p>\n".to_owned(), |_| String::new());
    let signed = released_at.map(|at| format_local(at).chars().take(10).collect::<String>()).unwrap_or_default();
    format!(
        r#"<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width"/>
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{state}<p>{to}：</p>
<div class="text">
{text}</div>
<p class="signed">{signed}</p>
{tables}</main>
</body>
</html>
"#,
        title = escaped(&content.title),
        to = escaped(&content.addressed_to),
        tables = tables(content),
    )
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

/// A cell: its text, and the class of its column.
type Cell = (String, &'static str);

fn plain(text: impl ToString) -> Cell {
    (text.to_string(), "")
}

fn tables(content: &pb::BriefingContent) -> String {
    [
        table("工作数据", &["项目", "单位", "本期", "上期"], content.figures.iter().map(figure).collect()),
        table(
            "时限执行情况",
            &["环节", "按时", "超时", "上期按时", "上期超时"],
            content.clocks.iter().map(clock).collect(),
        ),
        table(
            "村居责任完成情况",
            &["事项", "应达", "达标", "未达标的村居"],
            content.coverage.iter().map(coverage).collect(),
        ),
        table(
            "超时责任",
            &["责任主体", "责任人", "超时", "尚未办理", "环节"],
            content.owners.iter().map(owner).collect(),
        ),
        table(
            "尚未办结案件",
            &["地点", "非法行为", "受理时间", "超时环节", "办理记录校验值"],
            content.open_cases.iter().map(case).collect(),
        ),
    ]
    .concat()
}

/// A table under its heading; nothing where it has no rows.
fn table(heading: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", escaped(column))).collect();
    let cell = |(text, class): Cell| match class {
        "" => format!("<td>{}</td>", escaped(&text)),
        class => format!("<td class=\"{class}\">{}</td>", escaped(&text)),
    };
    let rows: String =
        rows.into_iter().map(|row| format!("<tr>{}</tr>\n", row.into_iter().map(cell).collect::<String>())).collect();
    format!("<h2>{heading}</h2>\n<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn figure(figure: &pb::BriefingFigure) -> Vec<Cell> {
    let amount = |value: i64| match figure.unit.as_str() {
        "万元" => Fen::new(value).map_or_else(|_| value.to_string(), Fen::to_wan_string),
        _ => value.to_string(),
    };
    vec![
        (figure.name.clone(), "text"),
        plain(&figure.unit),
        plain(amount(figure.value)),
        plain(amount(figure.previous)),
    ]
}

fn clock(clock: &pb::BriefingClock) -> Vec<Cell> {
    vec![
        (clock.name.clone(), "text"),
        plain(clock.in_time),
        plain(clock.breached),
        plain(clock.previous_in_time),
        plain(clock.previous_breached),
    ]
}

fn coverage(duty: &pb::BriefingCoverage) -> Vec<Cell> {
    vec![(duty.name.clone(), "text"), plain(duty.owed), plain(duty.fulfilled), (duty.lagging.join("、"), "text")]
}

fn clocks(codes: &[String]) -> String {
    codes.iter().map(|code| clock_name(code)).collect::<Vec<_>>().join("、")
}

fn owner(owner: &pb::BriefingOwner) -> Vec<Cell> {
    vec![
        (owner.name.clone(), "text"),
        plain(owner.persons.join("、")),
        plain(owner.breaches),
        plain(owner.still_open),
        (clocks(&owner.clocks), "text"),
    ]
}

fn case(case: &pb::BriefingCase) -> Vec<Cell> {
    let opened = case.opened_at.and_then(|at| Instant::try_from(at).ok()).map(format_local).unwrap_or_default();
    vec![
        (case.place.clone(), "text"),
        (case.act.clone(), "text"),
        plain(opened.chars().take(16).collect::<String>()),
        (clocks(&case.overdue), "text"),
        (case.chain_head.clone(), "head"),
    ]
}

#[cfg(test)]
mod tests {
    use dafei_contracts::reporting::v1 as pb;

    use super::page;

    fn content() -> pb::BriefingContent {
        pb::BriefingContent {
            title: "甲街道“打非”工作周通报".into(),
            addressed_to: "甲街道主要负责同志".into(),
            paragraphs: vec!["一、总体情况。<b>".into()],
            remarks: "要求一\n要求二".into(),
            figures: vec![pb::BriefingFigure {
                code: "table-4".into(),
                name: "行政处罚".into(),
                value: 12_345_000,
                previous: 0,
                unit: "万元".into(),
            }],
            ..Default::default()
        }
    }

    #[test]
    fn a_draft_says_that_it_is_one_and_a_released_page_bears_its_day() {
        assert!(page(&content(), None).contains("草稿，尚未发布"));
        let at = "2026-11-23T00:30:00+08:00".parse().expect("an instant");
        let released = page(&content(), Some(at));
        assert!(!released.contains("草稿") && released.contains("<p class=\"signed\">2026-11-23</p>"), "{released}");
    }

    #[test]
    fn texts_stay_texts_and_nothing_is_loaded_from_elsewhere() {
        let page = page(&content(), None);
        assert!(page.contains("一、总体情况。&lt;b&gt;") && page.contains("<p>要求二</p>"));
        assert!(page.contains("<td>12.35</td>"), "fen are printed as 万元");
        for reference in ["http://", "https://", "src=", "href=", "url(", "<script"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}
