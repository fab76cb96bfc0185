//! A small YAML writer: maps keep their order, so that the document reads in the order it was made in.

use std::fmt::Write as _;

/// A node of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A map of entries.
pub(super) fn map<K: Into<String>, const N: usize>(entries: [(K, Node); N]) -> Node {
    Node::Map(entries.into_iter().map(|(key, node)| (key.into(), node)).collect())
}

/// A list of texts.
pub(super) fn texts<'a>(items: impl IntoIterator<Item = &'a str>) -> Node {
    Node::List(items.into_iter().map(Node::from).collect())
}

/// The document of a node.
pub(super) fn write(node: &Node) -> String {
    let mut out = String::new();
    block(&mut out, node, 0);
    out
}

fn block(out: &mut String, node: &Node, depth: usize) {
    match node {
        Node::Map(entries) => {
            for (key, value) in entries {
                indent(out, depth);
                entry(out, key, value, depth);
            }
        }
        Node::List(items) => {
            for item in items {
                indent(out, depth);
                out.push_str("- ");
                list_item(out, item, depth);
            }
        }
        scalar => {
            out.push_str(&text_of(scalar));
            out.push('\n');
        }
    }
}

fn entry(out: &mut String, key: &str, value: &Node, depth: usize) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{}:", quoted(key));
    match value {
        Node::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Node::List(items) if items.is_empty() => out.push_str(" []\n"),
        Node::Map(_) | Node::List(_) => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        scalar => {
            let _ = writeln!(out, " {}", text_of(scalar));
        }
    }
}

/// The first entry of a map stands on the line of its dash.
fn list_item(out: &mut String, item: &Node, depth: usize) {
    match item {
        Node::Map(entries) if !entries.is_empty() => {
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    indent(out, depth + 1);
                }
                entry(out, key, value, depth + 1);
            }
        }
        Node::Map(_) => out.push_str("{}\n"),
        Node::List(_) | Node::Text(_) => {
            out.push_str(&text_of(item));
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn text_of(node: &Node) -> String {
    match node {
        Node::Text(text) => quoted(text),
        Node::List(_) | Node::Map(_) => String::new(),
    }
}

/// Plain where YAML cannot mistake it, else in double quotes as JSON has them.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./ $".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && !text.ends_with(' ')
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    // Versions like 3.0.0 are no numbers.
    let version = text.split('.').count() == 3 && text.split('.').all(|part| part.parse::<u32>().is_ok());
    if plain || version { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::{Node, map, texts, write};

    #[test]
    fn nested_maps_and_lists_are_indented() {
        let node = map([
            ("a", map([("b", "1".into()), ("c", Node::Map(vec![]))])),
            ("list", texts(["x", "y: z", "true", ""])),
            ("maps", Node::List(vec![map([("k", "1".into()), ("l", "yes".into())])])),
        ]);
        let expected = "a:\n  b: \"1\"\n  c: {}\nlist:\n  - x\n  - \"y: z\"\n  - \"true\"\n  - \"\"\nmaps:\n  - k: \"1\"\n    l: \"yes\"\n";
        assert_eq!(write(&node), expected);
    }
}
