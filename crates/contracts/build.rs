//! Compiles proto/ without protoc: Rust messages, gRPC stubs, canonical proto JSON, and the descriptor set for reflection.

use std::{env, error::Error, fs, path::Path, path::PathBuf};

use prost::Message as _;

/// Messages that untrusted systems send: an unknown field in them is an error, not a later version.
const STRICT: &[&str] = &[
    ".dafei.events.v1.Feedback",
    ".dafei.events.v1.FeedbackAccepted",
    ".dafei.events.v1.FeedbackResponse",
    ".dafei.events.v1.FeedbackResult",
    ".dafei.events.v1.FeedbackDeclined",
    ".dafei.events.v1.FeedbackExtension",
    ".dafei.events.v1.FeedbackCompliance",
    ".dafei.events.v1.FeedbackDailyWork",
    ".dafei.events.v1.FeedbackFinding",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../../proto");
    println!("cargo::rerun-if-changed=../../proto");
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let descriptors = protox::Compiler::new([root])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(&files)?
        .file_descriptor_set();
    let bytes = descriptors.encode_to_vec();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &bytes)?;

    tonic_prost_build::configure()
        .extern_path(".google.protobuf.Timestamp", "crate::timestamp::Timestamp")
        .bytes(".")
        // What a program prints by mistake must not be an informant's code: `redacted` says how it shows itself.
        .skip_debug([".dafei.intake.v1.InformantCode"])
        .compile_fds(descriptors)?;

    pbjson_build::Builder::new()
        .register_descriptors(&bytes)?
        .extern_path(".google.protobuf.Timestamp", "crate::timestamp::Timestamp")
        .exclude(STRICT.iter().copied())
        .ignore_unknown_fields()
        .build(&[".dafei.types", ".dafei.events"])?;
    let strict = out.join("strict");
    fs::create_dir_all(&strict)?;
    pbjson_build::Builder::new()
        .out_dir(&strict)
        .register_descriptors(&bytes)?
        .extern_path(".google.protobuf.Timestamp", "crate::timestamp::Timestamp")
        .build(STRICT)?;
    Ok(())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
