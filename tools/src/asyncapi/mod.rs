//! `docs/asyncapi.yaml`, generated from the event catalogue and the descriptors of the protos: what is on the bus, for those who read it.

mod document;
mod schema;
mod yaml;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// Where the document stands in the project.
const PATH: &str = "docs/asyncapi.yaml";

/// Writes the document, or with `check` says whether the one that is there is the one that would be written.
///
/// # Errors
/// When the file cannot be read or written, or has drifted.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let path = root.join(PATH);
    let generated = document::generate()?;
    if !check {
        fs::write(&path, generated).with_context(|| path.display().to_string())?;
        println!("{PATH} written");
        return Ok(());
    }
    let standing = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if let Some((number, line)) = drift(&standing, &generated) {
        bail!("{PATH} is not what the catalogue says from line {number} on ({line:?}); run `dafei asyncapi`");
    }
    println!("{PATH} is what the catalogue says");
    Ok(())
}

/// The first line that differs.
fn drift(standing: &str, generated: &str) -> Option<(usize, String)> {
    if standing == generated {
        return None;
    }
    let differs = standing.lines().zip(generated.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| standing.lines().count().min(generated.lines().count()));
    Some((at + 1, generated.lines().nth(at).unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{document, drift};

    #[test]
    fn the_document_is_the_same_each_time_and_names_every_event() {
        let text = document::generate().expect("a document");
        assert_eq!(text, document::generate().expect("a document"));
        for kind in dafei_contracts::KINDS {
            assert!(text.contains(kind.event_type), "{}", kind.event_type);
        }
        assert!(text.starts_with("asyncapi: 3.0.0\n"));
    }

    #[test]
    fn a_changed_line_is_drift() {
        assert_eq!(drift("a\nb\n", "a\nb\n"), None);
        assert_eq!(drift("a\nx\n", "a\nb\n"), Some((2, "b".to_owned())));
        assert_eq!(drift("a\n", "a\nb\n"), Some((2, "b".to_owned())));
    }
}
