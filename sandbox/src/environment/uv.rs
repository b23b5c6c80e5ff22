//! Finds uv, or fetches the pinned one into the cache folder without root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Options,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
    progress::Progress,
    python::{Interpreter, all_on_search_path, on_search_path},
    tool,
};

/// The uv that is fetched, pinned by hash.
const UV_LOCK: &str = include_str!("../../python/uv.lock.txt");

/// Older ones cannot make relocatable environments from hashed locks.
const OLDEST: (u32, u32) = (0, 5);

/// A uv that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uv {
    pub path: PathBuf,
    /// E.g. `0.13.9`.
    pub version: String,
}

impl Uv {
    /// The uv that is already here: the one that was asked for, one on the search path, or one fetched earlier.
    pub fn find(options: &Options) -> Result<Option<Self>, EnvironmentError> {
        if let Some(asked) = &options.uv {
            let path = on_search_path(asked, options);
            return Self::probe(&path, options)
                .map(Some)
                .map_err(|reason| EnvironmentError::UvUnusable { path, reason });
        }
        // A uv that is too old, or a shim that leads nowhere, is no reason to stop: another one is fetched.
        let usable = all_on_search_path("uv", options)
            .chain([fetched_path(options)])
            .find_map(|path| Self::probe(&path, options).ok());
        Ok(usable)
    }

    /// The uv that is here, or else the pinned one, fetched with the venv and pip modules of `python`.
    pub fn find_or_fetch(
        python: &Interpreter,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, EnvironmentError> {
        if let Some(found) = Self::find(options)? {
            return Ok(found);
        }
        let tools = options.cache_dir.join("tools");
        fs::create_dir_all(&tools).map_err(io_error("create", &tools))?;
        let home = fetched_home(options);
        let lock = BuildLock::take(&with_suffix(&home, ".lock"), progress)?;
        // Another process may have fetched it while this one waited.
        if let Some(found) = Self::find(options)? {
            return Ok(found);
        }
        progress(Progress::FetchingUv {
            version: pinned_version().into(),
        });
        let building = with_suffix(&home, ".building");
        remove_folder(&building)?;
        remove_folder(&home)?;
        let fetched = fetch(python, &building, &lock, options).and_then(|()| {
            fs::rename(&building, &home).map_err(io_error("move into place", &building))
        });
        if let Err(error) = fetched {
            remove_folder(&building)?;
            return Err(error);
        }
        let path = fetched_path(options);
        Self::probe(&path, options).map_err(|reason| EnvironmentError::UvUnusable { path, reason })
    }

    fn probe(path: &Path, options: &Options) -> Result<Self, String> {
        if !path.is_file() {
            return Err("there is no such file".into());
        }
        let mut command = tool::command(path, options);
        command.arg("--version");
        let said = match tool::run(command, None, &mut |_| {}) {
            Ok(Ok(said)) => said,
            Ok(Err(failure)) => return Err(format!("{}: {}", failure.status, failure.tail)),
            Err(error) => return Err(error.to_string()),
        };
        let version = read_version(&said.stdout).ok_or_else(|| {
            format!(
                "answered `{}` when asked for its version",
                said.stdout.trim()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            version,
        })
    }
}

/// Makes a virtual environment whose only use is the program `bin/uv` inside, which runs from anywhere.
fn fetch(
    python: &Interpreter,
    building: &Path,
    lock: &BuildLock,
    options: &Options,
) -> Result<(), EnvironmentError> {
    let mut venv = tool::command(&python.command, options);
    venv.args(["-I", "-m", "venv"]).arg(building);
    if let Err(failure) = tool::run(venv, Some(lock), &mut |_| {})? {
        let missing = [
            "No module named venv",
            "No module named 'venv'",
            "ensurepip",
        ];
        if missing.iter().any(|sign| failure.tail.contains(sign)) {
            return Err(EnvironmentError::VenvMissing {
                python: python.command.clone(),
                version: python.minor_version(),
                debian: Path::new("/etc/debian_version").exists(),
            });
        }
        return Err(failure.into_error("making a virtual environment for uv", "python", building));
    }
    let requirements = building.join("uv.lock.txt");
    fs::write(&requirements, UV_LOCK).map_err(io_error("write", &requirements))?;
    let mut pip = tool::command(&building.join("bin/python"), options);
    pip.args(["-I", "-m", "pip", "install", "--quiet", "--retries", "2"])
        .args([
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--requirement",
        ])
        .arg(&requirements);
    match tool::run(pip, Some(lock), &mut |_| {})? {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.into_error("fetching uv", "pip", building)),
    }
}

/// Reads `uv 0.13.9 (…)`; `None` for another text or a version that is too old.
fn read_version(text: &str) -> Option<String> {
    let version = text.strip_prefix("uv ")?.split_whitespace().next()?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>());
    let numbers = (parts.next()?.ok()?, parts.next()?.ok()?);
    (numbers >= OLDEST).then(|| version.to_owned())
}

fn pinned_version() -> &'static str {
    UV_LOCK
        .lines()
        .find_map(|line| line.strip_prefix("uv=="))
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_default()
}

fn fetched_home(options: &Options) -> PathBuf {
    options
        .cache_dir
        .join("tools")
        .join(format!("uv-{}", pinned_version()))
}

fn fetched_path(options: &Options) -> PathBuf {
    fetched_home(options).join("bin/uv")
}

/// Removes a folder that may not be there.
pub(super) fn remove_folder(folder: &Path) -> Result<(), EnvironmentError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// The sibling of a path whose name ends in `suffix`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_uv_is_not_used() {
        assert_eq!(read_version("uv 0.4.30 (abc 2024-11-04)"), None);
        assert_eq!(read_version("uv 0.5.0"), Some("0.5.0".into()));
        assert_eq!(read_version("uv 1.0.0\n"), Some("1.0.0".into()));
    }

    #[test]
    fn something_else_called_uv_is_not_used() {
        assert_eq!(read_version("libuv 1.44"), None);
        assert_eq!(read_version(""), None);
    }

    #[test]
    fn the_fetched_uv_is_pinned_by_version_and_hash() {
        assert_eq!(pinned_version().split('.').count(), 3);
        assert!(UV_LOCK.contains("--hash=sha256:"));
    }
}
