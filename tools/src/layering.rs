//! The check that dependencies point one way: kernel <- core, kernel <- contracts <- messaging, runtime beside them; no service on another
//! service's crate. It reads what `cargo metadata` says, so a manifest cannot hide an edge.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What `cargo metadata` says, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// Null for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

/// Prefix of the suite's own crates.
const OWN: &str = "dafei-";
/// External crates that a pure crate may use.
const PURE: [&str; 7] = ["csv", "jiff", "serde", "serde_json", "sha2", "thiserror", "uuid"];
/// Beside them, in its tests.
const PURE_DEV: [&str; 1] = ["proptest"];

/// In the tests of the cores whose steps the SLA monitor times: both must mean the same by their events.
const TIMED: [&str; 2] = ["dafei-intake-core", "dafei-dispatch-core"];
/// The core that times them.
const TIMING: &str = "dafei-sla-core";

/// What a crate of the workspace may depend on.
enum Rule {
    /// Only these of the suite's crates and pure external ones.
    Pure(&'static [&'static str]),
    /// These of the suite's crates (besides testkit in tests), and no external crate of the second list.
    Without(&'static [&'static str], &'static [&'static str]),
    /// Anything.
    Free,
}

const BESIDE: &[&str] = &["dafei-kernel", "dafei-contracts", "dafei-messaging", "dafei-runtime", "dafei-shell"];

fn rule(package: &str) -> Rule {
    match package {
        "dafei-kernel" => Rule::Pure(&[]),
        _ if package.ends_with("-core") => Rule::Pure(&["dafei-kernel"]),
        "dafei-contracts" => Rule::Without(&["dafei-kernel"], &["sqlx", "async-nats", "tokio"]),
        "dafei-runtime" => Rule::Without(&["dafei-kernel"], &["sqlx", "async-nats"]),
        "dafei-messaging" => Rule::Without(&["dafei-kernel", "dafei-contracts"], &["tonic"]),
        "dafei-testkit" => Rule::Without(&["dafei-kernel"], &["tonic"]),
        "dafei-shell" => Rule::Without(&["dafei-kernel", "dafei-contracts", "dafei-messaging", "dafei-runtime"], &[]),
        "dafei-intake" | "dafei-dispatch" | "dafei-sla-monitor" | "dafei-reporting" => Rule::Without(BESIDE, &[]),
        // The tool and the black-box tests stand outside.
        _ => Rule::Free,
    }
}

/// The core crate of a service.
fn core_of(package: &str) -> Option<&'static str> {
    match package {
        "dafei-intake" => Some("dafei-intake-core"),
        "dafei-dispatch" => Some("dafei-dispatch-core"),
        "dafei-sla-monitor" => Some("dafei-sla-core"),
        "dafei-reporting" => Some("dafei-reporting-core"),
        _ => None,
    }
}

/// Every edge that points the wrong way, as a sentence.
#[must_use]
pub fn faults(metadata: &Metadata) -> Vec<String> {
    let by_id: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let members = metadata.workspace_members.iter().filter_map(|id| by_id.get(id.as_str()));
    members
        .flat_map(|package| {
            let edges = package.dependencies.iter();
            edges.filter_map(|edge| {
                fault(&package.name, edge).map(|why| format!("{} -> {}: {why}", package.name, edge.name))
            })
        })
        .collect()
}

fn fault(package: &str, edge: &Dependency) -> Option<String> {
    let dev = edge.kind.as_deref() == Some("dev");
    let build = edge.kind.as_deref() == Some("build");
    let own = edge.name.starts_with(OWN);
    if own && edge.name == "dafei-testkit" {
        let pure = matches!(rule(package), Rule::Pure(_));
        return (!dev || pure).then(|| "testkit is a dev-dependency of shells only".to_owned());
    }
    if dev && edge.name == TIMING && TIMED.contains(&package) {
        return None;
    }
    match rule(package) {
        Rule::Free => None,
        Rule::Pure(crates) if own => (!crates.contains(&edge.name.as_str())).then(|| only(crates)),
        Rule::Pure(_) => {
            let allowed = PURE.contains(&edge.name.as_str()) || (dev && PURE_DEV.contains(&edge.name.as_str()));
            (!allowed).then(|| format!("a pure crate uses only {}", PURE.join(", ")))
        }
        Rule::Without(crates, _) if own => {
            let allowed = crates.contains(&edge.name.as_str()) || core_of(package) == Some(edge.name.as_str());
            (!allowed).then(|| only(crates))
        }
        Rule::Without(_, forbidden) => (!dev && !build && forbidden.contains(&edge.name.as_str()))
            .then(|| format!("{} does without it", package.trim_start_matches(OWN))),
    }
}

