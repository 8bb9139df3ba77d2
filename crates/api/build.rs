//! Makes Rust of `proto/everstate/v1/everstate.proto`: messages, the service's trait and its client. The
//! descriptors come from protox, so that nobody needs a protobuf compiler to build Everstate.

use std::error::Error;
use std::path::PathBuf;

const PROTO: &str = "everstate/v1/everstate.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto/{PROTO}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; build with cargo")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_file(PROTO)?;
    let commented = out.join("commented.bin");
    std::fs::write(&commented, compiler.encode_file_descriptor_set())?;

    // What reflection tells needs no comments: half the size.
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(false).open_file(PROTO)?;
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    connectrpc_build::Config::new()
        .descriptor_set(&commented)
        .files(&[PROTO])
        .include_file("everstate.rs")
        .gate_client_feature(true)
        .emit_rerun_directives(false)
        .compile()?;
    Ok(())
}
