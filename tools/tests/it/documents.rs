//! What is generated from the workspace or checked in it.

use std::{fs, path::Path};

use dafei_tools::{asyncapi, layering};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_workspace_s_dependencies_point_the_right_way() {
    layering::check(root()).expect("no edge that points the wrong way");
}

#[test]
fn a_workspace_whose_core_imports_sqlx_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    let package = |name: &str| format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"core\", \"sqlx\"]\n");
    write("sqlx/Cargo.toml", &package("sqlx"));
    write("sqlx/src/lib.rs", "");
    write("core/src/lib.rs", "");
    write("core/Cargo.toml", &package("dafei-intake-core"));
    layering::check(dir.path()).expect("a core without dependencies is pure");
    write("core/Cargo.toml", &(package("dafei-intake-core") + "[dependencies]\nsqlx = { path = \"../sqlx\" }\n"));
    let error = layering::check(dir.path()).expect_err("a core that imports sqlx").to_string();
    assert!(error.contains("dafei-intake-core -> sqlx"), "{error}");
}

#[test]
fn the_document_of_the_bus_is_what_the_catalogue_says() {
    asyncapi::run(root(), true).expect("docs/asyncapi.yaml without drift");
}
