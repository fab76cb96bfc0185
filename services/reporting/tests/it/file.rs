//! Exported files, read back: a workbook from its parts, a page as the XML that it also is.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use roxmltree::{Document, Node, ParsingOptions};

/// A workbook's sheet.
pub(crate) struct Sheet {
    /// Text or number by cell ("B7"), as stored.
    pub(crate) cells: BTreeMap<String, Cell>,
    /// Merged ranges ("A1:M1").
    pub(crate) merged: Vec<String>,
    /// The sheet's XML.
    pub(crate) xml: String,
    /// The workbook's XML.
    pub(crate) workbook: String,
    /// The document's properties.
    pub(crate) core: String,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: Value,
    /// Number format.
    pub(crate) format: String,
    /// Name of the font.
    pub(crate) font: String,
    /// Whether it has a frame on all sides.
    pub(crate) framed: bool,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Blank,
}

fn all<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants().filter(move |node| node.has_tag_name_local(name))
}

trait Local {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl Local for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }
}

/// All text within an element.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| if node.is_text() { node.text() } else { None }).collect()
}

/// Looks of cells, by their number: format, font, frame.
fn looks(styles: &str) -> Vec<(String, String, bool)> {
    let document = Document::parse(styles).expect("styles");
    let root = document.root_element();
    let named = |id: &str| {
        let custom = all(root, "numFmt").find(|format| format.attribute("numFmtId") == Some(id));
        custom.and_then(|format| format.attribute("formatCode")).map_or_else(
            || match id {
                "0" => "General".to_owned(),
                "1" => "0".to_owned(),
                "2" => "0.00".to_owned(),
                other => format!("built-in {other}"),
            },
            str::to_owned,
        )
    };
    let fonts: Vec<String> =
        all(root, "font").filter_map(|font| all(font, "name").next()?.attribute("val").map(str::to_owned)).collect();
    let frames: Vec<bool> = all(root, "border")
        .map(|border| {
            ["left", "right", "top", "bottom"]
                .iter()
                .all(|side| all(border, side).next().is_some_and(|side| side.attribute("style").is_some()))
        })
        .collect();
    let looks = all(root, "cellXfs").next().expect("looks of cells");
    let index = |xf: Node<'_, '_>, of: &str| xf.attribute(of).and_then(|id| id.parse::<usize>().ok()).unwrap_or(0);
    all(looks, "xf")
        .map(|xf| {
            let format = named(xf.attribute("numFmtId").unwrap_or("0"));
            (format, fonts[index(xf, "fontId")].clone(), frames[index(xf, "borderId")])
        })
        .collect()
}

/// Reads a workbook.
pub(crate) fn sheet(bytes: &[u8]) -> Sheet {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let mut part = |name: &str| {
        let mut text = String::new();
        archive.by_name(name).expect(name).read_to_string(&mut text).expect("UTF-8");
        text
    };
    let strings = part("xl/sharedStrings.xml");
    let strings: Vec<String> =
        all(Document::parse(&strings).expect("strings").root_element(), "si").map(text).collect();
    let looks = looks(&part("xl/styles.xml"));
    let xml = part("xl/worksheets/sheet1.xml");
    let document = Document::parse(&xml).expect("a sheet");
    let root = document.root_element();
    let cells = all(root, "c")
        .map(|cell| {
            let stored = all(cell, "v").next().map(text);
            let value = match (cell.attribute("t"), stored) {
                (Some("s"), Some(index)) => Value::Text(strings[index.parse::<usize>().expect("an index")].clone()),
                (None, Some(number)) => Value::Number(number.parse().expect("a number")),
                (_, _) => Value::Blank,
            };
            let look = cell.attribute("s").and_then(|look| look.parse::<usize>().ok()).unwrap_or(0);
            let (format, font, framed) = looks[look].clone();
            (cell.attribute("r").expect("a place").to_owned(), Cell { value, format, font, framed })
        })
        .collect();
    let merged = all(root, "mergeCell").filter_map(|cell| cell.attribute("ref").map(str::to_owned)).collect();
    let (workbook, core) = (part("xl/workbook.xml"), part("docProps/core.xml"));
    Sheet { cells, merged, workbook, core, xml: xml.clone() }
}

impl Sheet {
    /// A cell's text.
    pub(crate) fn text(&self, at: &str) -> &str {
        match self.cells.get(at).map(|cell| &cell.value) {
            Some(Value::Text(text)) => text,
            other => panic!("no text at {at}: {other:?}"),
        }
    }

    /// The texts of the cells that have one, in no order that means anything.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let texts = self.cells.values().map(|cell| &cell.value);
        texts.filter_map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None }).collect()
    }

    /// An attribute of an element of the sheet that is there once.
    pub(crate) fn attribute(&self, element: &'static str, name: &str) -> Option<String> {
        let document = Document::parse(&self.xml).expect("a sheet");
        let found = all(document.root_element(), element).next()?.attribute(name)?.to_owned();
        Some(found)
    }
}

/// A cell of a page: its text, the columns and the rows that it spans.
pub(crate) type Spanning = (String, usize, usize);

/// A page.
pub(crate) struct Page {
    /// Language.
    pub(crate) lang: String,
    /// The table's rows.
    pub(crate) rows: Vec<Vec<Spanning>>,
    /// Text of each paragraph, title and item outside the table.
    pub(crate) lines: Vec<String>,
    /// Names of all elements.
    pub(crate) elements: Vec<String>,
}

/// Reads a page.
pub(crate) fn page(bytes: &[u8]) -> Page {
    let html = std::str::from_utf8(bytes).expect("UTF-8");
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(html, options).expect("well-formed");
    let root = document.root_element();
    let span = |cell: Node<'_, '_>, name: &str| cell.attribute(name).map_or(1, |span| span.parse().expect("a number"));
    let rows = all(root, "tr")
        .map(|row| {
            let cells = row.children().filter(Node::is_element);
            cells.map(|cell| (text(cell), span(cell, "colspan"), span(cell, "rowspan"))).collect()
        })
        .collect();
    let lines = root.descendants().filter(|node| matches!(node.tag_name().name(), "p" | "h1" | "li"));
    Page {
        lang: root.attribute("lang").unwrap_or_default().to_owned(),
        rows,
        lines: lines.map(text).collect(),
        elements: root.descendants().filter(Node::is_element).map(|node| node.tag_name().name().to_owned()).collect(),
    }
}
