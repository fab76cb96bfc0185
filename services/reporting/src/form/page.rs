//! The form as a page: one document with nothing outside it and no scripts, printed on one landscape A4 page. It is HTML that is
//! well-formed XML too.

use dafei_reporting_core::{Column, Row};

use super::{Form, layout};

const STYLE: &str = include_str!("page.css");

/// The page.
#[must_use]
pub fn page(form: &Form) -> String {
    let notes: String = layout::notes(form).iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
    let rows: String = layout::rows(form).map(row).collect();
    format!(
        r#"<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width"/>
<title>{name}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<p class="annex">{annex}</p>
<h1>{title}</h1>
<p class="month">{month}</p>
<p class="filled"><span>{by}</span><span>{on}</span></p>
<table>
<thead>
{heads}</thead>
<tbody>
{rows}</tbody>
</table>
<section>
<p>注：</p>
<ol>
{notes}</ol>
<p class="status">{status}</p>
</section>
</main>
</body>
</html>
"#,
        name = escaped(&layout::document_name(form)),
        annex = layout::ANNEX,
        title = layout::TITLE,
        month = escaped(&layout::subtitle(form)),
        by = escaped(&layout::filled_by(form)),
        on = escaped(&layout::filled_on(form)),
        heads = heads(),
        status = escaped(&layout::status(form)),
    )
}

/// Both head rows.
fn heads() -> String {
    let groups = layout::groups();
    let above: String = groups
        .iter()
        .map(|(group, columns)| {
            format!("<th scope=\"colgroup\" colspan=\"{}\">{}</th>\n", columns.len(), escaped(group.name()))
        })
        .collect();
    let below: String = groups
        .iter()
        .flat_map(|(_, columns)| columns)
        .map(|column| {
            let (name, unit) = (escaped(column.name()), escaped(&layout::unit(*column)));
            format!("<th scope=\"col\">{name}<span>{unit}</span></th>\n")
        })
        .collect();
    let first = layout::FIRST_HEAD;
    format!("<tr>\n<th scope=\"col\" rowspan=\"2\">{first}</th>\n{above}</tr>\n<tr>\n{below}</tr>\n")
}

fn row(row: &Row) -> String {
    let texts = row.texts();
    let figures: String = Column::ALL.into_iter().map(|column| format!("<td>{}</td>", texts[column.index()])).collect();
    format!("<tr><th scope=\"row\">{}</th>{figures}</tr>\n", escaped(row.name))
}

/// A text that is nothing but text, wherever it is put.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{escaped, page};
    use crate::form::{Form, layout::tests::form};

    #[test]
    fn a_name_stays_text() {
        assert_eq!(escaped("<b a='1' c=\"2\">&amp;"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
        let page = page(&Form { unit_name: "甲&乙<script>".to_owned(), ..form() });
        assert!(page.contains("填报单位：甲&amp;乙&lt;script&gt;"));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        let page = page(&form());
        for reference in ["http://", "https://", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}
