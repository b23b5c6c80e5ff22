//! Compiles the cage a second time, as a C library for the Python fork server. The result is embedded in the crate.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=cage");
    println!("cargo::rerun-if-changed=build.rs");
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR"))
        .join("cage")
        .join("cage.rs");
    let library = PathBuf::from(variable("OUT_DIR")).join("portwright_cage.library");
    if variable("CARGO_CFG_TARGET_OS") == "linux" {
        compile(&source, &library);
    } else if let Err(error) = std::fs::write(&library, b"") {
        // Without a cage there is no library either; an empty one says so at run time.
        fail(&format!("cannot write {}: {error}", library.display()));
    }
}

fn compile(source: &Path, library: &Path) {
    let mut command = Command::new(variable("RUSTC"));
    command
        .args([
            "--crate-type",
            "cdylib",
            "--crate-name",
            "portwright_cage",
            "--edition",
            "2024",
        ])
        .args([
            "-O",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
            "-C",
            "debuginfo=0",
        ])
        .args(["--target", &variable("TARGET")])
        .arg("-o")
        .arg(library)
        .arg(source);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        command.args(["-C", &format!("linker={linker}")]);
    }
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!(
            "compiling the cage failed: {status}; its messages are above"
        )),
        Err(error) => fail(&format!("cannot run {}: {error}", variable("RUSTC"))),
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| {
        fail(&format!(
            "cargo did not set {name} for the build script: {error}"
        ));
    })
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1);
}
