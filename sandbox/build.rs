//! Compiles the cage a second time, as a C library for the Python fork server. The result is embedded in the crate.
//! And makes the digest of the crate's own code, which is part of the key of whatever was measured or judged with it.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use sha2::{Digest as _, Sha256};

/// What can change a measurement or a judgement.
const CODE: [&str; 6] = [
    "cage",
    "components",
    "python/plain",
    "python/portwright_worker",
    "src",
    "web",
];

/// What a source file's name ends with.
const SOURCES: [&str; 5] = ["json", "mjs", "py", "rs", "toml"];

fn main() {
    for folder in CODE {
        println!("cargo::rerun-if-changed={folder}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=PORTWRIGHT_SANDBOX_CODE={}", code_digest());
    embed("python/portwright_worker", "py", "worker_files.rs");
    embed("web", "mjs", "web_files.rs");
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

/// The digest of every source file below the folders, with its path.
fn code_digest() -> String {
    let mut files: Vec<PathBuf> = CODE
        .iter()
        .flat_map(|folder| files(folder, &SOURCES))
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for path in files {
        let text = std::fs::read(&path)
            .unwrap_or_else(|error| fail(&format!("cannot read {}: {error}", path.display())));
        hash.update(path.to_string_lossy().as_bytes());
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let mut digest = String::new();
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// The files below a folder whose names end so, in order.
fn files(folder: &str, ends: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| fail(&format!("cannot list {}: {error}", folder.display())));
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if ends
                .iter()
                .any(|end| path.extension().is_some_and(|found| found == *end))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Writes a Rust list of a folder's files, each with its path below the folder and its text, for the crate to include.
fn embed(folder: &str, end: &str, to: &str) {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let mut list = String::from("&[\n");
    for file in files(folder, &[end]) {
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy();
        let _ = writeln!(
            list,
            "    ({name:?}, include_str!({:?})),",
            root.join(&file)
        );
    }
    list.push(']');
    let to = PathBuf::from(variable("OUT_DIR")).join(to);
    if let Err(error) = std::fs::write(&to, list) {
        fail(&format!("cannot write {}: {error}", to.display()));
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
