//! Packages for the files they hold: put into a folder of their own, never imported, and without what they depend on.

use std::{fs, path::Path};

use super::{
    Options, Uv,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
    progress::Progress,
    python::Interpreter,
    tool,
    uv::with_suffix,
};

/// Puts the packages of a lock, pinned and hashed in the form of a `requirements.txt`, into `folder`.
///
/// Only wheels are taken: a source distribution would run its author's code.
pub fn fetch_packages(
    lock: &str,
    folder: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), EnvironmentError> {
    let python = Interpreter::find(options)?;
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let held = BuildLock::take(&with_suffix(folder, ".lock"), progress)?;
    let uv = Uv::find_or_fetch(&python, options, progress)?;
    let file = folder.join("requirements.lock");
    fs::write(&file, lock).map_err(io_error("write", &file))?;
    let mut install = tool::command(&uv.path, options);
    install
        .args([
            "pip",
            "install",
            "--no-deps",
            "--no-build",
            "--require-hashes",
        ])
        .arg("--python")
        .arg(&python.executable)
        .arg("--target")
        .arg(folder)
        .arg("--requirement")
        .arg(&file);
    let mut on_line = |line: &str| {
        if let Some(event) = Progress::from_uv(line) {
            progress(event);
        }
    };
    match tool::run(install, Some(&held), &mut on_line)? {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.into_error("fetching packages", "uv", &options.cache_dir)),
    }
}
