//! The settings as a table for the documentation, made from the catalogue, so that it cannot be out of date.

use std::fmt::Write as _;

use super::catalogue::{KNOWN_KEYS, Need, Scope};

/// All settings of the suite as a Markdown table.
pub fn reference() -> String {
    let mut table = String::from("| setting | default | meaning |\n|---|---|---|\n");
    for key in KNOWN_KEYS {
        let name = match key.scope {
            Scope::Suite => key.name.to_owned(),
            Scope::Service => format!("DAFEI_<SERVICE>_{}", key.name),
        };
        let default = match key.need {
            Need::Required => "required".to_owned(),
            Need::Optional => "none".to_owned(),
            Need::Default(value) => format!("`{value}`"),
        };
        let secret = if key.secret { " Secret." } else { "" };
        writeln!(table, "| `{name}` | {default} | {}{secret} |", key.help).expect("writing to a string does not fail");
    }
    table.push_str("\n`<SERVICE>` is one of `INTAKE`, `DISPATCH`, `SLA_MONITOR`, `REPORTING`.\n");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_setting_once() {
        let table = reference();
        for key in KNOWN_KEYS {
            let name = match key.scope {
                Scope::Suite => key.name.to_owned(),
                Scope::Service => format!("DAFEI_<SERVICE>_{}", key.name),
            };
            assert_eq!(table.matches(&format!("| `{name}` |")).count(), 1, "{name}");
        }
    }
}