fn only(crates: &[&str]) -> String {
    if crates.is_empty() {
        "it uses none of the suite's crates".to_owned()
    } else {
        format!("of the suite's crates it uses only {}", crates.join(", "))
    }
}

/// What `cargo metadata` says of the workspace in `root`.
///
/// # Errors
/// When cargo fails or says something else.
pub fn metadata(root: &Path) -> Result<Metadata> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata")
}

/// Checks the workspace.
///
/// # Errors
/// With every edge that points the wrong way.
pub fn check(root: &Path) -> Result<()> {
    let faults = faults(&metadata(root)?);
    if !faults.is_empty() {
        bail!("dependencies that point the wrong way:\n  {}", faults.join("\n  "));
    }
    println!("layering: every dependency points the right way");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Metadata, faults};

    fn workspace(package: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let metadata = serde_json::json!({
            "packages": [{"id": "a", "name": package, "dependencies": [{"name": dependency, "kind": kind}]}],
            "workspace_members": ["a"],
        });
        faults(&serde_json::from_value::<Metadata>(metadata).expect("metadata"))
    }

    #[test]
    fn a_core_that_imports_sqlx_is_named() {
        let faults = workspace("dafei-intake-core", "sqlx", None);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("dafei-intake-core -> sqlx"), "{faults:?}");
    }

    #[test]
    fn edges_that_point_the_wrong_way_are_found() {
        for (package, dependency, kind) in [
            ("dafei-reporting-core", "tokio", None),
            ("dafei-reporting-core", "dafei-contracts", None),
            ("dafei-reporting-core", "dafei-testkit", Some("dev")),
            ("dafei-reporting-core", "tokio", Some("dev")),
            ("dafei-kernel", "tonic", None),
            ("dafei-kernel", "dafei-runtime", None),
            ("dafei-contracts", "sqlx", None),
            ("dafei-contracts", "async-nats", None),
            ("dafei-runtime", "sqlx", None),
            ("dafei-intake", "dafei-dispatch", None),
            ("dafei-intake", "dafei-dispatch-core", None),
            ("dafei-intake", "dafei-dispatch", Some("dev")),
            ("dafei-messaging", "dafei-runtime", None),
            ("dafei-shell", "dafei-intake", None),
            ("dafei-shell", "dafei-testkit", None),
            ("dafei-dispatch-core", "dafei-sla-core", None),
            ("dafei-reporting-core", "dafei-sla-core", Some("dev")),
        ] {
            assert_eq!(workspace(package, dependency, kind).len(), 1, "{package} -> {dependency}");
        }
    }

    #[test]
    fn edges_that_the_design_has_are_let_through() {
        for (package, dependency, kind) in [
            ("dafei-reporting-core", "dafei-kernel", None),
            ("dafei-reporting-core", "jiff", None),
            ("dafei-reporting-core", "proptest", Some("dev")),
            ("dafei-sla-monitor", "dafei-sla-core", None),
            ("dafei-dispatch-core", "dafei-sla-core", Some("dev")),
            ("dafei-dispatch", "dafei-shell", None),
            ("dafei-dispatch", "dafei-testkit", Some("dev")),
            ("dafei-tools", "dafei-messaging", None),
        ] {
            assert_eq!(workspace(package, dependency, kind), Vec::<String>::new(), "{package} -> {dependency}");
        }
    }
}
