//! Makes Rust of the files in `proto/`: messages, the services' traits and their clients. The descriptors come from
//! protox, so that nobody needs a protobuf compiler to build Everstate.

use std::error::Error;
use std::path::{Path, PathBuf};

/// Each becomes a module of the package's name.
const PROTOS: [&str; 2] = ["everstate/v1/everstate.proto", "statemachine/v1beta/statemachine.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; build with cargo")?);
    for proto in PROTOS {
        println!("cargo:rerun-if-changed=proto/{proto}");
    }
    // What reflection tells needs no comments: half the size.
    describe(&out.join("descriptors.bin"), false)?;
    let commented = out.join("commented.bin");
    describe(&commented, true)?;
    connectrpc_build::Config::new()
        .descriptor_set(&commented)
        .files(&PROTOS)
        .include_file("generated.rs")
        .gate_client_feature(true)
        .emit_rerun_directives(false)
        .compile()?;
    Ok(())
}

fn describe(file: &Path, with_comments: bool) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(with_comments).open_files(PROTOS)?;
    std::fs::write(file, compiler.encode_file_descriptor_set())?;
    Ok(())
}
