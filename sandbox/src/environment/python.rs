//! Finds a Python on this machine that an environment can be built from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Options, error::EnvironmentError, tool};

/// The minor versions of Python 3 that the locked packages have wheels for, in the order of preference.
pub(super) const MINORS: [u32; 4] = [11, 12, 13, 14];

/// What a Python says of itself: where it lives, and what it reads at run time.
const PROBE: &str = "
import json, os, sys, sysconfig
base = getattr(sys, '_base_executable', None) or sys.executable
folders = [sys.base_prefix, sys.base_exec_prefix, os.path.dirname(base)]
folders += [sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'), sysconfig.get_config_var('LIBDIR')]
folders += [os.path.dirname(os.path.realpath(base)), os.path.realpath(sys.base_prefix)]
print(json.dumps({
    'implementation': sys.implementation.name,
    'major': sys.version_info[0],
    'minor': sys.version_info[1],
    'version': '.'.join(map(str, sys.version_info[:3])),
    'executable': base,
    'folders': [folder for folder in dict.fromkeys(folders) if folder and os.path.isdir(folder)],
}))
";

/// A Python that was started once and is good enough.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// As it was found, which may be a version manager's shim.
    pub command: PathBuf,
    /// The program itself, outside any virtual environment.
    pub executable: PathBuf,
    /// E.g. `3.11.7`.
    pub version: String,
    pub(super) minor: u32,
    /// Folders that it reads at run time: prefixes, standard library, `libpython`.
    pub(super) folders: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Probe {
    implementation: String,
    major: u32,
    minor: u32,
    version: String,
    executable: PathBuf,
    folders: Vec<PathBuf>,
}

impl Interpreter {
    /// The Python that was asked for, or else the first good one on the search path.
    pub fn find(options: &Options) -> Result<Self, EnvironmentError> {
        if let Some(asked) = &options.python {
            let path = on_search_path(asked, options);
            return Self::probe(&path, options)
                .map_err(|reason| EnvironmentError::PythonUnusable { path, reason });
        }
        let names = MINORS.iter().map(|minor| format!("python3.{minor}"));
        let mut tried = Vec::new();
        for name in names.chain(["python3".into()]) {
            for candidate in all_on_search_path(&name, options) {
                match Self::probe(&candidate, options) {
                    Ok(found) => return Ok(found),
                    Err(reason) => tried.push(format!("{} ({reason})", candidate.display())),
                }
            }
        }
        Err(EnvironmentError::NoPython { tried })
    }

    /// The major and minor version, e.g. `3.11`.
    pub fn minor_version(&self) -> String {
        format!("3.{}", self.minor)
    }

    /// Whether it has the modules with which uv can be fetched.
    pub fn has_venv(&self, options: &Options) -> bool {
        let mut command = tool::command(&self.command, options);
        command.args(["-I", "-c", "import venv, ensurepip"]);
        matches!(tool::run(command, None, &mut |_| {}), Ok(Ok(_)))
    }

    fn probe(command: &Path, options: &Options) -> Result<Self, String> {
        let mut probe = tool::command(command, options);
        probe.args(["-I", "-c", PROBE]);
        let said = match tool::run(probe, None, &mut |_| {}) {
            Ok(Ok(said)) => said,
            Ok(Err(failure)) => {
                let line = failure.tail.lines().next().unwrap_or_default().to_owned();
                return Err(format!("{}: {line}", failure.status));
            }
            Err(error) => return Err(error.to_string()),
        };
        let probe: Probe = serde_json::from_str(said.stdout.trim())
            .map_err(|error| format!("gave no sensible answer: {error}"))?;
        if probe.implementation != "cpython" {
            return Err(format!("{} instead of CPython", probe.implementation));
        }
        if probe.major != 3 || !MINORS.contains(&probe.minor) {
            return Err(format!("version {}", probe.version));
        }
        Ok(Self {
            command: command.to_owned(),
            executable: probe.executable,
            version: probe.version,
            minor: probe.minor,
            folders: probe.folders,
        })
    }
}

/// The path that a shell would run for `program`; itself where it is a path already, or is not found.
pub(super) fn on_search_path(program: &Path, options: &Options) -> PathBuf {
    if program.components().count() > 1 {
        // Tools run in the cache folder, so a path relative to the user's folder must be made whole first.
        return std::path::absolute(program).unwrap_or_else(|_| program.to_owned());
    }
    all_on_search_path(&program.to_string_lossy(), options)
        .next()
        .unwrap_or_else(|| program.to_owned())
}

/// Every file of that name on the search path, in its order.
pub(super) fn all_on_search_path<'a>(
    name: &'a str,
    options: &'a Options,
) -> impl Iterator<Item = PathBuf> + 'a {
    std::env::split_paths(&options.search_path)
        .filter(|folder| folder.is_absolute())
        .map(move |folder| folder.join(name))
        .filter(|path| path.is_file())
}
